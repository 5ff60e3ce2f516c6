//! Which thread of ours a thread of Slack's is about, and what was said to whom there in passing.

use domain::{DeliveryId, TaskId, ThreadId, UserId, slack::SlackNote, thread::ThreadSource};

use crate::{Result, Scope, Store, error::word};

/// A place in Slack that replies are written below.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlackPlace {
    /// `C…`, `G…`, or `D…` for a direct conversation.
    pub channel_id: String,
    /// The `ts` of the message that the others reply to.
    pub root_ts: String,
}

/// The thread of ours that a Slack thread is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackThread {
    /// Which.
    pub thread_id: ThreadId,
    /// Whose it is: the only one whose replies carry it on.
    pub creator_id: UserId,
    /// Its task, where it has one.
    pub task_id: Option<TaskId>,
    /// Where it comes from.
    pub source: ThreadSource,
    /// The delivery that posted the message above it all; none where a person did, asking.
    pub delivery_id: Option<DeliveryId>,
    /// Whether it stands in a thread of people's own, below a message that is neither ours nor a question to us: somebody called us
    /// in there. What they say to each other is theirs.
    pub is_among_people: bool,
}

impl Store {
    /// Remembers that what is written below a message is about a thread. The first word stands.
    pub async fn slack_thread_put(
        &self,
        scope: &Scope,
        place: &SlackPlace,
        thread_id: ThreadId,
        delivery_id: Option<DeliveryId>,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "INSERT INTO slack_thread (workspace_id, channel_id, root_ts, thread_id, delivery_id, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            tx.workspace_id(),
            place.channel_id,
            place.root_ts,
            thread_id.as_uuid(),
            delivery_id.map(DeliveryId::as_uuid),
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// The thread that a place in Slack is about.
    pub async fn slack_thread_find(&self, scope: &Scope, place: &SlackPlace) -> Result<Option<SlackThread>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT thread.id, thread.creator_id, thread.task_id, thread.source, slack_thread.delivery_id,
                   slack_thread.delivery_id IS NULL AND NOT EXISTS (
                       SELECT FROM slack_turn WHERE slack_turn.workspace_id = slack_thread.workspace_id
                         AND slack_turn.channel_id = slack_thread.channel_id
                         AND slack_turn.message_ts = slack_thread.root_ts) AS "is_among_people!"
               FROM slack_thread
               JOIN thread ON thread.workspace_id = slack_thread.workspace_id AND thread.id = slack_thread.thread_id
               WHERE slack_thread.workspace_id = $1 AND slack_thread.channel_id = $2 AND slack_thread.root_ts = $3"#,
            tx.workspace_id(),
            place.channel_id,
            place.root_ts
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SlackThread {
            thread_id: row.id.into(),
            creator_id: row.creator_id.into(),
            task_id: row.task_id.map(TaskId::from),
            source: word("thread", "source", row.id, &row.source)?,
            delivery_id: row.delivery_id.map(DeliveryId::from),
            is_among_people: row.is_among_people,
        }))
    }

    /// Takes the right to tell somebody something below a message, which is given once; `false` where it was given before.
    pub async fn slack_note_take(
        &self,
        scope: &Scope,
        place: &SlackPlace,
        slack_user_id: &str,
        note: SlackNote,
    ) -> Result<bool> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "INSERT INTO slack_note (workspace_id, channel_id, root_ts, slack_user_id, kind, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            tx.workspace_id(),
            place.channel_id,
            place.root_ts,
            slack_user_id,
            note.as_str(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives that right back: it is known that nothing was said.
    pub async fn slack_note_give_back(
        &self,
        scope: &Scope,
        place: &SlackPlace,
        slack_user_id: &str,
        note: SlackNote,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM slack_note
             WHERE workspace_id = $1 AND channel_id = $2 AND root_ts = $3 AND slack_user_id = $4 AND kind = $5",
            tx.workspace_id(),
            place.channel_id,
            place.root_ts,
            slack_user_id,
            note.as_str()
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }
}
