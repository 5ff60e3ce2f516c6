//! What workers do.

use chrono::TimeDelta;

use super::{Hold, Key, Reference, Run, waits};
use crate::model::calendar::Instant;

const LEASE: TimeDelta = TimeDelta::seconds(60);

impl Reference {
    /// All runs that a worker may take.
    pub(in crate::model) fn claim(&mut self, now: Instant) -> Vec<Hold> {
        let mut claimed = Vec::new();
        for index in 0..self.runs.len() {
            let run = &self.runs[index];
            let is_in_time = run.deadline.is_none_or(|deadline| deadline > now);
            if !run.is_waiting_for_a_worker() || run.available_at > now || !is_in_time {
                continue;
            }
            if self.has_no_credits() {
                self.withhold(index, now);
                continue;
            }
            let run = &mut self.runs[index];
            run.status = "running";
            run.attempt += 1;
            run.claims += 1;
            run.has_started = true;
            run.lease_until = Some(now + LEASE);
            claimed.push(Hold { key: run.key, claim: run.claims });
        }
        claimed
    }

    /// A step of a run's turn.
    pub(in crate::model) fn step(&mut self, hold: Hold) -> Result<(), String> {
        self.check(hold)?;
        self.run(hold.key).has_step = true;
        Ok(())
    }

    /// Whether a worker still holds a run, and need not stop.
    pub(in crate::model) fn check(&self, hold: Hold) -> Result<(), String> {
        let run = self.runs.iter().find(|run| run.key == hold.key).expect("a run that was claimed");
        match run.stop {
            _ if run.lease_until.is_none() || run.claims != hold.claim => Err("LeaseLost".to_owned()),
            Some(reason) => Err(format!("stopped {reason}")),
            None => Ok(()),
        }
    }

    pub(in crate::model) fn heartbeat(&mut self, hold: Hold, now: Instant) -> Result<(), String> {
        let checked = self.check(hold);
        if checked.as_ref().is_err_and(|lost| lost == "LeaseLost") {
            return checked;
        }
        self.run(hold.key).lease_until = Some(now + LEASE);
        checked
    }

    /// An answer, which goes to the task's one reader.
    pub(in crate::model) fn succeed(&mut self, hold: Hold, now: Instant) -> Result<(), String> {
        if let Err(refused) = self.check(hold) {
            self.stop(hold, &refused, now);
            return Err(refused);
        }
        let run = self.run(hold.key);
        run.end("succeeded", None, now);
        let is_scheduled = run.trigger == "schedule";
        self.tell("answer".to_owned(), now);
        self.skipping_since = self.skipping_since.filter(|_| !is_scheduled);
        if is_scheduled && self.is_failing {
            self.is_failing = false;
            self.tell("recovery".to_owned(), now);
        }
        Ok(())
    }

    /// Rule 11: what a retry may mend is tried again inside the window, at ever longer waits; what credits may mend, once there
    /// are some.
    pub(in crate::model) fn fail(
        &mut self,
        hold: Hold,
        reason: &'static str,
        is_transient: bool,
        now: Instant,
    ) -> String {
        if let Err(refused) = self.check(hold) {
            self.stop(hold, &refused, now);
            return if refused == "LeaseLost" { refused } else { "ended".to_owned() };
        }
        let has_no_credits = self.has_no_credits();
        let index = self.runs.iter().position(|run| run.key == hold.key).expect("a run that was claimed");
        let run = &mut self.runs[index];
        let Some(deadline) = run.deadline.filter(|deadline| is_transient && *deadline > now) else {
            self.fail_for_good(index, reason, now);
            return "ended".to_owned();
        };
        run.status = "waiting";
        run.reason = Some(reason);
        run.lease_until = None;
        if reason == waits::CREDITS {
            // Nothing has failed.
            run.attempt -= 1;
            run.available_at = if has_no_credits { deadline } else { now };
            return if has_no_credits {
                "waits for credits".to_owned()
            } else {
                format!("again at {}", run.available_at)
            };
        }
        let wait = match run.attempt {
            1 => TimeDelta::seconds(30),
            2 => TimeDelta::minutes(2),
            3 => TimeDelta::minutes(8),
            _ => TimeDelta::minutes(15),
        };
        run.available_at = now + wait;
        format!("again at {}", run.available_at)
    }

    /// A worker that is told to leave hands its run back: as if it had not been started this time. One that was to stop ends.
    pub(in crate::model) fn release(&mut self, hold: Hold, now: Instant) -> bool {
        let checked = self.check(hold);
        if checked.as_ref().is_err_and(|refused| refused == "LeaseLost") {
            return false;
        }
        let run = self.run(hold.key);
        run.attempt -= 1;
        if let Some(reason) = run.stop {
            run.end("cancelled", Some(reason), now);
        } else {
            run.status = "queued";
            run.lease_until = None;
        }
        true
    }

    pub(super) fn stop(&mut self, hold: Hold, refused: &str, now: Instant) {
        if refused != "LeaseLost" {
            let run = self.run(hold.key);
            run.end("cancelled", run.stop, now);
        }
    }

    pub(super) fn run(&mut self, key: Key) -> &mut Run {
        self.runs.iter_mut().find(|run| run.key == key).expect("a run that was made")
    }
}
