//! Time into work: due occurrences into runs, and all that befalls runs by the clock alone.
//!
//! The scheduler holds nothing that matters. Any number of them may tick at once, with no leader; one that dies leaves nothing
//! to clean up. See `docs/scheduling.md`.

use std::{sync::Mutex, sync::PoisonError, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{TaskId, WorkspaceId};
use store::{Backlog, Result, Store};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerOptions {
    /// Between two ticks of [`Scheduler::run`]; after one that found something, half of it.
    pub tick: Duration,
    /// The most rows of one statement.
    pub batch: u32,
    /// How often everything due is looked at, and not only what came due since the last tick.
    pub sweep_every: TimeDelta,
    /// The most tasks that one sweep looks at for a lost next occurrence; the next sweep goes on behind them.
    pub heal_batch: u32,
    /// How often what is over and remembered for nothing is removed.
    pub clean_every: TimeDelta,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(250),
            batch: 500,
            sweep_every: TimeDelta::seconds(30),
            heal_batch: 50_000,
            clean_every: TimeDelta::hours(1),
        }
    }
}

/// What one tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Runs queued.
    pub queued: usize,
    /// Of those, late ones.
    pub late: usize,
    /// Occurrences skipped because the previous run was unfinished.
    pub skipped: usize,
    /// Occurrences that nobody was there for.
    pub missed: usize,
    /// Runs taken from workers that vanished.
    pub rescued: usize,
    /// Runs whose time had passed.
    pub overdue: usize,
    /// Deliveries taken from notifiers that vanished.
    pub deliveries_rescued: u64,
    /// Tasks that expired.
    pub expired: usize,
    /// Creators told that a task expires soon.
    pub warned: usize,
    /// Tasks that had lost their next occurrence and got it back.
    pub healed: usize,
    /// Tasks that were put off because their schedule cannot be read.
    pub unreadable: usize,
    /// What waits for a worker. Looked at by a sweep alone.
    pub backlog: Option<Backlog>,
}

impl Tick {
    /// Whether something had come about. Where much does, more is about to: the next tick comes after half the time.
    fn has_found_work(&self) -> bool {
        self.queued + self.skipped + self.missed + self.rescued + self.overdue + self.expired > 0
    }
}

/// Turns time into work.
#[derive(Debug)]
pub struct Scheduler {
    store: Store,
    options: SchedulerOptions,
    memory: Mutex<Memory>,
}

/// What saves work and may be lost.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// All that was due before is dealt with.
    watermark: Option<DateTime<Utc>>,
    /// Where the next sweep goes on.
    heal_cursor: Option<(WorkspaceId, TaskId)>,
    swept_at: Option<DateTime<Utc>>,
    cleaned_at: Option<DateTime<Utc>>,
}

impl Scheduler {
    /// A scheduler on a database.
    pub fn new(store: Store, options: SchedulerOptions) -> Self {
        Self { store, options, memory: Mutex::default() }
    }

    /// Ticks until `shutdown`. A tick that fails is logged, and the next one does its work.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(self.options.tick);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = interval.tick() => {}
            }
            // A tick is never cut short: it is brief, and what it has begun it commits.
            match self.tick().await {
                Ok(tick) => {
                    report(&tick);
                    if tick.has_found_work() {
                        interval.reset_after(self.options.tick / 2);
                    }
                }
                Err(error) => {
                    metrics::counter!("tidings_scheduler_failed_ticks_total").increment(1);
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a tick of the scheduler failed"
                    );
                }
            }
        }
    }

    /// One pass over everything that the clock brings about, as of the store's now. Most find nothing, at a glance.
    ///
    /// The order matters after a downtime: runs that were left behind are dealt with before the occurrences that followed
    /// them, so that these find out rightly whether anything is still under way.
    pub async fn tick(&self) -> Result<Tick> {
        let mut memory = self.memory();
        let glance = self.store.glance(memory.watermark).await?;
        let now = glance.now;
        let is_sweep = is_over(memory.swept_at, now, self.options.sweep_every);
        let is_clean_up = is_over(memory.cleaned_at, now, self.options.clean_every);
        if !(glance.has_work || is_sweep || is_clean_up) {
            memory.watermark = Some(glance.watermark);
            self.remember(memory);
            return Ok(Tick::default());
        }
        let batch = self.options.batch;
        let mut tick = Tick::default();

        while let rescued @ 1.. = self.store.run_rescue(batch).await? {
            tick.rescued += rescued;
        }
        while let overdue @ 1.. = self.store.run_overdue(batch).await? {
            tick.overdue += overdue;
        }
        // One batch, for what is due waits meanwhile: an occurrence after an expiration is none, noted or not. Word of the rest
        // is at the next tick's glance.
        tick.expired = self.store.task_expire(batch).await?;

        if is_sweep {
            memory.watermark = None;
            memory.swept_at = Some(now);
            let (healed, cursor) = self.store.due_heal(memory.heal_cursor, self.options.heal_batch).await?;
            tick.healed = healed;
            memory.heal_cursor = cursor;
            tick.deliveries_rescued = self.store.delivery_rescue(batch).await?;
            tick.warned = self.store.task_warn_expiring(batch).await?;
        }
        loop {
            let claim = self.store.due_claim(batch, memory.watermark).await?;
            tick.queued += claim.queued;
            tick.late += claim.late;
            tick.skipped += claim.skipped;
            tick.missed += claim.missed;
            tick.unreadable += claim.unreadable;
            memory.watermark = claim.watermark.or(memory.watermark);
            if claim.tasks < batch as usize {
                break;
            }
        }
        if is_sweep {
            tick.backlog = Some(self.store.run_backlog().await?);
        }
        if is_clean_up {
            self.store.expired_rows_delete().await?;
            memory.cleaned_at = Some(now);
        }
        self.remember(memory);
        Ok(tick)
    }

    fn remember(&self, memory: Memory) {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = memory;
    }

    fn memory(&self) -> Memory {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something that was last done `at` is due again. A clock that was set back makes it due.
fn is_over(at: Option<DateTime<Utc>>, now: DateTime<Utc>, every: TimeDelta) -> bool {
    at.is_none_or(|at| now - at >= every || now < at)
}

fn report(tick: &Tick) {
    let count = |name: &'static str, number: usize| {
        if number > 0 {
            metrics::counter!(name).increment(number as u64);
        }
    };
    count("tidings_runs_queued_total", tick.queued);
    count("tidings_runs_late_total", tick.late);
    count("tidings_occurrences_skipped_total", tick.skipped);
    count("tidings_occurrences_missed_total", tick.missed);
    count("tidings_runs_rescued_total", tick.rescued);
    count("tidings_runs_overdue_total", tick.overdue);
    count("tidings_tasks_expired_total", tick.expired);
    count("tidings_tasks_healed_total", tick.healed);
    count("tidings_tasks_unreadable_total", tick.unreadable);
    if let Some(Backlog { runs, longest }) = tick.backlog {
        metrics::gauge!("tidings_runs_waiting").set(runs as f64);
        metrics::gauge!("tidings_runs_waiting_seconds").set(longest.as_seconds_f64());
    }
    if (Tick { backlog: None, ..*tick }) != Tick::default() {
        tracing::info!(
            queued = tick.queued,
            late = tick.late,
            skipped = tick.skipped,
            missed = tick.missed,
            rescued = tick.rescued,
            overdue = tick.overdue,
            deliveries_rescued = tick.deliveries_rescued,
            expired = tick.expired,
            warned = tick.warned,
            healed = tick.healed,
            unreadable = tick.unreadable,
            "ticked"
        );
    }
}
