//! What becomes of the occurrences of a task that are due: pure arithmetic over its schedule.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    run::{RunReason, RunStatus},
    schedule::{Schedule, Window},
};

/// A task whose next occurrence is due.
#[derive(Clone, Debug)]
pub(crate) struct Due<'a> {
    pub(crate) schedule: &'a Schedule,
    /// The occurrence that its row names.
    pub(crate) window: Window,
    /// Dates that have their run already.
    pub(crate) taken: &'a [NaiveDate],
    /// Where in a window the task starts.
    pub(crate) offset: TimeDelta,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// How long after its close a window is still run, late.
    pub(crate) grace: TimeDelta,
    /// Whether an earlier run of the task, unfinished, stands in its way.
    pub(crate) is_running: bool,
}

/// What becomes of one occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) window: Window,
    pub(crate) status: RunStatus,
    pub(crate) reason: Option<RunReason>,
    pub(crate) late: bool,
    /// For a queued one, until when it may start or be tried again.
    pub(crate) deadline_at: Option<DateTime<Utc>>,
}

/// The fates of all occurrences that are due by `now`, oldest first, and the window of the one after them.
pub(crate) fn decide(due: &Due<'_>, now: DateTime<Utc>) -> (Vec<Fate>, Option<Window>) {
    let mut windows = Vec::new();
    // A schedule that was written by hand, or a zone whose rules changed, may open the row's own date later: it is one occurrence.
    let later =
        due.schedule.windows_after(due.window.opens_at).filter(|window| window.date > due.window.date);
    let mut following = std::iter::once(due.window)
        .chain(later)
        .filter(|window| !due.taken.contains(&window.date))
        .take_while(|window| exists(*window, due.expires_at));
    let mut next = following.next();
    // The row's own window is due whatever the offset: it was claimed by its due time.
    let is_due = |window: &Window| window.date == due.window.date || window.opens_at + due.offset <= now;
    while let Some(window) = next.filter(is_due) {
        windows.push(window);
        next = following.next();
    }
    let newest = windows.pop();
    let mut fates: Vec<Fate> = windows.into_iter().map(|window| missed(window, due.grace, now)).collect();
    fates.extend(newest.map(|window| newest_fate(window, due, now)));
    (fates, next)
}

/// Occurrences that open at or after the expiration do not exist.
pub(crate) fn exists(window: Window, expires_at: Option<DateTime<Utc>>) -> bool {
    expires_at.is_none_or(|expires_at| window.opens_at < expires_at)
}

fn newest_fate(window: Window, due: &Due<'_>, now: DateTime<Utc>) -> Fate {
    let runs_late_until = window.closes_at + due.grace;
    let late = now >= window.closes_at;
    if late && now >= runs_late_until {
        return missed(window, due.grace, now);
    }
    if due.is_running {
        let reason = Some(RunReason::StillRunning);
        return Fate { window, status: RunStatus::Skipped, reason, late: false, deadline_at: None };
    }
    let deadline_at = Some(if late { runs_late_until } else { window.closes_at });
    Fate { window, status: RunStatus::Queued, reason: None, late, deadline_at }
}

/// An occurrence that nobody was there for. Within the grace period it was the newer one that kept it from running late.
fn missed(window: Window, grace: TimeDelta, now: DateTime<Utc>) -> Fate {
    let reason = if now < window.closes_at + grace { RunReason::Superseded } else { RunReason::Downtime };
    Fate { window, status: RunStatus::Missed, reason: Some(reason), late: false, deadline_at: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn schedule() -> Schedule {
        let spec = serde_json::from_str(r#"{"cadence":"daily","windowStart":"09:00","timezone":"UTC"}"#);
        Schedule::parse(spec.expect("a spec"), "").expect("a schedule")
    }

    fn fates(now: &str, change: impl FnOnce(&mut Due<'_>)) -> (Vec<(String, String)>, Option<String>) {
        let schedule = schedule();
        let window = schedule.next_window(at("2026-03-01T00:00:00Z")).expect("a window");
        let mut due = Due {
            schedule: &schedule,
            window,
            taken: &[],
            offset: TimeDelta::minutes(30),
            expires_at: None,
            grace: TimeDelta::hours(6),
            is_running: false,
        };
        change(&mut due);
        let (fates, next) = decide(&due, at(now));
        let told = fates.iter().map(|fate| {
            let reason = fate.reason.map_or("", RunReason::as_str);
            let late = if fate.late { " late" } else { "" };
            (fate.window.date.to_string(), format!("{} {reason}{late}", fate.status.as_str()))
        });
        (told.collect(), next.map(|window| window.date.to_string()))
    }

    fn one(date: &str, fate: &str) -> Vec<(String, String)> {
        vec![(date.to_owned(), fate.to_owned())]
    }

    #[test]
    fn an_open_window_runs_and_a_recently_closed_one_runs_late() {
        let next = Some("2026-03-02".to_owned());
        assert_eq!(fates("2026-03-01T09:30:00Z", |_| ()), (one("2026-03-01", "queued "), next.clone()));
        assert_eq!(fates("2026-03-01T10:59:59Z", |_| ()), (one("2026-03-01", "queued "), next.clone()));
        assert_eq!(fates("2026-03-01T11:00:00Z", |_| ()), (one("2026-03-01", "queued  late"), next.clone()));
        assert_eq!(fates("2026-03-01T16:59:59Z", |_| ()), (one("2026-03-01", "queued  late"), next.clone()));
        assert_eq!(fates("2026-03-01T17:00:00Z", |_| ()), (one("2026-03-01", "missed downtime"), next));
    }

    #[test]
    fn only_the_newest_of_several_is_caught_up_on() {
        let (told, next) = fates("2026-03-03T09:45:00Z", |_| ());
        assert_eq!(
            told,
            [
                ("2026-03-01".to_owned(), "missed downtime".to_owned()),
                ("2026-03-02".to_owned(), "missed downtime".to_owned()),
                ("2026-03-03".to_owned(), "queued ".to_owned()),
            ]
        );
        assert_eq!(next.as_deref(), Some("2026-03-04"));
        // A grace period longer than a day does not make for two catch-up runs.
        let (told, _) = fates("2026-03-02T09:45:00Z", |due| due.grace = TimeDelta::hours(48));
        assert_eq!(told[0].1, "missed superseded");
        assert_eq!(told[1].1, "queued ");
    }

    #[test]
    fn a_newer_occurrence_counts_once_its_own_offset_has_come() {
        let (told, next) = fates("2026-03-02T09:29:59Z", |due| due.grace = TimeDelta::hours(48));
        assert_eq!(told, one("2026-03-01", "queued  late"));
        assert_eq!(next.as_deref(), Some("2026-03-02"));
    }

    #[test]
    fn an_unfinished_run_lets_the_next_occurrence_pass() {
        let (told, next) = fates("2026-03-01T09:30:00Z", |due| due.is_running = true);
        assert_eq!(told, one("2026-03-01", "skipped still_running"));
        assert_eq!(next.as_deref(), Some("2026-03-02"));
    }

    #[test]
    fn a_date_that_has_its_run_is_passed_over() {
        static TAKEN: [NaiveDate; 2] = [
            NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date"),
            NaiveDate::from_ymd_opt(2026, 3, 3).expect("a date"),
        ];
        let (told, next) = fates("2026-03-02T09:30:00Z", |due| due.taken = &TAKEN);
        assert_eq!(told, one("2026-03-02", "queued "));
        assert_eq!(next.as_deref(), Some("2026-03-04"));
    }

    #[test]
    fn a_date_that_the_schedule_opens_later_by_now_is_one_occurrence() {
        let earlier = |due: &mut Due<'_>| {
            due.window.opens_at -= TimeDelta::hours(3);
            due.window.closes_at -= TimeDelta::hours(3);
        };
        let (told, next) = fates("2026-03-01T06:30:00Z", earlier);
        assert_eq!(told, one("2026-03-01", "queued "));
        assert_eq!(next.as_deref(), Some("2026-03-02"));
    }

    #[test]
    fn nothing_occurs_from_the_expiration_on() {
        let ends = |at_: &'static str| move |due: &mut Due<'_>| due.expires_at = Some(at(at_));
        assert_eq!(fates("2026-03-01T09:30:00Z", ends("2026-03-01T09:00:00Z")), (vec![], None));
        let (told, next) = fates("2026-03-01T09:30:00Z", ends("2026-03-01T09:00:01Z"));
        assert_eq!((told, next), (one("2026-03-01", "queued "), None));
        let (told, next) = fates("2026-03-05T00:00:00Z", ends("2026-03-02T09:00:01Z"));
        assert_eq!(told.len(), 2);
        assert_eq!(next, None);
    }
}
