//! Time phrases: "last week", "in July 2013", "since March", "the week before".

use chrono::{Datelike, Days, Months, NaiveDate};

use super::{
    catalog::Grain,
    lexicon,
    words::{self, Token},
};
use crate::months::MONTHS;

/// A stretch of days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// The first day; `None` for no bound.
    pub from: Option<NaiveDate>,
    /// The day after the last; `None` for no bound.
    pub to: Option<NaiveDate>,
    /// As a person says it: "last week", "July 2013".
    pub label: String,
    /// Whether it is reckoned from today.
    pub is_relative: bool,
    /// What unit it is one of, if one.
    pub unit: Option<Grain>,
}

/// What a time phrase means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Days in a row.
    Range(Range),
    /// A month of any year, 1 to 12.
    Month(u32),
    /// A quarter of any year, 1 to 4.
    Quarter(u32),
    /// A day of the week, 1 for Monday to 7.
    Weekday(u32),
    /// Saturdays and Sundays.
    Weekend,
    /// "the week before", "the previous month": the period before another.
    Before(Option<Grain>),
    /// "a year earlier", "the same week last year".
    YearBefore,
}

/// A time phrase and the tokens that make it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimeMention {
    /// The first token.
    pub start: usize,
    /// The token after the last.
    pub end: usize,
    /// What it means.
    pub when: When,
}

/// The time phrases of a question, in order.
pub(super) fn find(tokens: &[Token], today: NaiveDate) -> Vec<TimeMention> {
    let mut found: Vec<TimeMention> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let seen_range = found.iter().any(|mention| matches!(mention.when, When::Range(_)));
        let Some((length, when)) = phrase_at(tokens, at, today, seen_range) else {
            at += 1;
            continue;
        };
        found.push(TimeMention { start: at, end: at + length, when });
        at += length;
    }
    connect(tokens, found)
}

/// The time phrase that starts at a token: how many tokens it takes and what it means.
fn phrase_at(tokens: &[Token], at: usize, today: NaiveDate, seen_range: bool) -> Option<(usize, When)> {
    let word = |offset: usize| {
        tokens.get(at + offset).filter(|token| !token.quoted).map_or("", |token| token.lower.as_str())
    };
    let relative = |length: usize, from: NaiveDate, to: NaiveDate, unit: Option<Grain>, label: String| {
        Some((length, When::Range(Range { from: Some(from), to: Some(to), label, is_relative: true, unit })))
    };
    let first = word(0);
    match first {
        "today" => return relative(1, today, next(today, Grain::Day, 1), Some(Grain::Day), "today".into()),
        "yesterday" | "yesterdays" => {
            return relative(1, next(today, Grain::Day, -1), today, Some(Grain::Day), "yesterday".into());
        }
        "ytd" => {
            return relative(
                1,
                start_of(today, Grain::Year),
                next(today, Grain::Day, 1),
                None,
                "year to date".into(),
            );
        }
        "mtd" => {
            return relative(
                1,
                start_of(today, Grain::Month),
                next(today, Grain::Day, 1),
                None,
                "month to date".into(),
            );
        }
        _ => {}
    }
    if first == "day" && word(1) == "before" && word(2) == "yesterday" {
        let day = next(today, Grain::Day, -2);
        return relative(
            3,
            day,
            next(today, Grain::Day, -1),
            Some(Grain::Day),
            "the day before yesterday".into(),
        );
    }
    if let Some(grain) = Grain::from_word(first) {
        if word(1) == "to" && word(2) == "date" {
            let label = format!("{first} to date");
            return relative(3, start_of(today, grain), next(today, Grain::Day, 1), None, label);
        }
        if matches!(word(1), "before" | "earlier" | "prior") && plain_unit(first) {
            let extra = usize::from(matches!(word(2), "that" | "it")) + usize::from(word(2) == "last");
            if word(2) == "last" && !seen_range {
                let start = next(start_of(today, grain), grain, -2);
                return relative(
                    3,
                    start,
                    next(start, grain, 1),
                    Some(grain),
                    format!("the {first} before last"),
                );
            }
            return Some((
                2 + extra,
                if grain == Grain::Year { When::YearBefore } else { When::Before(Some(grain)) },
            ));
        }
    }
    if matches!(first, "preceding" | "previous" | "prior")
        && matches!(word(1), "period" | "one" | "timeframe")
    {
        return Some((2, When::Before(None)));
    }
    if first == "same" && Grain::from_word(word(1)).is_some() | (word(1) == "period") {
        let skip = usize::from(matches!(word(2), "of" | "in"))
            + usize::from(word(2 + usize::from(word(2) == "of")) == "the");
        if matches!(word(2 + skip), "last" | "previous") && word(3 + skip) == "year" {
            return Some((4 + skip, When::YearBefore));
        }
    }
    if matches!(first, "last" | "past" | "previous" | "prior" | "preceding" | "this" | "current") {
        return named_relative(tokens, at, today, seen_range);
    }
    if let Some(count) = tokens[at].number
        && let Some(grain) = Grain::from_word(word(1))
        && matches!(word(2), "ago" | "earlier")
    {
        let start = next(start_of(today, grain), grain, -(count as i64));
        return relative(
            3,
            start,
            next(start, grain, 1),
            Some(grain),
            format!("{} {} ago", tokens[at].text, tokens[at + 1].text),
        );
    }
    absolute(tokens, at, today)
}

/// "last week", "this month", "past 30 days", "last three months", "last Monday", "last July".
fn named_relative(tokens: &[Token], at: usize, today: NaiveDate, seen_range: bool) -> Option<(usize, When)> {
    let first = tokens[at].lower.as_str();
    let second = tokens.get(at + 1)?;
    let is_this = matches!(first, "this" | "current");
    let range = |length, from, to, unit, label: String| {
        Some((length, When::Range(Range { from: Some(from), to: Some(to), label, is_relative: true, unit })))
    };
    if let Some(count) = second.number.filter(|count| (1.0..=5000.0).contains(count)).filter(|_| !is_this) {
        let third = tokens.get(at + 2)?;
        let is_full = matches!(third.lower.as_str(), "full" | "complete" | "calendar" | "whole");
        let unit = if is_full { tokens.get(at + 3)? } else { third };
        let grain = Grain::from_word(&unit.lower)?;
        let end = start_of(today, grain.max(Grain::Day));
        let label = format!("the last {} {}", second.text, unit.lower);
        return range(3 + usize::from(is_full), next(end, grain, -(count as i64)), end, None, label);
    }
    if let Some(weekday) = weekday_number(&second.lower) {
        let back = (i64::from(today.weekday().number_from_monday()) - i64::from(weekday)).rem_euclid(7);
        let back = if back == 0 && !is_this { 7 } else { back };
        let day = next(today, Grain::Day, -back);
        return range(2, day, next(day, Grain::Day, 1), Some(Grain::Day), format!("{first} {}", second.text));
    }
    if let Some(month) = lexicon::month_number(&second.lower, true) {
        let year = if month < today.month() || (is_this && month == today.month()) {
            today.year()
        } else {
            today.year() - 1
        };
        let start = NaiveDate::from_ymd_opt(year, month, 1)?;
        let label = format!("{} {year}", MONTHS[month as usize - 1]);
        return range(2, start, next(start, Grain::Month, 1), Some(Grain::Month), label);
    }
    let grain = Grain::from_word(&second.lower).filter(|_| plain_unit(&second.lower))?;
    if is_this {
        let start = start_of(today, grain);
        return range(2, start, next(today, Grain::Day, 1), None, format!("this {}", grain.word()));
    }
    if matches!(first, "previous" | "prior" | "preceding") && seen_range {
        return Some((2, if grain == Grain::Year { When::YearBefore } else { When::Before(Some(grain)) }));
    }
    let start = next(start_of(today, grain), grain, -1);
    range(2, start, next(start, grain, 1), Some(grain), format!("last {}", grain.word()))
}

/// Whether a word is a unit and no adverb: `week`, not `weekly`.
fn plain_unit(word: &str) -> bool {
    matches!(words::singular(word).as_str(), "hour" | "day" | "week" | "month" | "quarter" | "year")
}

/// Dates, months, quarters and years that are named.
fn absolute(tokens: &[Token], at: usize, today: NaiveDate) -> Option<(usize, When)> {
    let token = &tokens[at];
    let before = at.checked_sub(1).map_or("", |before| tokens[before].lower.as_str());
    let is_named = token.looks_named();
    let fixed = |length, from, unit, label: String| {
        let range = Range {
            from: Some(from),
            to: Some(next(from, unit, 1)),
            label,
            is_relative: false,
            unit: Some(unit),
        };
        Some((length, When::Range(range)))
    };
    if let Ok(day) = NaiveDate::parse_from_str(&token.lower, "%Y-%m-%d") {
        return fixed(1, day, Grain::Day, token.text.clone());
    }
    if let Ok(first) = NaiveDate::parse_from_str(&format!("{}-01", token.lower), "%Y-%m-%d") {
        return fixed(1, first, Grain::Month, token.text.clone());
    }
    if let Some(month) = lexicon::month_number(&token.lower, is_named) {
        let name = MONTHS[month as usize - 1];
        let day_after = tokens.get(at + 1).and_then(day_of_month);
        if let Some(day) = day_after
            && let Some(year) = tokens.get(at + 2).and_then(year_of)
            && let Some(date) = NaiveDate::from_ymd_opt(year, month, day)
        {
            return fixed(3, date, Grain::Day, format!("{name} {day}, {year}"));
        }
        if let Some(day) =
            day_after.filter(|_| tokens.get(at + 2).is_none_or(|token| !lexicon::is_unit(&token.lower)))
        {
            // Without a year the last such day is meant.
            let this_year = NaiveDate::from_ymd_opt(today.year(), month, day)?;
            let date = if this_year > today { next(this_year, Grain::Year, -1) } else { this_year };
            let label = format!("{name} {day}, {}", date.year());
            let range = Range {
                from: Some(date),
                to: Some(next(date, Grain::Day, 1)),
                label,
                is_relative: true,
                unit: Some(Grain::Day),
            };
            return Some((2, When::Range(range)));
        }
        let skip = usize::from(tokens.get(at + 1).is_some_and(|token| token.lower == "of"));
        if let Some(year) = tokens.get(at + 1 + skip).and_then(year_of) {
            let first = NaiveDate::from_ymd_opt(year, month, 1)?;
            return fixed(2 + skip, first, Grain::Month, format!("{name} {year}"));
        }
        return Some((1, When::Month(month)));
    }
    if let Some(day) = day_of_month(token) {
        let skip = usize::from(tokens.get(at + 1).is_some_and(|token| token.lower == "of"));
        if let Some(month_token) = tokens.get(at + 1 + skip)
            && let Some(month) = lexicon::month_number(&month_token.lower, true)
            && let Some(year) = tokens.get(at + 2 + skip).and_then(year_of)
            && let Some(date) = NaiveDate::from_ymd_opt(year, month, day)
        {
            let label = format!("{} {day}, {year}", MONTHS[month as usize - 1]);
            return fixed(3 + skip, date, Grain::Day, label);
        }
    }
    let ordinal = ["first", "second", "third", "fourth"].iter().position(|word| *word == token.lower);
    let spelled = ordinal.filter(|_| tokens.get(at + 1).is_some_and(|token| token.lower == "quarter"));
    let named = spelled.map(|index| (index as u32 + 1, 2)).or_else(|| Some((quarter_of(&token.lower)?, 1)));
    if let Some((quarter, length)) = named {
        let skip = usize::from(tokens.get(at + length).is_some_and(|token| token.lower == "of"));
        let Some(year) = tokens.get(at + length + skip).and_then(year_of) else {
            return Some((length, When::Quarter(quarter)));
        };
        let first = NaiveDate::from_ymd_opt(year, quarter * 3 - 2, 1)?;
        return fixed(length + skip + 1, first, Grain::Quarter, format!("Q{quarter} {year}"));
    }
    if let Some(weekday) = weekday_number(&token.lower) {
        return Some((1, When::Weekday(weekday)));
    }
    if matches!(token.lower.as_str(), "weekend" | "weekends") {
        return Some((1, When::Weekend));
    }
    let says_year = matches!(
        before,
        "in" | "of"
            | "during"
            | "since"
            | "year"
            | "for"
            | "before"
            | "after"
            | "and"
            | "until"
            | "through"
            | "from"
            | "to"
            | "vs"
            | "versus"
            | "with"
            | "between"
            | "than"
    );
    let unit_follows = tokens.get(at + 1).is_some_and(|token| lexicon::is_unit(&token.lower));
    let year = year_of(token).filter(|_| says_year && !unit_follows)?;
    fixed(1, NaiveDate::from_ymd_opt(year, 1, 1)?, Grain::Year, token.text.clone())
}

fn year_of(token: &Token) -> Option<i32> {
    let is_year = token.text.len() == 4 && token.text.chars().all(|digit| digit.is_ascii_digit());
    token.text.parse().ok().filter(|year| is_year && (1800..2100).contains(year))
}

fn day_of_month(token: &Token) -> Option<u32> {
    let digits = token.lower.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let ending = &token.lower[digits.len()..];
    let day = digits.parse().ok().filter(|day| (1..=31).contains(day))?;
    matches!(ending, "" | "st" | "nd" | "rd" | "th").then_some(day)
}

fn quarter_of(lower: &str) -> Option<u32> {
    lower.strip_prefix('q')?.parse().ok().filter(|quarter| (1..=4).contains(quarter))
}

/// 1 for Monday to 7 for Sunday.
pub(super) fn weekday_number(lower: &str) -> Option<u32> {
    let singular = words::singular(lower);
    let index = lexicon::WEEKDAYS.iter().position(|name| name.to_lowercase() == singular)?;
    Some(index as u32 + 1)
}

/// Joins phrases by the words around them: "from A to B", "between A and B", "since A", "before A".
fn connect(tokens: &[Token], found: Vec<TimeMention>) -> Vec<TimeMention> {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.lower.as_str());
    let mut joined: Vec<TimeMention> = Vec::new();
    for mut mention in found {
        let before = mention.start.checked_sub(1).map_or("", word);
        if let Some(last) = joined.last_mut()
            && last.end + 1 == mention.start
            && let When::Range(second) = &mention.when
        {
            lend_year(last, second);
            let opener = last.start.checked_sub(1).map_or("", word);
            let spans = matches!(
                (opener, before),
                ("from", "to" | "until" | "till" | "through") | ("between", "and")
            );
            // "changed from A to B" holds two periods against each other.
            let is_change = tokens[..last.start]
                .iter()
                .any(|token| matches!(token.lower.as_str(), "change" | "changed" | "changes"));
            if let When::Range(first) = &mut last.when
                && spans
                && !is_change
            {
                let label = format!("{} to {}", first.label, second.label);
                let is_relative = first.is_relative || second.is_relative;
                *first = Range { from: first.from, to: second.to, label, is_relative, unit: None };
                last.end = mention.end;
                last.start -= 1;
                continue;
            }
        }
        if let When::Range(range) = &mut mention.when {
            match before {
                "since" => {
                    range.to = None;
                    range.label = format!("since {}", range.label);
                }
                "after" => {
                    range.from = range.to.take();
                    range.label = format!("after {}", range.label);
                }
                "before" | "until" => {
                    range.to = range.from.take();
                    range.label = format!("before {}", range.label);
                }
                _ => {
                    joined.push(mention);
                    continue;
                }
            }
            range.unit = None;
            mention.start -= 1;
        }
        joined.push(mention);
    }
    joined
}

/// "September and October 2026": what was said without a year takes that of what follows.
fn lend_year(first: &mut TimeMention, second: &Range) {
    let Some(year) = second.from.map(|from| from.year()).filter(|_| !second.is_relative) else { return };
    let (month, day, unit) = match &first.when {
        When::Month(month) if second.unit == Some(Grain::Month) => (*month, 1, Grain::Month),
        When::Range(Range { from: Some(from), is_relative: true, unit: Some(Grain::Day), .. })
            if second.unit == Some(Grain::Day) =>
        {
            (from.month(), from.day(), Grain::Day)
        }
        _ => return,
    };
    let Some(from) = NaiveDate::from_ymd_opt(year, month, day) else { return };
    let from =
        if second.from.is_some_and(|second| second < from) { next(from, Grain::Year, -1) } else { from };
    let name = MONTHS[month as usize - 1];
    let label = if unit == Grain::Month {
        format!("{name} {}", from.year())
    } else {
        format!("{name} {day}, {}", from.year())
    };
    let range = Range {
        from: Some(from),
        to: Some(next(from, unit, 1)),
        label,
        is_relative: false,
        unit: Some(unit),
    };
    first.when = When::Range(range);
}

/// The first day of the unit that holds a day; weeks start on Monday.
pub(super) fn start_of(day: NaiveDate, grain: Grain) -> NaiveDate {
    let start = match grain {
        Grain::Hour | Grain::Day => Some(day),
        Grain::Week => day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday()))),
        Grain::Month => day.with_day(1),
        Grain::Quarter => day.with_day(1).and_then(|first| first.with_month((first.month0() / 3) * 3 + 1)),
        Grain::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1),
    };
    start.unwrap_or(day)
}

/// The day a number of units later, or earlier where it is negative. Hours count as days.
pub(super) fn next(day: NaiveDate, grain: Grain, count: i64) -> NaiveDate {
    let months = |per_unit: u32| {
        let months = Months::new(per_unit.saturating_mul(count.unsigned_abs() as u32));
        if count < 0 { day.checked_sub_months(months) } else { day.checked_add_months(months) }
    };
    let days = |per_unit: u64| {
        let days = Days::new(per_unit.saturating_mul(count.unsigned_abs()));
        if count < 0 { day.checked_sub_days(days) } else { day.checked_add_days(days) }
    };
    let moved = match grain {
        Grain::Hour | Grain::Day => days(1),
        Grain::Week => days(7),
        Grain::Month => months(1),
        Grain::Quarter => months(3),
        Grain::Year => months(12),
    };
    moved.unwrap_or(day)
}

/// The period of the same length before a range: the calendar unit before, where it is one, else as many days.
pub(super) fn period_before(range: &Range) -> Option<Range> {
    let (from, to) = range.from.zip(range.to)?;
    let before = range
        .unit
        .map_or_else(|| next(from, Grain::Day, -(to - from).num_days()), |unit| next(from, unit, -1));
    let label = range
        .unit
        .map_or_else(|| "the period before".to_owned(), |unit| format!("the {} before", unit.word()));
    Some(Range {
        from: Some(before),
        to: Some(from),
        label,
        is_relative: range.is_relative,
        unit: range.unit,
    })
}

/// The same range a year earlier; weeks stay weeks (52 of them).
pub(super) fn year_before(range: &Range) -> Option<Range> {
    let (from, to) = range.from.zip(range.to)?;
    let shift = |day| match range.unit {
        Some(Grain::Week | Grain::Day) => next(day, Grain::Week, -52),
        _ => next(day, Grain::Year, -1),
    };
    let label = "a year earlier".to_owned();
    Some(Range {
        from: Some(shift(from)),
        to: Some(shift(to)),
        label,
        is_relative: range.is_relative,
        unit: range.unit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin::words::tokenise;

    /// A Sunday.
    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day")
    }

    fn spans(text: &str) -> Vec<String> {
        find(&tokenise(text), today())
            .into_iter()
            .map(|mention| match mention.when {
                When::Range(range) => {
                    let bound = |day: Option<NaiveDate>| day.map_or("…".to_owned(), |day| day.to_string());
                    format!("{}/{}", bound(range.from), bound(range.to))
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn phrases_become_days() {
        for (text, expected) in [
            ("sales yesterday", "2026-11-21/2026-11-22"),
            ("sales last week", "2026-11-09/2026-11-16"),
            ("sales this month", "2026-11-01/2026-11-23"),
            ("sales last quarter", "2026-07-01/2026-10-01"),
            ("sales over the last 30 days", "2026-10-23/2026-11-22"),
            ("sales in the past two weeks", "2026-11-02/2026-11-16"),
            ("sales year to date", "2026-01-01/2026-11-23"),
            ("sales 3 months ago", "2026-08-01/2026-09-01"),
            ("sales in July 2024", "2024-07-01/2024-08-01"),
            ("sales in 2024", "2024-01-01/2025-01-01"),
            ("sales on July 4, 2024", "2024-07-04/2024-07-05"),
            ("sales on 4 July 2024", "2024-07-04/2024-07-05"),
            ("sales on 2024-07-04", "2024-07-04/2024-07-05"),
            ("sales in Q2 2024", "2024-04-01/2024-07-01"),
            ("sales since March 2024", "2024-03-01/…"),
            ("sales before 2020", "…/2020-01-01"),
            ("sales after 2020", "2021-01-01/…"),
            ("sales from March 2024 to May 2024", "2024-03-01/2024-06-01"),
            ("sales between 2019 and 2021", "2019-01-01/2022-01-01"),
            ("sales from September to October 2024", "2024-09-01/2024-11-01"),
            ("sales between May 1 and May 15, 2024", "2024-05-01/2024-05-16"),
            ("sales on May 3", "2026-05-03/2026-05-04"),
            ("sales in July", "Month(7)"),
            ("sales in the first quarter", "Quarter(1)"),
            ("sales on Mondays", "Weekday(1)"),
            ("sales last Monday", "2026-11-16/2026-11-17"),
        ] {
            assert_eq!(spans(text), [expected], "{text}");
        }
    }

    #[test]
    fn comparisons_name_a_period_before() {
        assert_eq!(
            spans("last week compared with the week before"),
            ["2026-11-09/2026-11-16", "Before(Some(Week))"]
        );
        assert_eq!(
            spans("How did sales change from May 2024 to June 2024?"),
            ["2024-05-01/2024-06-01", "2024-06-01/2024-07-01"]
        );
        assert_eq!(spans("last week vs previous week"), ["2026-11-09/2026-11-16", "Before(Some(Week))"]);
        let week = Range {
            from: NaiveDate::from_ymd_opt(2026, 3, 1),
            to: NaiveDate::from_ymd_opt(2026, 4, 1),
            label: "March".into(),
            is_relative: false,
            unit: Some(Grain::Month),
        };
        let before = period_before(&week).expect("a period");
        assert_eq!((before.from, before.to), (NaiveDate::from_ymd_opt(2026, 2, 1), week.from));
    }

    #[test]
    fn other_numbers_are_no_dates() {
        for text in [
            "orders over 2000 dollars",
            "top 10 orders",
            "may I see 5 orders",
            "room 2024 b",
            "the march of time",
        ] {
            assert!(spans(text).is_empty(), "{text}: {:?}", spans(text));
        }
    }
}
