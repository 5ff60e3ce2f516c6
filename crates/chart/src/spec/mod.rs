//! The subset of Vega-Lite that a chart may be written in.
//!
//! Checking copies a spec property by property: what no rule names is refused, fields become the keys of the bound rows, and
//! every field gets a type. What comes out is safe to compile.

mod colour;
mod encoding;
mod mark;
mod rule;
mod transform;

use serde_json::{Map, Value, json};

use self::rule::{Rule, join, unknown_key};
use crate::{error::Error, field::Fields};

const MAX_LAYERS: usize = 8;

/// A spec that is checked.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    /// Vega-Lite, without data, title and size.
    pub(crate) spec: Map<String, Value>,
    /// The fields it uses.
    pub(crate) fields: Fields<'a>,
    /// The spec's own title.
    pub(crate) title: String,
    /// The spec's own subtitle.
    pub(crate) subtitle: String,
    /// The height that the spec asks for, in pixels.
    pub(crate) height: Option<f64>,
}

/// Properties of a view that layout and theme decide.
const IGNORED: [&str; 14] = [
    "$schema",
    "width",
    "config",
    "background",
    "padding",
    "autosize",
    "name",
    "description",
    "view",
    "align",
    "spacing",
    "center",
    "bounds",
    "resize",
];
const ALLOWED: [&str; 10] =
    ["mark", "encoding", "layer", "facet", "spec", "columns", "transform", "title", "height", "resolve"];

const CHANNELS: [(&str, Rule); 10] = [
    ("x", Rule::Word(&["shared", "independent"])),
    ("y", Rule::Word(&["shared", "independent"])),
    ("theta", Rule::Word(&["shared", "independent"])),
    ("radius", Rule::Word(&["shared", "independent"])),
    ("color", Rule::Word(&["shared", "independent"])),
    ("opacity", Rule::Word(&["shared", "independent"])),
    ("size", Rule::Word(&["shared", "independent"])),
    ("shape", Rule::Word(&["shared", "independent"])),
    ("strokeDash", Rule::Word(&["shared", "independent"])),
    ("xOffset", Rule::Word(&["shared", "independent"])),
];
const RESOLVE: [(&str, Rule); 3] = [
    ("scale", Rule::Object(&CHANNELS)),
    ("axis", Rule::Object(&CHANNELS)),
    ("legend", Rule::Object(&CHANNELS)),
];

/// Checks a spec against the subset and the columns of the result.
pub(crate) fn check<'a>(spec: &Value, fields: Fields<'a>) -> Result<Checked<'a>, Error> {
    let Some(map) = spec.as_object() else {
        return Err(Error::spec(
            "",
            "the spec is no JSON object",
            "Give Vega-Lite as an object with `mark` and `encoding`.",
        ));
    };
    let mut checker = Checker { fields };
    let checked = checker.view(map, "", Place::Root)?;
    let (title, subtitle) = title(map.get("title"))?;
    let height = map.get("height").and_then(Value::as_f64);
    Ok(Checked { spec: checked, fields: checker.fields, title, subtitle, height })
}

/// Where a view stands, which decides what it may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// The `spec` of a facet.
    Cell,
    /// One of a `layer`.
    Layer,
}

struct Checker<'a> {
    fields: Fields<'a>,
}

impl Checker<'_> {
    fn view(
        &mut self,
        map: &Map<String, Value>,
        at: &str,
        place: Place,
    ) -> Result<Map<String, Value>, Error> {
        for key in map.keys() {
            if !ALLOWED.contains(&key.as_str()) && !IGNORED.contains(&key.as_str()) {
                return Err(unknown_key(key, &join(at, key), &ALLOWED));
            }
        }
        let mut checked = Map::new();
        // First, because what they make can be encoded.
        if let Some(transforms) = map.get("transform") {
            checked.insert("transform".to_owned(), self.transforms(transforms, &join(at, "transform"))?);
        }
        if let Some(resolve) = map.get("resolve") {
            let resolve = rule::copy(&Rule::Object(&RESOLVE), resolve, &join(at, "resolve"))?;
            checked.extend(resolve.map(|resolve| ("resolve".to_owned(), resolve)));
        }
        let bodies = ["mark", "layer", "facet"].into_iter().filter(|body| map.contains_key(*body)).count();
        if bodies != 1 {
            let hint = "A chart has one of `mark` (with `encoding`), `layer` (a list of such views) or `facet` (with `spec`).";
            return Err(Error::spec(at, "the chart has no body, or several", hint));
        }
        if let Some(mark) = map.get("mark") {
            let mark = mark::check(mark, &join(at, "mark"))?;
            let kind = mark["type"].as_str().unwrap_or_default().to_owned();
            checked.insert("mark".to_owned(), mark);
            let encoding = map.get("encoding").cloned().unwrap_or_else(|| json!({}));
            checked.insert(
                "encoding".to_owned(),
                self.encoding(&encoding, &join(at, "encoding"), Some(&kind), place)?,
            );
        } else if let Some(layers) = map.get("layer") {
            if let Some(encoding) = map.get("encoding") {
                checked.insert(
                    "encoding".to_owned(),
                    self.encoding(encoding, &join(at, "encoding"), None, place)?,
                );
            }
            checked.insert("layer".to_owned(), self.layers(layers, &join(at, "layer"), place)?);
        } else if let Some(facet) = map.get("facet") {
            self.facet(facet, map, at, place, &mut checked)?;
        }
        Ok(checked)
    }

    fn layers(&mut self, layers: &Value, at: &str, place: Place) -> Result<Value, Error> {
        let list = layers.as_array().filter(|list| !list.is_empty() && list.len() <= MAX_LAYERS);
        let Some(list) = list.filter(|_| place != Place::Layer) else {
            let hint = format!(
                "`layer` is a list of 1 to {MAX_LAYERS} views with `mark` and `encoding`; layers do not nest."
            );
            return Err(Error::spec(at, "these layers are not allowed", hint));
        };
        let mut checked = Vec::with_capacity(list.len());
        for (position, view) in list.iter().enumerate() {
            let at = format!("{at}[{position}]");
            let Some(map) = view.as_object() else {
                return Err(Error::spec(at, "this layer is no object", "A layer has `mark` and `encoding`."));
            };
            checked.push(Value::Object(self.view(map, &at, Place::Layer)?));
        }
        Ok(Value::Array(checked))
    }

    fn facet(
        &mut self,
        facet: &Value,
        map: &Map<String, Value>,
        at: &str,
        place: Place,
        checked: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        let facet_at = join(at, "facet");
        let hint = "`facet` is a field such as {\"field\": \"region\", \"type\": \"nominal\"}, or {\"row\": .., \
                    \"column\": ..}, at the top of the chart, with the view in `spec`.";
        let cell = map.get("spec").and_then(Value::as_object);
        let (Some(facet), Some(cell), Place::Root) = (facet.as_object(), cell, place) else {
            return Err(Error::spec(facet_at, "this facet is not allowed", hint));
        };
        if map.contains_key("encoding") {
            return Err(Error::spec(
                join(at, "encoding"),
                "`encoding` is not allowed beside `facet`",
                "Put it into `spec`.",
            ));
        }
        let copied = if facet.contains_key("field") {
            self.definition("facet", &Value::Object(facet.clone()), &facet_at)?
        } else {
            let mut sides = Map::new();
            for (side, definition) in facet {
                if side != "row" && side != "column" {
                    return Err(unknown_key(
                        side,
                        &join(&facet_at, side),
                        &["field", "type", "row", "column"],
                    ));
                }
                sides.insert(side.clone(), self.definition(side, definition, &join(&facet_at, side))?);
            }
            Value::Object(sides)
        };
        checked.insert("facet".to_owned(), copied);
        if let Some(columns) = map.get("columns") {
            let columns = rule::copy(&Rule::Number(1.0, 6.0), columns, &join(at, "columns"))?;
            checked.extend(columns.map(|columns| ("columns".to_owned(), columns)));
        }
        let cell = self.view(cell, &join(at, "spec"), Place::Cell)?;
        checked.insert("spec".to_owned(), Value::Object(cell));
        Ok(())
    }
}

/// Title and subtitle of a spec's `title`, which is a text, lines of text, or an object of both.
fn title(title: Option<&Value>) -> Result<(String, String), Error> {
    let Some(title) = title else {
        return Ok((String::new(), String::new()));
    };
    let refusal = || {
        Error::spec("title", "this title is not allowed", "Give `title` as a text, or as {text, subtitle}.")
    };
    let text = |value: &Value| match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(lines) => {
            lines.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|lines| lines.join(" "))
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    let Value::Object(parts) = title else {
        return text(title).map(|title| (title, String::new())).ok_or_else(refusal);
    };
    let part = |name: &str| parts.get(name).map_or_else(|| Some(String::new()), text).ok_or_else(refusal);
    Ok((part("text")?, part("subtitle")?))
}
