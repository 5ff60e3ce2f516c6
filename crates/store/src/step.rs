//! Steps: appended by the run that holds the lease, and by nobody else.

use chrono::{DateTime, Utc};
use domain::{Credits, RunId, ThreadId, step::StepBody};

use crate::{
    ClaimedRun, Error, Result, RunLease, Scope, Store, Tx, credit,
    error::{json, optional_word, to_json_text},
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
        let tx = self.begin(scope).await?;
        append(tx, lease, thread_id, turn_no, body, elapsed_ms).await
    }

    /// As [`Store::step_append`], where the run may have no thread yet ([`ClaimedRun::has_thread`]): its thread and turn are made
    /// with the step.
    pub async fn step_begin(&self, run: &ClaimedRun, body: &StepBody, elapsed_ms: u32) -> Result<Step> {
        let mut tx = self.begin(&run.scope).await?;
        run_queue::hold(&mut tx, &run.lease).await?;
        if !run_begin::begin(&mut tx, run).await? {
            return append(tx, &run.lease, run.thread_id, run.turn_no, body, elapsed_ms).await;
        }
        sqlx::query!(
            "INSERT INTO step (workspace_id, thread_id, seq, turn_no, at, elapsed_ms, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7::text::json)",
            tx.workspace_id(),
            run.thread_id.as_uuid(),
            run_begin::FIRST_SEQ,
            run.turn_no as i32,
            tx.now,
            elapsed_ms as i32,
            to_json_text(body)
        )
        .execute(tx.db())
        .await?;
        event::tell_thread_changed(&mut tx, run.thread_id).await?;
        finish(tx, run.lease.run_id, run_begin::FIRST_SEQ, run.turn_no, body, elapsed_ms).await
    }

    /// The steps of a thread after `after_seq` (0: all of them), in order.
    pub async fn step_list(&self, scope: &Scope, thread_id: ThreadId, after_seq: u64) -> Result<Vec<Step>> {
        step_list(&mut self.begin(scope).await?, thread_id, after_seq).await
    }
}

/// Writes a step under the next number of its thread, and commits it: `LeaseLost`, `RunStopped`.
async fn append(
    mut tx: Tx,
    lease: &RunLease,
    thread_id: ThreadId,
    turn_no: u32,
    body: &StepBody,
    elapsed_ms: u32,
) -> Result<Step> {
    let row = sqlx::query!(
        r#"WITH held AS MATERIALIZED (
               SELECT stop_reason FROM run_queue WHERE workspace_id = $1 AND run_id = $2 AND lease_token = $3 FOR SHARE
           ), numbered AS (
               UPDATE thread SET last_seq = last_seq + 1, updated_at = $6
               WHERE workspace_id = $1 AND id = $4 AND EXISTS (SELECT FROM held WHERE stop_reason IS NULL)
               RETURNING last_seq
           ), written AS (
               INSERT INTO step (workspace_id, thread_id, seq, turn_no, at, elapsed_ms, body)
               SELECT $1, $4, last_seq, $5, $6, $7, $8::text::json FROM numbered RETURNING seq
           )
           SELECT EXISTS (SELECT FROM held) AS "is_held!", (SELECT stop_reason FROM held) AS stop_reason,
               (SELECT seq FROM written) AS seq, (SELECT pg_notify($9, $10) FROM written)::text AS told"#,
        tx.workspace_id(),
        lease.run_id.as_uuid(),
        lease.token,
        thread_id.as_uuid(),
        turn_no as i32,
        tx.now,
        elapsed_ms as i32,
        to_json_text(body),
        event::THREAD_CHANNEL,
        event::thread_changed(thread_id)
    )
    .fetch_one(tx.db())
    .await?;
    if !row.is_held {
        return Err(Error::LeaseLost);
    }
    if let Some(reason) = optional_word("run_queue", "stop_reason", lease.run_id, row.stop_reason.as_deref())?
    {
        return Err(Error::RunStopped(reason));
    }
    let seq = row.seq.ok_or(Error::NotFound)?;
    finish(tx, lease.run_id, seq, turn_no, body, elapsed_ms).await
}

/// Debits what a written step cost, and commits both.
async fn finish(
    mut tx: Tx,
    run_id: RunId,
    seq: i64,
    turn_no: u32,
    body: &StepBody,
    elapsed_ms: u32,
) -> Result<Step> {
    if let StepBody::Model { model, credits, .. } = body
        && Credits::nearest(*credits) > Credits::default()
    {
        credit::debit(&mut tx, run_id, Credits::nearest(*credits), model).await?;
    }
    let at = tx.now;
    tx.commit().await?;
    Ok(Step { seq: seq.unsigned_abs(), turn_no, at, elapsed_ms, body: body.clone() })
}

/// The steps of a thread after `after_seq` (0: all of them), in order.
pub(crate) async fn step_list(tx: &mut Tx, thread_id: ThreadId, after_seq: u64) -> Result<Vec<Step>> {
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
