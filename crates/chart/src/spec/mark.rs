//! Marks: which there are and what they may say.

use serde_json::{Map, Value};

use super::rule::{self, Rule, join};
use crate::error::Error;

/// The marks that a chart may use.
pub(super) const MARKS: [&str; 12] =
    ["bar", "line", "area", "point", "circle", "square", "arc", "rect", "rule", "text", "tick", "boxplot"];

const SHAPES: &[&str] = &[
    "circle",
    "square",
    "cross",
    "diamond",
    "triangle",
    "triangle-up",
    "triangle-down",
    "triangle-right",
    "triangle-left",
    "stroke",
];
const PIXELS: Rule = Rule::Number(-400.0, 400.0);
const SHARE: Rule = Rule::Number(0.0, 1.0);
const BAND: Rule = Rule::Any(&[Rule::Number(0.0, 200.0), Rule::Object(&[("band", SHARE)])]);
const OVERLAY: &[(&str, Rule)] = &[
    ("filled", Rule::Flag),
    ("size", Rule::Number(0.0, 2000.0)),
    ("opacity", SHARE),
    ("color", Rule::Colour),
    ("fill", Rule::Colour),
    ("stroke", Rule::Colour),
    ("strokeWidth", Rule::Number(0.0, 20.0)),
    ("strokeDash", Rule::Numbers(6)),
    ("shape", Rule::Word(SHAPES)),
    ("interpolate", Rule::Word(INTERPOLATIONS)),
    ("tooltip", Rule::Any(&[Rule::Flag, Rule::Null])),
];
const INTERPOLATIONS: &[&str] =
    &["linear", "monotone", "step", "step-after", "step-before", "basis", "cardinal", "natural"];

const PROPERTIES: &[(&str, Rule)] = &[
    ("type", Rule::Word(&MARKS)),
    ("point", Rule::Any(&[Rule::Flag, Rule::Word(&["transparent"]), Rule::Object(OVERLAY)])),
    ("line", Rule::Any(&[Rule::Flag, Rule::Object(OVERLAY)])),
    ("interpolate", Rule::Word(INTERPOLATIONS)),
    ("tension", SHARE),
    ("filled", Rule::Flag),
    ("size", Rule::Number(0.0, 2000.0)),
    ("shape", Rule::Word(SHAPES)),
    ("color", Rule::Colour),
    ("fill", Rule::Any(&[Rule::Colour, Rule::Null])),
    ("stroke", Rule::Any(&[Rule::Colour, Rule::Null])),
    ("opacity", SHARE),
    ("fillOpacity", SHARE),
    ("strokeOpacity", SHARE),
    ("strokeWidth", Rule::Number(0.0, 20.0)),
    ("strokeDash", Rule::Numbers(6)),
    ("strokeCap", Rule::Word(&["butt", "round", "square"])),
    ("strokeJoin", Rule::Word(&["miter", "round", "bevel"])),
    ("thickness", Rule::Number(0.0, 40.0)),
    ("bandSize", Rule::Number(0.0, 200.0)),
    ("width", BAND),
    ("height", BAND),
    ("cornerRadius", Rule::Number(0.0, 40.0)),
    ("cornerRadiusEnd", Rule::Number(0.0, 40.0)),
    ("cornerRadiusTopLeft", Rule::Number(0.0, 40.0)),
    ("cornerRadiusTopRight", Rule::Number(0.0, 40.0)),
    ("cornerRadiusBottomLeft", Rule::Number(0.0, 40.0)),
    ("cornerRadiusBottomRight", Rule::Number(0.0, 40.0)),
    ("innerRadius", Rule::Number(0.0, 400.0)),
    ("padAngle", SHARE),
    ("orient", Rule::Word(&["horizontal", "vertical"])),
    ("align", Rule::Word(&["left", "center", "right"])),
    ("baseline", Rule::Word(&["top", "middle", "bottom", "alphabetic", "line-top", "line-bottom"])),
    ("dx", PIXELS),
    ("dy", PIXELS),
    ("xOffset", PIXELS),
    ("yOffset", PIXELS),
    ("angle", Rule::Number(-360.0, 360.0)),
    ("fontSize", Rule::Number(8.0, 40.0)),
    ("fontWeight", Rule::Any(&[Rule::Word(&["normal", "bold"]), Rule::Number(100.0, 900.0)])),
    ("limit", Rule::Number(0.0, 600.0)),
    ("text", Rule::Text(120)),
    ("clip", Rule::Flag),
    (
        "invalid",
        Rule::Any(&[
            Rule::Null,
            Rule::Word(&["filter", "break-paths-filter-domains", "break-paths-show-domains"]),
        ]),
    ),
    ("extent", Rule::Any(&[Rule::Word(&["min-max"]), Rule::Number(0.0, 10.0)])),
    (
        "tooltip",
        Rule::Any(&[Rule::Flag, Rule::Null, Rule::Object(&[("content", Rule::Word(&["encoding", "data"]))])]),
    ),
    // The radius follows from the size of the chart.
    ("outerRadius", Rule::Ignored),
    ("radius", Rule::Ignored),
    ("style", Rule::Ignored),
    ("cursor", Rule::Ignored),
    ("font", Rule::Ignored),
    ("fontStyle", Rule::Ignored),
    ("aria", Rule::Ignored),
    ("description", Rule::Ignored),
];

/// A mark as an object with its `type`.
pub(super) fn check(mark: &Value, at: &str) -> Result<Value, Error> {
    let mut copied = match mark {
        Value::String(_) => {
            rule::copy(&Rule::Word(&MARKS), mark, at)?;
            Map::from_iter([("type".to_owned(), mark.clone())])
        }
        Value::Object(map) => rule::copy_object(PROPERTIES, map, at)?,
        _ => Map::new(),
    };
    if !copied.contains_key("type") {
        let hint = format!("`mark` is one of {}, or an object with that as `type`.", MARKS.join(", "));
        return Err(Error::spec(join(at, "type"), "the mark has no type", hint));
    }
    // `false` would come out as a grey field in Vega's own words.
    if copied.get("tooltip") == Some(&Value::Bool(true)) {
        copied.remove("tooltip");
    }
    Ok(Value::Object(copied))
}
