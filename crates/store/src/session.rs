//! Signed-in browsers, and who is behind a request.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{SessionId, TokenId, UserId, access::Role};
use secrecy::SecretString;
use serde_json::json;

use crate::{Actor, Result, Scope, Store, TokenKind, audit, error::word, secret};

/// A session that was not used for this long ends.
pub const SESSION_IDLE: TimeDelta = TimeDelta::days(14);
/// No session lasts longer.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::days(90);
/// Use is noted at most this often, to spare writes.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What they may touch at all.
    pub scope: Scope,
    /// Who.
    pub user_id: UserId,
    /// Their address.
    pub email: String,
    /// As shown.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// An IANA time zone.
    pub timezone: String,
    /// The workspace, as shown.
    pub workspace_name: String,
    /// How they proved who they are.
    pub via: Via,
}

/// How a caller proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// The page's cookie.
    Session(SessionId),
    /// An API token.
    Token {
        /// Which.
        id: TokenId,
        /// Whether it acts as its user or for the workspace.
        kind: TokenKind,
        /// What a workspace token may do.
        scopes: Vec<String>,
        /// When it ends.
        expires_at: Option<DateTime<Utc>>,
    },
}

impl Store {
    /// Opens a session for a member whom the scope names.
    pub async fn session_create(
        &self,
        scope: &Scope,
        user_id: UserId,
        secret: &SecretString,
    ) -> Result<SessionId> {
        let mut tx = self.begin(scope).await?;
        crate::people::demand_active(&mut tx, user_id).await?;
        let id = SessionId::new(tx.now);
        sqlx::query!(
            "INSERT INTO session (workspace_id, id, user_id, secret_hash, created_at, seen_at, expires_at, ends_at)
             VALUES ($1, $2, $3, $4, $5, $5, $6, $7)",
            tx.workspace_id(),
            id.as_uuid(),
            user_id.as_uuid(),
            secret::hash(secret),
            tx.now,
            tx.now + SESSION_IDLE,
            tx.now + SESSION_LIFETIME
        )
        .execute(tx.db())
        .await?;
        audit::record(&mut tx, Actor::User(user_id), "session.create", id.as_uuid(), json!({})).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Who is behind a session's secret; `None` for one that is unknown, over, or of a deactivated member.
    pub async fn session_resolve(&self, secret: &SecretString) -> Result<Option<Caller>> {
        let row = sqlx::query!(
            r#"SELECT session.workspace_id, session.id, session.user_id, app_user.email, app_user.name, member.role,
                   app_user.timezone, workspace.name AS workspace_name,
                   session.seen_at < instant($2) - make_interval(secs => $3) AS "is_to_touch!"
               FROM session
               JOIN member ON member.workspace_id = session.workspace_id AND member.user_id = session.user_id
               JOIN app_user ON app_user.id = session.user_id
               JOIN workspace ON workspace.id = session.workspace_id
               WHERE session.secret_hash = $1 AND session.expires_at > instant($2) AND session.ends_at > instant($2)
                 AND member.deactivated_at IS NULL"#,
            secret::hash(secret),
            self.time.given(),
            TOUCH_EVERY.as_seconds_f64()
        )
        .fetch_optional(&self.worker)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let id = SessionId::from(row.id);
        if row.is_to_touch {
            self.session_touch(id).await?;
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
            via: Via::Session(id),
        }))
    }

    async fn session_touch(&self, id: SessionId) -> Result<()> {
        sqlx::query!(
            "UPDATE session SET seen_at = instant($2),
                 expires_at = least(ends_at, instant($2) + make_interval(secs => $3))
             WHERE id = $1",
            id.as_uuid(),
            self.time.given(),
            SESSION_IDLE.as_seconds_f64()
        )
        .execute(&self.worker)
        .await?;
        Ok(())
    }

    /// Ends a session. Ending one that is over is no error.
    pub async fn session_revoke(&self, scope: &Scope, id: SessionId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM session WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Removes what is over and remembered for nothing: sessions, sign-in links, sign-in attempts, idempotency keys.
    /// And rests from a task that are over. Answers how many rows went.
    pub async fn expired_rows_delete(&self) -> Result<u64> {
        let given = self.time.given();
        let sessions = sqlx::query!(
            "DELETE FROM session WHERE expires_at < instant($1) OR ends_at < instant($1)",
            given
        );
        let mut gone = sessions.execute(&self.worker).await?.rows_affected();
        let links = sqlx::query!("DELETE FROM sign_in_link WHERE expires_at < instant($1)", given);
        gone += links.execute(&self.worker).await?.rows_affected();
        let attempts =
            sqlx::query!("DELETE FROM sign_in_attempt WHERE at < instant($1) - interval '1 day'", given);
        gone += attempts.execute(&self.worker).await?.rows_affected();
        let keys = sqlx::query!(
            "DELETE FROM idempotency_key WHERE created_at < instant($1) - interval '1 day'",
            given
        );
        gone += keys.execute(&self.worker).await?.rows_affected();
        Ok(gone + self.task_snooze_end().await?)
    }
}
