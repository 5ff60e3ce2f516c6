//! Steps: appended by the run that holds the lease, and by nobody else.

use chrono::{DateTime, Utc};
use domain::{Credits, ThreadId, step::StepBody};

use crate::{
    ClaimedRun, Error, Result, RunLease, Scope, Store, Tx, credit,
    error::{json, to_json_text},
    event, run_begin, run_queue,
};

/// A step of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its place in the thread's sequence of events.
    pub seq: u64,
    /// Its turn.
    pub turn_no: u32,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u32,
    /// What it did.
    pub body: StepBody,
}

impl Store {
    /// Appends a step, and debits what it cost with it. `LeaseLost`; `RunStopped` when the run was asked to stop before it.
    pub async fn step_append(
        &self,
        scope: &Scope,
        lease: &RunLease,
        thread_id: ThreadId,
        turn_no: u32,
        body: &StepBody,
        elapsed_ms: u32,
    ) -> Result<Step> {
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        let seq = next_seq(&mut tx, thread_id).await?;
        let of_turn = (lease, thread_id, turn_no);
        write(tx, of_turn, seq, body, elapsed_ms).await
    }

    /// As [`Store::step_append`], where the run may have no thread yet ([`ClaimedRun::has_thread`]): its thread and turn are made
    /// with the step.
    pub async fn step_begin(&self, run: &ClaimedRun, body: &StepBody, elapsed_ms: u32) -> Result<Step> {
        let mut tx = self.begin(&run.scope).await?;
        run_queue::hold(&mut tx, &run.lease).await?;
        let seq = if run_begin::begin(&mut tx, run).await? {
            run_begin::FIRST_SEQ
        } else {
            next_seq(&mut tx, run.thread_id).await?
        };
        let of_turn = (&run.lease, run.thread_id, run.turn_no);
        write(tx, of_turn, seq, body, elapsed_ms).await
    }

    /// The steps of a thread after `after_seq` (0: all of them), in order.
    pub async fn step_list(&self, scope: &Scope, thread_id: ThreadId, after_seq: u64) -> Result<Vec<Step>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            "SELECT seq, turn_no, at, elapsed_ms, body FROM step
             WHERE workspace_id = $1 AND thread_id = $2 AND seq > $3 ORDER BY seq",
            tx.workspace_id(),
            thread_id.as_uuid(),
            i64::try_from(after_seq).unwrap_or(i64::MAX)
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Step {
                    seq: row.seq.unsigned_abs(),
                    turn_no: row.turn_no.unsigned_abs(),
                    at: row.at,
                    elapsed_ms: row.elapsed_ms.unsigned_abs(),
                    body: json("step", "body", format_args!("{thread_id}/{}", row.seq), row.body)?,
                })
            })
            .collect()
    }
}

/// Writes a step under its number, and commits it.
async fn write(
    mut tx: Tx,
    (lease, thread_id, turn_no): (&RunLease, ThreadId, u32),
    seq: i64,
    body: &StepBody,
    elapsed_ms: u32,
) -> Result<Step> {
    sqlx::query!(
        "INSERT INTO step (workspace_id, thread_id, seq, turn_no, at, elapsed_ms, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text::json)",
        tx.workspace_id(),
        thread_id.as_uuid(),
        seq,
        turn_no as i32,
        tx.now,
        elapsed_ms as i32,
        to_json_text(body)
    )
    .execute(tx.db())
    .await?;
    event::tell_thread_changed(&mut tx, thread_id).await?;
    if let StepBody::Model { model, credits, .. } = body
        && Credits::nearest(*credits) > Credits::default()
    {
        credit::debit(&mut tx, lease.run_id, Credits::nearest(*credits), model).await?;
    }
    let at = tx.now;
    tx.commit().await?;
    Ok(Step { seq: seq.unsigned_abs(), turn_no, at, elapsed_ms, body: body.clone() })
}

/// The next number in a thread's sequence of events; whoever else wants one waits.
async fn next_seq(tx: &mut Tx, thread_id: ThreadId) -> Result<i64> {
    sqlx::query_scalar!(
        "UPDATE thread SET last_seq = last_seq + 1, updated_at = $3 WHERE workspace_id = $1 AND id = $2
         RETURNING last_seq",
        tx.workspace_id(),
        thread_id.as_uuid(),
        tx.now
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::NotFound)
}
