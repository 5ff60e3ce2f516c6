//! The same work with ever more tasks: a claim must not look at more pages, and a drain must not slow down.

use sqlx::PgConnection;
use store::Places;

use super::{Bench, LARGE, SMALL, USUAL};
use crate::{
    Part,
    drain::{Crew, drain, finish},
    figure::{Figure, ratios},
    load::{Batch, now},
    report::{Goal, Row},
    server::Database,
    statistics,
};

const PART: Part = Part::Growth;
/// Occurrences and runs of one claim.
const CLAIM: u32 = 100;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let size = bench.options.size;
    let mut buffers = Vec::new();
    for which in [SMALL, USUAL, LARGE] {
        let tasks = bench.tasks(which);
        let database = bench.database(which).await?;
        let counted = buffers_of_claims(&database, tasks, size.rounds, bench.crew).await?;
        bench.rows.push(Row::of(
            PART,
            format!("pages that a claim of {CLAIM} looks at, {tasks} tasks"),
            "pages",
            &counted,
        )?);
        buffers.push(Figure::of(counted)?.median());
    }
    let most = buffers.iter().copied().fold(0.0, f64::max);
    bench
        .rows
        .push(Row::of(PART, "most by fewest tasks", "x", &[most / buffers[0]])?.with_goal(Goal::AtMost(1.5)));

    let (usual, large) = (bench.copy("growth").await?, bench.database(LARGE).await?);
    let (mut of_usual, mut of_large) = (vec![], vec![]);
    for round in 0..size.rounds {
        let batch = |which: usize| Batch::of(bench.tasks(which), size.growth_due, round);
        of_usual.push(drain(&usual, batch(USUAL)?, bench.crew).await?.runs_per_second);
        of_large.push(drain(&large, batch(LARGE)?, bench.crew).await?.runs_per_second);
    }
    for (which, speeds) in [(USUAL, &of_usual), (LARGE, &of_large)] {
        bench.rows.push(Row::of(
            PART,
            format!("runs, {} due of {}", size.growth_due, bench.tasks(which)),
            "runs/s",
            speeds,
        )?);
    }
    bench.server.remove(&usual).await?;
    bench.rows.push(
        Row::new(PART, "large by usual", "x", ratios(&of_large, &of_usual)?).with_goal(Goal::AtLeast(0.85)),
    );
    Ok(())
}

/// The pages that claiming [`CLAIM`] due occurrences, and then their runs, looks at, once for each round.
async fn buffers_of_claims(
    database: &Database,
    tasks: u32,
    rounds: u32,
    crew: Crew,
) -> anyhow::Result<Vec<f64>> {
    let mut connection = database.connect().await?;
    statistics::switch_on(&mut connection, database).await?;
    let counted = count_buffers(&mut connection, database, tasks, rounds, crew).await;
    statistics::switch_off(&mut connection, database).await?;
    counted
}

async fn count_buffers(
    connection: &mut PgConnection,
    database: &Database,
    tasks: u32,
    rounds: u32,
    crew: Crew,
) -> anyhow::Result<Vec<f64>> {
    let store = database.store(1, 1 + crew.finishers).await?;
    let count = CLAIM.min(tasks / (2 * rounds + 2));
    let mut counted = Vec::new();
    // The first one is not counted: it fills the caches of plans and of the catalog.
    for round in 0..=rounds {
        let due_at = now(connection).await?;
        Batch::of(tasks, count, round)?.make_due(connection, due_at, 0).await?;
        statistics::cost_since(connection).await?;
        store.due_claim(count, None).await?;
        let claimed = store.run_claim("bench", &Places::unshared(count)).await?;
        let cost = statistics::cost_since(connection).await?;
        anyhow::ensure!(claimed.len() == count as usize, "{} of {count} runs were claimed", claimed.len());
        finish(&store, &claimed, crew).await?;
        if round > 0 {
            counted.push(cost.buffers as f64);
        }
    }
    store.close().await;
    Ok(counted)
}
