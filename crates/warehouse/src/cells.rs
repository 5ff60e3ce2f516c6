//! Values of the engines as cells.

use domain::table::{Cell, Column, ColumnType, Table};

/// A number, or NULL for NaN and the infinities.
pub(crate) fn float(value: f64) -> Cell {
    if value.is_finite() { Cell::Float(value) } else { Cell::Null }
}

/// About how long a row is as JSON.
pub(crate) fn row_bytes(row: &[Cell]) -> usize {
    row.iter().map(cell_bytes).sum::<usize>() + 2
}

fn cell_bytes(cell: &Cell) -> usize {
    match cell {
        Cell::Null => 5,
        Cell::Bool(_) => 6,
        Cell::Int(value) => value.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 3,
        Cell::Float(_) => 18,
        Cell::Text(text) => text.len() + 3,
    }
}

/// Names in which none is twice: a repeated one gets `_2`, `_3`, an empty one `column`.
pub(crate) fn unique_names<'name>(names: impl Iterator<Item = &'name str>) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let base = if name.is_empty() { "column" } else { name };
        let mut candidate = base.to_owned();
        let mut count = 1;
        while taken.contains(&candidate) {
            count += 1;
            candidate = format!("{base}_{count}");
        }
        taken.push(candidate);
    }
    taken
}

/// Columns of whole numbers that may be wider than 64 bits come as text: those that fit become integers.
pub(crate) fn narrow_integers(table: &mut Table, wide: &[usize]) {
    for &index in wide {
        let parsed: Option<Vec<Cell>> = table
            .rows
            .iter()
            .map(|row| match &row[index] {
                Cell::Text(text) => text.parse().ok().map(Cell::Int),
                other => Some(other.clone()),
            })
            .collect();
        let Some(parsed) = parsed else { continue };
        for (row, cell) in table.rows.iter_mut().zip(parsed) {
            row[index] = cell;
        }
        let column = &mut table.columns[index];
        *column = Column::new(column.name.clone(), ColumnType::Integer);
    }
}

/// What cells a DuckDB type becomes.
pub(crate) fn duckdb_kind(native_type: &str) -> ColumnType {
    let is_nested = native_type.ends_with(']')
        || ["STRUCT(", "MAP(", "UNION("].iter().any(|prefix| native_type.starts_with(prefix));
    if is_nested && !native_type.starts_with("ENUM(") {
        return ColumnType::Json;
    }
    match native_type {
        "BOOLEAN" => ColumnType::Boolean,
        "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "UTINYINT" | "USMALLINT" | "UINTEGER" => {
            ColumnType::Integer
        }
        "FLOAT" | "DOUBLE" => ColumnType::Float,
        "UBIGINT" | "HUGEINT" | "UHUGEINT" | "BIGNUM" => ColumnType::Decimal,
        "DATE" => ColumnType::Date,
        "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" => ColumnType::Timestamp,
        "TIMESTAMP WITH TIME ZONE" => ColumnType::TimestampTz,
        "TIME" | "TIME_NS" => ColumnType::Time,
        "JSON" | "VARIANT" => ColumnType::Json,
        other if other.starts_with("DECIMAL(") => ColumnType::Decimal,
        _ => ColumnType::Text,
    }
}

/// Whether a DuckDB type holds whole numbers that may be wider than 64 bits.
pub(crate) fn is_wide_integer(native_type: &str) -> bool {
    matches!(native_type, "UBIGINT" | "HUGEINT" | "UHUGEINT" | "BIGNUM")
}

/// An expression that makes of a column one of BOOLEAN, BIGINT, DOUBLE, VARCHAR.
pub(crate) fn duckdb_plain_value(column: &str, native_type: &str, kind: ColumnType) -> String {
    match kind {
        ColumnType::Boolean => column.to_owned(),
        ColumnType::Integer => format!("CAST({column} AS BIGINT)"),
        ColumnType::Float => format!("CAST({column} AS DOUBLE)"),
        ColumnType::Json if native_type != "JSON" => format!("CAST(to_json({column}) AS VARCHAR)"),
        _ => format!("CAST({column} AS VARCHAR)"),
    }
}

/// DuckDB's text of a value as a cell. Its sessions are in UTC.
pub(crate) fn duckdb_text(text: &str, kind: ColumnType) -> Cell {
    match kind {
        ColumnType::Date if !text.starts_with(|first: char| first.is_ascii_digit()) => Cell::Null,
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            if !text.starts_with(|first: char| first.is_ascii_digit()) {
                return Cell::Null;
            }
            let iso = text.replacen(' ', "T", 1);
            match kind {
                ColumnType::TimestampTz => {
                    Cell::Text(format!("{}Z", iso.strip_suffix("+00").unwrap_or(&iso)))
                }
                _ => Cell::Text(iso),
            }
        }
        _ => Cell::Text(text.to_owned()),
    }
}

/// Whether the least and greatest value of a kind say something.
pub(crate) const fn has_range(kind: ColumnType) -> bool {
    !matches!(kind, ColumnType::Boolean | ColumnType::Json)
}

/// A value short enough to be a sample.
pub(crate) fn cut_sample(cell: Cell) -> Cell {
    const LONGEST_SAMPLE: usize = 200;
    match cell {
        Cell::Text(text) if text.chars().count() > LONGEST_SAMPLE => {
            Cell::Text(text.chars().take(LONGEST_SAMPLE).chain(std::iter::once('…')).collect())
        }
        other => other,
    }
}
