//! One statement, its rows streamed and cut at the limits.

use domain::table::{Cell, Column, Table, Truncation};
use futures::{StreamExt, pin_mut};
use tokio::time::Instant;
use tokio_postgres::{Statement, types::ToSql};
use tokio_util::sync::CancellationToken;

use super::{
    session::Session,
    sql_error,
    values::{Reading, Value, reading},
};
use crate::{Error, PostgresSpec, QueryLimits, WarehouseOptions, cells, guard};

/// What the server may send beside the rows: the protocol around them.
const BYTES_BESIDE_ROWS: u64 = 4 << 20;

/// Guards a statement and runs it.
pub(crate) async fn query(
    options: &WarehouseOptions,
    spec: &PostgresSpec,
    sql: &str,
    limits: QueryLimits,
    cancel: &CancellationToken,
) -> Result<Table, Error> {
    let statement = guard::check_postgres(sql)?;
    let started = Instant::now();
    let timed_out = Error::Timeout { limit: limits.timeout };
    // The wire's form of a row is at most about twice its JSON's: small numbers and NULLs cost a length of 4 bytes.
    let bytes = (limits.bytes as u64).saturating_mul(2).saturating_add(BYTES_BESIDE_ROWS);
    let session = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(Error::Cancelled),
        opened = Session::open(options, spec, limits.timeout, bytes) => opened?,
        () = tokio::time::sleep(limits.timeout) => return Err(timed_out),
    };
    let answer = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::Cancelled),
        answer = run(&session, statement, limits) => answer,
        () = tokio::time::sleep_until(started + limits.timeout) => Err(timed_out.clone()),
    };
    match answer {
        // Rows may be left unread, or the server may still be at work.
        Err(Error::Cancelled) if !cancel.is_cancelled() => Err(timed_out),
        Err(Error::Cancelled | Error::Timeout { .. }) => {
            session.cancel();
            answer
        }
        Ok(table) if table.truncated.is_some() => {
            session.cancel();
            Ok(table)
        }
        other => other,
    }
}

/// Runs a statement of the guard's or our own.
pub(super) async fn run(session: &Session, statement: &str, limits: QueryLimits) -> Result<Table, Error> {
    let (prepared, readings, columns) = prepare(session, statement).await?;
    let no_parameters: [&(dyn ToSql + Sync); 0] = [];
    let too_large = || Error::TooLarge { what: "the first row".to_owned(), limit_bytes: limits.bytes };
    let failed = |error: &tokio_postgres::Error| {
        if session.meter.is_exceeded() { too_large() } else { sql_error(error, 0) }
    };
    let rows = session.client.query_raw(&prepared, no_parameters).await.map_err(|error| failed(&error))?;
    pin_mut!(rows);
    let mut table = Table { columns, rows: Vec::new(), truncated: None };
    let mut byte_count = 0;
    while let Some(row) = rows.next().await {
        let row = match row {
            Ok(row) => row,
            Err(_) if session.meter.is_exceeded() && !table.rows.is_empty() => {
                table.truncated = Some(Truncation::Bytes);
                break;
            }
            Err(error) => return Err(failed(&error)),
        };
        if table.rows.len() == limits.rows {
            table.truncated = Some(Truncation::Rows);
            break;
        }
        let mut cells_of_row: Vec<Cell> = Vec::with_capacity(readings.len());
        for index in 0..readings.len() {
            let Value(cell) = row.try_get(index).map_err(|error| sql_error(&error, 0))?;
            cells_of_row.push(cell);
        }
        byte_count += cells::row_bytes(&cells_of_row);
        if byte_count > limits.bytes {
            if table.rows.is_empty() {
                return Err(too_large());
            }
            table.truncated = Some(Truncation::Bytes);
            break;
        }
        table.rows.push(cells_of_row);
    }
    Ok(table)
}

/// Prepares a statement so that every column comes in a form that is read here.
async fn prepare(
    session: &Session,
    statement: &str,
) -> Result<(Statement, Vec<Reading>, Vec<Column>), Error> {
    let prepared = session.client.prepare(statement).await.map_err(|error| sql_error(&error, 0))?;
    if prepared.columns().is_empty() {
        return Err(Error::Sql {
            message: "the statement returns no columns".to_owned(),
            position: None,
            hint: None,
        });
    }
    let readings: Vec<Reading> = prepared.columns().iter().map(|column| reading(column.type_())).collect();
    let names = cells::unique_names(prepared.columns().iter().map(tokio_postgres::Column::name));
    let columns =
        names.into_iter().zip(&readings).map(|(name, reading)| Column::new(name, reading.kind())).collect();
    if readings.iter().all(|reading| matches!(reading, Reading::Plain(_))) {
        return Ok((prepared, readings, columns));
    }
    let names: Vec<String> = (0..readings.len()).map(|index| format!("c{index}")).collect();
    let values: Vec<String> =
        names.iter().zip(&readings).map(|(name, reading)| reading.expression(name)).collect();
    let before = format!("SELECT {} FROM (\n", values.join(", "));
    let wrapped = format!("{before}{statement}\n) AS q({})", names.join(", "));
    let offset = u32::try_from(before.chars().count()).unwrap_or(u32::MAX);
    let prepared = session.client.prepare(&wrapped).await.map_err(|error| sql_error(&error, offset))?;
    Ok((prepared, readings, columns))
}
