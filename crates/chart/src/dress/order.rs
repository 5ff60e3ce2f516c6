//! The order of categories, where the spec leaves it open.

use serde_json::{Value, json};

use crate::stats::Stats;

const WEEK: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const YEAR: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Names of weekdays or months in calendar order, if that is what the categories are.
pub(super) fn calendar(categories: &[String]) -> Option<Value> {
    [&WEEK[..], &YEAR[..]].into_iter().find_map(|names| {
        let place = |category: &String| {
            let lower = category.to_lowercase();
            names.iter().position(|name| lower == *name || lower == name[..3])
        };
        let mut placed: Vec<(usize, &String)> = categories
            .iter()
            .map(|category| place(category).map(|place| (place, category)))
            .collect::<Option<_>>()?;
        placed.sort();
        (placed.len() > 1)
            .then(|| json!(placed.into_iter().map(|(_, category)| category).collect::<Vec<_>>()))
    })
}

/// The order of bars: that of the rows if they are sorted by the measure, alphabetical if by name, else longest first.
pub(super) fn of_bars(stats: &Stats<'_, '_>, category: &str, measure: Option<&str>, channel: &str) -> Value {
    let longest_first = || json!(if channel == "x" { "-y" } else { "-x" });
    let fields = stats.fields;
    let column = |key: &str| fields.by_key(key).and_then(|field| field.column);
    let rows = &fields.table().rows;
    if let Some(measure) = measure.and_then(column) {
        let values: Vec<f64> = rows.iter().filter_map(|row| row[measure].as_f64()).collect();
        let is_sorted = values.is_sorted() || values.is_sorted_by(|one, next| one >= next);
        if is_sorted && values.len() == rows.len() {
            return Value::Null;
        }
    }
    let names: Vec<String> = stats.categories(category).unwrap_or_default();
    if names.is_sorted() && names.len() > 2 { Value::Null } else { longest_first() }
}
