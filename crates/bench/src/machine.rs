//! Where a bench ran: nothing in it names the machine or its user.

use std::{fs, process::Command, thread};

use serde::Serialize;
use sqlx::PgConnection;

/// What figures depend on beside the code.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in MiB; none where the system does not tell it in the way of Linux.
    pub memory_mib: Option<u64>,
    /// The processor's name, where the system tells it.
    pub processor: Option<String>,
    /// Whether the code was built with optimisations. Figures of a debug build mean nothing.
    pub is_optimised: bool,
    /// The commit that was built, with a `+` when files were changed since.
    pub commit: Option<String>,
    /// Of the server that this run started.
    pub postgres_version: String,
    /// Its settings that matter here, by name.
    pub postgres_settings: Vec<(String, String)>,
}

/// The settings that are printed.
const SETTINGS: &[&str] = &[
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_compression",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "track_commit_timestamp",
    "autovacuum",
    "max_connections",
];

impl Machine {
    /// Looks at the machine and at the server behind a superuser's connection.
    pub(crate) async fn look(connection: &mut PgConnection) -> anyhow::Result<Self> {
        let postgres_version = sqlx::query_scalar("SELECT current_setting('server_version')");
        let postgres_version = postgres_version.fetch_one(&mut *connection).await?;
        let settings = sqlx::query_as("SELECT name, current_setting(name) FROM unnest($1::text[]) AS name");
        let postgres_settings = settings.bind(SETTINGS).fetch_all(connection).await?;
        Ok(Self {
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_mib(),
            processor: line_of("/proc/cpuinfo", "model name"),
            is_optimised: !cfg!(debug_assertions),
            commit: commit(),
            postgres_version,
            postgres_settings,
        })
    }

    /// One line for the head of the table.
    pub fn summary(&self) -> String {
        let settings: Vec<_> =
            self.postgres_settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "{} cores{}, {} MiB, PostgreSQL {} ({}), commit {}{}",
            self.cores,
            self.processor.as_ref().map(|name| format!(" of {name}")).unwrap_or_default(),
            self.memory_mib.map_or_else(|| "?".to_owned(), |mib| mib.to_string()),
            self.postgres_version,
            settings.join(" "),
            self.commit.as_deref().unwrap_or("unknown"),
            if self.is_optimised { "" } else { ", DEBUG BUILD: these figures mean nothing" },
        )
    }
}

/// The machine's memory; none where there is no `/proc`.
pub(crate) fn memory_mib() -> Option<u64> {
    let kib: u64 = line_of("/proc/meminfo", "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// A process's resident memory in bytes.
pub(crate) fn resident_bytes(process_id: u32) -> anyhow::Result<u64> {
    memory(process_id, "VmRSS")
}

/// The most resident memory that a process ever had, in bytes.
pub(crate) fn peak_bytes(process_id: u32) -> anyhow::Result<u64> {
    memory(process_id, "VmHWM")
}

fn memory(process_id: u32, name: &str) -> anyhow::Result<u64> {
    use anyhow::Context as _;
    let line = line_of(&format!("/proc/{process_id}/status"), name)
        .with_context(|| format!("the process tells no {name}"))?;
    let kib: u64 = line.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(kib * 1024)
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|word| word.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> Option<String> {
    let said = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let head = said(&["rev-parse", "--short=12", "HEAD"])?;
    let is_changed =
        said(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    Some(if is_changed { format!("{head}+") } else { head })
}
