//! What tests share: a real PostgreSQL for each test process, a fresh, migrated database for each test, a Slack, and a model that
//! takes its time.

pub mod model;
pub mod slack;
pub mod world;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use chrono::{DateTime, Utc};
use domain::TaskId;
use secrecy::SecretString;
/// A connection that no policy binds.
pub use sqlx::PgConnection as Superuser;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use store::{PrivatePostgres, PrivatePostgresOptions, SteppedClock, Store, StoreOptions, Time, Vault};
use tempfile::TempDir;
use uuid::Uuid;
pub use world::World;

/// The name of the migrated database that others are copies of.
const TEMPLATE: &str = "tidings_template";

/// A database of its own, migrated and empty, with a clock that stands still at 2026-03-02 08:00 UTC, a Monday, until it is
/// stepped.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its URL, as a superuser.
    pub url: String,
    /// A store on it.
    pub store: Store,
    /// The store's clock.
    pub time: SteppedClock,
    name: String,
}

impl TestDatabase {
    /// A connection as superuser, past every policy.
    pub async fn superuser(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// The one whole number that a query answers, as superuser.
    pub async fn number(&self, query: &str) -> i64 {
        let mut superuser = self.superuser().await;
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut superuser).await.expect("a number")
    }

    /// Removes the database, for tests that make many.
    pub async fn remove(self) {
        self.store.close().await;
        let mut admin = connect(&server().url("postgres")).await;
        execute(&mut admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// A PostgreSQL server that lives as long as this value, in a folder that goes with it.
#[derive(Debug)]
pub struct TestServer {
    // Declared first: the server stops before its folder goes.
    postgres: PrivatePostgres,
    _folder: TempDir,
}

impl TestServer {
    /// Starts a server that forgets everything in a crash. Tell it to listen on a port where a socket will not do.
    ///
    /// The server stops with the thread that started it: call this from a thread that outlives the need.
    pub fn start(loopback_port: Option<u16>) -> Self {
        let folder = tempfile::Builder::new().prefix("tidings-test-").tempdir().expect("a folder");
        // Run as root, the server is another user's.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("permissions of the folder");
        let options = PrivatePostgresOptions {
            port: loopback_port.unwrap_or(5432),
            listens_on_loopback: loopback_port.is_some(),
            is_durable: false,
        };
        let postgres = PrivatePostgres::attach_or_start(folder.path(), options).expect("a PostgreSQL server");
        Self { postgres, _folder: folder }
    }

    /// The URL of one of its databases, as its superuser.
    pub fn url(&self, database: &str) -> String {
        self.postgres.url(database)
    }
}

/// A fresh database on the server of this test process, with a stepped clock.
pub async fn database() -> TestDatabase {
    database_with(|_| {}).await
}

/// As [`database`], with other options of the store.
pub async fn database_with(change: impl FnOnce(&mut StoreOptions)) -> TestDatabase {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let server = server();
    make_template(server).await;
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut admin = connect(&server.url("postgres")).await;
    execute(&mut admin, &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await;

    let start: DateTime<Utc> = "2026-03-02T08:00:00Z".parse().expect("an instant");
    let time = SteppedClock::new(start);
    let url = server.url(&name);
    let key = SecretString::from("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned());
    let mut options = StoreOptions::new(url.clone(), Vault::parse(&key).expect("a key"));
    options.time = Time::Stepped(time.clone());
    change(&mut options);
    let store = Store::connect(options).await.expect("a store");
    TestDatabase { url, store, time, name }
}

/// A customer's database on a server of this test process that is reached as customers' are, over a port: with none of
/// Tidings' tables. `schema` is run, then each table is filled from CSV with a head, in which `null` stands for no value.
/// Answers its URL.
pub async fn customer_database(
    name: &str,
    schema: &str,
    tables: impl IntoIterator<Item = (String, Vec<u8>)>,
    null: &str,
) -> String {
    let (server, port) = customers();
    let mut admin = connect(&server.url("postgres")).await;
    execute(&mut admin, &format!("CREATE DATABASE {name}")).await;
    let mut owner = connect(&server.url(name)).await;
    execute(&mut owner, schema).await;
    for (table, rows) in tables {
        let statement = format!("COPY {table} FROM STDIN (FORMAT csv, HEADER, NULL '{null}')");
        let mut copy = owner.copy_in_raw(&statement).await.expect("a table to fill");
        copy.send(rows).await.expect("rows");
        copy.finish().await.expect("all rows");
    }
    // What a planner and the catalog's estimates go by.
    execute(&mut owner, "ANALYZE").await;
    format!("postgres://tidings@127.0.0.1:{port}/{name}")
}

/// The server that holds customers' databases, and its port.
fn customers() -> (&'static TestServer, u16) {
    static SERVER: OnceLock<(&'static TestServer, u16)> = OnceLock::new();
    *SERVER.get_or_init(|| {
        // Below the ports that the kernel gives to connections, one of which might take it before the server does.
        let first = 20_000 + (std::process::id() % 10_000) as u16;
        let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (first..32_000).find(is_free).expect("a port");
        (lasting(Some(port)), port)
    })
}

/// The server of this test process.
fn server() -> &'static TestServer {
    static SERVER: OnceLock<&'static TestServer> = OnceLock::new();
    SERVER.get_or_init(|| lasting(None))
}

/// Removes the folders of test processes that are gone: a process's last server cannot remove its own.
fn remove_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with("tidings-test-");
        let pid_file = entry.path().join("postgres/cluster/postmaster.pid");
        let is_old = entry
            .metadata()
            .and_then(|about| about.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() > 60));
        if is_ours && is_old && !pid_file.exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A server that lasts as long as the process: the thread that starts it never ends, for the server stops when it does.
fn lasting(loopback_port: Option<u16>) -> &'static TestServer {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        remove_leftovers();
        let _ = sender.send(&*Box::leak(Box::new(TestServer::start(loopback_port))));
        loop {
            std::thread::park();
        }
    });
    receiver.recv().expect("the server starts")
}

async fn make_template(server: &TestServer) {
    static MADE: Mutex<bool> = Mutex::new(false);
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = MAKING.lock().await;
    if *MADE.lock().expect("no test panics while it holds this") {
        return;
    }
    let mut admin = connect(&server.url("postgres")).await;
    execute(&mut admin, &format!("CREATE DATABASE {TEMPLATE}")).await;
    store::migrate(&server.url(TEMPLATE)).await.expect("the migrations run");
    *MADE.lock().expect("no test panics while it holds this") = true;
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("a connection")
}

/// Runs a statement on a connection of a test's own.
pub async fn execute(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.expect("a statement of a test");
}

/// The rows of a query that answers a task and a line of text.
pub async fn task_lines(connection: &mut PgConnection, query: &str) -> Vec<(TaskId, String)> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as(AssertSqlSafe(query)).fetch_all(connection).await.expect("a query of a test");
    rows.into_iter().map(|(task_id, line)| (task_id.into(), line)).collect()
}
