//! How late occurrences become runs: all due in one instant, and spread over time; by schedulers alone, and by processes that
//! work as well, so that what comes due is queued by ticks and started by workers, whoever comes first. Schedulers tick and
//! workers look as in production; what is read afterwards is when the transaction that made each run was committed.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::{Scheduler, SchedulerOptions};
use sqlx::{AssertSqlSafe, PgConnection};
use store::{Places, Store};
use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Bench, USUAL};
use crate::{
    Part,
    drain::{Crew, check, finish},
    load::{Batch, WORKSPACES, now, settle, task_id, workspace_id},
    report::{Goal, Row},
    server::Database,
};

const PART: Part = Part::Lateness;
/// Before the first due instant: the schedulers stand and tick by then.
const AHEAD: TimeDelta = TimeDelta::seconds(2);
/// Processes at the burst: as many as the cores that the goal was set on.
const PROCESSES: u32 = 2;
/// A worker as it is when nobody sets it up otherwise: eight turns at once and one in its reserve. Its work is trivial, and ends
/// in one group.
const WORKER: Crew = Crew { schedulers: 1, workers: 1, claim: 9, finishers: 1, group: 9 };
/// How long a worker waits that found nothing: as long as the agent's.
const POLL: Duration = Duration::from_millis(250);
/// The spread load is as dense as [`crate::Size::due`] tasks over this time.
const SPREAD_SECONDS: u32 = 120;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for are_working in [false, true] {
        measure_with(bench, are_working).await?;
    }
    Ok(())
}

async fn measure_with(bench: &mut Bench<'_>, are_working: bool) -> anyhow::Result<()> {
    let size = bench.options.size;
    let beside = if are_working { ", with workers" } else { "" };
    let database = bench.copy("instant").await?;
    let burst = Load { apart_micros: 0, processes: PROCESSES, are_working };
    let (mut claimed, mut done) = (vec![], vec![]);
    for round in 0..size.rounds {
        let batch = Batch::of(bench.tasks(USUAL), size.due, round)?;
        let found = lateness(&database, batch, burst).await?;
        claimed.push(found.p99);
        done.push(found.done_p99);
    }
    bench.server.remove(&database).await?;
    let what = format!("{} due in one instant{beside}", size.due);
    let row = Row::of(PART, format!("{what}: 99% claimed within"), "s", &claimed)?;
    bench.rows.push(row.with_goal(Goal::AtMost(2.5)));
    if are_working {
        bench.rows.push(Row::of(PART, format!("{what}: 99% done within"), "s", &done)?);
    }

    let database = bench.copy("spread").await?;
    let count = (size.due * size.spread_seconds / SPREAD_SECONDS).max(4);
    let apart_micros = u64::from(SPREAD_SECONDS) * 1_000_000 / u64::from(size.due);
    let spread = Load { apart_micros, processes: 1, are_working };
    let (mut medians, mut p99s, mut done) = (vec![], vec![], vec![]);
    for round in 0..size.rounds {
        let batch = Batch::of(bench.tasks(USUAL), count, round)?;
        let found = lateness(&database, batch, spread).await?;
        medians.push(found.median * 1_000.0);
        p99s.push(found.p99 * 1_000.0);
        done.push(found.done_p99 * 1_000.0);
    }
    bench.server.remove(&database).await?;
    let what = format!("{} a second, spread{beside}", size.due / SPREAD_SECONDS);
    bench.rows.push(Row::of(PART, format!("{what}: median lateness"), "ms", &medians)?);
    let row = Row::of(PART, format!("{what}: 99% claimed within"), "ms", &p99s)?;
    bench.rows.push(row.with_goal(Goal::AtMost(260.0)));
    if are_working {
        bench.rows.push(Row::of(PART, format!("{what}: 99% done within"), "ms", &done)?);
    }
    Ok(())
}

/// How a batch comes due, and who is there.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// Between one task and the next.
    apart_micros: u64,
    processes: u32,
    /// Whether they work as well as schedule.
    are_working: bool,
}

/// Seconds from due to committed.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Lateness {
    /// Until it was a run: one that waits for a worker, or a worker's from the start.
    median: f64,
    p99: f64,
    /// Until the run's last change: where there are workers, its end.
    done_p99: f64,
}

async fn lateness(database: &Database, batch: Batch, load: Load) -> anyhow::Result<Lateness> {
    let Load { apart_micros, processes, are_working } = load;
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
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut stores = Vec::new();
    for number in 0..processes {
        let store = database.store(1, 1 + u32::from(are_working)).await?;
        stores.push(store.clone());
        if are_working {
            running.spawn(work(store.clone(), format!("bench-{number}"), stopping.clone()));
        }
        let stopping = stopping.clone();
        running.spawn(async move {
            Scheduler::new(store, SchedulerOptions::default()).run(stopping).await;
            Ok(())
        });
    }
    let last = first + TimeDelta::microseconds((apart_micros * u64::from(batch.count)) as i64);
    while waits(&mut connection, last, are_working).await? {
        if let Some(ended) = running.try_join_next() {
            ended??;
        }
        sleep(Duration::from_millis(100)).await;
    }
    stopping.cancel();
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    for store in &stores {
        store.close().await;
    }
    if are_working {
        check(&mut connection, batch, date).await?;
    }
    // Whoever makes an occurrence a run names the task's next one in the same transaction, and nobody touches that row again.
    let (workspace, task) = (workspace_id(&format!("n % {WORKSPACES}")), task_id("n"));
    let statement = format!(
        "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY claimed) AS median,
             percentile_disc(0.99) WITHIN GROUP (ORDER BY claimed) AS p99,
             percentile_disc(0.99) WITHIN GROUP (ORDER BY done) AS done_p99
         FROM (
             SELECT extract(epoch FROM pg_xact_commit_timestamp(task_due.xmin) - due_at.instant)::float8 AS claimed,
                 extract(epoch FROM pg_xact_commit_timestamp(run.xmin) - due_at.instant)::float8 AS done
             {} CROSS JOIN LATERAL (SELECT $1 + make_interval(secs => k * $2::float8 / 1e6) AS instant) AS due_at
             JOIN task_due ON task_due.workspace_id = {workspace} AND task_due.task_id = {task}
             JOIN run ON run.workspace_id = {workspace} AND run.task_id = {task} AND run.occurrence_date = $3
         ) AS late",
        batch.from(),
    );
    let found = sqlx::query_as(AssertSqlSafe(statement)).bind(first).bind(apart_micros as f64).bind(date);
    Ok(found.fetch_one(&mut connection).await?)
}

/// Works as a worker of the agent does: on what waits, and in places that are left on what has just come due.
async fn work(store: Store, name: String, stopping: CancellationToken) -> anyhow::Result<()> {
    while !stopping.is_cancelled() {
        let mut claimed = store.run_claim(&name, &Places::unshared(WORKER.claim)).await?;
        let room = WORKER.claim.saturating_sub(claimed.len() as u32);
        if room > 0 {
            claimed.extend(store.due_start(&name, &Places::unshared(room)).await?.1);
        }
        if claimed.is_empty() {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = sleep(POLL) => {}
            }
            continue;
        }
        finish(&store, &claimed, WORKER).await?;
    }
    Ok(())
}

/// Whether an occurrence that is due by `last` has not been claimed, or, where somebody works, has not ended.
async fn waits(connection: &mut PgConnection, last: DateTime<Utc>, until_done: bool) -> anyhow::Result<bool> {
    // The earliest by the index: whether there is any, the planner looks up row by row, which took a core from what is measured.
    let waits = sqlx::query_scalar(
        "SELECT coalesce((SELECT due_at <= $1 FROM task_due ORDER BY due_at LIMIT 1), false)
             OR ($2 AND EXISTS (SELECT FROM run_queue))",
    );
    Ok(waits.bind(last).bind(until_done).fetch_one(connection).await?)
}
