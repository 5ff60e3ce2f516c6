//! DuckDB in its sandbox.

use duckdb::Connection;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::protocol::{Cost, FileTable, Request};
use crate::Error;

/// Address space beyond DuckDB's own limit: the binary, its libraries, stacks, and what allocators reserve.
const ADDRESS_SPACE_BESIDE: u64 = 6 << 30;

/// Bounds this process by what the request may cost.
pub(super) fn limit_process(request: &Request) -> Result<(), Error> {
    let cost = request.cost();
    let processor_seconds = (cost.timeout.as_secs() + 5) * u64::from(cost.threads.max(1)) + 5;
    let mut limits = vec![
        (Resource::Core, 0),
        (Resource::Cpu, processor_seconds),
        (Resource::Nofile, 1024),
        (Resource::Fsize, request.file_bytes()),
    ];
    if cfg!(target_os = "linux") {
        limits.push((Resource::As, cost.memory_bytes + ADDRESS_SPACE_BESIDE));
    }
    for (resource, limit) in limits {
        let rlimit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, rlimit)
            .map_err(|error| Error::Worker { message: format!("a limit could not be set: {error}") })?;
    }
    Ok(())
}

/// An empty database in memory, not yet locked.
pub(super) fn open(cost: Cost) -> Result<Connection, Error> {
    let connection = Connection::open_in_memory().map_err(|error| engine_error(&error))?;
    let memory_mebibytes = (cost.memory_bytes >> 20).max(64);
    connection
        .execute_batch(&format!(
            "SET autoinstall_known_extensions = false;
             SET autoload_known_extensions = false;
             SET temp_directory = '';
             SET memory_limit = '{memory_mebibytes}MiB';
             SET threads = {};
             SET TimeZone = 'UTC';",
            cost.threads.max(1)
        ))
        .map_err(|error| engine_error(&error))?;
    Ok(connection)
}

/// Closes the sandbox: from here only `allowed` files can be read, and no setting changes.
pub(super) fn lock<'path>(
    connection: &Connection,
    allowed: impl Iterator<Item = &'path std::path::Path>,
) -> Result<(), Error> {
    let paths: Vec<String> = allowed.map(|path| quote_text(&path.to_string_lossy())).collect();
    connection
        .execute_batch(&format!(
            "SET allowed_paths = [{}];
             SET enable_external_access = false;
             SET lock_configuration = true;",
            paths.join(", ")
        ))
        .map_err(|error| engine_error(&error))
}

/// A view over a table's file, by its name.
pub(super) fn create_view(connection: &Connection, table: &FileTable) -> Result<(), Error> {
    let create = format!(
        "CREATE VIEW {} AS SELECT * FROM read_parquet({})",
        quote_name(&table.name),
        quote_text(&table.parquet.to_string_lossy())
    );
    connection.execute_batch(&create).map_err(|error| engine_error(&error))
}

/// A name as DuckDB takes it whatever it holds.
pub(crate) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as DuckDB takes it whatever it holds.
pub(super) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What DuckDB said, as ours.
pub(super) fn engine_error(error: &duckdb::Error) -> Error {
    let message = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    if message.starts_with("Out of Memory") || message.contains("failed to allocate") {
        return Error::OutOfResources { resource: "memory".to_owned() };
    }
    if message.starts_with("Permission Error") {
        return Error::refused("the statement reaches outside the connection's tables");
    }
    if message.starts_with("IO Error") {
        return Error::Sql {
            message: "a file of this connection could not be read".to_owned(),
            position: None,
            hint: None,
        };
    }
    // Behind the message DuckDB repeats the statement, as we wrapped it.
    let said = message.split("\n\nLINE ").next().unwrap_or(&message).trim();
    let (said, hint) = match said.split_once('\n') {
        Some((first, rest)) => (first.trim(), Some(rest.trim().to_owned())),
        None => (said, None),
    };
    Error::Sql { message: said.to_owned(), position: None, hint }
}
