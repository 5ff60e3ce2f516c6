//! One statement over tables, its rows in chunks.

use std::io::Write;

use domain::table::{Cell, Column, ColumnType, Truncation};
use duckdb::{
    Connection,
    arrow::{
        array::{Array, AsArray, StructArray},
        datatypes::{DataType, Float64Type, Int64Type},
    },
};

use super::{
    engine::{self, engine_error, quote_name},
    protocol::{FileTable, QueryRequest, Reply, write_frame},
};
use crate::{
    Error, cells,
    guard::{self, UsedTables},
};

/// About how many bytes of rows go into one frame.
const CHUNK_BYTES: usize = 1 << 20;

pub(super) fn run(request: &QueryRequest, output: &mut impl Write) -> Result<(), Error> {
    let connection = engine::open(request.cost)?;
    let names: Vec<String> = request.tables.iter().map(|table| table.name.clone()).collect();
    let used = guard::check_duckdb(&request.sql, &names, |sql| serialize(&connection, sql))?;
    open_tables(&connection, &request.tables, &used)?;
    let statement = unwrapped(&connection, &request.sql)?;
    let columns = result_columns(&connection, &statement)?;
    if columns.is_empty() {
        return Err(Error::Sql {
            message: "the statement returns no columns".to_owned(),
            position: None,
            hint: None,
        });
    }
    let sql = wrapped(&statement, &columns, request.rows);
    let names = cells::unique_names(columns.iter().map(|column| column.name.as_str()));
    let wide =
        (0..columns.len()).filter(|index| cells::is_wide_integer(&columns[*index].native_type)).collect();
    let columns: Vec<Column> =
        names.into_iter().zip(&columns).map(|(name, column)| Column::new(name, column.kind)).collect();
    stream(&connection, &sql, columns, wide, request, output)
}

/// Opens the tables that the statement names and closes the sandbox around them.
fn open_tables(connection: &Connection, tables: &[FileTable], used: &UsedTables) -> Result<(), Error> {
    let mut opened = Vec::new();
    for table in tables {
        match used {
            UsedTables::These(names) if !names.contains(&table.name.to_lowercase()) => continue,
            UsedTables::These(_) => engine::create_view(connection, table)?,
            // A statement that lists the tables is not stopped by one that cannot be read.
            UsedTables::All if engine::create_view(connection, table).is_err() => continue,
            UsedTables::All => {}
        }
        opened.push(table.parquet.as_path());
    }
    engine::lock(connection, opened.into_iter())
}

/// DuckDB's tree of a statement, as JSON.
fn serialize(connection: &Connection, sql: &str) -> Result<String, Error> {
    connection
        .query_row("SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", [sql], |row| row.get(0))
        .map_err(|error| engine_error(&error))
}

/// The statement without a semicolon and what stands behind it, so that it can stand in parentheses.
fn unwrapped(connection: &Connection, sql: &str) -> Result<String, Error> {
    let trimmed = sql.trim().trim_end_matches(';').trim_end();
    let is_whole = |text: &str| -> Result<bool, Error> {
        let tree = serialize(connection, &format!("SELECT * FROM (\n{text}\n) AS q"))?;
        Ok(tree.starts_with("{\"error\":false"))
    };
    if is_whole(trimmed)? {
        return Ok(trimmed.to_owned());
    }
    // A comment stands behind the semicolon: DuckDB writes down anew what it has read.
    let tree = serialize(connection, sql)?;
    connection
        .query_row("SELECT json_deserialize_sql(CAST(? AS JSON))", [tree], |row| row.get(0))
        .map_err(|error| engine_error(&error))
}

/// A column as DuckDB reports it.
struct ResultColumn {
    name: String,
    native_type: String,
    kind: ColumnType,
}

fn result_columns(connection: &Connection, statement: &str) -> Result<Vec<ResultColumn>, Error> {
    let mut describe =
        connection.prepare(&format!("DESCRIBE (\n{statement}\n)")).map_err(|error| engine_error(&error))?;
    let rows = describe
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .map_err(|error| engine_error(&error))?;
    let mut columns = Vec::new();
    for row in rows {
        let (name, native_type) = row.map_err(|error| engine_error(&error))?;
        let kind = cells::duckdb_kind(&native_type);
        columns.push(ResultColumn { name, native_type, kind });
    }
    Ok(columns)
}

/// The statement with each column in one of four plain types and one row more than is wanted.
fn wrapped(statement: &str, columns: &[ResultColumn], rows: usize) -> String {
    let names: Vec<String> = (0..columns.len()).map(|index| format!("c{index}")).collect();
    let values: Vec<String> = names
        .iter()
        .zip(columns)
        .map(|(name, column)| cells::duckdb_plain_value(&quote_name(name), &column.native_type, column.kind))
        .collect();
    format!(
        "SELECT {} FROM (\n{statement}\n) AS q({}) LIMIT {}",
        values.join(", "),
        names.join(", "),
        rows.saturating_add(1)
    )
}

fn stream(
    connection: &Connection,
    sql: &str,
    columns: Vec<Column>,
    wide: Vec<usize>,
    request: &QueryRequest,
    output: &mut impl Write,
) -> Result<(), Error> {
    let mut statement = connection.prepare(sql).map_err(|error| engine_error(&error))?;
    drop(statement.stream_arrow([]).map_err(|error| engine_error(&error))?);
    let kinds: Vec<ColumnType> = columns.iter().map(|column| column.kind).collect();
    write_frame(output, &Reply::Columns { columns, wide })?;
    let (mut row_count, mut byte_count, mut chunk, mut chunk_bytes) = (0, 0, Vec::new(), 0);
    // `step`, for the iterator of batches panics on an error in mid-stream, such as a failing cast.
    while let Some(batch) = statement.step().map_err(|error| engine_error(&error))? {
        for index in 0..batch.len() {
            if row_count == request.rows {
                write_frame(output, &Reply::Rows(chunk))?;
                return write_frame(output, &Reply::Done(Some(Truncation::Rows)));
            }
            let row = read_row(&batch, index, &kinds)?;
            let row_bytes = cells::row_bytes(&row);
            if byte_count + row_bytes > request.bytes {
                if row_count == 0 {
                    return Err(Error::TooLarge {
                        what: "the first row".to_owned(),
                        limit_bytes: request.bytes,
                    });
                }
                write_frame(output, &Reply::Rows(chunk))?;
                return write_frame(output, &Reply::Done(Some(Truncation::Bytes)));
            }
            row_count += 1;
            byte_count += row_bytes;
            chunk_bytes += row_bytes;
            chunk.push(row);
            if chunk_bytes >= CHUNK_BYTES {
                write_frame(output, &Reply::Rows(std::mem::take(&mut chunk)))?;
                chunk_bytes = 0;
            }
        }
    }
    write_frame(output, &Reply::Rows(chunk))?;
    write_frame(output, &Reply::Done(None))
}

pub(super) fn read_row(batch: &StructArray, index: usize, kinds: &[ColumnType]) -> Result<Vec<Cell>, Error> {
    batch.columns().iter().zip(kinds).map(|(array, kind)| read_cell(array.as_ref(), index, *kind)).collect()
}

fn read_cell(array: &dyn Array, index: usize, kind: ColumnType) -> Result<Cell, Error> {
    if array.is_null(index) {
        return Ok(Cell::Null);
    }
    let cell = match array.data_type() {
        DataType::Null => Cell::Null,
        DataType::Boolean => Cell::Bool(array.as_boolean().value(index)),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(index)),
        DataType::Float64 => cells::float(array.as_primitive::<Float64Type>().value(index)),
        DataType::Utf8 => cells::duckdb_text(array.as_string::<i32>().value(index), kind),
        DataType::LargeUtf8 => cells::duckdb_text(array.as_string::<i64>().value(index), kind),
        other => return Err(Error::Worker { message: format!("a column came as {other}") }),
    };
    Ok(cell)
}
