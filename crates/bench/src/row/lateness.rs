//! How late occurrences become runs: all due in one instant, and spread over time. The schedulers tick as in production; what is
//! read afterwards is when the transaction that made each run was committed.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::{Scheduler, SchedulerOptions};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Bench, USUAL};
use crate::{
    Part,
    load::{Batch, WORKSPACES, now, settle, task_id, workspace_id},
    report::{Goal, Row},
    server::Database,
};

const PART: Part = Part::Lateness;
/// Before the first due instant: the schedulers stand and tick by then.
const AHEAD: TimeDelta = TimeDelta::seconds(2);
/// Schedulers at the burst: as many as the cores that the goal was set on.
const SCHEDULERS: u32 = 2;
/// The spread load is as dense as [`crate::Size::due`] tasks over this time.
const SPREAD_SECONDS: u32 = 120;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let size = bench.options.size;
    let database = bench.copy("instant").await?;
    let mut seconds = Vec::new();
    for round in 0..size.rounds {
        let batch = Batch::of(bench.tasks(USUAL), size.due, round)?;
        seconds.push(lateness(&database, batch, 0, SCHEDULERS).await?.p99);
    }
    bench.server.remove(&database).await?;
    let row = Row::of(PART, format!("{} due in one instant: 99% claimed within", size.due), "s", &seconds)?;
    bench.rows.push(row.with_goal(Goal::AtMost(2.5)));

    let database = bench.copy("spread").await?;
    let count = (size.due * size.spread_seconds / SPREAD_SECONDS).max(4);
    let apart_micros = u64::from(SPREAD_SECONDS) * 1_000_000 / u64::from(size.due);
    let (mut medians, mut p99s) = (vec![], vec![]);
    for round in 0..size.rounds {
        let batch = Batch::of(bench.tasks(USUAL), count, round)?;
        let found = lateness(&database, batch, apart_micros, 1).await?;
        medians.push(found.median * 1_000.0);
        p99s.push(found.p99 * 1_000.0);
    }
    bench.server.remove(&database).await?;
    let what = format!("{} a second, spread", size.due / SPREAD_SECONDS);
    bench.rows.push(Row::of(PART, format!("{what}: median lateness"), "ms", &medians)?);
    let row = Row::of(PART, format!("{what}: 99% claimed within"), "ms", &p99s)?;
    bench.rows.push(row.with_goal(Goal::AtMost(260.0)));
    Ok(())
}

/// Seconds from due to committed.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Lateness {
    median: f64,
    p99: f64,
}

async fn lateness(
    database: &Database,
    batch: Batch,
    apart_micros: u64,
    schedulers: u32,
) -> anyhow::Result<Lateness> {
    let mut connection = database.connect().await?;
    // Making a batch due takes its time: tried once far ahead, to know how much to allow for.
    let begun = now(&mut connection).await?;
    batch.make_due(&mut connection, begun + TimeDelta::minutes(30), apart_micros).await?;
    settle(&mut connection).await?;
    let ready = now(&mut connection).await?;
    let first = ready + (ready - begun) * 2 + AHEAD;
    let date = batch.make_due(&mut connection, first, apart_micros).await?;
    anyhow::ensure!(now(&mut connection).await? < first - AHEAD / 2, "the batch was made due too late");

    let stopping = CancellationToken::new();
    let mut running = JoinSet::new();
    let mut stores = Vec::new();
    for _ in 0..schedulers {
        let store = database.store(1, 1).await?;
        stores.push(store.clone());
        let stopping = stopping.clone();
        running.spawn(async move {
            Scheduler::new(store, SchedulerOptions::default()).run(stopping).await;
        });
    }
    let last = first + TimeDelta::microseconds((apart_micros * u64::from(batch.count)) as i64);
    while waits(&mut connection, last).await? {
        sleep(Duration::from_millis(100)).await;
    }
    stopping.cancel();
    while running.join_next().await.is_some() {}
    for store in &stores {
        store.close().await;
    }
    let statement = format!(
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS median,
             percentile_disc(0.99) WITHIN GROUP (ORDER BY seconds) AS p99
         FROM (
             SELECT extract(epoch FROM pg_xact_commit_timestamp(run.xmin)
                 - ($1 + make_interval(secs => k * $2::float8 / 1e6)))::float8 AS seconds
             {} JOIN run ON run.workspace_id = {} AND run.task_id = {} AND run.occurrence_date = $3
         ) AS late",
        batch.from(),
        workspace_id(&format!("n % {WORKSPACES}")),
        task_id("n"),
    );
    let found = sqlx::query_as(AssertSqlSafe(statement)).bind(first).bind(apart_micros as f64).bind(date);
    Ok(found.fetch_one(&mut connection).await?)
}

/// Whether an occurrence that is due by `last` has not been claimed.
async fn waits(connection: &mut PgConnection, last: DateTime<Utc>) -> anyhow::Result<bool> {
    let waits = sqlx::query_scalar("SELECT EXISTS (SELECT FROM task_due WHERE due_at <= $1)");
    Ok(waits.bind(last).fetch_one(connection).await?)
}
