//! The chart that fits a result, if one does.

use serde_json::{Value, json};

use super::{
    phrase::Phrases,
    plan::{Group, Shape},
    reply::Outcome,
    understand,
    view::View,
    words,
};

/// The fewest and the most bars that are worth drawing.
const BARS: std::ops::RangeInclusive<u64> = 2..=40;
/// The most points of a line.
const MOST_POINTS: u64 = 2000;
/// The most lines or colours that can be told apart.
const MOST_COLOURS: usize = 8;

/// Arguments of `create_chart`.
pub(super) struct Drawing {
    pub result: String,
    pub title: String,
    pub spec: Value,
}

/// Bars for categories, a line for time; nothing for single values and long lists.
pub(super) fn fitting(outcome: &Outcome<'_>) -> Option<Drawing> {
    let view = outcome.views.first()?;
    let statement = outcome.statements.first()?;
    let phrases = Phrases::new(outcome.catalog, outcome.reading);
    let title = words::capitalised(&format!("{}{}", phrases.measure_of(outcome.reading), phrases.scope()));
    let drawing = |title: String, spec: Value| Some(Drawing { result: view.handle.clone(), title, spec });
    match &outcome.reading.plan.shape {
        Shape::Summary { groups, measures, with_share, .. }
            if !groups.is_empty() && statement.groups.len() == groups.len() =>
        {
            let value = if *with_share { statement.measures.last()? } else { statement.measures.first()? };
            let what = if *with_share {
                "Share".to_owned()
            } else {
                words::capitalised(&phrases.measure(measures.first()?))
            };
            let title = format!("{title} by {}", phrases.group_single(groups));
            let is_series = groups.iter().any(|group| understand::is_time(group, outcome.catalog));
            if is_series {
                return series(outcome, &phrases, groups, value, &what).and_then(|spec| drawing(title, spec));
            }
            let titles: Vec<String> = groups
                .iter()
                .map(|group| words::capitalised(&phrases.group_single(std::slice::from_ref(group))))
                .collect();
            bars(view, &statement.groups, &titles, value, &what).and_then(|spec| drawing(title, spec))
        }
        Shape::Rows { order: Some((column, _)), .. } => {
            let value = statement.measures.first()?;
            let name = statement.groups.first().filter(|name| *name != value)?;
            let titles = [words::capitalised(&phrases.base_single())];
            let what = words::capitalised(&phrases.column(column));
            let spec = bars(view, std::slice::from_ref(name), &titles, value, &what)?;
            drawing(title, spec)
        }
        Shape::Comparison { groups, .. } if groups.len() == 1 => {
            let [current, previous, ..] = statement.measures.as_slice() else { return None };
            if !(2..=12).contains(&view.row_count) {
                return None;
            }
            let name = statement.groups.first()?;
            let spec = json!({
                "transform": [{ "fold": [previous, current], "as": ["period", "amount"] }],
                "mark": "bar",
                "encoding": {
                    "x": {
                        "field": name, "type": "nominal", "sort": null,
                        "title": words::capitalised(&phrases.group_single(groups)),
                    },
                    "xOffset": { "field": "period", "sort": null },
                    "y": {
                        "field": "amount", "type": "quantitative",
                        "title": words::capitalised(&phrases.measure_of(outcome.reading)),
                    },
                    "color": { "field": "period", "type": "nominal", "sort": null, "title": null },
                },
            });
            drawing(format!("{title} by {}", phrases.group_single(groups)), spec)
        }
        Shape::Growth { measure, .. } if (2..=MOST_POINTS).contains(&view.row_count) => {
            let (time, value) = (statement.groups.first()?, statement.measures.first()?);
            drawing(title, line(time, value, &words::capitalised(&phrases.measure(measure))))
        }
        Shape::Anomaly { .. } if (2..=MOST_POINTS).contains(&view.row_count) => {
            let value = statement.measures.first()?;
            let what = words::capitalised(&phrases.measure_of(outcome.reading));
            let along = |mark: Value, field: &str| {
                json!({
                    "mark": mark,
                    "encoding": {
                        "x": { "field": "day", "type": "temporal", "title": null },
                        "y": { "field": field, "type": "quantitative", "title": what },
                    },
                })
            };
            let spec = json!({ "layer": [
                along(json!({ "type": "line", "strokeDash": [4, 4] }), "usual"),
                along(json!({ "type": "line", "point": true }), value),
            ] });
            drawing(format!("{title} per day (dashed: what is usual)"), spec)
        }
        _ => None,
    }
}

/// Bars, lying where names are long or many.
fn bars(view: &View, groups: &[String], titles: &[String], value: &str, what: &str) -> Option<Value> {
    if !BARS.contains(&view.row_count) || !view.kind(value)?.is_numeric() {
        return None;
    }
    let [name, rest @ ..] = groups else { return None };
    let longest = (0..view.rows.len())
        .filter_map(|row| view.cell(row, name))
        .map(|cell| cell.to_string().chars().count())
        .max()
        .unwrap_or(0);
    let category = json!({ "field": name, "type": "nominal", "sort": null, "title": titles.first() });
    let mut amount = json!({ "field": value, "type": "quantitative", "title": what });
    if view.format(value).starts_with("percent") {
        amount["axis"] = json!({ "format": ".0%" });
    }
    let is_lying = longest > 10 || view.row_count > 12;
    let mut encoding =
        if is_lying { json!({ "y": category, "x": amount }) } else { json!({ "x": category, "y": amount }) };
    match rest {
        [] => {}
        [second] => {
            if distinct(view, second) > MOST_COLOURS || view.row_count > view.rows.len() as u64 {
                return None;
            }
            encoding["color"] = json!({ "field": second, "type": "nominal", "title": titles.get(1) });
        }
        _ => return None,
    }
    Some(json!({ "mark": "bar", "encoding": encoding }))
}

/// A line along time; one per value of a second group. Parts of dates as numbers make bars.
fn series(
    outcome: &Outcome<'_>,
    phrases: &Phrases<'_>,
    groups: &[Group],
    value: &str,
    what: &str,
) -> Option<Value> {
    let view = outcome.views.first()?;
    let title = |group: usize| words::capitalised(&phrases.group_single(&groups[group..=group]));
    if !(2..=MOST_POINTS).contains(&view.row_count) || !view.kind(value)?.is_numeric() {
        return None;
    }
    let names = &outcome.statements[0].groups;
    let times: Vec<usize> =
        (0..groups.len()).filter(|index| understand::is_time(&groups[*index], outcome.catalog)).collect();
    let others: Vec<usize> = (0..groups.len()).filter(|index| !times.contains(index)).collect();
    let [at] = times.as_slice() else { return None };
    let time = &names[*at];
    let mut spec = if view.kind(time)?.is_temporal() {
        line(time, value, what)
    } else {
        json!({
            "mark": if others.is_empty() { json!("bar") } else { json!({ "type": "line", "point": true }) },
            "encoding": {
                "x": { "field": time, "type": "ordinal", "sort": null, "title": title(*at) },
                "y": { "field": value, "type": "quantitative", "title": what },
            },
        })
    };
    if view.format(value).starts_with("percent") {
        spec["encoding"]["y"]["axis"] = json!({ "format": ".0%" });
    }
    match others.as_slice() {
        [] => Some(spec),
        [other] if distinct(view, &names[*other]) <= MOST_COLOURS => {
            spec["encoding"]["color"] =
                json!({ "field": names[*other], "type": "nominal", "title": title(*other) });
            Some(spec)
        }
        _ => None,
    }
}

fn line(time: &str, value: &str, what: &str) -> Value {
    json!({
        "mark": { "type": "line", "point": true },
        "encoding": {
            "x": { "field": time, "type": "temporal", "title": null },
            "y": { "field": value, "type": "quantitative", "title": what },
        },
    })
}

/// How many different values a column has among the rows shown.
fn distinct(view: &View, column: &str) -> usize {
    let mut seen: Vec<String> = (0..view.rows.len())
        .map(|row| view.cell(row, column).map_or_else(String::new, Value::to_string))
        .collect();
    seen.sort();
    seen.dedup();
    seen.len()
}
