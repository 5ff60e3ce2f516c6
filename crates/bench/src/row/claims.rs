//! What one claim takes in the two circumstances that undo queues: much is in flight, and another session holds an old
//! snapshot, so that nothing which was just done can be cleaned up. A scheduler's claim of what is due and a worker's of what
//! was queued, and a worker's start of what has just come due, which is both in one.

use std::time::Instant;

use chrono::TimeDelta;
use sqlx::PgConnection;
use store::{Places, Store};

use super::{Bench, USUAL};
use crate::{
    Part,
    drain::drain,
    load::{Batch, now, settle},
    report::{Goal, Row},
    server::{Database, execute},
};

const PART: Part = Part::Claims;
/// Runs that fill the flight, in one claim.
const FILL: u32 = 1_000;
/// How far a scheduler's watermark lies behind.
const LOOK_BACK: TimeDelta = TimeDelta::seconds(5);
/// What one claim may take, in milliseconds.
const GOAL: Goal = Goal::AtMost(3.0);

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let size = bench.options.size;
    let database = bench.copy("claims").await?;
    let in_flight = Batch::of(bench.tasks(USUAL), size.in_flight, 0)?;
    fill(&database, in_flight).await?;
    let times = time_claims(&database, in_flight.beside(bench.tasks(USUAL), 2 * size.samples)?).await?;
    report(bench, &format!("{} in flight", size.in_flight), &times)?;
    bench.server.remove(&database).await?;

    let database = bench.copy("claims").await?;
    let mut other = database.connect().await?;
    execute(&mut other, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM workspace").await?;
    drain(&database, Batch::of(bench.tasks(USUAL), size.due, 0)?, bench.crew).await?;
    // What the drain left for the disk would be waited for by each claim's commit.
    settle(&mut database.connect().await?).await?;
    let times = time_claims(&database, Batch::of(bench.tasks(USUAL), 2 * size.samples, 1)?).await?;
    report(bench, &format!("old snapshot, {} just done", size.due), &times)?;
    drop(other);
    bench.server.remove(&database).await
}

/// Milliseconds, claim by claim.
#[derive(Default)]
struct Times {
    /// Of a due occurrence.
    due: Vec<f64>,
    /// Of its run.
    run: Vec<f64>,
    /// Of a due occurrence by a worker that starts it itself.
    start: Vec<f64>,
    /// Of nothing, by a scheduler between its sweeps.
    empty: Vec<f64>,
    /// Of nothing, by one that looks at everything, as each does twice a minute.
    sweep: Vec<f64>,
}

fn report(bench: &mut Bench<'_>, circumstances: &str, times: &Times) -> anyhow::Result<()> {
    for (what, of_claims, goal) in [
        ("a due occurrence", &times.due, Some(GOAL)),
        ("its run", &times.run, Some(GOAL)),
        ("a due occurrence and its run in one", &times.start, Some(GOAL)),
        ("nothing", &times.empty, Some(GOAL)),
        ("nothing, in a sweep", &times.sweep, None),
    ] {
        let row = Row::of(PART, format!("{circumstances}: claim of {what}"), "ms", of_claims)?;
        bench.rows.push(goal.map_or(row.clone(), |goal| row.with_goal(goal)));
    }
    Ok(())
}

/// Puts a batch in flight.
async fn fill(database: &Database, batch: Batch) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    let due_at = now(&mut connection).await?;
    batch.make_due(&mut connection, due_at, 0).await?;
    let store = database.store(1, 2).await?;
    while store.due_claim(FILL, None).await?.tasks > 0 {}
    let mut in_flight = 0;
    while in_flight < batch.count as usize {
        let claimed = store.run_claim("bench", &Places::unshared(FILL)).await?;
        anyhow::ensure!(!claimed.is_empty(), "only {in_flight} runs could be claimed");
        in_flight += claimed.len();
    }
    store.close().await;
    settle(&mut connection).await
}

/// Times claims of the first half of a batch by a scheduler and a worker, and of the second by a worker alone.
async fn time_claims(database: &Database, batch: Batch) -> anyhow::Result<Times> {
    let (batch, to_start) = batch.halves();
    let mut connection = database.connect().await?;
    let due_at = now(&mut connection).await?;
    batch.make_due(&mut connection, due_at, 0).await?;
    let store = database.store(1, 1).await?;
    let watermark = Some(due_at - LOOK_BACK);
    // The first claims of a connection prepare their statements.
    store.due_claim(1, watermark).await?;
    store.run_claim("bench", &Places::unshared(1)).await?;
    let mut times = Times::default();
    for _ in 1..batch.count {
        let started = Instant::now();
        let claim = store.due_claim(1, watermark).await?;
        times.due.push(milliseconds(started));
        anyhow::ensure!(claim.queued == 1, "a due occurrence was not claimed: {claim:?}");
        let started = Instant::now();
        let claimed = store.run_claim("bench", &Places::unshared(1)).await?;
        times.run.push(milliseconds(started));
        anyhow::ensure!(claimed.len() == 1, "a run was not claimed");
    }
    let watermark = Some(now(&mut connection).await? - LOOK_BACK);
    for _ in 0..batch.count {
        times.empty.push(time_empty_claim(&store, watermark).await?);
        times.sweep.push(time_empty_claim(&store, None).await?);
    }
    times.start = time_starts(&store, &mut connection, to_start).await?;
    store.close().await;
    Ok(times)
}

/// Has a worker with one free place start a batch's occurrences, each as it comes due.
async fn time_starts(store: &Store, connection: &mut PgConnection, batch: Batch) -> anyhow::Result<Vec<f64>> {
    let later = now(connection).await? + TimeDelta::minutes(30);
    batch.make_due(connection, later, 0).await?;
    let mut times = Vec::new();
    for k in 0..batch.count {
        batch.make_one_due(connection, k).await?;
        let begun = Instant::now();
        let (_, started) = store.due_start("bench", &Places::unshared(1)).await?;
        let took = milliseconds(begun);
        anyhow::ensure!(started.len() == 1, "a due occurrence was not started");
        // The first start of a connection prepares its statements.
        if k > 0 {
            times.push(took);
        }
    }
    Ok(times)
}

async fn time_empty_claim(
    store: &Store,
    watermark: Option<chrono::DateTime<chrono::Utc>>,
) -> anyhow::Result<f64> {
    let started = Instant::now();
    let claim = store.due_claim(500, watermark).await?;
    anyhow::ensure!(claim.tasks == 0, "something was due: {claim:?}");
    Ok(milliseconds(started))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
