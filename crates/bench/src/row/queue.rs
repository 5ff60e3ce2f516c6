//! The whole life of runs (claim, next due instant, run, thread, turn, finish, message, all durable) beside a queue that does
//! nothing, the same queue keeping the same records, and the same SQL without us. The sides take turns.

use super::Bench;
use crate::{
    Part,
    drain::{Crew, drain},
    figure::ratios,
    load::{Batch, settle},
    report::{Goal, Row},
    yardstick::{
        graphile::{self, Work},
        pgbench,
    },
};

const PART: Part = Part::Queue;

/// What the best crew is looked for among.
const CREWS: [Crew; 5] = [
    Crew { schedulers: 0, workers: 2, claim: 500, finishers: 1, group: 500 },
    Crew { schedulers: 0, workers: 3, claim: 500, finishers: 1, group: 500 },
    Crew { schedulers: 0, workers: 4, claim: 500, finishers: 1, group: 500 },
    Crew { schedulers: 0, workers: 3, claim: 1_000, finishers: 1, group: 1_000 },
    Crew { schedulers: 0, workers: 6, claim: 250, finishers: 1, group: 250 },
];
/// Schedulers queue it all, and workers take it from there: what a run costs for which nobody had room as it came due.
const QUEUED: Crew = Crew { schedulers: 2, workers: 2, claim: 500, finishers: 1, group: 500 };

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let size = bench.options.size;
    bench.crew = best_crew(bench).await?;
    let crew = bench.crew;
    bench.notes.push(format!(
        "queue: {} workers, each of which starts {} runs as they come due and ends them in groups of {}, {} groups at once, were the best of {} crews",
        crew.workers,
        crew.claim,
        crew.group,
        crew.finishers,
        CREWS.len()
    ));
    let ours = bench.copy("queue").await?;
    let records = bench.copy("records").await?;
    let same = bench.copy("same").await?;
    let queued = bench.copy("queued").await?;
    pgbench::prepare(&mut same.connect().await?).await?;
    let mut connection = records.connect().await?;
    let (mut runs, mut wal, mut same_runs, mut queued_runs) = (vec![], vec![], vec![], vec![]);
    let (mut empty_jobs, mut record_jobs) = (vec![], vec![]);
    for round in 0..size.rounds {
        let drained = drain(&ours, Batch::of(size.tasks[1], size.due, round)?, crew).await?;
        runs.push(drained.runs_per_second);
        wal.push(drained.wal_per_run / 1_000.0);
        let batch = Batch::of(size.tasks[1], size.due, round)?;
        same_runs.push(pgbench::drain(bench.server.folder(), &same, batch, crew.workers).await?);
        let batch = Batch::of(size.tasks[1], size.due / 10, size.rounds + round)?;
        queued_runs.push(drain(&queued, batch, QUEUED).await?.runs_per_second);
        let Some(folder) = &bench.options.yardstick else { continue };
        let empty = bench.server.create("empty", None).await?;
        settle(&mut connection).await?;
        empty_jobs.push(graphile::drain(folder, &empty, Work::Nothing(size.empty_jobs)).await?);
        let batch = Batch::of(size.tasks[1], size.record_jobs, round)?;
        let due_at = crate::load::now(&mut connection).await?;
        batch.make_due(&mut connection, due_at, 0).await?;
        record_jobs.push(graphile::drain(folder, &records, Work::Records(batch)).await?);
    }
    let ours_row = Row::of(PART, format!("runs, {} due of {}", size.due, size.tasks[1]), "runs/s", &runs)?;
    bench.rows.push(ours_row);
    let wal_row = Row::of(PART, "log written for each run", "kB", &wal)?.with_goal(Goal::AtMost(1.5));
    bench.rows.push(wal_row);
    bench.rows.push(Row::of(PART, "runs by way of the queue", "runs/s", &queued_runs)?);
    bench.rows.push(Row::of(PART, "the same SQL under pgbench", "runs/s", &same_runs)?);
    bench
        .rows
        .push(Row::new(PART, "runs by that", "x", ratios(&runs, &same_runs)?).with_goal(Goal::AtLeast(0.8)));
    if bench.options.yardstick.is_none() {
        bench.notes.push("queue: graphile-worker is not installed, and was left out".to_owned());
        return Ok(());
    }
    bench.rows.push(Row::of(PART, "graphile-worker with the same records", "jobs/s", &record_jobs)?);
    bench.rows.push(
        Row::new(PART, "runs by that", "x", ratios(&runs, &record_jobs)?).with_goal(Goal::AtLeast(35.0)),
    );
    bench.rows.push(Row::of(PART, "graphile-worker, empty", "jobs/s", &empty_jobs)?);
    bench
        .rows
        .push(Row::new(PART, "runs by that", "x", ratios(&runs, &empty_jobs)?).with_goal(Goal::AtLeast(0.9)));
    for database in [&ours, &records, &same, &queued] {
        bench.server.remove(database).await?;
    }
    Ok(())
}

/// Tries each crew once on a tenth of the work.
async fn best_crew(bench: &mut Bench<'_>) -> anyhow::Result<Crew> {
    let size = bench.options.size;
    let database = bench.copy("crews").await?;
    let mut best = (CREWS[0], 0.0);
    // A tenth as many runs has ten times as many batches: enough for all crews.
    for (round, crew) in (0..).zip(CREWS) {
        let batch = Batch::of(size.tasks[1], size.due / 10, round)?;
        let speed = drain(&database, batch, crew).await?.runs_per_second;
        eprintln!("{speed:.0} runs/s with {crew:?}");
        if speed > best.1 {
            best = (crew, speed);
        }
    }
    bench.server.remove(&database).await?;
    Ok(best.0)
}
