//! What was posted and uploaded to Slack, so that nothing is posted twice, whoever dies when.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    DeliveryId,
    delivery::{Audience, DeliveryState},
    run::RunReason,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    DeliveryLease, DeliveryOutcome, Error, Result, SLACK_CHANNEL_REST, Scope, Store, Tx,
    delivery::finish,
    error::{one_row, optional_word, without_nul},
    slack_lane::{hold_lane, hold_until, lane_of_messages, lock_message_lanes},
};

/// For how long a conversation rests after a call to post begins, unless its end is told: longer than the call may take.
const POST_LIMIT: TimeDelta = TimeDelta::seconds(20);

/// The reason of a message that arrived, and of which a part was left out.
const REST_LEFT_OUT: &str = "rest_left_out";

/// One message of a delivery, on its way or there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackPost {
    /// Its place among the delivery's messages, from 0.
    pub part: u32,
    /// The conversation that it went to.
    pub channel_id: String,
    /// When the call began.
    pub started_at: DateTime<Utc>,
    /// How long ago that is.
    pub age: TimeDelta,
    /// Slack's name for it; none while nobody knows whether it arrived.
    pub ts: Option<String>,
    /// How far it has been looked for.
    pub search: SlackSearch,
}

/// How far a message has been looked for: a search goes on where it stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlackSearch {
    /// The stretch of time that comes next, counted from 0 in the order in which they are looked through.
    pub window: u32,
    /// Where in it to go on: Slack's name for the last message that was seen. None at its beginning.
    pub ts: Option<String>,
}

/// Whether a message may be posted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlackPostStart {
    /// It is noted as begun: post it.
    Begun,
    /// The channel or the workspace rests for so long.
    Wait(TimeDelta),
    /// Nothing of the delivery is there, and nothing is to go there any more: this is why.
    Refused(RunReason),
}

/// How a call to post ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlackPostEnd {
    /// The message is there.
    Posted {
        /// Slack's name for it.
        ts: String,
        /// Whether replies to it continue the thread that the delivery is about.
        opens_thread: bool,
    },
    /// It is not there, and never will be by this call.
    NotPosted {
        /// For how long Slack wants no message of this workspace.
        hold: Option<TimeDelta>,
    },
    /// Nobody knows.
    Unknown,
}

/// A message of ours that was read back from Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPost {
    /// The delivery that it belongs to, by its metadata.
    pub delivery_id: DeliveryId,
    /// Its place among the delivery's messages.
    pub part: u32,
    /// Slack's name for it.
    pub ts: String,
}

/// What is known of a delivery whose first message is in Slack.
#[derive(Clone, Debug, PartialEq)]
pub struct SlackSaid {
    /// How much its readers were found to be allowed as that was posted.
    pub audience: Option<Audience>,
    /// Its messages as they are kept with it; none where they are not.
    pub messages: Vec<Value>,
    /// Whether its task was deleted since.
    pub is_task_deleted: bool,
    /// Whether the one whose task or question it is about was deactivated since.
    pub is_author_deactivated: bool,
}

/// A file that Slack was given, or promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackUpload {
    /// Slack's id of it.
    pub file_id: String,
    /// Whether the third call is known to have succeeded.
    pub is_complete: bool,
    /// When its first call was answered.
    pub started_at: DateTime<Utc>,
}

impl Store {
    /// The messages of a delivery that were begun, in order.
    pub async fn slack_post_list(&self, scope: &Scope, delivery_id: DeliveryId) -> Result<Vec<SlackPost>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            "SELECT part, channel_id, started_at, ts, search_window, search_ts FROM slack_post WHERE workspace_id = $1 AND delivery_id = $2
             ORDER BY part",
            tx.workspace_id(),
            delivery_id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        let post = rows.into_iter().map(|row| SlackPost {
            part: row.part.unsigned_abs(),
            channel_id: row.channel_id,
            started_at: row.started_at,
            age: tx.now - row.started_at,
            ts: row.ts,
            search: SlackSearch { window: row.search_window.unsigned_abs(), ts: row.search_ts },
        });
        Ok(post.collect())
    }

    /// Notes that a message is about to be posted: after this bytes may leave. The delivery must hold the conversation's lane; no
    /// message of it may be on its way or there already under this number. The first one is refused where an attempt would be:
    /// minutes may have gone by since this one began, with charts or with a look at who is there.
    pub async fn slack_post_start(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        lane: &str,
        channel: &str,
        part: u32,
    ) -> Result<SlackPostStart> {
        let mut tx = self.begin(scope).await?;
        let now = tx.now;
        let lanes = lock_message_lanes(&mut tx, lane).await?;
        if lanes.holder.is_some_and(|holder| holder != lease.token) {
            return Ok(SlackPostStart::Wait(SLACK_CHANNEL_REST));
        }
        if lanes.free_at > now {
            return Ok(SlackPostStart::Wait(lanes.free_at - now));
        }
        if let Some(reason) = refusal_of_held(&mut tx, lease).await?.filter(|_| part == 0) {
            return Ok(SlackPostStart::Refused(reason));
        }
        hold_lane(&mut tx, lane, lease, self.delivery_lease).await?;
        hold_until(&mut tx, lane, POST_LIMIT).await?;
        sqlx::query!(
            "INSERT INTO slack_post (workspace_id, delivery_id, part, channel_id, started_at) VALUES ($1, $2, $3, $4, $5)",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            part_number(part),
            channel,
            now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(SlackPostStart::Begun)
    }

    /// Notes how a call to post ended, and lets the conversation rest.
    pub async fn slack_post_end(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        lane: &str,
        channel: &str,
        part: u32,
        end: &SlackPostEnd,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        lock_message_lanes(&mut tx, lane).await?;
        rest(&mut tx, lane).await?;
        match end {
            SlackPostEnd::Posted { ts, opens_thread } => {
                let post = FoundPost { delivery_id: lease.delivery_id, part, ts: ts.clone() };
                mark_posted(&mut tx, channel, &post).await?;
                if *opens_thread {
                    open_thread(&mut tx, lease.delivery_id, channel, ts).await?;
                }
            }
            SlackPostEnd::NotPosted { hold } => {
                sqlx::query!(
                    "DELETE FROM slack_post WHERE workspace_id = $1 AND delivery_id = $2 AND part = $3 AND ts IS NULL",
                    tx.workspace_id(),
                    lease.delivery_id.as_uuid(),
                    part_number(part)
                )
                .execute(tx.db())
                .await?;
                if let Some(wait) = hold {
                    hold_until(&mut tx, &lane_of_messages(), *wait).await?;
                }
            }
            SlackPostEnd::Unknown => {}
        }
        tx.commit().await
    }

    /// What is known of a delivery whose first message is in Slack.
    pub async fn slack_said(&self, scope: &Scope, delivery_id: DeliveryId) -> Result<SlackSaid> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT delivery.audience, task.deleted_at IS NOT NULL AS "is_task_deleted!",
                   EXISTS (SELECT FROM member WHERE member.workspace_id = $1 AND member.deactivated_at IS NOT NULL
                       AND member.user_id IN (delivery.user_id, task.creator_id)) AS "is_author_deactivated!",
                   (SELECT content FROM delivery_decision AS made WHERE made.workspace_id = $1 AND made.delivery_id = $2
                      AND content IS NOT NULL ORDER BY attempt DESC LIMIT 1) AS "content?"
               FROM delivery
               LEFT JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
               WHERE delivery.workspace_id = $1 AND delivery.id = $2"#,
            tx.workspace_id(),
            delivery_id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        Ok(SlackSaid {
            audience: optional_word("delivery", "audience", delivery_id, row.audience.as_deref())?,
            messages: match row.content {
                Some(Value::Array(messages)) => messages,
                _ => Vec::new(),
            },
            is_task_deleted: row.is_task_deleted,
            is_author_deactivated: row.is_author_deactivated,
        })
    }

    /// Notes that a delivery is in Slack but for its rest, which does not go there, and lets go of it: `why` says so.
    pub async fn slack_sent_in_part(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        provider_id: &str,
        why: &str,
    ) -> Result<DeliveryState> {
        let mut tx = self.begin(scope).await?;
        let sent = DeliveryOutcome::Sent { provider_id: provider_id.to_owned() };
        let state = finish(&mut tx, lease, &sent).await?;
        let done = sqlx::query!(
            "UPDATE delivery SET reason = $3, message = $4 WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            REST_LEFT_OUT,
            without_nul(why)
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        tx.commit().await?;
        Ok(state)
    }

    /// Notes messages that were found in a channel, whichever delivery they belong to; ones that are known already are left
    /// alone. Answers how many were news.
    pub async fn slack_posts_found(&self, scope: &Scope, channel: &str, found: &[FoundPost]) -> Result<u64> {
        let mut tx = self.begin(scope).await?;
        let mut news = 0;
        for post in found {
            news += mark_posted(&mut tx, channel, post).await?;
        }
        tx.commit().await?;
        Ok(news)
    }

    /// Notes where a delivery's message stands in Slack: an address that begins with `https://`.
    pub async fn slack_permalink_note(&self, scope: &Scope, id: DeliveryId, permalink: &str) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE delivery SET slack_permalink = $3 WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid(),
            permalink
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        tx.commit().await
    }

    /// Notes that replies below a message continue the thread that a delivery is about.
    pub async fn slack_thread_open(
        &self,
        scope: &Scope,
        delivery_id: DeliveryId,
        channel: &str,
        ts: &str,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        open_thread(&mut tx, delivery_id, channel, ts).await?;
        tx.commit().await
    }

    /// Notes how far a message has been looked for.
    pub async fn slack_post_searched(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        part: u32,
        search: &SlackSearch,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        require_lease(&mut tx, lease).await?;
        sqlx::query!(
            "UPDATE slack_post SET search_window = $4, search_ts = $5
             WHERE workspace_id = $1 AND delivery_id = $2 AND part = $3 AND ts IS NULL",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            part_number(part),
            part_number(search.window),
            search.ts
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Notes that a message that was begun is not in Slack, and will not be: it may be posted.
    pub async fn slack_post_missing(&self, scope: &Scope, lease: &DeliveryLease, part: u32) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        require_lease(&mut tx, lease).await?;
        sqlx::query!(
            "DELETE FROM slack_post WHERE workspace_id = $1 AND delivery_id = $2 AND part = $3 AND ts IS NULL",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            part_number(part)
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// What is known of a file in a Slack workspace.
    pub async fn slack_upload_get(
        &self,
        scope: &Scope,
        team_id: &str,
        content: &str,
    ) -> Result<Option<SlackUpload>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            "SELECT file_id, completed_at, started_at FROM slack_upload
             WHERE workspace_id = $1 AND content = $2 AND team_id = $3",
            tx.workspace_id(),
            content,
            team_id
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(row.map(|row| SlackUpload {
            file_id: row.file_id,
            is_complete: row.completed_at.is_some(),
            started_at: row.started_at,
        }))
    }

    /// Notes the id that Slack gave a file in the first call. Takes the place of an id that came to nothing.
    pub async fn slack_upload_start(
        &self,
        scope: &Scope,
        team_id: &str,
        content: &str,
        file_id: &str,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "INSERT INTO slack_upload (workspace_id, content, team_id, file_id, started_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (workspace_id, content) DO UPDATE
             SET team_id = excluded.team_id, file_id = excluded.file_id, started_at = excluded.started_at, completed_at = NULL",
            tx.workspace_id(),
            content,
            team_id,
            file_id,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Notes that a file's third call has succeeded. Another that was begun for the same content meanwhile is left to whoever
    /// began it.
    pub async fn slack_upload_complete(&self, scope: &Scope, content: &str, file_id: &str) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "UPDATE slack_upload SET completed_at = $4 WHERE workspace_id = $1 AND content = $2 AND file_id = $3",
            tx.workspace_id(),
            content,
            file_id,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Notes that Slack does not show files of these ids: whoever needs one next looks whether it is there.
    pub async fn slack_uploads_doubt(&self, scope: &Scope, file_ids: &[String]) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "UPDATE slack_upload SET completed_at = NULL WHERE workspace_id = $1 AND file_id = ANY ($2)",
            tx.workspace_id(),
            file_ids
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// The conversation of direct messages with a person, if it was opened before.
    pub async fn slack_dm_get(
        &self,
        scope: &Scope,
        team_id: &str,
        slack_user_id: &str,
    ) -> Result<Option<String>> {
        let mut tx = self.begin(scope).await?;
        let channel = sqlx::query_scalar!(
            "SELECT channel_id FROM slack_dm WHERE workspace_id = $1 AND team_id = $2 AND slack_user_id = $3",
            tx.workspace_id(),
            team_id,
            slack_user_id
        );
        Ok(channel.fetch_optional(tx.db()).await?)
    }

    /// Remembers the conversation of direct messages with a person.
    pub async fn slack_dm_remember(
        &self,
        scope: &Scope,
        team_id: &str,
        slack_user_id: &str,
        channel: &str,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "INSERT INTO slack_dm (workspace_id, team_id, slack_user_id, channel_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (workspace_id, team_id, slack_user_id) DO UPDATE SET channel_id = excluded.channel_id",
            tx.workspace_id(),
            team_id,
            slack_user_id,
            channel
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }
}

/// Parts are few; the column is a whole number with a sign.
fn part_number(part: u32) -> i32 {
    i32::try_from(part).unwrap_or(i32::MAX)
}

/// Whoever lost the lease must not begin anything.
async fn require_lease(tx: &mut Tx, lease: &DeliveryLease) -> Result<()> {
    let held: Option<Uuid> = sqlx::query_scalar!(
        "SELECT id FROM delivery WHERE workspace_id = $1 AND id = $2 AND lease_token = $3 AND lease_until > $4 FOR SHARE",
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        lease.token,
        tx.now
    )
    .fetch_optional(tx.db())
    .await?;
    held.map(|_| ()).ok_or(Error::LeaseLost)
}

/// Why a held delivery may not be sent any more, as at the beginning of an attempt. Whoever lost the lease must not begin anything.
async fn refusal_of_held(tx: &mut Tx, lease: &DeliveryLease) -> Result<Option<RunReason>> {
    let held = sqlx::query!(
        r#"SELECT task.deleted_at IS NOT NULL AS "is_task_deleted!",
               EXISTS (SELECT FROM member WHERE member.workspace_id = $1 AND member.deactivated_at IS NOT NULL
                   AND member.user_id IN (delivery.user_id, task.creator_id)) AS "is_author_deactivated!"
           FROM delivery
           LEFT JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
           WHERE delivery.workspace_id = $1 AND delivery.id = $2 AND delivery.lease_token = $3 AND delivery.lease_until > $4
           FOR SHARE OF delivery"#,
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        lease.token,
        tx.now
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::LeaseLost)?;
    Ok(match (held.is_author_deactivated, held.is_task_deleted) {
        (true, _) => Some(RunReason::CreatorDeactivated),
        (false, true) => Some(RunReason::TaskDeleted),
        (false, false) => None,
    })
}

/// The conversation's second of rest, from now.
async fn rest(tx: &mut Tx, lane: &str) -> Result<()> {
    let done = sqlx::query!(
        "UPDATE slack_lane SET free_at = $3 WHERE workspace_id = $1 AND lane = $2",
        tx.workspace_id(),
        lane,
        tx.now + SLACK_CHANNEL_REST
    )
    .execute(tx.db())
    .await?;
    one_row(&done, Error::NotFound)
}

async fn mark_posted(tx: &mut Tx, channel: &str, post: &FoundPost) -> Result<u64> {
    let done = sqlx::query!(
        "UPDATE slack_post SET ts = $5, posted_at = $6
         WHERE workspace_id = $1 AND delivery_id = $2 AND part = $3 AND channel_id = $4 AND ts IS NULL",
        tx.workspace_id(),
        post.delivery_id.as_uuid(),
        part_number(post.part),
        channel,
        post.ts,
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(done.rows_affected())
}

/// Replies below this message continue the thread that the delivery is about.
async fn open_thread(tx: &mut Tx, delivery_id: DeliveryId, channel: &str, ts: &str) -> Result<()> {
    sqlx::query!(
        "INSERT INTO slack_thread (workspace_id, channel_id, root_ts, thread_id, delivery_id, created_at)
         SELECT workspace_id, $3, $4, thread_id, id, $5 FROM delivery
         WHERE workspace_id = $1 AND id = $2 AND thread_id IS NOT NULL
         ON CONFLICT DO NOTHING",
        tx.workspace_id(),
        delivery_id.as_uuid(),
        channel,
        ts,
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
