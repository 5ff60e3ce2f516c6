//! The freshness gate: a clock that is stepped, a real worker, and a folder whose data changes.

use std::{fs, sync::Arc};

use agent::scripted::Scripted;
use domain::{
    access::Role,
    answer::Answer,
    delivery::DeliveryKind,
    freshness::{FreshnessCheck, StalePolicy},
    run::{RunReason, RunStatus},
};
use serde_json::json;
use store::{ConnectionChange, Page, Run, Task};

use crate::support::{Bench, PER_CARRIER, good_answer, one_by_one};

/// A world whose connection must be an hour old at most, by the column `loaded_at` of `loads`.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    load(&bench, "2026-03-01T08:30:00Z");
    watch(&bench, Some(check("loads"))).await;
    bench
}

fn check(table: &str) -> FreshnessCheck {
    FreshnessCheck { table: table.into(), column: "loaded_at".into(), max_age_minutes: 60 }
}

async fn watch(bench: &Bench, freshness: Option<FreshnessCheck>) {
    let change = ConnectionChange { freshness: Some(freshness), ..ConnectionChange::default() };
    let (scope, connection) = (&bench.world.scope, bench.world.connection);
    bench.world.store().connection_update(scope, connection, &change, None).await.expect("a change");
}

/// Data were loaded at an instant.
fn load(bench: &Bench, at: &str) {
    let path = bench.folder.path().join("data/loads.csv");
    fs::write(path, format!("batch,loaded_at\n1,2026-02-01T00:00:00Z\n2,{at}\n")).expect("a file");
}

/// A daily task at 09:00 that waits for fresh data.
async fn task(bench: &Bench, policy: StalePolicy) -> Task {
    let connection = bench.world.connection;
    bench
        .world
        .task(|task| {
            task.context.connection_ids = vec![connection];
            task.freshness = serde_json::from_value(json!({"policy": policy})).expect("a gate");
        })
        .await
}

/// What happens at an instant: the scheduler's part, then the worker's. Answers how many runs were claimed.
async fn at(bench: &Bench, instant: &str) -> usize {
    bench.world.set(instant);
    let store = bench.world.store();
    store.run_overdue(10).await.expect("a look");
    store.due_claim(10, None).await.expect("an occurrence");
    bench.agent(Arc::new(model(bench))).run_once().await.expect("runs")
}

fn model(bench: &Bench) -> Scripted {
    Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]))
}

async fn last_run(bench: &Bench, task: &Task) -> Run {
    let runs =
        bench.world.store().run_list(&bench.world.scope, task.id, &Page::first(1)).await.expect("runs");
    runs.values.into_iter().next().expect("a run")
}

async fn answer(bench: &Bench, run: &Run) -> Answer {
    let thread_id = run.thread_id.expect("a thread");
    let turns = bench.world.store().turn_list(&bench.world.scope, thread_id).await.expect("turns");
    turns[0].answer.clone().expect("an answer")
}

async fn kinds(bench: &Bench, task: &Task) -> Vec<DeliveryKind> {
    let page = Page::first(100);
    let told = bench.world.store().delivery_list_of_task(&bench.world.scope, task.id, &page).await;
    told.expect("deliveries").values.into_iter().rev().map(|message| message.kind).collect()
}

#[tokio::test]
async fn fresh_data_is_not_waited_for() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::Skip).await;
    load(&bench, "2026-03-02T08:00:00Z");
    assert_eq!(at(&bench, "2026-03-02T09:00:00Z").await, 1);
    let run = last_run(&bench, &task).await;
    assert_eq!(run.status, RunStatus::Succeeded);
    let sent = answer(&bench, &run).await;
    assert_eq!((sent.stale, sent.caveats.len()), (None, 0));
}

/// While it waits, a run holds nothing: no lease, no thread, no step; and it is looked at every two minutes.
#[tokio::test]
async fn a_run_waits_for_data_that_come_an_hour_later() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::Skip).await;
    assert_eq!(at(&bench, "2026-03-02T09:00:00Z").await, 1);
    let waiting = last_run(&bench, &task).await;
    assert_eq!((waiting.status, waiting.reason), (RunStatus::Waiting, Some(RunReason::StaleData)));
    assert_eq!(
        waiting.message.as_deref(),
        Some(
            "Data of Flights as of Sun 1 Mar 2026, 08:30 (UTC), older than the 60 minutes that are allowed."
        )
    );
    assert_eq!((waiting.thread_id, waiting.started_at, waiting.attempt), (None, None, 0));
    for table in ["thread", "turn", "step", "result", "delivery"] {
        assert_eq!(bench.world.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    assert_eq!(bench.world.number("SELECT count(*) FROM run_queue WHERE lease_token IS NULL").await, 1);
    assert_eq!(at(&bench, "2026-03-02T09:01:59Z").await, 0, "not yet");
    for instant in ["2026-03-02T09:02:00Z", "2026-03-02T09:04:00Z", "2026-03-02T09:59:00Z"] {
        assert_eq!(at(&bench, instant).await, 1, "{instant}");
        assert_eq!(last_run(&bench, &task).await.status, RunStatus::Waiting, "{instant}");
    }
    load(&bench, "2026-03-02T09:55:00Z");
    assert_eq!(at(&bench, "2026-03-02T10:01:00Z").await, 1);
    let run = last_run(&bench, &task).await;
    assert_eq!((run.status, run.reason, run.attempt), (RunStatus::Succeeded, None, 1));
    assert_eq!(run.message, None);
    assert_eq!(run.started_at, Some(testkit::world::at("2026-03-02T10:01:00Z")));
    assert_eq!(answer(&bench, &run).await.stale, None);
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::Answer]);
    assert_eq!(bench.world.number("SELECT count(*) FROM thread").await, 1);
}

#[tokio::test]
async fn stale_data_are_sent_at_the_last_moment_under_a_banner() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::SendStale).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    // The look that would come after the last moment comes right at it.
    assert_eq!(at(&bench, "2026-03-02T10:44:00Z").await, 1);
    assert_eq!(last_run(&bench, &task).await.status, RunStatus::Waiting);
    assert_eq!(at(&bench, "2026-03-02T10:44:59Z").await, 0);
    assert_eq!(at(&bench, "2026-03-02T10:45:00Z").await, 1);
    let run = last_run(&bench, &task).await;
    assert_eq!((run.status, run.late), (RunStatus::Succeeded, false));
    let sent = answer(&bench, &run).await;
    let stale =
        "Data of Flights as of Sun 1 Mar 2026, 08:30 (UTC), older than the 60 minutes that are allowed.";
    assert_eq!(sent.stale.as_deref(), Some(stale));
    assert_eq!(sent.caveats[0], stale);
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::Answer]);
}

#[tokio::test]
async fn stale_data_are_skipped_at_the_last_moment_and_told_once_in_a_row() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::Skip).await;
    for day in ["02", "03"] {
        at(&bench, &format!("2026-03-{day}T09:00:00Z")).await;
        at(&bench, &format!("2026-03-{day}T10:45:00Z")).await;
    }
    assert_eq!(bench.world.fates(task.id).await, ["03-02 skipped stale_data", "03-03 skipped stale_data"]);
    let run = last_run(&bench, &task).await;
    assert!(run.message.expect("a reason").starts_with("Data of Flights as of"));
    assert_eq!((run.thread_id, run.started_at), (None, None), "no thread is left behind");
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::StaleData], "the second day is not told");
    // A day that runs ends the streak.
    load(&bench, "2026-03-04T08:30:00Z");
    at(&bench, "2026-03-04T09:00:00Z").await;
    at(&bench, "2026-03-05T09:00:00Z").await;
    at(&bench, "2026-03-05T10:45:00Z").await;
    assert_eq!(
        kinds(&bench, &task).await,
        [DeliveryKind::StaleData, DeliveryKind::Answer, DeliveryKind::StaleData]
    );
}

/// Fails where an answer alone ends a streak: the creator was not told of the 4th, though on the 3rd the data had come.
#[tokio::test]
async fn a_day_on_which_the_data_came_ends_the_streak_though_its_run_fails() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::Skip).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    at(&bench, "2026-03-02T10:45:00Z").await;
    load(&bench, "2026-03-03T08:30:00Z");
    bench.world.set("2026-03-03T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    let failing = Scripted::by(|_, _| {
        Err(agent::model::ModelError::Unavailable { message: "503".into(), retry_after: None })
    });
    assert_eq!(bench.agent(Arc::new(failing)).run_once().await.expect("a run"), 1);
    assert_eq!(at(&bench, "2026-03-03T11:00:00Z").await, 0);
    at(&bench, "2026-03-04T09:00:00Z").await;
    at(&bench, "2026-03-04T10:45:00Z").await;
    assert_eq!(
        bench.world.fates(task.id).await,
        ["03-02 skipped stale_data", "03-03 failed deadline", "03-04 skipped stale_data"]
    );
    assert_eq!(
        kinds(&bench, &task).await,
        [DeliveryKind::StaleData, DeliveryKind::Failure, DeliveryKind::StaleData]
    );
}

#[tokio::test]
async fn a_check_that_fails_is_named_and_follows_the_policy() {
    let bench = bench().await;
    watch(&bench, Some(check("gone"))).await;
    let skipping = task(&bench, StalePolicy::Skip).await;
    let sending = task(&bench, StalePolicy::SendStale).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    let why = "How fresh Flights is could not be found out: there is no table gone.";
    for task in [&skipping, &sending] {
        let run = last_run(&bench, task).await;
        assert_eq!((run.status, run.reason), (RunStatus::Waiting, Some(RunReason::StaleData)));
        assert_eq!(run.message.as_deref(), Some(why));
    }
    at(&bench, "2026-03-02T10:45:00Z").await;
    let skipped = last_run(&bench, &skipping).await;
    assert_eq!((skipped.status, skipped.message.as_deref()), (RunStatus::Skipped, Some(why)));
    let sent = last_run(&bench, &sending).await;
    assert_eq!(answer(&bench, &sent).await.stale.as_deref(), Some(why));
}

/// A look for which there is no room on the connection is one that failed: the policy decides, not the retries of the run.
///
/// With the connection's being busy passed on as a failure, the run fails at its window's close and neither policy is followed.
#[tokio::test]
async fn a_connection_that_stays_busy_follows_the_policy() {
    let bench = bench().await;
    let (world, connection) = (&bench.world, bench.world.connection);
    // So long a look waits at most.
    let change =
        ConnectionChange { limits: Some(json!({ "timeoutSeconds": 1 })), ..ConnectionChange::default() };
    world.store().connection_update(&world.scope, connection, &change, None).await.expect("a change");
    let task = task(&bench, StalePolicy::Skip).await;
    world
        .execute(&format!(
            "INSERT INTO connection_slot (workspace_id, connection_id, token, taken_at, lease_until)
             SELECT '{}', '{connection}', gen_random_uuid(), now(), 'infinity' FROM generate_series(1, 4)",
            world.scope.workspace_id()
        ))
        .await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    assert_eq!(world.fates(task.id).await, ["03-02 waiting stale_data"]);
    at(&bench, "2026-03-02T10:45:00Z").await;
    assert_eq!(world.fates(task.id).await, ["03-02 skipped stale_data"]);
    let why = last_run(&bench, &task).await.message.expect("a reason");
    assert!(why.starts_with("How fresh Flights is could not be found out: "), "{why}");
}

#[tokio::test]
async fn a_connection_that_is_not_watched_counts_as_fresh() {
    let bench = bench().await;
    watch(&bench, None).await;
    let task = task(&bench, StalePolicy::Skip).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    assert_eq!(last_run(&bench, &task).await.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn what_a_person_starts_never_waits() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::Skip).await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    for test_to in [None, Some(bench.world.user)] {
        store.task_run(scope, task.id, test_to).await.expect("a run");
        bench.agent(Arc::new(model(&bench))).run_once().await.expect("a run");
        let run = last_run(&bench, &task).await;
        assert_eq!(run.status, RunStatus::Succeeded);
        assert!(answer(&bench, &run).await.stale.is_some());
    }
}

/// Nobody was there while the window was open: its last moment is over.
///
/// Fails where a late run is let through whatever its task's policy: who does not want stale data was sent it.
#[tokio::test]
async fn what_is_late_does_not_wait_and_follows_the_policy() {
    let bench = bench().await;
    let skipping = task(&bench, StalePolicy::Skip).await;
    let sending = task(&bench, StalePolicy::SendStale).await;
    assert_eq!(at(&bench, "2026-03-02T12:00:00Z").await, 2);
    assert_eq!(bench.world.fates(skipping.id).await, ["03-02 skipped stale_data"]);
    assert_eq!(kinds(&bench, &skipping).await, [DeliveryKind::StaleData]);
    assert_eq!(bench.world.fates(sending.id).await, ["03-02 succeeded late"]);
    assert!(answer(&bench, &last_run(&bench, &sending).await).await.stale.is_some());
    // Where its data is fresh, a late run is sent as any other.
    load(&bench, "2026-03-03T08:30:00Z");
    at(&bench, "2026-03-03T12:00:00Z").await;
    let run = last_run(&bench, &skipping).await;
    assert_eq!((run.status, run.late), (RunStatus::Succeeded, true));
    assert_eq!(answer(&bench, &run).await.stale, None);
}

#[tokio::test]
async fn a_pause_while_it_waits_skips_the_run() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::SendStale).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    bench.world.store().task_pause(&bench.world.scope, task.id).await.expect("a pause");
    assert_eq!(at(&bench, "2026-03-02T10:45:00Z").await, 0);
    let run = last_run(&bench, &task).await;
    assert_eq!((run.status, run.reason), (RunStatus::Skipped, Some(RunReason::Paused)));
    assert_eq!(run.message.as_deref(), Some("The task was paused."), "not what it had waited for");
}

/// Its window opened before the expiration: that occurrence exists and goes its way.
#[tokio::test]
async fn an_expiration_while_it_waits_leaves_the_occurrence_alone() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::SendStale).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    let ends = Some(testkit::world::at("2026-03-02T09:30:00Z"));
    bench.world.store().task_extend(&bench.world.scope, task.id, ends).await.expect("an expiration");
    bench.world.set("2026-03-02T09:30:00Z");
    assert_eq!(bench.world.store().task_expire(10).await.expect("a look"), 1);
    load(&bench, "2026-03-02T09:40:00Z");
    assert_eq!(at(&bench, "2026-03-02T09:41:00Z").await, 1);
    assert_eq!(bench.world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn a_deactivation_while_it_waits_cancels_the_run() {
    let bench = bench().await;
    let mia = bench.world.member("mia", Role::Admin).await;
    let connection = bench.world.connection;
    let task = bench
        .world
        .task_of(&bench.world.scope, mia, |task| {
            task.context.connection_ids = vec![connection];
            task.freshness = serde_json::from_value(json!({"policy": "send_stale"})).ok();
        })
        .await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    assert_eq!(last_run(&bench, &task).await.status, RunStatus::Waiting);
    bench.world.store().member_deactivate(&bench.world.scope, mia).await.expect("a deactivation");
    assert_eq!(at(&bench, "2026-03-02T10:45:00Z").await, 0);
    let run = last_run(&bench, &task).await;
    assert_eq!((run.status, run.reason), (RunStatus::Cancelled, Some(RunReason::CreatorDeactivated)));
}

/// The workers were away at the last moment: the run is as one that never started, and runs late, or is missed.
#[tokio::test]
async fn a_run_whose_workers_vanished_while_it_waited_runs_late_or_is_missed() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::SendStale).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    assert_eq!(at(&bench, "2026-03-02T12:00:00Z").await, 1);
    assert_eq!(bench.world.fates(task.id).await, ["03-02 succeeded late"]);
    at(&bench, "2026-03-03T09:00:00Z").await;
    // The next day's occurrence finds nothing in its way.
    at(&bench, "2026-03-04T09:00:00Z").await;
    assert_eq!(
        bench.world.fates(task.id).await,
        ["03-02 succeeded late", "03-03 missed downtime", "03-04 waiting stale_data"]
    );
}

/// With a grace period of two days, yesterday's run still waits when today's is due: it gives way, as one that never started.
#[tokio::test]
async fn a_waiting_run_gives_way_to_the_next_days() {
    let bench = bench().await;
    bench.world.execute("UPDATE workspace SET grace_seconds = 172800").await;
    let task = task(&bench, StalePolicy::SendStale).await;
    at(&bench, "2026-03-02T09:00:00Z").await;
    bench.world.set("2026-03-03T09:00:00Z");
    bench.world.store().run_overdue(10).await.expect("a look");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    assert_eq!(bench.world.fates(task.id).await, ["03-02 missed superseded", "03-03 queued"]);
}

/// A worker that was killed in the middle of a look leaves a run that is looked at again, and not one past the gate.
#[tokio::test]
async fn a_killed_look_is_taken_up_again() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::Skip).await;
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    bench.world.claim_one().await;
    bench.world.set("2026-03-02T09:01:01Z");
    assert_eq!(bench.world.store().run_rescue(10).await.expect("a rescue"), 1);
    assert_eq!(at(&bench, "2026-03-02T09:01:02Z").await, 1);
    let run = last_run(&bench, &task).await;
    assert_eq!((run.status, run.reason), (RunStatus::Waiting, Some(RunReason::StaleData)));
}

/// A turn that has begun is not put back: what it found is kept, and it goes on.
#[tokio::test]
async fn a_turn_that_has_begun_goes_on_past_the_gate() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::Skip).await;
    load(&bench, "2026-03-02T08:30:00Z");
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    let failing = Scripted::by({
        let sql = bench.sql(PER_CARRIER);
        move |_, before| match before {
            0 => Ok(agent::scripted::calling(std::slice::from_ref(&sql))),
            _ => Err(agent::model::ModelError::Unavailable { message: "503".into(), retry_after: None }),
        }
    });
    bench.agent(Arc::new(failing)).run_once().await.expect("a run");
    assert_eq!(last_run(&bench, &task).await.reason, Some(RunReason::ModelUnavailable));
    watch(&bench, Some(check("gone"))).await;
    assert_eq!(at(&bench, "2026-03-02T09:00:30Z").await, 1);
    let run = last_run(&bench, &task).await;
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.message);
    assert!(answer(&bench, &run).await.stale.expect("a banner").contains("could not be found out"));
}

/// Without the note of what is stale, the answer tells when a connection was last loaded and counts as one of no data.
#[tokio::test]
async fn what_is_said_of_stale_data_comes_from_its_connection() {
    let bench = bench().await;
    let task = task(&bench, StalePolicy::SendStale).await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    for (loaded, is_stale) in [("2026-03-01T08:30:00Z", true), ("2026-03-02T07:59:00Z", false)] {
        load(&bench, loaded);
        let started = store.task_run(scope, task.id, None).await.expect("a run");
        let model = Scripted::new(one_by_one(vec![("answer", json!({ "headline": "They are airlines." }))]));
        bench.agent(Arc::new(model)).run_once().await.expect("a run");
        assert_eq!(bench.answer(&started).await.stale.is_some(), is_stale);
        let used = store.thread_connections_used(scope, started.thread_id).await.expect("ids");
        assert_eq!(used == [bench.world.connection], is_stale, "{used:?}");
    }
}
