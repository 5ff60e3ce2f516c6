//! PostgreSQL, and what speaks its protocol and grammar.

mod catalog;
mod query;
mod session;
mod stream;
mod tls;
mod values;

pub(crate) use catalog::{catalog, describe, describe_connection};
pub(crate) use query::query;

use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::Error;

/// What the server said about a statement, as ours. `offset` is how many characters we put before it, if we did.
fn sql_error(error: &tokio_postgres::Error, offset: u32) -> Error {
    match error.as_db_error() {
        Some(said) => db_error(said, offset),
        None => Error::Unreachable {
            message: std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string),
        },
    }
}

fn db_error(said: &DbError, offset: u32) -> Error {
    match said.code() {
        &SqlState::READ_ONLY_SQL_TRANSACTION => Error::refused("the statement would change data"),
        &SqlState::QUERY_CANCELED => Error::Cancelled,
        &SqlState::OUT_OF_MEMORY => Error::OutOfResources { resource: "memory".to_owned() },
        &SqlState::DISK_FULL | &SqlState::CONFIGURATION_LIMIT_EXCEEDED => {
            Error::OutOfResources { resource: "disk".to_owned() }
        }
        &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN | &SqlState::CANNOT_CONNECT_NOW => {
            Error::Unreachable { message: said.message().to_owned() }
        }
        _ => Error::Sql {
            message: said.message().to_owned(),
            position: match said.position() {
                Some(ErrorPosition::Original(position)) => position.checked_sub(offset).filter(|at| *at > 0),
                _ => None,
            },
            hint: said.hint().map(str::to_owned),
        },
    }
}
