//! graphile-worker, a queue on PostgreSQL for Node.js that others trust: empty, and made to keep the records that a run leaves.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{
    load::{Batch, WORKSPACES, task_id, workspace_id},
    server::Database,
};

/// What its handler runs for each job.
const RECORD: &str = include_str!("../../yardstick/record.sql");
/// Connections of its pool. Of 5, 10, 16 and 20, it had the fastest drain of empty jobs; processor time hardly differs.
const CONNECTIONS: u32 = 16;

/// What a job does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Nothing: the queue's own cost for this many jobs.
    Nothing(u32),
    /// Writes what a run of each task of the batch leaves, into tables of the same shape.
    Records(Batch),
}

/// Drains a queue of it, and answers its jobs per second. `folder` is where it is installed.
pub(crate) async fn drain(folder: &Path, database: &Database, work: Work) -> anyhow::Result<f64> {
    let (payloads, record) = match work {
        Work::Nothing(jobs) => (format!("SELECT '{{}}'::json FROM generate_series(1, {jobs})"), None),
        Work::Records(batch) => {
            let (workspace, task) = (workspace_id(&format!("n % {WORKSPACES}")), task_id("n"));
            let payload = format!("json_build_object('workspaceId', {workspace}, 'taskId', {task})");
            (format!("SELECT {payload} {}", batch.from()), Some(RECORD))
        }
    };
    let told =
        json!({ "url": database.url, "payloads": payloads, "record": record, "connections": CONNECTIONS });
    let mut node = Command::new("node")
        .arg("graphile.mjs")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run node")?;
    node.stdin.take().context("no standard input")?.write_all(told.to_string().as_bytes()).await?;
    let output = node.wait_with_output().await?;
    ensure!(output.status.success(), "graphile-worker failed ({})", output.status);
    let took: Took = serde_json::from_slice(&output.stdout).context("graphile-worker's figures")?;
    Ok(took.jobs / took.seconds)
}

#[derive(Deserialize)]
struct Took {
    jobs: f64,
    seconds: f64,
}
