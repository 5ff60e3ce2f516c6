//! Encodings: channels, and the definition of each.

use serde_json::{Map, Value, json};

use super::{
    Checker, Place,
    rule::{self, Rule, is_scalar, join, unknown_key},
    transform,
};
use crate::{
    error::Error,
    field::{Field, Kind},
};

/// What can be computed of a group of rows.
pub(super) const AGGREGATES: [&str; 14] = [
    "count", "sum", "mean", "average", "median", "min", "max", "distinct", "valid", "missing", "q1", "q3",
    "stdev", "variance",
];
/// Aggregates that count, whatever the values are.
const COUNTS: [&str; 4] = ["count", "distinct", "valid", "missing"];

/// The object form of `bin`.
pub(super) const BIN: &[(&str, Rule)] = &[
    ("maxbins", Rule::Number(2.0, 200.0)),
    ("step", Rule::Number(f64::MIN_POSITIVE, f64::MAX)),
    ("nice", Rule::Flag),
    ("extent", Rule::Numbers(2)),
    ("base", Rule::Number(2.0, 100.0)),
    ("anchor", Rule::Number(f64::MIN, f64::MAX)),
];

const CHANNELS: [&str; 26] = [
    "x",
    "y",
    "x2",
    "y2",
    "xOffset",
    "yOffset",
    "theta",
    "theta2",
    "radius",
    "radius2",
    "color",
    "fill",
    "stroke",
    "opacity",
    "fillOpacity",
    "strokeOpacity",
    "strokeWidth",
    "strokeDash",
    "size",
    "shape",
    "text",
    "tooltip",
    "detail",
    "order",
    "row",
    "column",
];
/// Channels of the root and of cells alone.
const FACETS: [&str; 3] = ["row", "column", "facet"];
const COLOURED: [&str; 3] = ["color", "fill", "stroke"];
/// Channels that tell groups apart, so that a number on them is one of a few.
const GROUPING: [&str; 8] = ["row", "column", "facet", "xOffset", "yOffset", "shape", "strokeDash", "detail"];

const TYPES: [&str; 4] = ["quantitative", "temporal", "nominal", "ordinal"];
const UNITS: [&str; 26] = [
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "dayofyear",
    "date",
    "hours",
    "minutes",
    "seconds",
    "yearquarter",
    "yearmonth",
    "yearmonthdate",
    "yearmonthdatehours",
    "yearmonthdatehoursminutes",
    "yearmonthdatehoursminutesseconds",
    "yearweek",
    "yearweekday",
    "yeardayofyear",
    "quartermonth",
    "monthdate",
    "monthdatehours",
    "weekday",
    "dayhours",
    "hoursminutes",
    "minutesseconds",
];
const SORT_WORDS: [&str; 18] = [
    "ascending",
    "descending",
    "x",
    "-x",
    "y",
    "-y",
    "color",
    "-color",
    "size",
    "-size",
    "theta",
    "-theta",
    "text",
    "-text",
    "shape",
    "-shape",
    "opacity",
    "-opacity",
];
const WORDS_OF_STACK: Rule =
    Rule::Any(&[Rule::Flag, Rule::Null, Rule::Word(&["zero", "normalize", "center"])]);
const ANY_NUMBER: Rule = Rule::Number(f64::MIN, f64::MAX);

const SCALE: &[(&str, Rule)] = &[
    (
        "type",
        Rule::Word(&[
            "linear", "log", "symlog", "sqrt", "pow", "time", "utc", "band", "point", "ordinal", "quantize",
            "quantile",
        ]),
    ),
    ("domain", Rule::Any(&[Rule::Scalars(200), Rule::Word(&["unaggregated"])])),
    ("domainMin", ANY_NUMBER),
    ("domainMax", ANY_NUMBER),
    ("domainMid", ANY_NUMBER),
    ("zero", Rule::Flag),
    ("nice", Rule::Any(&[Rule::Flag, Rule::Number(1.0, 50.0)])),
    ("reverse", Rule::Flag),
    ("clamp", Rule::Flag),
    ("base", Rule::Number(2.0, 100.0)),
    ("exponent", Rule::Number(0.1, 10.0)),
    ("constant", Rule::Number(f64::MIN_POSITIVE, 1e12)),
    ("padding", Rule::Number(0.0, 100.0)),
    ("paddingInner", Rule::Number(0.0, 1.0)),
    ("paddingOuter", Rule::Number(0.0, 10.0)),
    // Colours and sizes are the theme's.
    ("scheme", Rule::Ignored),
    ("range", Rule::Ignored),
    ("rangeMin", Rule::Ignored),
    ("rangeMax", Rule::Ignored),
    ("interpolate", Rule::Ignored),
    ("round", Rule::Ignored),
    ("align", Rule::Ignored),
    ("bins", Rule::Ignored),
];

const TITLE: Rule = Rule::Any(&[Rule::Text(160), Rule::Null]);
const GUIDE: &[(&str, Rule)] = &[
    ("title", TITLE),
    ("format", Rule::Format),
    ("formatType", Rule::Ignored),
    ("grid", Rule::Flag),
    ("labels", Rule::Flag),
    ("ticks", Rule::Flag),
    ("domain", Rule::Flag),
    ("labelAngle", Rule::Number(-360.0, 360.0)),
    ("labelOverlap", Rule::Any(&[Rule::Flag, Rule::Word(&["parity", "greedy"])])),
    (
        "tickCount",
        Rule::Any(&[Rule::Number(0.0, 40.0), Rule::Word(&["year", "month", "week", "day", "hour"])]),
    ),
    ("tickMinStep", Rule::Number(0.0, f64::MAX)),
    ("values", Rule::Scalars(60)),
    ("orient", Rule::Word(&["top", "bottom", "left", "right"])),
];
/// How a guide looks is the theme's: properties that begin like these are left out.
const LOOKS: [&str; 16] = [
    "label",
    "title",
    "grid",
    "tick",
    "domain",
    "symbol",
    "gradient",
    "column",
    "row",
    "offset",
    "padding",
    "direction",
    "type",
    "zindex",
    "stroke",
    "band",
];

impl Checker<'_> {
    pub(super) fn encoding(
        &mut self,
        encoding: &Value,
        at: &str,
        mark: Option<&str>,
        place: Place,
    ) -> Result<Value, Error> {
        let Some(map) = encoding.as_object() else {
            return Err(Error::spec(at, "`encoding` is no object", "Give {\"x\": {..}, \"y\": {..}}."));
        };
        let mut checked = Map::new();
        for (channel, definition) in map {
            let at = join(at, channel);
            let is_facet = FACETS.contains(&channel.as_str());
            if !(CHANNELS.contains(&channel.as_str()) || is_facet) || (is_facet && place != Place::Root) {
                return Err(unknown_key(channel, &at, &CHANNELS));
            }
            let copied = match (channel.as_str(), definition) {
                ("detail" | "tooltip" | "order", Value::Array(list)) if list.len() <= 12 => {
                    let copied: Result<Vec<Value>, Error> =
                        list.iter().map(|definition| self.definition(channel, definition, &at)).collect();
                    Value::Array(copied?)
                }
                (_, Value::Null) => Value::Null,
                _ => self.definition(channel, definition, &at)?,
            };
            checked.insert(channel.clone(), copied);
        }
        if let Some(mark) = mark {
            let has_position = map.keys().any(|channel| !["tooltip", "order"].contains(&channel.as_str()));
            if place != Place::Layer && !has_position {
                let hint = format!(
                    "Encode fields for `{mark}`, for example {{\"x\": {{\"field\": ..}}, \"y\": {{\"field\": ..}}}}."
                );
                return Err(Error::spec(at, "nothing is encoded", hint));
            }
        }
        Ok(Value::Object(checked))
    }

    /// One channel's definition: a field, an aggregate, or a value.
    pub(super) fn definition(&mut self, channel: &str, definition: &Value, at: &str) -> Result<Value, Error> {
        let Some(map) = definition.as_object() else {
            let hint =
                "Give {\"field\": .., \"type\": ..}, {\"aggregate\": .., \"field\": ..} or {\"value\": ..}.";
            return Err(Error::spec(at, format!("`{channel}` is no object"), hint));
        };
        let field = match map.get("field") {
            None => None,
            Some(Value::String(name)) => Some(self.fields.resolve(name, &join(at, "field"))?),
            Some(_) => {
                return Err(Error::spec(join(at, "field"), "this is no field", "Give the name of a column."));
            }
        };
        let aggregate = map.get("aggregate").and_then(Value::as_str);
        let mut copied = Map::new();
        if let Some(field) = &field {
            copied.insert("field".to_owned(), json!(field.key));
        }
        if field.is_some() || aggregate.is_some() {
            let kind = self.resolve_type(channel, map, field.as_ref(), at)?;
            copied.insert("type".to_owned(), json!(kind));
        }
        for (key, value) in map {
            let inner = join(at, key);
            let checked = match key.as_str() {
                "field" | "type" | "formatType" => continue,
                "aggregate" => rule::copy(&Rule::Word(&AGGREGATES), value, &inner)?,
                "bin" => rule::copy(&Rule::Any(&[Rule::Flag, Rule::Null, Rule::Object(BIN)]), value, &inner)?,
                "timeUnit" => Some(time_unit(value, &inner)?),
                "title" => rule::copy(&TITLE, value, &inner)?,
                "format" => rule::copy(&Rule::Format, value, &inner)?,
                "sort" => Some(self.sort(value, &inner)?),
                "stack" => rule::copy(&WORDS_OF_STACK, value, &inner)?,
                "scale" => rule::copy(&Rule::Object(SCALE), value, &inner)?,
                "axis" | "legend" | "header" => guide(value, &inner)?,
                "bandPosition" => rule::copy(&Rule::Number(0.0, 1.0), value, &inner)?,
                "columns" => rule::copy(&Rule::Number(1.0, 6.0), value, &inner)?,
                "value" => Some(constant(channel, value, &inner)?),
                "datum" => Some(datum(value, &inner)?),
                "condition" => Some(self.conditions(channel, value, &inner)?),
                "impute" | "spacing" | "align" | "center" => None,
                _ => {
                    let allowed = [
                        "field",
                        "type",
                        "aggregate",
                        "bin",
                        "timeUnit",
                        "title",
                        "format",
                        "sort",
                        "stack",
                        "scale",
                        "axis",
                        "legend",
                        "header",
                        "value",
                        "datum",
                        "condition",
                    ];
                    return Err(unknown_key(key, &inner, &allowed));
                }
            };
            copied.extend(checked.map(|checked| (key.clone(), checked)));
        }
        let says_nothing = !["field", "aggregate", "value", "datum", "condition"]
            .iter()
            .any(|key| copied.contains_key(*key));
        if says_nothing {
            let hint = "Give {\"field\": .., \"type\": ..}, {\"aggregate\": \"count\"} or {\"value\": ..}.";
            return Err(Error::spec(at, format!("`{channel}` names no field and no value"), hint));
        }
        Ok(Value::Object(copied))
    }

    /// The type that a definition has: as given, where that suits the field, else by the field's kind.
    fn resolve_type(
        &mut self,
        channel: &str,
        map: &Map<String, Value>,
        field: Option<&Field>,
        at: &str,
    ) -> Result<&'static str, Error> {
        let given = match map.get("type") {
            None => None,
            Some(value) => {
                let known = value.as_str().and_then(|name| TYPES.into_iter().find(|known| *known == name));
                let hint = format!("Allowed here: {}.", TYPES.join(", "));
                Some(known.ok_or_else(|| Error::spec(join(at, "type"), "there is no such type", hint))?)
            }
        };
        let aggregate = map.get("aggregate").and_then(Value::as_str);
        let Some(field) = field else {
            return match aggregate {
                Some("count") => Ok("quantitative"),
                _ => Err(Error::spec(
                    at,
                    "this aggregate needs a field",
                    "Add `field`; only `count` goes without.",
                )),
            };
        };
        if aggregate.is_some_and(|aggregate| COUNTS.contains(&aggregate)) {
            return Ok("quantitative");
        }
        let mut kind = field.kind;
        let wants_time = given == Some("temporal") || map.contains_key("timeUnit");
        if wants_time && kind == Kind::Text && self.fields.read_as_time(&field.key) {
            kind = Kind::Time;
        }
        let is_binned = map.get("bin").is_some_and(|bin| bin != &Value::Bool(false) && !bin.is_null());
        let is_grouping = GROUPING.contains(&channel);
        let resolved = given.unwrap_or(match kind {
            Kind::Number if is_grouping && !is_binned => "ordinal",
            Kind::Number => "quantitative",
            Kind::Time => "temporal",
            Kind::Text | Kind::Flag => "nominal",
        });
        let name = &field.label;
        if (wants_time || resolved == "temporal") && kind != Kind::Time {
            let hint = "Use `ordinal` or `nominal`, or make a real date of it in SQL.";
            return Err(Error::spec(at, format!("`{name}` holds no dates, so it cannot be temporal"), hint));
        }
        let needs_number = resolved == "quantitative"
            || aggregate.is_some_and(|aggregate| !["min", "max"].contains(&aggregate))
            || is_binned;
        if needs_number && kind != Kind::Number {
            let hint = "Use `nominal`, or `temporal` for dates, or turn it into a number in SQL.";
            return Err(Error::spec(
                at,
                format!("`{name}` holds no numbers, so it cannot be quantitative"),
                hint,
            ));
        }
        Ok(resolved)
    }

    fn sort(&mut self, value: &Value, at: &str) -> Result<Value, Error> {
        let hint = format!(
            "Give null (order of the rows), one of {}, a list of values, or {{\"field\": .., \"op\": .., \"order\": ..}}.",
            SORT_WORDS.join(", ")
        );
        let refusal = || Error::spec(at, "this sort is not allowed", hint.clone());
        match value {
            Value::Null => Ok(Value::Null),
            Value::String(word) if SORT_WORDS.contains(&word.as_str()) => Ok(value.clone()),
            Value::Array(list) if list.len() <= 200 && list.iter().all(is_scalar) => Ok(value.clone()),
            Value::Object(map) => {
                let mut copied = Map::new();
                for (key, value) in map {
                    let checked = match key.as_str() {
                        "field" => {
                            let name = value.as_str().ok_or_else(refusal)?;
                            json!(self.fields.resolve(name, &join(at, "field"))?.key)
                        }
                        "op" if value.as_str().is_some_and(|op| AGGREGATES.contains(&op)) => value.clone(),
                        "order" if value.is_null() || value == "ascending" || value == "descending" => {
                            value.clone()
                        }
                        "encoding" if value.as_str().is_some_and(|word| SORT_WORDS.contains(&word)) => {
                            value.clone()
                        }
                        _ => return Err(refusal()),
                    };
                    copied.insert(key.clone(), checked);
                }
                Ok(Value::Object(copied))
            }
            _ => Err(refusal()),
        }
    }

    fn conditions(&mut self, channel: &str, value: &Value, at: &str) -> Result<Value, Error> {
        if let Value::Array(list) = value
            && list.len() <= 6
        {
            let checked: Result<Vec<Value>, Error> =
                list.iter().map(|condition| self.condition(channel, condition, at)).collect();
            return checked.map(Value::Array);
        }
        self.condition(channel, value, at)
    }

    fn condition(&mut self, channel: &str, value: &Value, at: &str) -> Result<Value, Error> {
        let hint = "Give {\"test\": {\"field\": .., \"equal\": ..}, \"value\": ..}.";
        let (Some(map), Some(test)) = (value.as_object(), value.get("test")) else {
            return Err(Error::spec(at, "this condition is not allowed", hint));
        };
        let test = self.predicate(test, &join(at, "test"), 0)?;
        let mut rest = map.clone();
        rest.remove("test");
        let Value::Object(mut copied) = self.definition(channel, &Value::Object(rest), at)? else {
            return Err(Error::spec(at, "this condition is not allowed", hint));
        };
        copied.insert("test".to_owned(), test);
        Ok(Value::Object(copied))
    }
}

/// An axis, a legend or a header, without what the theme decides; `null` for none.
fn guide(value: &Value, at: &str) -> Result<Option<Value>, Error> {
    let map = match value {
        Value::Null | Value::Bool(false) => return Ok(Some(Value::Null)),
        Value::Object(map) => map,
        _ => return Err(Error::spec(at, "this guide is not allowed", "Give null for none, or an object.")),
    };
    let mut kept = map.clone();
    kept.retain(|key, _| {
        let is_look = LOOKS.iter().any(|look| key.starts_with(look)) && key != "labelExpr";
        GUIDE.iter().any(|(name, _)| name == key) || !is_look
    });
    rule::copy(&Rule::Object(GUIDE), &Value::Object(kept), at)
}

/// A constant of a channel.
fn constant(channel: &str, value: &Value, at: &str) -> Result<Value, Error> {
    let rule = match channel {
        _ if COLOURED.contains(&channel) => Rule::Any(&[Rule::Colour, Rule::Null]),
        "text" | "tooltip" => Rule::Any(&[Rule::Text(200), ANY_NUMBER, Rule::Null]),
        "shape" => Rule::Word(&["circle", "square", "cross", "diamond", "triangle", "stroke"]),
        "strokeDash" => Rule::Numbers(6),
        "x" | "x2" => Rule::Any(&[Rule::Number(-2000.0, 2000.0), Rule::Word(&["width"])]),
        "y" | "y2" => Rule::Any(&[Rule::Number(-2000.0, 2000.0), Rule::Word(&["height"])]),
        _ => Rule::Number(-2000.0, 2000.0),
    };
    Ok(rule::copy(&rule, value, at)?.unwrap_or(Value::Null))
}

/// A constant in the units of the data: a number, a category, a date.
fn datum(value: &Value, at: &str) -> Result<Value, Error> {
    if let Some(moment) = value.as_str().and_then(transform::moment) {
        return Ok(moment);
    }
    if is_scalar(value) {
        return Ok(value.clone());
    }
    let parts = value.as_object().filter(|parts| {
        let names = ["year", "month", "date", "hours", "minutes", "seconds", "quarter", "day"];
        parts.iter().all(|(name, part)| names.contains(&name.as_str()) && is_scalar(part))
    });
    let Some(parts) = parts else {
        return Err(Error::spec(
            at,
            "this datum is not allowed",
            "Give a number, a text or a date such as \"2026-03-01\".",
        ));
    };
    let mut moment = parts.clone();
    moment.insert("utc".to_owned(), json!(true));
    Ok(Value::Object(moment))
}

/// A time unit, in UTC: wall time is bound as if it were UTC.
pub(super) fn time_unit(value: &Value, at: &str) -> Result<Value, Error> {
    let (name, step) = match value {
        Value::String(name) => (name.as_str(), None),
        Value::Object(map) => {
            let known = ["unit", "step", "utc", "maxbins"];
            if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
                return Err(unknown_key(key, &join(at, key), &known));
            }
            let step = match map.get("step") {
                Some(step) => rule::copy(&Rule::Number(1.0, 1000.0), step, &join(at, "step"))?,
                None => None,
            };
            (map.get("unit").and_then(Value::as_str).unwrap_or_default(), step)
        }
        _ => ("", None),
    };
    let local = name.strip_prefix("utc").unwrap_or(name);
    if !UNITS.contains(&local) {
        let hint = format!("Allowed here: {}.", UNITS.join(", "));
        return Err(Error::spec(at, "there is no such time unit", hint));
    }
    let unit = format!("utc{local}");
    Ok(step.map_or_else(|| json!(unit), |step| json!({"unit": unit, "step": step})))
}
