//! Days and times of day as prose writes them.

use super::{Kind, Numeral, PartialDate, ascii_digits, last_word};
use crate::months::MONTHS;

/// `2013-07-04`, `2013-07`, `7/4/2013`, `4.7.2013`.
pub(super) fn numeric_date(rest: &str) -> Option<(usize, Kind)> {
    let first = ascii_digits(rest);
    let separator = rest[first..].chars().next().filter(|c| matches!(c, '-' | '/' | '.'))?;
    let second_at = first + 1;
    let second = ascii_digits(&rest[second_at..]);
    let number = |from: usize, length: usize| rest[from..from + length].parse::<u32>().ok();
    let is_end = |at: usize| !rest[at..].starts_with(|c: char| c.is_alphanumeric());
    let after = &rest[second_at + second..];
    let third_at = second_at + second + 1;
    let third = if after.starts_with(separator) { ascii_digits(&rest[third_at..]) } else { 0 };
    let month = |value: u32| (1..=12).contains(&value).then_some(value);
    let day = |value: u32| (1..=31).contains(&value).then_some(value);
    let date = |year: u32, month: u32, day: Option<u32>, length: usize| {
        let year = i32::try_from(year).ok()?;
        Some((length, Kind::Date(PartialDate { year: Some(year), month, day })))
    };
    match (first, second, third) {
        (4, 1 | 2, 1 | 2) if separator != '.' => {
            let length = third_at + third;
            // A time may follow: `2013-07-04T10:00` is read up to the day, and the time by itself.
            date(
                number(0, 4)?,
                month(number(second_at, second)?)?,
                Some(day(number(third_at, third)?)?),
                length,
            )
        }
        (4, 2, 0) if separator == '-' && is_end(second_at + second) => {
            date(number(0, 4)?, month(number(second_at, 2)?)?, None, second_at + second)
        }
        (1 | 2, 1 | 2, 4) if separator != '-' && is_end(third_at + third) => {
            let (one, two) = (number(0, first)?, number(second_at, second)?);
            let day_first = separator == '.' || one > 12;
            let (month_number, day_number) = if day_first { (two, one) } else { (one, two) };
            date(number(third_at, 4)?, month(month_number)?, Some(day(day_number)?), third_at + third)
        }
        _ => None,
    }
}

/// `9:05`, `09:05:30`.
pub(super) fn time(rest: &str) -> Option<(usize, Kind)> {
    let hours = ascii_digits(rest);
    let minutes = rest[hours..].strip_prefix(':').map(ascii_digits)?;
    if !(1..=2).contains(&hours) || minutes != 2 {
        return None;
    }
    let mut length = hours + 3;
    if rest[length..].strip_prefix(':').map(ascii_digits) == Some(2) {
        length += 3;
    }
    let hour: u32 = rest[..hours].parse().ok()?;
    Some((length, Kind::Time(format!("{hour:02}:{}", &rest[hours + 1..hours + 3]))))
}

/// `July 4`, `4 July 2013`, `the 4th of July`.
pub(super) fn worded_date(text: &str, start: usize) -> Option<Numeral> {
    let digits = ascii_digits(&text[start..]);
    let day: u32 =
        text[start..start + digits].parse().ok().filter(|day| (1..=31).contains(day) && digits <= 2)?;
    let after_digits = &text[start + digits..];
    let suffix = ["st", "nd", "rd", "th"].into_iter().find(|suffix| {
        after_digits.starts_with(suffix) && !after_digits[2..].starts_with(char::is_alphanumeric)
    });
    let end = start + digits + suffix.map_or(0, str::len);
    if text[end..].starts_with(|c: char| c.is_alphanumeric() || c == '%') {
        return None;
    }
    let month_before = last_word(&text[..start]).and_then(month_number);
    if let Some(month) = month_before {
        // "May 4" the month, and "may 4 of them" the verb, differ in their capital: `month_number` demands it.
        let (year, length) = year_at(text[end..].strip_prefix(',').unwrap_or(&text[end..]));
        let comma = usize::from(year.is_some() && text[end..].starts_with(','));
        let end = if year.is_some() { end + comma + length } else { end };
        return Some(Numeral {
            range: start..end,
            kind: Kind::Date(PartialDate { year, month, day: Some(day) }),
        });
    }
    let after = text[end..].strip_prefix(' ')?;
    let after = after.strip_prefix("of ").unwrap_or(after);
    let word: String = after.chars().take_while(|c| c.is_alphabetic()).collect();
    let month = month_number(&word)?;
    let word_end = text.len() - after.len() + word.len();
    let (year, length) = year_at(&text[word_end..]);
    let end = word_end + length;
    Some(Numeral { range: start..end, kind: Kind::Date(PartialDate { year, month, day: Some(day) }) })
}

/// A year after a space, and how far it reaches.
fn year_at(rest: &str) -> (Option<i32>, usize) {
    let Some(digits) = rest.strip_prefix(' ') else { return (None, 0) };
    let is_year = ascii_digits(digits) == 4 && !digits[4..].starts_with(char::is_alphanumeric);
    let year = digits.get(..4).filter(|_| is_year).and_then(|year| year.parse().ok());
    if year.is_some() { (year, 5) } else { (None, 0) }
}

/// The month that a capitalised English word names.
fn month_number(word: &str) -> Option<u32> {
    let word = word.trim_end_matches('.');
    let position = MONTHS.iter().position(|month| {
        word == *month || (word.len() >= 3 && word.len() <= 4 && month.starts_with(word)) || word == "Sept"
    });
    let position = if word == "Sept" { Some(8) } else { position };
    position.and_then(|position| u32::try_from(position + 1).ok())
}
