//! Runs that a person starts: "run now", "send a test to me only", a question, a follow-up. Thread, turn and run are made at
//! once, so that there is something to watch. A worker of this process with a free place has the run with its commit
//! (`handover.rs`); else workers are told of it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ConnectionId, RunId, TaskId, ThreadId, UserId,
    run::RunTrigger,
    task::{TaskStatus, plain_prompt},
    thread::ThreadSource,
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, ClaimedRun, Conflict, Error, Result, RunLease, Scope, Store, Tx, audit, error::word, event,
    handover::Place, people,
};

/// The longest title that is made from a question, in characters.
const TITLE_MAX: usize = 120;

/// A run that was started, and where to watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartedRun {
    /// The run.
    pub run_id: RunId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its turn.
    pub turn_no: u32,
}

/// A question to ask in a thread.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    /// The question, with its mentions.
    pub prompt: String,
    /// The connections that it names; none: all that the asker may query.
    pub connection_ids: Vec<ConnectionId>,
    /// The zone in which "yesterday" is meant.
    pub timezone: String,
    /// Where it was asked.
    pub source: ThreadSource,
}

impl Store {
    /// Runs a task now, beside its schedule; `test_to` makes it a test that only this member is told of.
    pub async fn task_run(&self, scope: &Scope, id: TaskId, test_to: Option<UserId>) -> Result<StartedRun> {
        let place = self.handover.place(self.run_lease);
        let mut tx = self.begin(scope).await?;
        let task = hold_task(&mut tx, id, place.is_some()).await?;
        let trigger = if test_to.is_some() { RunTrigger::Test } else { RunTrigger::Manual };
        let start = Start {
            run_id: RunId::new(tx.now),
            task_id: Some(id),
            creator_id: task.creator_id,
            trigger,
            test_to,
            thread_id: ThreadId::new(tx.now),
            turn_no: 1,
            title: task.title,
            source: ThreadSource::Task,
            prompt: task.prompt,
            timezone: task.timezone,
            connection_ids: task.connection_ids,
        };
        let made = insert(&mut tx, &start, place.filter(|_| task.may_be_leased)).await?;
        let details = json!({ "runId": start.run_id, "test": test_to.is_some() });
        audit::record(&mut tx, scope.actor(), "task.run", id.as_uuid(), details).await?;
        tx.commit().await?;
        Ok(made.hand_over())
    }

    /// Asks a question in a new thread. `Invalid` for connections that the asker may not query.
    pub async fn thread_ask(
        &self,
        scope: &Scope,
        creator_id: UserId,
        question: &NewQuestion,
    ) -> Result<StartedRun> {
        let place = self.handover.place(self.run_lease);
        let mut tx = self.begin(scope).await?;
        let made = ask_with(&mut tx, scope.actor(), creator_id, question, place).await?;
        tx.commit().await?;
        Ok(made.hand_over())
    }

    /// Asks a further question in a thread. `Conflict::ThreadBusy` while it works on the last one.
    pub async fn thread_followup(
        &self,
        scope: &Scope,
        thread_id: ThreadId,
        question: &NewQuestion,
    ) -> Result<StartedRun> {
        let place = self.handover.place(self.run_lease);
        let mut tx = self.begin(scope).await?;
        let made = follow_up_with(&mut tx, scope.actor(), thread_id, question, place).await?;
        tx.commit().await?;
        Ok(made.hand_over())
    }
}

/// A run that was made, and whom it is handed to once that is committed.
struct Made {
    started: StartedRun,
    handed: Option<(Place, ClaimedRun)>,
}

impl Made {
    /// What was committed: hands the run over if it was leased.
    fn hand_over(self) -> StartedRun {
        if let Some((place, run)) = self.handed {
            place.give(run);
        }
        self.started
    }
}

/// Asks a question in a new thread. Workers are told of its run.
pub(crate) async fn ask(
    tx: &mut Tx,
    actor: Actor,
    creator_id: UserId,
    question: &NewQuestion,
) -> Result<StartedRun> {
    Ok(ask_with(tx, actor, creator_id, question, None).await?.started)
}

async fn ask_with(
    tx: &mut Tx,
    actor: Actor,
    creator_id: UserId,
    question: &NewQuestion,
    place: Option<Place>,
) -> Result<Made> {
    people::demand_active(tx, creator_id).await?;
    demand_queryable(tx, creator_id, &question.connection_ids).await?;
    let may_be_leased = place.is_some() && may_lease(tx).await?;
    let thread_id = ThreadId::new(tx.now);
    let start = Start::of_question(tx.now, thread_id, creator_id, 1, title_of(&question.prompt), question);
    let made = insert(tx, &start, place.filter(|_| may_be_leased)).await?;
    let details = json!({ "runId": start.run_id });
    audit::record(tx, actor, "thread.ask", thread_id.as_uuid(), details).await?;
    Ok(made)
}

/// Asks a further question in a thread, as its creator. Workers are told of its run.
pub(crate) async fn follow_up(
    tx: &mut Tx,
    actor: Actor,
    thread_id: ThreadId,
    question: &NewQuestion,
) -> Result<StartedRun> {
    Ok(follow_up_with(tx, actor, thread_id, question, None).await?.started)
}

async fn follow_up_with(
    tx: &mut Tx,
    actor: Actor,
    thread_id: ThreadId,
    question: &NewQuestion,
    place: Option<Place>,
) -> Result<Made> {
    let thread = sqlx::query!(
        "SELECT creator_id, status, last_turn_no, connection_ids, title FROM thread
             WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE",
        tx.workspace_id(),
        thread_id.as_uuid()
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::NotFound)?;
    if thread.status == "running" {
        return Err(Conflict::ThreadBusy.into());
    }
    let creator_id = UserId::from(thread.creator_id);
    people::demand_active(tx, creator_id).await?;
    demand_queryable(tx, creator_id, &question.connection_ids).await?;
    let turn_no = thread.last_turn_no.unsigned_abs() + 1;
    let mut connection_ids = thread.connection_ids;
    for id in question.connection_ids.iter().map(|id| id.as_uuid()) {
        if !connection_ids.contains(&id) {
            connection_ids.push(id);
        }
    }
    sqlx::query!(
        "UPDATE thread SET status = 'running', last_turn_no = $3, connection_ids = $4, updated_at = $5
             WHERE workspace_id = $1 AND id = $2",
        tx.workspace_id(),
        thread_id.as_uuid(),
        turn_no as i32,
        &connection_ids,
        tx.now
    )
    .execute(tx.db())
    .await?;
    let may_be_leased = place.is_some() && may_lease(tx).await?;
    let mut start = Start::of_question(tx.now, thread_id, creator_id, turn_no, thread.title, question);
    start.connection_ids = connection_ids;
    let made = insert(tx, &start, place.filter(|_| may_be_leased)).await?;
    let details = json!({ "runId": start.run_id, "turnNo": turn_no });
    audit::record(tx, actor, "thread.followup", thread_id.as_uuid(), details).await?;
    event::tell_thread_changed(tx, thread_id).await?;
    Ok(made)
}

/// Makes the run, its turn, and where that is the first one its thread. With a place, and where the workspace has room and
/// something to spend, the run is leased to the place's worker; else workers are told of it. The caller has asked whether
/// it may be leased (`may_lease`).
async fn insert(tx: &mut Tx, start: &Start, place: Option<Place>) -> Result<Made> {
    let lease = place.as_ref().map_or_else(TimeDelta::zero, |place| place.lease);
    let token = sqlx::query_scalar!(
        r#"WITH lease AS MATERIALIZED (
               SELECT gen_random_uuid() AS token FROM workspace
               WHERE id = $1 AND $2::text IS NOT NULL
                 AND max_concurrent_runs > (SELECT count(*) FROM run_queue WHERE workspace_id = $1 AND lease_token IS NOT NULL)
                 AND (NOT coalesce((SELECT sum(amount_micro) <= 0 FROM credit_balance WHERE workspace_id = $1), false)
                     OR EXISTS (SELECT FROM workspace_model WHERE workspace_id = $1))
           ), leased AS MATERIALIZED (
               SELECT (SELECT token FROM lease) AS token
           ), of_thread AS (
               INSERT INTO thread (workspace_id, id, creator_id, task_id, title, source, status, last_turn_no,
                   connection_ids, created_at, updated_at)
               SELECT $1, $8, $6, $5, $10, $11, 'running', 1, $14, $4, $4 WHERE $9 = 1
           ), of_turn AS (
               INSERT INTO turn (workspace_id, thread_id, turn_no, run_id, prompt, status, as_of, timezone, created_at,
                   started_at)
               SELECT $1, $8, $9, $3, $12, CASE WHEN token IS NULL THEN 'queued' ELSE 'running' END, $4, $13, $4,
                   CASE WHEN token IS NOT NULL THEN $4::timestamptz END
               FROM leased
           ), of_run AS (
               INSERT INTO run (workspace_id, id, task_id, creator_id, trigger, status, attempt, thread_id, turn_no, test_to,
                   created_at, started_at)
               SELECT $1, $3, $5, $6, $7, CASE WHEN token IS NULL THEN 'queued' ELSE 'running' END,
                   CASE WHEN token IS NULL THEN 0 ELSE 1 END, $8, $9, $15, $4,
                   CASE WHEN token IS NOT NULL THEN $4::timestamptz END
               FROM leased
           ), queued AS (
               INSERT INTO run_queue (workspace_id, run_id, task_id, creator_id, urgent, test, available_at, listed_at,
                   lease_token, lease_until, worker)
               SELECT $1, $3, $5, $6, true, $7 = 'test', $4, $4, token,
                   CASE WHEN token IS NOT NULL THEN $16::timestamptz END, CASE WHEN token IS NOT NULL THEN $2 END
               FROM leased
           ), told AS MATERIALIZED (
               SELECT CASE WHEN token IS NULL THEN pg_notify($17, '') END FROM leased
           )
           SELECT token FROM leased, told"#,
        tx.workspace_id(),
        place.as_ref().map(|place| &*place.worker),
        start.run_id.as_uuid(),
        tx.now,
        start.task_id.map(TaskId::as_uuid),
        start.creator_id.as_uuid(),
        start.trigger.as_str(),
        start.thread_id.as_uuid(),
        start.turn_no as i32,
        start.title,
        start.source.as_str(),
        start.prompt,
        start.timezone,
        &start.connection_ids,
        start.test_to.map(UserId::as_uuid),
        tx.now + lease,
        event::RUN_CHANNEL
    )
    .fetch_one(tx.db())
    .await?;
    let workspace_id = tx.workspace_id().into();
    let started = StartedRun { run_id: start.run_id, thread_id: start.thread_id, turn_no: start.turn_no };
    let handed = place.zip(token).map(|(place, token)| {
        let lease = RunLease { workspace_id, run_id: start.run_id, token };
        (place, start.claimed(lease, tx.now))
    });
    Ok(Made { started, handed })
}

/// What a run takes from its task.
pub(crate) struct HeldTask {
    creator_id: UserId,
    title: String,
    prompt: String,
    timezone: String,
    connection_ids: Vec<Uuid>,
    may_be_leased: bool,
}

/// Reads a task, and keeps it from being deleted, and its creator from being deactivated, until the transaction ends. Where its
/// run may be leased at once, other claimers are kept from the workspace, as in [`may_lease`].
pub(crate) async fn hold_task(tx: &mut Tx, id: TaskId, is_to_be_leased: bool) -> Result<HeldTask> {
    let row = sqlx::query!(
        r#"SELECT task.creator_id, task.title, task.prompt, task.status, task.schedule ->> 'timezone' AS "timezone!",
               ARRAY(SELECT connection_id FROM task_connection
                     WHERE task_connection.workspace_id = $1 AND task_connection.task_id = $2
                     ORDER BY position, connection_id) AS "connection_ids!",
               member.deactivated_at IS NULL AS "is_active!",
               $3 AND pg_try_advisory_xact_lock(hashtextextended('tidings.run_claim ' || task.workspace_id::text, 0)) AS "may_be_leased!"
           FROM task
           JOIN member ON member.workspace_id = task.workspace_id AND member.user_id = task.creator_id
           WHERE task.workspace_id = $1 AND task.id = $2 AND task.deleted_at IS NULL
           FOR SHARE OF member, task"#,
        tx.workspace_id(),
        id.as_uuid(),
        is_to_be_leased
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::NotFound)?;
    let status: TaskStatus = word("task", "status", id, &row.status)?;
    if status == TaskStatus::Cancelled {
        return Err(Conflict::TaskCancelled.into());
    }
    if !row.is_active {
        return Err(Conflict::CreatorDeactivated.into());
    }
    Ok(HeldTask {
        creator_id: row.creator_id.into(),
        title: row.title,
        prompt: row.prompt,
        timezone: row.timezone,
        connection_ids: row.connection_ids,
        may_be_leased: row.may_be_leased,
    })
}

/// Keeps other claimers from the workspace until the transaction ends, so that its runs under way can be counted: whether that
/// worked. A statement of its own, before the one that counts: what others committed in between is to be seen.
async fn may_lease(tx: &mut Tx) -> Result<bool> {
    let taken = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended('tidings.run_claim ' || $1::uuid::text, 0)) AS "taken!""#,
        tx.workspace_id()
    );
    Ok(taken.fetch_one(tx.db()).await?)
}

/// A run to make, with its turn.
struct Start {
    run_id: RunId,
    task_id: Option<TaskId>,
    creator_id: UserId,
    trigger: RunTrigger,
    test_to: Option<UserId>,
    thread_id: ThreadId,
    turn_no: u32,
    title: String,
    source: ThreadSource,
    prompt: String,
    timezone: String,
    connection_ids: Vec<Uuid>,
}

impl Start {
    fn of_question(
        now: DateTime<Utc>,
        thread_id: ThreadId,
        creator_id: UserId,
        turn_no: u32,
        title: String,
        question: &NewQuestion,
    ) -> Self {
        Self {
            run_id: RunId::new(now),
            task_id: None,
            creator_id,
            trigger: RunTrigger::Thread,
            test_to: None,
            thread_id,
            turn_no,
            title,
            source: question.source,
            prompt: question.prompt.clone(),
            timezone: question.timezone.clone(),
            connection_ids: question.connection_ids.iter().map(|id| id.as_uuid()).collect(),
        }
    }

    /// The run as a claim would answer it.
    fn claimed(&self, lease: RunLease, now: DateTime<Utc>) -> ClaimedRun {
        ClaimedRun {
            scope: Scope::new(lease.workspace_id, Actor::System),
            lease,
            task_id: self.task_id,
            trigger: self.trigger,
            creator_id: self.creator_id,
            occurrence: None,
            late: false,
            attempt: 1,
            thread_id: self.thread_id,
            turn_no: self.turn_no,
            has_thread: true,
            title: self.title.clone(),
            prompt: self.prompt.clone(),
            as_of: now,
            timezone: self.timezone.clone(),
            connection_ids: self.connection_ids.iter().copied().map(ConnectionId::from).collect(),
        }
    }
}

async fn demand_queryable(tx: &mut Tx, user_id: UserId, ids: &[ConnectionId]) -> Result<()> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let usable = sqlx::query_scalar!(
        r#"SELECT connection.id FROM connection
           JOIN connection_access AS access ON access.workspace_id = connection.workspace_id
             AND access.connection_id = connection.id AND access.user_id = $3 AND access.access <> 'view_results'
           WHERE connection.workspace_id = $1 AND connection.id = ANY ($2) AND deleted_at IS NULL"#,
        tx.workspace_id(),
        &wanted,
        user_id.as_uuid()
    )
    .fetch_all(tx.db())
    .await?;
    match wanted.iter().position(|id| !usable.contains(id)) {
        None => Ok(()),
        Some(index) => {
            let path = format!("connectionIds[{index}]");
            Err(domain::Invalid::new(path, "there is no such connection that you may query").into())
        }
    }
}

/// The first line of a question, cut at a word.
fn title_of(prompt: &str) -> String {
    let plain = plain_prompt(prompt);
    let line = plain.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("Question");
    if line.chars().count() <= TITLE_MAX {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE_MAX).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::title_of;

    #[test]
    fn a_title_is_the_first_line_cut_at_a_word() {
        assert_eq!(title_of("\n  How many?\nAnd why?"), "How many?");
        assert_eq!(title_of("  "), "Question");
        let long = title_of(&"word ".repeat(60));
        assert!(long.ends_with("word…") && long.chars().count() <= 121, "{long}");
        assert_eq!(title_of(&"x".repeat(130)).chars().count(), 121);
    }
}
