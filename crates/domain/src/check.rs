//! Checks: a condition, evaluated on the rows of a run's result.
//!
//! In two steps, because the second needs what earlier runs found: [`measure`] reads what the condition is about off the
//! rows, [`judge`] compares it. Both are pure. Whatever stands in the way is a verdict that sends, never silence.
//! `docs/conditions.md` says the rules for people.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    condition::{Comparison, Condition, Direction, number},
    id::ResultId,
    table::{Cell, Table},
    words,
};

/// How many earlier values it takes to tell what is usual.
pub const ANOMALY_VALUES_MIN: usize = 7;
/// How many of the latest earlier values are looked at.
pub const ANOMALY_VALUES_MAX: usize = 30;
/// So many deviations from the median are still usual.
const ANOMALY_DEVIATIONS: f64 = 3.5;
/// Less than this share of the median is never unusual.
const ANOMALY_SHARE: f64 = 0.01;

words! {
    /// What a check came to.
    Verdict("verdict") {
        /// The condition holds: the answer is sent.
        Holds = "holds",
        /// It does not: nothing is sent.
        DoesNotHold = "does_not_hold",
        /// There is nothing yet to compare with: the answer is sent, and says so.
        First = "first",
        /// It could not be evaluated: the answer is sent, and says why.
        NotEvaluated = "not_evaluated",
    }
}

impl Verdict {
    /// Whether the answer is sent. Silence takes a condition that was evaluated and does not hold.
    pub const fn sends(self) -> bool {
        !matches!(self, Self::DoesNotHold)
    }

    const fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::DoesNotHold }
    }
}

/// What came of a task's condition in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What it came to.
    pub verdict: Verdict,
    /// It in words: `612 rows, which is not below 500`. No capital, no full stop.
    pub sentence: String,
    /// What was looked at: `the rows of r1`, `revenue in the first row of r1`. Null where nothing was found.
    pub compared: Option<String>,
    /// The number that was looked at: of rows, or a cell's value. Null where there was none.
    pub value: Option<f64>,
    /// The last finished run's number, where the condition is about it.
    pub previous: Option<f64>,
    /// The result that was looked at.
    pub result_id: Option<ResultId>,
    /// Its handle in the run's thread: `r1`.
    pub handle: Option<String>,
    /// The column that was looked at.
    pub column: Option<String>,
}

impl Check {
    /// A condition that could not be evaluated at all. `why` goes on after "because".
    pub const fn not_evaluated(why: String) -> Self {
        Self {
            verdict: Verdict::NotEvaluated,
            sentence: why,
            compared: None,
            value: None,
            previous: None,
            result_id: None,
            handle: None,
            column: None,
        }
    }
}

/// A result that a condition is evaluated on.
#[derive(Clone, Copy, Debug)]
pub struct CheckedRows<'a> {
    /// The result.
    pub id: ResultId,
    /// Its handle in the thread.
    pub handle: &'a str,
    /// Its rows.
    pub table: &'a Table,
    /// The column that the agent named.
    pub column: Option<&'a str>,
}

/// What a condition is about, as read off the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    result_id: ResultId,
    handle: String,
    compared: String,
    /// The column of the value; none where the condition is about rows.
    pub column: Option<String>,
    /// The value, or the number of rows.
    pub value: f64,
    /// SHA-256 over the rows in whatever order, for a condition on their change.
    pub digest: Option<[u8; 32]>,
    /// The earlier values of a result that is its own history, oldest first.
    series: Option<Vec<f64>>,
    /// Whether rows are missing at the end.
    is_cut: bool,
    /// Whether every cell is NULL.
    is_empty: bool,
}

/// What earlier runs found: of the same column where the condition is about a value. Tests are no history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The last finished run's value, or its number of rows.
    pub last_value: Option<f64>,
    /// The last finished run's digest of rows.
    pub last_digest: Option<Vec<u8>>,
    /// The values of the latest runs, oldest first, at most [`ANOMALY_VALUES_MAX`].
    pub values: Vec<f64>,
}

/// Reads what a condition is about off the rows. An error says why that is not to be found, as it goes on after "because".
pub fn measure(condition: &Condition, rows: &CheckedRows<'_>) -> Result<Measure, String> {
    let CheckedRows { id, handle, table, .. } = *rows;
    let mut measure = Measure {
        result_id: id,
        handle: handle.to_owned(),
        compared: format!("the rows of {handle}"),
        column: None,
        value: table.rows.len() as f64,
        digest: None,
        series: None,
        is_cut: table.truncated.is_some(),
        is_empty: table.rows.iter().flatten().all(Cell::is_null),
    };
    if matches!(condition, Condition::Changed {}) {
        if measure.is_cut {
            return Err(format!("{handle} was cut at a limit, and what is missing may have changed"));
        }
        measure.digest = Some(digest(table));
    }
    if condition.needs_value() {
        let column = column_of(condition, rows)?;
        let name = table.columns[column].name.as_str();
        let chosen = value_of(table, column).ok_or_else(|| format!("{handle} has no rows"))?;
        measure.compared = match chosen.place {
            Place::Only => format!("{name} in the only row of {handle}"),
            Place::First => format!("{name} in the first row of {handle}"),
            Place::Latest => format!("{name} in the latest row of {handle} by {}", table.columns[0].name),
        };
        if chosen.place == Place::Latest && measure.is_cut {
            return Err(format!("{handle} was cut at a limit, and its latest row may be missing"));
        }
        measure.value = chosen.value.ok_or_else(|| format!("{} is empty", measure.compared))?;
        measure.column = Some(name.to_owned());
        measure.series = chosen.earlier;
    }
    Ok(measure)
}

/// The column that a condition on a value is about: the one that it pins, else the one that the agent named, else the last
/// numeric one.
fn column_of(condition: &Condition, rows: &CheckedRows<'_>) -> Result<usize, String> {
    let CheckedRows { handle, table, .. } = *rows;
    let Some(name) = condition.column().or(rows.column) else {
        let last = table.columns.iter().rposition(|column| column.kind.is_numeric());
        return last.ok_or_else(|| format!("{handle} has no column of numbers"));
    };
    let column = table.column_index(name).ok_or_else(|| format!("{handle} has no column {name}"))?;
    if table.columns[column].kind.is_numeric() {
        return Ok(column);
    }
    Err(format!("the column {name} of {handle} holds no numbers"))
}

/// Where in a column a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Only,
    First,
    Latest,
}

struct Chosen {
    place: Place,
    value: Option<f64>,
    earlier: Option<Vec<f64>>,
}

/// The value of a column that counts: of the only row; of a series in time the latest one; else of the first row, which is
/// the top of a ranking. None without rows.
fn value_of(table: &Table, column: usize) -> Option<Chosen> {
    let cell = |row: usize| table.rows[row][column].as_f64();
    if let Some(order) = order_in_time(table).filter(|_| column > 0) {
        let (latest, before) = order.split_last()?;
        let earlier = before.iter().filter_map(|row| cell(*row)).collect();
        return Some(Chosen { place: Place::Latest, value: cell(*latest), earlier: Some(earlier) });
    }
    let place = if table.rows.len() == 1 { Place::Only } else { Place::First };
    (!table.rows.is_empty()).then(|| Chosen { place, value: cell(0), earlier: None })
}

/// The rows of a series in time, oldest first: two rows at least, whose first column is a point in time, each another one.
fn order_in_time(table: &Table) -> Option<Vec<usize>> {
    let kind = table.columns.first()?.kind;
    if !kind.is_temporal() || table.rows.len() < 2 {
        return None;
    }
    let mut times = Vec::with_capacity(table.rows.len());
    for (position, row) in table.rows.iter().enumerate() {
        times.push((crate::freshness::instant_of(&row[0], kind)?, position));
    }
    times.sort_unstable();
    let has_repeated = times.windows(2).any(|pair| pair[0].0 == pair[1].0);
    (!has_repeated).then(|| times.into_iter().map(|(_, position)| position).collect())
}

/// SHA-256 over the rows as a multiset: their order does not count, how often each is there does. Of a float only twelve
/// digits count, since sums differ in the last ones with the order of adding up.
fn digest(table: &Table) -> [u8; 32] {
    let mut rows: Vec<[u8; 32]> = table
        .rows
        .iter()
        .map(|row| {
            let mut hash = Sha256::new();
            for cell in row {
                let (tag, text) = match cell {
                    Cell::Null => (b'n', String::new()),
                    Cell::Bool(value) => (b'b', value.to_string()),
                    Cell::Int(value) => (b'i', value.to_string()),
                    Cell::Float(value) => (b'f', format!("{:.11e}", value + 0.0)),
                    Cell::Text(text) => (b't', text.clone()),
                };
                // The length keeps neighbours apart.
                hash.update([tag]);
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
            hash.finalize().into()
        })
        .collect();
    rows.sort_unstable();
    let mut hash = Sha256::new();
    for row in rows {
        hash.update(row);
    }
    hash.finalize().into()
}

/// Compares what was measured.
pub fn judge(condition: &Condition, measure: &Measure, history: &History) -> Check {
    let judged = match condition {
        Condition::Rows { comparison, value } => row_count(*comparison, *value, measure),
        Condition::Threshold { comparison, value, .. } => {
            let holds = comparison.holds(measure.value, *value);
            let not = if holds { "" } else { "not " };
            let sentence = format!("{} is {not}{} {}", named(measure), comparison.in_words(), number(*value));
            Judged::new(Verdict::of(holds), sentence)
        }
        Condition::PercentChange { direction, percent, .. } => match history.last_value {
            Some(last) => percent_change(*direction, *percent, measure, last),
            None => first(&named(measure)),
        },
        Condition::Changed {} => match (&history.last_digest, &measure.digest) {
            (Some(last), Some(now)) => changed(last.as_slice() == now.as_slice(), measure, history),
            _ => first(&rows(measure)),
        },
        Condition::Anomaly { .. } => anomaly(measure, history),
        Condition::NoData {} => no_data(measure),
    };
    Check {
        verdict: judged.verdict,
        sentence: judged.sentence,
        compared: Some(measure.compared.clone()),
        value: Some(measure.value),
        previous: judged.previous,
        result_id: Some(measure.result_id),
        handle: Some(measure.handle.clone()),
        column: measure.column.clone(),
    }
}

fn row_count(comparison: Comparison, limit: f64, measure: &Measure) -> Judged {
    // A result that was cut has one row more at least.
    let at_least = if measure.is_cut { measure.value + 1.0 } else { measure.value };
    let holds = comparison.holds(at_least, limit);
    let is_certain = match comparison {
        Comparison::Above | Comparison::AtLeast => holds,
        Comparison::Below | Comparison::AtMost | Comparison::Equal => !holds && at_least > limit - 0.5,
    };
    if measure.is_cut && !is_certain {
        let sentence = format!("{} was cut at a limit, after {}", measure.handle, rows(measure));
        return Judged::new(Verdict::NotEvaluated, sentence);
    }
    let more = if measure.is_cut { "more than " } else { "" };
    let not = if holds { "" } else { "not " };
    let sentence =
        format!("{more}{}, which is {not}{} {}", rows(measure), comparison.in_words(), number(limit));
    Judged::new(Verdict::of(holds), sentence)
}

struct Judged {
    verdict: Verdict,
    sentence: String,
    previous: Option<f64>,
}

impl Judged {
    const fn new(verdict: Verdict, sentence: String) -> Self {
        Self { verdict, sentence, previous: None }
    }
}

fn first(what: &str) -> Judged {
    Judged::new(Verdict::First, format!("{what}, and there is no earlier run to compare with"))
}

/// The value under its name: `revenue 412`.
fn named(measure: &Measure) -> String {
    let name = measure.column.as_deref().unwrap_or("value").replace('_', " ");
    format!("{name} {}", number(measure.value))
}

/// `1 row`, `412 rows`.
fn rows(measure: &Measure) -> String {
    let plural = if (measure.value - 1.0).abs() < f64::EPSILON { "" } else { "s" };
    format!("{} row{plural}", number(measure.value))
}

fn percent_change(direction: Direction, percent: f64, measure: &Measure, last: f64) -> Judged {
    let difference = measure.value - last;
    // From zero every change is boundless.
    let change = if difference == 0.0 { 0.0 } else { 100.0 * difference / last.abs() };
    let (is_asked_for, asked_for) = match direction {
        Direction::Up => (change > 0.0, "up"),
        Direction::Down => (change < 0.0, "down"),
        Direction::Either => (true, "up or down"),
    };
    let holds = is_asked_for && change.abs() >= percent * (1.0 - 1e-12);
    let moved = if change > 0.0 { "up" } else { "down" };
    let by = if change.is_finite() { format!(" {}%", number(round(change.abs()))) } else { String::new() };
    let has_moved = if change == 0.0 {
        format!("{} is what it was", named(measure))
    } else {
        format!("{} is {moved}{by} from {}", named(measure), number(last))
    };
    let sentence = if holds {
        has_moved
    } else {
        format!("{has_moved}, not {asked_for} by at least {}%", number(percent))
    };
    Judged { verdict: Verdict::of(holds), sentence, previous: Some(last) }
}

/// Two decimals of a percentage are enough to read; the first two digits of a tiny one.
fn round(percent: f64) -> f64 {
    let factor = if percent >= 0.1 { 100.0 } else { 1e6 };
    (percent * factor).round() / factor
}

fn changed(is_same: bool, measure: &Measure, history: &History) -> Judged {
    let sentence = match history.last_value {
        _ if is_same => format!("{}, the same as last time's", rows(measure)),
        Some(last) if (last - measure.value).abs() >= 0.5 => {
            format!("{}, where there were {} last time", rows(measure), number(last))
        }
        _ => format!("{}, not the same as last time's", rows(measure)),
    };
    Judged { verdict: Verdict::of(!is_same), sentence, previous: history.last_value }
}

fn no_data(measure: &Measure) -> Judged {
    let handle = &measure.handle;
    if measure.is_cut && (measure.value == 0.0 || measure.is_empty) {
        let sentence = format!("{handle} was cut at a limit, after {} without a value", rows(measure));
        return Judged::new(Verdict::NotEvaluated, sentence);
    }
    if measure.value == 0.0 {
        return Judged::new(Verdict::Holds, format!("{handle} has no rows"));
    }
    if measure.is_empty {
        return Judged::new(
            Verdict::Holds,
            format!("{handle} has {} of nothing but empty values", rows(measure)),
        );
    }
    Judged::new(Verdict::DoesNotHold, format!("{handle} has {}", rows(measure)))
}

/// A result that is a series in time is its own history; else the values of earlier runs are.
fn anomaly(measure: &Measure, history: &History) -> Judged {
    let (values, whose) = match &measure.series {
        Some(series) if series.len() >= ANOMALY_VALUES_MIN => {
            (&series[series.len().saturating_sub(ANOMALY_VALUES_MAX)..], "rows before it")
        }
        _ => (history.values.as_slice(), "runs before"),
    };
    let known = values.len();
    if known == 0 {
        return first(&named(measure));
    }
    if known < ANOMALY_VALUES_MIN {
        let sentence = format!(
            "{}, and what is usual takes {ANOMALY_VALUES_MIN} earlier values to tell, of which there {} {known}",
            named(measure),
            if known == 1 { "is" } else { "are" }
        );
        return Judged::new(Verdict::NotEvaluated, sentence);
    }
    let (from, to) = allowed_by(values);
    let is_outside = measure.value < from || measure.value > to;
    let side = if is_outside { "outside" } else { "within" };
    let sentence = format!(
        "{} lies {side} {} to {}, which the {known} {whose} allow",
        named(measure),
        number(from),
        number(to)
    );
    Judged { verdict: Verdict::of(is_outside), sentence, previous: values.last().copied() }
}

/// From where to where values lie that their history, which is not empty, does not make unusual.
///
/// The median, plus and minus three and a half deviations. The deviation is the median of the distances from the median,
/// scaled to that of a normal distribution (MAD * 1.4826); where more than half of the values are the same it would be none,
/// and the mean distance (* 1.2533) takes its place. One per cent of the median is always allowed.
pub fn allowed_by(values: &[f64]) -> (f64, f64) {
    let middle = median(values.to_vec());
    let distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let mut deviation = 1.4826 * median(distances);
    if deviation == 0.0 {
        deviation = 1.2533 * mean;
    }
    let allowed = (ANOMALY_DEVIATIONS * deviation).max(ANOMALY_SHARE * middle.abs());
    (middle - allowed, middle + allowed)
}

/// The middle of values, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
