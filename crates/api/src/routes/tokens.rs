//! API tokens.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{TokenId, invalid::Issues};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use store::Cursor;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path, Query},
    page::{List, PageQuery},
};

/// The longest name, in characters.
const NAME_MAX: usize = 100;
/// The longest life of a personal token.
const LIFETIME_MAX: TimeDelta = TimeDelta::days(366);

/// An API token, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    id: TokenId,
    name: String,
    /// `personal`: acts as its user. `workspace`: acts for the workspace within its scopes.
    kind: TokenKind,
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
}

/// A new API token with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewToken {
    #[serde(flatten)]
    record: Token,
    /// The secret: `tdgp_` and 43 or more URL-safe characters. Only its hash is kept.
    token: String,
}

/// For whom a token acts.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenKind {
    Personal,
    Workspace,
}

/// A personal token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// What it is for: 1 to 100 characters.
    name: String,
    /// When it ends, at most a year ahead.
    expires_at: DateTime<Utc>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(token_list, token_create)).routes(routes!(token_delete))
}

/// One's own tokens, newest first.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(PageQuery),
    responses((status = 200, body = List<Token>)))]
pub(crate) async fn token_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<List<Token>>> {
    let part = query.part()?;
    let tokens = state.store.token_list(&caller.scope, caller.user_id).await.or_refused("token")?;
    let tokens = tokens.into_iter().map(Token::from).collect();
    Ok(axum::Json(part.cut(tokens, true, |token| Cursor { key: String::new(), id: token.id.as_uuid() })))
}

/// Make a personal token.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = TokenRequest,
    responses((status = 201, body = NewToken)))]
pub(crate) async fn token_create(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<TokenRequest>,
) -> Result<(StatusCode, axum::Json<NewToken>)> {
    let now = state.store.now().await.or_refused("token")?;
    let name = request.name.trim().to_owned();
    let mut issues = Issues::default();
    let length = name.chars().count();
    issues.require(
        (1..=NAME_MAX).contains(&length),
        "name",
        &format!("must have 1 to {NAME_MAX} characters"),
    );
    issues.require(
        !name.chars().any(char::is_control),
        "name",
        "must be one line without control characters",
    );
    issues.require(request.expires_at > now, "expiresAt", "must be in the future");
    issues.require(request.expires_at <= now + LIFETIME_MAX, "expiresAt", "must be at most a year ahead");
    issues.into_result()?;
    let token = store::NewToken {
        user_id: caller.user_id,
        name,
        kind: store::TokenKind::Personal,
        scopes: Vec::new(),
        expires_at: Some(request.expires_at),
    };
    let secret = state.new_secret(store::PERSONAL_TOKEN_PREFIX);
    let made = state.store.token_create(&caller.scope, &token, &secret).await.or_refused("user")?;
    let made = NewToken { record: Token::from(made), token: secret.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, axum::Json(made)))
}

/// Revoke a token, at once.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Revoked.")))]
pub(crate) async fn token_delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<TokenId>,
) -> Result<StatusCode> {
    state.store.token_revoke(&caller.scope, caller.user_id, id).await.or_refused("token")?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<store::Token> for Token {
    fn from(token: store::Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            kind: match token.kind {
                store::TokenKind::Personal => TokenKind::Personal,
                store::TokenKind::Workspace => TokenKind::Workspace,
            },
            expires_at: token.expires_at,
            created_at: token.created_at,
            last_used_at: token.last_used_at,
        }
    }
}
