//! What a tick of the scheduler would find, at the price of one statement: it finds nothing nearly always.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Result, Store, due::LOOK_BACK};

/// What a tick would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The database's clock.
    pub now: DateTime<Utc>,
    /// Whether [`Store::run_rescue`], [`Store::run_overdue`], [`Store::task_expire`] or [`Store::due_claim`] would find
    /// anything. Rows that another scheduler has locked count.
    pub has_work: bool,
    /// What [`Store::due_claim`] would answer as the watermark if it found nothing.
    pub watermark: DateTime<Utc>,
}

/// Runs that may start, and which no worker has taken up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub runs: u64,
    /// How long the one that has waited longest could have started.
    pub longest: TimeDelta,
}

impl Store {
    /// How much waits for a worker, in all workspaces. What waits for fresh data, for credits or for another attempt may not start.
    pub async fn run_backlog(&self) -> Result<Backlog> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "runs!",
                   coalesce(extract(epoch FROM max(clock.now - available_at)) * 1000, 0)::bigint AS "longest_millis!"
               FROM (SELECT instant($1) AS now) AS clock, run_queue
               WHERE lease_token IS NULL AND available_at <= clock.now"#,
            self.time.given()
        )
        .fetch_one(&self.worker)
        .await?;
        Ok(Backlog { runs: row.runs.unsigned_abs(), longest: TimeDelta::milliseconds(row.longest_millis) })
    }

    /// Looks whether there is anything to do, with due occurrences looked for from the watermark `from` on.
    pub async fn glance(&self, from: Option<DateTime<Utc>>) -> Result<Glance> {
        // Each asks for the earliest alone, not for any that is over: an index answers that with its first entry, whatever the
        // planner believes of how many are over.
        let row = sqlx::query!(
            r#"SELECT clock.now AS "now!",
                 coalesce((SELECT lease_until FROM run_queue
                           WHERE lease_token IS NOT NULL AND lease_until IS NOT NULL
                           ORDER BY lease_until LIMIT 1) <= clock.now, false)
                 OR coalesce((SELECT deadline_at FROM run_queue
                              WHERE lease_token IS NULL AND deadline_at IS NOT NULL
                              ORDER BY deadline_at LIMIT 1) <= clock.now, false)
                 OR coalesce((SELECT expires_at FROM task
                              WHERE status IN ('active', 'paused') AND deleted_at IS NULL AND expires_at IS NOT NULL
                              ORDER BY expires_at LIMIT 1) <= clock.now, false)
                 OR coalesce((SELECT due_at FROM task_due WHERE due_at >= $2
                              ORDER BY due_at LIMIT 1) <= clock.now, false) AS "has_work!"
               FROM (SELECT instant($1) AS now) AS clock"#,
            self.time.given(),
            from.unwrap_or(DateTime::UNIX_EPOCH)
        )
        .fetch_one(&self.worker)
        .await?;
        Ok(Glance { now: row.now, has_work: row.has_work, watermark: row.now - LOOK_BACK })
    }
}
