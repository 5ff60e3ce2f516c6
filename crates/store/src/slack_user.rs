//! Which member is which person in the workspace's Slack team. Links are kept by team: with another team, or none, they rest.

use chrono::{DateTime, Utc};
use domain::{UserId, access::Role, slack::SlackLinkedBy};
use serde_json::json;

use crate::{Error, Result, Scope, Store, audit, error::word};

/// A member's link with a Slack user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackUser {
    /// The member.
    pub user_id: UserId,
    /// `U…`.
    pub slack_user_id: String,
    /// How that is known.
    pub linked_by: SlackLinkedBy,
    /// Since when.
    pub linked_at: DateTime<Utc>,
}

/// The member behind a Slack user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackMember {
    /// Who.
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// An IANA time zone.
    pub timezone: String,
}

impl Store {
    /// Links a member with a user of the connected team; what either of them was linked with before by a weaker word gives way.
    /// `Conflict::SlackUserTaken` where the Slack user is another active member's; `NotFound` without a connection with `team_id`.
    pub async fn slack_user_link(
        &self,
        scope: &Scope,
        user_id: UserId,
        team_id: &str,
        slack_user_id: &str,
        linked_by: SlackLinkedBy,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        crate::people::demand_active(&mut tx, user_id).await?;
        let connected = sqlx::query_scalar!(
            "SELECT team_id FROM slack_installation WHERE workspace_id = $1 AND state = 'active' AND team_id = $2 FOR SHARE",
            tx.workspace_id(),
            team_id
        );
        connected.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        // Signing in proves more than an equal address; and who is deactivated no longer stands in the way.
        sqlx::query!(
            "DELETE FROM slack_user USING member
             WHERE slack_user.workspace_id = $1 AND team_id = $2 AND slack_user_id = $3 AND slack_user.user_id <> $4
               AND member.workspace_id = $1 AND member.user_id = slack_user.user_id
               AND (member.deactivated_at IS NOT NULL OR (linked_by = 'email' AND $5))",
            tx.workspace_id(),
            team_id,
            slack_user_id,
            user_id.as_uuid(),
            linked_by == SlackLinkedBy::SignIn
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "INSERT INTO slack_user (workspace_id, team_id, user_id, slack_user_id, linked_by, linked_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (workspace_id, team_id, user_id) DO UPDATE
             SET slack_user_id = excluded.slack_user_id, linked_by = excluded.linked_by, linked_at = excluded.linked_at",
            tx.workspace_id(),
            team_id,
            user_id.as_uuid(),
            slack_user_id,
            linked_by.as_str(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "slackUserId": slack_user_id, "by": linked_by });
        audit::record(&mut tx, scope.actor(), "slack.link", user_id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// Takes a member's link away, in every team. Answers whether there was one.
    pub async fn slack_user_unlink(&self, scope: &Scope, user_id: UserId) -> Result<bool> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "DELETE FROM slack_user WHERE workspace_id = $1 AND user_id = $2",
            tx.workspace_id(),
            user_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        let was_linked = done.rows_affected() > 0;
        if was_linked {
            audit::record(&mut tx, scope.actor(), "slack.unlink", user_id.as_uuid(), json!({})).await?;
        }
        tx.commit().await?;
        Ok(was_linked)
    }

    /// A member's link in the connected team.
    pub async fn slack_user_get(&self, scope: &Scope, user_id: UserId) -> Result<Option<SlackUser>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            "SELECT slack_user_id, linked_by, linked_at FROM slack_user
             JOIN slack_installation AS installation ON installation.workspace_id = slack_user.workspace_id
               AND installation.team_id = slack_user.team_id AND installation.state = 'active'
             WHERE slack_user.workspace_id = $1 AND user_id = $2",
            tx.workspace_id(),
            user_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SlackUser {
            user_id,
            slack_user_id: row.slack_user_id,
            linked_by: word("slack_user", "linked_by", user_id, &row.linked_by)?,
            linked_at: row.linked_at,
        }))
    }

    /// The active member that a user of the connected team is linked with.
    pub async fn slack_user_find(&self, scope: &Scope, slack_user_id: &str) -> Result<Option<SlackMember>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            "SELECT slack_user.user_id, app_user.name, member.role, app_user.timezone FROM slack_user
             JOIN slack_installation AS installation ON installation.workspace_id = slack_user.workspace_id
               AND installation.team_id = slack_user.team_id AND installation.state = 'active'
             JOIN member ON member.workspace_id = slack_user.workspace_id AND member.user_id = slack_user.user_id
             JOIN app_user ON app_user.id = slack_user.user_id
             WHERE slack_user.workspace_id = $1 AND slack_user_id = $2 AND member.deactivated_at IS NULL",
            tx.workspace_id(),
            slack_user_id
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SlackMember {
            user_id: row.user_id.into(),
            name: row.name,
            role: word("member", "role", row.user_id, &row.role)?,
            timezone: row.timezone,
        }))
    }
}
