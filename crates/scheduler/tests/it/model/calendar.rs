//! The reference's own calendar: zones as written-out offsets, windows by looking at every half hour of a date. Nothing here
//! is shared with `domain::schedule`, which finds windows by asking a time zone library.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use serde_json::{Value, json};

pub(super) type Instant = DateTime<Utc>;

/// A zone: its IANA name, its offset from UTC in minutes at the start of 2026, and each change of it until the end of 2027.
type WrittenZone = (&'static str, i64, &'static [(&'static str, i64)]);

/// Zones without changes on both edges of the day, and ones that change in either hemisphere: by an hour, by half an hour, and
/// at midnight. In Santiago the last hour of a Saturday comes twice and a Sunday starts at 01:00; in Beirut likewise.
pub(super) const ZONES: [WrittenZone; 9] = [
    ("UTC", 0, &[]),
    ("Asia/Tokyo", 540, &[]),
    ("Pacific/Kiritimati", 840, &[]),
    ("Pacific/Pago_Pago", -660, &[]),
    (
        "America/New_York",
        -300,
        &[
            ("2026-03-08T07:00:00Z", -240),
            ("2026-11-01T06:00:00Z", -300),
            ("2027-03-14T07:00:00Z", -240),
            ("2027-11-07T06:00:00Z", -300),
        ],
    ),
    (
        "Europe/Berlin",
        60,
        &[
            ("2026-03-29T01:00:00Z", 120),
            ("2026-10-25T01:00:00Z", 60),
            ("2027-03-28T01:00:00Z", 120),
            ("2027-10-31T01:00:00Z", 60),
        ],
    ),
    (
        "Australia/Lord_Howe",
        660,
        &[
            ("2026-04-04T15:00:00Z", 630),
            ("2026-10-03T15:30:00Z", 660),
            ("2027-04-03T15:00:00Z", 630),
            ("2027-10-02T15:30:00Z", 660),
        ],
    ),
    (
        "America/Santiago",
        -180,
        &[
            ("2026-04-05T03:00:00Z", -240),
            ("2026-09-06T04:00:00Z", -180),
            ("2027-04-04T03:00:00Z", -240),
            ("2027-09-05T04:00:00Z", -180),
        ],
    ),
    (
        "Asia/Beirut",
        120,
        &[
            ("2026-03-28T22:00:00Z", 180),
            ("2026-10-24T21:00:00Z", 120),
            ("2027-03-27T22:00:00Z", 180),
            ("2027-10-30T21:00:00Z", 120),
        ],
    ),
];

/// What a clock on the wall of a zone shows at an instant.
fn wall(zone: usize, instant: Instant) -> NaiveDateTime {
    type Changes = Vec<(Instant, i64)>;
    static CHANGES: LazyLock<Vec<Changes>> = LazyLock::new(|| {
        let parse = |changes: &[(&str, i64)]| {
            changes.iter().map(|(from, minutes)| (from.parse().expect("an instant"), *minutes)).collect()
        };
        ZONES.iter().map(|(_, _, changes)| parse(changes)).collect()
    });
    let latest = CHANGES[zone].iter().rev().find(|(from, _)| *from <= instant);
    let minutes = latest.map_or(ZONES[zone].1, |(_, minutes)| *minutes);
    (instant + TimeDelta::minutes(minutes)).naive_utc()
}

/// On which dates a schedule occurs. Weekdays count from Monday, 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cadence {
    Daily,
    Weekly(Vec<u32>),
    DayOfMonth(u32),
    /// The n-th of a weekday; -1 for the last.
    NthWeekday(i32, u32),
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) cadence: Cadence,
    pub(super) hour: u32,
    /// Into [`ZONES`].
    pub(super) zone: usize,
}

/// An occurrence: its date, and when its window opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) date: NaiveDate,
    pub(super) opens_at: Instant,
}

impl Occurrence {
    pub(super) fn closes_at(&self) -> Instant {
        self.opens_at + TimeDelta::hours(2)
    }
}

impl Plan {
    /// Rule 1: whether it occurs on a date.
    fn occurs_on(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_monday();
        let is_in_this_month = |days: i64| (date + TimeDelta::days(days)).month() == date.month();
        match &self.cadence {
            Cadence::Daily => true,
            Cadence::Weekly(weekdays) => weekdays.contains(&weekday),
            Cadence::DayOfMonth(day) => date.day() == *day || (date.day() < *day && !is_in_this_month(1)),
            Cadence::NthWeekday(-1, wanted) => weekday == *wanted && !is_in_this_month(7),
            Cadence::NthWeekday(n, wanted) => {
                let before = (1..5).filter(|weeks| is_in_this_month(-7 * weeks)).count();
                weekday == *wanted && before as i32 == n - 1
            }
        }
    }

    /// Rule 2: the first half hour on whose wall it is that date, and the hour of opening or later. All offsets here are whole
    /// half hours, and none is further than 14 hours ahead or 11 behind.
    fn window_on(&self, date: NaiveDate) -> Option<Occurrence> {
        let earliest = date.and_hms_opt(self.hour, 0, 0)?.and_utc() - TimeDelta::hours(14);
        let mut half_hours = (0..78).map(|number| earliest + TimeDelta::minutes(30 * number));
        let opens_at = half_hours.find(|instant| {
            let wall = wall(self.zone, *instant);
            wall.date() == date && wall.hour() >= self.hour
        })?;
        Some(Occurrence { date, opens_at })
    }

    /// The occurrences whose windows open after an instant, in order.
    pub(super) fn occurrences_after(&self, after: Instant) -> impl Iterator<Item = Occurrence> + '_ {
        let first = (after - TimeDelta::days(2)).date_naive();
        first
            .iter_days()
            .filter(|date| self.occurs_on(*date))
            .filter_map(|date| self.window_on(date))
            .skip_while(move |occurrence| occurrence.opens_at <= after)
    }

    /// The schedule as the product writes it.
    pub(super) fn to_json(&self) -> Value {
        const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let mut written = match &self.cadence {
            Cadence::Daily => json!({ "cadence": "daily" }),
            Cadence::Weekly(weekdays) => {
                let names: Vec<_> = weekdays.iter().map(|weekday| WEEKDAYS[*weekday as usize]).collect();
                json!({ "cadence": "weekly", "weekdays": names })
            }
            Cadence::DayOfMonth(day) => json!({ "cadence": "monthly", "dayOfMonth": day }),
            Cadence::NthWeekday(n, weekday) => {
                let nth = json!({ "n": n, "weekday": WEEKDAYS[*weekday as usize] });
                json!({ "cadence": "monthly", "nthWeekday": nth })
            }
        };
        written["windowStart"] = json!(format!("{:02}:00", self.hour));
        written["timezone"] = json!(ZONES[self.zone].0);
        written
    }
}
