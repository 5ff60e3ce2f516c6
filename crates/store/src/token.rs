//! API tokens.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{TokenId, UserId, access::UnknownWord};
use secrecy::SecretString;
use serde_json::json;

use crate::{
    Actor, Caller, Error, Result, Scope, Store, Via, audit,
    error::{one_row, word},
    secret,
};

/// What every personal token starts with.
pub const PERSONAL_TOKEN_PREFIX: &str = "tdgp_";
/// What every workspace token starts with.
pub const WORKSPACE_TOKEN_PREFIX: &str = "tdgw_";
/// Use is noted at most this often, to spare writes.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(1);

/// For whom a token acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// As its user. It must expire.
    Personal,
    /// For the workspace, within its scopes.
    Workspace,
}

impl TokenKind {
    /// The word stored in the database and shown in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Workspace => "workspace",
        }
    }
}

impl FromStr for TokenKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "personal" => Ok(Self::Personal),
            "workspace" => Ok(Self::Workspace),
            _ => Err(UnknownWord { word: word.to_owned(), of: "token kind" }),
        }
    }
}

/// A token to make.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whom a personal token acts as; for a workspace token, who made it.
    pub user_id: UserId,
    /// What it is called.
    pub name: String,
    /// For whom it acts.
    pub kind: TokenKind,
    /// What a workspace token may do.
    pub scopes: Vec<String>,
    /// When it ends. A personal token must.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token, without its secret, which is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it is called.
    pub name: String,
    /// For whom it acts.
    pub kind: TokenKind,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Makes a token; the secret is shown once and only its hash is stored.
    pub async fn token_create(
        &self,
        scope: &Scope,
        token: &NewToken,
        secret: &SecretString,
    ) -> Result<Token> {
        let mut tx = self.begin(scope).await?;
        crate::people::demand_active(&mut tx, token.user_id).await?;
        let id = TokenId::new(tx.now);
        sqlx::query!(
            "INSERT INTO api_token (workspace_id, id, user_id, name, kind, scopes, secret_hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            tx.workspace_id(),
            id.as_uuid(),
            token.user_id.as_uuid(),
            token.name,
            token.kind.as_str(),
            &token.scopes,
            secret::hash(secret),
            tx.now,
            token.expires_at
        )
        .execute(tx.db())
        .await?;
        let details =
            json!({ "name": token.name, "kind": token.kind.as_str(), "expiresAt": token.expires_at });
        audit::record(&mut tx, scope.actor(), "token.create", id.as_uuid(), details).await?;
        let created_at = tx.now;
        tx.commit().await?;
        Ok(Token {
            id,
            name: token.name.clone(),
            kind: token.kind,
            expires_at: token.expires_at,
            created_at,
            last_used_at: None,
        })
    }

    /// Who is behind a token; `None` for one that is unknown, expired, revoked, or of a deactivated member.
    pub async fn token_resolve(&self, secret: &SecretString) -> Result<Option<Caller>> {
        let row = sqlx::query!(
            r#"SELECT api_token.workspace_id, api_token.id, api_token.user_id, api_token.kind, api_token.scopes,
                   api_token.expires_at, app_user.email, app_user.name, member.role, app_user.timezone,
                   workspace.name AS workspace_name,
                   coalesce(api_token.last_used_at < instant($2) - make_interval(secs => $3), true) AS "is_to_touch!"
               FROM api_token
               JOIN member ON member.workspace_id = api_token.workspace_id AND member.user_id = api_token.user_id
               JOIN app_user ON app_user.id = api_token.user_id
               JOIN workspace ON workspace.id = api_token.workspace_id
               WHERE api_token.secret_hash = $1 AND (api_token.expires_at IS NULL OR api_token.expires_at > instant($2))
                 AND api_token.revoked_at IS NULL AND member.deactivated_at IS NULL"#,
            secret::hash(secret),
            self.time.given(),
            TOUCH_EVERY.as_seconds_f64()
        )
        .fetch_optional(&self.worker)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if row.is_to_touch {
            sqlx::query!(
                "UPDATE api_token SET last_used_at = instant($2) WHERE id = $1",
                row.id,
                self.time.given()
            )
            .execute(&self.worker)
            .await?;
        }
        let user_id = UserId::from(row.user_id);
        Ok(Some(Caller {
            scope: Scope::new(row.workspace_id.into(), Actor::User(user_id)),
            user_id,
            role: word("member", "role", row.user_id, &row.role)?,
            email: row.email,
            name: row.name,
            timezone: row.timezone,
            workspace_name: row.workspace_name,
            via: Via::Token {
                id: row.id.into(),
                kind: word("api_token", "kind", row.id, &row.kind)?,
                scopes: row.scopes,
                expires_at: row.expires_at,
            },
        }))
    }

    /// A member's tokens that still work, newest first.
    pub async fn token_list(&self, scope: &Scope, user_id: UserId) -> Result<Vec<Token>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            "SELECT id, name, kind, expires_at, created_at, last_used_at FROM api_token
             WHERE workspace_id = $1 AND user_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
             ORDER BY id DESC",
            tx.workspace_id(),
            user_id.as_uuid(),
            tx.now
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Token {
                    id: row.id.into(),
                    kind: word("api_token", "kind", row.id, &row.kind)?,
                    name: row.name,
                    expires_at: row.expires_at,
                    created_at: row.created_at,
                    last_used_at: row.last_used_at,
                })
            })
            .collect()
    }

    /// Ends a member's token.
    pub async fn token_revoke(&self, scope: &Scope, user_id: UserId, id: TokenId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE api_token SET revoked_at = $4
             WHERE workspace_id = $1 AND user_id = $2 AND id = $3 AND revoked_at IS NULL",
            tx.workspace_id(),
            user_id.as_uuid(),
            id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "token.revoke", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }
}
