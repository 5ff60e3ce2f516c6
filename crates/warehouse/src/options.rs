//! How a warehouse is set up, and what a query may cost.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use crate::Error;

/// The argument that makes a binary an engine worker: see [`crate::worker_main`].
pub const WORKER_ARGUMENT: &str = "engine-worker";

/// How a [`crate::Warehouse`] is set up.
#[derive(Clone, Debug)]
pub struct WarehouseOptions {
    /// Folders under which `files` connections may lie.
    pub files_allowed: Vec<PathBuf>,
    /// The folder of all uploads; each connection has its own below it. Never reachable by a named path.
    pub uploads_folder: PathBuf,
    /// Where Parquet copies of CSV and JSON files are kept.
    pub cache_folder: PathBuf,
    /// The most bytes that `cache_folder` may hold; the copies used longest ago go first.
    pub cache_bytes: u64,
    /// How an engine worker is started.
    pub worker: WorkerCommand,
    /// How many engine workers may run at once.
    pub workers: usize,
    /// The most memory, in bytes, that one engine worker may use.
    pub worker_memory_bytes: u64,
    /// Databases that no connection may reach: Tidings' own.
    pub forbidden_databases: Vec<ForbiddenDatabase>,
    /// Whether a PostgreSQL connection may name the folder of a socket as its host name.
    pub unix_sockets_allowed: bool,
    /// How long a catalog or description is remembered.
    pub catalog_lifetime: Duration,
}

impl WarehouseOptions {
    /// Options with everything below `data_folder`, and no folder allowed.
    pub fn new(data_folder: impl Into<PathBuf>, worker: WorkerCommand) -> Self {
        let data_folder = data_folder.into();
        Self {
            files_allowed: Vec::new(),
            uploads_folder: data_folder.join("uploads"),
            cache_folder: data_folder.join("files-cache"),
            cache_bytes: 8 << 30,
            worker,
            workers: 4,
            worker_memory_bytes: 1 << 30,
            forbidden_databases: Vec::new(),
            unix_sockets_allowed: false,
            catalog_lifetime: Duration::from_mins(1),
        }
    }
}

/// How an engine worker is started. It speaks over its standard input and output.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment: nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
}

impl WorkerCommand {
    /// The running binary with [`WORKER_ARGUMENT`].
    ///
    /// # Errors
    /// [`Error::Worker`] when the system does not tell where the running binary is.
    pub fn current_exe() -> Result<Self, Error> {
        // On Linux this is the running binary even when its file was replaced by a newer one meanwhile.
        let running = PathBuf::from("/proc/self/exe");
        let program = if running.exists() {
            running
        } else {
            std::env::current_exe().map_err(|error| Error::Worker {
                message: format!("the running binary was not found: {error}"),
            })?
        };
        // Where the library is found by this path, and not beside the binary, the worker needs the path, too.
        let environment = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"]
            .into_iter()
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
            .collect();
        Ok(Self { program, arguments: vec![WORKER_ARGUMENT.into()], environment })
    }

    /// The running *test* binary, told to run only the test `test_name`, which must do nothing but
    /// `if warehouse::is_worker() { warehouse::worker_main() }`.
    ///
    /// # Errors
    /// As [`WorkerCommand::current_exe`].
    pub fn current_test(test_name: &str) -> Result<Self, Error> {
        let mut command = Self::current_exe()?;
        command.arguments =
            vec!["--exact".into(), test_name.into(), "--nocapture".into(), "--test-threads=1".into()];
        command.environment.push((WORKER_VARIABLE.into(), "1".into()));
        Ok(command)
    }
}

/// Whether this process was started as an engine worker through [`WorkerCommand::current_test`].
pub fn is_worker() -> bool {
    std::env::var_os(WORKER_VARIABLE).is_some()
}

/// The variable by which a test binary knows that it was started as a worker.
const WORKER_VARIABLE: &str = "TIDINGS_ENGINE_WORKER";

/// A PostgreSQL server that no connection may reach, whatever name or address it is given by.
#[derive(Clone, Debug)]
pub struct ForbiddenDatabase {
    /// Its host name, address or socket folder.
    pub hostname: String,
    /// Its port.
    pub port: u16,
    /// `system_identifier` of `pg_control_system()`: the cluster's own name, which no alias or tunnel hides.
    pub system_identifier: Option<String>,
}

/// What one query may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Wall time until the rows are here.
    pub timeout: Duration,
    /// Rows; those beyond are cut.
    pub rows: usize,
    /// Bytes of the rows as JSON; rows beyond are cut.
    pub bytes: usize,
}

impl Default for QueryLimits {
    /// 2 minutes, 100,000 rows, 64 MiB.
    fn default() -> Self {
        Self { timeout: Duration::from_mins(2), rows: 100_000, bytes: 64 << 20 }
    }
}
