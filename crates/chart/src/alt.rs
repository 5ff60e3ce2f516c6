//! What a chart shows, in words, for those who cannot see it.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use domain::table::Cell;
use serde_json::{Map, Value};

use crate::{
    bind,
    dress::format,
    stats::{Grain, Stats},
    time,
};

const LISTED_SERIES: usize = 6;
/// Channels that split rows into groups.
const GROUPING: [&str; 10] =
    ["x", "y", "color", "shape", "strokeDash", "detail", "row", "column", "facet", "xOffset"];

/// The words for a chart: its type, title, number of points, axes and extremes.
pub(crate) fn describe(spec: &Value, title: &str, stats: &Stats<'_, '_>) -> String {
    let view = if spec["spec"].is_object() { &spec["spec"] } else { spec };
    let mut encoding = view["encoding"].as_object().cloned().unwrap_or_default();
    let mut marks: Vec<&str> = view["mark"]["type"].as_str().into_iter().collect();
    for layer in view["layer"].as_array().into_iter().flatten() {
        marks.extend(layer["mark"]["type"].as_str());
        for (channel, definition) in layer["encoding"].as_object().into_iter().flatten() {
            encoding.entry(channel.clone()).or_insert_with(|| definition.clone());
        }
    }
    if let Some(facet) = spec["facet"].as_object() {
        if facet.contains_key("field") {
            encoding.insert("facet".to_owned(), Value::Object(facet.clone()));
        } else {
            encoding.extend(facet.clone());
        }
    }
    let kind = kind(&marks, &encoding);
    let rows = stats.fields.table().rows.len();
    let mut sentences = vec![if title.is_empty() { format!("{kind}.") } else { format!("{kind}: {title}.") }];
    sentences.push(if rows == 1 {
        "1 row of data.".to_owned()
    } else {
        format!("{} rows of data.", grouped(rows))
    });
    for (channel, place) in [("x", "Horizontal axis"), ("y", "Vertical axis"), ("theta", "Slices")] {
        sentences.extend(encoding.get(channel).and_then(|definition| axis(definition, place, stats)));
    }
    for channel in ["color", "facet", "row", "column"] {
        sentences.extend(encoding.get(channel).and_then(|definition| series(definition, &encoding, stats)));
    }
    let has_transform = spec["transform"].is_array() || view["transform"].is_array();
    if !has_transform {
        sentences.extend(extremes(&encoding, stats));
    }
    if stats.fields.table().truncated.is_some() {
        sentences.push("Rows are missing: the result was cut at a limit.".to_owned());
    }
    sentences.join(" ")
}

fn kind(marks: &[&str], encoding: &Map<String, Value>) -> &'static str {
    let is_upright = |channel: &str| encoding.get(channel).is_some_and(|axis| axis["type"] == "quantitative");
    let all = |known: &[&str]| marks.iter().all(|mark| known.contains(mark));
    match marks {
        _ if marks.contains(&"arc") => "Pie chart",
        _ if marks.contains(&"boxplot") => "Box plot",
        _ if marks.contains(&"rect") && all(&["rect", "text"]) => "Heat map",
        _ if all(&["bar", "text", "rule"]) && is_upright("x") && !is_upright("y") => "Horizontal bar chart",
        _ if all(&["bar", "text", "rule"]) => "Bar chart",
        _ if all(&["line", "point", "text", "rule"]) && marks.contains(&"line") => "Line chart",
        _ if marks.contains(&"area") && all(&["area", "line", "point", "text", "rule"]) => "Area chart",
        _ if all(&["point", "circle", "square", "rule", "text"]) => "Scatter plot",
        _ => "Chart",
    }
}

fn label(definition: &Value) -> Option<&str> {
    definition["axis"]["title"].as_str().or_else(|| definition["title"].as_str())
}

fn axis(definition: &Value, place: &str, stats: &Stats<'_, '_>) -> Option<String> {
    let label = label(definition)?;
    let key = definition["field"].as_str().unwrap_or_default();
    if let Some(times) = stats.times(key) {
        let grain = stats.grain(key)?;
        let (first, last) = (times.first().copied()?, times.last().copied()?);
        return Some(format!("{place}: {label}, {} to {}.", written(first, grain), written(last, grain)));
    }
    if definition["type"] != "quantitative"
        && let Some(names) = stats.categories(key)
    {
        return Some(match names.len() {
            1 => format!("{place}: {label}, {}.", names[0]),
            count => format!("{place}: {label}, {count} values."),
        });
    }
    Some(format!("{place}: {label}."))
}

fn written(time: NaiveDateTime, grain: Grain) -> String {
    // chrono knows no quarters.
    let format = if grain == Grain::Quarter { "%b %Y" } else { format::time(grain) };
    time.format(format).to_string()
}

fn series(definition: &Value, encoding: &Map<String, Value>, stats: &Stats<'_, '_>) -> Option<String> {
    let key = definition["field"].as_str().filter(|_| definition["type"] != "quantitative")?;
    let repeats_axis =
        ["x", "y"].iter().any(|axis| encoding.get(*axis).is_some_and(|axis| axis["field"] == key));
    let names = stats.categories(key).filter(|names| !repeats_axis && !names.is_empty())?;
    let shown: Vec<&str> = names.iter().take(LISTED_SERIES).map(String::as_str).collect();
    let rest = names.len() - shown.len();
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let label = label(definition).or_else(|| stats.fields.by_key(key).map(|field| field.label.as_str()))?;
    Some(format!("{label}: {}{more}.", shown.join(", ")))
}

/// The lowest and the highest value of the measure, and where they are.
fn extremes(encoding: &Map<String, Value>, stats: &Stats<'_, '_>) -> Option<String> {
    let measures = ["y", "x", "theta", "color"].map(|channel| encoding.get(channel));
    let definition =
        measures.into_iter().flatten().find(|definition| definition["type"] == "quantitative")?;
    let is_binned = encoding.values().any(|other| other["bin"].is_object() || other["bin"] == true);
    let has_unit =
        encoding.values().any(|other| other["timeUnit"].is_string() || other["timeUnit"].is_object());
    let aggregate = definition["aggregate"].as_str();
    if is_binned || (has_unit && aggregate.is_some()) {
        return None;
    }
    let points = points(definition, aggregate, encoding, stats)?;
    let least = points.iter().min_by(|one, other| one.1.total_cmp(&other.1))?;
    // Backwards, since the last of equals is answered and the first is wanted.
    let most = points.iter().rev().max_by(|one, other| one.1.total_cmp(&other.1))?;
    let label = label(definition)?;
    let written = |(place, value): &(String, f64)| {
        let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
        format!("{}{place}", number(*value))
    };
    if points.len() == 1 {
        return Some(format!("{label}: {}.", written(most)));
    }
    if least.1.total_cmp(&most.1).is_eq() {
        return Some(format!("{label}: {} everywhere.", number(most.1)));
    }
    Some(format!("{label}: lowest {}, highest {}.", written(least), written(most)))
}

/// The values of a measure, each with the words for its group.
fn points(
    measure: &Value,
    aggregate: Option<&str>,
    encoding: &Map<String, Value>,
    stats: &Stats<'_, '_>,
) -> Option<Vec<(String, f64)>> {
    let table = stats.fields.table();
    let column = |definition: &Value| {
        let key = definition["field"].as_str()?;
        stats.fields.by_key(key)?.column
    };
    let grain = |definition: &Value| definition["field"].as_str().and_then(|key| stats.grain(key));
    let mut groups: Vec<(usize, Option<Grain>)> = GROUPING
        .iter()
        .filter_map(|channel| encoding.get(*channel))
        .filter(|definition| *definition != measure && definition["type"] != "quantitative")
        .filter_map(|definition| Some((column(definition)?, grain(definition))))
        .collect();
    groups.dedup();
    let place = |row: &[Cell]| {
        let name = |(column, grain): &(usize, Option<Grain>)| match grain {
            Some(grain) => time::parse(&row[*column].to_plain(), stats.zone)
                .map_or_else(String::new, |time| written(time, *grain)),
            None => bind::category(&row[*column]),
        };
        let mut names: Vec<String> = groups.iter().map(name).collect();
        names.dedup();
        names.join(", ")
    };
    let Some(aggregate) = aggregate else {
        let column = column(measure)?;
        return Some(table.rows.iter().filter_map(|row| Some((place(row), row[column].as_f64()?))).collect());
    };
    let column = column(measure);
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in &table.rows {
        let value = match column {
            Some(column) => row[column].as_f64(),
            None => Some(1.0),
        };
        values.entry(place(row)).or_default().extend(value);
    }
    let computed = |values: &[f64]| {
        let sum: f64 = values.iter().sum();
        match aggregate {
            "sum" | "count" if aggregate == "sum" || column.is_none() => Some(sum),
            "mean" | "average" if !values.is_empty() => Some(sum / values.len() as f64),
            "min" => values.iter().copied().reduce(f64::min),
            "max" => values.iter().copied().reduce(f64::max),
            _ => None,
        }
    };
    values.into_iter().map(|(place, values)| computed(&values).map(|value| (place, value))).collect()
}

/// `58665` as `58,665`, `12.345` as `12.35`.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = grouped(whole.parse::<usize>().unwrap_or(usize::MAX));
    let fraction = fraction.trim_end_matches('0');
    let sign = if value < 0.0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_short() {
        assert_eq!(number(58_665.0), "58,665");
        assert_eq!(number(-1_234_567.89), "-1,234,567.9");
        assert_eq!(number(12.345), "12.35");
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(0.0), "0");
    }
}
