//! Which connections a thread counts as having used: all whose data its model was given, with a result or without.

use std::sync::Arc;

use agent::scripted::Scripted;
use domain::{ConnectionId, audience::ConnectionAudience, thread::ThreadSource};
use serde_json::{Value, json};
use store::{NewQuestion, SlackPlace, SlackQuestion, StartedRun};

use crate::support::{Bench, PER_CARRIER, code, good_answer, one_by_one};

/// An answer that rests on no result.
fn bare_answer() -> (&'static str, Value) {
    ("answer", json!({ "headline": "They are airlines." }))
}

/// Has a model of these calls work on what was asked.
async fn work(bench: &Bench, calls: Vec<(&'static str, Value)>) {
    let model = Scripted::new(one_by_one(calls));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
}

/// The connections that a thread used, of which it has no result.
async fn used_without_a_result(bench: &Bench, started: &StartedRun) -> Vec<ConnectionId> {
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    bench.answer(started).await;
    let results = store.result_list(scope, started.thread_id).await.expect("results");
    assert_eq!(results, [], "there is a result after all");
    store.thread_connections_used(scope, started.thread_id).await.expect("ids")
}

/// Without the note in `describe_table` the thread counts as one of no data, and its answer goes into Slack in full.
#[tokio::test]
async fn an_answer_from_the_samples_of_a_table_rests_on_its_connection() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let rule = ConnectionAudience { is_sensitive: true, ..ConnectionAudience::default() };
    store.connection_audience_put(scope, bench.world.connection, &rule).await.expect("a rule");
    let asked = SlackQuestion {
        place: SlackPlace { channel_id: "C1".into(), root_ts: "1.000001".into() },
        message_ts: "1.000001".into(),
        slack_user_id: "U1".into(),
        asker_id: bench.world.user,
        is_dm: false,
        question: NewQuestion {
            prompt: "Which airlines are there?".into(),
            connection_ids: vec![],
            timezone: "UTC".into(),
            source: ThreadSource::Slack,
        },
    };
    let (thread_id, turn_no) = store.slack_ask(scope, None, &asked).await.expect("a turn");
    assert!(!store.thread_is_sensitive(scope, thread_id).await.expect("a look"), "it names no connection");
    let describe = json!({ "connectionId": bench.world.connection, "table": "airlines" });
    work(&bench, vec![("describe_table", describe), bare_answer()]).await;
    let turns = store.turn_list(scope, thread_id).await.expect("turns");
    let answer = turns[0].answer.as_ref().expect("an answer");
    assert_eq!((turns[0].turn_no, answer.results.len()), (turn_no, 0));
    let steps = store.step_list(scope, thread_id, 0).await.expect("steps");
    assert!(json!(steps[1].body).to_string().contains("JetBlue"), "its samples were told: {steps:?}");
    assert_eq!(store.thread_connections_used(scope, thread_id).await.expect("ids"), [bench.world.connection]);
    assert!(store.thread_is_sensitive(scope, thread_id).await.expect("a look"));
}

/// Names, and that a table is not there, are no data: a search looks at every connection.
#[tokio::test]
async fn what_tables_are_called_is_no_data() {
    let bench = Bench::new().await;
    let started = bench.ask_as(bench.world.user, "Which airlines are there?", false).await;
    let describe = json!({ "connectionId": bench.world.connection, "table": "nope" });
    let search = json!({ "query": "airlines" });
    work(&bench, vec![("search_catalog", search), ("describe_table", describe), bare_answer()]).await;
    let outputs = bench.outputs(&started).await;
    assert_eq!(outputs[0].1["tables"].as_array().map(Vec::len), Some(2));
    assert_eq!(outputs[0].1["tables"][0].get("rowEstimate"), None);
    assert_eq!(code(&outputs[1].1), "unknown_table");
    assert_eq!(used_without_a_result(&bench, &started).await, []);
}

#[tokio::test]
async fn what_a_database_says_of_a_failure_may_quote_its_rows() {
    let bench = Bench::new().await;
    let started = bench.ask_as(bench.world.user, "Which airlines are there?", false).await;
    let failing = bench.sql("SELECT CAST(name AS INTEGER) AS number FROM airlines");
    work(&bench, vec![failing, bare_answer()]).await;
    assert_eq!(code(&bench.outputs(&started).await[0].1), "sql_error");
    assert_eq!(used_without_a_result(&bench, &started).await, [bench.world.connection]);
}

#[tokio::test]
async fn an_earlier_answer_brings_the_connections_of_its_thread() {
    let bench = Bench::new().await;
    bench.ask_as(bench.world.user, "Which airline flew most?", false).await;
    work(&bench, vec![bench.sql(PER_CARRIER), good_answer()]).await;
    let search = |query: &str| vec![("search_catalog", json!({ "query": query })), bare_answer()];
    let told = bench.ask_as(bench.world.user, "And which airline was it?", false).await;
    work(&bench, search("airline that flew most")).await;
    let past = bench.outputs(&told).await[0].1["pastAnswers"].clone();
    assert_eq!(past[0]["headline"], "United Air Lines Inc. flew most: 60 flights.");
    assert_eq!(used_without_a_result(&bench, &told).await, [bench.world.connection]);
    // What was told on is of the same data, whichever thread it was read in first.
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let named = format!("UPDATE thread SET headline = 'zebra' WHERE id = '{}'", told.thread_id);
    bench.world.execute(&named).await;
    let told_on = bench.ask_as(bench.world.user, "Anything?", false).await;
    work(&bench, search("zebra")).await;
    let past = bench.outputs(&told_on).await[0].1["pastAnswers"].clone();
    assert_eq!(past.as_array().map(Vec::len), Some(1), "{past}");
    assert_eq!(used_without_a_result(&bench, &told_on).await, [bench.world.connection]);
    // A search that finds none brings nothing.
    let untold = bench.ask_as(bench.world.user, "Something else?", false).await;
    work(&bench, search("nothing of that")).await;
    assert_eq!(bench.outputs(&untold).await[0].1["pastAnswers"], json!([]));
    assert_eq!(store.thread_connections_used(scope, untold.thread_id).await.expect("ids"), []);
}

#[tokio::test]
async fn an_earlier_thread_of_the_task_brings_its_connections() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let task = bench.world.task(|task| task.prompt = "Flights by airline".into()).await;
    store.task_run(scope, task.id, None).await.expect("a run");
    // An answer that shows no result may tell of what it read all the same.
    let describe = json!({ "connectionId": bench.world.connection, "table": "airlines" });
    work(&bench, vec![("describe_table", describe), bare_answer()]).await;
    let started = store.task_run(scope, task.id, None).await.expect("a run");
    work(&bench, vec![("previous_threads", json!({})), bare_answer()]).await;
    let outputs = bench.outputs(&started).await;
    assert_eq!(outputs[0].1["threads"][0]["headline"], "They are airlines.");
    assert_eq!(used_without_a_result(&bench, &started).await, [bench.world.connection]);
}
