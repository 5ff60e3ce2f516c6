//! A query pinned for a task: replayed with its period moved, and held against the agent's own.

use std::sync::Arc;

use agent::{
    Agent, Limits,
    model::ModelReply,
    scripted::{Scripted, calling},
};
use chrono::TimeDelta;
use domain::{
    TaskId,
    access::ConnectionAccess,
    answer::{Answer, MethodCheck, MethodOutcome},
    step::{ModelProvider, StepBody, ToolCall},
    table::{Cell, Column, ColumnType, Table},
};
use serde_json::{Value, json};
use store::{Grant, NewResult, StartedRun, Subject};

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
    let answer = ("answer", json!({ "headline": "{{r1[0].flights|number}} flights.", "results": ["r1"] }));
    let agent = bench.agent(Arc::new(Scripted::new(one_by_one(vec![bench.sql(sql), answer]))));
    run_by(bench, task, agent).await
}

async fn run_by(bench: &Bench, task: TaskId, agent: Agent) -> (StartedRun, Answer) {
    let started = bench.world.store().task_run(&bench.world.scope, task, None).await.expect("a run");
    agent.run_once().await.expect("a run");
    let answer = bench.answer(&started).await;
    (started, answer)
}

/// What came of the pinned query in a run with these replies.
async fn method_of(bench: &Bench, task: TaskId, replies: Vec<ModelReply>) -> MethodCheck {
    let (_, answer) = run_by(bench, task, bench.agent(Arc::new(Scripted::new(replies)))).await;
    answer.method.expect("a check")
}

/// A task whose run was answered by a statement, which is pinned.
async fn pinned(bench: &Bench, sql: &str) -> TaskId {
    let task = task(bench).await;
    let (started, _) = run(bench, task, sql).await;
    pin(bench, task, &started).await;
    task
}

async fn pin(bench: &Bench, task: TaskId, started: &StartedRun) {
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let results = store.result_list(scope, started.thread_id).await.expect("results");
    store.task_method_pin(scope, task, results[0].id).await.expect("pinned");
}

/// An answer that shows these results and has no figure.
fn showing(results: &[&str]) -> (&'static str, Value) {
    ("answer", json!({ "headline": "Done.", "results": results }))
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

/// With only the results that are shown held against the pinned query, the first two are flagged as changed.
#[tokio::test]
async fn an_answer_that_shows_no_query_is_held_against_those_of_its_turn() {
    let bench = Bench::new().await;
    let (by_pin, otherwise) = (sql("2026-03-01", "count(*)"), sql("2026-03-01", "count(DISTINCT carrier)"));
    let task = pinned(&bench, &by_pin).await;
    let comparison = ("compare_results", json!({ "before": "r1", "after": "r1", "columns": ["flights"] }));
    for (calls, outcome) in [
        (vec![bench.sql(&by_pin), showing(&[])], MethodOutcome::Same),
        (vec![bench.sql(&by_pin), comparison, showing(&["r2"])], MethodOutcome::Same),
        (vec![bench.sql(&otherwise), showing(&[])], MethodOutcome::Changed),
        // What the answer shows is what it rests on.
        (vec![bench.sql(&by_pin), bench.sql(&otherwise), showing(&["r2"])], MethodOutcome::Changed),
        (vec![showing(&[])], MethodOutcome::NotCompared),
    ] {
        let told = format!("{calls:?}");
        assert_eq!(method_of(&bench, task, one_by_one(calls)).await.outcome, outcome, "{told}");
    }
}

/// With a cut result compared as if it were whole, both are the same or changed without a word.
#[tokio::test]
async fn of_results_that_were_cut_it_is_said() {
    let bench = Bench::new().await;
    let mut limits = Limits::default();
    limits.query.rows = 5;
    let agent = |sql: &str| {
        let model = Scripted::new(one_by_one(vec![bench.sql(sql), showing(&["r1"])]));
        bench.agent_within(Arc::new(model), limits)
    };
    let task = task(&bench).await;
    let (started, _) = run_by(&bench, task, agent("SELECT flight FROM flights ORDER BY flight")).await;
    pin(&bench, task, &started).await;
    let (_, answer) = run_by(&bench, task, agent("SELECT flight FROM flights ORDER BY 1")).await;
    let method = answer.method.expect("a check");
    assert_eq!(method.outcome, MethodOutcome::Same);
    assert!(method.sentence.contains("as far as they were read"), "{}", method.sentence);
    let (_, answer) = run_by(&bench, task, agent("SELECT flight FROM flights ORDER BY flight DESC")).await;
    let method = answer.method.expect("a check");
    assert_eq!(method.outcome, MethodOutcome::NotCompared);
    assert_eq!(answer.caveats, [method.sentence]);
}

/// With slashes left in the ids of a model's calls, its own result is taken for that of the pinned query.
#[tokio::test]
async fn a_model_cannot_pass_its_own_result_off_as_the_replay() {
    let bench = Bench::new().await;
    let task = pinned(&bench, &sql("2026-03-01", "count(*)")).await;
    let other = sql("2026-03-01", "count(DISTINCT carrier)");
    let named = |id: &str, call: (&str, Value)| {
        let mut reply = calling(&[call]);
        reply.tool_calls[0].id = id.to_owned();
        reply
    };
    let replies = vec![named("a/replay", bench.sql(&other)), named("a", showing(&["r1"]))];
    let method = method_of(&bench, task, replies).await;
    assert_eq!(method.outcome, MethodOutcome::Changed, "{}", method.sentence);
    assert_ne!(method.pinned, method.own);
}

/// With the message of the database as the reason, the airline's name is a caveat, which every recipient reads.
#[tokio::test]
async fn what_a_database_says_of_a_failure_is_for_the_thread_alone() {
    let bench = Bench::new().await;
    let task = pinned(&bench, &sql("2026-03-01", "count(*)")).await;
    for (statement, says) in [
        ("SELECT CAST(name AS INTEGER) AS flights FROM airlines", "it failed"),
        ("SELECT repeat('x', 70000000) AS flights", "larger than one may be"),
    ] {
        let statement = statement.replace('\'', "''");
        bench.world.execute(&format!("UPDATE task_method SET sql = '{statement}'")).await;
        let (_, answer) = run(&bench, task, &sql("2026-03-01", "count(*)")).await;
        let method = answer.method.expect("a check");
        assert_eq!(method.outcome, MethodOutcome::NotReplayed);
        assert_eq!(method.sentence, answer.caveats[0]);
        assert!(method.sentence.contains(says), "{}", method.sentence);
        assert!(!answer.caveats[0].contains("Air"), "{}", answer.caveats[0]);
        let detail = method.detail.expect("what the database said");
        assert!(says != "it failed" || detail.contains("Air"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_is_lost_before_the_replay_stands_in_no_ones_way() {
    let bench = Bench::new().await;
    let by_pin = sql("2026-03-01", "count(*)");
    let task = pinned(&bench, &by_pin).await;
    bench.world.execute("UPDATE member SET role = 'member'").await;
    let (store, scope, connection) = (bench.world.store().clone(), bench.world.scope, bench.world.connection);
    let query = |access| Grant { subject: Subject::User(bench.world.user), label: String::new(), access };
    store.grant_put(&scope, connection, &[query(ConnectionAccess::Query)]).await.expect("grants");
    let handle = tokio::runtime::Handle::current();
    let own = bench.sql(&sql("2026-03-01", "count(DISTINCT carrier)"));
    let model = Scripted::by(move |_, before| {
        if before == 0 {
            return Ok(calling(std::slice::from_ref(&own)));
        }
        // Between the query and the answer.
        let store = store.clone();
        let revoked = async move { store.grant_put(&scope, connection, &[]).await.expect("grants") };
        std::thread::scope(|threads| {
            threads.spawn(|| handle.block_on(revoked)).join().expect("revoked");
        });
        Ok(calling(&[showing(&["r1"])]))
    });
    let (_, answer) = run_by(&bench, task, bench.agent(Arc::new(model))).await;
    let method = answer.method.expect("a check");
    assert_eq!(method.outcome, MethodOutcome::NotReplayed);
    assert!(method.sentence.contains("may not be queried"), "{}", method.sentence);
}

/// A worker has stored the replay's rows and died before its answer was recorded. The stored rows are used, which tells 999 flights
/// where a query would find 100; and they are not taken for the answer's own, as they are without `left_behind`.
#[tokio::test]
async fn a_replay_that_a_crash_left_behind_is_used_once() {
    let bench = Bench::new().await;
    let by_pin = sql("2026-03-01", "count(*)");
    let task = pinned(&bench, &by_pin).await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let started = store.task_run(scope, task, None).await.expect("a run");
    let claimed = bench.world.claim_one().await;
    let call = |id: &str, (name, arguments): (&str, Value)| StepBody::Model {
        model: "scripted".into(),
        provider: ModelProvider::Server,
        text: String::new(),
        tool_calls: vec![ToolCall { id: id.into(), name: name.into(), arguments }],
        tokens_in: 1,
        tokens_out: 1,
        credits: 0.0,
    };
    let other = sql("2026-03-01", "count(DISTINCT carrier)");
    store.step_begin(&claimed, &call("q", bench.sql(&other)), 1).await.expect("a step");
    let kept = async |call_id: &str, sql: &str, flights: i64| {
        let columns = [("day", ColumnType::Date), ("flights", ColumnType::Integer)];
        let table = Table {
            columns: columns.map(|(name, kind)| Column::new(name, kind)).to_vec(),
            rows: vec![vec![Cell::Text("2026-03-01".into()), Cell::Int(flights)]],
            truncated: None,
        };
        let (thread_id, turn_no, connection_id) =
            (claimed.thread_id, claimed.turn_no, bench.world.connection);
        let new = NewResult { thread_id, turn_no, call_id, connection_id, sql, table: &table, elapsed_ms: 1 };
        store.result_store(&claimed.scope, &claimed.lease, &new).await.expect("a result").id
    };
    let own = kept("q", &other, 3).await;
    let told = StepBody::Tool {
        call_id: "q".into(),
        name: "run_sql".into(),
        output: json!({}),
        is_error: false,
        result: Some("r1".into()),
        chart: None,
    };
    for step in [told, call("a", showing(&[]))] {
        let appended =
            store.step_append(&claimed.scope, &claimed.lease, claimed.thread_id, claimed.turn_no, &step, 1);
        appended.await.expect("a step");
    }
    let replayed = kept("a/replay", &by_pin, 999).await;

    bench.world.step(TimeDelta::seconds(61));
    store.run_rescue(100).await.expect("a rescue");
    bench.agent(Arc::new(Scripted::new(vec![]))).run_once().await.expect("a run");
    let method = bench.answer(&started).await.method.expect("a check");
    assert_eq!(method.outcome, MethodOutcome::Changed);
    assert_eq!((method.pinned, method.own), (Some(replayed), Some(own)));
    assert_eq!(store.result_list(scope, started.thread_id).await.expect("results").len(), 2);
}

/// What a comparison has in place of SQL are comments: nothing that could be run again.
#[tokio::test]
async fn a_comparison_is_neither_pinned_nor_verified() {
    let bench = Bench::new().await;
    let task = task(&bench).await;
    let comparison = ("compare_results", json!({ "before": "r1", "after": "r1", "columns": ["flights"] }));
    let calls = vec![bench.sql(&sql("2026-03-01", "count(*)")), comparison, showing(&["r2"])];
    let (started, _) = run_by(&bench, task, bench.agent(Arc::new(Scripted::new(one_by_one(calls))))).await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let results = store.result_list(scope, started.thread_id).await.expect("results");
    let pinned = store.task_method_pin(scope, task, results[1].id).await.expect_err("a refusal");
    let verified = store.verified_question_put(scope, bench.world.user, results[1].id, QUESTION).await;
    for refused in [pinned, verified.expect_err("a refusal")] {
        assert!(matches!(refused, store::Error::Invalid(_)), "{refused:?}");
    }
}
