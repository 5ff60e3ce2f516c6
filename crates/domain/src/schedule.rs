//! Schedules and the delivery windows that follow from them.
//!
//! An occurrence is a local date. Its window opens at the first instant whose wall time on that date is at or after
//! `windowStart`, and closes two hours of elapsed time later.

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    id::TaskId,
    invalid::{Invalid, Issues},
};

/// How long a window is open.
pub const WINDOW: TimeDelta = TimeDelta::hours(2);

/// Tasks start spread over this much of their window, so that there is time left to deliver.
pub const SPREAD: TimeDelta = TimeDelta::minutes(90);

/// The most occurrences of a backtest.
pub const OCCURRENCES_TESTED_MAX: usize = 10;

/// A schedule as it is written: JSON in requests, in the database and in files. [`Schedule`] is the checked form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleSpec {
    /// `daily`, `weekly` or `monthly`.
    #[cfg_attr(feature = "openapi", schema(example = "weekly"))]
    pub cadence: String,
    /// For `weekly`: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<String>>,
    /// For `monthly`: 1 to 31, clamped to the month's last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_of_month: Option<i64>,
    /// For `monthly`, instead of `dayOfMonth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth_weekday: Option<NthWeekdaySpec>,
    /// `HH:00`, the local hour at which the two-hour delivery window opens.
    #[cfg_attr(feature = "openapi", schema(example = "09:00"))]
    pub window_start: String,
    /// An IANA time zone.
    #[cfg_attr(feature = "openapi", schema(example = "Europe/Berlin"))]
    pub timezone: String,
}

/// The n-th weekday of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NthWeekdaySpec {
    /// 1 to 4, or -1 for the last.
    pub n: i64,
    /// `mon` to `sun`.
    pub weekday: String,
}

/// On which local dates a schedule occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cadence {
    Daily,
    Weekly { weekdays: Vec<Weekday> },
    DayOfMonth { day: u32 },
    NthWeekday { nth: Nth, weekday: Weekday },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nth {
    FromStart(u32),
    Last,
}

/// A valid schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    spec: ScheduleSpec,
    cadence: Cadence,
    window_start: NaiveTime,
    zone: Tz,
}

/// The delivery window of one occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The local date that identifies the occurrence.
    pub date: NaiveDate,
    /// When it opens.
    pub opens_at: DateTime<Utc>,
    /// When it closes, two hours later.
    pub closes_at: DateTime<Utc>,
}

impl Schedule {
    /// Checks a written schedule. Paths of the issues start with `prefix` (such as `schedule.`).
    pub fn parse(spec: ScheduleSpec, prefix: &str) -> Result<Self, Invalid> {
        let mut issues = Issues::default();
        let cadence = parse_cadence(&spec, prefix, &mut issues);
        let window_start = parse_window_start(&spec.window_start);
        if window_start.is_none() {
            issues.add(
                format!("{prefix}windowStart"),
                "must be a full hour from `00:00` to `23:00`; windows are two hours long and start on the hour",
            );
        }
        let zone = spec.timezone.parse::<Tz>().ok();
        if zone.is_none() {
            issues.add(
                format!("{prefix}timezone"),
                format!("`{}` is not an IANA time zone such as `America/New_York`", spec.timezone),
            );
        }
        issues.into_result()?;
        match (cadence, window_start, zone) {
            (Some(cadence), Some(window_start), Some(zone)) => Ok(Self { spec, cadence, window_start, zone }),
            _ => Err(Invalid::new(format!("{prefix}cadence"), "is not a schedule")),
        }
    }

    /// The schedule as it was written.
    pub const fn spec(&self) -> &ScheduleSpec {
        &self.spec
    }

    /// Whether another schedule is the same one, however each was written.
    pub fn is_as(&self, other: &Self) -> bool {
        (&self.cadence, self.window_start, self.zone) == (&other.cadence, other.window_start, other.zone)
    }

    /// Its time zone.
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// The first window that opens strictly after `after`; `None` only at the end of representable time.
    pub fn next_window(&self, after: DateTime<Utc>) -> Option<Window> {
        self.windows_after(after).next()
    }

    /// The windows that open strictly after `after`, in order.
    pub fn windows_after(&self, after: DateTime<Utc>) -> impl Iterator<Item = Window> + '_ {
        // A window may open on a later UTC date than its local date, never two days away.
        let first = after.with_timezone(&self.zone).date_naive().checked_sub_days(Days::new(2));
        first
            .into_iter()
            .flat_map(|first| first.iter_days())
            .filter(|date| self.occurs_on(*date))
            .filter_map(|date| self.window_on(date))
            .skip_while(move |window| window.opens_at <= after)
    }

    /// The windows that opened at `until` or before, newest first.
    pub fn windows_until(&self, until: DateTime<Utc>) -> impl Iterator<Item = Window> + '_ {
        // A window may open on an earlier UTC date than its local date, never two days away.
        let last = until.with_timezone(&self.zone).date_naive().checked_add_days(Days::new(2));
        std::iter::successors(last, NaiveDate::pred_opt)
            .filter(|date| self.occurs_on(*date))
            .filter_map(|date| self.window_on(date))
            .skip_while(move |window| window.opens_at > until)
    }

    /// The window of the occurrence on a local date, if the schedule occurs then.
    pub fn window_of(&self, date: NaiveDate) -> Option<Window> {
        if self.occurs_on(date) { self.window_on(date) } else { None }
    }

    fn occurs_on(&self, date: NaiveDate) -> bool {
        match &self.cadence {
            Cadence::Daily => true,
            Cadence::Weekly { weekdays } => weekdays.contains(&date.weekday()),
            Cadence::DayOfMonth { day } => date.day() == (*day).min(last_day_of_month(date)),
            Cadence::NthWeekday { nth, weekday } => {
                date.weekday() == *weekday
                    && match nth {
                        Nth::FromStart(n) => (date.day() - 1) / 7 + 1 == *n,
                        Nth::Last => date.day() + 7 > last_day_of_month(date),
                    }
            }
        }
    }

    fn window_on(&self, date: NaiveDate) -> Option<Window> {
        let opens_at = first_instant(self.zone, date.and_time(self.window_start))?;
        Some(Window { date, opens_at, closes_at: opens_at + WINDOW })
    }

    /// The schedule in words: "Every Monday and Thursday, 09:00 to 11:00, Europe/Berlin".
    pub fn in_words(&self) -> String {
        let days = match &self.cadence {
            Cadence::Daily => "Every day".to_owned(),
            Cadence::Weekly { weekdays } if weekdays.len() == 7 => "Every day".to_owned(),
            Cadence::Weekly { weekdays } => {
                let names: Vec<_> = weekdays.iter().map(|weekday| weekday_name(*weekday)).collect();
                format!("Every {}", join_words(&names))
            }
            Cadence::DayOfMonth { day: 31 } => "On the last day of every month".to_owned(),
            Cadence::DayOfMonth { day } => format!("On day {day} of every month"),
            Cadence::NthWeekday { nth, weekday } => {
                let nth = match nth {
                    Nth::FromStart(1) => "first",
                    Nth::FromStart(2) => "second",
                    Nth::FromStart(3) => "third",
                    Nth::FromStart(_) => "fourth",
                    Nth::Last => "last",
                };
                format!("On the {nth} {} of every month", weekday_name(*weekday))
            }
        };
        let closes = self.window_start.overflowing_add_signed(WINDOW).0;
        format!(
            "{days}, {} to {}, {}",
            self.window_start.format("%H:%M"),
            closes.format("%H:%M"),
            self.spec.timezone
        )
    }
}

/// Where in its window a task starts: a pure function of its id, uniform over `0..spread`, the same every day.
pub fn start_offset(task: TaskId, spread: TimeDelta) -> TimeDelta {
    let (high, low) = task.as_uuid().as_u64_pair();
    let hash = mix(high ^ mix(low));
    let spread_millis = spread.num_milliseconds().max(0) as u128;
    // Multiply and shift: the hash as a fraction of 2^64, times the spread.
    let offset_millis = (u128::from(hash) * spread_millis) >> 64;
    TimeDelta::milliseconds(offset_millis as i64)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every input bit changes every output bit.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn parse_cadence(spec: &ScheduleSpec, prefix: &str, issues: &mut Issues) -> Option<Cadence> {
    let belongs_to = |issues: &mut Issues, present: bool, field: &str, cadence: &str| {
        if present && spec.cadence != cadence {
            issues.add(format!("{prefix}{field}"), format!("belongs to a {cadence} schedule only"));
        }
    };
    belongs_to(issues, spec.weekdays.is_some(), "weekdays", "weekly");
    belongs_to(issues, spec.day_of_month.is_some(), "dayOfMonth", "monthly");
    belongs_to(issues, spec.nth_weekday.is_some(), "nthWeekday", "monthly");
    match spec.cadence.as_str() {
        "daily" => Some(Cadence::Daily),
        "weekly" => parse_weekdays(spec, prefix, issues),
        "monthly" => parse_monthly(spec, prefix, issues),
        other => {
            issues.add(
                format!("{prefix}cadence"),
                format!(
                    "`{other}` is not `daily`, `weekly` or `monthly`; cron expressions are not for tasks"
                ),
            );
            None
        }
    }
}

fn parse_weekdays(spec: &ScheduleSpec, prefix: &str, issues: &mut Issues) -> Option<Cadence> {
    let path = format!("{prefix}weekdays");
    let words = spec.weekdays.as_deref().unwrap_or_default();
    if words.is_empty() {
        issues.add(path, "a weekly schedule names at least one weekday, such as [\"mon\"]");
        return None;
    }
    let mut weekdays = Vec::new();
    for (index, word) in words.iter().enumerate() {
        match parse_weekday(word) {
            None => issues
                .add(format!("{path}[{index}]"), format!("`{word}` is not a weekday; use `mon` to `sun`")),
            Some(weekday) if weekdays.contains(&weekday) => {
                issues.add(format!("{path}[{index}]"), format!("`{word}` is named twice"));
            }
            Some(weekday) => weekdays.push(weekday),
        }
    }
    weekdays.sort_by_key(Weekday::num_days_from_monday);
    Some(Cadence::Weekly { weekdays })
}

fn parse_monthly(spec: &ScheduleSpec, prefix: &str, issues: &mut Issues) -> Option<Cadence> {
    match (spec.day_of_month, &spec.nth_weekday) {
        (Some(day), None) => {
            let valid = u32::try_from(day).ok().filter(|day| (1..=31).contains(day));
            if valid.is_none() {
                issues.add(format!("{prefix}dayOfMonth"), format!("{day} is not a day from 1 to 31"));
            }
            valid.map(|day| Cadence::DayOfMonth { day })
        }
        (None, Some(nth)) => {
            let weekday = parse_weekday(&nth.weekday);
            if weekday.is_none() {
                issues.add(
                    format!("{prefix}nthWeekday.weekday"),
                    format!("`{}` is not a weekday; use `mon` to `sun`", nth.weekday),
                );
            }
            let n = match nth.n {
                -1 => Some(Nth::Last),
                1..=4 => Some(Nth::FromStart(nth.n as u32)),
                other => {
                    issues.add(
                        format!("{prefix}nthWeekday.n"),
                        format!("{other} is not 1 to 4, or -1 for the last"),
                    );
                    None
                }
            };
            Some(Cadence::NthWeekday { nth: n?, weekday: weekday? })
        }
        (None, None) => {
            issues
                .add(format!("{prefix}dayOfMonth"), "a monthly schedule names `dayOfMonth` or `nthWeekday`");
            None
        }
        (Some(_), Some(_)) => {
            issues.add(format!("{prefix}nthWeekday"), "give `dayOfMonth` or `nthWeekday`, not both");
            None
        }
    }
}

fn parse_window_start(text: &str) -> Option<NaiveTime> {
    let hour = text
        .strip_suffix(":00")
        .filter(|hour| hour.len() == 2 && hour.bytes().all(|b| b.is_ascii_digit()))?;
    NaiveTime::from_hms_opt(hour.parse().ok()?, 0, 0)
}

fn parse_weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "mon" => Weekday::Mon,
        "tue" => Weekday::Tue,
        "wed" => Weekday::Wed,
        "thu" => Weekday::Thu,
        "fri" => Weekday::Fri,
        "sat" => Weekday::Sat,
        "sun" => Weekday::Sun,
        _ => return None,
    })
}

const fn weekday_name(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

fn join_words(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn last_day_of_month(date: NaiveDate) -> u32 {
    u32::from(date.num_days_in_month())
}

/// The first instant on the wall's date whose wall time is at or after `wall`; none if the zone skipped the rest of that
/// date.
fn first_instant(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    use chrono::LocalResult;
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(instant) => Some(instant.to_utc()),
        LocalResult::Ambiguous(earlier, _) => Some(earlier.to_utc()),
        LocalResult::None => {
            let end = gap_end(zone, wall)?;
            (end.with_timezone(&zone).date_naive() == wall.date()).then_some(end)
        }
    }
}

/// The instant at which the gap that swallows `wall` ends, by bisection to the second. Offsets lie within 26 hours of UTC,
/// and no zone has a second transition that near to a gap.
fn gap_end(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    let is_after_gap = |seconds: i64| {
        DateTime::from_timestamp(seconds, 0).map(|instant| instant.with_timezone(&zone).naive_local() >= wall)
    };
    let mut before = (wall - TimeDelta::hours(26)).and_utc().timestamp();
    let mut after = (wall + TimeDelta::hours(26)).and_utc().timestamp();
    while after - before > 1 {
        let middle = i64::midpoint(before, after);
        if is_after_gap(middle)? {
            after = middle;
        } else {
            before = middle;
        }
    }
    DateTime::from_timestamp(after, 0)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
