//! Results as `run_sql` shows them, and figures that refer to their cells.

use chrono::{Datelike, NaiveDate};
use domain::table::ColumnType;
use serde::Deserialize;
use serde_json::Value;

use crate::months::MONTHS;

/// A result as `run_sql` showed it.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// `r1`.
    pub handle: String,
    /// Names and types.
    pub columns: Vec<(String, ColumnType)>,
    /// The first rows.
    pub rows: Vec<Vec<Value>>,
    /// How many rows there are.
    pub row_count: u64,
    /// Whether rows are missing at the end.
    pub is_truncated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunOutput {
    result: String,
    columns: Vec<domain::table::Column>,
    row_count: u64,
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    truncated: Option<Value>,
}

impl View {
    /// Reads an output of `run_sql`; `None` for a failure.
    pub(super) fn read(output: &Value) -> Option<Self> {
        let run = RunOutput::deserialize(output).ok()?;
        Some(Self {
            handle: run.result,
            columns: run.columns.into_iter().map(|column| (column.name, column.kind)).collect(),
            rows: run.rows,
            row_count: run.row_count,
            is_truncated: run.truncated.is_some_and(|truncated| !truncated.is_null()),
        })
    }

    fn index(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == column)
    }

    /// A cell, if it is there and holds something.
    pub(super) fn cell(&self, row: usize, column: &str) -> Option<&Value> {
        self.rows
            .get(row)?
            .get(self.index(column)?)
            .filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// A cell as a number.
    pub(super) fn number(&self, row: usize, column: &str) -> Option<f64> {
        let cell = self.cell(row, column)?;
        cell.as_f64().or_else(|| cell.as_str().and_then(|text| text.parse().ok()))
    }

    /// The type of a column.
    pub(super) fn kind(&self, column: &str) -> Option<ColumnType> {
        self.index(column).map(|index| self.columns[index].1)
    }

    /// How figures of a column are written.
    pub(super) fn format(&self, column: &str) -> String {
        if matches!(column, "share" | "growth" | "change_from_usual") {
            return "percent:1".into();
        }
        match self.kind(column) {
            Some(ColumnType::Integer)
                if is_calendar_part(column) || column == "id" || column.ends_with("_id") =>
            {
                "text".into()
            }
            Some(kind) if kind.is_numeric() => format!("number:{}", self.decimals(column)),
            Some(kind) if kind.is_temporal() => "date".into(),
            _ => "text".into(),
        }
    }

    /// Whether a column of groups tells years, however it is called: a season, a vintage.
    fn holds_years(&self, column: &str) -> bool {
        let years =
            |row: usize| self.number(row, column).is_none_or(|year| (1900.0..=2100.0).contains(&year));
        self.kind(column) == Some(ColumnType::Integer) && (0..self.rows.len()).all(years)
    }

    /// Of two ways to write figures, as [`Self::format`] gives them, the one with more decimals.
    pub(super) fn finer(left: String, right: String) -> String {
        let decimals = |format: &str| format.strip_prefix("number:")?.parse::<usize>().ok();
        match (decimals(&left), decimals(&right)) {
            (Some(of_left), Some(of_right)) if of_right > of_left => right,
            _ => left,
        }
    }

    fn decimals(&self, column: &str) -> usize {
        let numbers: Vec<f64> = (0..self.rows.len()).filter_map(|row| self.number(row, column)).collect();
        if numbers.iter().all(|number| number.fract() == 0.0) {
            return 0;
        }
        let greatest = numbers.iter().map(|number| number.abs()).fold(0.0, f64::max);
        if greatest < 1.0 { 3 } else { 2 }
    }

    /// A cell as figures refer to it: `r1[0].flights`, `r1[0]["last week"]`.
    pub(super) fn at(&self, row: usize, column: &str) -> String {
        if column.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            format!("{}[{row}].{column}", self.handle)
        } else {
            format!("{}[{row}][\"{column}\"]", self.handle)
        }
    }

    /// A figure for a cell; what to say where it is empty.
    pub(super) fn figure(&self, row: usize, column: &str) -> String {
        match self.cell(row, column) {
            Some(Value::Bool(value)) => if *value { "yes" } else { "no" }.to_owned(),
            Some(_) => format!("{{{{{}|{}}}}}", self.at(row, column), self.format(column)),
            None => "(none)".into(),
        }
    }

    /// A group's value as prose: months by their names, the rest as figures.
    pub(super) fn label(&self, row: usize, column: &str) -> String {
        if column == "month"
            && self.kind(column) == Some(ColumnType::Integer)
            && let Some(name) =
                self.number(row, column).and_then(|month| MONTHS.get((month as usize).checked_sub(1)?))
        {
            return (*name).to_owned();
        }
        if is_calendar_part(column)
            && column != "year"
            && self.kind(column) == Some(ColumnType::Integer)
            && self.cell(row, column).is_some()
        {
            return format!("{column} {}", self.figure(row, column));
        }
        if self.cell(row, column).is_some() && self.holds_years(column) {
            return format!("{{{{{}|text}}}}", self.at(row, column));
        }
        let day = self
            .cell(row, column)
            .and_then(Value::as_str)
            .and_then(|text| text.get(..10)?.parse::<NaiveDate>().ok());
        if let Some(day) = day.filter(|_| self.kind(column).is_some_and(ColumnType::is_temporal)) {
            match column {
                "month" => return format!("{} {}", MONTHS[day.month0() as usize], day.year()),
                "quarter" => return format!("Q{} {}", day.month0() / 3 + 1, day.year()),
                "year" => return day.year().to_string(),
                _ => {}
            }
        }
        self.figure(row, column)
    }
}

pub(super) fn is_calendar_part(column: &str) -> bool {
    matches!(column, "year" | "month" | "day" | "hour" | "quarter" | "weekday_number")
}
