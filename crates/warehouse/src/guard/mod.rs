//! Which statements are let through: one SELECT, made only of what is known to be harmless.
//!
//! Both guards walk the whole tree that the engine's own grammar made of the statement and refuse every node, function,
//! type and relation that they do not know. What they let through still runs read-only, sandboxed and limited.

mod duckdb;
mod duckdb_names;
mod postgres;
mod postgres_names;

pub(crate) use duckdb::{UsedTables, check as check_duckdb};
pub(crate) use postgres::check as check_postgres;

use crate::Error;

/// The longest statement that is looked at, in bytes.
pub(crate) const LONGEST_STATEMENT: usize = 100_000;

/// What both guards ask before parsing.
fn check_text(sql: &str) -> Result<(), Error> {
    if sql.len() > LONGEST_STATEMENT {
        return Err(Error::TooLarge { what: "the statement".to_owned(), limit_bytes: LONGEST_STATEMENT });
    }
    if sql.contains('\0') {
        return Err(Error::refused("the statement holds a NUL character"));
    }
    if sql.trim().is_empty() {
        return Err(Error::refused("the statement is empty"));
    }
    Ok(())
}

/// Parsers and tree walks recurse: each runs on a thread whose stack is large enough for [`LONGEST_STATEMENT`].
fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    const STACK_BYTES: usize = 512 << 20;
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("sql-guard".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| Error::Worker { message: format!("the SQL guard could not start: {error}") })?
            .join()
            .unwrap_or_else(|_| Err(Error::refused("the statement could not be read")))
    })
}
