//! Signing in and out.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::IntoResponse,
};
use domain::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use store::{Scope, SignInAdmission, Via};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::{Caller, cleared_session_cookie, require_same_origin, session_cookie},
    error::StoreResult,
    extract::Json,
    routes::me::{self, Me},
};

/// The longest address that is looked up (RFC 5321).
const EMAIL_MAX_BYTES: usize = 320;
/// The longest password that is hashed.
const PASSWORD_MAX_BYTES: usize = 1_000;

/// An address and its password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The address.
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// A one-time sign-in link's token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignInLink {
    /// What stands after `#token=` in the link.
    #[schema(value_type = String)]
    token: SecretString,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(session_create, session_delete))
        .routes(routes!(session_create_by_link))
}

/// Sign in by email and password.
///
/// Sets the cookie `tidings_session`. A wrong address and a wrong password get the same answer.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignIn, security(()),
    responses((status = 200, body = Me, description = "Signed in; the cookie is set.")))]
pub(crate) async fn session_create(
    State(state): State<ApiState>,
    ClientAddress(address): ClientAddress,
    caller: Option<Caller>,
    headers: HeaderMap,
    Json(sign_in): Json<SignIn>,
) -> Result<impl IntoResponse> {
    require_same_origin(&headers, &state.options.public_url)?;
    let email = sign_in.email.trim().to_lowercase();
    if email.is_empty() || email.len() > EMAIL_MAX_BYTES {
        return Err(Error::field("email", "give an email address"));
    }
    if sign_in.password.expose_secret().len() > PASSWORD_MAX_BYTES {
        return Err(Error::field("password", format!("has more than {PASSWORD_MAX_BYTES} bytes")));
    }
    match state.store.sign_in_admit(&email, &address).await.or_refused("user")? {
        SignInAdmission::Allowed => {}
        SignInAdmission::RetryAfter(wait) => {
            return Err(Error::RateLimited { retry_after: wait.to_std().unwrap_or_default() });
        }
    }
    let known = state.store.user_password(&email).await.or_refused("user")?;
    let hash = known.as_ref().map(|known| known.password_hash.clone());
    let is_right = state.passwords.verify(sign_in.password, hash).await.map_err(Error::internal)?;
    let Some(known) = known.filter(|_| is_right) else {
        return Err(Error::Unauthorized("the email address or the password is wrong"));
    };
    state.store.sign_in_succeeded(&email, &address).await.or_refused("user")?;
    open_session(&state, caller, &known.scope, known.user_id).await
}

/// Sign in by a one-time link.
#[utoipa::path(post, path = "/session/link", tag = "session", request_body = SignInLink, security(()),
    responses((status = 200, body = Me, description = "Signed in; the cookie is set.")))]
pub(crate) async fn session_create_by_link(
    State(state): State<ApiState>,
    caller: Option<Caller>,
    headers: HeaderMap,
    Json(link): Json<SignInLink>,
) -> Result<impl IntoResponse> {
    require_same_origin(&headers, &state.options.public_url)?;
    let used = state.store.sign_in_link_use(&link.token).await.or_refused("link")?;
    let Some((scope, user_id)) = used else {
        return Err(Error::Unauthorized("the link was used already or is too old; ask for a new one"));
    };
    open_session(&state, caller, &scope, user_id).await
}

/// Sign out.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 204, description = "Signed out; the cookie is cleared.")))]
pub(crate) async fn session_delete(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<impl IntoResponse> {
    if let Via::Session(id) = caller.via {
        state.store.session_revoke(&caller.scope, id).await.or_refused("session")?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cleared_session_cookie(&state))]))
}

/// A new session in place of the one that the browser came with, so that a secret planted before is worth nothing.
async fn open_session(
    state: &ApiState,
    previous: Option<Caller>,
    scope: &Scope,
    user_id: UserId,
) -> Result<impl IntoResponse + use<>> {
    if let Some(previous) = previous
        && let Via::Session(id) = previous.via
    {
        state.store.session_revoke(&previous.scope, id).await.or_refused("session")?;
    }
    let secret = state.new_secret("");
    state.store.session_create(scope, user_id, &secret).await.or_refused("user")?;
    let caller = state.store.session_resolve(&secret).await.or_refused("session")?;
    let caller = caller.ok_or(Error::Unauthorized("the account was deactivated"))?;
    let me = me::describe(state, &caller).await?;
    Ok(([(header::SET_COOKIE, session_cookie(state, &secret))], axum::Json(me)))
}

/// The address that a request comes from, as text.
pub(crate) struct ClientAddress(String);

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(
            address.map_or_else(|| "unknown".to_owned(), |ConnectInfo(address)| address.ip().to_string()),
        ))
    }
}
