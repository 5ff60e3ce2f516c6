//! Runs that wait for a slow model, ten thousand at once in one `tidings work`: what each holds in memory, and how many
//! connections to the database they need together. The model is reached as providers are, over TLS: once by HTTP/2, as most
//! of them speak it, and once by HTTP/1.1, where each request has a connection of its own.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sqlx::PgConnection;
use testkit::model::{SlowModel, Speaks};
use tokio::process::{Child, Command};

use super::{Bench, USUAL};
use crate::{
    Part,
    load::{Batch, now},
    machine::resident_bytes,
    report::{Goal, Row},
    server::Database,
};

const PART: Part = Part::Waiting;
/// Of the worker's pools; it listens on one more.
const CONNECTIONS: u32 = 9;
/// A model that says nothing is given up after two minutes: by then all must wait.
const PATIENCE: Duration = Duration::from_secs(115);
/// Memory comes to rest.
const REST: Duration = Duration::from_secs(2);

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let size = bench.options.size;
    let Some(tidings) = bench.options.tidings.clone() else {
        anyhow::bail!("the binary `tidings` is not at hand");
    };
    allow_files(u64::from(size.waiting) + 1_000)?;
    for (speaks, protocol) in [(Speaks::Http2, "HTTP/2"), (Speaks::Http1, "HTTP/1.1")] {
        let database = bench.copy("waiting").await?;
        let batch = Batch::of(bench.tasks(USUAL), size.waiting, 0)?;
        let found = wait(&tidings, bench.server.folder(), &database, batch, speaks).await?;
        bench.server.remove(&database).await?;
        bench.notes.push(format!(
            "waiting, {protocol}: {} runs reached the model within {:.0} s over {} connections; the idle worker took \
             {:.1} MB, the waiting one {:.1} MB",
            size.waiting,
            found.seconds,
            found.model_connections,
            found.idle_bytes as f64 / 1e6,
            found.full_bytes as f64 / 1e6
        ));
        let grown = found.full_bytes.saturating_sub(found.idle_bytes) as f64;
        let each = grown / 1_000.0 / f64::from(size.waiting);
        let what = format!("memory of each of {} waiting runs, {protocol}", size.waiting);
        let row = Row::of(PART, what, "kB", &[each])?;
        // The goal is for a provider as they are.
        bench.rows.push(match speaks {
            Speaks::Http2 => row.with_goal(Goal::AtMost(30.0)),
            Speaks::Http1 => row,
        });
        let what = format!("connections to the database, {protocol}");
        let row = Row::of(PART, what, "", &[found.connections as f64])?;
        bench.rows.push(row.with_goal(Goal::AtMost(10.0)));
    }
    Ok(())
}

struct Waiting {
    seconds: f64,
    idle_bytes: u64,
    full_bytes: u64,
    connections: i64,
    model_connections: u32,
}

async fn wait(
    tidings: &Path,
    folder: &Path,
    database: &Database,
    batch: Batch,
    speaks: Speaks,
) -> anyhow::Result<Waiting> {
    let mut connection = database.connect().await?;
    let model = SlowModel::start(speaks).await?;
    let authority = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(authority.path(), model.authority())?;
    let mut worker = Command::new(tidings)
        .arg("work")
        .env("DATABASE_URL", &database.url)
        .env("TIDINGS_DATA_DIR", folder.join("worker"))
        .env("TIDINGS_DATABASE_MAX_CONNECTIONS", CONNECTIONS.to_string())
        .env("TIDINGS_MODEL_PROVIDER", "openai")
        .env("TIDINGS_MODEL_BASE_URL", model.base_url())
        .env("TIDINGS_MODEL_AUTHORITY_FILE", authority.path())
        .env("TIDINGS_MODEL_NAME", "slow")
        .env("OPENAI_API_KEY", "none")
        .env("TIDINGS_AGENT_CONCURRENCY", batch.count.to_string())
        .env("TIDINGS_LOG", "warn")
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the worker")?;
    let process_id = worker.id().context("the worker stopped at once")?;
    // It listens when it is up.
    while !listens(&mut connection, &mut worker).await? {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(REST).await;
    let idle_bytes = resident_bytes(process_id)?;
    let due_at = now(&mut connection).await?;
    batch.make_due(&mut connection, due_at, 0).await?;
    let started = Instant::now();
    while model.waiting() < batch.count {
        anyhow::ensure!(worker.try_wait()?.is_none(), "the worker stopped");
        anyhow::ensure!(
            started.elapsed() < PATIENCE,
            "{} of {} runs reached the model in time",
            model.waiting(),
            batch.count
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    tokio::time::sleep(REST).await;
    let full_bytes = resident_bytes(process_id)?;
    let connections = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tidings'",
    );
    let connections = connections.fetch_one(&mut connection).await?;
    // Its leases are of no more interest: the database goes.
    worker.kill().await?;
    let model_connections = model.connections();
    Ok(Waiting { seconds, idle_bytes, full_bytes, connections, model_connections })
}

async fn listens(connection: &mut PgConnection, worker: &mut Child) -> anyhow::Result<bool> {
    anyhow::ensure!(worker.try_wait()?.is_none(), "the worker stopped at its start");
    let listens = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%')",
    );
    Ok(listens.fetch_one(connection).await?)
}

/// Ten thousand connections are as many files.
fn allow_files(files: u64) -> anyhow::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    anyhow::ensure!(
        maximum.is_none_or(|maximum| maximum >= files),
        "{files} open files are needed and {maximum:?} allowed: see `ulimit -n`"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum })
        .context("the limit of open files cannot be raised")
}
