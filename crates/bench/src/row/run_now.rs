//! From "Run now" to the first recorded step: the store's call behind the click, the word to the workers, the claim, the
//! opening of the turn, a model that answers at once, and the commit of its step.

use std::{sync::Arc, time::Duration};

use agent::{
    Agent, AgentOptions, Limits,
    model::{Model, ModelError, ModelReply, ModelRequest},
    price::Prices,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{Clock as _, clock::SystemClock, step::ToolCall};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use warehouse::{Warehouse, WarehouseOptions, WorkerCommand};

use super::Bench;
use crate::{
    Part,
    figure::Figure,
    load::{WORKSPACES, settle, task_id, workspace_id},
    report::{Goal, Row},
};

const PART: Part = Part::RunNow;

/// Answers at once, and asks for nothing.
struct Prompt;

#[async_trait]
impl Model for Prompt {
    fn name(&self) -> String {
        "prompt".to_owned()
    }

    async fn reply(&self, _: &ModelRequest, _: &mpsc::Sender<String>) -> Result<ModelReply, ModelError> {
        let arguments =
            json!({ "headline": "Nothing unusual.", "body": "All regions were on time.", "results": [] });
        let call = ToolCall { id: String::new(), name: "answer".to_owned(), arguments };
        Ok(ModelReply { tool_calls: vec![call], ..ModelReply::default() })
    }
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let database = bench.copy("run_now").await?;
    let mut connection = database.connect().await?;
    // The pools of a process as it comes.
    let store = database.store(14, 6).await?;
    let stopping = CancellationToken::new();
    let events = store.events(stopping.clone());
    let agent = Agent::new(AgentOptions {
        store: store.clone(),
        warehouse: Warehouse::new(WarehouseOptions::new(
            bench.server.folder(),
            WorkerCommand::current_exe()?,
        )),
        charts: chart::Pool::new(1),
        model: Arc::new(Prompt),
        cheaper: None,
        limits: Limits::default(),
        prices: Prices(vec![]),
        worker: "bench".to_owned(),
        concurrency: 8,
    });
    let worker = tokio::spawn({
        let stopping = stopping.clone();
        async move { agent.run(&events, stopping).await }
    });
    settle(&mut connection).await?;
    let clicked = click(&store, &mut connection, bench.options.size.samples).await;
    stopping.cancel();
    worker.await?;
    store.close().await;
    let mut milliseconds = Vec::new();
    for (thread, at) in clicked? {
        milliseconds.push(first_step_after(&mut connection, thread, at).await?);
    }
    bench.server.remove(&database).await?;
    let all = Figure::of(milliseconds)?;
    let p99 = Figure::of([all.percentile(0.99)])?;
    bench.rows.push(Row::new(PART, "click to first step", "ms", all).with_goal(Goal::AtMost(2.0)));
    bench.rows.push(
        Row::new(PART, "click to first step, 99th percentile", "ms", p99).with_goal(Goal::AtMost(10.0)),
    );
    Ok(())
}

/// Clicks so often, one after the other, and answers each thread with its instant of the click.
async fn click(
    store: &Store,
    connection: &mut PgConnection,
    times: u32,
) -> anyhow::Result<Vec<(Uuid, DateTime<Utc>)>> {
    let mut clicked = Vec::new();
    // The first ones open connections and prepare statements.
    let warm_up = times.min(20);
    for n in 0..times + warm_up {
        let statement = format!(
            "SELECT {}, (SELECT email FROM app_user JOIN member ON user_id = app_user.id WHERE workspace_id = {} LIMIT 1)",
            task_id(&n.to_string()),
            workspace_id(&(n % WORKSPACES).to_string()),
        );
        let (task, email): (Uuid, String) =
            sqlx::query_as(AssertSqlSafe(statement)).fetch_one(&mut *connection).await?;
        let user = store.user_by_email(&email).await?.ok_or_else(|| anyhow::anyhow!("no user {email}"))?;
        let scope = store.user_scopes(user.id).await?.remove(0);
        let at = SystemClock.now();
        let started = store.task_run(&scope, task.into(), None).await?;
        while !is_over(connection, started.run_id.as_uuid()).await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Not in step with the worker's polling.
        tokio::time::sleep(Duration::from_millis(u64::from(n % 10) * 7)).await;
        if n >= warm_up {
            clicked.push((started.thread_id.as_uuid(), at));
        }
    }
    Ok(clicked)
}

async fn is_over(connection: &mut PgConnection, run: Uuid) -> anyhow::Result<bool> {
    let is_over = sqlx::query_scalar(
        "SELECT finished_at IS NOT NULL FROM run WHERE id = $1 AND workspace_id IN (SELECT id FROM workspace)",
    );
    Ok(is_over.bind(run).fetch_one(connection).await?)
}

/// Milliseconds from an instant to the commit of a thread's first step.
async fn first_step_after(
    connection: &mut PgConnection,
    thread: Uuid,
    at: DateTime<Utc>,
) -> anyhow::Result<f64> {
    let found = sqlx::query_scalar(
        "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - $2)::float8 * 1000 FROM step
         WHERE thread_id = $1 ORDER BY seq LIMIT 1",
    );
    Ok(found.bind(thread).bind(at).fetch_one(connection).await?)
}
