//! Backtests: a task's last occurrences tried out, from the first to the report.

use std::sync::Arc;

use agent::{
    model::{Message, ModelError},
    scripted::{Scripted, calling, replies_so_far},
};
use chrono::Datelike as _;
use domain::{
    BacktestId,
    check::Verdict,
    credit_cap::CreditCaps,
    run::{RunReason, RunStatus},
    schedule::{Schedule, Window},
};
use serde_json::json;
use store::{BacktestOccurrence, CapOf, Conflict, Page, Task};

use crate::support::Bench;

/// A daily task at 09:00 that is sent when its number is 10% above the last one.
async fn task(bench: &Bench) -> Task {
    let connection = bench.world.connection;
    let condition = json!({"kind": "percent_change", "percent": 10, "direction": "up"});
    let made = bench.world.task(|task| {
        task.prompt = "How many flights were there yesterday?".into();
        task.context.connection_ids = vec![connection];
        task.condition = Some(serde_json::from_value(condition).expect("a condition"));
    });
    made.await
}

async fn windows(bench: &Bench, task: &Task, count: usize) -> Vec<Window> {
    let schedule = Schedule::parse(task.schedule.clone(), "").expect("a schedule");
    let now = bench.world.store().now().await.expect("the time");
    let mut windows: Vec<_> = schedule.windows_until(now).take(count).collect();
    windows.reverse();
    windows
}

/// A model that finds what `found` says for the day of the month on which it believes to be. It asks for earlier threads first.
fn model(bench: &Bench, found: fn(u32) -> u32) -> Scripted {
    let connection = bench.world.connection;
    Scripted::by(move |request, _| {
        let day = request.messages.iter().find_map(|message| match message {
            Message::Context(context) => Some(context.now.day()),
            _ => None,
        });
        let flights = found(day.unwrap_or_default());
        if flights == 0 {
            return Err(ModelError::Refused { message: "not today".into() });
        }
        let call = match replies_so_far(request) {
            0 => ("previous_threads", json!({})),
            1 => {
                let sql = format!("SELECT {flights} AS flights");
                ("run_sql", json!({ "connectionId": connection, "sql": sql }))
            }
            _ => {
                let named = json!({ "result": "r1", "column": "flights" });
                let headline = "{{r1[0].flights|number}} flights.";
                ("answer", json!({ "headline": headline, "results": ["r1"], "check": named }))
            }
        };
        Ok(calling(&[call]))
    })
}

async fn report(bench: &Bench, task: &Task, id: BacktestId) -> (bool, Vec<BacktestOccurrence>) {
    let found = bench.world.store().backtest_get(&bench.world.scope, task.id, id).await.expect("a look");
    let (backtest, occurrences) = found.expect("the backtest");
    (backtest.finished_at.is_some(), occurrences)
}

fn statuses(occurrences: &[BacktestOccurrence]) -> Vec<Option<RunStatus>> {
    occurrences.iter().map(|one| one.run.as_ref().map(|run| run.status)).collect()
}

/// How many earlier threads each occurrence was told of.
async fn told_of(bench: &Bench, occurrences: &[BacktestOccurrence]) -> Vec<usize> {
    let mut told = Vec::new();
    for occurrence in occurrences {
        let thread_id = occurrence.run.as_ref().expect("a run").thread_id;
        let steps = bench.world.store().step_list(&bench.world.scope, thread_id, 0).await.expect("steps");
        let output = steps.iter().find_map(|step| match &step.body {
            domain::step::StepBody::Tool { name, output, .. } if name == "previous_threads" => Some(output),
            _ => None,
        });
        told.push(output.and_then(|output| output["threads"].as_array()).map_or(0, Vec::len));
    }
    told
}

#[tokio::test]
async fn occurrences_run_one_after_the_other_beside_each_other_and_nothing_is_sent() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let task = task(&bench).await;
    // A run of the task itself: nothing that a backtest builds on.
    store.task_run(scope, task.id, None).await.expect("a run");
    let agent = bench.agent(Arc::new(model(&bench, |_| 1_000)));
    agent.run_once().await.expect("a run");
    let own = bench.world.number("SELECT count(*) FROM delivery").await;

    bench.world.set("2026-03-12T12:00:00Z");
    let before = store.task_get(scope, task.id).await.expect("a look").expect("the task");
    let tested = windows(&bench, &task, 3).await;
    assert_eq!(tested.iter().map(|window| window.date.day()).collect::<Vec<_>>(), [10, 11, 12]);
    let id = store.backtest_start(scope, task.id, &tested).await.expect("a backtest");
    let second = store.backtest_start(scope, task.id, &tested).await.expect_err("a refusal");
    assert!(matches!(second, store::Error::Conflict(Conflict::BacktestUnderWay)));
    let found = |day| if day == 11 { 101 } else { 100 + day };
    assert_eq!(bench.agent(Arc::new(model(&bench, found))).run_once().await.expect("runs"), 3);

    let (is_over, occurrences) = report(&bench, &task, id).await;
    assert!(is_over);
    // 110, 101, 112: the first counts by itself, 101 is less, 112 is 10.9% more.
    let checks: Vec<_> = occurrences
        .iter()
        .map(|one| one.run.as_ref().and_then(|run| run.check.as_ref()).expect("a check").verdict)
        .collect();
    assert_eq!(checks, [Verdict::First, Verdict::DoesNotHold, Verdict::Holds]);
    assert_eq!(
        statuses(&occurrences),
        [Some(RunStatus::Succeeded), Some(RunStatus::NoNews), Some(RunStatus::Succeeded)]
    );
    let last = occurrences[2].run.as_ref().expect("a run");
    let answer = last.answer.as_ref().expect("an answer");
    assert_eq!(answer.fill(&answer.headline), "112 flights.");
    assert!(
        answer.why.as_deref().is_some_and(|why| why.starts_with("It would have been sent, because")),
        "{:?}",
        answer.why
    );
    assert_eq!(told_of(&bench, &occurrences).await, [0, 1, 2]);
    assert!(
        occurrences.iter().all(|one| one.run.as_ref().is_some_and(|run| run.credits > 0.5)),
        "each costs"
    );

    // The task itself is as it was: nothing sent, no run and no thread more.
    assert_eq!(bench.world.number("SELECT count(*) FROM delivery").await, own);
    let after = store.task_get(scope, task.id).await.expect("a look").expect("the task");
    assert_eq!((after.last_run, after.latest_thread_id), (before.last_run, before.latest_thread_id));
    let runs = store.run_list(scope, task.id, &Page::first(10)).await.expect("runs").values;
    assert_eq!(runs.len(), 1);
    // Nor does a later run of the task build on it.
    store.task_run(scope, task.id, None).await.expect("a run");
    bench.agent(Arc::new(model(&bench, |_| 1_200))).run_once().await.expect("a run");
    let runs = store.run_list(scope, task.id, &Page::first(1)).await.expect("runs").values;
    let checked = runs[0].check.as_ref().expect("a check");
    assert_eq!((checked.verdict, checked.previous), (Verdict::Holds, Some(1_000.0)));
}

#[tokio::test]
async fn a_run_without_an_answer_ends_the_backtest() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let task = task(&bench).await;
    bench.world.set("2026-03-12T12:00:00Z");
    let tested = windows(&bench, &task, 3).await;
    let id = store.backtest_start(scope, task.id, &tested).await.expect("a backtest");
    let fails = model(&bench, |day| if day == 11 { 0 } else { 100 });
    assert_eq!(bench.agent(Arc::new(fails)).run_once().await.expect("runs"), 2);
    let (is_over, occurrences) = report(&bench, &task, id).await;
    assert!(is_over);
    assert_eq!(statuses(&occurrences), [Some(RunStatus::Succeeded), Some(RunStatus::Failed), None]);

    // A task's cap holds for them as for any run, which is said.
    let caps = CreditCaps { per_run: None, per_month: Some(1.0) };
    store.credit_cap_set(scope, CapOf::Task(task.id), &caps).await.expect("a cap");
    let id = store.backtest_start(scope, task.id, &tested).await.expect("another");
    bench.agent(Arc::new(model(&bench, |_| 100))).run_once().await.expect("runs");
    let (is_over, occurrences) = report(&bench, &task, id).await;
    assert!(is_over);
    let failed: Vec<_> =
        occurrences.iter().filter_map(|one| one.run.as_ref().and_then(|run| run.reason)).collect();
    assert_eq!(failed, [RunReason::CapReached]);
}

#[tokio::test]
async fn a_backtest_stands_in_no_occurrences_way_and_ends_with_its_task() {
    let bench = Bench::new().await;
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let task = task(&bench).await;
    bench.world.set("2026-03-02T08:00:00Z");
    let tested = windows(&bench, &task, 2).await;
    let id = store.backtest_start(scope, task.id, &tested).await.expect("a backtest");
    let claimed = bench.world.claim_one().await;
    bench.world.set("2026-03-02T10:59:00Z");
    store.due_claim(10, None).await.expect("an occurrence");
    assert_eq!(bench.world.fates(task.id).await, ["03-02 queued"]);

    bench.world.succeed(&claimed).await;
    store.task_delete(scope, task.id).await.expect("deleted");
    let left = "SELECT count(*) FROM backtest WHERE finished_at IS NULL";
    assert_eq!(bench.world.number(left).await, 0);
    assert!(store.backtest_get(scope, task.id, id).await.expect("a look").is_some());
}
