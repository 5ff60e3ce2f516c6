//! Axes: measures, times and categories.

use serde_json::{Map, Value, json};

use super::{MUTED, channel::Channels, format, format::default, guide, order};
use crate::{
    error::Error,
    field::Kind,
    stats::{Grain, Range, widest},
};

/// More names than this nobody reads.
const MAX_CATEGORIES: usize = 50;
/// Few bars would be as wide as high.
const FEW_BARS: usize = 4;
/// A colour of the theme (`js/src/theme.js`).
const GRID_LINE: &str = "#e9e9e4";
const X_LABEL_LIMIT: f64 = 120.0;

impl Channels<'_, '_> {
    pub(super) fn axis(
        &mut self,
        channel: &str,
        definition: &mut Map<String, Value>,
        measure: Option<&str>,
        is_bar: bool,
        is_grouped: bool,
        is_independent: bool,
    ) -> Result<(), Error> {
        let is_time = self.is_time(definition);
        if is_grouped && is_time {
            definition.insert("type".to_owned(), json!("ordinal"));
        }
        match definition.get("type").and_then(Value::as_str) {
            Some("temporal") => self.time_axis(channel, definition, is_bar),
            Some("quantitative") => self.measure_axis(channel, definition, is_independent)?,
            Some(_) => self.category_axis(channel, definition, measure, is_bar)?,
            None => {}
        }
        Ok(())
    }

    pub(super) fn is_time(&self, definition: &Map<String, Value>) -> bool {
        let key = definition.get("field").and_then(Value::as_str);
        key.and_then(|key| self.stats.fields.by_key(key)).is_some_and(|field| field.kind == Kind::Time)
    }

    fn time_axis(&mut self, channel: &str, definition: &mut Map<String, Value>, is_bar: bool) {
        let key = definition.get("field").and_then(Value::as_str).unwrap_or_default().to_owned();
        let unit = definition.get("timeUnit").map(unit_name);
        let grain = unit.as_deref().map_or_else(|| self.stats.grain(&key), Grain::of_unit);
        let count = self.stats.times(&key).map_or(0, |times| times.len());
        if is_bar
            && unit.is_none()
            && let Some(grain) = grain.filter(|grain| *grain != Grain::Week)
        {
            default(definition, "timeUnit", grain.unit());
        }
        let padding = is_bar && grain == Some(Grain::Week);
        let scale = definition.entry("scale").or_insert_with(|| json!({}));
        if let Some(scale) = scale.as_object_mut() {
            scale.insert("type".to_owned(), json!("utc"));
            if padding {
                default(scale, "padding", (f64::from(self.width) / 2.2 / (count + 1) as f64).round());
            }
        }
        let name = definition.get("title").cloned();
        if let Some(axis) = guide(definition, "axis") {
            // Dates say themselves that they are dates.
            default(axis, "title", Value::Null);
            if let Some(grain) = grain {
                if !axis.contains_key("format") {
                    axis.insert("format".to_owned(), json!(format::time(grain)));
                    axis.insert("labelExpr".to_owned(), json!(format::time_label(grain)));
                }
                if let Some(ticks) =
                    format::time_ticks(grain, count).filter(|_| unit.is_none() && channel == "x")
                {
                    default(axis, "tickCount", ticks);
                }
            }
        }
        definition.extend(name.map(|name| ("title".to_owned(), name)));
    }

    fn measure_axis(
        &mut self,
        channel: &str,
        definition: &mut Map<String, Value>,
        is_independent: bool,
    ) -> Result<(), Error> {
        let range = self.range(definition);
        let is_log = definition.get("scale").is_some_and(|scale| scale["type"] == "log");
        if is_log && range.is_some_and(|range| range.least <= 0.0) {
            let hint = "Use {\"scale\": {\"type\": \"symlog\"}}, or filter out values up to 0.";
            let at = format!("encoding.{channel}.scale.type");
            return Err(Error::spec(
                at,
                "a log scale takes no values of 0 or less, and there are such",
                hint,
            ));
        }
        let title = definition.get("title").and_then(Value::as_str).map(str::to_owned);
        let is_share = definition.get("stack").is_some_and(|stack| stack == "normalize");
        let is_binned = definition.get("bin").is_some_and(|bin| bin != &json!(false) && !bin.is_null());
        let format = self.number_format(definition);
        let is_upright = channel == "y" && !is_independent;
        if is_log {
            // Whole powers of ten around the values would leave half of the plot empty.
            definition["scale"].as_object_mut().into_iter().for_each(|scale| default(scale, "nice", false));
        }
        if let Some(axis) = guide(definition, "axis") {
            if !is_share && !is_binned {
                axis.insert("format".to_owned(), json!(format.exact));
                if let Some(label) = format.label {
                    axis.insert("labelExpr".to_owned(), json!(label));
                }
            }
            if is_log && let Some(range) = range {
                let ticks = log_ticks(range);
                default(axis, "tickCount", ticks.len());
                default(axis, "values", ticks);
            }
            if is_binned {
                default(axis, "grid", false);
            } else if range.is_some_and(|range| range.least < 0.0 && range.most > 0.0) {
                axis.insert(
                    "gridColor".to_owned(),
                    json!({"condition": {"test": "datum.value === 0", "value": MUTED}, "value": GRID_LINE}),
                );
            }
            if range.is_some_and(|range| range.is_whole && range.reach() <= 5.0) {
                default(axis, "tickMinStep", 1);
            }
            if is_upright {
                axis.insert("title".to_owned(), Value::Null);
                if self.findings.y_title.is_none() {
                    self.findings.y_title = title;
                }
            }
        }
        Ok(())
    }

    fn category_axis(
        &mut self,
        channel: &str,
        definition: &mut Map<String, Value>,
        measure: Option<&str>,
        is_bar: bool,
    ) -> Result<(), Error> {
        let key = definition.get("field").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_binned = definition.get("bin").is_some_and(|bin| bin != &json!(false) && !bin.is_null());
        if self.is_time(definition) {
            self.discrete_time_axis(channel, definition, &key);
            return Ok(());
        }
        let categories = self.stats.categories(&key).filter(|_| !is_binned).unwrap_or_default();
        let is_text = self.stats.fields.by_key(&key).is_some_and(|field| field.kind == Kind::Text);
        if is_text && categories.len() > MAX_CATEGORIES {
            let hint =
                format!("Keep the top 20 in SQL (a chart takes at most {MAX_CATEGORIES} names on an axis).");
            let problem = format!("`{key}` has {} different values, too many to read", categories.len());
            return Err(Error::spec(format!("encoding.{channel}.field"), problem, hint));
        }
        if let Some(order) = order::calendar(&categories) {
            default(definition, "sort", order);
        } else if is_text {
            let order = if is_bar { order::of_bars(self.stats, &key, measure, channel) } else { Value::Null };
            default(definition, "sort", order);
        }
        let width = f64::from(self.width) / self.columns.unwrap_or(1) as f64;
        if channel == "y" {
            self.findings.y_categories = self.findings.y_categories.max(categories.len());
        } else if is_bar && (1..=FEW_BARS).contains(&categories.len()) {
            let scale = definition.entry("scale").or_insert_with(|| json!({}));
            scale.as_object_mut().into_iter().for_each(|scale| default(scale, "paddingInner", 0.5));
        }
        let Some(axis) = guide(definition, "axis") else {
            return Ok(());
        };
        if channel == "y" {
            // The names say themselves what they name.
            default(axis, "title", Value::Null);
            return Ok(());
        }
        let widest = widest(&categories, 11.0).min(X_LABEL_LIMIT);
        let needed = categories.len() as f64 * (widest + 8.0);
        if is_text {
            default(axis, "labelLimit", X_LABEL_LIMIT);
            if self.columns.is_some() {
                default(axis, "labelAngle", if needed > width { -40 } else { 0 });
            } else if !axis.contains_key("labelAngle") {
                // By the room there is, since the page draws the same chart narrower or wider.
                axis.insert(
                    "labelAngle".to_owned(),
                    json!({"expr": format!("width < {needed:.0} ? -40 : 0")}),
                );
                axis.insert(
                    "labelAlign".to_owned(),
                    json!({"expr": format!("width < {needed:.0} ? 'right' : 'center'")}),
                );
            }
            default(axis, "labelOverlap", categories.len() > 40);
        } else {
            default(axis, "labelAngle", 0);
            default(axis, "labelOverlap", "greedy");
        }
        Ok(())
    }

    fn discrete_time_axis(&mut self, channel: &str, definition: &mut Map<String, Value>, key: &str) {
        let had_unit = definition.contains_key("timeUnit");
        self.place_discrete_times(definition);
        if channel == "y" {
            self.findings.y_categories = self.stats.times(key).map_or(0, |times| times.len());
        }
        let grain = self.stats.grain(key).filter(|_| !had_unit);
        if let Some(axis) = guide(definition, "axis") {
            default(axis, "title", Value::Null);
            default(axis, "labelAngle", 0);
            default(axis, "labelOverlap", "greedy");
            if let Some(grain) = grain.filter(|_| !axis.contains_key("format")) {
                axis.insert("format".to_owned(), json!(format::time(grain)));
            }
        }
    }
}

fn unit_name(unit: &Value) -> String {
    unit.as_str().or_else(|| unit["unit"].as_str()).unwrap_or_default().to_owned()
}

/// Powers of ten within a range, with 2 and 5 between them where there are few.
fn log_ticks(range: Range) -> Vec<f64> {
    let (first, last) = (range.least.log10().floor() as i32, range.most.log10().ceil() as i32);
    let steps: &[f64] = if last - first <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let ticks = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    ticks.filter(|tick| (range.least..=range.most).contains(tick)).collect()
}
