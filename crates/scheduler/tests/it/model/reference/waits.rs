//! What a run may wait for beside its turn at a worker: credits of its workspace (rule 11), and fresh data (T13).

use chrono::TimeDelta;

use super::{Hold, Reference, Run};
use crate::model::{calendar::Instant, story::Data};

/// What a run waits for that found no credits.
pub(super) const CREDITS: &str = "blocked_by_credits";
/// What one waits for whose data was not fresh.
const FRESH_DATA: &str = "stale_data";
/// After so much of its window a run waits for fresh data no longer.
const HELD_AT_MOST: TimeDelta = TimeDelta::minutes(105);
/// How long after a look in vain the next one follows.
const LOOK_EVERY: TimeDelta = TimeDelta::minutes(2);

impl Run {
    pub(super) fn waits_for_credits(&self) -> bool {
        self.status == "waiting" && self.reason == Some(CREDITS)
    }

    /// Whether the close of its window is the end of it: no worker that came after it could make anything of it. One that
    /// never started for want of a worker or of fresh data may still run late, after a downtime (rule 6).
    pub(super) fn ends_at_its_deadline(&self) -> bool {
        self.status == "waiting" && (self.has_started || self.waits_for_credits())
    }
}

impl Reference {
    /// Credits are granted, or taken back with an amount below zero; from then on the workspace has a limit. If any are left,
    /// what waited for them may run at once. Answers how many runs that are.
    pub(in crate::model) fn grant(&mut self, amount: i64, now: Instant) -> usize {
        self.credits = Some(self.credits.unwrap_or_default() + amount);
        if self.has_no_credits() {
            return 0;
        }
        let mut woken = 0;
        for run in self.runs.iter_mut().filter(|run| run.waits_for_credits()) {
            run.status = "queued";
            run.available_at = now;
            woken += 1;
        }
        woken
    }

    /// A step that costs a credit. It is the next one that is refused.
    pub(in crate::model) fn spend(&mut self, hold: Hold) -> Result<(), String> {
        self.step(hold)?;
        self.credits = self.credits.map(|left| left - 1);
        Ok(())
    }

    pub(super) fn has_no_credits(&self) -> bool {
        self.credits.is_some_and(|left| left <= 0)
    }

    /// A run that a worker would take up, if there were credits: it waits for them as long as its window is open. Where there is
    /// no window, a person waits, and is told at once.
    pub(super) fn withhold(&mut self, index: usize, now: Instant) {
        let run = &mut self.runs[index];
        let Some(deadline) = run.deadline else {
            return self.fail_for_good(index, CREDITS, now);
        };
        run.status = "waiting";
        run.reason = Some(CREDITS);
        run.available_at = deadline;
    }

    /// What a worker does that has looked at the task's data: begin or go on, put the run back as if it had not been started, or
    /// give it up. A run that is put back had not started when a pause came during the look, and a pause skips such a run,
    /// whether or not it is over by now. A late one may not wait, for the last moment is over. A day on which the data was fresh
    /// ends a streak of skipped ones, whatever comes of it.
    pub(in crate::model) fn look_at_data(&mut self, hold: Hold, data: Data, now: Instant) -> String {
        let run = self.run(hold.key);
        let (is_scheduled, has_step) = (run.trigger == "schedule", run.has_step);
        let found = data.trouble();
        let (Some(is_skipped), true) = (self.skips_stale, is_scheduled) else { return "open".to_owned() };
        if found.is_some() && has_step {
            return "open".to_owned();
        }
        if let Err(refused) = self.check(hold) {
            self.stop(hold, &refused, now);
            return refused;
        }
        let Some(found) = found else {
            self.skipping_since = None;
            return "open".to_owned();
        };
        let run = self.run(hold.key);
        let opens_at = run.occurrence.expect("an occurrence of a schedule").opens_at;
        let last_look_at = opens_at + HELD_AT_MOST;
        if now < last_look_at {
            run.attempt -= 1;
            run.has_started = false;
            if run.paused_at.is_some() {
                run.end("skipped", Some("paused"), now);
                return "skipped".to_owned();
            }
            run.status = "waiting";
            run.reason = Some(FRESH_DATA);
            run.message = Some(found);
            run.lease_until = None;
            run.available_at = last_look_at.min(now + LOOK_EVERY);
            return format!("held until {}", run.available_at);
        }
        if !is_skipped {
            return "open".to_owned();
        }
        run.attempt -= 1;
        run.has_started = false;
        run.message = Some(found);
        run.end("skipped", Some(FRESH_DATA), now);
        if self.skipping_since.is_none() {
            self.skipping_since = Some(now);
            self.tell(format!("stale_data {found}"), now);
        }
        "skipped".to_owned()
    }
}
