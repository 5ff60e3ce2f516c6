//! The bench's own PostgreSQL: durable, and the same for all sides.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use store::{PrivatePostgres, PrivatePostgresOptions, Store, StoreOptions, Vault};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::machine;

/// A server in a folder of its own, which goes with it.
pub(crate) struct Server {
    // Declared first: the server stops before its folder goes.
    postgres: PrivatePostgres,
    folder: TempDir,
}

/// One of its databases.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) name: String,
    /// As superuser.
    pub(crate) url: String,
}

impl Server {
    /// Starts a server under `parent`. Call it from a thread that outlives the server.
    pub(crate) fn start(parent: &Path, runtime: &Runtime) -> anyhow::Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let folder = tempfile::Builder::new().prefix("tidings-bench-").tempdir_in(parent)?;
        // Run as root, the server is another user's.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let options = PrivatePostgresOptions::default();
        // Once to write its settings, and once to start with them.
        let first = PrivatePostgres::attach_or_start(folder.path(), options)?;
        runtime.block_on(configure(&first.url("postgres")))?;
        drop(first);
        let postgres = PrivatePostgres::attach_or_start(folder.path(), options)?;
        Ok(Self { postgres, folder })
    }

    /// A database by name, which may not exist yet.
    pub(crate) fn database(&self, name: &str) -> Database {
        Database { name: name.to_owned(), url: self.postgres.url(name) }
    }

    /// A fresh database: empty, or a copy of another that nobody is connected to.
    pub(crate) async fn create(&self, name: &str, template: Option<&Database>) -> anyhow::Result<Database> {
        let mut admin = self.admin().await?;
        let template = template.map_or("template0", |database| database.name.as_str());
        execute(&mut admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        execute(&mut admin, &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
            .await?;
        Ok(self.database(name))
    }

    /// Removes a database.
    pub(crate) async fn remove(&self, database: &Database) -> anyhow::Result<()> {
        let name = &database.name;
        execute(&mut self.admin().await?, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    /// A superuser's connection outside of all that is measured.
    pub(crate) async fn admin(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.postgres.url("postgres")).await?)
    }

    /// A folder for what goes with the server.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Database {
    /// A superuser's connection.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    /// A store as a process of Tidings opens it, with pools of these sizes.
    pub(crate) async fn store(&self, app_connections: u32, worker_connections: u32) -> anyhow::Result<Store> {
        let key = SecretString::from("bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned());
        let mut options = StoreOptions::new(&self.url, Vault::parse(&key)?);
        options.app_connections = app_connections;
        options.worker_connections = worker_connections;
        Ok(Store::connect(options).await?)
    }
}

/// Runs statements whose text is the bench's own.
pub(crate) async fn execute(connection: &mut PgConnection, statements: &str) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.with_context(|| {
        format!("statement of the bench: {}", statements.lines().next().unwrap_or_default())
    })?;
    Ok(())
}

/// Writes the settings: durable defaults, and what an operator of a busy server sets, a quarter of the memory as buffers (at
/// most 4 GiB) and a log that is compressed and long enough that no checkpoint falls into one side's turn by chance.
async fn configure(url: &str) -> anyhow::Result<()> {
    let mut admin = PgConnection::connect(url).await?;
    let (file, has_lz4): (String, bool) = sqlx::query_as(
        "SELECT current_setting('config_file'), 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'wal_compression'",
    )
    .fetch_one(&mut admin)
    .await?;
    let buffers = machine::memory_mib().map_or(128, |mib| (mib / 4).clamp(128, 4096));
    // Not every build has lz4.
    let compression = if has_lz4 { "lz4" } else { "on" };
    let mut written =
        OpenOptions::new().append(true).open(&file).with_context(|| format!("cannot write {file}"))?;
    write!(
        written,
        "shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = none
track_commit_timestamp = on
max_connections = 300
shared_buffers = {buffers}MB
max_wal_size = 24GB
checkpoint_timeout = 30min
wal_compression = {compression}
"
    )?;
    Ok(())
}
