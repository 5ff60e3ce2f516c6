//! Numerals in prose: finding them and reading what they claim.

mod date;

use std::ops::Range;

use chrono::{Datelike, NaiveDate};

use date::{numeric_date, time, worded_date};

/// A numeral as it stands in a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numeral {
    /// Where it stands, with its currency sign and unit.
    pub(super) range: Range<usize>,
    /// What it says.
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A quantity.
    Quantity(Quantity),
    /// A day, or a day of any year, or a month.
    Date(PartialDate),
    /// A time of day, as `HH:MM`.
    Time(String),
    /// `1st`, `#3`, `No. 2`: a place in an order.
    Ordinal(f64),
    /// The number of an entry of a numbered list.
    ListMarker,
    /// Digits that are none of these: `1.2.3`, `737-8AX`.
    Code,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartialDate {
    pub(super) year: Option<i32>,
    pub(super) month: u32,
    pub(super) day: Option<u32>,
}

impl PartialDate {
    /// Whether both may be the same date, as far as each says.
    pub(super) fn agrees_with(self, other: Self) -> bool {
        let agree = |one: Option<u32>, two: Option<u32>| one.is_none() || two.is_none() || one == two;
        self.month == other.month
            && agree(self.day, other.day)
            && (self.year.is_none() || other.year.is_none() || self.year == other.year)
    }

    /// The day before a whole date.
    pub(super) fn day_before(self) -> Option<Self> {
        let date = NaiveDate::from_ymd_opt(self.year?, self.month, self.day?)?;
        date.pred_opt().map(|date| Self::of(&date))
    }

    pub(super) fn of(date: &impl Datelike) -> Self {
        Self { year: Some(date.year()), month: date.month(), day: Some(date.day()) }
    }
}

#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent marks of how the numeral is written")]
pub(super) struct Quantity {
    /// Its value, sign and scale applied. `1.2 million` is 1,200,000; `12%` is 12.
    pub(super) value: f64,
    /// The place that it is rounded to, scale applied: 0.1 million for `1.2 million`.
    pub(super) place: f64,
    /// Whether it is in per cent.
    pub(super) is_percent: bool,
    /// Whether it wears a sign of its own.
    pub(super) is_signed: bool,
    /// Whether it may be a year: four digits, nothing else.
    pub(super) is_year: bool,
    /// Whether it is a bare whole number, as a count is.
    pub(super) is_whole: bool,
    /// `5m` may be five million or five of something: the other reading's factor.
    pub(super) other_scale: Option<f64>,
}

/// What stands beside a stretch of prose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours {
    pub(super) figure_before: bool,
    pub(super) figure_after: bool,
}

/// Prose that would change what a figure beside it says: a digit, a sign or a scale that touches it.
pub(super) fn meddling(prose: &str, neighbours: Neighbours) -> Option<&'static str> {
    let prose = normalise(prose);
    if neighbours.figure_before {
        let mut following = prose.chars();
        let first = following.next();
        let second = following.next();
        let continues = first.is_some_and(char::is_numeric)
            || (matches!(first, Some('.' | ',')) && second.is_some_and(char::is_numeric));
        if continues {
            return Some("a digit touches the figure before it; a figure shows its whole value by itself");
        }
        let word = prose.trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        if scale_word(word).is_some() || matches!(word, "k" | "M" | "B") && prose.starts_with(word) {
            return Some(
                "a figure shows its whole value, so no `million` or `k` may follow it; leave the word out",
            );
        }
    }
    if neighbours.figure_after {
        let mut preceding = prose.chars().rev();
        let last = preceding.next();
        let second = preceding.next();
        let continues = last.is_some_and(char::is_numeric)
            || (matches!(last, Some('.' | ',')) && second.is_some_and(char::is_numeric));
        if continues {
            return Some("a digit touches the figure after it; a figure shows its whole value by itself");
        }
        let is_sign = matches!(last, Some('-' | '−')) && second.is_none_or(|c| c.is_whitespace() || c == '(');
        if is_sign {
            return Some("a minus sign touches the figure after it; a figure shows its sign by itself");
        }
    }
    None
}

/// Writes look-alike digits as digits and drops what is not seen, so that no numeral hides from the scan.
pub(super) fn normalise(prose: &str) -> String {
    decode_references(prose)
        .chars()
        .filter(|c| {
            !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}' | '\u{202a}'..='\u{202e}')
        })
        .map(|c| digit_of(c).map_or(c, |digit| char::from(b'0' + digit)))
        .collect()
}

/// The value of a decimal digit of another script or style.
fn digit_of(c: char) -> Option<u8> {
    const ZEROS: [u32; 13] =
        [0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xe50, 0xed0, 0x2080, 0xff10];
    let code = u32::from(c);
    match code {
        // Five alphabets of mathematical digits, one after the other.
        0x1d7ce..=0x1d7ff => return u8::try_from((code - 0x1d7ce) % 10).ok(),
        0xb2 | 0xb3 => return u8::try_from(code - 0xb0).ok(),
        0xb9 => return Some(1),
        0x2070 | 0x2074..=0x2079 => return u8::try_from(code - 0x2070).ok(),
        _ => {}
    }
    let zero = ZEROS.into_iter().find(|zero| (*zero..*zero + 10).contains(&code))?;
    u8::try_from(code - zero).ok()
}

/// `&#53;` and `&#x35;` as the characters that a renderer of markdown would show.
fn decode_references(prose: &str) -> String {
    let mut decoded = String::with_capacity(prose.len());
    let mut rest = prose;
    while let Some(at) = rest.find("&#") {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.char_indices().take(12).find(|(_, c)| *c == ';').map(|(end, _)| end);
        let character = end.and_then(|end| {
            let digits = &rest[2..end];
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => digits.parse().ok(),
            }?;
            char::from_u32(code).filter(|c| c.is_alphanumeric())
        });
        if let (Some(character), Some(end)) = (character, end) {
            decoded.push(character);
            rest = &rest[end + 1..];
        } else {
            decoded.push_str("&#");
            rest = &rest[2..];
        }
    }
    decoded.push_str(rest);
    decoded
}

/// Every numeral of a text, in order. Digits inside a word (`A320`, `Q3`) belong to the word.
pub(super) fn scan(text: &str) -> Vec<Numeral> {
    scan_on(text, &mut 0)
}

/// As [`scan`], for the next piece of a text that figures cut up: `last_marker` is the number of the last entry of a numbered
/// list so far.
pub(super) fn scan_on(text: &str, last_marker: &mut u32) -> Vec<Numeral> {
    let mut numerals = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(char::is_numeric) {
        let start = at + found;
        if let Some(end) = end_of_word_with_digits(text, start) {
            at = end;
            continue;
        }
        if let Some((number, end)) = list_marker(text, start)
            && (number == last_marker.saturating_add(1) || number <= 1)
        {
            *last_marker = number;
            numerals.push(Numeral { range: start..end, kind: Kind::ListMarker });
            at = end;
            continue;
        }
        let numeral = read(text, start);
        at = numeral.range.end.max(start + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
        numerals.push(numeral);
    }
    numerals
}

/// The end of a word that has begun with letters before `start`; none when the digits stand for themselves.
fn end_of_word_with_digits(text: &str, start: usize) -> Option<usize> {
    let before = &text[..start];
    let word_start = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphanumeric() || *c == '_')
        .last()
        .map_or(start, |(at, _)| at);
    let word = &before[word_start..];
    if word.is_empty() || is_currency(word) {
        return None;
    }
    let length = text[start..]
        .char_indices()
        .find(|(_, c)| !c.is_alphanumeric() && *c != '_')
        .map_or(text.len() - start, |(at, _)| at);
    Some(start + length)
}

fn is_currency(word: &str) -> bool {
    const CODES: [&str; 20] = [
        "USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "CNY", "INR", "BRL", "MXN", "SEK", "NOK", "DKK",
        "PLN", "SGD", "HKD", "NZD", "ZAR", "KRW",
    ];
    CODES.contains(&word)
}

/// `3. ` or `3) ` at the start of a line: its number and where the digits end.
fn list_marker(text: &str, start: usize) -> Option<(u32, usize)> {
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    if !text[line..start].chars().all(|c| c == ' ' || c == '>') {
        return None;
    }
    let length = ascii_digits(&text[start..]);
    let mut after = text[start + length..].chars();
    let is_marker = matches!(after.next(), Some('.' | ')')) && after.next().is_none_or(char::is_whitespace);
    let number = text[start..start + length].parse().ok()?;
    is_marker.then_some((number, start + length))
}

fn ascii_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Reads the numeral whose first digit is at `start`.
fn read(text: &str, start: usize) -> Numeral {
    let rest = &text[start..];
    if ascii_digits(rest) == 0 {
        // A fraction, a circled or a Roman digit: a numeral that nothing can be compared with.
        let length = rest.chars().next().map_or(1, char::len_utf8);
        return Numeral { range: start..start + length, kind: Kind::Code };
    }
    if let Some((length, kind)) = numeric_date(rest).or_else(|| time(rest)) {
        return Numeral { range: start..start + length, kind };
    }
    if let Some(numeral) = worded_date(text, start) {
        return numeral;
    }
    quantity(text, start)
}

pub(super) fn last_word(before: &str) -> Option<&str> {
    let trimmed = before.trim_end_matches([' ', '\u{a0}']);
    let trimmed = trimmed.strip_suffix('.').unwrap_or(trimmed);
    let start =
        trimmed.char_indices().rev().take_while(|(_, c)| c.is_alphabetic()).last().map(|(at, _)| at)?;
    Some(&trimmed[start..])
}

/// A factor that a whole word stands for.
fn scale_word(word: &str) -> Option<f64> {
    match word.to_lowercase().as_str() {
        "hundred" => Some(1e2),
        "thousand" | "thousands" => Some(1e3),
        "million" | "millions" | "mn" | "mio" => Some(1e6),
        "billion" | "billions" | "bn" => Some(1e9),
        "trillion" | "trillions" | "tn" => Some(1e12),
        _ => None,
    }
}

fn quantity(text: &str, start: usize) -> Numeral {
    let (mut end, digits, decimals) = number_at(text, start);
    let goes_on = |end: usize| {
        let mut following = text[end..].chars();
        matches!(following.next(), Some('.' | ':' | '/'))
            && following.next().is_some_and(|c| c.is_ascii_digit())
    };
    if goes_on(end) {
        let length = text[start..]
            .char_indices()
            .find(|(_, c)| !c.is_ascii_digit() && !matches!(c, '.' | ':' | '/'))
            .map_or(text.len() - start, |(at, _)| at);
        let code = text[start..start + length].trim_end_matches(['.', ':', '/']);
        return Numeral { range: start..start + code.len(), kind: Kind::Code };
    }
    let magnitude: f64 = digits.parse().unwrap_or(f64::INFINITY);
    let is_bare = end - start == digits.len() && decimals == 0;
    let (begin, sign, has_currency, is_hash) = lead(text, start);

    let mut exponent = 0;
    if let Some((length, value)) = exponent_at(&text[end..]) {
        end += length;
        exponent = value;
    }
    let unit = unit_at(&text[end..]);
    if let Unit::Word(length) = unit
        && text[end..end + length].contains(|c: char| c.is_ascii_digit())
    {
        return Numeral { range: begin..end + length, kind: Kind::Code };
    }
    let (length, scale, other_scale, is_percent) = match unit {
        Unit::None | Unit::Word(_) => (0, 1.0, None, false),
        Unit::Scale { length, factor } => (length, factor, None, false),
        Unit::Ambiguous { length, factor } => (length, 1.0, Some(factor), false),
        Unit::Percent(length) => (length, 1.0, None, true),
        Unit::Ordinal(length) => {
            return Numeral { range: begin..end + length, kind: Kind::Ordinal(magnitude) };
        }
    };
    let end = end + length;
    if is_hash
        || last_word(&text[..begin]).is_some_and(|word| matches!(word, "No" | "no" | "number" | "rank"))
    {
        return Numeral { range: begin..end, kind: Kind::Ordinal(magnitude) };
    }
    let scale = scale * 10f64.powi(exponent);
    // `58.665` may be a fraction or, where dots part thousands, a whole number; `0.345` is a fraction.
    let is_one_group = decimals == 3
        && digits.find('.').is_some_and(|at| at <= 3)
        && !digits.starts_with('0')
        && length == 0
        && exponent == 0;
    let other_scale = other_scale.or(is_one_group.then_some(1e3));
    let is_bare = is_bare && length == 0 && exponent == 0 && !has_currency && sign.is_none();
    let quantity = Quantity {
        value: magnitude * scale * if sign.is_some() { -1.0 } else { 1.0 },
        place: 10f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX)) * scale,
        is_percent,
        is_signed: sign.is_some(),
        is_year: is_bare && digits.len() == 4 && (1900.0..=2100.0).contains(&magnitude),
        is_whole: is_bare,
        other_scale,
    };
    Numeral { range: begin..end, kind: Kind::Quantity(quantity) }
}

/// The digits of a number with its thousands separators taken out: where it ends, the digits, how many are decimals.
fn number_at(text: &str, start: usize) -> (usize, String, usize) {
    if let Some(continental) = continental(text, start) {
        return continental;
    }
    let first = ascii_digits(&text[start..]);
    let mut end = start + first;
    let mut digits = text[start..end].to_owned();
    // Thousands are separated only after a group of at most three digits.
    while let Some(separator) = text[end..].chars().next().filter(|_| (1..=3).contains(&first)) {
        if !matches!(separator, ',' | '\u{202f}' | '\u{a0}' | '\u{2009}' | '\'' | '’' | '_') {
            break;
        }
        let group = end + separator.len_utf8();
        if ascii_digits(&text[group..]) != 3 {
            break;
        }
        digits.push_str(&text[group..group + 3]);
        end = group + 3;
    }
    let decimals = text[end..].strip_prefix('.').map_or(0, ascii_digits);
    if decimals > 0 {
        digits.push_str(&text[end..=end + decimals]);
        end += 1 + decimals;
    }
    (end, digits, decimals)
}

/// A number as much of the world writes it: `1.234.567`, `1 234,5`, `12,6`. As [`number_at`]; none where it can be read in
/// English as well, as `1.234` can.
fn continental(text: &str, start: usize) -> Option<(usize, String, usize)> {
    let first = ascii_digits(&text[start..]);
    let mut end = start + first;
    let mut digits = text[start..end].to_owned();
    let mut groups = 0;
    let parts = ['.', '\u{202f}', '\u{a0}', '\u{2009}', '\'', '’'];
    let separator = text[end..].chars().next().filter(|c| first <= 3 && parts.contains(c));
    while let Some(separator) = separator.filter(|separator| text[end..].starts_with(*separator)) {
        let group = end + separator.len_utf8();
        if ascii_digits(&text[group..]) != 3 {
            break;
        }
        digits.push_str(&text[group..group + 3]);
        end = group + 3;
        groups += 1;
    }
    let decimals = text[end..].strip_prefix(',').map_or(0, ascii_digits);
    let after = &text[end + usize::from(decimals > 0) + decimals..];
    let goes_on = after.starts_with([',', '.']) && after[1..].starts_with(|c: char| c.is_ascii_digit());
    // Three digits after a comma are thousands, unless thousands are parted by dots already.
    let has_decimals = decimals > 0 && !goes_on && (decimals != 3 || groups > 0);
    if has_decimals {
        digits.push('.');
        digits.push_str(&text[end + 1..=end + decimals]);
        return Some((end + 1 + decimals, digits, decimals));
    }
    (separator == Some('.') && groups > 1 && !goes_on).then_some((end, digits, 0))
}

/// What stands before a number: where its currency or sign begins, the minus, whether there is a currency, a `#`.
fn lead(text: &str, start: usize) -> (usize, Option<char>, bool, bool) {
    let mut begin = start;
    let mut has_currency = false;
    if let Some(symbol) =
        text[..begin].chars().next_back().filter(|c| matches!(c, '$' | '€' | '£' | '¥' | '₹'))
    {
        begin -= symbol.len_utf8();
        has_currency = true;
    } else {
        let before = text[..begin].trim_end_matches([' ', '\u{a0}']);
        let word = &before[before.len() - before.bytes().rev().take_while(u8::is_ascii_alphabetic).count()..];
        if is_currency(word) {
            begin = before.len() - word.len();
            has_currency = true;
        }
    }
    let last = text[..begin].chars().next_back();
    if last == Some('#') {
        return (begin - 1, None, has_currency, true);
    }
    let Some(sign) = last.filter(|c| matches!(c, '-' | '−' | '–' | '‐' | '‑')) else {
        return (begin, None, has_currency, false);
    };
    let before_sign = text[..begin - sign.len_utf8()].chars().next_back();
    if before_sign
        .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '[' | '*' | '_' | '|' | '`' | '"' | '“'))
    {
        return (begin - sign.len_utf8(), Some(sign), has_currency, false);
    }
    (begin, None, has_currency, false)
}

/// `e6`, `E-3` directly after a number.
fn exponent_at(rest: &str) -> Option<(usize, i32)> {
    let after = rest.strip_prefix(['e', 'E'])?;
    let sign = usize::from(after.starts_with(['+', '-']));
    let digits = ascii_digits(&after[sign..]);
    let is_end = !after[sign + digits..].starts_with(char::is_alphanumeric);
    let value = after[..sign + digits].parse().ok().filter(|value: &i32| (-300..=300).contains(value))?;
    (digits > 0 && is_end).then_some((1 + sign + digits, value))
}

enum Unit {
    None,
    /// Letters without a meaning for the value: `ms`, `km`.
    Word(usize),
    Scale {
        length: usize,
        factor: f64,
    },
    /// Letters that may be a scale or a unit: `5m`.
    Ambiguous {
        length: usize,
        factor: f64,
    },
    Percent(usize),
    Ordinal(usize),
}

fn unit_at(rest: &str) -> Unit {
    let spaces = rest.len() - rest.trim_start_matches([' ', '\u{a0}', '\u{202f}', '-']).len();
    let after = &rest[spaces..];
    if after.starts_with(['%', '٪']) {
        return Unit::Percent(spaces + after.chars().next().map_or(0, char::len_utf8));
    }
    let length = after.char_indices().find(|(_, c)| !c.is_alphanumeric()).map_or(after.len(), |(at, _)| at);
    let word = &after[..length];
    if matches!(word, "percent" | "pct" | "pp") {
        return Unit::Percent(spaces + length);
    }
    for phrase in ["per cent", "percentage points", "percentage point"] {
        if after.starts_with(phrase) {
            return Unit::Percent(spaces + phrase.len());
        }
    }
    if let Some(factor) = scale_word(word) {
        return Unit::Scale { length: spaces + length, factor };
    }
    if spaces > 0 {
        return Unit::None;
    }
    match word {
        "" => Unit::None,
        "k" | "K" => Unit::Scale { length, factor: 1e3 },
        "M" | "MM" => Unit::Scale { length, factor: 1e6 },
        "B" => Unit::Scale { length, factor: 1e9 },
        "m" => Unit::Ambiguous { length, factor: 1e6 },
        "b" => Unit::Ambiguous { length, factor: 1e9 },
        "t" | "T" => Unit::Ambiguous { length, factor: 1e12 },
        "st" | "nd" | "rd" | "th" => Unit::Ordinal(length),
        _ => Unit::Word(length),
    }
}
