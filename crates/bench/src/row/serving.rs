//! What a server takes: memory with its connections open and under load, time to start, and the binary's size.

use std::{fs, time::Duration};

use super::{Bench, SMALL, tasks};
use crate::{
    Part,
    load::settle,
    machine::{peak_bytes, resident_bytes},
    process::Serving,
    report::{Goal, Row},
};

const PART: Part = Part::Server;
/// As a process comes.
const CONNECTIONS: u32 = 20;
/// Memory comes to rest.
const REST: Duration = Duration::from_secs(2);

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let size = bench.options.size;
    let Some(tidings) = bench.options.tidings.clone() else {
        anyhow::bail!("the binary `tidings` is not at hand");
    };
    let small = bench.database(SMALL).await?;
    let database = bench.server.create("serving", Some(&small)).await?;
    let mut connection = database.connect().await?;
    tasks::sign_in(&mut connection).await?;
    settle(&mut connection).await?;
    let (mut idle, mut loaded, mut starts) = (vec![], vec![], vec![]);
    for _ in 0..size.rounds {
        let serving = Serving::start(&tidings, bench.server.folder(), &database, CONNECTIONS).await?;
        starts.push(serving.started_within.as_secs_f64() * 1_000.0);
        let process_id = serving.process_id()?;
        // A moment of many requests opens the pool.
        tasks::ask(serving.address, Duration::from_millis(100)).await?;
        tokio::time::sleep(REST).await;
        idle.push(resident_bytes(process_id)? as f64 / 1e6);
        tasks::ask(serving.address, Duration::from_secs(size.list_seconds.into())).await?;
        loaded.push(peak_bytes(process_id)? as f64 / 1e6);
        serving.stop().await?;
    }
    bench.server.remove(&database).await?;
    for (what, figure, unit, goal) in [
        ("memory, idle with its pool open", &idle, "MB", 15.0),
        ("memory under the load of `tasks`, at its highest", &loaded, "MB", 40.0),
        ("from start to the first answer", &starts, "ms", 50.0),
    ] {
        bench.rows.push(Row::of(PART, what, unit, figure)?.with_goal(Goal::AtMost(goal)));
    }
    let megabytes = fs::metadata(&tidings)?.len() as f64 / 1e6;
    bench.rows.push(Row::of(PART, "binary", "MB", &[megabytes])?.with_goal(Goal::AtMost(60.0)));
    Ok(())
}
