//! Names that would stand turned or cut: bars with long ones lie down, facets in rows carry them above.

use serde_json::{Map, Value};

use crate::stats::{Stats, widest};

/// A column chart whose names need more than this in a row gets horizontal bars, in pixels.
const ROOM: f64 = 800.0;

/// Swaps x and y of a plain column chart whose names would not fit below it.
pub(super) fn lay_down_long_labels(spec: &mut Map<String, Value>, stats: &Stats<'_, '_>) {
    let is_bar = spec.get("mark").is_some_and(|mark| mark["type"] == "bar" && mark.get("orient").is_none());
    let Some(encoding) = spec.get_mut("encoding").and_then(Value::as_object_mut).filter(|_| is_bar) else {
        return;
    };
    let is_plain = !["x2", "y2", "xOffset", "yOffset", "row", "column", "facet", "text"]
        .iter()
        .any(|channel| encoding.contains_key(*channel));
    let is_upright = encoding.get("x").is_some_and(|x| x["type"] == "nominal" && x.get("timeUnit").is_none())
        && encoding.get("y").is_some_and(|y| y["type"] == "quantitative" && y.get("bin").is_none());
    if !is_plain || !is_upright {
        return;
    }
    let names = encoding["x"]["field"].as_str().and_then(|key| stats.categories(key)).unwrap_or_default();
    let needed = (widest(&names, 11.0) + 10.0) * names.len() as f64;
    if needed < ROOM {
        return;
    }
    let (mut names, measure) = (encoding["x"].take(), encoding["y"].take());
    if let Some(sort) = names.get_mut("sort") {
        turn_sort(sort);
    }
    if let Some(axis) = names.get_mut("axis").and_then(Value::as_object_mut) {
        axis.remove("labelAngle");
        axis.remove("orient");
    }
    encoding.insert("x".to_owned(), measure);
    encoding.insert("y".to_owned(), names);
}

/// Facets below one another carry their names above, not turned at the side.
pub(super) fn stack_rows(spec: &mut Map<String, Value>) {
    let Some(encoding) = spec.get_mut("encoding").and_then(Value::as_object_mut) else {
        return;
    };
    if encoding.contains_key("column") || encoding.contains_key("facet") {
        return;
    }
    if let Some(mut row) = encoding.remove("row") {
        row["columns"] = 1.into();
        encoding.insert("facet".to_owned(), row);
    }
}

fn turn_sort(sort: &mut Value) {
    let turned = match sort.as_str().or_else(|| sort["encoding"].as_str()) {
        Some("y") => "x",
        Some("-y") => "-x",
        Some("x") => "y",
        Some("-x") => "-y",
        _ => return,
    };
    match sort {
        Value::Object(map) => {
            map.insert("encoding".to_owned(), turned.into());
        }
        _ => *sort = turned.into(),
    }
}
