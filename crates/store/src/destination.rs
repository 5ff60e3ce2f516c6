//! Places that messages do not reach: counted from the first one that was given up, paused where the fault is theirs, told to
//! the creators whom it concerns, and forgotten as soon as a message arrives.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    DestinationId, TaskId, UserId,
    delivery::{Channel, DeliveryKind},
    destination::{FAULTS_MAX, Fault, fault},
    notice::{NoticeKind, Reach},
    task::Notification,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, Error, Result, Scope, Store, Tx, audit,
    error::{json as read_json, word},
    notice::{self, FailedWay, Word},
};

/// The reason of a message that was not tried because its place is paused.
pub(crate) const PAUSED: &str = "destination_paused";
/// Places that fail for one cause within this long are told of once.
const ONE_CAUSE: TimeDelta = TimeDelta::hours(24);

/// A place that messages do not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// The way.
    pub channel: Channel,
    /// The member that it belongs to; none for a Slack channel.
    pub user_id: Option<UserId>,
    /// As shown.
    pub label: String,
    /// Messages given up in a row.
    pub failures: u32,
    /// Why the last one was: a code.
    pub reason: String,
    /// What was answered.
    pub message: Option<String>,
    /// Since when none arrived.
    pub failing_since: DateTime<Utc>,
    /// Since when nothing is sent to it.
    pub paused_at: Option<DateTime<Utc>>,
}

/// Whose places to list.
#[derive(Clone, Copy, Debug)]
pub enum DestinationsOf {
    /// All of the workspace.
    Workspace,
    /// A member's own, and those that messages of their tasks did not reach.
    Member(UserId),
    /// Those that a task names.
    Task(TaskId),
}

/// A delivery that has ended, as its place sees it.
pub(crate) struct Ended {
    pub(crate) kind: DeliveryKind,
    pub(crate) channel: Channel,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) slack_channel_id: Option<String>,
    pub(crate) label: String,
    pub(crate) task_id: Option<Uuid>,
    pub(crate) run_id: Option<Uuid>,
}

/// A message that was not tried because its place is paused, as that of a dead address is.
#[expect(clippy::struct_field_names, reason = "ids of different things")]
pub(crate) struct HeldBack {
    pub(crate) workspace_id: Uuid,
    pub(crate) destination_id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) run_id: Uuid,
}

struct DestinationRow {
    id: Uuid,
    channel: String,
    user_id: Option<Uuid>,
    label: String,
    failures: i32,
    reason: String,
    message: Option<String>,
    failing_since: DateTime<Utc>,
    paused_at: Option<DateTime<Utc>>,
}

impl TryFrom<DestinationRow> for Destination {
    type Error = Error;

    fn try_from(row: DestinationRow) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            channel: word("destination", "channel", row.id, &row.channel)?,
            user_id: row.user_id.map(Into::into),
            label: row.label,
            failures: row.failures.unsigned_abs(),
            reason: row.reason,
            message: row.message,
            failing_since: row.failing_since,
            paused_at: row.paused_at,
        })
    }
}

impl Store {
    /// Places that messages do not reach, paused ones first. At most 500.
    pub async fn destination_list(&self, scope: &Scope, of: DestinationsOf) -> Result<Vec<Destination>> {
        let mut tx = self.begin(scope).await?;
        let (user, task, users, channels) = match of {
            DestinationsOf::Workspace => (None, None, Vec::new(), Vec::new()),
            DestinationsOf::Member(user_id) => (Some(user_id.as_uuid()), None, Vec::new(), Vec::new()),
            DestinationsOf::Task(task_id) => {
                let (users, channels) = named_by(&mut tx, task_id).await?;
                (None, Some(task_id.as_uuid()), users, channels)
            }
        };
        let rows = sqlx::query_as!(
            DestinationRow,
            "SELECT id, channel, user_id, label, failures, reason, message, failing_since, paused_at FROM destination
             WHERE workspace_id = $1
               AND ($2::uuid IS NULL OR user_id = $2 OR EXISTS (
                   SELECT FROM destination_creator AS concerned WHERE concerned.workspace_id = $1
                     AND concerned.destination_id = destination.id AND concerned.user_id = $2))
               AND ($3::uuid IS NULL OR user_id = ANY ($4) OR channel = 'slack_channel' AND target = ANY ($5))
             ORDER BY paused_at IS NULL, failing_since DESC, id LIMIT 500",
            tx.workspace_id(),
            user,
            task,
            &users,
            &channels
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter().map(Destination::try_from).collect()
    }

    /// Tries a place again: what is sent to it from now on is tried. `NotFound` for a place that messages reach.
    pub async fn destination_resume(&self, scope: &Scope, id: DestinationId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let resumed = sqlx::query!(
            "UPDATE destination SET paused_at = NULL, faults = 0, updated_at = $3
             WHERE workspace_id = $1 AND id = $2 RETURNING channel, target",
            tx.workspace_id(),
            id.as_uuid(),
            tx.now
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        if resumed.channel == Channel::Email.as_str() {
            sqlx::query!(
                "DELETE FROM mail_suppression WHERE workspace_id = $1 AND address = $2",
                tx.workspace_id(),
                resumed.target
            )
            .execute(tx.db())
            .await?;
        }
        let details = json!({ "channel": resumed.channel });
        audit::record(&mut tx, scope.actor(), "destination.resume", id.as_uuid(), details).await?;
        tx.commit().await
    }
}

/// The members and Slack channels that a task's messages go to.
async fn named_by(tx: &mut Tx, task_id: TaskId) -> Result<(Vec<Uuid>, Vec<String>)> {
    let stored = sqlx::query_scalar!(
        "SELECT notification FROM task WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
        tx.workspace_id(),
        task_id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::NotFound)?;
    let to: Notification = read_json("task", "notification", task_id, stored)?;
    let group_ids: Vec<_> = to.group_ids.iter().map(|id| id.as_uuid()).collect();
    let mut users = sqlx::query_scalar!(
        "SELECT user_id FROM group_member WHERE workspace_id = $1 AND group_id = ANY ($2)",
        tx.workspace_id(),
        &group_ids
    )
    .fetch_all(tx.db())
    .await?;
    users.extend(to.user_ids.iter().map(|id| id.as_uuid()));
    Ok((users, to.slack_channels.into_iter().map(|channel| channel.id).collect()))
}

/// The place that a delivery was for.
struct Place {
    /// What it is called in the table: the address, the channel's id, the member's id.
    target: String,
    /// The member that it belongs to; a channel is nobody's, whoever a reply there is for.
    user_id: Option<Uuid>,
    label: String,
}

async fn place(tx: &mut Tx, ended: &Ended) -> Result<Option<Place>> {
    let (target, user_id) = match ended.channel {
        Channel::SlackChannel => (ended.slack_channel_id.clone(), None),
        Channel::SlackDm => (ended.user_id.map(|id| id.to_string()), ended.user_id),
        Channel::Email => {
            let address = sqlx::query_scalar!("SELECT email FROM app_user WHERE id = $1", ended.user_id);
            (address.fetch_optional(tx.db()).await?, ended.user_id)
        }
    };
    let Some(target) = target else { return Ok(None) };
    let label = match ended.kind {
        DeliveryKind::Reply => label_of_reply(tx, ended, &target).await?,
        _ => ended.label.clone(),
    };
    Ok(Some(Place { target, user_id, label }))
}

/// What the place of a reply is called, which is itself called after who asked: as it was until now, or as Slack or the
/// workspace calls it.
async fn label_of_reply(tx: &mut Tx, ended: &Ended, target: &str) -> Result<String> {
    let found = sqlx::query_scalar!(
        r#"SELECT coalesce(
               (SELECT label FROM destination WHERE workspace_id = $1 AND channel = $2 AND target = $3),
               CASE WHEN $2 = 'slack_channel'
                   THEN (SELECT '#' || name FROM slack_channel WHERE workspace_id = $1 AND channel_id = $3)
                   ELSE (SELECT name || ' <' || email || '>' FROM app_user WHERE id = $4) END,
               $3) AS "label!""#,
        tx.workspace_id(),
        ended.channel.as_str(),
        target,
        ended.user_id
    );
    Ok(found.fetch_one(tx.db()).await?)
}

/// Counts a message that was given up against its place, pauses the place where it must be, and tells whom it concerns: those
/// too whose own messages are taken off the queue by that.
pub(crate) async fn failed(tx: &mut Tx, ended: Ended, reason: &str, message: Option<&str>) -> Result<()> {
    let Some(Place { target, user_id, label }) = place(tx, &ended).await? else { return Ok(()) };
    let ended = Ended { user_id, label, ..ended };
    let fault = fault(reason);
    let row = sqlx::query!(
        r#"INSERT INTO destination (workspace_id, id, channel, target, user_id, label, failures, faults, reason, message,
               failing_since, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $10)
           ON CONFLICT ON CONSTRAINT destination_target_unique DO UPDATE SET label = $6,
               failures = destination.failures + 1, faults = destination.faults + $7, reason = $8, message = $9,
               updated_at = $10
           RETURNING id, faults, paused_at IS NOT NULL AS "was_paused!""#,
        tx.workspace_id(),
        DestinationId::new(tx.now).as_uuid(),
        ended.channel.as_str(),
        target,
        ended.user_id,
        ended.label,
        i32::from(fault != Fault::None),
        reason,
        message,
        tx.now
    )
    .fetch_one(tx.db())
    .await?;
    let must_pause = match fault {
        Fault::Certain => true,
        Fault::Likely => row.faults.unsigned_abs() >= FAULTS_MAX,
        Fault::None => false,
    };
    let is_paused_now = must_pause && !row.was_paused;
    let held_back = if is_paused_now { pause(tx, row.id, &ended).await? } else { Vec::new() };
    let news = if is_paused_now { Reach::Paused(reason) } else { Reach::Failed(reason) };
    let is_first = concern(tx, row.id, &ended, fault, reason).await?;
    let workspace_id = tx.workspace_id();
    let told = concerned(tx, workspace_id, row.id).await?;
    for (user_id, task_id, is_told) in told {
        let is_new = is_paused_now || is_first == Some(user_id);
        if is_new && is_told {
            let run_id = ended.run_id.filter(|_| ended.task_id == Some(task_id));
            tell(tx, news, &ended, user_id, task_id, run_id, message).await?;
        }
    }
    // Those who have just been told are not told again.
    tell_held_back(tx, &held_back).await
}

/// Messages arrived: whoever was told that none did is told so, and their places are forgotten. One statement where, as
/// nearly always, none of the places had failed.
pub(crate) async fn arrived(tx: &mut Tx, workspace_ids: &[Uuid], delivery_ids: &[Uuid]) -> Result<()> {
    let found = sqlx::query!(
        "SELECT destination.workspace_id, destination.id, destination.channel, destination.label
         FROM unnest($1::uuid[], $2::uuid[]) AS sent (workspace_id, id)
         JOIN delivery ON delivery.workspace_id = sent.workspace_id AND delivery.id = sent.id
         JOIN destination ON destination.workspace_id = delivery.workspace_id AND destination.channel = delivery.channel
             AND destination.target = CASE delivery.channel
                 WHEN 'email' THEN (SELECT email FROM app_user WHERE app_user.id = delivery.user_id)
                 WHEN 'slack_dm' THEN delivery.user_id::text ELSE delivery.slack_channel_id END
         ORDER BY destination.workspace_id, destination.id FOR UPDATE OF destination",
        workspace_ids,
        delivery_ids
    )
    .fetch_all(tx.db())
    .await?;
    let mut last = None;
    for place in found {
        // Two messages to one place.
        if last.replace(place.id) == Some(place.id) {
            continue;
        }
        let channel = word("destination", "channel", place.id, &place.channel)?;
        let concerned = concerned(tx, place.workspace_id, place.id).await?;
        // Before anybody is told: word may go to this very place, which works again.
        sqlx::query!(
            "DELETE FROM destination WHERE workspace_id = $1 AND id = $2",
            place.workspace_id,
            place.id
        )
        .execute(tx.db())
        .await?;
        for (user_id, task_id, is_told) in concerned {
            if !is_told {
                continue;
            }
            let title = title(tx, place.workspace_id, task_id).await?;
            let word = Word {
                kind: NoticeKind::DeliveryRecovery,
                task_id: Some(task_id),
                words: Reach::Recovered.words(&title, channel, &place.label),
                ..Word::to(place.workspace_id, user_id)
            };
            notice::tell(tx, &word).await?;
        }
    }
    Ok(())
}

/// A message that was on its way when its place was paused was not tried: see [`tell_held_back`].
pub(crate) async fn held_back(tx: &mut Tx, ended: &Ended) -> Result<()> {
    let is_message = matches!(ended.kind, DeliveryKind::Answer | DeliveryKind::NoNews);
    let (Some(task_id), Some(run_id), true) = (ended.task_id, ended.run_id, is_message) else {
        return Ok(());
    };
    let Some(place) = place(tx, ended).await? else { return Ok(()) };
    let paused = sqlx::query_scalar!(
        "SELECT id FROM destination
         WHERE workspace_id = $1 AND channel = $2 AND target = $3 AND paused_at IS NOT NULL",
        tx.workspace_id(),
        ended.channel.as_str(),
        place.target
    );
    let Some(destination_id) = paused.fetch_optional(tx.db()).await? else { return Ok(()) };
    let message = HeldBack { workspace_id: tx.workspace_id(), destination_id, task_id, run_id };
    tell_held_back(tx, &[message]).await
}

/// Messages were not tried, or not tried again, because their place is paused: creators who have not heard of it are told.
pub(crate) async fn tell_held_back(tx: &mut Tx, held_back: &[HeldBack]) -> Result<()> {
    for message in held_back {
        let found = sqlx::query!(
            r#"INSERT INTO destination_creator (workspace_id, destination_id, user_id, task_id, is_told, since)
               SELECT $1, $2, creator_id, id, true, $4 FROM task WHERE workspace_id = $1 AND id = $3
               ON CONFLICT DO NOTHING RETURNING user_id"#,
            message.workspace_id,
            message.destination_id,
            message.task_id,
            tx.now
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(creator) = found else { continue };
        let place = sqlx::query!(
            "SELECT channel, user_id, label, reason, message FROM destination WHERE workspace_id = $1 AND id = $2",
            message.workspace_id,
            message.destination_id
        )
        .fetch_one(tx.db())
        .await?;
        let title = title(tx, message.workspace_id, message.task_id).await?;
        let channel = word("destination", "channel", message.destination_id, &place.channel)?;
        let word = Word {
            kind: NoticeKind::DestinationPaused,
            task_id: Some(message.task_id),
            run_id: Some(message.run_id),
            words: Reach::Paused(&place.reason).words(&title, channel, &place.label),
            details: place.message,
            failed: Some(FailedWay { channel, user_id: place.user_id }),
            ..Word::to(message.workspace_id, creator.user_id)
        };
        notice::tell(tx, &word).await?;
    }
    Ok(())
}

/// Sends nothing more to a place, and takes what waits for it off the queue. What is under way ends by itself. Answers the
/// answers and notes among what waited, one of each task. Who was spared word of an outage there is to hear of this.
async fn pause(tx: &mut Tx, id: Uuid, ended: &Ended) -> Result<Vec<HeldBack>> {
    sqlx::query!(
        "WITH paused AS (
             UPDATE destination SET paused_at = $3 WHERE workspace_id = $1 AND id = $2
         )
         UPDATE destination_creator SET is_told = true
         WHERE workspace_id = $1 AND destination_id = $2 AND NOT is_told",
        tx.workspace_id(),
        id,
        tx.now
    )
    .execute(tx.db())
    .await?;
    let held_back = sqlx::query!(
        r#"WITH held_back AS (
               UPDATE delivery SET state = 'suppressed', reason = $5, finished_at = $6
               WHERE (workspace_id, id) IN (
                   SELECT workspace_id, id FROM delivery
                   WHERE workspace_id = $1 AND state IN ('pending', 'unknown') AND lease_token IS NULL AND channel = $2
                     AND CASE WHEN $2 = 'slack_channel' THEN slack_channel_id = $4 ELSE user_id = $3 END
                   FOR UPDATE SKIP LOCKED)
               RETURNING kind, task_id, run_id
           )
           SELECT DISTINCT ON (task_id) task_id AS "task_id!", run_id AS "run_id!" FROM held_back
           WHERE kind IN ('answer', 'no_news') AND task_id IS NOT NULL AND run_id IS NOT NULL
           ORDER BY task_id, run_id"#,
        tx.workspace_id(),
        ended.channel.as_str(),
        ended.user_id,
        ended.slack_channel_id,
        PAUSED,
        tx.now
    )
    .fetch_all(tx.db())
    .await?;
    let details = json!({ "channel": ended.channel });
    audit::record(tx, Actor::System, "destination.pause", id, details).await?;
    let workspace_id = tx.workspace_id();
    let held_back = held_back.into_iter().map(|row| HeldBack {
        workspace_id,
        destination_id: id,
        task_id: row.task_id,
        run_id: row.run_id,
    });
    Ok(held_back.collect())
}

/// Notes that a failure concerns its task's creator. Answers them where that is new. Where many places fail for one cause that
/// is not theirs, the creator is told of the first one only. Word about tasks that does not arrive concerns nobody further:
/// the page has it.
async fn concern(
    tx: &mut Tx,
    destination_id: Uuid,
    ended: &Ended,
    fault: Fault,
    reason: &str,
) -> Result<Option<Uuid>> {
    let is_message = matches!(ended.kind, DeliveryKind::Answer | DeliveryKind::NoNews);
    let Some(task_id) = ended.task_id.filter(|_| is_message) else { return Ok(None) };
    let added = sqlx::query_scalar!(
        "INSERT INTO destination_creator (workspace_id, destination_id, user_id, task_id, is_told, since)
         SELECT $1, $2, task.creator_id, task.id, NOT ($4 AND EXISTS (
             SELECT FROM destination_creator AS other
             JOIN destination ON destination.workspace_id = other.workspace_id AND destination.id = other.destination_id
             WHERE other.workspace_id = $1 AND other.user_id = task.creator_id AND other.is_told AND other.since > $5
               AND destination.channel = $6 AND destination.reason = $7)), $8
         FROM task WHERE task.workspace_id = $1 AND task.id = $3
         ON CONFLICT DO NOTHING RETURNING user_id",
        tx.workspace_id(),
        destination_id,
        task_id,
        fault == Fault::None,
        tx.now - ONE_CAUSE,
        ended.channel.as_str(),
        reason,
        tx.now
    )
    .fetch_optional(tx.db())
    .await?;
    Ok(added)
}

/// The creators whom a place's failures concern, each with a task and whether they were told.
async fn concerned(tx: &mut Tx, workspace_id: Uuid, destination_id: Uuid) -> Result<Vec<(Uuid, Uuid, bool)>> {
    let rows = sqlx::query!(
        "SELECT user_id, task_id, is_told FROM destination_creator
         WHERE workspace_id = $1 AND destination_id = $2 ORDER BY user_id",
        workspace_id,
        destination_id
    )
    .fetch_all(tx.db())
    .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.task_id, row.is_told)).collect())
}

async fn tell(
    tx: &mut Tx,
    news: Reach<'_>,
    ended: &Ended,
    user_id: Uuid,
    task_id: Uuid,
    run_id: Option<Uuid>,
    details: Option<&str>,
) -> Result<()> {
    let workspace_id = tx.workspace_id();
    let title = title(tx, workspace_id, task_id).await?;
    let kind = match news {
        Reach::Failed(_) => NoticeKind::DeliveryFailure,
        Reach::Paused(_) => NoticeKind::DestinationPaused,
        Reach::Recovered => NoticeKind::DeliveryRecovery,
    };
    let word = Word {
        kind,
        task_id: Some(task_id),
        run_id,
        words: news.words(&title, ended.channel, &ended.label),
        details: details.map(str::to_owned),
        failed: Some(FailedWay { channel: ended.channel, user_id: ended.user_id }),
        ..Word::to(workspace_id, user_id)
    };
    notice::tell(tx, &word).await
}

async fn title(tx: &mut Tx, workspace_id: Uuid, task_id: Uuid) -> Result<String> {
    let title = sqlx::query_scalar!(
        "SELECT title FROM task WHERE workspace_id = $1 AND id = $2",
        workspace_id,
        task_id
    );
    Ok(title.fetch_one(tx.db()).await?)
}
