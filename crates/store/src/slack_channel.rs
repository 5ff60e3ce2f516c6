//! The team's channels, as last seen. Slack lists them slowly and seldom: nobody asks it while somebody waits.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Actor, Error, Result, Scope, Store, error::without_nul};

/// How old a whole list may grow before it is read again.
pub const SLACK_CHANNELS_FRESH_FOR: TimeDelta = TimeDelta::hours(1);
/// After this long, whoever began to read a list is taken for dead, and another begins.
const LISTING_LEASE: TimeDelta = TimeDelta::minutes(10);

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "what there is to say of a channel")]
pub struct SlackChannel {
    /// `C…`, or `G…` for old private ones.
    pub id: String,
    /// Without its `#`.
    pub name: String,
    /// Whether only its members see it.
    pub is_private: bool,
    /// Whether nobody can post in it any more.
    pub is_archived: bool,
    /// Whether our app is in it.
    pub is_member: bool,
    /// Whether it is shared with other organisations.
    pub is_ext_shared: bool,
    /// Whether guests of the team are in it; `None` where nobody has looked. Putting `None` leaves what is known.
    pub has_guests: Option<bool>,
    /// When it was last looked at. Putting one sets it to now.
    pub refreshed_at: DateTime<Utc>,
}

impl Store {
    /// Stores channels as they were just seen.
    pub async fn slack_channel_put(&self, scope: &Scope, channels: &[SlackChannel]) -> Result<()> {
        if channels.is_empty() {
            return Ok(());
        }
        // A statement must not name the same row twice, and rows are taken in one order by all.
        let mut channels: Vec<_> = channels.iter().collect();
        channels.sort_by(|one, other| one.id.cmp(&other.id));
        channels.dedup_by(|one, other| one.id == other.id);
        let ids: Vec<_> = channels.iter().map(|channel| channel.id.as_str()).collect();
        let names: Vec<_> = channels.iter().map(|channel| without_nul(&channel.name)).collect();
        let private: Vec<_> = channels.iter().map(|channel| channel.is_private).collect();
        let archived: Vec<_> = channels.iter().map(|channel| channel.is_archived).collect();
        let member: Vec<_> = channels.iter().map(|channel| channel.is_member).collect();
        let shared: Vec<_> = channels.iter().map(|channel| channel.is_ext_shared).collect();
        let guests: Vec<_> = channels.iter().map(|channel| channel.has_guests).collect();
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "INSERT INTO slack_channel (workspace_id, channel_id, name, is_private, is_archived, is_member, is_ext_shared,
                 has_guests, refreshed_at)
             SELECT $1, seen.*, $9::timestamptz
             FROM unnest($2::text[], $3::text[], $4::bool[], $5::bool[], $6::bool[], $7::bool[], $8::bool[]) AS seen
             ON CONFLICT (workspace_id, channel_id) DO UPDATE
             SET name = excluded.name, is_private = excluded.is_private, is_archived = excluded.is_archived,
                 is_member = excluded.is_member, is_ext_shared = excluded.is_ext_shared,
                 has_guests = coalesce(excluded.has_guests, slack_channel.has_guests), refreshed_at = excluded.refreshed_at",
            tx.workspace_id(),
            &ids as &[&str],
            &names,
            &private,
            &archived,
            &member,
            &shared,
            &guests as &[Option<bool>],
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// One channel as last seen.
    pub async fn slack_channel_get(&self, scope: &Scope, id: &str) -> Result<Option<SlackChannel>> {
        let mut tx = self.begin(scope).await?;
        let channel = sqlx::query_as!(
            SlackChannel,
            "SELECT channel_id AS id, name, is_private, is_archived, is_member, is_ext_shared, has_guests, refreshed_at
             FROM slack_channel WHERE workspace_id = $1 AND channel_id = $2",
            tx.workspace_id(),
            id
        );
        Ok(channel.fetch_optional(tx.db()).await?)
    }

    /// Live channels whose name holds `text` regardless of case, those that begin with it first, then by name; private ones only
    /// where our app is in them. No text finds all.
    pub async fn slack_channel_search(
        &self,
        scope: &Scope,
        text: &str,
        limit: u32,
    ) -> Result<Vec<SlackChannel>> {
        let mut tx = self.begin(scope).await?;
        let text = crate::task::escape_like(text.trim_start_matches('#'));
        let channels = sqlx::query_as!(
            SlackChannel,
            "SELECT channel_id AS id, name, is_private, is_archived, is_member, is_ext_shared, has_guests, refreshed_at
             FROM slack_channel
             WHERE workspace_id = $1 AND name ILIKE '%' || $2 || '%' AND NOT is_archived AND (is_member OR NOT is_private)
             ORDER BY name ILIKE $2 || '%' DESC, lower(name), channel_id LIMIT $3",
            tx.workspace_id(),
            text,
            i64::from(limit)
        );
        Ok(channels.fetch_all(tx.db()).await?)
    }

    /// How many live channels are known, and in how many of them our app is.
    pub async fn slack_channel_counts(&self, scope: &Scope) -> Result<(u32, u32)> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT count(*)::int AS "known!", (count(*) FILTER (WHERE is_member))::int AS "joined!"
               FROM slack_channel WHERE workspace_id = $1 AND NOT is_archived AND (is_member OR NOT is_private)"#,
            tx.workspace_id()
        )
        .fetch_one(tx.db())
        .await?;
        Ok((row.known.unsigned_abs(), row.joined.unsigned_abs()))
    }

    /// Forgets a channel that is gone, or that our app may no longer see.
    pub async fn slack_channel_forget(&self, scope: &Scope, id: &str) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM slack_channel WHERE workspace_id = $1 AND channel_id = $2",
            tx.workspace_id(),
            id
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// A workspace whose list of channels is to be read, for this caller to read. Answers when it began, for
    /// [`Store::slack_channels_listed`].
    pub async fn slack_channels_claim(&self) -> Result<Option<(Scope, DateTime<Utc>)>> {
        let mut tx = self.begin_across().await?;
        let workspace_id = sqlx::query_scalar!(
            "UPDATE slack_installation SET channels_due_at = $2
             WHERE (workspace_id, id) = (
                 SELECT workspace_id, id FROM slack_installation WHERE state = 'active' AND channels_due_at <= $1
                 ORDER BY channels_due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING workspace_id",
            tx.now,
            tx.now + LISTING_LEASE
        )
        .fetch_optional(tx.db())
        .await?;
        let now = tx.now;
        tx.commit().await?;
        Ok(workspace_id.map(|id| (Scope::new(id.into(), Actor::System), now)))
    }

    /// Notes that all channels were listed, from `began_at` on: those that were not seen since are gone. The list is read again
    /// after [`SLACK_CHANNELS_FRESH_FOR`].
    pub async fn slack_channels_listed(&self, scope: &Scope, began_at: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM slack_channel WHERE workspace_id = $1 AND refreshed_at < $2",
            tx.workspace_id(),
            began_at
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "UPDATE slack_installation SET channels_due_at = $2, channels_listed_at = $3
             WHERE workspace_id = $1 AND state = 'active'",
            tx.workspace_id(),
            tx.now + SLACK_CHANNELS_FRESH_FOR,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Has the list read again soon. `NotFound` where Slack is not connected.
    pub async fn slack_channels_refresh(&self, scope: &Scope) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE slack_installation SET channels_due_at = least(channels_due_at, $2)
             WHERE workspace_id = $1 AND state = 'active'",
            tx.workspace_id(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        crate::error::one_row(&done, Error::NotFound)?;
        tx.commit().await
    }
}
