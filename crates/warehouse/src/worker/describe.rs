//! What tables of files hold: columns, keys, and what their values look like.

use std::{collections::HashSet, io::Write};

use domain::table::{Cell, ColumnType};
use duckdb::Connection;

use super::{
    engine::{self, engine_error, quote_name},
    protocol::{DescribeRequest, Reply, TablesRequest, write_frame},
    query::read_row,
};
use crate::{
    CatalogColumn, CatalogTable, ColumnDescription, ColumnReference, Error, TableDescription, cells,
};

/// Tables of more rows are not searched for keys, and their distinct values are estimated.
const MOST_ROWS_COUNTED: u64 = 5_000_000;
/// How many samples a column has.
const SAMPLES: usize = 12;

pub(super) fn catalog(request: &TablesRequest, output: &mut impl Write) -> Result<(), Error> {
    let connection = engine::open(request.cost)?;
    let reserved = reserved_words(&connection)?;
    let (mut tables, mut problems, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for file in &request.tables {
        match engine::create_view(&connection, file)
            .and_then(|()| read_table(&connection, &file.name, &reserved))
        {
            Ok(table) => {
                tables.push(table);
                opened.push(file.parquet.as_path());
            }
            Err(error) => problems.push(format!("{}: {error}", file.name)),
        }
    }
    engine::lock(&connection, opened.into_iter())?;
    find_keys(&connection, &mut tables)?;
    find_references(&connection, &mut tables)?;
    write_frame(output, &Reply::Tables { tables, problems })
}

fn read_table(
    connection: &Connection,
    name: &str,
    reserved: &HashSet<String>,
) -> Result<CatalogTable, Error> {
    let quoted = quote_name(name);
    let mut describe =
        connection.prepare(&format!("DESCRIBE {quoted}")).map_err(|error| engine_error(&error))?;
    let rows = describe
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .map_err(|error| engine_error(&error))?;
    let mut columns = Vec::new();
    for row in rows {
        let (name, native_type) = row.map_err(|error| engine_error(&error))?;
        columns.push(CatalogColumn {
            name,
            kind: cells::duckdb_kind(&native_type),
            native_type,
            comment: None,
            nullable: true,
            primary_key: false,
            references: None,
        });
    }
    let rows: i64 = connection
        .query_row(&format!("SELECT count(*) FROM {quoted}"), [], |row| row.get(0))
        .map_err(|error| engine_error(&error))?;
    Ok(CatalogTable {
        table: written_name(name, reserved),
        comment: None,
        row_estimate: u64::try_from(rows).ok(),
        columns,
    })
}

/// Words that must be quoted as names.
fn reserved_words(connection: &Connection) -> Result<HashSet<String>, Error> {
    let sql = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'";
    let mut statement = connection.prepare(sql).map_err(|error| engine_error(&error))?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(|error| engine_error(&error))?;
    rows.collect::<Result<_, _>>().map_err(|error| engine_error(&error))
}

/// A name as one writes it: quoted only where it must be.
fn written_name(name: &str, reserved: &HashSet<String>) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_')
        && !reserved.contains(name);
    if is_plain { name.to_owned() } else { quote_name(name) }
}

/// A column that is unique and never NULL is a key, if it stands first or is named like one.
fn find_keys(connection: &Connection, tables: &mut [CatalogTable]) -> Result<(), Error> {
    for table in tables {
        let rows = table.row_estimate.unwrap_or_default();
        if rows == 0 || rows > MOST_ROWS_COUNTED {
            continue;
        }
        for (position, column) in table.columns.iter_mut().enumerate() {
            let may_be_key = matches!(
                column.kind,
                ColumnType::Integer | ColumnType::Decimal | ColumnType::Text | ColumnType::Date
            );
            if !may_be_key || !(position == 0 || is_named_like_a_key(&column.name)) {
                continue;
            }
            let quoted = quote_name(&column.name);
            let distinct: i64 = connection
                .query_row(&format!("SELECT count(DISTINCT {quoted}) FROM {}", table.table), [], |row| {
                    row.get(0)
                })
                .map_err(|error| engine_error(&error))?;
            // NULLs are not counted: as many distinct values as rows means that there are none.
            if u64::try_from(distinct).ok() == Some(rows) {
                column.primary_key = true;
                column.nullable = false;
                break;
            }
        }
    }
    Ok(())
}

/// `id`, `customer_id`, `customerId`, `zip code`.
fn is_named_like_a_key(name: &str) -> bool {
    let lower = name.to_lowercase();
    let is_last_word = |word: &str| {
        lower == word || lower.strip_suffix(word).is_some_and(|before| before.ends_with(['_', '-', ' ', '.']))
    };
    ["id", "code", "key", "uuid", "guid"].into_iter().any(is_last_word)
        || ["Id", "ID", "Code", "Key", "Uuid", "UUID"].into_iter().any(|word| name.ends_with(word))
}

/// A column refers to another table's key when they share a name (`carrier`), when it is called after that table
/// (`customer_id`), or when its texts are that key's (`dest` and `airports.faa`).
fn find_references(connection: &Connection, tables: &mut [CatalogTable]) -> Result<(), Error> {
    let keys: Vec<Key> = tables
        .iter()
        .filter_map(|table| {
            let column = table.columns.iter().find(|column| column.primary_key)?;
            let rows = table.row_estimate?;
            Some(Key { table: table.table.clone(), column: column.name.clone(), kind: column.kind, rows })
        })
        .collect();
    for table in tables {
        for column in table.columns.iter_mut().filter(|column| !column.primary_key) {
            let others = || keys.iter().filter(|key| key.table != table.table && key.kind == column.kind);
            let by_name = others().find(|key| is_named_after(&column.name, key));
            let found = match by_name {
                Some(key) => Some(key),
                None if column.kind == ColumnType::Text => {
                    let mut by_value = None;
                    for key in others() {
                        if holds_values_of(connection, &table.table, &column.name, key)? {
                            by_value = Some(key);
                            break;
                        }
                    }
                    by_value
                }
                None => None,
            };
            column.references =
                found.map(|key| ColumnReference { table: key.table.clone(), column: key.column.clone() });
        }
    }
    Ok(())
}

/// A table's key.
struct Key {
    table: String,
    column: String,
    kind: ColumnType,
    rows: u64,
}

fn is_named_after(name: &str, key: &Key) -> bool {
    let (name, key_name) = (name.to_lowercase(), key.column.to_lowercase());
    let table = key.table.replace('"', "").to_lowercase();
    // Names that say nothing by themselves, such as `id`, are common to tables that have nothing to do with each other.
    let is_telling =
        !matches!(key_name.as_str(), "id" | "key" | "code" | "uuid" | "guid" | "name" | "date" | "day");
    if is_telling && name == key_name {
        return true;
    }
    let singular = match table.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => table.strip_suffix('s').unwrap_or(&table).to_owned(),
    };
    !is_telling && (name == format!("{singular}_{key_name}") || name == format!("{table}_{key_name}"))
}

/// Whether nearly all of a column's values, of which there are a few at least, are values of the key.
fn holds_values_of(connection: &Connection, table: &str, column: &str, key: &Key) -> Result<bool, Error> {
    let sql = format!(
        "WITH seen AS (SELECT DISTINCT {column} AS value FROM (SELECT {column} FROM {table} LIMIT 200000)
                       WHERE {column} IS NOT NULL LIMIT 1000)
         SELECT count(*), count(*) FILTER (WHERE value IN (SELECT {key_column} FROM {key_table})) FROM seen",
        column = quote_name(column),
        key_column = quote_name(&key.column),
        key_table = key.table,
    );
    let (seen, known): (i64, i64) = connection
        .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|error| engine_error(&error))?;
    Ok(seen >= 3 && known * 10 >= seen * 9 && u64::try_from(seen).is_ok_and(|seen| seen <= key.rows))
}

pub(super) fn describe(request: &DescribeRequest, output: &mut impl Write) -> Result<(), Error> {
    let connection = engine::open(request.cost)?;
    engine::create_view(&connection, &request.file)?;
    engine::lock(&connection, [request.file.parquet.as_path()].into_iter())?;
    let table = &request.table;
    let mut columns = Vec::new();
    for column in &table.columns {
        columns.push(describe_column(&connection, table, column));
    }
    let description = TableDescription {
        table: table.table.clone(),
        comment: table.comment.clone(),
        row_estimate: table.row_estimate,
        columns,
    };
    write_frame(output, &Reply::Description(Box::new(description)))
}

fn describe_column(
    connection: &Connection,
    table: &CatalogTable,
    column: &CatalogColumn,
) -> ColumnDescription {
    let name = quote_name(&column.name);
    let plain = cells::duckdb_plain_value(&name, &column.native_type, column.kind);
    let samples = rows(
        connection,
        &format!(
            "SELECT {plain} FROM {} WHERE {name} IS NOT NULL GROUP BY {name} ORDER BY count(*) DESC, {name} LIMIT {SAMPLES}",
            table.table
        ),
        &[column.kind],
    );
    // Values that cannot be grouped or sorted have no samples; that is no reason to give no description.
    let samples = samples.unwrap_or_default().into_iter().flatten().map(cells::cut_sample).collect();
    let count = if table.row_estimate.unwrap_or_default() <= MOST_ROWS_COUNTED {
        format!("count(DISTINCT {name})")
    } else {
        format!("approx_count_distinct({name})")
    };
    let distinct = rows(connection, &format!("SELECT {count} FROM {}", table.table), &[ColumnType::Integer]);
    let distinct_estimate = distinct.ok().and_then(|rows| match rows.first()?.first()? {
        Cell::Int(count) => u64::try_from(*count).ok(),
        _ => None,
    });
    let (min, max) = if cells::has_range(column.kind) {
        let least = cells::duckdb_plain_value(&format!("min({name})"), &column.native_type, column.kind);
        let greatest = cells::duckdb_plain_value(&format!("max({name})"), &column.native_type, column.kind);
        let sql = format!("SELECT {least}, {greatest} FROM {}", table.table);
        let mut ends =
            rows(connection, &sql, &[column.kind, column.kind]).unwrap_or_default().into_iter().flatten();
        (ends.next(), ends.next())
    } else {
        (None, None)
    };
    let present = |end: Option<Cell>| end.filter(|cell| !cell.is_null()).map(cells::cut_sample);
    ColumnDescription {
        column: column.clone(),
        samples,
        distinct_estimate,
        min: present(min),
        max: present(max),
    }
}

/// All rows of one of our own statements, whose columns are plain.
fn rows(connection: &Connection, sql: &str, kinds: &[ColumnType]) -> Result<Vec<Vec<Cell>>, Error> {
    let mut statement = connection.prepare(sql).map_err(|error| engine_error(&error))?;
    drop(statement.stream_arrow([]).map_err(|error| engine_error(&error))?);
    let mut rows = Vec::new();
    while let Some(batch) = statement.step().map_err(|error| engine_error(&error))? {
        for index in 0..duckdb::arrow::array::Array::len(&batch) {
            rows.push(read_row(&batch, index, kinds)?);
        }
    }
    Ok(rows)
}
