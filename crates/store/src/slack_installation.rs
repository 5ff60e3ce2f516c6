//! A workspace's connection with its Slack team. Its tokens: `slack_token.rs`.
//!
//! One team at a time for a workspace, and one workspace at a time for a team: what Slack sends is routed by the team alone.

use chrono::{DateTime, Utc};
use domain::{
    DeliveryId, SlackInstallationId, UserId,
    delivery::DeliveryKind,
    notice::{NoticeKind, slack_words},
    slack::SlackEnd,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, Scope, SlackTokenPair, Store, Tx, audit,
    error::{optional_word, without_nul},
    notice::{self, Word},
    slack_token,
};

/// A team that has let our app in, as Slack tells it.
#[derive(Clone, Debug)]
pub struct NewSlackInstallation {
    /// `T…`.
    pub team_id: String,
    /// As shown.
    pub team_name: String,
    /// `E…`, where the team belongs to an enterprise.
    pub enterprise_id: Option<String>,
    /// `A…`: our app.
    pub app_id: String,
    /// `U…`: our app as a user of the team.
    pub bot_user_id: String,
    /// What was granted.
    pub scopes: Vec<String>,
    /// The right to act as the app.
    pub tokens: SlackTokenPair,
    /// The admin of ours who connected it.
    pub installed_by: UserId,
}

/// A workspace's connection with a Slack team, without its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackInstallation {
    /// Its id: a new one each time the team is connected.
    pub id: SlackInstallationId,
    /// `T…`.
    pub team_id: String,
    /// As shown.
    pub team_name: String,
    /// `E…`, where the team belongs to an enterprise.
    pub enterprise_id: Option<String>,
    /// `A…`: our app.
    pub app_id: String,
    /// `U…`: our app as a user of the team.
    pub bot_user_id: String,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Why it has ended; `None` while it lives.
    pub end_reason: Option<SlackEnd>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The admin of ours who connected it.
    pub installed_by: UserId,
    /// When the list of channels was last read to its end.
    pub channels_listed_at: Option<DateTime<Utc>>,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
}

impl SlackInstallation {
    /// Whether it lives.
    pub const fn is_active(&self) -> bool {
        self.end_reason.is_none()
    }
}

impl Store {
    /// The workspace's live connection with Slack.
    pub async fn slack_installation_get(&self, scope: &Scope) -> Result<Option<SlackInstallation>> {
        Ok(self.slack_installation_last(scope).await?.filter(SlackInstallation::is_active))
    }

    /// The workspace's live connection with Slack, or the last one that ended.
    pub async fn slack_installation_last(&self, scope: &Scope) -> Result<Option<SlackInstallation>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            "SELECT id, team_id, team_name, enterprise_id, app_id, bot_user_id, scopes, end_reason, ended_at, installed_by,
                 channels_listed_at, created_at
             FROM slack_installation WHERE workspace_id = $1
             ORDER BY (state = 'active') DESC, created_at DESC, id DESC LIMIT 1",
            tx.workspace_id()
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SlackInstallation {
            id: row.id.into(),
            team_id: row.team_id,
            team_name: row.team_name,
            enterprise_id: row.enterprise_id,
            app_id: row.app_id,
            bot_user_id: row.bot_user_id,
            scopes: row.scopes,
            end_reason: optional_word("slack_installation", "end_reason", row.id, row.end_reason.as_deref())?,
            ended_at: row.ended_at,
            installed_by: row.installed_by.into(),
            channels_listed_at: row.channels_listed_at,
            created_at: row.created_at,
        }))
    }

    /// Connects the workspace with a team. The same team again takes the place of what there was. `Conflict::SlackTeamTaken`
    /// while the team is connected with another workspace; `Conflict::SlackOtherTeam` while the workspace is with another team.
    pub async fn slack_installation_put(
        &self,
        scope: &Scope,
        new: &NewSlackInstallation,
    ) -> Result<SlackInstallationId> {
        let mut tx = self.begin(scope).await?;
        let live = lock_live(&mut tx).await?;
        if live.as_ref().is_some_and(|live| live.team_id != new.team_id) {
            return Err(Conflict::SlackOtherTeam.into());
        }
        if let Some(live) = live {
            end(&mut tx, live.id, SlackEnd::Replaced).await?;
        }
        forget_other_channels(&mut tx, &new.team_id).await?;
        let id = SlackInstallationId::new(tx.now);
        let sealed = slack_token::seal(&self.vault, scope, id, &new.tokens)?;
        sqlx::query!(
            "INSERT INTO slack_installation (workspace_id, id, team_id, team_name, enterprise_id, app_id, bot_user_id, scopes,
                 secret, secret_key_id, token_expires_at, token_refresh_at, state, installed_by, channels_due_at, created_at,
                 updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'active', $13, $14, $14, $14)",
            tx.workspace_id(),
            id.as_uuid(),
            new.team_id,
            without_nul(&new.team_name),
            new.enterprise_id,
            new.app_id,
            new.bot_user_id,
            &new.scopes,
            sealed.bytes,
            sealed.key_id,
            new.tokens.expires_at(tx.now),
            new.tokens.refresh_at(tx.now),
            new.installed_by.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "teamId": new.team_id, "teamName": new.team_name });
        audit::record(&mut tx, scope.actor(), "slack.connect", id.as_uuid(), details).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Ends the workspace's live connection: its tokens are wiped at once, and unless an admin of ours did it, all admins are
    /// told by email. Answers whether there was one to end, so that the same again changes nothing.
    ///
    /// With `happened_at`, a connection that was made after that is left alone: word about an earlier one may come late.
    pub async fn slack_installation_end(
        &self,
        scope: &Scope,
        reason: SlackEnd,
        happened_at: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        let mut tx = self.begin(scope).await?;
        let Some(live) = lock_live(&mut tx).await? else { return Ok(false) };
        if happened_at.is_some_and(|at| live.created_at > at) {
            return Ok(false);
        }
        end(&mut tx, live.id, reason).await?;
        if !matches!(reason, SlackEnd::Disconnected | SlackEnd::Replaced) {
            tell_admins(&mut tx, &live.team_name, reason).await?;
        }
        let details = json!({ "teamId": live.team_id, "reason": reason });
        audit::record(&mut tx, scope.actor(), "slack.end", live.id, details).await?;
        tx.commit().await?;
        Ok(true)
    }
}

struct Live {
    id: Uuid,
    team_id: String,
    team_name: String,
    created_at: DateTime<Utc>,
}

async fn lock_live(tx: &mut Tx) -> Result<Option<Live>> {
    let live = sqlx::query_as!(
        Live,
        "SELECT id, team_id, team_name, created_at FROM slack_installation
         WHERE workspace_id = $1 AND state = 'active' FOR UPDATE",
        tx.workspace_id()
    );
    Ok(live.fetch_optional(tx.db()).await?)
}

async fn end(tx: &mut Tx, id: Uuid, reason: SlackEnd) -> Result<()> {
    let done = sqlx::query!(
        "UPDATE slack_installation SET state = 'ended', end_reason = $3, ended_at = $4, secret = NULL, secret_key_id = NULL,
             token_expires_at = NULL, token_refresh_at = NULL, updated_at = $4
         WHERE workspace_id = $1 AND id = $2 AND state = 'active'",
        tx.workspace_id(),
        id,
        reason.as_str(),
        tx.now
    )
    .execute(tx.db())
    .await?;
    crate::error::one_row(&done, Error::NotFound)
}

/// Channels belong to a team: those of another one are not shown as this one's.
async fn forget_other_channels(tx: &mut Tx, team_id: &str) -> Result<()> {
    sqlx::query!(
        "DELETE FROM slack_channel WHERE workspace_id = $1 AND $2 <> coalesce((
             SELECT team_id FROM slack_installation WHERE workspace_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1), '')",
        tx.workspace_id(),
        team_id
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// One email to each admin, which belongs to no task.
async fn tell_admins(tx: &mut Tx, team_name: &str, reason: SlackEnd) -> Result<()> {
    let admins = sqlx::query_scalar!(
        "SELECT user_id FROM member WHERE workspace_id = $1 AND role = 'admin' AND deactivated_at IS NULL ORDER BY user_id",
        tx.workspace_id()
    )
    .fetch_all(tx.db())
    .await?;
    for user_id in admins {
        let details = format!("Slack team “{team_name}”: {}", reason.sentence());
        let word = Word {
            kind: NoticeKind::SlackEnded,
            words: slack_words(),
            details: Some(details.clone()),
            ..Word::to(tx.workspace_id(), user_id)
        };
        notice::keep(tx, &word).await?;
        sqlx::query!(
            "INSERT INTO delivery (workspace_id, id, kind, channel, user_id, label, state, details, available_at, created_at)
             SELECT $1, $2, $3, 'email', app_user.id, app_user.name || ' <' || app_user.email || '>', 'pending', $5, $6, $6
             FROM app_user WHERE app_user.id = $4",
            tx.workspace_id(),
            DeliveryId::new(tx.now).as_uuid(),
            DeliveryKind::SlackEnded.as_str(),
            user_id,
            details,
            tx.now
        )
        .execute(tx.db())
        .await?;
    }
    Ok(())
}
