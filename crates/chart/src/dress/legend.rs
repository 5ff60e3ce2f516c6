//! Legends: hues, ramps and sizes.

use serde_json::{Map, Value, json};

use super::{LEGEND_ENTRY, LEGEND_SIZE, channel::Channels, format, format::default, guide};
use crate::{
    error::Error,
    field::Kind,
    stats::{Stats, widest},
};

/// The hues that the theme tells apart.
const MAX_SERIES: usize = 10;

impl Channels<'_, '_> {
    pub(super) fn legend(
        &mut self,
        channel: &str,
        definition: &mut Map<String, Value>,
        is_arc: bool,
        is_rect: bool,
    ) -> Result<(), Error> {
        let Some(key) = definition.get("field").and_then(Value::as_str).map(str::to_owned) else {
            if definition.contains_key("aggregate") {
                self.measure_legend(definition);
            }
            return Ok(());
        };
        if definition.get("type").is_some_and(|kind| kind == "quantitative") {
            self.measure_legend(definition);
            self.findings.has_ramp = true;
            let crosses_zero =
                self.range(definition).is_some_and(|range| range.least < 0.0 && range.most > 0.0);
            if is_rect && crosses_zero {
                let scale = definition.entry("scale").or_insert_with(|| json!({}));
                scale.as_object_mut().into_iter().for_each(|scale| default(scale, "domainMid", 0));
            }
            return Ok(());
        }
        if self.is_time(definition) {
            if definition.get("type").is_some_and(|kind| kind != "temporal") {
                self.place_discrete_times(definition);
            }
            let grain = self.stats.grain(&key);
            if let (Some(legend), Some(grain)) = (guide(definition, "legend"), grain) {
                default(legend, "format", format::time(grain));
            }
            return Ok(());
        }
        let names = self.stats.categories(&key).unwrap_or_default();
        let is_nominal = definition.get("type").is_some_and(|kind| kind == "nominal");
        if is_nominal && names.len() > MAX_SERIES {
            let hint = format!(
                "Keep the {} largest in SQL and sum the others as 'Other', or use `facet`, or leave the colour out.",
                MAX_SERIES - 1
            );
            let problem =
                format!("`{key}` has {} different values; hues tell at most {MAX_SERIES} apart", names.len());
            return Err(Error::spec(format!("encoding.{channel}.field"), problem, hint));
        }
        self.order_calendar(definition);
        let is_text = self.stats.fields.by_key(&key).is_some_and(|field| field.kind == Kind::Text);
        let entry = widest(&names, LEGEND_SIZE).min(180.0) + LEGEND_ENTRY;
        let room = if self.columns.is_some() {
            format!("{}", self.width.saturating_sub(60))
        } else {
            "width".to_owned()
        };
        let Some(legend) = guide(definition, "legend") else {
            return Ok(());
        };
        if is_text {
            legend.insert("title".to_owned(), Value::Null);
        }
        if is_arc {
            legend.insert("orient".to_owned(), json!("right"));
            legend.insert("direction".to_owned(), json!("vertical"));
        } else {
            default(legend, "columns", json!({"expr": format!("max(1, floor({room} / {entry:.0}))")}));
            self.findings.legend = names;
        }
        Ok(())
    }

    pub(super) fn measure_legend(&self, definition: &mut Map<String, Value>) {
        if !definition.contains_key("field") && !definition.contains_key("aggregate") {
            return;
        }
        let format = self.number_format(definition);
        if let Some(legend) = guide(definition, "legend") {
            legend.insert("format".to_owned(), json!(format.exact));
            if let Some(label) = format.label {
                legend.insert("labelExpr".to_owned(), json!(label));
            }
        }
    }
}

/// Colour that repeats the axis adds a legend and no information.
pub(super) fn drop_redundant_colours(encoding: &mut Map<String, Value>, stats: &Stats<'_, '_>) {
    let Some(colour) = encoding.get("color").and_then(|colour| colour["field"].as_str()).map(str::to_owned)
    else {
        return;
    };
    let repeats = ["x", "y"].iter().any(|axis| {
        encoding.get(*axis).is_some_and(|axis| axis["field"] == colour && axis["type"] != "quantitative")
    });
    if !repeats {
        return;
    }
    let many = stats.categories(&colour).is_some_and(|names| names.len() > MAX_SERIES);
    if many {
        encoding.remove("color");
    } else if let Some(colour) = encoding.get_mut("color").and_then(Value::as_object_mut)
        && colour.get("type").is_some_and(|kind| kind != "quantitative")
    {
        colour.insert("legend".to_owned(), Value::Null);
    }
}

/// Slices from the largest, clockwise, and the legend in their order.
pub(super) fn order_slices(encoding: &mut Map<String, Value>) {
    let Some(measure) = encoding.get("theta").and_then(|theta| theta["field"].as_str()).map(str::to_owned)
    else {
        return;
    };
    let aggregate = encoding["theta"].get("aggregate").cloned();
    let mut by_size = json!({"field": measure, "type": "quantitative", "sort": "descending"});
    if let Some(aggregate) = &aggregate {
        by_size["aggregate"] = aggregate.clone();
    }
    default(encoding, "order", by_size);
    if let Some(colour) = encoding.get_mut("color").and_then(Value::as_object_mut) {
        let op = aggregate.unwrap_or_else(|| json!("sum"));
        default(colour, "sort", json!({"field": measure, "op": op, "order": "descending"}));
    }
}
