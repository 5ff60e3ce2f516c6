//! Transforms without expressions: aggregates, windows, bins, folds and filters by predicate.

use serde_json::{Map, Value, json};

use super::{
    Checker,
    encoding::{AGGREGATES, BIN, time_unit},
    rule::{self, Rule, is_scalar, join, unknown_key},
};
use crate::{
    error::Error,
    field::{Field, Kind, is_inherited},
    time,
};

const MAX_TRANSFORMS: usize = 12;
const MAX_NESTING: usize = 6;
const KINDS: [&str; 10] = [
    "filter",
    "aggregate",
    "joinaggregate",
    "window",
    "bin",
    "timeUnit",
    "fold",
    "stack",
    "regression",
    "loess",
];
const WINDOW_ONLY: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];
const FIXED: &[(&str, Rule)] = &[
    ("ignorePeers", Rule::Flag),
    ("offset", Rule::Any(&[Rule::Null, Rule::Word(&["zero", "center", "normalize"])])),
    ("method", Rule::Word(&["linear", "log", "exp", "pow", "quad"])),
    ("bandwidth", Rule::Number(0.05, 1.0)),
    ("bin", Rule::Any(&[Rule::Flag, Rule::Object(BIN)])),
];

impl Checker<'_> {
    pub(super) fn transforms(&mut self, transforms: &Value, at: &str) -> Result<Value, Error> {
        let Some(list) = transforms.as_array().filter(|list| list.len() <= MAX_TRANSFORMS) else {
            let hint = format!("`transform` is a list of at most {MAX_TRANSFORMS} transforms.");
            return Err(Error::spec(at, "these transforms are not allowed", hint));
        };
        let mut checked = Vec::with_capacity(list.len());
        for (position, transform) in list.iter().enumerate() {
            checked.push(self.transform(transform, &format!("{at}[{position}]"))?);
        }
        Ok(Value::Array(checked))
    }

    fn transform(&mut self, transform: &Value, at: &str) -> Result<Value, Error> {
        let empty = Map::new();
        let map = transform.as_object().unwrap_or(&empty);
        // `aggregate` and `bin` also are properties of others, so the kind is the first that tells.
        let Some(kind) = KINDS.into_iter().find(|kind| map.contains_key(*kind)) else {
            let key = map.keys().next().map_or("transform", String::as_str);
            return Err(unknown_key(key, at, &KINDS));
        };
        let mut copied = Map::new();
        for (key, value) in map {
            let inner = join(at, key);
            let checked = match key.as_str() {
                "filter" => self.predicate(value, &inner, 0)?,
                "aggregate" | "joinaggregate" | "window" if key == kind => {
                    self.operations(value, &inner, kind == "window")?
                }
                "groupby" | "fold" => self.field_list(value, &inner)?,
                "field" | "stack" | "regression" | "loess" | "on" => self.field_name(value, &inner)?,
                "timeUnit" => time_unit(value, &inner)?,
                "sort" => self.sort_list(value, &inner)?,
                "as" => value.clone(),
                "frame" => frame(value, &inner)?,
                _ => {
                    let Some((_, rule)) = FIXED.iter().find(|(name, _)| name == key) else {
                        return Err(unknown_key(key, &inner, &KINDS));
                    };
                    let Some(value) = rule::copy(rule, value, &inner)? else { continue };
                    value
                }
            };
            copied.insert(key.clone(), checked);
        }
        if let Some(names) = self.outputs(kind, map, at)? {
            copied.insert("as".to_owned(), names);
        }
        Ok(Value::Object(copied))
    }

    /// Makes the names that a transform writes known; answers its `as` where it needs one.
    fn outputs(&mut self, kind: &str, map: &Map<String, Value>, at: &str) -> Result<Option<Value>, Error> {
        let given: Vec<&str> = match map.get("as") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for name in &given {
            name_is_plain(name, &join(at, "as"))?;
        }
        let needed: &[Kind] = match kind {
            "bin" | "stack" => &[Kind::Number, Kind::Number],
            "timeUnit" => &[Kind::Time],
            "fold" => &[Kind::Text, Kind::Number],
            _ => return Ok(None),
        };
        let names: Vec<&str> = match (kind, given.len()) {
            ("fold", 0) => vec!["key", "value"],
            (_, 0) => {
                let hint = "Give `as`: the name of the field it makes.";
                return Err(Error::spec(at, format!("`{kind}` needs `as`"), hint));
            }
            _ => given,
        };
        let mut sources = Vec::new();
        for folded in
            map.get("fold").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            sources.extend(self.fields.resolve(folded, &join(at, "fold"))?.column);
        }
        for (name, kind) in names.iter().zip(needed) {
            self.fields.add(name, *kind, if *kind == Kind::Number { &sources } else { &[] });
        }
        Ok(Some(if names.len() == 1 { json!(names[0]) } else { json!(names) }))
    }

    /// The `[{op, field, as}]` of aggregates and windows.
    fn operations(&mut self, value: &Value, at: &str, is_window: bool) -> Result<Value, Error> {
        let hint = "Give a list such as [{\"op\": \"sum\", \"field\": \"revenue\", \"as\": \"total\"}].";
        let refusal = |at: &str| Error::spec(at, "these operations are not allowed", hint);
        let list = value.as_array().filter(|list| list.len() <= 12).ok_or_else(|| refusal(at))?;
        let mut checked = Vec::with_capacity(list.len());
        for (position, operation) in list.iter().enumerate() {
            let at = format!("{at}[{position}]");
            let map = operation.as_object().ok_or_else(|| refusal(&at))?;
            if let Some(key) = map.keys().find(|key| !["op", "field", "as", "param"].contains(&key.as_str()))
            {
                return Err(unknown_key(key, &join(&at, key), &["op", "field", "as", "param"]));
            }
            let op = map.get("op").and_then(Value::as_str).unwrap_or_default();
            let is_known = AGGREGATES.contains(&op) || (is_window && WINDOW_ONLY.contains(&op));
            if !is_known {
                let hint = format!("Allowed here: {}.", AGGREGATES.join(", "));
                return Err(Error::spec(join(&at, "op"), format!("there is no operation `{op}`"), hint));
            }
            let name = map.get("as").and_then(Value::as_str).ok_or_else(|| refusal(&at))?;
            name_is_plain(name, &join(&at, "as"))?;
            let mut copied = Map::from_iter([("op".to_owned(), json!(op)), ("as".to_owned(), json!(name))]);
            let mut kind = Kind::Number;
            if let Some(field) = map.get("field").and_then(Value::as_str) {
                let field = self.fields.resolve(field, &join(&at, "field"))?;
                if ["min", "max", "lag", "lead", "first_value", "last_value", "nth_value"].contains(&op) {
                    kind = field.kind;
                }
                copied.insert("field".to_owned(), json!(field.key));
            }
            if let Some(parameter) = map.get("param") {
                let parameter = rule::copy(&Rule::Number(0.0, 1000.0), parameter, &join(&at, "param"))?;
                copied.extend(parameter.map(|parameter| ("param".to_owned(), parameter)));
            }
            self.fields.add(name, kind, &[]);
            checked.push(Value::Object(copied));
        }
        Ok(Value::Array(checked))
    }

    fn field_name(&mut self, value: &Value, at: &str) -> Result<Value, Error> {
        let Some(name) = value.as_str() else {
            return Err(Error::spec(at, "this is no field", "Give the name of a column."));
        };
        Ok(json!(self.fields.resolve(name, at)?.key))
    }

    fn field_list(&mut self, value: &Value, at: &str) -> Result<Value, Error> {
        let Some(names) = value.as_array() else {
            return Err(Error::spec(at, "this is no list of fields", "Give a list of names of columns."));
        };
        let keys: Result<Vec<Value>, Error> = names.iter().map(|name| self.field_name(name, at)).collect();
        Ok(Value::Array(keys?))
    }

    fn sort_list(&mut self, value: &Value, at: &str) -> Result<Value, Error> {
        let hint = "Give a list such as [{\"field\": \"month\", \"order\": \"ascending\"}].";
        let Some(list) = value.as_array() else {
            return Err(Error::spec(at, "this sort is not allowed", hint));
        };
        let mut checked = Vec::with_capacity(list.len());
        for item in list {
            let field = self.field_name(item.get("field").unwrap_or(&Value::Null), at)?;
            let order = item.get("order").and_then(Value::as_str).unwrap_or("ascending");
            if !["ascending", "descending"].contains(&order) {
                return Err(Error::spec(at, "this order is not allowed", hint));
            }
            checked.push(json!({"field": field, "order": order}));
        }
        Ok(Value::Array(checked))
    }

    /// A predicate object: a comparison of a field, or `and`, `or`, `not` of such.
    pub(super) fn predicate(&mut self, value: &Value, at: &str, depth: usize) -> Result<Value, Error> {
        let hint = "Give a predicate such as {\"field\": \"flights\", \"gt\": 100}, {\"field\": \"carrier\", \"oneOf\": \
                    [\"UA\"]}, or {\"and\": [..]}; expressions are not allowed. Or filter in SQL.";
        let refusal = || Error::spec(at, "this predicate is not allowed", hint);
        let map = value.as_object().filter(|_| depth < MAX_NESTING).ok_or_else(refusal)?;
        if let Some((key, inner)) = map.iter().find(|(key, _)| ["and", "or", "not"].contains(&key.as_str())) {
            if map.len() != 1 {
                return Err(refusal());
            }
            let at = join(at, key);
            let checked = match inner {
                Value::Array(list) if key != "not" && list.len() <= 20 => {
                    let checked: Result<Vec<Value>, Error> =
                        list.iter().map(|inner| self.predicate(inner, &at, depth + 1)).collect();
                    Value::Array(checked?)
                }
                _ => self.predicate(inner, &at, depth + 1)?,
            };
            return Ok(json!({ key: checked }));
        }
        let name = map.get("field").and_then(Value::as_str).ok_or_else(refusal)?;
        let mut field = self.fields.resolve(name, &join(at, "field"))?;
        let mut copied = Map::from_iter([("field".to_owned(), json!(field.key))]);
        let has_unit = map.contains_key("timeUnit");
        if has_unit && self.fields.read_as_time(&field.key) {
            field.kind = Kind::Time;
        }
        for (key, value) in map {
            let inner = join(at, key);
            let checked = match key.as_str() {
                "field" => continue,
                "timeUnit" => time_unit(value, &inner)?,
                "equal" | "lt" | "lte" | "gt" | "gte" => {
                    operand(value, &field, has_unit).ok_or_else(refusal)?
                }
                "range" | "oneOf" => {
                    let list = value.as_array().filter(|list| list.len() <= 200).ok_or_else(refusal)?;
                    let operands: Option<Vec<Value>> =
                        list.iter().map(|value| operand(value, &field, has_unit)).collect();
                    Value::Array(operands.ok_or_else(refusal)?)
                }
                "valid" => value.as_bool().map(Value::Bool).ok_or_else(refusal)?,
                _ => return Err(refusal()),
            };
            copied.insert(key.clone(), checked);
        }
        Ok(Value::Object(copied))
    }
}

/// What a field is compared with. A time must be given as the date-time object that Vega-Lite compares times with.
pub(super) fn operand(value: &Value, field: &Field, has_unit: bool) -> Option<Value> {
    if let (Kind::Time, Some(text)) = (field.kind, value.as_str()) {
        return moment(text);
    }
    let is_unit_number = has_unit && value.is_number();
    let is_same_kind = match field.kind {
        Kind::Number => value.is_number(),
        Kind::Text | Kind::Flag => is_scalar(value),
        Kind::Time => false,
    };
    (is_same_kind || is_unit_number || value.is_null()).then(|| value.clone())
}

/// `2026-03-01` as Vega-Lite's date-time object.
pub(super) fn moment(text: &str) -> Option<Value> {
    use chrono::{Datelike, Timelike};
    let time = time::parse(text, chrono_tz::UTC)?;
    Some(json!({
        "utc": true, "year": time.year(), "month": time.month(), "date": time.day(),
        "hours": time.hour(), "minutes": time.minute(), "seconds": time.second(),
    }))
}

fn frame(value: &Value, at: &str) -> Result<Value, Error> {
    let is_bound = |bound: &Value| bound.is_null() || bound.is_i64();
    match value.as_array() {
        Some(bounds) if bounds.len() == 2 && bounds.iter().all(is_bound) => Ok(value.clone()),
        _ => Err(Error::spec(
            at,
            "this frame is not allowed",
            "Give [rows before or null, rows after or null].",
        )),
    }
}

/// A name that Vega does not read as a path.
fn name_is_plain(name: &str, at: &str) -> Result<(), Error> {
    let is_plain = !name.is_empty()
        && name.len() <= 60
        && !is_inherited(name)
        && name.chars().all(|character| character.is_alphanumeric() || "_- ".contains(character));
    if is_plain {
        return Ok(());
    }
    Err(Error::spec(at, "this name is not allowed", "Use letters, digits, blanks, `-` and `_`."))
}
