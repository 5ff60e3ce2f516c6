//! The way to Slack's consent page and back: single use, ten minutes, in the browser that began it.

use chrono::TimeDelta;
use domain::{SessionId, UserId, slack::SlackOauthPurpose};
use secrecy::SecretString;

use crate::{Result, Scope, Store, error::word, secret};

/// How long somebody may take at Slack's consent page.
pub const SLACK_CONSENT_PATIENCE: TimeDelta = TimeDelta::minutes(10);

impl Store {
    /// Remembers that a member set out to Slack's consent page from one session of theirs.
    pub async fn slack_oauth_begin(
        &self,
        scope: &Scope,
        session_id: SessionId,
        user_id: UserId,
        purpose: SlackOauthPurpose,
        state: &SecretString,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM slack_oauth_state WHERE workspace_id = $1 AND expires_at <= $2",
            tx.workspace_id(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "INSERT INTO slack_oauth_state (workspace_id, state_hash, purpose, session_id, user_id, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            tx.workspace_id(),
            secret::hash(state),
            purpose.as_str(),
            session_id.as_uuid(),
            user_id.as_uuid(),
            tx.now + SLACK_CONSENT_PATIENCE
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Uses up the state that came back with a session: what for, or `None` for one that is unknown, used, too old, or of another
    /// session or workspace.
    pub async fn slack_oauth_finish(
        &self,
        scope: &Scope,
        session_id: SessionId,
        state: &SecretString,
    ) -> Result<Option<SlackOauthPurpose>> {
        let mut tx = self.begin(scope).await?;
        let purpose = sqlx::query_scalar!(
            "DELETE FROM slack_oauth_state
             WHERE workspace_id = $1 AND state_hash = $2 AND session_id = $3 AND expires_at > $4 RETURNING purpose",
            tx.workspace_id(),
            secret::hash(state),
            session_id.as_uuid(),
            tx.now
        )
        .fetch_optional(tx.db())
        .await?;
        tx.commit().await?;
        purpose.map(|purpose| word("slack_oauth_state", "purpose", session_id, &purpose)).transpose()
    }
}
