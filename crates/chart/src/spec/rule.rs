//! What a property of a spec may hold. Whatever no rule names is refused.

use serde_json::{Map, Value};

use crate::error::Error;

/// What a property may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// `true` or `false`.
    Flag,
    /// `null`.
    Null,
    /// A number between two, both included.
    Number(f64, f64),
    /// Up to so many numbers.
    Numbers(usize),
    /// Up to so many numbers, texts and truth values.
    Scalars(usize),
    /// A text of at most so many characters.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A colour, which the theme replaces by its nearest hue.
    Colour,
    /// A d3 format for numbers or for times.
    Format,
    /// Any of these.
    Any(&'static [Rule]),
    /// An object with these properties.
    Object(&'static [(&'static str, Rule)]),
    /// Left out of the chart, whatever it holds: the theme and the layout decide.
    Ignored,
}

const MAX_FORMAT: usize = 40;

/// A copy of `value` as far as `rule` lets it through: `None` where it is ignored.
pub(crate) fn copy(rule: &Rule, value: &Value, at: &str) -> Result<Option<Value>, Error> {
    let is_fine = match rule {
        Rule::Ignored => return Ok(None),
        Rule::Flag => value.is_boolean(),
        Rule::Null => value.is_null(),
        Rule::Number(least, most) => value.as_f64().is_some_and(|number| (*least..=*most).contains(&number)),
        Rule::Numbers(most) => {
            value.as_array().is_some_and(|items| items.len() <= *most && items.iter().all(Value::is_number))
        }
        Rule::Scalars(most) => {
            value.as_array().is_some_and(|items| items.len() <= *most && items.iter().all(is_scalar))
        }
        Rule::Text(most) => value.as_str().is_some_and(|text| text.chars().count() <= *most),
        Rule::Word(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Rule::Colour => {
            return match value.as_str().and_then(super::colour::snap) {
                Some(hue) => Ok(Some(hue.into())),
                None => Err(Error::spec(at, "this is no colour that is known", super::colour::HINT)),
            };
        }
        Rule::Format => value.as_str().is_some_and(is_format),
        Rule::Any(rules) => return copy_any(rules, value, at),
        Rule::Object(rules) => {
            let Some(map) = value.as_object() else {
                return Err(mismatch(rule, at));
            };
            return copy_object(rules, map, at).map(|copied| Some(Value::Object(copied)));
        }
    };
    if is_fine { Ok(Some(value.clone())) } else { Err(mismatch(rule, at)) }
}

fn copy_any(rules: &[Rule], value: &Value, at: &str) -> Result<Option<Value>, Error> {
    // An object meant for the one rule that takes objects gets that rule's error, which is more to the point.
    if value.is_object()
        && let Some(rule) = rules.iter().find(|rule| matches!(rule, Rule::Object(_)))
    {
        return copy(rule, value, at);
    }
    for rule in rules {
        if let Ok(copied) = copy(rule, value, at) {
            return Ok(copied);
        }
    }
    let allowed: Vec<String> = rules.iter().map(describe).collect();
    Err(Error::spec(at, "this value is not allowed", format!("Allowed here: {}.", allowed.join(", or "))))
}

/// A copy of the properties that `rules` name; any other is refused.
pub(crate) fn copy_object(
    rules: &[(&str, Rule)],
    map: &Map<String, Value>,
    at: &str,
) -> Result<Map<String, Value>, Error> {
    let mut copied = Map::new();
    for (key, value) in map {
        let inner = join(at, key);
        let Some((_, rule)) = rules.iter().find(|(name, _)| name == key) else {
            let names: Vec<&str> = rules.iter().map(|(name, _)| *name).collect();
            return Err(unknown_key(key, &inner, &names));
        };
        if let Some(value) = copy(rule, value, &inner)? {
            copied.insert(key.clone(), value);
        }
    }
    Ok(copied)
}

/// The refusal of a property, with what stands in for it where that is known.
pub(crate) fn unknown_key(key: &str, at: &str, allowed: &[&str]) -> Error {
    let instead = match key {
        "data" | "datasets" | "values" | "lookup" => "Leave it out: code binds the rows of the result. ",
        "calculate" | "expr" | "signal" | "labelExpr" | "test" => {
            "Expressions are not allowed: compute the value as a column in SQL, or use a predicate object such as \
             {\"field\": \"a\", \"gt\": 0}. "
        }
        "params" | "selection" | "signals" => {
            "Leave it out: charts also stand in messages, where nothing reacts. "
        }
        "href" | "url" => "Leave it out: charts hold no links and no outside pictures. ",
        "usermeta" => "Leave it out. ",
        "hconcat" | "vconcat" | "concat" | "repeat" => {
            "Make one chart for each, or use `facet`, `row`, `column` or `layer`. "
        }
        _ => "",
    };
    let hint = format!("{instead}Allowed here: {}.", allowed.join(", "));
    Error::spec(at, format!("`{key}` is not allowed here"), hint)
}

fn mismatch(rule: &Rule, at: &str) -> Error {
    Error::spec(at, "this value is not allowed", format!("Allowed here: {}.", describe(rule)))
}

fn describe(rule: &Rule) -> String {
    match rule {
        Rule::Flag => "true or false".to_owned(),
        Rule::Null => "null".to_owned(),
        Rule::Number(least, most) => format!("a number from {least} to {most}"),
        Rule::Numbers(most) => format!("a list of at most {most} numbers"),
        Rule::Scalars(most) => format!("a list of at most {most} numbers or texts"),
        Rule::Text(most) => format!("a text of at most {most} characters"),
        Rule::Word(words) => words.join(", "),
        Rule::Colour => "a colour".to_owned(),
        Rule::Format => "a d3 format such as \",.1f\", \".0%\" or \"%b %Y\"".to_owned(),
        Rule::Any(rules) => rules.iter().map(describe).collect::<Vec<_>>().join(", or "),
        Rule::Object(rules) => {
            let names: Vec<&str> = rules.iter().map(|(name, _)| *name).collect();
            format!("an object of {}", names.join(", "))
        }
        Rule::Ignored => "anything".to_owned(),
    }
}

/// Whether a value is a number, a text of bearable length or a truth value.
pub(crate) fn is_scalar(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= 500,
        Value::Number(_) | Value::Bool(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn is_format(text: &str) -> bool {
    text.len() <= MAX_FORMAT
        && !text.chars().any(|character| character.is_control() || "\\'\"".contains(character))
}

/// A path in a spec: `encoding` and `x` make `encoding.x`.
pub(crate) fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}
