//! A query pinned for a task: replayed with its period moved, and held against the agent's own.

use std::sync::Arc;

use agent::scripted::Scripted;
use chrono::TimeDelta;
use domain::{
    TaskId,
    answer::{Answer, MethodOutcome},
};
use serde_json::json;
use store::StartedRun;

use crate::support::{Bench, one_by_one};

const QUESTION: &str = "How many flights were there yesterday?";

/// A query whose one row tells on which day it was reckoned, and how many it found.
fn sql(day: &str, count: &str) -> String {
    format!("SELECT DATE '{day}' AS day, {count} AS flights FROM flights")
}

async fn task(bench: &Bench) -> TaskId {
    let connection = bench.world.connection;
    let task = bench.world.task(|task| {
        task.context.connection_ids = vec![connection];
        task.prompt = QUESTION.into();
    });
    task.await.id
}

/// Runs the task with a model that answers by `sql`.
async fn run(bench: &Bench, task: TaskId, sql: &str) -> (StartedRun, Answer) {
    let started = bench.world.store().task_run(&bench.world.scope, task, None).await.expect("a run");
    let answer = ("answer", json!({ "headline": "{{r1[0].flights|number}} flights.", "results": ["r1"] }));
    let model = Scripted::new(one_by_one(vec![bench.sql(sql), answer]));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let answer = bench.answer(&started).await;
    (started, answer)
}

#[tokio::test]
async fn a_pinned_query_is_replayed_and_another_method_is_flagged() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let task = task(&bench).await;
    // The world begins on 2026-03-02.
    let (first, answer) = run(&bench, task, &sql("2026-03-01", "count(*)")).await;
    assert_eq!(answer.method, None);
    let results = store.result_list(scope, first.thread_id).await.expect("results");
    store.task_method_pin(scope, task, results[0].id).await.expect("pinned");

    // The same query a day later is the pinned one moved: nothing is run twice.
    bench.world.step(TimeDelta::days(1));
    let (same, answer) = run(&bench, task, &sql("2026-03-02", "count(*)")).await;
    assert_eq!(answer.method.as_ref().map(|method| method.outcome), Some(MethodOutcome::Same));
    assert_eq!(store.result_list(scope, same.thread_id).await.expect("results").len(), 1);

    // Another query for the same rows is as good.
    let (_, answer) = run(&bench, task, &sql("2026-03-02", "count(flight)")).await;
    assert_eq!(answer.method.as_ref().map(|method| method.outcome), Some(MethodOutcome::Same));
    assert_eq!(answer.caveats, Vec::<String>::new());

    // Other rows are flagged, with both queries.
    let (changed, answer) = run(&bench, task, &sql("2026-03-02", "count(DISTINCT carrier)")).await;
    let method = answer.method.expect("a check");
    assert_eq!(method.outcome, MethodOutcome::Changed);
    assert_eq!(answer.caveats, [method.sentence]);
    let results = store.result_list(scope, changed.thread_id).await.expect("results");
    let statement = |id| results.iter().find(|result| Some(result.id) == id).map(|result| result.sql.clone());
    assert_eq!(statement(method.pinned), Some(sql("2026-03-02", "count(*)")));
    assert_eq!(statement(method.own), Some(sql("2026-03-02", "count(DISTINCT carrier)")));

    store.task_method_unpin(scope, task).await.expect("unpinned");
    let (_, answer) = run(&bench, task, &sql("2026-03-02", "count(DISTINCT carrier)")).await;
    assert_eq!(answer.method, None);
}

#[tokio::test]
async fn a_query_that_cannot_be_moved_or_run_is_said_and_stands_in_no_ones_way() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let task = task(&bench).await;
    let (first, _) = run(&bench, task, &sql("2025-12-24", "count(*)")).await;
    let results = store.result_list(scope, first.thread_id).await.expect("results");
    store.task_method_pin(scope, task, results[0].id).await.expect("pinned");
    bench.world.step(TimeDelta::days(1));
    let (_, answer) = run(&bench, task, &sql("2026-03-02", "count(*)")).await;
    let method = answer.method.expect("a check");
    assert_eq!(method.outcome, MethodOutcome::NotReplayed);
    assert!(method.sentence.contains("2025-12-24"), "{}", method.sentence);
    assert_eq!(answer.caveats, [method.sentence]);

    let (good, _) = run(&bench, task, &sql("2026-03-02", "count(*)")).await;
    let results = store.result_list(scope, good.thread_id).await.expect("results");
    store.task_method_pin(scope, task, results[0].id).await.expect("pinned");
    bench
        .world
        .execute("UPDATE task_method SET sql = 'SELECT nothing FROM nowhere WHERE d = ''2026-03-02'''")
        .await;
    let (_, answer) = run(&bench, task, &sql("2026-03-02", "count(*)")).await;
    assert_eq!(answer.method.as_ref().map(|method| method.outcome), Some(MethodOutcome::NotReplayed));
    assert_eq!(answer.fill(&answer.headline), "100 flights.");
}

#[tokio::test]
async fn only_a_tasks_own_results_are_pinned() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let (one, other) = (task(&bench).await, task(&bench).await);
    let (started, _) = run(&bench, one, &sql("2026-03-01", "count(*)")).await;
    let results = store.result_list(scope, started.thread_id).await.expect("results");
    let refused = store.task_method_pin(scope, other, results[0].id).await.expect_err("a refusal");
    assert!(matches!(refused, store::Error::NotFound));
}
