//! Who makes a request, and whether it may come from where it does.

use std::{convert::Infallible, ops::Deref};

use axum::{
    extract::{FromRequestParts, MatchedPath, OptionalFromRequestParts, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use secrecy::{ExposeSecret, SecretString};
use store::{IdempotencyHold, TokenKind, Via};

use crate::{ApiState, Error, Result, error::StoreResult};

/// The cookie that holds the page's session.
pub(crate) const SESSION_COOKIE: &str = "tidings_session";

const NOT_SIGNED_IN: Error =
    Error::Unauthorized("sign in, or send an API token as `Authorization: Bearer ...`");

/// Who makes the request. An extractor: a handler that names it is for signed-in callers only.
#[derive(Clone, Debug)]
pub(crate) struct Caller(store::Caller);

impl Deref for Caller {
    type Target = store::Caller;

    fn deref(&self) -> &store::Caller {
        &self.0
    }
}

impl Caller {
    /// The same caller, acting for an idempotency key.
    pub(crate) fn acting_for(mut self, hold: IdempotencyHold) -> Self {
        self.0.scope = self.0.scope.acting_for(hold);
        self
    }

    /// Refuses callers who are no admins.
    pub(crate) fn require_admin(&self) -> Result<()> {
        if self.role.is_admin() {
            Ok(())
        } else {
            Err(Error::Forbidden("this is for admins of the workspace"))
        }
    }

    /// Refuses callers whose role asks nothing.
    pub(crate) fn require_asking(&self) -> Result<()> {
        if self.role.may_ask() {
            Ok(())
        } else {
            Err(Error::Forbidden("guests read; they cannot ask questions"))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        match parts.extensions.get::<Self>() {
            Some(caller) => Ok(caller.clone()),
            None => Err(NOT_SIGNED_IN),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// Finds out who makes a request, and counts it. Anonymous requests pass: handlers that name [`Caller`] refuse them.
pub(crate) async fn authenticate(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match resolve(&state, request.method().clone(), request.headers().clone()).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let Some(caller) = caller else { return next.run(request).await };
    let is_session = matches!(caller.via, Via::Session(_));
    let allowance = state.limits.take_request(caller.user_id, is_session, state.now());
    let verdict = allowance.verdict().and_then(|()| check_token_scopes(&caller, &request));
    tracing::Span::current()
        .record("user", tracing::field::display(caller.user_id))
        .record("workspace", tracing::field::display(caller.scope.workspace_id()));
    let mut response = match verdict {
        Ok(()) => {
            request.extensions_mut().insert(Caller(caller));
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    allowance.write(response.headers_mut());
    response
}

async fn resolve(state: &ApiState, method: Method, headers: HeaderMap) -> Result<Option<store::Caller>> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token = authorization
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| SecretString::from(token.trim().to_owned()))
            .ok_or(NOT_SIGNED_IN)?;
        let caller = state.store.token_resolve(&token).await.or_refused("caller")?;
        return caller.map(Some).ok_or(Error::Unauthorized("the token is unknown, expired or revoked"));
    }
    let cookies = CookieJar::from_headers(&headers);
    let Some(cookie) = cookies.get(SESSION_COOKIE) else { return Ok(None) };
    let caller = state
        .store
        .session_resolve(&SecretString::from(cookie.value().to_owned()))
        .await
        .or_refused("caller")?;
    if caller.is_some() && !method.is_safe() {
        require_same_origin(&headers, &state.options.public_url)?;
    }
    Ok(caller)
}

/// Refuses a request that another site made a browser send. Browsers say where a request comes from in `Sec-Fetch-Site`,
/// older ones in `Origin`; a client that says neither is no browser, and no page makes it act.
pub(crate) fn require_same_origin(headers: &HeaderMap, public_url: &str) -> Result<()> {
    const OTHER_SITE: Error = Error::Forbidden("the request comes from another site");
    let text =
        |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or_default());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(OTHER_SITE) };
    }
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let host = origin.split_once("://").map(|(_, host)| host);
    let is_same = origin == public_url || (host.is_some() && host == text(header::HOST));
    if is_same { Ok(()) } else { Err(OTHER_SITE) }
}

/// A workspace token does what its scopes name and nothing else.
fn check_token_scopes(caller: &store::Caller, request: &Request) -> Result<()> {
    let Via::Token { kind: TokenKind::Workspace, scopes, .. } = &caller.via else { return Ok(()) };
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let noun = path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let is_read = request.method() == Method::GET || request.method() == Method::HEAD;
    let needed = match (noun, is_read) {
        ("users", true) => "users:read",
        ("groups", true) => "groups:read",
        ("groups", false) => "groups:write",
        ("data-connections", true) => "connections:read",
        ("data-connections", false) => "connections:write",
        ("tasks" | "runs", true) => "tasks:read",
        _ => return Err(Error::Forbidden("a workspace token cannot do this")),
    };
    if scopes.iter().any(|scope| scope == needed) {
        return Ok(());
    }
    Err(Error::Forbidden("the token's scopes do not include this"))
}

/// `Set-Cookie` for a new session. The store ends the session; the cookie outlives it at most.
pub(crate) fn session_cookie(state: &ApiState, secret: &SecretString) -> String {
    set_cookie(state, secret.expose_secret(), store::SESSION_LIFETIME.num_seconds())
}

/// `Set-Cookie` that forgets the session.
pub(crate) fn cleared_session_cookie(state: &ApiState) -> String {
    set_cookie(state, "", 0)
}

fn set_cookie(state: &ApiState, value: &str, max_age_seconds: i64) -> String {
    let secure = if state.is_secure() { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure}")
}
