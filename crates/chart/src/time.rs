//! Dates and times of cells as wall time.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use chrono_tz::Tz;

const WITHOUT_ZONE: [&str; 4] =
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

/// The wall time that a text says: a month, a date, a date and time, or an instant, shown in `zone`.
pub(crate) fn parse(text: &str, zone: Tz) -> Option<NaiveDateTime> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.with_timezone(&zone).naive_local());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN));
    }
    for format in WITHOUT_ZONE {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time);
        }
    }
    let is_month = text.len() == 7 && text.as_bytes()[4] == b'-';
    let first = is_month.then(|| format!("{text}-01"))?;
    NaiveDate::parse_from_str(&first, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN))
}

/// How a column of times is written into a chart: as short as its values allow, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Date,
    Seconds,
    Milliseconds,
}

impl Notation {
    /// The notation that loses nothing of the values but what is below a millisecond.
    pub(crate) fn of(values: &[NaiveDateTime]) -> Self {
        if values.iter().all(|value| value.time() == NaiveTime::MIN) {
            Self::Date
        } else if values.iter().all(|value| value.nanosecond() < 1_000_000) {
            Self::Seconds
        } else {
            Self::Milliseconds
        }
    }

    /// A value in it.
    pub(crate) fn write(self, value: NaiveDateTime) -> String {
        let format = match self {
            Self::Date => "%Y-%m-%d",
            Self::Seconds => "%Y-%m-%dT%H:%M:%S",
            Self::Milliseconds => "%Y-%m-%dT%H:%M:%S%.3f",
        };
        value.format(format).to_string()
    }

    /// How Vega reads it. Wall time is read as if it were UTC and shown as UTC, so no zone of any reader or server, and no
    /// hour that daylight saving skips, can shift a point.
    pub(crate) const fn vega_format(self) -> &'static str {
        match self {
            Self::Date => "utc:'%Y-%m-%d'",
            Self::Seconds => "utc:'%Y-%m-%dT%H:%M:%S'",
            Self::Milliseconds => "utc:'%Y-%m-%dT%H:%M:%S.%L'",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, zone: Tz) -> String {
        Notation::Seconds.write(parse(text, zone).expect("a time"))
    }

    #[test]
    fn instants_are_shown_in_the_zone_and_wall_times_as_they_are() {
        assert_eq!(written("2026-07-01T22:30:00Z", chrono_tz::Europe::Berlin), "2026-07-02T00:30:00");
        assert_eq!(
            written("2026-07-01T22:30:00.250000Z", chrono_tz::America::New_York),
            "2026-07-01T18:30:00"
        );
        assert_eq!(written("2026-07-01T22:30:00", chrono_tz::Europe::Berlin), "2026-07-01T22:30:00");
        assert_eq!(written("2026-07", chrono_tz::Europe::Berlin), "2026-07-01T00:00:00");
        assert_eq!(written("2026-07-31", chrono_tz::Asia::Tokyo), "2026-07-31T00:00:00");
        assert_eq!(parse("UA", chrono_tz::UTC), None);
        assert_eq!(parse("2026", chrono_tz::UTC), None);
        assert_eq!(parse("2026-13", chrono_tz::UTC), None);
    }

    #[test]
    fn the_notation_keeps_milliseconds_where_there_are_any() {
        let date = parse("2026-07-31", chrono_tz::UTC).expect("a date");
        let exact = parse("2026-07-31T10:00:00.125", chrono_tz::UTC).expect("a time");
        assert_eq!(Notation::of(&[date]), Notation::Date);
        assert_eq!(Notation::of(&[date, exact]), Notation::Milliseconds);
        assert_eq!(Notation::Milliseconds.write(exact), "2026-07-31T10:00:00.125");
    }
}
