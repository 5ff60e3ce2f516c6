//! Views and their channels.

use serde_json::{Map, Value, json};

use super::{
    Findings, MUTED, format,
    format::default,
    guide,
    legend::{drop_redundant_colours, order_slices},
    order,
};
use crate::{
    error::Error,
    stats::{Range, Stats},
};

/// Lines with up to so many values show each of them.
const DOTTED: usize = 31;
/// Lines of up to so many rows can be asked for each value by a pointer.
const HOVERED: usize = 1_500;

pub(super) struct Channels<'a, 'b> {
    pub(super) stats: &'a Stats<'a, 'b>,
    pub(super) findings: &'a mut Findings,
    pub(super) width: u32,
    /// Cells side by side, in a faceted chart.
    pub(super) columns: Option<usize>,
}

impl Channels<'_, '_> {
    /// Dresses a view: its own encoding, then its layers, which also have the channels of the views around them.
    pub(super) fn view(
        &mut self,
        view: &mut Map<String, Value>,
        inherited: &Map<String, Value>,
        is_independent: bool,
    ) -> Result<(), Error> {
        let own = view.get("mark").and_then(|mark| mark["type"].as_str()).into_iter();
        let layers = view.get("layer").and_then(Value::as_array).into_iter().flatten();
        let marks: Vec<String> =
            own.chain(layers.filter_map(|layer| layer["mark"]["type"].as_str())).map(str::to_owned).collect();
        if let Some(encoding) = view.get_mut("encoding").and_then(Value::as_object_mut) {
            self.encoding(encoding, inherited, &marks, is_independent)?;
        }
        let mut channels = inherited.clone();
        channels.extend(view.get("encoding").and_then(Value::as_object).cloned().unwrap_or_default());
        if let Some(mark) = view.get_mut("mark").and_then(Value::as_object_mut) {
            self.mark(mark, &Value::Object(channels.clone()));
        }
        let layers = view.get_mut("layer").and_then(Value::as_array_mut).into_iter().flatten();
        for layer in layers.filter_map(Value::as_object_mut) {
            self.view(layer, &channels, is_independent)?;
        }
        Ok(())
    }

    /// The field of a `facet` operator, or those of its rows and columns.
    pub(super) fn facet(&mut self, facet: &mut Map<String, Value>) {
        if facet.contains_key("field") {
            return self.header(facet);
        }
        for definition in facet.values_mut().filter_map(Value::as_object_mut) {
            self.header(definition);
        }
    }

    fn header(&self, definition: &mut Map<String, Value>) {
        self.place_discrete_times(definition);
        self.order_calendar(definition);
        let cell = (f64::from(self.width) - 60.0) / self.columns.unwrap_or(1) as f64 - 22.0;
        if let Some(header) = guide(definition, "header") {
            header.insert("title".to_owned(), Value::Null);
            header.insert("labelLimit".to_owned(), json!(cell.max(60.0).round()));
        }
    }

    fn encoding(
        &mut self,
        encoding: &mut Map<String, Value>,
        inherited: &Map<String, Value>,
        marks: &[String],
        is_independent: bool,
    ) -> Result<(), Error> {
        let has = |mark: &str| marks.iter().any(|known| known == mark);
        drop_redundant_colours(encoding, self.stats);
        let measures: Vec<Option<String>> = ["y", "x"]
            .map(|channel| encoding.get(channel).or_else(|| inherited.get(channel)))
            .map(|definition| definition.filter(|definition| definition["type"] == "quantitative"))
            .map(|definition| {
                definition.and_then(|definition| definition["field"].as_str()).map(str::to_owned)
            })
            .to_vec();
        let is_grouped = |channel: &str| encoding.contains_key(&format!("{channel}Offset"));
        let grouped = [("x", is_grouped("x")), ("y", is_grouped("y"))];
        for (channel, definition) in encoding.iter_mut() {
            let Some(definition) = definition.as_object_mut() else {
                for definition in
                    definition.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
                {
                    self.label(definition);
                    self.written_value(definition);
                }
                continue;
            };
            self.label(definition);
            let is_grouped = grouped.iter().any(|(name, is_grouped)| name == channel && *is_grouped);
            match channel.as_str() {
                "x" | "y" => {
                    let measure = measures[usize::from(channel == "y")].as_deref();
                    self.axis(
                        channel,
                        definition,
                        measure,
                        has("bar") && !is_grouped,
                        is_grouped,
                        is_independent,
                    )?;
                }
                "xOffset" | "yOffset" => {
                    let key = definition.get("field").and_then(Value::as_str).unwrap_or_default();
                    if channel == "yOffset" {
                        self.findings.y_offsets = self.stats.categories(key).map_or(1, |names| names.len());
                    }
                    self.place_discrete_times(definition);
                    self.order_calendar(definition);
                }
                "color" | "fill" | "stroke" | "shape" | "strokeDash" => {
                    self.legend(channel, definition, has("arc"), has("rect"))?;
                }
                "size" | "opacity" => {
                    self.measure_legend(definition);
                    let repeats = measures
                        .iter()
                        .flatten()
                        .any(|measure| definition.get("field").is_some_and(|key| key == measure));
                    if repeats {
                        definition.insert("legend".to_owned(), Value::Null);
                    } else if let Some(legend) = guide(definition, "legend") {
                        default(legend, "tickCount", 3);
                        legend.insert("symbolFillColor".to_owned(), json!(MUTED));
                        legend.insert("symbolStrokeColor".to_owned(), json!("transparent"));
                    }
                }
                "row" | "column" | "facet" => self.header(definition),
                "text" | "tooltip" => self.written_value(definition),
                "theta" => self.angle(definition)?,
                _ => {}
            }
        }
        if has("arc") {
            order_slices(encoding);
        }
        Ok(())
    }

    /// A name for readers: the field's, and what is computed of it. The guide's own title becomes the channel's, so that
    /// tooltips say it too.
    fn label(&self, definition: &mut Map<String, Value>) {
        for name in ["axis", "legend", "header"] {
            let title = definition
                .get_mut(name)
                .and_then(Value::as_object_mut)
                .and_then(|guide| guide.remove("title"));
            if let Some(title) = title.filter(|title| !title.is_null()) {
                definition.insert("title".to_owned(), title);
            }
        }
        let aggregate = definition.get("aggregate").and_then(Value::as_str);
        let key = definition.get("field").and_then(Value::as_str);
        let label = key.and_then(|key| self.stats.fields.by_key(key)).map(|field| field.label.clone());
        let title = match (aggregate, label) {
            (None | Some("sum"), Some(label)) => label,
            (Some("count"), _) => "Number of rows".to_owned(),
            (Some("mean" | "average"), Some(label)) => format!("Average of {label}"),
            (Some("min"), Some(label)) => format!("Lowest {label}"),
            (Some("max"), Some(label)) => format!("Highest {label}"),
            (Some("distinct"), Some(label)) => format!("Different values of {label}"),
            (Some(aggregate), Some(label)) => format!("{aggregate} of {label}"),
            (_, None) => return,
        };
        // An empty title hides the guide's, which `null` says too; a tooltip still needs a name.
        if definition.get("title").is_none_or(|given| given.as_str() == Some("")) {
            definition.insert("title".to_owned(), title.into());
        }
    }

    pub(super) fn range(&self, definition: &Map<String, Value>) -> Option<Range> {
        let key = definition.get("field").and_then(Value::as_str);
        let range = key.and_then(|key| self.stats.range(key));
        match definition.get("aggregate").and_then(Value::as_str) {
            None | Some("min" | "max") => range,
            Some("count" | "distinct" | "valid" | "missing") => {
                let rows = self.stats.fields.table().rows.len() as f64;
                Some(Range { least: 0.0, most: rows, is_whole: true })
            }
            // No group can be larger than all of them.
            Some("sum") => range.map(|range| Range {
                most: range.most.max(key.map_or(0.0, |key| self.stats.total(key))),
                ..range
            }),
            Some(_) => range.map(|range| Range { is_whole: false, ..range }),
        }
    }

    pub(super) fn number_format(&self, definition: &mut Map<String, Value>) -> format::NumberFormat {
        let own = definition.remove("format");
        let guides = ["axis", "legend"].map(|name| definition.get(name).map(|guide| guide["format"].clone()));
        let given = own
            .into_iter()
            .chain(guides.into_iter().flatten())
            .find_map(|given| given.as_str().map(str::to_owned));
        let label = definition.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = definition.get("field").and_then(Value::as_str).unwrap_or_default();
        let name = self.stats.fields.by_key(key).map_or("", |field| field.label.as_str());
        format::number(given.as_deref(), self.range(definition), &format!("{label} {name}"))
    }

    /// Times as categories are told apart, and written, by their grain.
    pub(super) fn place_discrete_times(&self, definition: &mut Map<String, Value>) {
        let key = definition.get("field").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.is_time(definition)
            && let Some(grain) = self.stats.grain(&key)
        {
            default(definition, "timeUnit", grain.unit());
        }
    }

    pub(super) fn order_calendar(&self, definition: &mut Map<String, Value>) {
        let key = definition.get("field").and_then(Value::as_str).unwrap_or_default();
        if let Some(order) = self.stats.categories(key).as_deref().and_then(order::calendar) {
            default(definition, "sort", order);
        }
    }

    /// Texts and tooltips.
    fn written_value(&self, definition: &mut Map<String, Value>) {
        if self.is_time(definition) && !definition.contains_key("timeUnit") {
            let key = definition.get("field").and_then(Value::as_str).unwrap_or_default();
            if let Some(grain) = self.stats.grain(key) {
                default(definition, "timeUnit", grain.unit());
                default(definition, "format", format::time(grain));
            }
        } else if definition.get("type").is_some_and(|kind| kind == "quantitative")
            && !definition.contains_key("bin")
        {
            let format = self.number_format(definition);
            definition.insert("format".to_owned(), json!(format.exact));
        }
    }

    fn angle(&self, definition: &Map<String, Value>) -> Result<(), Error> {
        if self.range(definition).is_some_and(|range| range.least < 0.0) {
            let hint = "Use a bar chart for values below 0.";
            return Err(Error::spec("encoding.theta.field", "slices cannot show values below 0", hint));
        }
        Ok(())
    }

    /// Lines whose values can be seen and pointed at; bars of weeks, which have no unit that starts on their day.
    fn mark(&self, mark: &mut Map<String, Value>, encoding: &Value) {
        let times = encoding["x"]["field"].as_str().and_then(|key| self.stats.times(key)).unwrap_or_default();
        let rows = self.stats.fields.table().rows.len();
        if mark["type"] == "line" {
            // How many points a line can bear, the number of values decides.
            if mark.get("point") == Some(&Value::Bool(true)) {
                mark.remove("point");
            }
            let values = encoding["x"]["field"]
                .as_str()
                .and_then(|key| self.stats.categories(key))
                .unwrap_or_default();
            if times.len().max(values.len()) <= DOTTED && rows <= 4 * DOTTED {
                let mut dots = json!({"size": 24, "opacity": 1});
                if let Some(colour) = mark.get("color").or_else(|| mark.get("stroke")) {
                    dots["color"] = colour.clone();
                }
                default(mark, "point", dots);
            } else if rows <= HOVERED {
                default(mark, "point", "transparent");
            }
        }
        if mark["type"] == "area" && encoding["color"].is_null() {
            default(mark, "line", true);
            default(mark, "fillOpacity", 0.2);
        }
        let measures = ["x", "y"]
            .map(|channel| encoding[channel]["field"].as_str().and_then(|key| self.stats.range(key)));
        if mark["type"] == "bar" && measures.into_iter().flatten().any(|range| range.least < 0.0) {
            // Vega-Lite rounds the upper end, which is the foot of a bar below zero.
            default(mark, "cornerRadiusEnd", 0);
        }
        let has_unit = encoding["x"]["type"] == "temporal" && encoding["x"]["timeUnit"].is_string();
        if mark["type"] == "bar" && has_unit {
            default(mark, "width", json!({"band": 0.74}));
        }
        let is_weekly = encoding["x"]["scale"]["padding"].is_number() && encoding["x"]["type"] == "temporal";
        if mark["type"] == "bar" && is_weekly {
            let weeks = match (times.first(), times.last()) {
                (Some(first), Some(last)) => (*last - *first).num_weeks() + 2,
                _ => 2,
            };
            let width = if self.columns.is_some() { "200".to_owned() } else { "width".to_owned() };
            default(mark, "width", json!({"expr": format!("max(2, {width} / {weeks} * 0.72)")}));
        }
    }
}
