//! The period of a statement that answered a question before, moved to when the question is asked again.
//!
//! "Last week" in the question says which of the statement's dates belong to the period: those at its bounds, then and now.
//! A date that no phrase of the question explains is not guessed at; then the statement cannot be moved.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::{
    calendar::{self, Range, When},
    words,
};

/// When and where a question is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: DateTime<Utc>,
    pub(crate) zone: Tz,
}

impl Moment {
    /// A zone that is not known is taken for UTC.
    pub(crate) fn new(at: DateTime<Utc>, timezone: &str) -> Self {
        Self { at, zone: timezone.parse().unwrap_or(Tz::UTC) }
    }

    fn day(self) -> NaiveDate {
        self.at.with_timezone(&self.zone).date_naive()
    }
}

/// Why a statement cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmoved {
    /// The question speaks of a period, the statement has no date.
    NoDate,
    /// A date that is at no bound of a period of the question.
    Unexplained(String),
    /// A date that is at the bounds of two periods, which move by different lengths.
    Ambiguous(String),
    /// A year that is written as a number.
    YearAsNumber(i32),
}

impl fmt::Display for Unmoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDate => f.write_str(
                "the question names a period that goes with the day, and the SQL has no date to move",
            ),
            Self::Unexplained(date) => {
                write!(
                    f,
                    "the SQL has the date {date}, which is no bound of a period that the question names"
                )
            }
            Self::Ambiguous(date) => {
                write!(f, "the SQL's date {date} belongs to two periods of the question")
            }
            Self::YearAsNumber(year) => write!(f, "the SQL has the year {year} as a bare number"),
        }
    }
}

/// `sql`, which answered `question` at one moment, as it answers it at another.
pub(crate) fn moved(question: &str, sql: &str, then: Moment, now: Moment) -> Result<String, Unmoved> {
    let Some(days) = Calendar::of(question, then.day(), now.day()) else { return Ok(sql.to_owned()) };
    let pieces = pieces(sql);
    let mut written = String::with_capacity(sql.len());
    let mut dates = 0;
    for piece in &pieces {
        match piece {
            Piece::Text(text) => {
                if let Some(year) = bare_year(text) {
                    return Err(Unmoved::YearAsNumber(year));
                }
                written.push_str(text);
            }
            Piece::Quoted(text) => written.push_str(text),
            Piece::Literal(text) => match Dated::read(text, then.zone) {
                Some(dated) => {
                    dates += 1;
                    written.push_str(&dated.on(days.moved(dated.day)?, now.zone));
                }
                None => written.push_str(text),
            },
        }
    }
    if dates == 0 && !follows_clock(&pieces) {
        return Err(Unmoved::NoDate);
    }
    Ok(written)
}

/// Whether a statement reckons from the clock of its database, and so moves by itself.
fn follows_clock(pieces: &[Piece<'_>]) -> bool {
    const CLOCKS: [&str; 6] =
        ["current_date", "current_timestamp", "localtimestamp", "now(", "today(", "get_current_timestamp("];
    pieces.iter().any(|piece| match piece {
        Piece::Text(text) => {
            let lower = text.to_lowercase();
            CLOCKS.iter().any(|clock| lower.contains(clock))
        }
        Piece::Quoted(_) | Piece::Literal(_) => false,
    })
}

/// Which days stand for which, once the day on which a question is asked has changed.
struct Calendar(BTreeMap<NaiveDate, Option<NaiveDate>>);

impl Calendar {
    /// `None` where the question names no period that goes with the day.
    fn of(question: &str, then: NaiveDate, now: NaiveDate) -> Option<Self> {
        let tokens = words::tokenise(question);
        let (then, now) = (calendar::find(&tokens, then), calendar::find(&tokens, now));
        let mut ranges: Vec<(Range, Range)> = Vec::new();
        for (then, now) in then.into_iter().zip(now) {
            if let (When::Range(then), When::Range(now)) = (then.when, now.when) {
                ranges.push((then, now));
            }
        }
        if !ranges.iter().any(|(then, _)| then.is_relative) {
            return None;
        }
        let mut days = Self(BTreeMap::new());
        for (then, now) in &ranges {
            days.note_range(then, now);
        }
        // What a comparison reads beside them, where they leave it open.
        let named = days.0.clone();
        for (then, now) in &ranges {
            for before in [calendar::period_before, calendar::year_before] {
                if let (Some(then), Some(now)) = (before(then), before(now)) {
                    days.note_range(&then, &now);
                }
            }
        }
        days.0.extend(named);
        Some(days)
    }

    fn note_range(&mut self, then: &Range, now: &Range) {
        for (then, now) in [(then.from, now.from), (then.to, now.to)] {
            if let (Some(then), Some(now)) = (then, now) {
                self.note(then, now);
            }
        }
        // The last day, where it is written as the bound.
        if let (Some(then), Some(now)) = (then.to.and_then(day_before), now.to.and_then(day_before)) {
            self.note(then, now);
        }
    }

    fn note(&mut self, then: NaiveDate, now: NaiveDate) {
        self.0
            .entry(then)
            .and_modify(|known| *known = known.filter(|known| *known == now))
            .or_insert(Some(now));
    }

    fn moved(&self, day: NaiveDate) -> Result<NaiveDate, Unmoved> {
        match self.0.get(&day) {
            Some(Some(moved)) => Ok(*moved),
            Some(None) => Err(Unmoved::Ambiguous(day.to_string())),
            None => Err(Unmoved::Unexplained(day.to_string())),
        }
    }
}

fn day_before(day: NaiveDate) -> Option<NaiveDate> {
    day.checked_sub_days(Days::new(1))
}

/// A literal that is a date, or an instant with its offset from UTC.
struct Dated<'a> {
    day: NaiveDate,
    /// What follows the date, quotation mark and all; nothing for an instant.
    rest: &'a str,
    /// The local time of an instant.
    time: Option<NaiveTime>,
}

impl<'a> Dated<'a> {
    fn read(literal: &'a str, zone: Tz) -> Option<Self> {
        let text = literal.strip_prefix('\'')?;
        let day: NaiveDate = text.get(..10)?.parse().ok()?;
        let rest = &text[10..];
        if !rest.starts_with(['\'', ' ', 'T']) {
            return None;
        }
        let inside = text.strip_suffix('\'')?;
        for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
            if let Ok(instant) = DateTime::parse_from_str(inside, format) {
                let local = instant.with_timezone(&zone).naive_local();
                return Some(Self { day: local.date(), rest: "", time: Some(local.time()) });
            }
        }
        Some(Self { day, rest, time: None })
    }

    /// The same on another day.
    fn on(&self, day: NaiveDate, zone: Tz) -> String {
        let Some(time) = self.time else { return format!("'{day}{}", self.rest) };
        let local = day.and_time(time);
        // Where a zone's clocks skip the time it is an hour later.
        let instant = zone
            .from_local_datetime(&local)
            .earliest()
            .or_else(|| zone.from_local_datetime(&(local + chrono::TimeDelta::hours(1))).earliest())
            .map_or_else(|| local.and_utc(), |instant| instant.with_timezone(&Utc));
        format!("'{}'", instant.format("%Y-%m-%d %H:%M:%S+00"))
    }
}

/// A piece of a statement.
enum Piece<'a> {
    /// Keywords, names, numbers, operators.
    Text(&'a str),
    /// A quoted name or a comment.
    Quoted(&'a str),
    /// A text in single quotation marks, with them.
    Literal(&'a str),
}

fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = sql;
    while !rest.is_empty() {
        let at =
            ["'", "\"", "--", "/*"].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
            rest = &rest[at..];
            continue;
        }
        let (length, is_literal) = match rest.as_bytes()[0] {
            b'\'' => (quoted_length(rest, '\''), true),
            b'"' => (quoted_length(rest, '"'), false),
            b'-' => (rest.find('\n').unwrap_or(rest.len()), false),
            _ => (rest.find("*/").map_or(rest.len(), |end| end + 2), false),
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(if is_literal { Piece::Literal(piece) } else { Piece::Quoted(piece) });
        rest = after;
    }
    pieces
}

/// The length of a text in quotation marks at the start of `sql`; two marks in a row stand for one.
fn quoted_length(sql: &str, mark: char) -> usize {
    let mut letters = sql.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != mark {
            continue;
        }
        if letters.next_if(|(_, next)| *next == mark).is_none() {
            return at + 1;
        }
    }
    sql.len()
}

/// A number that may be a year of our time: `year = 2026` moves with the day and is no date.
fn bare_year(text: &str) -> Option<i32> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '.')
        .filter_map(|word| word.parse::<i32>().ok())
        .find(|number| (1990..=2100).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(day: &str) -> Moment {
        Moment::new(format!("{day}T09:00:00Z").parse().expect("an instant"), "UTC")
    }

    fn move_from_monday(question: &str, sql: &str, to: &str) -> Result<String, String> {
        moved(question, sql, moment("2026-03-02"), moment(to)).map_err(|unmoved| unmoved.to_string())
    }

    #[test]
    fn bounds_of_a_named_period_move_with_the_day() {
        for (question, sql, to, expected) in [
            (
                "Sales last week?",
                "d >= DATE '2026-02-23' AND d < DATE '2026-03-02'",
                "2026-03-11",
                "d >= DATE '2026-03-02' AND d < DATE '2026-03-09'",
            ),
            ("Sales yesterday", "d = '2026-03-01'", "2026-03-09", "d = '2026-03-08'"),
            (
                "Sales last month",
                "d BETWEEN '2026-02-01' AND '2026-02-28'",
                "2026-04-06",
                "d BETWEEN '2026-03-01' AND '2026-03-31'",
            ),
            (
                "Sales last week compared with the week before",
                "d >= TIMESTAMP '2026-02-16 00:00:00' AND d < TIMESTAMP '2026-03-02 00:00:00'",
                "2026-03-09",
                "d >= TIMESTAMP '2026-02-23 00:00:00' AND d < TIMESTAMP '2026-03-09 00:00:00'",
            ),
            // What is fixed in the question stays.
            (
                "Sales yesterday of orders since 2024-05-01",
                "d = '2026-03-01' AND o >= '2024-05-01'",
                "2026-03-09",
                "d = '2026-03-08' AND o >= '2024-05-01'",
            ),
            (
                "Sales in July 2024",
                "d >= '2024-07-01' AND year = 2024",
                "2026-03-09",
                "d >= '2024-07-01' AND year = 2024",
            ),
            ("Sales per product", "SELECT 'it''s 2026-03-01'", "2026-03-09", "SELECT 'it''s 2026-03-01'"),
            ("Sales yesterday", "d = current_date - 1", "2026-03-09", "d = current_date - 1"),
            // Quoted names and comments are no dates.
            (
                "Sales yesterday",
                "SELECT \"2026-01-01\" /* '2026-01-01' */ FROM s WHERE d = '2026-03-01' -- '2025-01-01'",
                "2026-03-09",
                "SELECT \"2026-01-01\" /* '2026-01-01' */ FROM s WHERE d = '2026-03-08' -- '2025-01-01'",
            ),
        ] {
            assert_eq!(move_from_monday(question, sql, to).as_deref(), Ok(expected), "{question}");
        }
    }

    #[test]
    fn what_no_phrase_explains_is_not_moved() {
        for (question, sql, says) in [
            ("Sales last week", "d >= '2026-02-20'", "2026-02-20"),
            ("Sales last week", "SELECT 1", "no date"),
            ("Sales last month", "year = 2026 AND month = 2", "2026"),
        ] {
            let refused = move_from_monday(question, sql, "2026-03-09").expect_err(sql);
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn an_instant_keeps_its_local_time_over_a_change_of_clocks() {
        let berlin =
            |day: &str| Moment::new(format!("{day}T09:00:00Z").parse().expect("an instant"), "Europe/Berlin");
        let sql = "at >= TIMESTAMPTZ '2026-03-22 23:00:00+00' AND at < TIMESTAMPTZ '2026-03-29 22:00:00+00'";
        let moved = moved("Sales last week", sql, berlin("2026-03-30"), berlin("2026-04-06"));
        assert_eq!(
            moved.as_deref(),
            Ok("at >= TIMESTAMPTZ '2026-03-29 22:00:00+00' AND at < TIMESTAMPTZ '2026-04-05 22:00:00+00'")
        );
    }
}
