//! Freshness: how old a data source may be, and what a task does about one that is older.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    condition::{COLUMN_MAX, is_name},
    id::ConnectionId,
    invalid::{Invalid, Issues},
    table::{Cell, ColumnType},
    words,
};

/// Until how long after the opening of its window a run is held for fresh data. Then it runs, or is skipped.
pub const HELD_AT_MOST: TimeDelta = TimeDelta::minutes(105);
/// How long after a look that found stale data the next one follows.
pub const LOOK_EVERY: TimeDelta = TimeDelta::minutes(2);
/// The longest time that data may be allowed to be old, in minutes: a year.
pub const MAX_AGE_MINUTES_MAX: u32 = 525_600;

/// How a connection's freshness is known: the newest value of a column is at most so old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreshnessCheck {
    /// A table or view, as the catalog names it.
    #[cfg_attr(feature = "openapi", schema(example = "orders"))]
    pub table: String,
    /// A column of it: dates or timestamps. A date counts from its midnight, and what has no zone of its own is read as UTC.
    #[cfg_attr(feature = "openapi", schema(example = "loaded_at"))]
    pub column: String,
    /// How old its newest value may be when a task's window opens, in minutes.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 525_600, example = 1440))]
    pub max_age_minutes: u32,
}

words! {
    /// What a task does when its data is still not fresh at the last moment.
    StalePolicy("stale policy") {
        /// It runs, and its message says how old the data is.
        SendStale = "send_stale",
        /// It is skipped, and its creator is told once.
        Skip = "skip",
    }
}

/// A task's wish to run on fresh data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreshnessGate {
    /// Whose freshness counts: connections of the task's context. Absent or null: all that the task may use. One without a
    /// freshness check counts as fresh.
    #[serde(default)]
    pub connection_ids: Option<Vec<ConnectionId>>,
    /// What happens at the last moment.
    pub policy: StalePolicy,
}

/// What a look at a connection's freshness found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FreshnessLook {
    /// Whether the data is fresh enough.
    pub is_fresh: bool,
    /// The newest value; null where there is none, or the look failed.
    pub newest_at: Option<DateTime<Utc>>,
    /// What was found, or why nothing could be, as a sentence without its full stop.
    pub message: String,
}

impl FreshnessCheck {
    /// Checks its form. Paths of the issues start with `path`.
    pub fn check(&self, path: &str) -> Result<(), Invalid> {
        let mut issues = Issues::default();
        for (field, name) in [("table", &self.table), ("column", &self.column)] {
            issues.require(
                is_name(name),
                &format!("{path}.{field}"),
                &format!("must be a name: one line of 1 to {COLUMN_MAX} characters"),
            );
        }
        issues.require(
            (1..=MAX_AGE_MINUTES_MAX).contains(&self.max_age_minutes),
            &format!("{path}.maxAgeMinutes"),
            &format!("must be a number from 1 to {MAX_AGE_MINUTES_MAX}"),
        );
        issues.into_result()
    }

    /// How old the data may be.
    pub const fn max_age(&self) -> TimeDelta {
        TimeDelta::minutes(self.max_age_minutes as i64)
    }

    /// What a look that found `newest` says as of an instant.
    pub fn look(&self, newest: Option<DateTime<Utc>>, as_of: DateTime<Utc>) -> FreshnessLook {
        let Self { table, column, .. } = self;
        let is_fresh = self.is_met(newest, as_of);
        let allowed = age_in_words(self.max_age());
        let message = match newest {
            None => format!("{table} has no {column} to tell its age by"),
            Some(newest) => {
                let stamp = newest.format("%Y-%m-%d %H:%M UTC");
                let age = age_in_words(as_of - newest);
                format!("The newest {column} of {table} is {stamp}: {age} old, where {allowed} are allowed")
            }
        };
        FreshnessLook { is_fresh, newest_at: newest, message }
    }

    /// What a reader of data that is not fresh must know. `name` is the connection's.
    pub fn stale_sentence(&self, name: &str, newest: Option<DateTime<Utc>>, zone: Tz) -> String {
        let Some(newest) = newest else {
            return format!("{name} has no data: there is no {} in {}.", self.column, self.table);
        };
        let stamp = newest.with_timezone(&zone).format("%a %-d %b %Y, %H:%M");
        let allowed = age_in_words(self.max_age());
        format!("Data of {name} as of {stamp} ({zone}), older than the {allowed} that are allowed.")
    }

    /// Whether data whose newest value is `newest` is fresh enough as of an instant. An empty table never is.
    pub fn is_met(&self, newest: Option<DateTime<Utc>>, as_of: DateTime<Utc>) -> bool {
        newest.is_some_and(|newest| as_of - newest <= self.max_age())
    }
}

/// The instant that a cell of a temporal column stands for.
pub fn instant_of(cell: &Cell, kind: ColumnType) -> Option<DateTime<Utc>> {
    let Cell::Text(text) = cell else { return None };
    let wall = match kind {
        ColumnType::Date => text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?,
        ColumnType::Timestamp => text.parse::<NaiveDateTime>().ok()?,
        ColumnType::TimestampTz => return text.parse().ok(),
        _ => return None,
    };
    Some(wall.and_utc())
}

/// A length of time for people: `45 minutes`, `2 hours`, `3 days`. Cut to whole ones of its unit.
pub fn age_in_words(age: TimeDelta) -> String {
    let age = age.max(TimeDelta::zero());
    let (count, unit) = match age.num_minutes() {
        minutes @ ..120 => (minutes, "minute"),
        minutes @ 120..2_880 if minutes % 60 == 0 || minutes >= 600 => (minutes / 60, "hour"),
        minutes @ 120..600 => {
            return format!("{} hours {} minutes", minutes / 60, minutes % 60);
        }
        minutes => (minutes / 1_440, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(max_age_minutes: u32) -> FreshnessCheck {
        FreshnessCheck { table: "orders".into(), column: "loaded_at".into(), max_age_minutes }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    #[test]
    fn the_newest_value_may_be_exactly_so_old() {
        let as_of = at("2026-03-02T09:00:00Z");
        assert!(check(60).is_met(Some(at("2026-03-02T08:00:00Z")), as_of));
        assert!(!check(60).is_met(Some(at("2026-03-02T07:59:59Z")), as_of));
        assert!(check(60).is_met(Some(at("2026-03-03T00:00:00Z")), as_of), "ahead of its time");
        assert!(!check(60).is_met(None, as_of), "an empty table");
    }

    #[test]
    fn a_look_says_what_it_found() {
        let as_of = at("2026-03-02T09:00:00Z");
        let look = check(120).look(Some(at("2026-03-02T06:00:00Z")), as_of);
        assert!(!look.is_fresh);
        assert_eq!(
            look.message,
            "The newest loaded_at of orders is 2026-03-02 06:00 UTC: 3 hours old, where 2 hours are allowed"
        );
        assert_eq!(
            check(120).stale_sentence("Shop", look.newest_at, chrono_tz::Europe::Berlin),
            "Data of Shop as of Mon 2 Mar 2026, 07:00 (Europe/Berlin), older than the 2 hours that are allowed."
        );
        let empty = check(120).look(None, as_of);
        assert_eq!(
            (empty.is_fresh, empty.message.as_str()),
            (false, "orders has no loaded_at to tell its age by")
        );
    }

    #[test]
    fn cells_of_temporal_columns_are_instants() {
        for (text, kind, instant) in [
            ("2026-03-02", ColumnType::Date, "2026-03-02T00:00:00Z"),
            ("2026-03-02T07:30:00.25", ColumnType::Timestamp, "2026-03-02T07:30:00.25Z"),
            ("2026-03-02T07:30:00Z", ColumnType::TimestampTz, "2026-03-02T07:30:00Z"),
        ] {
            assert_eq!(instant_of(&Cell::Text(text.into()), kind), Some(at(instant)));
        }
        assert_eq!(instant_of(&Cell::Null, ColumnType::Date), None);
        assert_eq!(instant_of(&Cell::Int(3), ColumnType::Integer), None);
        assert_eq!(instant_of(&Cell::Text("soon".into()), ColumnType::Date), None);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = FreshnessCheck { table: String::new(), column: "a\0".into(), max_age_minutes: 0 };
        let invalid = wrong.check("freshness").expect_err("a refusal");
        let paths: Vec<_> = invalid.issues.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(paths, ["freshness.table", "freshness.column", "freshness.maxAgeMinutes"]);
        assert_eq!(check(MAX_AGE_MINUTES_MAX).check("freshness"), Ok(()));
    }

    #[test]
    fn ages_read_well() {
        for (minutes, text) in [
            (0, "0 minutes"),
            (1, "1 minute"),
            (90, "90 minutes"),
            (120, "2 hours"),
            (150, "2 hours 30 minutes"),
            (1_440, "24 hours"),
            (1_500, "25 hours"),
            (4_320, "3 days"),
            (-5, "0 minutes"),
        ] {
            assert_eq!(age_in_words(TimeDelta::minutes(minutes)), text);
        }
    }
}
