//! Conditions: what must hold on the results of a task's run for its answer to be sent.
//!
//! Code evaluates them on stored rows (see [`crate::check`]); no model does. `docs/conditions.md` says it for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{invalid::Issues, words};

/// The longest name of a column, in characters.
pub const COLUMN_MAX: usize = 200;
/// The largest change that can be asked for, in per cent.
const PERCENT_MAX: f64 = 1_000_000.0;
/// The largest number that something can be compared with: beyond it a double has no exact whole numbers.
const NUMBER_MAX: f64 = 9_007_199_254_740_992.0;

words! {
    /// How two numbers are compared.
    Comparison("comparison") {
        /// Greater.
        Above = "above",
        /// Less.
        Below = "below",
        /// Greater or equal.
        AtLeast = "at_least",
        /// Less or equal.
        AtMost = "at_most",
        /// The same, but for a millionth of a millionth.
        Equal = "equal",
    }
}

words! {
    /// Which way a value moves.
    Direction("direction") {
        /// It grows.
        Up = "up",
        /// It shrinks.
        Down = "down",
        /// It does either.
        Either = "either",
    }
}

words! {
    /// What a condition looks at.
    ConditionKind("kind of condition") {
        /// How many rows the checked result has.
        Rows = "rows",
        /// A value against a number.
        Threshold = "threshold",
        /// A value against the last finished run's.
        PercentChange = "percent_change",
        /// The rows against the last finished run's.
        Changed = "changed",
        /// A value against its own history.
        Anomaly = "anomaly",
        /// Whether there is anything at all.
        NoData = "no_data",
    }
}

/// When a task's answer is sent. The agent names the result and column that it is about; `column` pins the column's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", try_from = "Written")]
pub enum Condition {
    /// The checked result has so many rows.
    Rows {
        /// How the number of rows compares with `value`.
        comparison: Comparison,
        /// A whole number from 0 on.
        #[cfg_attr(feature = "openapi", schema(minimum = 0, example = 500))]
        value: f64,
    },
    /// A value lies on one side of a number.
    Threshold {
        /// How the value compares with `value`.
        comparison: Comparison,
        /// The number.
        #[cfg_attr(feature = "openapi", schema(example = 500))]
        value: f64,
        /// The column to look in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
    },
    /// A value has moved by at least so much since the last finished run.
    PercentChange {
        /// Which way.
        direction: Direction,
        /// By at least so many per cent of the last value; more than 0.
        #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0, example = 10))]
        percent: f64,
        /// The column to look in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
    },
    /// The rows of the checked result are others than the last finished run's, in whatever order.
    Changed {},
    /// A value lies outside what its own history allows.
    Anomaly {
        /// The column to look in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
    },
    /// The checked result has no row, or nothing but nulls.
    NoData {},
}

/// A condition as it is written, so that whatever is wrong is told with its field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    kind: ConditionKind,
    comparison: Option<Comparison>,
    value: Option<f64>,
    direction: Option<Direction>,
    percent: Option<f64>,
    column: Option<String>,
}

/// A field that a kind of condition needs and that is not there, or that it does not have. Worded as serde words it, from
/// which callers read the field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WrongField {
    Missing(&'static str),
    Unknown(&'static str, ConditionKind),
}

impl fmt::Display for WrongField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(field) => write!(f, "missing field `{field}`"),
            Self::Unknown(field, kind) => {
                write!(f, "unknown field `{field}` in a condition of the kind `{}`", kind.as_str())
            }
        }
    }
}

impl TryFrom<Written> for Condition {
    type Error = WrongField;

    fn try_from(written: Written) -> Result<Self, WrongField> {
        let Written { kind, mut comparison, mut value, mut direction, mut percent, mut column } = written;
        let condition = match kind {
            ConditionKind::Rows => Self::Rows {
                comparison: needed(comparison.take(), "comparison")?,
                value: needed(value.take(), "value")?,
            },
            ConditionKind::Threshold => Self::Threshold {
                comparison: needed(comparison.take(), "comparison")?,
                value: needed(value.take(), "value")?,
                column: column.take(),
            },
            ConditionKind::PercentChange => Self::PercentChange {
                direction: needed(direction.take(), "direction")?,
                percent: needed(percent.take(), "percent")?,
                column: column.take(),
            },
            ConditionKind::Changed => Self::Changed {},
            ConditionKind::Anomaly => Self::Anomaly { column: column.take() },
            ConditionKind::NoData => Self::NoData {},
        };
        let left_over = [
            ("comparison", comparison.is_some()),
            ("value", value.is_some()),
            ("direction", direction.is_some()),
            ("percent", percent.is_some()),
            ("column", column.is_some()),
        ];
        match left_over.into_iter().find(|(_, is_given)| *is_given) {
            Some((field, _)) => Err(WrongField::Unknown(field, kind)),
            None => Ok(condition),
        }
    }
}

fn needed<T>(given: Option<T>, field: &'static str) -> Result<T, WrongField> {
    given.ok_or(WrongField::Missing(field))
}

impl Comparison {
    /// Whether `left` stands so to `right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        let is_equal = (left - right).abs() <= 1e-12 * left.abs().max(right.abs());
        match self {
            Self::Above => left > right && !is_equal,
            Self::Below => left < right && !is_equal,
            Self::AtLeast => left > right || is_equal,
            Self::AtMost => left < right || is_equal,
            Self::Equal => is_equal,
        }
    }

    /// As it stands in a sentence: `below`, `at least`.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
            Self::Equal => "equal to",
        }
    }
}

impl Condition {
    /// Notes what is wrong with its numbers and names. Paths start with `path`.
    pub fn check(&self, path: &str, issues: &mut Issues) {
        match self {
            Self::Rows { value, .. } => issues.require(
                value.fract() == 0.0 && (0.0..=NUMBER_MAX).contains(value),
                &format!("{path}.value"),
                "must be a whole number from 0 on",
            ),
            Self::Threshold { value, .. } => issues.require(
                value.abs() <= NUMBER_MAX,
                &format!("{path}.value"),
                "must be a number between -9007199254740992 and 9007199254740992",
            ),
            Self::PercentChange { percent, .. } => issues.require(
                *percent > 0.0 && *percent <= PERCENT_MAX,
                &format!("{path}.percent"),
                "must be more than 0 and at most 1000000",
            ),
            Self::Changed {} | Self::Anomaly { .. } | Self::NoData {} => {}
        }
        if let Some(column) = self.column() {
            issues.require(
                is_name(column),
                &format!("{path}.column"),
                &format!("must be the name of a column: one line of 1 to {COLUMN_MAX} characters"),
            );
        }
    }

    /// What it looks at.
    pub const fn kind(&self) -> ConditionKind {
        match self {
            Self::Rows { .. } => ConditionKind::Rows,
            Self::Threshold { .. } => ConditionKind::Threshold,
            Self::PercentChange { .. } => ConditionKind::PercentChange,
            Self::Changed {} => ConditionKind::Changed,
            Self::Anomaly { .. } => ConditionKind::Anomaly,
            Self::NoData {} => ConditionKind::NoData,
        }
    }

    /// The column that it pins.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Threshold { column, .. }
            | Self::PercentChange { column, .. }
            | Self::Anomaly { column } => column.as_deref(),
            Self::Rows { .. } | Self::Changed {} | Self::NoData {} => None,
        }
    }

    /// Whether it is about one value of a numeric column, rather than about rows.
    pub const fn needs_value(&self) -> bool {
        matches!(self, Self::Threshold { .. } | Self::PercentChange { .. } | Self::Anomaly { .. })
    }

    /// Whether it compares with what earlier runs found.
    pub const fn needs_history(&self) -> bool {
        matches!(self, Self::PercentChange { .. } | Self::Changed {} | Self::Anomaly { .. })
    }

    /// The condition as a sentence goes on after "Only when": `revenue is below 500`.
    pub fn in_words(&self) -> String {
        let value = self.column().unwrap_or("the value");
        match self {
            Self::Rows { comparison, value } => {
                format!("the number of rows is {} {}", comparison.in_words(), number(*value))
            }
            Self::Threshold { comparison, value: limit, .. } => {
                format!("{value} is {} {}", comparison.in_words(), number(*limit))
            }
            Self::PercentChange { direction, percent, .. } => {
                let moved = match direction {
                    Direction::Up => "is up by",
                    Direction::Down => "is down by",
                    Direction::Either => "is up or down by",
                };
                format!("{value} {moved} at least {}% since the last run", number(*percent))
            }
            Self::Changed {} => "the rows differ from the last run's".to_owned(),
            Self::Anomaly { .. } => format!("{value} lies outside what its history allows"),
            Self::NoData {} => "there is no data".to_owned(),
        }
    }
}

/// Whether a text can be the name of a table or column.
pub(crate) fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=COLUMN_MAX).contains(&length) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// A number for people: `58,665`, `12.5`, `0.00031`. At most six digits that count behind the point.
pub(crate) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return grouped(&format!("{value:.0}"));
    }
    if !(1e-4..1e15).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let decimals = if value.abs() >= 100.0 {
        2
    } else if value.abs() >= 1.0 {
        3
    } else {
        6
    };
    let text = format!("{value:.decimals$}");
    grouped(text.trim_end_matches('0').trim_end_matches('.'))
}

/// Digits before the point in groups of three.
fn grouped(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = text.find('.').map_or((text, ""), |point| text.split_at(point));
    let mut digits = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            digits.push(',');
        }
        digits.push(digit);
    }
    if digits == "0" && fraction.is_empty() {
        return digits;
    }
    format!("{sign}{digits}{fraction}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Condition, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for written in [
            json!({"kind": "rows", "comparison": "above", "value": 500.0}),
            json!({"kind": "threshold", "comparison": "below", "value": 500.5, "column": "revenue"}),
            json!({"kind": "threshold", "comparison": "at_least", "value": -1.0}),
            json!({"kind": "percent_change", "direction": "either", "percent": 10.0}),
            json!({"kind": "changed"}),
            json!({"kind": "anomaly", "column": "dep delay"}),
            json!({"kind": "no_data"}),
        ] {
            let condition = read(written.clone()).expect("a condition");
            assert_eq!(serde_json::to_value(&condition).expect("JSON"), written);
            assert_eq!(condition.kind().as_str(), written["kind"]);
            let mut issues = Issues::default();
            condition.check("condition", &mut issues);
            assert_eq!(issues.into_result(), Ok(()));
        }
    }

    #[test]
    fn a_kind_has_its_own_fields_and_no_others() {
        for (written, field) in [
            (json!({}), "missing field `kind`"),
            (json!({"kind": "rows", "value": 3}), "missing field `comparison`"),
            (json!({"kind": "threshold", "comparison": "above"}), "missing field `value`"),
            (json!({"kind": "percent_change", "direction": "up"}), "missing field `percent`"),
            (json!({"kind": "changed", "value": 3}), "unknown field `value`"),
            (
                json!({"kind": "rows", "comparison": "above", "value": 3, "column": "x"}),
                "unknown field `column`",
            ),
            (json!({"kind": "no_data", "sql": "select 1"}), "unknown field `sql`"),
            (json!({"kind": "sql"}), "unknown variant `sql`"),
        ] {
            let told = read(written.clone()).expect_err("a refusal");
            assert!(told.starts_with(field), "{written}: {told}");
        }
    }

    #[test]
    fn numbers_and_names_out_of_range_are_told_with_their_field() {
        for (written, path) in [
            (json!({"kind": "rows", "comparison": "above", "value": 1.5}), "condition.value"),
            (json!({"kind": "rows", "comparison": "above", "value": -1}), "condition.value"),
            (json!({"kind": "threshold", "comparison": "above", "value": 1e300}), "condition.value"),
            (json!({"kind": "percent_change", "direction": "up", "percent": 0}), "condition.percent"),
            (json!({"kind": "anomaly", "column": " "}), "condition.column"),
            (json!({"kind": "anomaly", "column": "a\nb"}), "condition.column"),
            (json!({"kind": "anomaly", "column": "x".repeat(201)}), "condition.column"),
        ] {
            let mut issues = Issues::default();
            read(written.clone()).expect("its shape is right").check("condition", &mut issues);
            let invalid = issues.into_result().expect_err("a refusal");
            assert_eq!(invalid.issues[0].path, path, "{written}");
        }
    }

    #[test]
    fn numbers_read_well() {
        for (value, text) in [
            (412.0, "412"),
            (58_665.0, "58,665"),
            (-1_234_567.0, "-1,234,567"),
            (12.5, "12.5"),
            (1_234.567_8, "1,234.57"),
            (0.000_312, "0.000312"),
            (0.0, "0"),
            (-0.0, "0"),
            (1.5e18, "1.500e18"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
