//! The runs of a task that are not finished when its next occurrence comes due: which of them stand in its way, and which give
//! way to it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    run::{RunReason, RunStatus},
    schedule::Window,
};
use uuid::Uuid;

use crate::{
    Result, Tx,
    due::keys,
    run_end::{Ending, RunEnd},
    run_queue::RESCUES_MAX,
};

/// A run of a task that is not finished.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a run")]
pub(crate) struct Unfinished {
    pub(crate) run_id: Uuid,
    /// Whether it has started, or a person asked for it.
    has_started: bool,
    is_waiting: bool,
    lacks_credits: bool,
    is_to_stop: bool,
    rescues: i32,
    /// Until when a worker holds it, if one does.
    lease_until: Option<DateTime<Utc>>,
    deadline_at: Option<DateTime<Utc>>,
    /// When its own window closes, if it has one.
    closes_at: Option<DateTime<Utc>>,
    /// Its last error.
    message: Option<String>,
}

impl Unfinished {
    fn is_held(&self, now: DateTime<Utc>) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// Whether nobody holds it and nobody will: rescue or the overdue step is about to end it. It may be in the middle of that
    /// in another scheduler's tick, and so must not decide what becomes of the next occurrence.
    pub(crate) fn is_left_behind(&self, grace: TimeDelta, now: DateTime<Utc>) -> bool {
        if self.is_held(now) {
            return false;
        }
        // Whether it waits for another attempt or for credits, so that the close of its window is its end. One that is held for
        // fresh data has not started, and may still run late.
        let waits_to_go_on = self.is_waiting && (self.has_started || self.lacks_credits);
        let is_given_up = self.lease_until.is_some() && self.rescues + 1 >= RESCUES_MAX;
        // One that runs late keeps the end that it was given, whatever the grace period is by now.
        let is_past_deadline = self.deadline_at.is_some_and(|deadline| deadline <= now);
        let is_past_grace = self.closes_at.is_some_and(|closes_at| closes_at + grace <= now);
        self.is_to_stop || is_given_up || is_past_deadline && (waits_to_go_on || is_past_grace)
    }

    /// Whether it keeps the next occurrence from running. One that never started does not, nor does one that nobody holds and
    /// whose own window has closed: it could only go on as a catch-up run, and of those the newer occurrence is the one.
    pub(crate) fn stands_in_the_way(&self, now: DateTime<Utc>) -> bool {
        let is_over = self.closes_at.is_some_and(|closes_at| closes_at <= now);
        self.has_started && (self.is_held(now) || !is_over)
    }

    /// How it ends where it gives way.
    pub(crate) fn end(&self) -> RunEnd<'static> {
        if self.has_started {
            RunEnd::out_of_time(self.lacks_credits, self.message.as_deref())
        } else {
            RunEnd::without_answer(RunStatus::Missed, RunReason::Superseded)
        }
    }
}

/// The unfinished runs of a batch's tasks, tests left out: they stand in nobody's way.
pub(crate) async fn unfinished_of(
    tx: &mut Tx,
    windows: &HashMap<(Uuid, Uuid), Window>,
) -> Result<HashMap<(Uuid, Uuid), Vec<Unfinished>>> {
    let (workspace_ids, task_ids) = keys(windows);
    let rows = sqlx::query!(
        r#"SELECT run_queue.workspace_id, run_queue.task_id AS "task_id!", run_queue.run_id, run_queue.rescues,
               run_queue.lease_until, run_queue.deadline_at, run.closes_at, run.message,
               (run.started_at IS NOT NULL OR run.trigger <> 'schedule') AS "has_started!",
               run.status = 'waiting' AS "is_waiting!", run_queue.stop_reason IS NOT NULL AS "is_to_stop!",
               coalesce(run.reason = 'blocked_by_credits', false) AS "lacks_credits!"
           FROM unnest($1::uuid[], $2::uuid[]) AS due (workspace_id, task_id)
           JOIN run_queue ON run_queue.workspace_id = due.workspace_id AND run_queue.task_id = due.task_id
           JOIN run ON run.workspace_id = run_queue.workspace_id AND run.id = run_queue.run_id
           WHERE NOT run_queue.test"#,
        &workspace_ids,
        &task_ids
    )
    .fetch_all(tx.db())
    .await?;
    let mut unfinished: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        let run = Unfinished {
            run_id: row.run_id,
            has_started: row.has_started,
            is_waiting: row.is_waiting,
            lacks_credits: row.is_waiting && row.lacks_credits,
            is_to_stop: row.is_to_stop,
            rescues: row.rescues,
            lease_until: row.lease_until,
            deadline_at: row.deadline_at,
            closes_at: row.closes_at,
            message: row.message,
        };
        unfinished.entry((row.workspace_id, row.task_id)).or_default().push(run);
    }
    Ok(unfinished)
}

/// Locks runs that are to give way, and looks again: answers of each whether a worker holds it now, and nothing of one that has
/// ended since it was read.
pub(crate) async fn lock(tx: &mut Tx, runs: &[(Uuid, Uuid)]) -> Result<HashMap<Uuid, bool>> {
    if runs.is_empty() {
        return Ok(HashMap::new());
    }
    let (workspace_ids, run_ids): (Vec<_>, Vec<_>) = runs.iter().copied().unzip();
    let locked = sqlx::query!(
        r#"SELECT run_queue.run_id, coalesce(run_queue.lease_until > $3, false) AS "is_held!"
           FROM unnest($1::uuid[], $2::uuid[]) AS earlier (workspace_id, run_id)
           JOIN run_queue ON run_queue.workspace_id = earlier.workspace_id AND run_queue.run_id = earlier.run_id
           ORDER BY run_queue.workspace_id, run_queue.run_id FOR UPDATE OF run_queue"#,
        &workspace_ids,
        &run_ids,
        tx.now
    )
    .fetch_all(tx.db())
    .await?;
    Ok(locked.into_iter().map(|row| (row.run_id, row.is_held)).collect())
}

/// Marks those of the runs that had started, and give way, as a tick would have that came to them before the newer occurrence:
/// rescue takes back the attempt of a worker that vanished, and what goes on after its window is late. A worker that starts
/// what is due may come before any tick.
pub(crate) async fn mark_out_of_time(tx: &mut Tx, giving_way: &[Ending<'_>]) -> Result<()> {
    if giving_way.is_empty() {
        return Ok(());
    }
    let (workspace_ids, run_ids): (Vec<_>, Vec<_>) =
        giving_way.iter().map(|run| (run.workspace_id, run.run_id)).unzip();
    sqlx::query!(
        "UPDATE run SET late = true, attempt = run.attempt - CASE WHEN run_queue.lease_token IS NULL THEN 0 ELSE 1 END
         FROM unnest($1::uuid[], $2::uuid[]) AS earlier (workspace_id, run_id)
         JOIN run_queue ON run_queue.workspace_id = earlier.workspace_id AND run_queue.run_id = earlier.run_id
         WHERE run.workspace_id = earlier.workspace_id AND run.id = earlier.run_id AND run.started_at IS NOT NULL",
        &workspace_ids,
        &run_ids
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
