//! How numbers and times are written on axes, in legends and in tooltips.

use serde_json::{Map, Value, json};

use crate::stats::{Grain, Range};

/// From here on, axes write 12k, 1.5M, 2B.
const COMPACT_FROM: f64 = 10_000.0;

/// How a measure is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberFormat {
    /// A d3 format for tooltips and texts.
    pub(crate) exact: String,
    /// A Vega expression over `datum.value` for axes and legends, where `exact` would be too long.
    pub(crate) label: Option<String>,
}

/// How a measure of this range and name is written, unless the spec gave a format.
pub(crate) fn number(given: Option<&str>, range: Option<Range>, label: &str) -> NumberFormat {
    if let Some(given) = given {
        // SI prefixes of a whole axis write zero as `0k`, and a billion as `1G`.
        if let Some(rest) = given.strip_suffix('s') {
            let currency = if rest.contains('$') { "$" } else { "" };
            return NumberFormat { exact: format!("{currency},.2~f"), label: Some(compact(currency)) };
        }
        return NumberFormat { exact: given.to_owned(), label: None };
    }
    let Some(range) = range else {
        return NumberFormat { exact: ",.2~f".to_owned(), label: None };
    };
    let name = label.to_lowercase();
    let is_percent = name.contains("percent") || name.contains("pct") || name.contains('%');
    let is_fraction = range.reach() <= 1.0 && !range.is_whole;
    if is_fraction && (is_percent || name.contains("share")) {
        return NumberFormat { exact: ".1~%".to_owned(), label: None };
    }
    let exact = exact(range).to_owned();
    if is_percent {
        return NumberFormat { exact, label: Some("format(datum.value, ',.2~f') + '%'".to_owned()) };
    }
    let label = (range.reach() >= COMPACT_FROM).then(|| compact(""));
    NumberFormat { exact, label }
}

fn compact(currency: &str) -> String {
    // Below a thousand the prefixes would be those of thousandths.
    format!(
        "abs(datum.value) < 1000 ? format(datum.value, '{currency},.2~f') : \
         replace(format(datum.value, '{currency}.3~s'), 'G', 'B')"
    )
}

const fn exact(range: Range) -> &'static str {
    match range.reach() {
        _ if range.is_whole => ",d",
        reach if reach >= 1000.0 => ",.0f",
        reach if reach >= 100.0 => ",.1~f",
        reach if reach >= 1.0 => ",.2~f",
        _ => ",.3~r",
    }
}

/// How a time of this grain is written on its own, as a d3 format.
pub(crate) const fn time(grain: Grain) -> &'static str {
    match grain {
        Grain::Year => "%Y",
        Grain::Quarter => "Q%q %Y",
        Grain::Month => "%b %Y",
        Grain::Week | Grain::Day => "%-d %b %Y",
        Grain::Hour | Grain::Instant => "%-d %b %Y, %H:%M",
    }
}

/// How a time of this grain is written among others on an axis, as a Vega expression: the year where it begins and at the
/// first label, the day where it begins.
pub(crate) fn time_label(grain: Grain) -> String {
    let (first, year, month, rest) = match grain {
        Grain::Year => return "utcFormat(datum.value, '%Y')".to_owned(),
        Grain::Quarter => ("Q%q %Y", "Q%q %Y", "Q%q", "Q%q"),
        Grain::Month => ("%b %Y", "%b %Y", "%b", "%b"),
        Grain::Week | Grain::Day => ("%-d %b %Y", "%b %Y", "%b", "%-d %b"),
        Grain::Hour | Grain::Instant => {
            return "utcFormat(datum.value, datum.index === 0 ? '%-d %b, %H:%M' : \
                    utchours(datum.value) + utcminutes(datum.value) === 0 ? '%-d %b' : '%H:%M')"
                .to_owned();
        }
    };
    format!(
        "utcFormat(datum.value, datum.index === 0 ? (utcdate(datum.value) === 1 ? '{year}' : '{first}') : \
         utcdate(datum.value) === 1 ? (utcmonth(datum.value) === 0 ? '{year}' : '{month}') : '{rest}')"
    )
}

/// Ticks for a time axis, where Vega's own choice would fall between the values.
pub(crate) fn time_ticks(grain: Grain, values: usize) -> Option<Value> {
    let interval = match grain {
        Grain::Year if values <= 12 => "year",
        Grain::Quarter if values <= 8 => return Some(json!({"interval": "month", "step": 3})),
        Grain::Month if values <= 9 => "month",
        Grain::Day if values <= 8 => "day",
        _ => return None,
    };
    Some(json!(interval))
}

/// Sets a property that the spec left open.
pub(crate) fn default(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    map.entry(key).or_insert_with(|| value.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(least: f64, most: f64, is_whole: bool) -> Range {
        Range { least, most, is_whole }
    }

    #[test]
    fn numbers_are_written_by_their_size() {
        assert_eq!(number(None, Some(range(0.0, 900.0, true)), "Flights").exact, ",d");
        assert_eq!(number(None, Some(range(0.0, 900.0, true)), "Flights").label, None);
        assert!(number(None, Some(range(0.0, 58_665.0, true)), "Flights").label.is_some());
        assert_eq!(number(None, Some(range(-3.0, 12.5, false)), "Delay").exact, ",.2~f");
        assert_eq!(number(None, Some(range(0.0, 0.02, false)), "Rate").exact, ",.3~r");
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(number(None, Some(range(0.1, 0.9, false)), "Cancelled share").exact, ".1~%");
        let scaled = number(None, Some(range(1.0, 93.5, false)), "Pct late");
        assert_eq!(scaled.label.as_deref(), Some("format(datum.value, ',.2~f') + '%'"));
    }

    #[test]
    fn a_format_of_si_prefixes_never_writes_0k() {
        let format = number(Some("$~s"), Some(range(0.0, 5e6, true)), "Revenue");
        assert_eq!(format.exact, "$,.2~f");
        assert!(format.label.is_some_and(|label| label.contains("'$.3~s'")));
        assert_eq!(number(Some(",.0f"), Some(range(0.0, 5e6, true)), "Revenue").exact, ",.0f");
    }
}
