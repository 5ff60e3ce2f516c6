//! A scheduler's tick that finds nothing: it happens four times a second in every process, for ever.

use scheduler::{Scheduler, SchedulerOptions};

use super::{Bench, LARGE, SMALL, USUAL};
use crate::{
    Part,
    load::settle,
    report::{Goal, Row},
    server::{Database, execute},
    statistics,
};

const PART: Part = Part::Tick;
/// Ticks of one measurement: PostgreSQL counts in sums.
const TICKS: u32 = 10;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    for which in [SMALL, USUAL, LARGE] {
        let database = bench.database(which).await?;
        let times = time_ticks(&database, bench.options.size.samples.div_ceil(TICKS)).await?;
        let row = Row::of(
            PART,
            format!("database time of an empty tick, {} tasks", bench.tasks(which)),
            "ms",
            &times,
        )?;
        bench.rows.push(row.with_goal(Goal::AtMost(0.05)));
    }
    Ok(())
}

/// Milliseconds of the database for each tick, measured so often.
async fn time_ticks(database: &Database, measurements: u32) -> anyhow::Result<Vec<f64>> {
    let mut connection = database.connect().await?;
    execute(&mut connection, "VACUUM (ANALYZE) task_due, run_queue, run").await?;
    settle(&mut connection).await?;
    statistics::switch_on(&mut connection, database).await?;
    let store = database.store(1, 1).await?;
    let scheduler = Scheduler::new(store.clone(), SchedulerOptions::default());
    // The first one sweeps; sweeps come every half minute and are not what is timed here.
    scheduler.tick().await?;
    let mut times = Vec::new();
    for _ in 0..measurements {
        statistics::cost_since(&mut connection).await?;
        for _ in 0..TICKS {
            scheduler.tick().await?;
        }
        times.push(statistics::cost_since(&mut connection).await?.milliseconds / f64::from(TICKS));
    }
    store.close().await;
    statistics::switch_off(&mut connection, database).await?;
    Ok(times)
}
