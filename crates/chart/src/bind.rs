//! Rows of a result as the data of a chart.

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use domain::table::{Cell, Table};
use serde_json::{Map, Value, json};

use crate::{
    field::{Field, Fields, Kind},
    time::{self, Notation},
};

/// What stands for a missing category.
const NONE: &str = "(none)";
const EMPTY: &str = "(empty)";

/// The data of a chart: the columns in use, each cell as Vega shall see it.
pub(crate) fn bind(fields: &Fields<'_>, zone: Tz) -> Value {
    let table = fields.table();
    let mut formats = Map::new();
    let columns: Vec<(&str, Vec<Value>)> = fields
        .used_columns()
        .into_iter()
        .map(|(position, field)| {
            let values = if field.kind == Kind::Time {
                let (values, notation) = times(table, position, zone);
                formats.insert(field.key.clone(), json!(notation.vega_format()));
                values
            } else {
                table.rows.iter().map(|row| scalar(&row[position], field)).collect()
            };
            (field.key.as_str(), values)
        })
        .collect();
    let rows: Vec<Value> = (0..table.rows.len())
        .map(|row| columns.iter().map(|(key, values)| ((*key).to_owned(), values[row].clone())).collect())
        .collect();
    json!({"name": "rows", "values": rows, "format": {"type": "json", "parse": formats}})
}

fn times(table: &Table, position: usize, zone: Tz) -> (Vec<Value>, Notation) {
    let times: Vec<Option<NaiveDateTime>> =
        table.rows.iter().map(|row| time::parse(&row[position].to_plain(), zone)).collect();
    let known: Vec<NaiveDateTime> = times.iter().flatten().copied().collect();
    let notation = Notation::of(&known);
    (times.into_iter().map(|time| time.map(|time| notation.write(time)).into()).collect(), notation)
}

fn scalar(cell: &Cell, field: &Field) -> Value {
    if field.kind == Kind::Number {
        return match cell {
            Cell::Int(value) => json!(value),
            _ => json!(cell.as_f64()),
        };
    }
    json!(category(cell))
}

/// A cell as a category for readers.
pub(crate) fn category(cell: &Cell) -> String {
    match cell {
        Cell::Null => NONE.to_owned(),
        Cell::Text(text) if text.trim().is_empty() => EMPTY.to_owned(),
        Cell::Bool(true) => "Yes".to_owned(),
        Cell::Bool(false) => "No".to_owned(),
        Cell::Text(_) | Cell::Int(_) | Cell::Float(_) => cell.to_plain(),
    }
}
