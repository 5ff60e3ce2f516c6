//! The whole life of runs with trivial work, through the calls that production makes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chrono::NaiveDate;
use domain::{answer::Answer, run::Usage};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use sqlx::PgConnection;
use store::{ClaimedRun, Places, RunAnswer, Store};

use crate::{
    load::{Batch, now, settle},
    server::Database,
};

/// Due occurrences in one claim: the scheduler's own default.
const DUE_BATCH: u32 = 500;
/// How long a worker that found nothing waits. Production waits 250 ms or until it is called.
const IDLE: Duration = Duration::from_millis(5);
/// No drain takes so long unless runs were lost.
const PATIENCE: Duration = Duration::from_mins(5);

/// How many do what at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Crew {
    /// Schedulers that queue all that is due, each with a connection; none: the workers start it themselves as it comes due.
    pub(crate) schedulers: u32,
    /// Workers, each with a store of its own as separate processes have.
    pub(crate) workers: u32,
    /// Runs that a worker claims at once.
    pub(crate) claim: u32,
    /// Groups of runs of a worker that end at once, each over a connection of its own.
    pub(crate) finishers: u32,
    /// Runs of a group, as large as a worker's under load.
    pub(crate) group: u32,
}

/// What a drain took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    pub(crate) runs_per_second: f64,
    /// Bytes written to the log for each run.
    pub(crate) wal_per_run: f64,
}

/// Makes a batch due, and takes each of its tasks from due to finished with a message to its creator.
pub(crate) async fn drain(database: &Database, batch: Batch, crew: Crew) -> anyhow::Result<Drained> {
    let mut connection = database.connect().await?;
    let due_at = now(&mut connection).await?;
    let date = batch.make_due(&mut connection, due_at, 0).await?;
    settle(&mut connection).await?;
    let mut schedulers = Vec::new();
    for _ in 0..crew.schedulers {
        schedulers.push(database.store(1, 1).await?);
    }
    let mut workers = Vec::new();
    for _ in 0..crew.workers {
        workers.push(database.store(1, 1 + crew.finishers).await?);
    }

    let finished = Arc::new(AtomicU64::new(0));
    let expected = u64::from(batch.count);
    let wal_before = wal_bytes(&mut connection).await?;
    let started = Instant::now();
    let scheduling = schedulers.iter().map(schedule);
    let working = workers.iter().enumerate().map(|(number, store)| {
        let finished = Arc::clone(&finished);
        async move { work(store, &format!("bench-{number}"), crew, &finished, expected).await }
    });
    let all = futures::future::try_join(
        futures::future::try_join_all(scheduling),
        futures::future::try_join_all(working),
    );
    tokio::time::timeout(PATIENCE, all).await.map_err(|_| {
        anyhow::anyhow!("{} of {expected} runs finished in time", finished.load(Ordering::Relaxed))
    })??;
    let elapsed = started.elapsed().as_secs_f64();
    let wal = wal_bytes(&mut connection).await? - wal_before;
    for store in schedulers.iter().chain(&workers) {
        store.close().await;
    }
    check(&mut connection, batch, date).await.context("the drain by Tidings")?;
    let runs = f64::from(batch.count);
    Ok(Drained { runs_per_second: runs / elapsed, wal_per_run: wal as f64 / runs })
}

/// Claims due occurrences until none is left.
async fn schedule(store: &Store) -> anyhow::Result<()> {
    let mut watermark = None;
    loop {
        let claim = store.due_claim(DUE_BATCH, watermark).await?;
        if claim.tasks == 0 {
            return Ok(());
        }
        watermark = claim.watermark;
    }
}

/// Claims, starts and finishes runs as a worker of the agent does, until `expected` are finished by all workers together.
async fn work(
    store: &Store,
    name: &str,
    crew: Crew,
    finished: &AtomicU64,
    expected: u64,
) -> anyhow::Result<()> {
    while finished.load(Ordering::Relaxed) < expected {
        let mut claimed = store.run_claim(name, &Places::unshared(crew.claim)).await?;
        let room = crew.claim.saturating_sub(claimed.len() as u32);
        if room > 0 && crew.schedulers == 0 {
            claimed.extend(store.due_start(name, &Places::unshared(room)).await?.1);
        }
        if claimed.is_empty() {
            tokio::time::sleep(IDLE).await;
            continue;
        }
        let count = claimed.len() as u64;
        finish(store, &claimed, crew).await?;
        finished.fetch_add(count, Ordering::Relaxed);
    }
    Ok(())
}

/// Ends runs with an answer, which leaves one message each, in groups as a worker of the agent does.
pub(crate) async fn finish(store: &Store, runs: &[ClaimedRun], crew: Crew) -> anyhow::Result<()> {
    futures::stream::iter(runs.chunks(crew.group as usize))
        .map(Ok)
        .try_for_each_concurrent(crew.finishers as usize, async |group| {
            let answered: Vec<_> = group
                .iter()
                .map(|run| RunAnswer { lease: run.lease, answer: answer(), usage: Usage::default() })
                .collect();
            for ended in store.run_succeed_all(&answered).await? {
                ended?;
            }
            anyhow::Ok(())
        })
        .await
}

/// What each run is answered.
pub(crate) fn answer() -> Answer {
    Answer {
        headline: "Nothing unusual yesterday.".into(),
        body: "All regions were on time.".into(),
        checked_share: 1.0,
        model: "bench".into(),
        ..Answer::default()
    }
}

/// All was done, and nothing twice: a figure of a drain that lost runs would be worth nothing.
pub(crate) async fn check(
    connection: &mut PgConnection,
    batch: Batch,
    date: NaiveDate,
) -> anyhow::Result<()> {
    let statement = format!(
        "SELECT count(*) FILTER (WHERE run.status = 'succeeded'), count(delivery.id)
         {} JOIN run ON run.workspace_id = {} AND run.task_id = {} AND run.occurrence_date = $1
         LEFT JOIN delivery ON delivery.workspace_id = run.workspace_id AND delivery.run_id = run.id",
        batch.from(),
        crate::load::workspace_id(&format!("n % {}", crate::load::WORKSPACES)),
        crate::load::task_id("n"),
    );
    let (runs, deliveries): (i64, i64) =
        sqlx::query_as(sqlx::AssertSqlSafe(statement)).bind(date).fetch_one(connection).await?;
    let expected = i64::from(batch.count);
    anyhow::ensure!(
        (runs, deliveries) == (expected, expected),
        "{expected} runs were to succeed with one message each: {runs} did, with {deliveries} messages"
    );
    Ok(())
}

/// Where the server's log ends, in bytes.
pub(crate) async fn wal_bytes(connection: &mut PgConnection) -> anyhow::Result<i64> {
    let bytes = sqlx::query_scalar("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint");
    Ok(bytes.fetch_one(connection).await?)
}
