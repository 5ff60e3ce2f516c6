//! One task as the twelve rules say it must behave: a page of plain state, no database, no shared code with the store. Beside
//! `docs/scheduling.md` it should be readable in ten minutes. Outcomes are words, as are the lines that are compared. What
//! workers do has a page of its own, `workers.rs`, and so has what runs wait for, `waits.rs`.

mod lines;
mod waits;
mod workers;

use chrono::{NaiveDate, TimeDelta};

use super::calendar::{Instant, Occurrence, Plan};

const RESCUES_MAX: u32 = 5;
const A_WEEK: TimeDelta = TimeDelta::days(7);

/// Which run of the task: that of a date, or the n-th that a person started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Date(NaiveDate),
    ByHand(usize),
}

/// The right of a worker to a run: worth something until the run is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) key: Key,
    /// How often the run had been claimed.
    pub(super) claim: u32,
}

#[derive(Clone, Debug)]
struct Run {
    key: Key,
    trigger: &'static str,
    occurrence: Option<Occurrence>,
    status: &'static str,
    reason: Option<&'static str>,
    /// What a look at its data found.
    message: Option<&'static str>,
    late: bool,
    /// How often it was started, not counting what no failure ended: it was handed back, lost its worker, or found no credits.
    attempt: u32,
    has_started: bool,
    has_step: bool,
    /// When a pause last came to it.
    paused_at: Option<Instant>,
    available_at: Instant,
    deadline: Option<Instant>,
    lease_until: Option<Instant>,
    claims: u32,
    rescues: u32,
    stop: Option<&'static str>,
    finished_at: Option<Instant>,
}

impl Run {
    fn new(key: Key, trigger: &'static str, now: Instant) -> Self {
        Self {
            key,
            trigger,
            occurrence: None,
            status: "queued",
            reason: None,
            message: None,
            late: false,
            attempt: 0,
            has_started: false,
            has_step: false,
            paused_at: None,
            available_at: now,
            deadline: None,
            lease_until: None,
            claims: 0,
            rescues: 0,
            stop: None,
            finished_at: None,
        }
    }

    fn of(occurrence: Occurrence, now: Instant) -> Self {
        let run = Self::new(Key::Date(occurrence.date), "schedule", now);
        Self { occurrence: Some(occurrence), ..run }
    }

    fn is_unfinished(&self) -> bool {
        self.finished_at.is_none()
    }

    fn is_waiting_for_a_worker(&self) -> bool {
        self.is_unfinished() && self.lease_until.is_none()
    }

    fn is_held(&self, now: Instant) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// Rules 6 and 7: whether a newer occurrence that is due finds nobody at work on it. An occurrence that never started gives
    /// way to the newer one; one that did, and that nobody has in hand, does once its own window has closed: a task has one
    /// run to catch up on, and retries stay inside the window.
    fn gives_way(&self, now: Instant) -> bool {
        let has_closed = |occurrence: Occurrence| occurrence.closes_at() <= now;
        !self.is_held(now)
            && self.occurrence.is_some_and(|occurrence| !self.has_started || has_closed(occurrence))
    }

    /// Whether the next tick will end it: no tick finds such a run in an occurrence's way, nor does an edit before that tick.
    fn is_left_behind(&self, grace: TimeDelta, now: Instant) -> bool {
        if self.is_held(now) {
            return false;
        }
        let is_given_up = self.lease_until.is_some() && self.rescues + 1 == RESCUES_MAX;
        let is_past_deadline = self.deadline.is_some_and(|deadline| deadline <= now);
        let is_past_grace = self.occurrence.is_some_and(|occurrence| occurrence.closes_at() + grace <= now);
        self.stop.is_some()
            || is_given_up
            || is_past_deadline && (self.ends_at_its_deadline() || is_past_grace)
    }

    fn end(&mut self, status: &'static str, reason: Option<&'static str>, now: Instant) {
        self.status = status;
        self.reason = reason;
        // Late is what started after its window's close.
        self.late &= self.has_started;
        self.lease_until = None;
        self.finished_at = Some(now);
    }
}

#[derive(Clone, Debug)]
struct Told {
    what: String,
    at: Instant,
    withheld_at: Option<Instant>,
}

/// A task and all that ever became of it.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) plan: Plan,
    grace: TimeDelta,
    offset: TimeDelta,
    created_at: Instant,
    pub(super) expires_at: Option<Instant>,
    status: &'static str,
    /// Occurrences are those that open after this; none while it does not fire.
    since: Option<Instant>,
    is_warned: bool,
    is_failing: bool,
    is_deleted: bool,
    /// Whether a day without fresh data is skipped; none: the task does not wait for fresh data.
    skips_stale: Option<bool>,
    /// When the first of the days was that were skipped one after the other up to now, if the last one was.
    skipping_since: Option<Instant>,
    /// What is left; none: as many as are wanted.
    credits: Option<i64>,
    runs: Vec<Run>,
    told: Vec<Told>,
}

/// What people do.
impl Reference {
    /// Rule 9: creation takes effect from its moment.
    pub(super) fn new(
        plan: Plan,
        expires_at: Option<Instant>,
        grace: TimeDelta,
        offset: TimeDelta,
        skips_stale: Option<bool>,
        now: Instant,
    ) -> Self {
        Self {
            plan,
            grace,
            offset,
            created_at: now,
            expires_at,
            status: "active",
            since: Some(now),
            is_warned: false,
            is_failing: false,
            is_deleted: false,
            skips_stale,
            skipping_since: None,
            credits: None,
            runs: vec![],
            told: vec![],
        }
    }

    /// Rule 8: queued runs are skipped, what has started goes on. Rule 6: an occurrence whose window has opened is skipped with
    /// them, its time in the window come or not.
    pub(super) fn pause(&mut self, now: Instant) -> Result<(), &'static str> {
        match self.changeable()? {
            "paused" => return Ok(()),
            "expired" => return Err("TaskExpired"),
            _ => {}
        }
        self.look(now);
        self.end_opened("skipped", "paused", now);
        self.since = None;
        self.status = "paused";
        for run in self.runs.iter_mut().filter(|run| run.is_unfinished()) {
            run.paused_at = Some(now);
            if run.is_waiting_for_a_worker() && !run.has_started {
                run.end("skipped", Some("paused"), now);
            }
        }
        Ok(())
    }

    /// Rule 8: strictly after this moment; nothing is backfilled.
    pub(super) fn resume(&mut self, now: Instant) -> Result<(), &'static str> {
        match self.changeable()? {
            "active" => return Ok(()),
            "expired" => return Err("TaskExpired"),
            _ if self.expires_at.is_some_and(|expires_at| expires_at <= now) => return Err("TaskExpired"),
            _ => {}
        }
        self.since = Some(now);
        self.status = "active";
        Ok(())
    }

    /// Rule 9: from this moment on. What was due before keeps its fate, whether or not a scheduler has come to it. Rule 6: what had
    /// opened and was not due is skipped, unless its date comes again.
    pub(super) fn edit(&mut self, plan: &Plan, now: Instant) -> Result<(), &'static str> {
        self.changeable()?;
        if self.plan == *plan {
            return Ok(());
        }
        self.look(now);
        let opened = self.opened(now);
        self.plan = plan.clone();
        self.since = self.since.map(|_| now);
        if let Some(opened) = opened {
            let comes_again = self
                .coming()
                .take_while(|coming| coming.date <= opened.date)
                .any(|coming| coming.date == opened.date);
            if !comes_again {
                self.end_occurrence(opened, "skipped", "rescheduled", now);
            }
        }
        Ok(())
    }

    /// Rule 10. Nothing is backfilled here either: by the old expiration, what was due has its fate, and the rest never existed.
    pub(super) fn extend(&mut self, expires_at: Option<Instant>, now: Instant) -> Result<(), &'static str> {
        let status = self.changeable()?;
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err("Invalid");
        }
        if status != "paused" {
            self.look(now);
            self.status = "active";
            if self.next().is_none() {
                self.since = Some(now);
            }
        }
        self.expires_at = expires_at;
        self.is_warned = false;
        Ok(())
    }

    pub(super) fn delete(&mut self, now: Instant) -> Result<(), &'static str> {
        if self.is_deleted {
            return Err("NotFound");
        }
        self.look(now);
        self.end_opened("cancelled", "task_deleted", now);
        self.is_deleted = true;
        self.since = None;
        self.stop_all("task_deleted", now);
        Ok(())
    }

    pub(super) fn run_now(&mut self, is_test: bool, now: Instant) -> Result<Key, &'static str> {
        self.changeable()?;
        let key = Key::ByHand(self.runs.iter().filter(|run| run.trigger != "schedule").count());
        self.runs.push(Run::new(key, if is_test { "test" } else { "manual" }, now));
        Ok(key)
    }

    pub(super) fn cancel_run(&mut self, key: Key, now: Instant) -> Result<(), &'static str> {
        let run = self.run(key);
        if !run.is_unfinished() {
            return Err("RunFinished");
        }
        if run.is_waiting_for_a_worker() {
            run.end("cancelled", Some("cancelled_by_user"), now);
        } else {
            run.stop = run.stop.or(Some("cancelled_by_user"));
        }
        Ok(())
    }

    /// Rule 8: harder than a pause, and for good.
    pub(super) fn deactivate(&mut self, now: Instant) {
        self.look(now);
        self.end_opened("cancelled", "creator_deactivated", now);
        self.status = "cancelled";
        self.since = None;
        self.stop_all("creator_deactivated", now);
    }

    pub(super) fn set_grace(&mut self, grace: TimeDelta) {
        self.grace = grace;
    }

    fn changeable(&self) -> Result<&'static str, &'static str> {
        match self.status {
            _ if self.is_deleted => Err("NotFound"),
            "cancelled" => Err("TaskCancelled"),
            status => Ok(status),
        }
    }

    /// The occurrence whose window has opened, and whose time in it has not come. All that is due was looked at.
    fn opened(&self, now: Instant) -> Option<Occurrence> {
        self.next().filter(|occurrence| occurrence.opens_at <= now)
    }

    /// Rule 6: every occurrence leaves a row.
    fn end_opened(&mut self, status: &'static str, reason: &'static str, now: Instant) {
        if let Some(opened) = self.opened(now) {
            self.end_occurrence(opened, status, reason, now);
        }
    }

    fn end_occurrence(
        &mut self,
        occurrence: Occurrence,
        status: &'static str,
        reason: &'static str,
        now: Instant,
    ) {
        let mut run = Run::of(occurrence, now);
        run.end(status, Some(reason), now);
        self.runs.push(run);
    }

    /// Ends what waits, has what a worker holds stop before its next step, and withholds what is still to be sent.
    fn stop_all(&mut self, reason: &'static str, now: Instant) {
        for run in self.runs.iter_mut().filter(|run| run.is_unfinished()) {
            if run.lease_until.is_none() {
                run.end("cancelled", Some(reason), now);
            } else {
                run.stop = Some(reason);
            }
        }
        for told in self.told.iter_mut().filter(|told| told.withheld_at.is_none()) {
            told.withheld_at = Some(now);
        }
    }
}

/// What the clock does.
impl Reference {
    /// All that any number of schedulers do at an instant; expirations to come are told when one of them sweeps.
    pub(super) fn tick(&mut self, sweeps: bool, now: Instant) {
        self.rescue(now);
        self.overdue(now);
        self.expire(now);
        if sweeps {
            self.warn(now);
        }
        self.look(now);
    }

    /// Rules 1, 5, 9, 10: derived from the schedule alone. Rule 3: a date that has its run never comes again.
    fn coming(&self) -> impl Iterator<Item = Occurrence> {
        let has_run = |date| self.runs.iter().any(|run| run.key == Key::Date(date));
        self.since
            .into_iter()
            .flat_map(|since| self.plan.occurrences_after(since))
            .filter(move |occurrence| !has_run(occurrence.date))
            .take_while(|occurrence| {
                self.expires_at.is_none_or(|expires_at| occurrence.opens_at < expires_at)
            })
    }

    pub(super) fn next(&self) -> Option<Occurrence> {
        self.coming().next()
    }

    /// Rules 4, 6 and 7: the fate of each occurrence whose time has come.
    fn look(&mut self, now: Instant) {
        let due: Vec<_> =
            self.coming().take_while(|occurrence| occurrence.opens_at + self.offset <= now).collect();
        let Some((newest, older)) = due.split_last() else { return };
        let is_over = |occurrence: &Occurrence| now >= occurrence.closes_at() + self.grace;
        let mut runs = Vec::new();
        for occurrence in older {
            let mut run = Run::of(*occurrence, now);
            run.end("missed", Some(if is_over(occurrence) { "downtime" } else { "superseded" }), now);
            runs.push(run);
        }
        let mut run = Run::of(*newest, now);
        run.late = now >= newest.closes_at();
        run.deadline = Some(newest.closes_at() + if run.late { self.grace } else { TimeDelta::zero() });
        let grace = self.grace;
        let counts =
            |run: &Run| run.is_unfinished() && run.trigger != "test" && !run.is_left_behind(grace, now);
        let stands_in_the_way = |run: &Run| counts(run) && !run.gives_way(now);
        if run.late && is_over(newest) {
            run.late = false;
            run.end("missed", Some("downtime"), now);
        } else if self.runs.iter().any(stands_in_the_way) {
            run.end("skipped", Some("still_running"), now);
            self.tell(format!("still_running {}", newest.date), now);
        } else {
            for index in 0..self.runs.len() {
                if !counts(&self.runs[index]) {
                    continue;
                }
                let old = &mut self.runs[index];
                if old.has_started {
                    // As rescue and the close leave it, whether or not somebody has come to them.
                    old.attempt -= u32::from(old.lease_until.is_some());
                    old.late = true;
                    self.fail_out_of_time(index, now);
                } else {
                    self.runs[index].end("missed", Some("superseded"), now);
                }
            }
        }
        self.runs.extend(runs);
        self.runs.push(run);
    }

    /// A worker that did not renew its lease has vanished: another goes on with the run, as if that one had never started it.
    fn rescue(&mut self, now: Instant) {
        for index in 0..self.runs.len() {
            let run = &mut self.runs[index];
            if run.lease_until.is_none_or(|until| until > now) {
                continue;
            }
            run.lease_until = None;
            run.rescues += 1;
            if let Some(reason) = run.stop {
                run.end("cancelled", Some(reason), now);
            } else if run.rescues == RESCUES_MAX {
                self.fail_for_good(index, "internal", now);
            } else {
                run.status = "queued";
                run.attempt -= 1;
            }
        }
    }

    /// Rules 6 and 11: at the close of the window.
    fn overdue(&mut self, now: Instant) {
        for index in 0..self.runs.len() {
            let run = &mut self.runs[index];
            if !run.is_waiting_for_a_worker() || run.deadline.is_none_or(|deadline| deadline > now) {
                continue;
            }
            let runs_late_until =
                run.occurrence.map_or(now, |occurrence| occurrence.closes_at() + self.grace);
            if !run.ends_at_its_deadline() && runs_late_until > now {
                run.late = true;
                run.deadline = Some(runs_late_until);
            } else if run.has_started || run.waits_for_credits() {
                self.fail_out_of_time(index, now);
            } else {
                run.end("missed", Some("downtime"), now);
            }
        }
    }

    /// Rule 10. An occurrence that opened before still starts, at its offset in the window.
    fn expire(&mut self, now: Instant) {
        let is_over = self.expires_at.is_some_and(|expires_at| expires_at <= now);
        if is_over && !self.is_deleted && matches!(self.status, "active" | "paused") {
            self.status = "expired";
            self.tell("expired".to_owned(), now);
        }
    }

    fn warn(&mut self, now: Instant) {
        let Some(expires_at) = self.expires_at else { return };
        let is_near = expires_at > now && expires_at <= now + A_WEEK;
        let was_ever_far = self.created_at < expires_at - A_WEEK;
        if is_near && was_ever_far && !self.is_warned && !self.is_deleted && self.status == "active" {
            self.is_warned = true;
            self.tell("expiring".to_owned(), now);
        }
    }

    /// Rule 11: with its last error, which the want of credits is one of.
    fn fail_out_of_time(&mut self, index: usize, now: Instant) {
        let lacks_credits = self.runs[index].waits_for_credits();
        self.fail_for_good(index, if lacks_credits { waits::CREDITS } else { "deadline" }, now);
    }

    fn fail_for_good(&mut self, index: usize, reason: &'static str, now: Instant) {
        self.runs[index].end("failed", Some(reason), now);
        if self.runs[index].trigger == "schedule" && !self.is_failing {
            self.is_failing = true;
            self.tell("failure".to_owned(), now);
        }
    }

    fn tell(&mut self, what: String, now: Instant) {
        if self.status != "cancelled" {
            self.told.push(Told { what, at: now, withheld_at: None });
        }
    }
}
