//! What can be shown of a delivery afterwards: each attempt, what was decided for it and what that rested on, and which bytes
//! were made of it. And sending one again, at somebody's request.

use chrono::{DateTime, Utc};
use domain::{
    DeliveryId, RunId, TaskId, ThreadId, UserId,
    audience::AudienceRecord,
    delivery::{Audience, Channel, DeliveryKind, DeliveryState},
    notice::NoticeKind,
    task::TaskStatus,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Conflict, DeliveryLease, Error, Result, Scope, Store, Tx, audit,
    error::{json as read_json, one_row, optional_word, to_json, word},
    task_state::WARN_BEFORE,
};

/// How much a recipient may see, as it was decided for an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDecision {
    /// How much.
    pub audience: Audience,
    /// Why: one sentence.
    pub reason: String,
    /// What was looked at.
    pub record: Option<AudienceRecord>,
    /// The bytes that were made of it; none where nothing is to be sent.
    pub content: Option<ContentMark>,
}

/// Which bytes a message is.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentMark {
    /// SHA-256 of the bytes handed to the provider.
    pub sha256: [u8; 32],
    /// How many.
    pub bytes: usize,
    /// The message itself, where it is to be kept with the delivery.
    pub kept: Option<Value>,
}

/// All that is known of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryProof {
    /// Its id.
    pub id: DeliveryId,
    /// What it is about.
    pub kind: DeliveryKind,
    /// Its way.
    pub channel: Channel,
    /// Its recipient.
    pub user_id: Option<UserId>,
    /// Its Slack channel.
    pub slack_channel_id: Option<String>,
    /// Whom it goes to, as shown.
    pub label: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why, or why a part of it was left out: a code.
    pub reason: Option<String>,
    /// The reason in words.
    pub message: Option<String>,
    /// What the provider calls it.
    pub provider_id: Option<String>,
    /// Where it stands in Slack, as Slack says.
    pub slack_permalink: Option<String>,
    /// Whose task or thread it is about; of word about neither, whom it is for.
    pub creator_id: Option<UserId>,
    /// Its task.
    pub task_id: Option<TaskId>,
    /// That task's title now.
    pub task_title: Option<String>,
    /// Its run.
    pub run_id: Option<RunId>,
    /// The thread with the answer.
    pub thread_id: Option<ThreadId>,
    /// The turn with the answer.
    pub turn_no: Option<u32>,
    /// The delivery that it repeats, and who asked for that.
    pub repeats: Option<(DeliveryId, Asker)>,
    /// The deliveries that repeat it, oldest first.
    pub repeated_by: Vec<DeliveryId>,
    /// Why it is not sent again now; none where it may be.
    pub repeat_refusal: Option<Conflict>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When the provider took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it came to an end.
    pub finished_at: Option<DateTime<Utc>>,
    /// Each attempt, oldest first; the last may have ended before anything was sent.
    pub attempts: Vec<ProvenAttempt>,
    /// The message as it was last made, where it was kept with the delivery.
    pub content: Option<Value>,
    /// Whether the mail lies in the Outbox.
    pub is_in_outbox: bool,
}

/// Who asked for a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: String,
}

/// One attempt to deliver, and what was decided for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenAttempt {
    /// From 1.
    pub attempt: u32,
    /// What was decided; none for attempts from before this was kept.
    pub decision: Option<ProvenDecision>,
    /// When bytes could leave; none where it ended before that.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended; none while it is under way, and where its notifier vanished meanwhile.
    pub finished_at: Option<DateTime<Utc>>,
    /// How: `sent`, `retry`, `failed`, `unknown`, ...
    pub outcome: Option<String>,
    /// In the provider's words.
    pub message: Option<String>,
}

/// What was decided for an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenDecision {
    /// When.
    pub decided_at: DateTime<Utc>,
    /// How much the recipient may see.
    pub audience: Audience,
    /// Why.
    pub reason: String,
    /// What was looked at.
    pub record: Option<AudienceRecord>,
    /// SHA-256 of the bytes, and how many.
    pub content: Option<(Vec<u8>, u32)>,
}

impl Store {
    /// Notes what was decided about how much the recipient may see, and what was made of it, for the attempt that is
    /// under way, or comes next. An attempt that begins may bring its decision along: see [`crate::NewAttempt`].
    pub async fn delivery_decide(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        decision: &NewDecision,
    ) -> Result<()> {
        self.delivery_note_decision(scope, lease, decision, false).await
    }

    /// As [`Store::delivery_decide`], about the rest of a message whose beginning is there: what was decided for that stands, and
    /// this is kept beside it.
    pub async fn delivery_decide_rest(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        decision: &NewDecision,
    ) -> Result<()> {
        self.delivery_note_decision(scope, lease, decision, true).await
    }

    async fn delivery_note_decision(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        decision: &NewDecision,
        is_of_rest: bool,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        note_decision(&mut tx, lease, decision, is_of_rest).await?;
        tx.commit().await
    }

    /// Notes that other bytes were made for the attempt that is under way than were noted with its decision.
    pub async fn delivery_content_put(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        content: &ContentMark,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE delivery_decision AS made SET content_sha256 = $4, content_bytes = $5, content = $6
             FROM delivery
             WHERE delivery.workspace_id = $1 AND delivery.id = $2 AND delivery.lease_token = $3
               AND made.workspace_id = delivery.workspace_id AND made.delivery_id = delivery.id
               AND made.attempt = delivery.attempts",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            lease.token,
            content.sha256.as_slice(),
            i32::try_from(content.bytes).unwrap_or(i32::MAX),
            content.kept.clone()
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::LeaseLost)?;
        tx.commit().await
    }

    /// All that is known of a delivery.
    pub async fn delivery_proof(&self, scope: &Scope, id: DeliveryId) -> Result<Option<DeliveryProof>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT delivery.kind, delivery.channel, delivery.user_id, delivery.slack_channel_id, delivery.label,
                   delivery.state, delivery.reason, delivery.message, delivery.provider_id, delivery.slack_permalink, delivery.task_id,
                   delivery.run_id, delivery.thread_id, delivery.turn_no, delivery.repeats, delivery.requested_by,
                   delivery.created_at, delivery.sent_at, delivery.finished_at, task.title AS "task_title?",
                   coalesce(task.creator_id, thread.creator_id, CASE WHEN delivery.thread_id IS NULL THEN delivery.user_id END)
                       AS creator_id, asker.name AS "asker_name?",
                   EXISTS (SELECT FROM outbox_mail AS mail WHERE mail.workspace_id = $1 AND mail.id = $2)
                       AS "is_in_outbox!",
                   ARRAY(SELECT repeat.id FROM delivery AS repeat
                         WHERE repeat.workspace_id = $1 AND repeat.repeats = $2 ORDER BY repeat.id) AS "repeated_by!",
                   (SELECT content FROM delivery_decision AS made WHERE made.workspace_id = $1 AND made.delivery_id = $2
                      AND content IS NOT NULL ORDER BY attempt DESC LIMIT 1) AS content
               FROM delivery
               LEFT JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
               LEFT JOIN thread ON thread.workspace_id = delivery.workspace_id AND thread.id = delivery.thread_id
               LEFT JOIN app_user AS asker ON asker.id = delivery.requested_by
               WHERE delivery.workspace_id = $1 AND delivery.id = $2"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let repeat_refusal = repeat_refusal(&mut tx, id).await?;
        let attempts = sqlx::query!(
            r#"SELECT coalesce(tried.attempt, decided.attempt) AS "attempt!", tried.started_at AS "started_at?",
                   tried.finished_at, tried.outcome, tried.message, decided.decided_at AS "decided_at?",
                   decided.audience AS "audience?", decided.reason AS "reason?", decided.record, decided.content_sha256,
                   decided.content_bytes
               FROM (SELECT * FROM delivery_attempt WHERE workspace_id = $1 AND delivery_id = $2) AS tried
               FULL JOIN (SELECT * FROM delivery_decision WHERE workspace_id = $1 AND delivery_id = $2) AS decided
                 ON decided.attempt = tried.attempt
               ORDER BY 1"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        let mut proven = Vec::with_capacity(attempts.len());
        for row in attempts {
            let audience: Option<Audience> =
                optional_word("delivery_decision", "audience", id, row.audience.as_deref())?;
            let record =
                row.record.map(|record| read_json("delivery_decision", "record", id, record)).transpose()?;
            let decision = match (row.decided_at, audience, row.reason) {
                (Some(decided_at), Some(audience), Some(reason)) => Some(ProvenDecision {
                    decided_at,
                    audience,
                    reason,
                    record,
                    content: row.content_sha256.zip(row.content_bytes.map(i32::unsigned_abs)),
                }),
                _ => None,
            };
            proven.push(ProvenAttempt {
                attempt: row.attempt.unsigned_abs(),
                decision,
                started_at: row.started_at,
                finished_at: row.finished_at,
                outcome: row.outcome,
                message: row.message,
            });
        }
        let asker = row.requested_by.map(|asker| Asker {
            id: asker.into(),
            name: row.asker_name.unwrap_or_else(|| "A former member".to_owned()),
        });
        Ok(Some(DeliveryProof {
            id,
            kind: word("delivery", "kind", id, &row.kind)?,
            channel: word("delivery", "channel", id, &row.channel)?,
            user_id: row.user_id.map(UserId::from),
            slack_channel_id: row.slack_channel_id,
            label: row.label,
            state: word("delivery", "state", id, &row.state)?,
            reason: row.reason,
            message: row.message,
            provider_id: row.provider_id,
            slack_permalink: row.slack_permalink,
            creator_id: row.creator_id.map(UserId::from),
            task_id: row.task_id.map(TaskId::from),
            task_title: row.task_title,
            run_id: row.run_id.map(RunId::from),
            thread_id: row.thread_id.map(ThreadId::from),
            turn_no: row.turn_no.map(i32::unsigned_abs),
            repeats: row.repeats.map(DeliveryId::from).zip(asker),
            repeated_by: row.repeated_by.into_iter().map(DeliveryId::from).collect(),
            repeat_refusal,
            created_at: row.created_at,
            sent_at: row.sent_at,
            finished_at: row.finished_at,
            attempts: proven,
            content: row.content,
            is_in_outbox: row.is_in_outbox,
        }))
    }

    /// Whose task or thread a delivery is about; of word about neither, whom it is for.
    pub async fn delivery_creator(&self, scope: &Scope, id: DeliveryId) -> Result<Option<UserId>> {
        let mut tx = self.begin(scope).await?;
        let creator = sqlx::query_scalar!(
            r#"SELECT coalesce(task.creator_id, thread.creator_id, CASE WHEN delivery.thread_id IS NULL THEN delivery.user_id END)
                   AS "creator_id?"
               FROM delivery
               LEFT JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
               LEFT JOIN thread ON thread.workspace_id = delivery.workspace_id AND thread.id = delivery.thread_id
               WHERE delivery.workspace_id = $1 AND delivery.id = $2"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(creator.flatten().map(UserId::from))
    }

    /// When a delivery's message was queued for the first time: itself or, where it is a repeat, the first of those that it repeats.
    /// That is when what it tells of happened, whoever asks for it later.
    pub async fn delivery_first_queued_at(&self, scope: &Scope, id: DeliveryId) -> Result<DateTime<Utc>> {
        let mut tx = self.begin(scope).await?;
        let first = sqlx::query_scalar!(
            r#"WITH RECURSIVE repeated (repeats, created_at) AS (
                   SELECT repeats, created_at FROM delivery WHERE workspace_id = $1 AND id = $2
                   UNION ALL
                   SELECT delivery.repeats, delivery.created_at
                   FROM repeated JOIN delivery ON delivery.workspace_id = $1 AND delivery.id = repeated.repeats
               )
               SELECT created_at AS "created_at!" FROM repeated WHERE repeats IS NULL"#,
            tx.workspace_id(),
            id.as_uuid()
        );
        first.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)
    }

    /// Queues a delivery's message once more, for the same recipient by the same way: a new delivery, decided and sent as any
    /// other, with the same to say. `Conflict::DeliveryUnfinished` while that delivery is on its way,
    /// `Conflict::DeliveryRepeatUnfinished` while another one with the same message is (a repeat of it, of the one that it
    /// repeats, and so on), `Conflict::DeliveryOutdated` for word of what is no longer so, `Conflict::DeliverySubjectGone` where
    /// there is nothing left to tell of.
    pub async fn delivery_send_again(
        &self,
        scope: &Scope,
        id: DeliveryId,
        asked_by: UserId,
    ) -> Result<DeliveryId> {
        let mut tx = self.begin(scope).await?;
        // The first of all repeats, whichever of them is sent again: of two who ask at once one sees the other's.
        let first = sqlx::query_scalar!(
            r#"WITH RECURSIVE repeated (id, repeats) AS (
                   SELECT id, repeats FROM delivery WHERE workspace_id = $1 AND id = $2
                   UNION ALL
                   SELECT delivery.id, delivery.repeats
                   FROM repeated JOIN delivery ON delivery.workspace_id = $1 AND delivery.id = repeated.repeats
               )
               SELECT id FROM delivery
               WHERE workspace_id = $1 AND id = (SELECT id FROM repeated WHERE repeats IS NULL) FOR UPDATE"#,
            tx.workspace_id(),
            id.as_uuid()
        );
        first.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        if let Some(refusal) = repeat_refusal(&mut tx, id).await? {
            return Err(refusal.into());
        }
        let again = DeliveryId::new(tx.now);
        sqlx::query!(
            "INSERT INTO delivery (workspace_id, id, unsubscribe_token, kind, task_id, run_id, thread_id, turn_no, channel,
                 user_id, slack_channel_id, slack_thread_ts, label, attach_csv, details, notice_id, state, available_at,
                 created_at, repeats, requested_by)
             SELECT workspace_id, $3, $4, kind, task_id, run_id, thread_id, turn_no, channel, user_id, slack_channel_id,
                 slack_thread_ts, label, attach_csv, details, notice_id, 'pending', $5, $5, id, $6
             FROM delivery WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid(),
            again.as_uuid(),
            Uuid::from(DeliveryId::new(tx.now)),
            tx.now,
            asked_by.as_uuid()
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "repeats": id });
        audit::record(&mut tx, scope.actor(), "delivery.send_again", again.as_uuid(), details).await?;
        tx.commit().await?;
        Ok(again)
    }
}

/// Notes a decision for the attempt that is under way or comes next: see [`Store::delivery_decide`].
pub(crate) async fn note_decision(
    tx: &mut Tx,
    lease: &DeliveryLease,
    decision: &NewDecision,
    is_of_rest: bool,
) -> Result<()> {
    let content = decision.content.as_ref();
    sqlx::query_scalar!(
        "WITH decided AS (
                 UPDATE delivery SET audience = CASE WHEN $11::boolean THEN audience ELSE $4::text END,
                     audience_reason = CASE WHEN $11::boolean THEN audience_reason ELSE $5::text END
                 WHERE workspace_id = $1 AND id = $2 AND lease_token = $3
                 RETURNING workspace_id, id, CASE WHEN state = 'sending' THEN attempts ELSE attempts + 1 END AS attempt
             )
             INSERT INTO delivery_decision AS kept (workspace_id, delivery_id, attempt, decided_at, audience, reason, record,
                 content_sha256, content_bytes, content)
             SELECT workspace_id, id, attempt, $6, $4, $5, $7, $8, $9, $10 FROM decided
             ON CONFLICT ON CONSTRAINT delivery_decision_pk DO UPDATE SET decided_at = excluded.decided_at,
                 audience = excluded.audience, reason = excluded.reason, record = excluded.record,
                 content_sha256 = excluded.content_sha256, content_bytes = excluded.content_bytes,
                 content = excluded.content
             RETURNING attempt",
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        lease.token,
        decision.audience.as_str(),
        decision.reason,
        tx.now,
        decision.record.as_ref().map(to_json),
        content.map(|content| content.sha256.as_slice()),
        content.map(|content| i32::try_from(content.bytes).unwrap_or(i32::MAX)),
        content.and_then(|content| content.kept.clone()),
        is_of_rest
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::LeaseLost)?;
    Ok(())
}

/// Why a delivery's message is not sent once more now. What tells of something that happened can be told again at any time; what
/// tells how something stands, only while it stands so; where that is not known, until it was read.
async fn repeat_refusal(tx: &mut Tx, id: DeliveryId) -> Result<Option<Conflict>> {
    let found = sqlx::query!(
        r#"WITH RECURSIVE repeated (id, repeats) AS (
               SELECT id, repeats FROM delivery WHERE workspace_id = $1 AND id = $2
               UNION ALL
               SELECT delivery.id, delivery.repeats
               FROM repeated JOIN delivery ON delivery.workspace_id = $1 AND delivery.id = repeated.repeats
           ), same_message (id, state) AS (
               SELECT delivery.id, delivery.state FROM delivery
               WHERE delivery.workspace_id = $1 AND delivery.id = (SELECT id FROM repeated WHERE repeats IS NULL)
               UNION ALL
               SELECT again.id, again.state
               FROM same_message JOIN delivery AS again ON again.workspace_id = $1 AND again.repeats = same_message.id
           )
           SELECT delivery.kind, delivery.state, delivery.task_id, task.status AS "task_status?", task.expires_at AS "expires_at?",
               task.deleted_at IS NOT NULL AS "is_task_deleted!", notice.kind AS "notice_kind?",
               notice.read_at IS NOT NULL AS "is_notice_read!",
               EXISTS (SELECT FROM slack_installation AS installation WHERE installation.workspace_id = $1
                   AND installation.state = 'active') AS "is_slack_connected!",
               EXISTS (SELECT FROM same_message WHERE same_message.id <> $2
                   AND same_message.state IN ('pending', 'sending', 'unknown')) AS "is_repeat_unfinished!"
           FROM delivery
           LEFT JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
           LEFT JOIN notice ON notice.workspace_id = delivery.workspace_id AND notice.id = delivery.notice_id
           WHERE delivery.workspace_id = $1 AND delivery.id = $2"#,
        tx.workspace_id(),
        id.as_uuid()
    )
    .fetch_one(tx.db())
    .await?;
    match word("delivery", "state", id, &found.state)? {
        DeliveryState::Sent | DeliveryState::Failed | DeliveryState::Withheld | DeliveryState::Suppressed => {
        }
        DeliveryState::Pending | DeliveryState::Sending | DeliveryState::Unknown => {
            return Ok(Some(Conflict::DeliveryUnfinished));
        }
    }
    if found.is_repeat_unfinished {
        return Ok(Some(Conflict::DeliveryRepeatUnfinished));
    }
    if found.is_task_deleted {
        return Ok(Some(Conflict::DeliverySubjectGone));
    }
    let status: Option<TaskStatus> = optional_word("task", "status", id, found.task_status.as_deref())?;
    let stands = match word("delivery", "kind", id, &found.kind)? {
        DeliveryKind::Answer
        | DeliveryKind::NoNews
        | DeliveryKind::Reply
        | DeliveryKind::Failure
        | DeliveryKind::Recovery
        | DeliveryKind::StillRunning
        | DeliveryKind::StaleData => true,
        DeliveryKind::Notice => match optional_word("notice", "kind", id, found.notice_kind.as_deref())? {
            // Whoever has read it may have mended what it tells of.
            Some(
                NoticeKind::DestinationPaused
                | NoticeKind::GroupWithoutMembers
                | NoticeKind::WebhookOff
                | NoticeKind::CapNear
                | NoticeKind::CapReached,
            ) => !found.is_notice_read,
            Some(
                NoticeKind::Failure
                | NoticeKind::Recovery
                | NoticeKind::StillRunning
                | NoticeKind::StaleData
                | NoticeKind::Expiring
                | NoticeKind::Expired
                | NoticeKind::DeliveryFailure
                | NoticeKind::DeliveryRecovery
                | NoticeKind::SlackEnded,
            )
            | None => true,
        },
        DeliveryKind::Expiring => {
            let is_near = found.expires_at.is_some_and(|at| tx.now < at && at <= tx.now + WARN_BEFORE);
            is_near && matches!(status, Some(TaskStatus::Active | TaskStatus::Paused))
        }
        DeliveryKind::Expired => status == Some(TaskStatus::Expired),
        DeliveryKind::SlackEnded => !found.is_slack_connected,
    };
    Ok((!stands).then_some(Conflict::DeliveryOutdated))
}
