//! Whether a result has the rows that a question was to find.

use domain::table::{Cell, ColumnType, Table};
use serde_json::Value;

use super::Question;
use crate::rows::{is_near, moment};

/// Compares a result with a question's reference rows: equal as multisets of rows over some choice of the result's columns,
/// in any order of columns and with extra ones allowed. Numbers agree within 1e-6, relative; text is case-sensitive; the
/// order of rows counts only where the reference statement has LIMIT. Of more than 200 rows the reference holds 200: then
/// the result must have as many rows as the true answer, those among them. The error says what differs.
pub fn compare(question: &Question, table: &Table) -> Result<(), String> {
    if table.rows.len() != question.row_count {
        return Err(format!("it has {} rows, not {}", table.rows.len(), question.row_count));
    }
    let width = question.rows.first().map_or(0, Vec::len);
    if width > table.columns.len() {
        return Err(format!("it has {} columns; at least {width} are needed", table.columns.len()));
    }
    let is_ordered = has_limit(&question.reference_sql);
    let candidates: Vec<Vec<usize>> = (0..width)
        .map(|wanted| {
            (0..table.columns.len())
                .filter(|column| may_stand_for(question, wanted, table, *column))
                .collect()
        })
        .collect();
    if let Some(missing) = candidates.iter().position(Vec::is_empty) {
        return Err(format!("no column holds the values of reference column {}", missing + 1));
    }
    let mut chosen = Vec::with_capacity(width);
    if search(question, table, &candidates, is_ordered, &mut chosen) {
        return Ok(());
    }
    Err(if is_ordered { "the rows or their order differ".into() } else { "the rows differ".into() })
}

/// Whether a statement has LIMIT as a word of its own, outside strings.
fn has_limit(sql: &str) -> bool {
    let outside: String = sql.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    outside.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word.eq_ignore_ascii_case("limit"))
}

/// Whether each value of a reference column is found in a column of the result.
fn may_stand_for(question: &Question, wanted: usize, table: &Table, column: usize) -> bool {
    let kind = table.columns[column].kind;
    let mut used = vec![false; table.rows.len()];
    question.rows.iter().all(|row| {
        let found = table.rows.iter().enumerate().find(|(at, cells)| {
            !used[*at] && row.get(wanted).is_some_and(|value| agrees(value, &cells[column], kind))
        });
        if let Some((at, _)) = found {
            used[at] = true;
        }
        found.is_some()
    })
}

/// Tries each choice of distinct columns.
fn search(
    question: &Question,
    table: &Table,
    candidates: &[Vec<usize>],
    is_ordered: bool,
    chosen: &mut Vec<usize>,
) -> bool {
    let Some(next) = candidates.get(chosen.len()) else {
        return rows_agree(question, table, chosen, is_ordered);
    };
    for column in next {
        if chosen.contains(column) {
            continue;
        }
        chosen.push(*column);
        if search(question, table, candidates, is_ordered, chosen) {
            return true;
        }
        chosen.pop();
    }
    false
}

fn rows_agree(question: &Question, table: &Table, columns: &[usize], is_ordered: bool) -> bool {
    let agree = |row: &[Value], cells: &[Cell]| {
        row.iter()
            .zip(columns)
            .all(|(value, column)| agrees(value, &cells[*column], table.columns[*column].kind))
    };
    if is_ordered {
        return question.rows.iter().zip(&table.rows).all(|(row, cells)| agree(row, cells));
    }
    let mut used = vec![false; table.rows.len()];
    question.rows.iter().all(|row| {
        let found = table.rows.iter().enumerate().find(|(at, cells)| !used[*at] && agree(row, cells));
        if let Some((at, _)) = found {
            used[at] = true;
        }
        found.is_some()
    })
}

fn agrees(value: &Value, cell: &Cell, kind: ColumnType) -> bool {
    match (value, cell) {
        (Value::Null, Cell::Null) => true,
        (Value::Null, _) | (_, Cell::Null) => false,
        (Value::Bool(value), Cell::Bool(cell)) => value == cell,
        (Value::Number(value), _) if kind.is_numeric() => {
            value.as_f64().zip(cell.as_f64()).is_some_and(|(value, cell)| is_near(value, cell))
        }
        (Value::String(value), Cell::Text(cell)) if kind.is_temporal() => {
            value == cell || moment(value).is_some_and(|value| moment(cell) == Some(value))
        }
        (Value::String(value), Cell::Text(cell)) => {
            let numbers = || value.parse::<f64>().ok().zip(cell.parse::<f64>().ok());
            value == cell
                || (kind.is_numeric() && numbers().is_some_and(|(value, cell)| is_near(value, cell)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use domain::table::Column;
    use serde_json::json;

    use super::*;

    fn question(sql: &str, rows: &Value) -> Question {
        let rows: Vec<Vec<Value>> = serde_json::from_value(rows.clone()).expect("rows");
        Question { question: "?".into(), as_of: None, reference_sql: sql.into(), row_count: rows.len(), rows }
    }

    fn table(rows: Vec<(&str, i64, f64)>) -> Table {
        Table {
            columns: vec![
                Column::new("name", ColumnType::Text),
                Column::new("n", ColumnType::Integer),
                Column::new("share", ColumnType::Float),
            ],
            rows: rows
                .into_iter()
                .map(|(name, n, share)| vec![Cell::Text(name.into()), Cell::Int(n), Cell::Float(share)])
                .collect(),
            truncated: None,
        }
    }

    #[test]
    fn order_counts_only_with_limit() {
        let rows = table(vec![("b", 2, 0.2), ("a", 1, 0.1)]);
        let wanted = json!([["a", 1], ["b", 2]]);
        assert_eq!(compare(&question("SELECT 'limit'", &wanted), &rows), Ok(()));
        assert!(compare(&question("SELECT x limit 2", &wanted), &rows).is_err());
    }

    #[test]
    fn columns_may_be_in_any_order_with_extra_ones() {
        let rows = table(vec![("a", 1, 0.5), ("b", 2, 0.25)]);
        assert_eq!(compare(&question("", &json!([[0.25, "b"], [0.5, "a"]])), &rows), Ok(()));
        assert_eq!(compare(&question("", &json!([["b"], ["a"]])), &rows), Ok(()));
        // The values are there, but not in the same rows.
        assert!(compare(&question("", &json!([[0.25, "a"], [0.5, "b"]])), &rows).is_err());
        assert!(compare(&question("", &json!([["b", "b"], ["a", "a"]])), &rows).is_err());
        assert!(compare(&question("", &json!([["B"], ["a"]])), &rows).is_err());
    }

    #[test]
    fn rows_are_a_multiset() {
        let rows = table(vec![("a", 1, 0.5), ("a", 1, 0.5), ("b", 1, 0.5)]);
        assert_eq!(compare(&question("", &json!([["a"], ["b"], ["a"]])), &rows), Ok(()));
        assert!(compare(&question("", &json!([["a"], ["b"], ["b"]])), &rows).is_err());
        assert!(compare(&question("", &json!([["a"], ["b"]])), &rows).is_err());
    }

    #[test]
    fn numbers_agree_within_a_millionth() {
        let rows = table(vec![("a", 3_000_000, 12.639_070_257_304_708)]);
        assert_eq!(compare(&question("", &json!([[12.639_07, 3_000_001]])), &rows), Ok(()));
        assert!(compare(&question("", &json!([[12.64]])), &rows).is_err());
        assert!(compare(&question("", &json!([[null]])), &rows).is_err());
    }

    #[test]
    fn dates_agree_however_they_are_written() {
        let rows = Table {
            columns: vec![Column::new("at", ColumnType::Timestamp)],
            rows: vec![vec![Cell::Text("2013-07-01T00:00:00".into())]],
            truncated: None,
        };
        for text in ["2013-07-01", "2013-07-01 00:00:00", "2013-07-01T00:00:00"] {
            assert_eq!(compare(&question("", &json!([[text]])), &rows), Ok(()), "{text}");
        }
    }

    #[test]
    fn of_many_rows_the_first_are_looked_for() {
        let rows = table((0..500).map(|n| ("x", n, 0.0)).collect());
        let mut wanted = question("", &json!((0..200).map(|n| [n * 2]).collect::<Vec<_>>()));
        wanted.row_count = 500;
        assert_eq!(compare(&wanted, &rows), Ok(()));
        wanted.row_count = 501;
        assert!(compare(&wanted, &rows).is_err());
    }
}
