//! How a figure is written out.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use domain::table::{Cell, ColumnType};

use super::expression::Value;

/// The most decimals.
const DECIMALS_MAX: usize = 10;
/// The longest text of a figure, in characters; a longer cell is cut with an ellipsis.
const TEXT_MAX: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Format {
    ByType,
    Number(Option<usize>),
    Percent(usize),
    Currency { code: [u8; 3], decimals: Option<usize> },
    Date,
    Text,
}

impl Format {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split(':').map(str::trim);
        let name = words.next().unwrap_or_default();
        let first = words.next();
        let second = words.next();
        if words.next().is_some() {
            return Err(format!("the format `{text}` has too many parts"));
        }
        match (name, first, second) {
            ("number", decimals, None) => Ok(Self::Number(decimals.map(parse_decimals).transpose()?)),
            ("percent", decimals, None) => Ok(Self::Percent(decimals.map_or(Ok(1), parse_decimals)?)),
            ("currency", Some(code), decimals) => {
                let bytes: [u8; 3] =
                    code.as_bytes().try_into().map_err(|_| "a currency has three letters: currency:USD")?;
                if !bytes.iter().all(u8::is_ascii_alphabetic) {
                    return Err("a currency has three letters: currency:USD".into());
                }
                Ok(Self::Currency {
                    code: bytes.map(|byte| byte.to_ascii_uppercase()),
                    decimals: decimals.map(parse_decimals).transpose()?,
                })
            }
            ("date", None, None) => Ok(Self::Date),
            ("text", None, None) => Ok(Self::Text),
            _ => Err(format!(
                "`{text}` is no format; there are number:N, percent:N, currency:USD, date and text"
            )),
        }
    }
}

fn parse_decimals(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|decimals| *decimals <= DECIMALS_MAX)
        .ok_or_else(|| format!("decimals must be a whole number from 0 to {DECIMALS_MAX}"))
}

/// Writes a value out. Never answers an empty text.
pub(super) fn format(value: &Value, format: Format) -> Result<String, String> {
    let text = match format {
        Format::ByType => by_type(value),
        Format::Number(decimals) => Ok(number(value, decimals, 1.0)?),
        Format::Percent(decimals) => Ok(format!("{}%", number(value, Some(decimals), 100.0)?)),
        Format::Currency { code, decimals } => currency(value, code, decimals),
        Format::Date => date(value),
        Format::Text => Ok(plain(value)),
    }?;
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Err("the cell is empty text; say so in words".into());
    }
    if text.chars().count() <= TEXT_MAX {
        return Ok(text);
    }
    Ok(text.chars().take(TEXT_MAX).chain(['…']).collect())
}

fn by_type(value: &Value) -> Result<String, String> {
    match value {
        Value::Cell(_, kind) if kind.is_temporal() => date(value),
        Value::Cell(_, kind) if !kind.is_numeric() => Ok(plain(value)),
        Value::Cell(..) | Value::Number(_) | Value::Whole(_) => number(value, None, 1.0),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Cell(cell, _) => cell.to_plain(),
        Value::Number(number) => number.to_string(),
        Value::Whole(number) => number.to_string(),
    }
}

/// A number with thousands separated; without `decimals` a whole number has none and another at most two.
fn number(value: &Value, decimals: Option<usize>, factor: f64) -> Result<String, String> {
    let digits = match value {
        Value::Whole(whole) if is_one(factor) => pad(whole.to_string(), decimals),
        Value::Cell(Cell::Int(whole), _) if is_one(factor) => pad(whole.to_string(), decimals),
        Value::Cell(Cell::Text(text), ColumnType::Decimal) if is_one(factor) && is_plain_decimal(text) => {
            round_decimal(text, decimals)
        }
        _ => {
            let number = match value {
                Value::Cell(cell, kind) if kind.is_numeric() => cell.as_f64(),
                Value::Cell(..) => None,
                Value::Number(number) => Some(*number),
                Value::Whole(whole) => Some(*whole as f64),
            };
            let number = number.ok_or("the cell is no number; use |text or |date")? * factor;
            if !number.is_finite() {
                return Err("the value is no finite number".into());
            }
            match decimals {
                Some(decimals) => format!("{number:.decimals$}"),
                None => trim_zeros(&format!("{number:.2}")),
            }
        }
    };
    Ok(group(&digits))
}

#[expect(clippy::float_cmp, reason = "the factor is one of two constants")]
fn is_one(factor: f64) -> bool {
    factor == 1.0
}

fn pad(digits: String, decimals: Option<usize>) -> String {
    match decimals {
        None | Some(0) => digits,
        Some(decimals) => format!("{digits}.{}", "0".repeat(decimals)),
    }
}

fn is_plain_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Rounds an exact decimal, half away from zero, without passing through a double.
fn round_decimal(text: &str, decimals: Option<usize>) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = decimals.unwrap_or(2);
    let mut kept: Vec<u8> =
        whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(places)).collect();
    if fraction.as_bytes().get(places).is_some_and(|next| *next >= b'5') {
        let mut at = kept.len();
        loop {
            if at == 0 {
                kept.insert(0, b'1');
                break;
            }
            at -= 1;
            if kept[at] < b'9' {
                kept[at] += 1;
                break;
            }
            kept[at] = b'0';
        }
    }
    let split = kept.len() - places;
    let whole: String = kept[..split].iter().map(|byte| char::from(*byte)).collect();
    let fraction: String = kept[split..].iter().map(|byte| char::from(*byte)).collect();
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let rounded = if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    if decimals.is_none() { trim_zeros(&rounded) } else { rounded }
}

fn trim_zeros(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

/// Separates thousands, and writes no negative zero.
fn group(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let sign = if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) { "" } else { sign };
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

fn currency(value: &Value, code: [u8; 3], decimals: Option<usize>) -> Result<String, String> {
    let decimals = decimals.unwrap_or(match &code {
        b"JPY" | b"KRW" | b"VND" | b"CLP" | b"ISK" => 0,
        _ => 2,
    });
    let digits = number(value, Some(decimals), 1.0)?;
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let symbol = match &code {
        b"USD" => "$",
        b"EUR" => "€",
        b"GBP" => "£",
        b"JPY" => "¥",
        b"INR" => "₹",
        other => {
            let code: String = other.iter().map(|byte| char::from(*byte)).collect();
            return Ok(format!("{sign}{code} {digits}"));
        }
    };
    Ok(format!("{sign}{symbol}{digits}"))
}

/// `Nov 3, 2026`, with the time where there is one: `Nov 3, 2026, 14:05`.
fn date(value: &Value) -> Result<String, String> {
    let Value::Cell(Cell::Text(text), _) = value else {
        return Err("the cell is no date; use |number or |text".into());
    };
    let Some(moment) = parse_moment(text) else {
        return Err("the cell is no date; use |text".into());
    };
    if moment.time() == NaiveTime::MIN {
        return Ok(moment.format("%b %-d, %Y").to_string());
    }
    Ok(moment.format("%b %-d, %Y, %H:%M").to_string())
}

/// Reads the ways in which cells hold dates and times.
pub(super) fn parse_moment(text: &str) -> Option<NaiveDateTime> {
    let date_time = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let spaced = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok();
    let instant = || DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.naive_utc());
    let date = || text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN));
    date_time().or_else(spaced).or_else(instant).or_else(date)
}
