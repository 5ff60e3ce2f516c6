//! The next occurrence of each task, and its turning into a run.
//!
//! Occurrences are derived from the schedule, never from the previous run. The claim that turns one into a run names the next
//! one in the same transaction, and every occurrence leaves a `run` row with its fate. What people do to a task's next occurrence:
//! `due_change.rs`. Locks are taken in one order everywhere: `task_due`, `run_queue`, `run`, `thread`, `task`.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    TaskId, WorkspaceId,
    delivery::DeliveryKind,
    run::{RunReason, RunStatus},
    schedule::{Schedule, ScheduleSpec, Window, start_offset},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ClaimedRun, Places, Result, Store, Tx,
    due_runs::{self, Desk, DueTask},
    error::{Error, if_readable, json},
    notice,
    occurrence::{self, Due},
    run_claim::SWEEP_EVERY,
    run_end::{self, Ending},
    unfinished,
};

/// What one claim of due tasks did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueClaim {
    /// Tasks whose next occurrence was due.
    pub tasks: usize,
    /// Runs made: queued, or started at once.
    pub queued: usize,
    /// Of those, late ones.
    pub late: usize,
    /// Occurrences skipped because the previous run was unfinished.
    pub skipped: usize,
    /// Occurrences that nobody was there for.
    pub missed: usize,
    /// Tasks that were put off because their schedule cannot be read.
    pub unreadable: usize,
    /// Where the next claim may start looking: all that was due before is dealt with, but for late commits.
    pub watermark: Option<DateTime<Utc>>,
}

/// Rows with an earlier due time that were committed meanwhile are found again within this time, by looking back.
pub(crate) const LOOK_BACK: TimeDelta = TimeDelta::seconds(5);
/// Due rows that a worker takes at once, at least, however few places it has: enough for workspaces to take turns.
const START_BATCH_MIN: u32 = 100;

/// The most tasks that one look heals; the next goes on behind them.
const HEALED_MAX: u32 = 500;

/// For how long a task is put off whose schedule cannot be read.
const UNREADABLE_REST: TimeDelta = TimeDelta::minutes(5);

/// A task's row in `task_due`, locked.
struct DueRow {
    workspace_id: Uuid,
    task_id: Uuid,
    due_at: DateTime<Utc>,
    occurrence_date: NaiveDate,
    opens_at: DateTime<Utc>,
    closes_at: DateTime<Utc>,
}

impl Store {
    /// Turns up to `batch` due occurrences into runs. `from` bounds the search below (see [`DueClaim::watermark`]); `None`
    /// looks at everything. Any number of schedulers may do this at once.
    pub async fn due_claim(&self, batch: u32, from: Option<DateTime<Utc>>) -> Result<DueClaim> {
        let mut tx = self.begin_across().await?;
        let (claim, _) = self.due_take(&mut tx, batch, from, None).await?;
        tx.commit().await?;
        Ok(claim)
    }

    /// Turns due occurrences into runs for a worker that has nothing else to do: those for its places are its own from the start,
    /// never queued, and the rest of the batch is queued as by [`Store::due_claim`]. Workspaces take turns, each up to
    /// its own limit of runs at once. Answers the worker's runs: none while another worker is about the same, since two would
    /// keep each other from most workspaces.
    pub async fn due_start(&self, worker: &str, places: &Places) -> Result<(DueClaim, Vec<ClaimedRun>)> {
        let mut tx = self.begin_across().await?;
        let mut memory = self.claim_memory();
        if memory.due_swept_at.is_none_or(|at| tx.now - at >= SWEEP_EVERY || tx.now < at) {
            memory.due_from = None;
            memory.due_swept_at = Some(tx.now);
        }
        if !is_alone(&mut tx).await? {
            return Ok((DueClaim::default(), vec![]));
        }
        let desk = Desk { worker, places, lease_until: tx.now + self.run_lease };
        let batch = places.room().max(START_BATCH_MIN);
        let (claim, started) = self.due_take(&mut tx, batch, memory.due_from, Some(&desk)).await?;
        tx.commit().await?;
        memory.due_from = claim.watermark;
        self.claim_memory_set(memory);
        Ok((claim, started))
    }

    /// Locks up to `batch` due rows and gives them their fates.
    async fn due_take(
        &self,
        tx: &mut Tx,
        batch: u32,
        from: Option<DateTime<Utc>>,
        desk: Option<&Desk<'_>>,
    ) -> Result<(DueClaim, Vec<ClaimedRun>)> {
        let due = sqlx::query_as!(
            DueRow,
            "SELECT workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at FROM task_due
             WHERE due_at <= $1 AND due_at >= $2 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED",
            tx.now,
            from.unwrap_or(DateTime::UNIX_EPOCH),
            i64::from(batch)
        )
        .fetch_all(tx.db())
        .await?;
        let is_full = due.len() >= batch as usize;
        let watermark = if is_full { due.last().map(|row| row.due_at) } else { Some(tx.now - LOOK_BACK) };
        let (mut claim, started) = decide_rows(tx, self.spread, &due, desk).await?;
        claim.watermark = watermark;
        Ok((claim, started))
    }

    /// Gives a row to active tasks that lost theirs, looking at up to `batch` tasks after `cursor`, and healing up to
    /// [`HEALED_MAX`] of them. Answers how many were healed, and where to go on; `None` at the end.
    pub async fn due_heal(
        &self,
        cursor: Option<(WorkspaceId, TaskId)>,
        batch: u32,
    ) -> Result<(usize, Option<(WorkspaceId, TaskId)>)> {
        let mut tx = self.begin_across().await?;
        let (after_workspace, after_task) = cursor
            .map_or((Uuid::nil(), Uuid::nil()), |(workspace, task)| (workspace.as_uuid(), task.as_uuid()));
        let last = sqlx::query!(
            "SELECT workspace_id, id FROM task WHERE (workspace_id, id) > ($1, $2)
             ORDER BY workspace_id, id OFFSET $3 LIMIT 1",
            after_workspace,
            after_task,
            i64::from(batch.max(1)) - 1
        )
        .fetch_optional(tx.db())
        .await?
        .map(|row| (row.workspace_id, row.id));
        let (to_workspace, to_task) = last.unwrap_or((Uuid::max(), Uuid::max()));
        // Those alone: to read the schedules of all that were looked at took tens of megabytes, twice a minute.
        let lost = sqlx::query!(
            "SELECT task.workspace_id, task.id, task.schedule, task.expires_at, task.schedule_since
             FROM task
             LEFT JOIN task_due ON task_due.workspace_id = task.workspace_id AND task_due.task_id = task.id
             WHERE (task.workspace_id, task.id) > ($1, $2) AND (task.workspace_id, task.id) <= ($3, $4)
               AND task.status = 'active' AND task.deleted_at IS NULL AND task_due.task_id IS NULL
             ORDER BY task.workspace_id, task.id LIMIT $5",
            after_workspace,
            after_task,
            to_workspace,
            to_task,
            i64::from(HEALED_MAX)
        )
        .fetch_all(tx.db())
        .await?;
        let healed_up_to = lost.last().map(|row| (row.workspace_id, row.id));
        let next = if lost.len() >= HEALED_MAX as usize { healed_up_to } else { last }
            .map(|(workspace_id, task_id)| (WorkspaceId::from(workspace_id), TaskId::from(task_id)));
        let mut healed = 0;
        for row in lost {
            let Some(schedule) = if_readable(read_schedule(row.id, row.schedule)) else { continue };
            let last_opened_at = sqlx::query_scalar!(
                "SELECT max(opens_at) FROM run WHERE workspace_id = $1 AND task_id = $2 AND occurrence_date IS NOT NULL",
                row.workspace_id,
                row.id
            )
            .fetch_one(tx.db())
            .await?;
            let after = last_opened_at.map_or(row.schedule_since, |opened| opened.max(row.schedule_since));
            let taken = taken(&mut tx, row.workspace_id, row.id, after).await?;
            let window = first_free(&schedule, after, &taken, row.expires_at);
            let Some(window) = window else { continue };
            let due_at = window.opens_at + start_offset(row.id.into(), self.spread);
            // Whoever gave it a row, or paused it, in the meantime was right.
            let done = sqlx::query!(
                "INSERT INTO task_due (workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at)
                 SELECT workspace_id, id, $3, $4, $5, $6 FROM task
                 WHERE workspace_id = $1 AND id = $2 AND status = 'active' AND deleted_at IS NULL
                 ON CONFLICT DO NOTHING",
                row.workspace_id,
                row.id,
                due_at,
                window.date,
                window.opens_at,
                window.closes_at
            )
            .execute(tx.db())
            .await?;
            healed += done.rows_affected() as usize;
        }
        tx.commit().await?;
        Ok((healed, next))
    }
}

/// Whether no other worker is starting due occurrences. If so, that stays so until the transaction ends.
async fn is_alone(tx: &mut Tx) -> Result<bool> {
    let is_alone = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended('tidings.due_start', 0)) AS "is_alone!""#
    );
    Ok(is_alone.fetch_one(tx.db()).await?)
}

/// Turns what of these tasks is due already into runs, as a tick at this very moment would: before a change that takes effect from
/// this moment, so that it never depends on how far behind the schedulers are. No tick comes to their next occurrences until
/// the transaction ends.
pub(crate) async fn settle(tx: &mut Tx, spread: TimeDelta, task_ids: &[Uuid]) -> Result<()> {
    let mut due = sqlx::query_as!(
        DueRow,
        "SELECT workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at FROM task_due
         WHERE workspace_id = $1 AND task_id = ANY ($2) ORDER BY task_id FOR UPDATE",
        tx.workspace_id(),
        task_ids
    )
    .fetch_all(tx.db())
    .await?;
    due.retain(|row| row.due_at <= tx.now);
    decide_rows(tx, spread, &due, None).await?;
    Ok(())
}

/// Gives each occurrence that is due its fate, and each task its next occurrence. The rows are locked.
async fn decide_rows(
    tx: &mut Tx,
    spread: TimeDelta,
    due: &[DueRow],
    desk: Option<&Desk<'_>>,
) -> Result<(DueClaim, Vec<ClaimedRun>)> {
    let mut claim = DueClaim { tasks: due.len(), ..DueClaim::default() };
    if due.is_empty() {
        return Ok((claim, vec![]));
    }
    tx.plan_afresh().await?;
    let windows: HashMap<_, _> = due
        .iter()
        .map(|row| {
            let window =
                Window { date: row.occurrence_date, opens_at: row.opens_at, closes_at: row.closes_at };
            ((row.workspace_id, row.task_id), window)
        })
        .collect();
    let (tasks, unreadable) = due_runs::tasks_of(tx, &windows, desk.is_some()).await?;
    put_off(tx, &unreadable).await?;
    claim.unreadable = unreadable.len();
    let unfinished = unfinished::unfinished_of(tx, &windows).await?;

    let now = tx.now;
    let earlier = |task: &DueTask| {
        let runs = unfinished.get(&(task.workspace_id, task.task_id)).map_or(&[][..], Vec::as_slice);
        let grace = task.grace;
        runs.iter().filter(move |run| !run.is_left_behind(grace, now))
    };
    let decide = |task: &DueTask, is_running: bool| {
        let due = Due {
            schedule: &task.schedule,
            window: task.window,
            taken: &task.taken,
            offset: start_offset(task.task_id.into(), spread),
            expires_at: task.expires_at,
            grace: task.grace,
            is_running,
        };
        occurrence::decide(&due, now)
    };
    let mut decided = Vec::with_capacity(tasks.len());
    let mut giving_way = Vec::new();
    for task in &tasks {
        let (of_task, next) = decide(task, earlier(task).any(|run| run.stands_in_the_way(now)));
        if of_task.iter().any(|fate| fate.status == RunStatus::Queued) {
            giving_way.extend(earlier(task).map(|run| (task.workspace_id, run.run_id)));
        }
        decided.push((task, of_task, next));
    }
    let is_held = unfinished::lock(tx, &giving_way).await?;
    let mut next_rows = NextRows::default();
    let mut fates = Vec::new();
    let mut gone = Vec::new();
    for (task, mut of_task, mut next) in decided {
        if of_task.iter().any(|fate| fate.status == RunStatus::Queued) {
            if earlier(task).any(|run| is_held.get(&run.run_id) == Some(&true)) {
                // A worker took the earlier one up after it was read: so that one goes on.
                (of_task, next) = decide(task, true);
            } else {
                let still_there = earlier(task).filter(|run| is_held.contains_key(&run.run_id));
                gone.extend(still_there.map(|run| Ending {
                    workspace_id: task.workspace_id,
                    run_id: run.run_id,
                    end: run.end(),
                }));
            }
        }
        fates.extend(of_task.into_iter().map(|fate| (task, fate)));
        next_rows.push(task.workspace_id, task.task_id, next, start_offset(task.task_id.into(), spread));
    }
    unfinished::mark_out_of_time(tx, &gone).await?;
    run_end::close(tx, &gone).await?;
    for (_, fate) in &fates {
        match fate.status {
            RunStatus::Queued => {
                claim.queued += 1;
                claim.late += usize::from(fate.late);
            }
            RunStatus::Skipped => claim.skipped += 1,
            _ => claim.missed += 1,
        }
    }
    let started = due_runs::insert(tx, &fates, desk).await?;
    next_rows.write(tx).await?;
    // Tasks that are gone or fire no more, should their row have been left behind.
    let mut known = unreadable;
    known.extend(tasks.iter().map(|task| (task.workspace_id, task.task_id)));
    for (workspace_id, task_id) in windows.keys().filter(|key| !known.contains(key)) {
        remove_row(tx, *workspace_id, *task_id).await?;
    }
    for (task, fate) in fates.iter().filter(|(_, fate)| fate.reason == Some(RunReason::StillRunning)) {
        let mut notice = notice::Notice::of_task(task.workspace_id, task.task_id, DeliveryKind::StillRunning);
        notice.message = Some(fate.window.date.to_string());
        notice::send(tx, &notice).await?;
    }
    Ok((claim, started))
}

/// Has tasks be due again a little later. Their occurrences stay as they are, and get their fates then.
async fn put_off(tx: &mut Tx, tasks: &[(Uuid, Uuid)]) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let (workspace_ids, task_ids): (Vec<_>, Vec<_>) = tasks.iter().copied().unzip();
    sqlx::query!(
        "UPDATE task_due SET due_at = $3 FROM unnest($1::uuid[], $2::uuid[]) AS later (workspace_id, task_id)
         WHERE task_due.workspace_id = later.workspace_id AND task_due.task_id = later.task_id",
        &workspace_ids,
        &task_ids,
        tx.now + UNREADABLE_REST
    )
    .execute(tx.db())
    .await?;
    Ok(())
}

/// The dates that have their run already, of windows that might open after an instant.
pub(crate) async fn taken(
    tx: &mut Tx,
    workspace_id: Uuid,
    task_id: Uuid,
    after: DateTime<Utc>,
) -> Result<Vec<NaiveDate>> {
    let dates = sqlx::query_scalar!(
        r#"SELECT occurrence_date AS "date!" FROM run
           WHERE workspace_id = $1 AND task_id = $2 AND occurrence_date > $3"#,
        workspace_id,
        task_id,
        (after - TimeDelta::days(3)).date_naive()
    )
    .fetch_all(tx.db())
    .await?;
    Ok(dates)
}

/// The first window that opens after an instant and whose date has no run yet.
pub(crate) fn first_free(
    schedule: &Schedule,
    after: DateTime<Utc>,
    taken: &[NaiveDate],
    expires_at: Option<DateTime<Utc>>,
) -> Option<Window> {
    let mut windows = schedule.windows_after(after);
    windows
        .find(|window| !taken.contains(&window.date))
        .filter(|window| occurrence::exists(*window, expires_at))
}

/// Stops a task from firing.
pub(crate) async fn remove_row(tx: &mut Tx, workspace_id: Uuid, task_id: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM task_due WHERE workspace_id = $1 AND task_id = $2", workspace_id, task_id)
        .execute(tx.db())
        .await?;
    Ok(())
}

pub(crate) fn read_schedule(task_id: Uuid, stored: Value) -> Result<Schedule> {
    let spec: ScheduleSpec = json("task", "schedule", task_id, stored)?;
    Schedule::parse(spec, "").map_err(|error| Error::Unreadable {
        table: "task",
        column: "schedule",
        id: task_id.to_string(),
        source: Box::new(error),
    })
}

pub(crate) fn keys(windows: &HashMap<(Uuid, Uuid), Window>) -> (Vec<Uuid>, Vec<Uuid>) {
    windows.keys().copied().unzip()
}

/// The next occurrence of each task of a batch.
#[derive(Default)]
struct NextRows {
    workspace_ids: Vec<Uuid>,
    task_ids: Vec<Uuid>,
    due_at: Vec<DateTime<Utc>>,
    dates: Vec<NaiveDate>,
    opens_at: Vec<DateTime<Utc>>,
    closes_at: Vec<DateTime<Utc>>,
    /// Tasks that have none.
    ended: Vec<(Uuid, Uuid)>,
}

impl NextRows {
    fn push(&mut self, workspace_id: Uuid, task_id: Uuid, window: Option<Window>, offset: TimeDelta) {
        let Some(window) = window else {
            self.ended.push((workspace_id, task_id));
            return;
        };
        self.workspace_ids.push(workspace_id);
        self.task_ids.push(task_id);
        self.due_at.push(window.opens_at + offset);
        self.dates.push(window.date);
        self.opens_at.push(window.opens_at);
        self.closes_at.push(window.closes_at);
    }

    async fn write(&self, tx: &mut Tx) -> Result<()> {
        sqlx::query!(
            "UPDATE task_due SET due_at = next.due_at, occurrence_date = next.date, opens_at = next.opens_at,
                 closes_at = next.closes_at
             FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::date[], $5::timestamptz[], $6::timestamptz[])
               AS next (workspace_id, task_id, due_at, date, opens_at, closes_at)
             WHERE task_due.workspace_id = next.workspace_id AND task_due.task_id = next.task_id",
            &self.workspace_ids,
            &self.task_ids,
            &self.due_at,
            &self.dates,
            &self.opens_at,
            &self.closes_at
        )
        .execute(tx.db())
        .await?;
        for (workspace_id, task_id) in &self.ended {
            remove_row(tx, *workspace_id, *task_id).await?;
        }
        Ok(())
    }
}
