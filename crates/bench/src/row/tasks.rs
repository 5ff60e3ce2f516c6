//! The list of a person's tasks, over HTTP with a session: against the same statements under pgbench, and how long the slowest
//! take.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::Value;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::Bench;
use crate::{
    Part,
    figure::{Figure, ratios},
    load::{MEMBERS, WORKSPACES, id, settle, user_id, workspace_id},
    process::{Client, Serving},
    report::{Goal, Row},
    server::execute,
    yardstick::list,
};

const PART: Part = Part::Tasks;
/// Clients of each side at once.
const CLIENTS: u32 = 32;
/// Rows of a list.
pub(crate) const ROWS: u32 = 20;
/// People who are signed in: enough that none asks more often than one may.
pub(crate) const SESSIONS: u32 = 2 * WORKSPACES;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let size = bench.options.size;
    let Some(tidings) = bench.options.tidings.clone() else {
        anyhow::bail!("the binary `tidings` is not at hand");
    };
    let database = bench.copy("tasks").await?;
    let mut connection = database.connect().await?;
    sign_in(&mut connection).await?;
    list::prepare(&mut connection).await?;
    settle(&mut connection).await?;
    let serving = Serving::start(&tidings, bench.server.folder(), &database, CLIENTS).await?;
    let time = Duration::from_secs(size.list_seconds.into());
    // Connections are opened, statements prepared, pages read.
    ask(serving.address, time / 5).await?;
    let (mut ours, mut theirs, mut medians, mut slowest) = (vec![], vec![], vec![], vec![]);
    for _ in 0..size.rounds {
        let found = ask(serving.address, time).await?;
        ours.push(found.count() as f64 / time.as_secs_f64());
        medians.push(found.median());
        slowest.push(found.percentile(0.99));
        theirs.push(list::ask(bench.server.folder(), &database, CLIENTS, size.list_seconds).await?);
    }
    serving.stop().await?;
    bench.server.remove(&database).await?;
    let what = format!("GET /api/v1/tasks, {ROWS} rows, {CLIENTS} connections");
    bench.rows.push(Row::of(PART, what, "1/s", &ours)?);
    bench.rows.push(Row::of(PART, "the same statements under pgbench", "1/s", &theirs)?);
    bench
        .rows
        .push(Row::new(PART, "requests by that", "x", ratios(&ours, &theirs)?).with_goal(Goal::AtLeast(0.6)));
    bench.rows.push(Row::of(PART, "time of a request", "ms", &medians)?);
    let row = Row::of(PART, "time of a request, 99th percentile", "ms", &slowest)?;
    bench.rows.push(row.with_goal(Goal::AtMost(10.0)));
    Ok(())
}

/// Signs people of all workspaces in, each with the secret `session-<number>`.
pub(super) async fn sign_in(connection: &mut PgConnection) -> anyhow::Result<()> {
    let statement = format!(
        "INSERT INTO session (workspace_id, id, user_id, secret_hash, created_at, seen_at, expires_at, ends_at)
         SELECT {}, {}, {}, sha256(('session-' || n)::bytea), now(), now(), now() + interval '1 day', now() + interval '1 day'
         FROM generate_series(0, {SESSIONS} - 1) AS n",
        workspace_id(&format!("n % {WORKSPACES}")),
        id(5, "n"),
        user_id(&format!("n % {WORKSPACES}"), &format!("n / {WORKSPACES} % {MEMBERS}")),
    );
    execute(connection, &statement).await?;
    execute(connection, "ANALYZE session").await
}

/// Has all clients ask, one request after the other, for some time. Answers the milliseconds of each request.
pub(super) async fn ask(address: SocketAddr, time: Duration) -> anyhow::Result<Figure> {
    let mut asking = JoinSet::new();
    for client in 0..CLIENTS {
        asking.spawn(async move {
            let mut connection = Client::connect(address).await?;
            let mut milliseconds = Vec::new();
            let until = Instant::now() + time;
            // Each client has people of its own.
            let mut session = client;
            while Instant::now() < until {
                let cookie = format!("tidings_session=session-{session}");
                let asked = Instant::now();
                let body = connection.get(&format!("/api/v1/tasks?limit={ROWS}"), &cookie).await?;
                milliseconds.push(asked.elapsed().as_secs_f64() * 1_000.0);
                if milliseconds.len() == 1 {
                    check(&body)?;
                }
                session = (session + CLIENTS) % SESSIONS;
            }
            anyhow::Ok(milliseconds)
        });
    }
    let mut all = Vec::new();
    while let Some(asked) = asking.join_next().await {
        all.extend(asked??);
    }
    Figure::of(all)
}

/// An answer without tasks would be quick, and worth nothing.
fn check(body: &[u8]) -> anyhow::Result<()> {
    let list: Value = serde_json::from_slice(body)?;
    let tasks = list["values"].as_array().map_or(0, Vec::len);
    ensure!(tasks > 0 && tasks <= ROWS as usize, "{tasks} tasks were listed");
    Ok(())
}
