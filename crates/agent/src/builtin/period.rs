//! The period of a statement that answered a question before, moved to when the question is asked again.
//!
//! "Last week" in the question says which of the statement's dates belong to the period: those at its bounds, then and now.
//! A date that no phrase of the question explains is not guessed at, whether or not the question has such a phrase at all; then the
//! statement cannot be moved, and is not run on another day.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::{
    calendar::{self, Range, When},
    catalog::Grain,
    lexicon, words,
};

/// The numbers that may be years of our time.
const YEARS: RangeInclusive<i32> = 1990..=2100;

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
    if then.day() == now.day() && then.zone == now.zone {
        return Ok(sql.to_owned());
    }
    let days = Calendar::of(question, then.day(), now.day());
    let pieces = pieces(sql);
    let mut written = String::with_capacity(sql.len());
    let mut dates = 0;
    for piece in &pieces {
        match piece {
            Piece::Text(text) | Piece::Quoted(text) => written.push_str(text),
            Piece::Literal(text) => {
                if let Some(dated) = Dated::read(text, then.zone) {
                    dates += 1;
                    written.push_str(&dated.on(days.moved(dated.day)?, now.zone));
                    continue;
                }
                if let Some(year) = loose_date(text).filter(|year| !days.explains_year(*year)) {
                    return Err(unmoved_literal(text, year));
                }
                written.push_str(text);
            }
        }
    }
    if let Some(year) = bare_years(&pieces).into_iter().find(|year| !days.explains_year(*year)) {
        return Err(Unmoved::YearAsNumber(year));
    }
    if dates == 0 && days.goes_with_day && !follows_clock(&pieces) {
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
struct Calendar {
    days: BTreeMap<NaiveDate, Option<NaiveDate>>,
    /// The stretches that the question fixes, where it names nothing that goes with the day.
    fixed: Vec<(NaiveDate, NaiveDate)>,
    /// The years that those speak of.
    years: Vec<i32>,
    /// Whether the question names a period that is reckoned from the day.
    goes_with_day: bool,
}

impl Calendar {
    fn of(question: &str, then: NaiveDate, now: NaiveDate) -> Self {
        let tokens = words::tokenise(question);
        let (found_then, found_now) = (calendar::find(&tokens, then), calendar::find(&tokens, now));
        let mut ranges: Vec<(Range, Range)> = Vec::new();
        let mut days = Self { days: BTreeMap::new(), fixed: vec![], years: vec![], goes_with_day: false };
        // "In July" goes with the day, too, though a statement may ask for the month of any year and have no date.
        let mut is_of_any_year = false;
        for (mention, mention_now) in found_then.iter().zip(&found_now) {
            match (&mention.when, &mention_now.when) {
                (When::Range(then), When::Range(now)) => ranges.push((then.clone(), now.clone())),
                (when, _) => {
                    if let (Some(then), Some(now)) = (last_begun(when, then), last_begun(when, now)) {
                        is_of_any_year = true;
                        days.note_range(&then, &now);
                    }
                }
            }
        }
        days.goes_with_day = ranges.iter().any(|(then, _)| then.is_relative);
        for (then, now) in &ranges {
            days.note_range(then, now);
        }
        // What a comparison reads beside them, where they leave it open.
        let named = days.days.clone();
        for (then, now) in &ranges {
            for before in [calendar::period_before, calendar::year_before] {
                if let (Some(then), Some(now)) = (before(then), before(now)) {
                    days.note_range(&then, &now);
                }
            }
        }
        days.days.extend(named);
        if !days.goes_with_day && !is_of_any_year {
            days.note_fixed(ranges.iter().map(|(then, _)| then));
        }
        days
    }

    /// Notes what a question fixes that names nothing else.
    fn note_fixed<'a>(&mut self, ranges: impl Iterator<Item = &'a Range>) {
        for range in ranges {
            let last = range.to.and_then(day_before);
            if let Some((from, to)) = range.from.zip(range.to) {
                self.fixed.push((from, to));
            }
            let bounds = [range.from, last, range.to];
            let years: Vec<i32> = bounds.into_iter().flatten().map(|day| day.year()).collect();
            if let (Some(first), Some(last)) = (years.iter().min(), years.iter().max()) {
                self.years.extend(*first..=*last);
            }
        }
    }

    /// Whether a year is one that the question fixes.
    fn explains_year(&self, year: i32) -> bool {
        self.years.contains(&year)
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
        self.days
            .entry(then)
            .and_modify(|known| *known = known.filter(|known| *known == now))
            .or_insert(Some(now));
    }

    fn moved(&self, day: NaiveDate) -> Result<NaiveDate, Unmoved> {
        match self.days.get(&day) {
            Some(Some(moved)) => Ok(*moved),
            Some(None) => Err(Unmoved::Ambiguous(day.to_string())),
            None if self.fixed.iter().any(|(from, to)| (*from..*to).contains(&day)) => Ok(day),
            None => Err(Unmoved::Unexplained(day.to_string())),
        }
    }
}

/// "In July", "in Q2", "on Monday", "at the weekend", read as the last that has begun; `None` for any other phrase.
fn last_begun(when: &When, today: NaiveDate) -> Option<Range> {
    let of_year = |month: u32, grain: Grain| {
        let this_year = NaiveDate::from_ymd_opt(today.year(), month, 1)?;
        let from = if this_year > today { calendar::next(this_year, Grain::Year, -1) } else { this_year };
        Some((from, calendar::next(from, grain, 1)))
    };
    let of_week = |weekday: u32, length: i64| {
        let back = (i64::from(today.weekday().number_from_monday()) - i64::from(weekday)).rem_euclid(7);
        let from = calendar::next(today, Grain::Day, -back);
        Some((from, calendar::next(from, Grain::Day, length)))
    };
    let (from, to) = match when {
        When::Month(month) => of_year(*month, Grain::Month),
        When::Quarter(quarter) => of_year(quarter * 3 - 2, Grain::Quarter),
        When::Weekday(weekday) => of_week(*weekday, 1),
        When::Weekend => of_week(6, 2),
        When::Range(_) | When::Before(_) | When::YearBefore => None,
    }?;
    Some(Range { from: Some(from), to: Some(to), label: String::new(), is_relative: true, unit: None })
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

/// The year of a literal that tells a date in another way than [`Dated`] reads: `'2026-02'`, `'2026-3-1'`, `'2026'`, `'20260301'`,
/// `'Mar 2026'`. Such are never moved.
fn loose_date(literal: &str) -> Option<i32> {
    let inside = literal.trim_matches('\'').to_lowercase();
    let mut year = None;
    for part in inside.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty()) {
        let digits = part.trim_matches(|letter: char| letter.is_alphabetic());
        if digits.is_empty() {
            let is_of_date = lexicon::month_number(part, true).is_some() || matches!(part, "utc" | "gmt");
            if !is_of_date {
                return None;
            }
        } else if digits.len() == 4 || (digits.len() == 8 && is_compact_day(digits)) {
            year = year.or(digits[..4].parse().ok().filter(|year| YEARS.contains(year)));
        } else if digits.len() > 6 {
            return None;
        }
    }
    year
}

fn is_compact_day(digits: &str) -> bool {
    NaiveDate::parse_from_str(digits, "%Y%m%d").is_ok()
}

fn unmoved_literal(literal: &str, year: i32) -> Unmoved {
    let inside = literal.trim_matches('\'');
    if inside.len() == 4 { Unmoved::YearAsNumber(year) } else { Unmoved::Unexplained(inside.to_owned()) }
}

/// The numbers of a statement that may be years: `year = 2026` moves with the day and is no date. A number of rows (`LIMIT 2000`) is
/// none, nor is a bound of a column that is called otherwise (`amount > 2000`).
fn bare_years(pieces: &[Piece<'_>]) -> Vec<i32> {
    let mut years = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for piece in pieces {
        let text = match piece {
            Piece::Text(text) => *text,
            Piece::Quoted(text) => {
                if text.starts_with('"') {
                    before.push(text.to_lowercase());
                }
                continue;
            }
            Piece::Literal(text) => {
                before.push((*text).to_owned());
                continue;
            }
        };
        for word in sql_words(text) {
            let year = word.parse::<i32>().ok().filter(|number| YEARS.contains(number));
            years.extend(year.filter(|_| !counts_or_bounds(&before)));
            before.push(word.to_lowercase());
        }
    }
    years
}

/// Names and numbers, and each sign between them.
fn sql_words(text: &str) -> impl Iterator<Item = &str> {
    let is_sign = |letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '.'));
    text.split_whitespace().flat_map(move |part| part.split_inclusive(is_sign)).flat_map(move |piece| {
        let name = piece.trim_end_matches(is_sign);
        [name, &piece[name.len()..]].into_iter().filter(|word| !word.is_empty())
    })
}

/// Whether what stands before a number says that it counts rows, or bounds a column that is not called after years.
fn counts_or_bounds(before: &[String]) -> bool {
    match before {
        [.., word] if matches!(word.as_str(), "limit" | "offset" | "first" | "top") => true,
        [.., name, sign, equals] if is_unequal(sign) && equals == "=" => !is_year_name(name),
        [.., name, sign] if is_unequal(sign) => !is_year_name(name),
        _ => false,
    }
}

fn is_unequal(sign: &str) -> bool {
    matches!(sign, "<" | ">")
}

/// Whether a name may be that of years. What an expression ends with (`year(d) >= 2026`) is no name, and may be one.
fn is_year_name(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    let is_column = name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    !is_column
        || ["year", "yr", "date", "day", "period", "time"].iter().any(|part| name.contains(part))
        || matches!(name, "y" | "yy" | "yyyy" | "fy" | "d" | "dt" | "end")
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
            (
                "Sales from May to July 2024",
                "d >= '2024-05-01' AND d < '2024-08-01' AND d <> '2024-06-10' AND strftime('%Y-%m', d) > '2024-05'",
                "2026-03-09",
                "d >= '2024-05-01' AND d < '2024-08-01' AND d <> '2024-06-10' AND strftime('%Y-%m', d) > '2024-05'",
            ),
            // A year that is not named is the last: another one, once that has begun.
            (
                "Signups in February",
                "d >= '2026-02-01' AND d < '2026-03-01'",
                "2027-02-03",
                "d >= '2027-02-01' AND d < '2027-03-01'",
            ),
            (
                "Signups in Q1",
                "d >= '2026-01-01' AND d < '2026-04-01'",
                "2026-05-01",
                "d >= '2026-01-01' AND d < '2026-04-01'",
            ),
            ("Signups on Monday", "d = '2026-03-02'", "2026-03-11", "d = '2026-03-09'"),
            ("Signups in February", "month(d) = 2", "2026-05-01", "month(d) = 2"),
            // The same day needs no phrase.
            ("How many active users?", "d >= '2026-02-01'", "2026-03-02", "d >= '2026-02-01'"),
            // Rows and amounts are no years.
            (
                "Sales yesterday",
                "d = '2026-03-01' AND amount > 2000 AND s.\"net\" >= 1999 LIMIT 2000",
                "2026-03-09",
                "d = '2026-03-08' AND amount > 2000 AND s.\"net\" >= 1999 LIMIT 2000",
            ),
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

    /// Where the question names no period that goes with the day, this fails if the statement is answered without a look at its dates.
    #[test]
    fn what_no_phrase_explains_is_not_moved() {
        for (question, sql, says) in [
            ("Sales last week", "d >= '2026-02-20'", "2026-02-20"),
            ("Sales last week", "SELECT 1", "no date"),
            ("Sales last month", "year = 2026 AND month = 2", "2026"),
            ("Sales last month", "y IN (2025, 2026)", "2025"),
            ("Sales last month", "extract(year FROM d) >= 2026", "2026"),
            ("Sales last month", "\"Order Year\" > 2025", "2025"),
            ("Sales last month", "d >= make_date(2026, 2, 1)", "2026"),
            ("Sales last month", "d >= '2026-02-01' AND ym = '2026-02'", "2026-02,"),
            ("Sales last month", "d >= '2026-02-01' AND d < '2026-3-1'", "2026-3-1"),
            ("Sales last month", "strftime('%Y', d) = '2026'", "2026"),
            ("Sales last month", "d > '20260201'", "20260201"),
            ("Sales last month", "m = 'Feb 2026'", "Feb 2026"),
            ("How many active users?", "seen >= '2026-02-01'", "2026-02-01"),
            ("How many active users?", "seen >= TIMESTAMP '2026-02-01 00:00:00'", "2026-02-01"),
            ("How many active users?", "year = 2026", "2026"),
            ("Signups in July", "d >= '2024-07-01'", "2024-07-01"),
            ("Signups in July", "month = 7 AND year = 2025", "2025"),
            ("Signups in Q2", "d < '2026-04-01'", "2026-04-01"),
            ("Signups on Monday", "d = '2026-02-23'", "2026-02-23"),
            ("Sales since May 2024", "d >= '2024-05-01' AND d < '2026-03-03'", "2026-03-03"),
            ("Sales in 2024", "d >= '2026-01-01'", "2026-01-01"),
        ] {
            let refused = move_from_monday(question, sql, "2026-03-09").expect_err(sql);
            assert!(refused.contains(says), "{sql}: {refused}");
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
