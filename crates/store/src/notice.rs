//! Word to people about their tasks: kept for the page in any case, and sent by one way as well.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    ConnectionId, DeliveryId, NoticeId, RunId, TaskId, UserId,
    delivery::{Channel, DeliveryKind},
    notice::{Event, NoticeKind, Words},
    run::RunReason,
};
use uuid::Uuid;

use crate::{
    Result, Scope, Store, Tx,
    error::{optional_word, without_nul, word},
    page::{Page, Paged},
};

/// Something to tell a task's creator.
pub(crate) struct Notice {
    workspace_id: Uuid,
    task_id: Uuid,
    kind: DeliveryKind,
    /// The run that it is about.
    pub(crate) run_id: Option<Uuid>,
    /// What there is to say beyond the kind.
    pub(crate) message: Option<String>,
}

impl Notice {
    /// A notice about a task.
    pub(crate) const fn of_task(workspace_id: Uuid, task_id: Uuid, kind: DeliveryKind) -> Self {
        Self { workspace_id, task_id, kind, run_id: None, message: None }
    }
}

/// A notice with its words.
pub(crate) struct Word {
    pub(crate) workspace_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) kind: NoticeKind,
    pub(crate) task_id: Option<Uuid>,
    pub(crate) run_id: Option<Uuid>,
    pub(crate) words: Words,
    pub(crate) details: Option<String>,
    /// What it is about, where that is told only once.
    pub(crate) subject: Option<String>,
    /// What must not carry it: the way that failed.
    pub(crate) failed: Option<FailedWay>,
}

/// A way by which a message did not arrive.
#[derive(Clone, Copy)]
pub(crate) struct FailedWay {
    pub(crate) channel: Channel,
    /// Whose; none for a Slack channel.
    pub(crate) user_id: Option<Uuid>,
}

impl Word {
    /// An empty word to somebody, to be filled.
    pub(crate) const fn to(workspace_id: Uuid, user_id: Uuid) -> Self {
        Self {
            workspace_id,
            user_id,
            kind: NoticeKind::Failure,
            task_id: None,
            run_id: None,
            words: Words { headline: String::new(), advice: String::new() },
            details: None,
            subject: None,
            failed: None,
        }
    }
}

/// A notice, as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageNotice {
    /// Its id.
    pub id: NoticeId,
    /// What it is about.
    pub kind: NoticeKind,
    /// The task.
    pub task_id: Option<TaskId>,
    /// The run.
    pub run_id: Option<RunId>,
    /// What happened.
    pub headline: String,
    /// What to do about it.
    pub advice: String,
    /// What went wrong, in the words of whoever noticed.
    pub details: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it was read.
    pub read_at: Option<DateTime<Utc>>,
}

struct NoticeRow {
    id: Uuid,
    kind: String,
    task_id: Option<Uuid>,
    run_id: Option<Uuid>,
    headline: String,
    advice: String,
    details: Option<String>,
    created_at: DateTime<Utc>,
    read_at: Option<DateTime<Utc>>,
}

impl TryFrom<NoticeRow> for PageNotice {
    type Error = crate::Error;

    fn try_from(row: NoticeRow) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            kind: word("notice", "kind", row.id, &row.kind)?,
            task_id: row.task_id.map(Into::into),
            run_id: row.run_id.map(Into::into),
            headline: row.headline,
            advice: row.advice,
            details: row.details,
            created_at: row.created_at,
            read_at: row.read_at,
        })
    }
}

impl Store {
    /// A member's notices, newest first.
    pub async fn notice_list(
        &self,
        scope: &Scope,
        user_id: UserId,
        page: &Page,
    ) -> Result<Paged<PageNotice>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query_as!(
            NoticeRow,
            "SELECT id, kind, task_id, run_id, headline, advice, details, created_at, read_at FROM notice
             WHERE workspace_id = $1 AND user_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4",
            tx.workspace_id(),
            user_id.as_uuid(),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let notices = rows.into_iter().map(PageNotice::try_from).collect::<Result<Vec<_>>>()?;
        Ok(page.cut(notices, |notice| (String::new(), notice.id.as_uuid())))
    }

    /// Notes that a member has read their notices, up to and with this one.
    pub async fn notice_read(&self, scope: &Scope, user_id: UserId, up_to: NoticeId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "UPDATE notice SET read_at = $4 WHERE workspace_id = $1 AND user_id = $2 AND id <= $3 AND read_at IS NULL",
            tx.workspace_id(),
            user_id.as_uuid(),
            up_to.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// The notice that a delivery carries.
    pub async fn notice_of_delivery(&self, scope: &Scope, id: DeliveryId) -> Result<Option<PageNotice>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            NoticeRow,
            "SELECT notice.id, notice.kind, notice.task_id, notice.run_id, headline, advice, notice.details, notice.created_at,
                 read_at
             FROM delivery
             JOIN notice ON notice.workspace_id = delivery.workspace_id AND notice.id = delivery.notice_id
             WHERE delivery.workspace_id = $1 AND delivery.id = $2",
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        row.map(PageNotice::try_from).transpose()
    }

    /// The connections whose data may be quoted by what a run says of its end: those that its thread used or names. Of a run that
    /// was put off until it was skipped, and has no thread, those that its task names. Where none is named, or may have been
    /// another one since the task was edited, any is meant on which its creator has a right, if it was there.
    pub async fn run_message_connections(&self, scope: &Scope, id: RunId) -> Result<Vec<ConnectionId>> {
        let mut tx = self.begin(scope).await?;
        let ids = sqlx::query_scalar!(
            r#"SELECT connection.id AS "id!" FROM run
               LEFT JOIN task ON task.workspace_id = run.workspace_id AND task.id = run.task_id
               LEFT JOIN thread ON thread.workspace_id = run.workspace_id AND thread.id = run.thread_id
               CROSS JOIN LATERAL (
                   SELECT coalesce(thread.connection_ids, ARRAY(
                       SELECT connection_id FROM task_connection
                       WHERE task_connection.workspace_id = run.workspace_id AND task_connection.task_id = run.task_id)) AS ids
               ) AS named
               JOIN connection ON connection.workspace_id = run.workspace_id
               WHERE run.workspace_id = $1 AND run.id = $2 AND (
                   connection.id = ANY (named.ids)
                   OR EXISTS (SELECT FROM connection_used AS used
                       WHERE used.workspace_id = $1 AND used.thread_id = run.thread_id AND used.connection_id = connection.id)
                   OR (cardinality(named.ids) = 0 OR thread.id IS NULL AND task.checked_since > run.created_at)
                       AND (connection.deleted_at IS NULL OR connection.deleted_at > run.created_at)
                       AND EXISTS (SELECT FROM connection_access AS access WHERE access.workspace_id = $1
                           AND access.connection_id = connection.id AND access.user_id = run.creator_id))
               ORDER BY connection.id"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        Ok(ids.into_iter().map(ConnectionId::from).collect())
    }
}

/// Tells a task's creator, unless they are deactivated: in the page, and by the way that they prefer.
pub(crate) async fn send(tx: &mut Tx, notice: &Notice) -> Result<()> {
    let task = sqlx::query!(
        r#"SELECT task.title, task.creator_id, task.expires_at, task.schedule->>'timezone' AS timezone,
               run.reason AS "reason?", run.occurrence_date
           FROM task
           JOIN member ON member.workspace_id = task.workspace_id AND member.user_id = task.creator_id
           LEFT JOIN run ON run.workspace_id = task.workspace_id AND run.id = $3
           WHERE task.workspace_id = $1 AND task.id = $2 AND member.deactivated_at IS NULL"#,
        notice.workspace_id,
        notice.task_id,
        notice.run_id
    )
    .fetch_optional(tx.db())
    .await?;
    let Some(task) = task else { return Ok(()) };
    let message = notice.message.as_deref();
    let (event, kind) = match notice.kind {
        DeliveryKind::Failure => {
            let reason: Option<RunReason> =
                optional_word("run", "reason", notice.task_id, task.reason.as_deref())?;
            (Event::Failed(reason.unwrap_or(RunReason::Internal)), NoticeKind::Failure)
        }
        DeliveryKind::Recovery => (Event::Recovered, NoticeKind::Recovery),
        DeliveryKind::StillRunning => {
            // All that the queue has to say of it is the day.
            let day = message.and_then(|message| message.parse().ok());
            (Event::StillRunning(day), NoticeKind::StillRunning)
        }
        DeliveryKind::StaleData => (Event::StaleData(task.occurrence_date), NoticeKind::StaleData),
        DeliveryKind::Expiring => (Event::Expiring, NoticeKind::Expiring),
        DeliveryKind::Expired => (Event::Expired, NoticeKind::Expired),
        DeliveryKind::Answer
        | DeliveryKind::NoNews
        | DeliveryKind::Reply
        | DeliveryKind::SlackEnded
        | DeliveryKind::Notice => return Ok(()),
    };
    let zone = task.timezone.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC);
    let details = match event {
        Event::Failed(reason) => message.filter(|message| *message != reason.sentence()),
        Event::StaleData(_) => message,
        _ => None,
    };
    let word = Word {
        kind,
        task_id: Some(notice.task_id),
        run_id: notice.run_id,
        words: event.words(&task.title, task.expires_at, zone),
        details: details.map(str::to_owned),
        ..Word::to(notice.workspace_id, task.creator_id)
    };
    keep_and_send(tx, &word, notice.kind, message).await
}

/// Tells a member, in words that are kept: in the page, and by a way that works where there is one.
pub(crate) async fn tell(tx: &mut Tx, word: &Word) -> Result<()> {
    keep_and_send(tx, word, DeliveryKind::Notice, None).await
}

/// Keeps a notice for the page. Answers its id; none where it is told already, or its reader is deactivated.
pub(crate) async fn keep(tx: &mut Tx, word: &Word) -> Result<Option<NoticeId>> {
    let now: DateTime<Utc> = tx.now;
    let id = NoticeId::new(now);
    // Of Slack's refusals our own words are all there is.
    let details = word.details.as_deref().filter(|details| !word.words.advice.contains(*details));
    let kept = sqlx::query!(
        "INSERT INTO notice (workspace_id, id, user_id, kind, task_id, run_id, headline, advice, details, subject, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
         FROM member WHERE workspace_id = $1 AND user_id = $3 AND deactivated_at IS NULL
         ON CONFLICT DO NOTHING",
        word.workspace_id,
        id.as_uuid(),
        word.user_id,
        word.kind.as_str(),
        word.task_id,
        word.run_id,
        without_nul(&word.words.headline),
        without_nul(&word.words.advice),
        details.map(without_nul),
        word.subject,
        now
    )
    .execute(tx.db())
    .await?;
    Ok((kept.rows_affected() == 1).then_some(id))
}

async fn keep_and_send(tx: &mut Tx, word: &Word, kind: DeliveryKind, details: Option<&str>) -> Result<()> {
    let Some(id) = keep(tx, word).await? else { return Ok(()) };
    let now: DateTime<Utc> = tx.now;
    let Some(channel) = way(tx, word).await? else { return Ok(()) };
    sqlx::query!(
        "INSERT INTO delivery (workspace_id, id, kind, task_id, run_id, thread_id, turn_no, channel, user_id, label, state,
             details, notice_id, available_at, created_at)
         SELECT $1, $2, $3, $4, $5, run.thread_id, run.turn_no, $6, $7, app_user.name || ' <' || app_user.email || '>',
             'pending', $8, $9, $10, $10
         FROM app_user LEFT JOIN run ON run.workspace_id = $1 AND run.id = $5
         WHERE app_user.id = $7
         ON CONFLICT DO NOTHING",
        word.workspace_id,
        DeliveryId::new(now).as_uuid(),
        kind.as_str(),
        word.task_id,
        // Of other notices several may belong to one run.
        if kind == DeliveryKind::Notice { None } else { word.run_id },
        channel.as_str(),
        word.user_id,
        details,
        id.as_uuid(),
        now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// The way by which a notice goes out: the one that its reader prefers or, where one way failed, the other; by email if Slack
/// failed, and the other way round. Where that one is known not to work it is the other one, unless that is what failed for the
/// reader themselves; none where neither works. The page has it in any case.
async fn way(tx: &mut Tx, word: &Word) -> Result<Option<Channel>> {
    let found = sqlx::query!(
        r#"SELECT coalesce(preference.slack_dm AND NOT preference.email, false) AS "prefers_slack!",
               NOT EXISTS (SELECT FROM mail_suppression AS dead
                       WHERE dead.workspace_id = $1 AND dead.address = lower(app_user.email))
                   AND NOT coalesce(cardinality(policy.domains) > 0
                       AND NOT substring(lower(app_user.email) FROM '[^@]*$') = ANY (policy.domains), false)
                   AND NOT EXISTS (SELECT FROM destination
                       WHERE destination.workspace_id = $1 AND destination.channel = 'email'
                         AND destination.target = app_user.email AND destination.paused_at IS NOT NULL) AS "mail_works!",
               slack_obstacle($1, $2) IS NULL
                   AND NOT EXISTS (SELECT FROM destination
                       WHERE destination.workspace_id = $1 AND destination.channel = 'slack_dm'
                         AND destination.target = $2::uuid::text AND destination.paused_at IS NOT NULL) AS "slack_works!"
           FROM app_user
           LEFT JOIN notification_preference AS preference ON preference.workspace_id = $1 AND preference.user_id = app_user.id
           LEFT JOIN mail_policy AS policy ON policy.workspace_id = $1
           WHERE app_user.id = $2"#,
        word.workspace_id,
        word.user_id
    )
    .fetch_one(tx.db())
    .await?;
    let in_order = match word.failed {
        Some(FailedWay { channel: Channel::Email, .. }) => [Channel::SlackDm, Channel::Email],
        Some(FailedWay { channel: Channel::SlackDm | Channel::SlackChannel, .. }) => {
            [Channel::Email, Channel::SlackDm]
        }
        None if found.prefers_slack => [Channel::SlackDm, Channel::Email],
        None => [Channel::Email, Channel::SlackDm],
    };
    let works = |channel: &Channel| {
        let has_failed = word
            .failed
            .is_some_and(|failed| failed.channel == *channel && failed.user_id == Some(word.user_id));
        !has_failed
            && match channel {
                Channel::Email => found.mail_works,
                Channel::SlackDm => found.slack_works,
                Channel::SlackChannel => false,
            }
    };
    Ok(in_order.into_iter().find(works))
}
