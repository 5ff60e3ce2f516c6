//! A real `tidings serve`, and a client that asks it over HTTP/1.1 as a browser's connection does.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::server::Database;

/// How long a process may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a process that starts is asked for its first answer.
const ASKED_EVERY: Duration = Duration::from_micros(500);

/// A running `tidings serve`; it is killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start to its first answer.
    pub(crate) started_within: Duration,
}

impl Serving {
    /// Starts one with so many connections to the database, and waits until it answers.
    pub(crate) async fn start(
        tidings: &Path,
        folder: &Path,
        database: &Database,
        connections: u32,
    ) -> anyhow::Result<Self> {
        // Free at this moment; nobody else asks for ports here.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let started = Instant::now();
        let mut child = Command::new(tidings)
            .arg("serve")
            .env("DATABASE_URL", &database.url)
            .env("TIDINGS_LISTEN", address.to_string())
            .env("TIDINGS_DATA_DIR", folder.join("serve"))
            .env("TIDINGS_DATABASE_MAX_CONNECTIONS", connections.to_string())
            .env("TIDINGS_LOG", "warn")
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the server")?;
        while !is_alive(address).await {
            ensure!(child.try_wait()?.is_none(), "the server stopped at its start");
            ensure!(started.elapsed() < PATIENCE, "the server did not answer in time");
            tokio::time::sleep(ASKED_EVERY).await;
        }
        Ok(Self { child, address, started_within: started.elapsed() })
    }

    pub(crate) fn process_id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server stopped")
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

async fn is_alive(address: SocketAddr) -> bool {
    let Ok(mut client) = Client::connect(address).await else { return false };
    client.get("/healthz", "").await.is_ok_and(|body| !body.is_empty())
}

/// One connection, which is kept.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream), line: String::new() })
    }

    /// Asks for a path with a cookie, and answers the body of a 200.
    pub(crate) async fn get(&mut self, path: &str, cookie: &str) -> anyhow::Result<Vec<u8>> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let status = self.read_line().await?.to_owned();
        let mut length = None;
        loop {
            let line = self.read_line().await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("a header")?;
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.context("the answer tells no length")?];
        self.stream.read_exact(&mut body).await?;
        ensure!(
            status.split(' ').nth(1) == Some("200"),
            "GET {path}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    async fn read_line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line).await? > 0, "the server hung up");
        Ok(self.line.trim_end())
    }
}
