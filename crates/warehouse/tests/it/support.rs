//! What these tests share: folders of files, a PostgreSQL server, and short ways to ask.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{OnceLock, mpsc},
};

use domain::table::{Cell, Table};
use secrecy::SecretString;
use tempfile::TempDir;
use testkit::TestServer;
use tokio_util::sync::CancellationToken;
use warehouse::{
    ConnectionSpec, Error, FilesSpec, PostgresSpec, QueryLimits, TlsMode, Warehouse, WarehouseOptions,
    WorkerCommand,
};

/// Where the project's copy of nycflights13 is.
pub(crate) fn nycflights13() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../data/nycflights13")
        .canonicalize()
        .expect("the data set")
}

/// A folder that connections may read, one beside it that they may not, and a warehouse over them.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) warehouse: Warehouse,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut WarehouseOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its path");
        for name in ["allowed", "outside", "data"] {
            std::fs::create_dir(root.join(name)).expect("a folder in it");
        }
        let mut options = options(&root.join("data"));
        options.files_allowed = vec![root.join("allowed")];
        change(&mut options);
        Self { folder, warehouse: Warehouse::new(options) }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("its path")
    }

    pub(crate) fn allowed(&self) -> PathBuf {
        self.root().join("allowed")
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub(crate) fn files(&self) -> ConnectionSpec {
        ConnectionSpec::Files(FilesSpec::Folder(self.allowed()))
    }

    pub(crate) async fn query(&self, sql: &str) -> Result<Table, Error> {
        query(&self.warehouse, &self.files(), sql).await
    }
}

pub(crate) fn options(data_folder: &Path) -> WarehouseOptions {
    let worker = WorkerCommand::current_test("engine_worker").expect("this binary");
    WarehouseOptions::new(data_folder, worker)
}

pub(crate) async fn query(warehouse: &Warehouse, spec: &ConnectionSpec, sql: &str) -> Result<Table, Error> {
    let output = warehouse.query(spec, sql, QueryLimits::default(), &CancellationToken::new()).await?;
    Ok(output.table)
}

/// A warehouse over nycflights13, whose copies are made once for all tests.
pub(crate) fn flights() -> (Warehouse, ConnectionSpec) {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    let data = DATA.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nycflights13");
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    });
    let mut options = options(data);
    options.files_allowed = vec![nycflights13()];
    (Warehouse::new(options), ConnectionSpec::Files(FilesSpec::Folder(nycflights13())))
}

/// A row of plain texts, `NULL` for NULL.
pub(crate) fn row(cells: &[Cell]) -> Vec<String> {
    cells.iter().map(|cell| if cell.is_null() { "NULL".to_owned() } else { cell.to_plain() }).collect()
}

/// All rows of a table as texts.
pub(crate) fn rows(table: &Table) -> Vec<Vec<String>> {
    table.rows.iter().map(|cells| row(cells)).collect()
}

/// The PostgreSQL server of this test process, with nycflights13 and some odd tables, and a role that may only read.
pub(crate) struct Server {
    server: TestServer,
    pub(crate) port: u16,
}

impl Server {
    /// A connection of the one who owns everything.
    pub(crate) async fn owner(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.server.url("postgres"), tokio_postgres::NoTls)
                .await
                .expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// A connection as `username`: `reader`, who may only read, or the owner.
    pub(crate) fn spec(&self, username: &str) -> PostgresSpec {
        PostgresSpec {
            hostname: "127.0.0.1".to_owned(),
            port: self.port,
            database: "postgres".to_owned(),
            username: username.to_owned(),
            password: SecretString::from("secret".to_owned()),
            tls: TlsMode::Prefer,
        }
    }
}

/// The server, started and filled at first use.
pub(crate) async fn server() -> &'static Server {
    static SERVER: tokio::sync::OnceCell<&'static Server> = tokio::sync::OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            let (sender, receiver) = mpsc::channel();
            // The server stops with the thread that started it: this one ends with the process.
            std::thread::spawn(move || {
                let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
                let port = socket.local_addr().expect("its number").port();
                drop(socket);
                let server = TestServer::start(Some(port));
                let _ = sender.send(&*Box::leak(Box::new(Server { server, port })));
                loop {
                    std::thread::park();
                }
            });
            let server = receiver.recv().expect("the server starts");
            fill(server).await;
            server
        })
        .await
}

/// A warehouse and a read-only connection to the server.
pub(crate) async fn postgres() -> (Warehouse, ConnectionSpec) {
    let server = server().await;
    let warehouse = Warehouse::new(options(&std::env::temp_dir()));
    (warehouse, ConnectionSpec::Postgres(server.spec("reader")))
}

async fn fill(server: &Server) {
    let owner = server.owner().await;
    owner.batch_execute(include_str!("postgres.sql")).await.expect("the tables");
    for table in ["airlines", "airports", "flights", "planes", "weather"] {
        let file = nycflights13().join(format!("{table}.csv.gz"));
        let unpacked = Command::new("gzip")
            .arg("-dc")
            .arg(file)
            .stdout(Stdio::piped())
            .output()
            .expect("gzip unpacks the data set");
        let sink = owner
            .copy_in(&format!("COPY {table} FROM STDIN (FORMAT csv, HEADER)"))
            .await
            .expect("a copy starts");
        futures::pin_mut!(sink);
        futures::SinkExt::send(&mut sink, tokio_util::bytes::Bytes::from(unpacked.stdout))
            .await
            .expect("rows are sent");
        sink.finish().await.expect("a copy ends");
    }
    owner.batch_execute("ANALYZE").await.expect("statistics");
}
