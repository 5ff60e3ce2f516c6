//! Turns that were asked in Slack: made with the message that asked, so that no message asks twice; and answered there, by a
//! delivery made in the transaction that ends the turn.

use domain::{
    DeliveryId, ThreadId, UserId,
    delivery::{DeliveryKind, DeliveryState},
    slack::SlackEventKind,
    thread::TurnStatus,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, Conflict, Error, NewQuestion, Result, Scope, SlackPlace, Store, Tx,
    error::{optional_word, word},
    run_start,
};

/// A message in Slack that asks something.
#[derive(Clone, Debug)]
pub struct SlackQuestion {
    /// Below which message it stands, or which it is.
    pub place: SlackPlace,
    /// Its own `ts`.
    pub message_ts: String,
    /// Who wrote it: `U…`.
    pub slack_user_id: String,
    /// The member that they are.
    pub asker_id: UserId,
    /// Whether only the two see it: the thread is theirs alone. Else the workspace may read it.
    pub is_dm: bool,
    /// What it asks.
    pub question: NewQuestion,
}

/// A turn that was asked in Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackTurn {
    /// The thread.
    pub thread_id: ThreadId,
    /// The turn.
    pub turn_no: u32,
    /// Where it was asked.
    pub place: SlackPlace,
    /// The message that asked.
    pub message_ts: String,
    /// Who asked.
    pub slack_user_id: String,
    /// Where the turn stands.
    pub status: TurnStatus,
    /// Where the delivery of its answer stands; none before the turn has ended.
    pub reply_state: Option<DeliveryState>,
}

impl SlackTurn {
    /// Whether it has not ended yet.
    pub const fn is_under_way(&self) -> bool {
        matches!(self.status, TurnStatus::Queued | TurnStatus::Running)
    }
}

impl Store {
    /// Asks what a message in Slack asks, in `thread_id` or in a new thread, which what is written there is about from now on. The
    /// same message again answers the turn that it has started. `Conflict::ThreadBusy` while the thread works on its last turn;
    /// `NotFound` where the asker may not prompt in it.
    pub async fn slack_ask(
        &self,
        scope: &Scope,
        thread_id: Option<ThreadId>,
        asked: &SlackQuestion,
    ) -> Result<(ThreadId, u32)> {
        let mut tx = self.begin(scope).await?;
        // Two events may tell of one message, and two workers may have them.
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('tidings.slack_turn ' || $1 || ' ' || $2, 0))",
            asked.place.channel_id,
            asked.message_ts
        )
        .execute(tx.db())
        .await?;
        if let Some(turn) = find(&mut tx, &asked.place.channel_id, &asked.message_ts).await? {
            return Ok((turn.thread_id, turn.turn_no));
        }
        let actor = Actor::User(asked.asker_id);
        let started = match thread_id {
            Some(id) => {
                let creator = sqlx::query_scalar!(
                    "SELECT creator_id FROM thread WHERE workspace_id = $1 AND id = $2",
                    tx.workspace_id(),
                    id.as_uuid()
                );
                if creator.fetch_optional(tx.db()).await? != Some(asked.asker_id.as_uuid()) {
                    return Err(Error::NotFound);
                }
                run_start::follow_up(&mut tx, actor, id, &asked.question).await?
            }
            None => run_start::ask(&mut tx, actor, asked.asker_id, &asked.question).await?,
        };
        if thread_id.is_none() {
            keep_place(&mut tx, asked, started.thread_id).await?;
        }
        sqlx::query!(
            "INSERT INTO slack_turn (workspace_id, thread_id, turn_no, channel_id, root_ts, message_ts, slack_user_id, is_dm,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            tx.workspace_id(),
            started.thread_id.as_uuid(),
            started.turn_no as i32,
            asked.place.channel_id,
            asked.place.root_ts,
            asked.message_ts,
            asked.slack_user_id,
            asked.is_dm,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok((started.thread_id, started.turn_no))
    }

    /// The turn that a message in Slack has started.
    pub async fn slack_turn_find(
        &self,
        scope: &Scope,
        channel_id: &str,
        message_ts: &str,
    ) -> Result<Option<SlackTurn>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, channel_id, message_ts).await
    }

    /// A turn that was asked in Slack; `None` for any other.
    pub async fn slack_turn_get(
        &self,
        scope: &Scope,
        thread_id: ThreadId,
        turn_no: u32,
    ) -> Result<Option<SlackTurn>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            TurnRow,
            r#"SELECT slack_turn.thread_id, slack_turn.turn_no, channel_id, root_ts, message_ts, slack_user_id, turn.status,
                   (SELECT delivery.state FROM delivery WHERE delivery.workspace_id = slack_turn.workspace_id
                      AND delivery.run_id = turn.run_id AND delivery.kind = 'reply' AND delivery.repeats IS NULL)
                       AS reply_state
               FROM slack_turn
               JOIN turn ON turn.workspace_id = slack_turn.workspace_id AND turn.thread_id = slack_turn.thread_id
                 AND turn.turn_no = slack_turn.turn_no
               WHERE slack_turn.workspace_id = $1 AND slack_turn.thread_id = $2 AND slack_turn.turn_no = $3"#,
            tx.workspace_id(),
            thread_id.as_uuid(),
            turn_no as i32
        )
        .fetch_optional(tx.db())
        .await?;
        row.map(SlackTurn::try_from).transpose()
    }

    /// Whether a thread used a sensitive connection, or names one: then nothing of it goes into Slack.
    pub async fn thread_is_sensitive(&self, scope: &Scope, thread_id: ThreadId) -> Result<bool> {
        let mut tx = self.begin(scope).await?;
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM connection WHERE workspace_id = $1 AND sensitive AND (
                       EXISTS (SELECT FROM connection_used AS used WHERE used.workspace_id = $1 AND used.thread_id = $2
                         AND used.connection_id = connection.id)
                       OR EXISTS (SELECT FROM thread WHERE thread.workspace_id = $1 AND thread.id = $2
                         AND connection.id = ANY (thread.connection_ids)))) AS "found!""#,
            tx.workspace_id(),
            thread_id.as_uuid()
        );
        Ok(found.fetch_one(tx.db()).await?)
    }
}

struct TurnRow {
    thread_id: Uuid,
    turn_no: i32,
    channel_id: String,
    root_ts: String,
    message_ts: String,
    slack_user_id: String,
    status: String,
    reply_state: Option<String>,
}

impl TryFrom<TurnRow> for SlackTurn {
    type Error = Error;

    fn try_from(row: TurnRow) -> Result<Self> {
        Ok(Self {
            thread_id: row.thread_id.into(),
            turn_no: row.turn_no.unsigned_abs(),
            place: SlackPlace { channel_id: row.channel_id, root_ts: row.root_ts },
            message_ts: row.message_ts,
            slack_user_id: row.slack_user_id,
            status: word("turn", "status", row.thread_id, &row.status)?,
            reply_state: optional_word("delivery", "state", row.thread_id, row.reply_state.as_deref())?,
        })
    }
}

async fn find(tx: &mut Tx, channel_id: &str, message_ts: &str) -> Result<Option<SlackTurn>> {
    let row = sqlx::query_as!(
        TurnRow,
        r#"SELECT slack_turn.thread_id, slack_turn.turn_no, channel_id, root_ts, message_ts, slack_user_id, turn.status,
               NULL::text AS reply_state
           FROM slack_turn
           JOIN turn ON turn.workspace_id = slack_turn.workspace_id AND turn.thread_id = slack_turn.thread_id
             AND turn.turn_no = slack_turn.turn_no
           WHERE slack_turn.workspace_id = $1 AND channel_id = $2 AND message_ts = $3"#,
        tx.workspace_id(),
        channel_id,
        message_ts
    )
    .fetch_optional(tx.db())
    .await?;
    row.map(SlackTurn::try_from).transpose()
}

/// A new thread takes the place where it was asked, and is read by the workspace unless it was asked between two.
/// `Conflict::Duplicate` where the place is another thread's by now.
async fn keep_place(tx: &mut Tx, asked: &SlackQuestion, thread_id: ThreadId) -> Result<()> {
    let done = sqlx::query!(
        "INSERT INTO slack_thread (workspace_id, channel_id, root_ts, thread_id, delivery_id, created_at)
         VALUES ($1, $2, $3, $4, NULL, $5) ON CONFLICT DO NOTHING",
        tx.workspace_id(),
        asked.place.channel_id,
        asked.place.root_ts,
        thread_id.as_uuid(),
        tx.now
    )
    .execute(tx.db())
    .await?;
    if done.rows_affected() == 0 {
        return Err(Conflict::Duplicate.into());
    }
    if asked.is_dm {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO thread_share (workspace_id, thread_id, user_id, group_id) VALUES ($1, $2, NULL, NULL)",
        tx.workspace_id(),
        thread_id.as_uuid()
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// A turn that has ended, and what it says where it has no answer.
pub(crate) struct EndedTurn {
    pub(crate) workspace_id: Uuid,
    pub(crate) run_id: Uuid,
    pub(crate) thread: (Uuid, i32),
    pub(crate) told: Option<String>,
}

/// Of turns that have ended, queues what those say that were asked in Slack, and lets the inbox know of their end.
pub(crate) async fn reply(tx: &mut Tx, ended: &[EndedTurn]) -> Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let workspace_ids: Vec<_> = ended.iter().map(|turn| turn.workspace_id).collect();
    let run_ids: Vec<_> = ended.iter().map(|turn| turn.run_id).collect();
    let thread_ids: Vec<_> = ended.iter().map(|turn| turn.thread.0).collect();
    let turn_nos: Vec<_> = ended.iter().map(|turn| turn.thread.1).collect();
    let told: Vec<_> = ended.iter().map(|turn| turn.told.as_deref()).collect();
    let delivery_ids: Vec<_> = ended.iter().map(|_| DeliveryId::new(tx.now).as_uuid()).collect();
    let words: Vec<_> = ended
        .iter()
        .map(|turn| json!({ "threadId": turn.thread.0, "turnNo": turn.thread.1 }).to_string())
        .collect();
    sqlx::query!(
        "WITH asked AS (
             SELECT ended.*, slack_turn.channel_id, slack_turn.root_ts, slack_turn.is_dm, thread.creator_id
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::uuid[], $7::text[])
                 AS ended (workspace_id, run_id, thread_id, turn_no, told, delivery_id, word)
             JOIN slack_turn ON slack_turn.workspace_id = ended.workspace_id AND slack_turn.thread_id = ended.thread_id
               AND slack_turn.turn_no = ended.turn_no
             JOIN thread ON thread.workspace_id = ended.workspace_id AND thread.id = ended.thread_id
         ), word AS (
             INSERT INTO slack_event (workspace_id, event_id, kind, payload, state, available_at, received_at)
             SELECT workspace_id, 'turn ' || thread_id || ' ' || turn_no, $8, word::json, 'pending', $10, $10 FROM asked
             ON CONFLICT DO NOTHING
         )
         INSERT INTO delivery (workspace_id, id, kind, run_id, thread_id, turn_no, channel, user_id, slack_channel_id,
             slack_thread_ts, label, state, details, available_at, created_at)
         SELECT asked.workspace_id, delivery_id, $9, run_id, thread_id, turn_no,
             CASE WHEN is_dm THEN 'slack_dm' ELSE 'slack_channel' END, creator_id, channel_id, root_ts,
             'Reply to ' || app_user.name || ' in Slack', 'pending', told, $10, $10
         FROM asked JOIN app_user ON app_user.id = creator_id",
        &workspace_ids,
        &run_ids,
        &thread_ids,
        &turn_nos,
        &told as &[Option<&str>],
        &delivery_ids,
        &words,
        SlackEventKind::TurnEnded.as_str(),
        DeliveryKind::Reply.as_str(),
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
