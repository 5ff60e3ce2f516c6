//! A worker that dies loses nothing, and repeats nothing that had finished.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use agent::scripted::Scripted;
use chrono::TimeDelta;
use domain::{run::RunStatus, step::StepBody};
use serde_json::json;

use crate::support::{Bench, PER_CARRIER, good_answer, one_by_one};

/// Polls a future up to `polls` times and then drops it: a worker killed wherever it happened to wait.
async fn killed_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Kills a turn at one place after the other, from its first wait to its last, and lets another worker finish it.
///
/// With `DatabaseJournal::open` made to answer no steps, this fails: every model call is repeated.
#[tokio::test]
async fn a_turn_killed_anywhere_goes_on_from_its_last_step() {
    let bench = Bench::new().await;
    let spec = json!({ "mark": "bar", "encoding": {
        "y": { "field": "name", "type": "nominal" }, "x": { "field": "flights", "type": "quantitative" } } });
    let transcript = one_by_one(vec![
        ("search_catalog", json!({ "query": "flights" })),
        bench.sql(PER_CARRIER),
        ("create_chart", json!({ "result": "r1", "title": "Flights", "spec": spec })),
        good_answer(),
    ]);
    let replies = transcript.len();
    let mut kept_steps_seen = std::collections::BTreeSet::new();
    // How often a turn is polled varies with the machine's load, and so between which of its eight steps the kills fall: a
    // turn that came to its end begins the round anew.
    let mut rounds = 0;
    let mut polls = 1;
    loop {
        let started = bench.ask("Which airline flew most?").await;
        let first = Arc::new(Scripted::new(transcript.clone()));
        let finished = killed_after(polls, bench.agent(first.clone()).run_once()).await;
        let kept = bench.steps(&started).await;
        let results =
            bench.world.store().result_list(&bench.world.scope, started.thread_id).await.expect("results");
        if let Some(finished) = finished {
            finished.expect("a run");
            assert_eq!(kept.len(), 2 * replies);
            if kept_steps_seen.len() > replies {
                break;
            }
            rounds += 1;
            assert!(rounds < 20, "killed at {kept_steps_seen:?} recorded steps");
            polls = 1 + rounds % 2;
            continue;
        }
        kept_steps_seen.insert(kept.len());
        bench.world.step(TimeDelta::seconds(61));
        let second = Arc::new(Scripted::new(transcript.clone()));
        let agent = bench.agent(second.clone());
        // The database rolls back what the dropped worker had open in its own time.
        while !bench.run(&started).await.status.is_final() {
            bench.world.store().run_rescue(100).await.expect("a rescue");
            agent.run_once().await.expect("a run");
        }
        let steps = bench.steps(&started).await;
        assert_eq!(steps[..kept.len()], kept[..], "killed after {polls} polls: what was recorded stays");
        assert_eq!(steps.len(), 2 * replies);
        let kept_replies = kept.iter().filter(|step| matches!(step, StepBody::Model { .. })).count();
        assert_eq!(
            second.calls(),
            replies - kept_replies,
            "killed after {polls} polls: a finished reply was asked again"
        );
        let after =
            bench.world.store().result_list(&bench.world.scope, started.thread_id).await.expect("results");
        assert_eq!(after.len(), 1, "killed after {polls} polls: a query ran twice");
        if let Some(before) = results.first() {
            assert_eq!(after[0], *before, "killed after {polls} polls: a stored result was replaced");
        }
        let run = bench.run(&started).await;
        assert_eq!(run.status, RunStatus::Succeeded);
        assert_eq!((run.usage.tokens_in, run.usage.queries), (400, 1), "killed after {polls} polls");
        let answer = bench.answer(&started).await;
        assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc. flew most: 60 flights.");
        assert_eq!(answer.figures.len(), 4);
        polls += 2;
    }
}

/// With the note after the step, or in memory alone, a worker that dies in between leaves a thread that counts as one of no data.
#[tokio::test]
async fn what_a_killed_turn_was_given_stays_known() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let transcript = one_by_one(vec![
        ("describe_table", json!({ "connectionId": connection, "table": "airlines" })),
        ("answer", json!({ "headline": "They are airlines." })),
    ]);
    let mut was_killed_after_reading = false;
    // As above, where a busy machine skips the very place.
    let mut rounds = 0;
    let mut polls = 1;
    loop {
        let started = bench.ask_as(bench.world.user, "Which airlines are there?", false).await;
        let first = Arc::new(Scripted::new(transcript.clone()));
        let finished = killed_after(polls, bench.agent(first).run_once()).await;
        let has_read = bench
            .steps(&started)
            .await
            .iter()
            .any(|step| matches!(step, StepBody::Tool { name, .. } if name == "describe_table"));
        let used = store.thread_connections_used(scope, started.thread_id).await.expect("ids");
        assert!(!has_read || used == [connection], "killed after {polls} polls: {used:?}");
        if let Some(finished) = finished {
            finished.expect("a run");
            assert_eq!(used, [connection]);
            if was_killed_after_reading {
                break;
            }
            rounds += 1;
            assert!(rounds < 20, "never killed after it had read");
            polls = 1 + rounds % 2;
            continue;
        }
        was_killed_after_reading |= has_read;
        bench.world.step(TimeDelta::seconds(61));
        let agent = bench.agent(Arc::new(Scripted::new(transcript.clone())));
        while !bench.run(&started).await.status.is_final() {
            store.run_rescue(100).await.expect("a rescue");
            agent.run_once().await.expect("a run");
        }
        let used = store.thread_connections_used(scope, started.thread_id).await.expect("ids");
        assert_eq!(used, [connection], "killed after {polls} polls");
        polls += 2;
    }
}
