//! What the columns of a chart hold: ranges, categories and the grain of times.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDateTime, NaiveTime, Timelike};
use chrono_tz::Tz;

use crate::{
    bind,
    field::{Fields, Kind},
    font, time,
};

/// The numbers of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) is_whole: bool,
}

impl Range {
    /// The largest distance from zero.
    pub(crate) const fn reach(self) -> f64 {
        self.least.abs().max(self.most.abs())
    }

    /// The range of some numbers; `None` where there are none.
    pub(crate) fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let mut range: Option<Self> = None;
        for number in numbers {
            let is_whole = number.fract() == 0.0;
            range = Some(range.map_or(Self { least: number, most: number, is_whole }, |range| Self {
                least: range.least.min(number),
                most: range.most.max(number),
                is_whole: range.is_whole && is_whole,
            }));
        }
        range
    }
}

/// How far apart the times of a field lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Instant,
}

impl Grain {
    /// The grain of a time unit that names points in time, not parts of a cycle.
    pub(crate) fn of_unit(unit: &str) -> Option<Self> {
        match unit.strip_prefix("utc").unwrap_or(unit) {
            "year" => Some(Self::Year),
            "yearquarter" => Some(Self::Quarter),
            "yearmonth" => Some(Self::Month),
            "yearweek" => Some(Self::Week),
            "yearmonthdate" | "yeardayofyear" => Some(Self::Day),
            "yearmonthdatehours" => Some(Self::Hour),
            "yearmonthdatehoursminutes" | "yearmonthdatehoursminutesseconds" => Some(Self::Instant),
            _ => None,
        }
    }

    /// The time unit that gives each value a place of its own; weeks may start on any day, so theirs is the day.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Year => "utcyear",
            Self::Quarter => "utcyearquarter",
            Self::Month => "utcyearmonth",
            Self::Week | Self::Day => "utcyearmonthdate",
            Self::Hour => "utcyearmonthdatehours",
            Self::Instant => "utcyearmonthdatehoursminutes",
        }
    }

    fn of(times: &BTreeSet<NaiveDateTime>) -> Self {
        let all = |holds: fn(&NaiveDateTime) -> bool| times.iter().all(holds);
        if !all(|time| time.time() == NaiveTime::MIN) {
            return if all(|time| time.minute() == 0 && time.second() == 0) {
                Self::Hour
            } else {
                Self::Instant
            };
        }
        if times.len() < 2 {
            return Self::Day;
        }
        if all(|time| time.day() == 1) {
            if all(|time| time.month() == 1) {
                return Self::Year;
            }
            return if all(|time| time.month() % 3 == 1) { Self::Quarter } else { Self::Month };
        }
        let days: Vec<i32> = times.iter().map(Datelike::num_days_from_ce).collect();
        if days.windows(2).all(|pair| (pair[1] - pair[0]) % 7 == 0) { Self::Week } else { Self::Day }
    }
}

/// Looks into the columns.
#[derive(Debug)]
pub(crate) struct Stats<'a, 'b> {
    pub(crate) fields: &'a Fields<'b>,
    pub(crate) zone: Tz,
}

impl Stats<'_, '_> {
    fn column(&self, key: &str, kinds: &[Kind]) -> Option<usize> {
        self.fields.by_key(key).filter(|field| kinds.contains(&field.kind))?.column
    }

    /// The range of a column of numbers, or of several that were folded into one.
    pub(crate) fn range(&self, key: &str) -> Option<Range> {
        let field = self.fields.by_key(key).filter(|field| field.kind == Kind::Number)?;
        let columns = field.column.iter().chain(&field.sources);
        let rows = &self.fields.table().rows;
        Range::of(columns.flat_map(|column| rows.iter().filter_map(|row| row[*column].as_f64())))
    }

    /// The sum of a column's numbers.
    pub(crate) fn total(&self, key: &str) -> f64 {
        let column = self.column(key, &[Kind::Number]);
        let numbers =
            |column: usize| self.fields.table().rows.iter().filter_map(move |row| row[column].as_f64()).sum();
        column.map_or(0.0, numbers)
    }

    /// The distinct values of a column as they are labelled, in order of appearance.
    pub(crate) fn categories(&self, key: &str) -> Option<Vec<String>> {
        let column = self.column(key, &[Kind::Text, Kind::Flag, Kind::Number])?;
        let mut seen = BTreeSet::new();
        let labels = self.fields.table().rows.iter().map(|row| bind::category(&row[column]));
        Some(labels.filter(|label| seen.insert(label.clone())).collect())
    }

    /// The distinct times of a column.
    pub(crate) fn times(&self, key: &str) -> Option<BTreeSet<NaiveDateTime>> {
        let column = self.column(key, &[Kind::Time])?;
        let rows = self.fields.table().rows.iter();
        Some(rows.filter_map(|row| time::parse(&row[column].to_plain(), self.zone)).collect())
    }

    /// The grain of a column of times.
    pub(crate) fn grain(&self, key: &str) -> Option<Grain> {
        self.times(key).map(|times| Grain::of(&times))
    }
}

/// The widest of some labels, in pixels.
pub(crate) fn widest(labels: &[String], size: f64) -> f64 {
    labels.iter().map(|label| font::width_px(400.0, size, label)).fold(0.0, f64::max)
}
