//! The table that is printed, and the JSON that is kept.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{Part, figure::Figure, machine::Machine};

/// What is wanted of a figure's median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Goal {
    fn is_met_by(self, median: f64) -> bool {
        match self {
            Self::AtLeast(goal) => median >= goal,
            Self::AtMost(goal) => median <= goal,
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The part that it belongs to.
    pub part: Part,
    /// What was measured.
    pub what: String,
    /// Of the figure: `runs/s`, `ms`, `kB`, `x` for a ratio.
    pub unit: &'static str,
    /// What it came to.
    pub figure: Figure,
    /// What is wanted; none for what a ratio is made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// Whether the median meets the goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_met: Option<bool>,
}

impl Row {
    /// A line without a goal.
    pub fn new(part: Part, what: impl Into<String>, unit: &'static str, figure: Figure) -> Self {
        Self { part, what: what.into(), unit, figure, goal: None, is_met: None }
    }

    /// A line without a goal, of these measurements.
    pub(crate) fn of(
        part: Part,
        what: impl Into<String>,
        unit: &'static str,
        values: &[f64],
    ) -> anyhow::Result<Self> {
        Ok(Self::new(part, what, unit, Figure::of(values.iter().copied())?))
    }

    /// The same with a goal.
    #[must_use]
    pub fn with_goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self.is_met = Some(goal.is_met_by(self.figure.median()));
        self
    }
}

/// A part that could not be measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The part.
    pub part: Part,
    /// Why.
    pub reason: String,
}

/// All that one run of the bench found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, in UTC: `2026-03-02T08:00:00Z`.
    pub started_at: String,
    /// How long it took.
    pub seconds: f64,
    /// `full`, or `quick`: fewer rows and one round, for trying.
    pub size: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// The lines.
    pub rows: Vec<Row>,
    /// What was chosen or found on the way: how many claimers, how many jobs.
    pub notes: Vec<String>,
    /// Parts that broke off. The others stand.
    pub failures: Vec<Failure>,
}

impl Report {
    /// The table, ready to print.
    pub fn table(&self) -> String {
        let mut lines = vec![["", "what", "median", "min", "max", "goal", ""].map(str::to_owned)];
        let mut last = None;
        for row in &self.rows {
            let part = if last == Some(row.part) { String::new() } else { row.part.name().to_owned() };
            last = Some(row.part);
            let Figures { median, min, max } = Figures::of(&row.figure, row.unit);
            let goal = match row.goal {
                Some(Goal::AtLeast(goal)) => format!(">= {goal} {}", row.unit),
                Some(Goal::AtMost(goal)) => format!("<= {goal} {}", row.unit),
                None => String::new(),
            };
            let verdict = match row.is_met {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "",
            };
            lines.push([part, row.what.clone(), median, min, max, goal, verdict.to_owned()]);
        }
        let mut table = aligned(&lines);
        for note in &self.notes {
            let _ = writeln!(table, "note: {note}");
        }
        for failure in &self.failures {
            let _ = writeln!(table, "not measured: {}: {}", failure.part.name(), failure.reason);
        }
        table
    }
}

struct Figures {
    median: String,
    min: String,
    max: String,
}

impl Figures {
    fn of(figure: &Figure, unit: &str) -> Self {
        Self {
            median: format!("{} {unit}", number(figure.median())),
            min: number(figure.min()),
            max: number(figure.max()),
        }
    }
}

/// Three digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.1 => format!("{value:.4}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Columns side by side; figures to the right.
fn aligned<const COLUMNS: usize>(lines: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut written = String::new();
        for (position, (cell, width)) in line.iter().zip(widths).enumerate() {
            let is_figure = (2..=4).contains(&position);
            let _ = if is_figure {
                write!(written, "{cell:>width$}  ")
            } else {
                write!(written, "{cell:<width$}  ")
            };
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: &str, unit: &'static str, values: &[f64]) -> Row {
        Row::new(Part::Queue, what, unit, Figure::of(values.iter().copied()).expect("a figure"))
    }

    #[test]
    fn the_table_tells_median_range_goal_and_verdict() {
        let report = Report {
            started_at: "2026-03-02T08:00:00Z".into(),
            seconds: 1.0,
            size: "quick",
            machine: Machine::default(),
            rows: vec![
                row("runs", "runs/s", &[41_234.0, 40_000.0, 52_000.4]),
                row("by the others", "x", &[36.6, 34.9, 37.0]).with_goal(Goal::AtLeast(35.0)),
                row("an empty tick", "ms", &[0.061, 0.059, 0.07]).with_goal(Goal::AtMost(0.05)),
            ],
            notes: vec!["4 claimers".into()],
            failures: vec![Failure { part: Part::Tick, reason: "no server".into() }],
        };
        let expected = "
       what                 median     min     max  goal
queue  runs           41234 runs/s   40000   52000
       by the others        36.6 x    34.9    37.0  >= 35 x     met
       an empty tick     0.0610 ms  0.0590  0.0700  <= 0.05 ms  NOT MET
note: 4 claimers
not measured: tick: no server
";
        assert_eq!(format!("\n{}", report.table()), expected);
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["rows"][1]["figure"]["median"], 36.6);
        assert_eq!(json["rows"][1]["goal"]["atLeast"], 35.0);
        assert_eq!(json["rows"][2]["isMet"], false);
    }
}
