//! Conditions, from a task's schedule to what is sent and what is not.

use std::{fs, sync::Arc};

use agent::{
    Analyst,
    scripted::{Scripted, calling},
};
use domain::{
    access::Role,
    answer::Answer,
    check::{Check, Verdict},
    delivery::DeliveryKind,
    run::{RunReason, RunStatus, Usage},
};
use serde_json::{Value, json};
use store::{Delivery, Page, Run, Task};

use crate::support::{Bench, code, one_by_one};

/// One number: how many flights there are.
const COUNT: &str = "SELECT count(*) AS flights FROM flights";

fn threshold(comparison: &str, value: u32) -> Value {
    json!({"kind": "threshold", "comparison": comparison, "value": value})
}

/// A daily task at 09:00 with a condition.
async fn task(bench: &Bench, condition: &Value) -> Task {
    let connection = bench.world.connection;
    bench
        .world
        .task(|task| {
            task.prompt = "How many flights are there?".into();
            task.context.connection_ids = vec![connection];
            task.condition = serde_json::from_value(condition.clone()).expect("a condition");
        })
        .await
}

/// So many flights are in the data from now on.
fn set_flights(bench: &Bench, count: usize) {
    let mut lines = vec!["flight,carrier,dep_delay\n".to_owned()];
    lines.extend((0..count).map(|number| format!("{number},UA,1\n")));
    fs::write(bench.folder.path().join("data/flights.csv"), lines.concat()).expect("a file");
}

/// An answer from `sql` that names what is checked, unless `check` is null.
fn model(bench: &Bench, sql: &str, check: &Value) -> Scripted {
    let mut answer = json!({"headline": "{{r1[0].flights|number}} flights.", "results": ["r1"]});
    if !check.is_null() {
        answer["check"] = check.clone();
    }
    Scripted::new(one_by_one(vec![bench.sql(sql), ("answer", answer)]))
}

/// Runs the occurrence of a day in March 2026.
async fn run_day(bench: &Bench, day: u32, model: Scripted) {
    bench.world.set(&format!("2026-03-{day:02}T09:00:00Z"));
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    assert_eq!(bench.agent(Arc::new(model)).run_once().await.expect("a run"), 1);
}

/// Runs the occurrence of a day over so many flights.
async fn count_on(bench: &Bench, day: u32, flights: usize) {
    set_flights(bench, flights);
    run_day(bench, day, model(bench, COUNT, &json!({"result": "r1", "column": "flights"}))).await;
}

async fn last_run(bench: &Bench, task: &Task) -> Run {
    let runs =
        bench.world.store().run_list(&bench.world.scope, task.id, &Page::first(1)).await.expect("runs");
    runs.values.into_iter().next().expect("a run")
}

async fn check(bench: &Bench, task: &Task) -> Check {
    last_run(bench, task).await.check.expect("a check")
}

async fn answer(bench: &Bench, run: &Run) -> Answer {
    let thread_id = run.thread_id.expect("a thread");
    let turns = bench.world.store().turn_list(&bench.world.scope, thread_id).await.expect("turns");
    turns[0].answer.clone().expect("an answer")
}

/// The messages about a task, oldest first.
async fn messages(bench: &Bench, task: &Task) -> Vec<Delivery> {
    let page = Page::first(100);
    let told = bench.world.store().delivery_list_of_task(&bench.world.scope, task.id, &page).await;
    told.expect("deliveries").values.into_iter().rev().collect()
}

async fn kinds(bench: &Bench, task: &Task) -> Vec<DeliveryKind> {
    messages(bench, task).await.iter().map(|message| message.kind).collect()
}

#[tokio::test]
async fn an_answer_is_sent_only_when_its_condition_holds() {
    let bench = Bench::new().await;
    let task = task(&bench, &threshold("above", 150)).await;
    count_on(&bench, 2, 100).await;
    let run = last_run(&bench, &task).await;
    assert_eq!((run.status, run.reason), (RunStatus::NoNews, None));
    let checked = run.check.clone().expect("a check");
    assert_eq!(checked.verdict, Verdict::DoesNotHold);
    assert_eq!(checked.sentence, "flights 100 is not above 150");
    assert_eq!((checked.value, checked.column.as_deref()), (Some(100.0), Some("flights")));
    assert_eq!(checked.compared.as_deref(), Some("flights in the only row of r1"));
    // It keeps its thread and its answer, and nobody is told.
    let kept = answer(&bench, &run).await;
    assert_eq!(kept.fill(&kept.headline), "100 flights.");
    assert_eq!(kept.why.as_deref(), Some("Nothing was sent, because flights 100 is not above 150."));
    assert_eq!(kept.checked.expect("what was checked").column.as_deref(), Some("flights"));
    assert!(messages(&bench, &task).await.is_empty());

    count_on(&bench, 3, 200).await;
    let run = last_run(&bench, &task).await;
    assert_eq!(run.status, RunStatus::Succeeded);
    assert_eq!(answer(&bench, &run).await.why.as_deref(), Some("Sent because flights 200 is above 150."));
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::Answer]);
    assert_eq!(bench.world.fates(task.id).await, ["03-02 no_news", "03-03 succeeded"]);
}

#[tokio::test]
async fn a_test_is_always_sent_and_running_now_obeys_the_condition() {
    let bench = Bench::new().await;
    let task = task(&bench, &threshold("above", 150)).await;
    let (store, scope, user) = (bench.world.store(), &bench.world.scope, bench.world.user);
    let named = json!({"result": "r1", "column": "flights"});
    store.task_run(scope, task.id, Some(user)).await.expect("a test");
    bench.agent(Arc::new(model(&bench, COUNT, &named))).run_once().await.expect("a run");
    let run = last_run(&bench, &task).await;
    assert_eq!(run.status, RunStatus::Succeeded);
    assert_eq!(run.check.as_ref().expect("a check").verdict, Verdict::DoesNotHold);
    assert_eq!(
        answer(&bench, &run).await.why.as_deref(),
        Some("A test: on schedule nothing would be sent, because flights 100 is not above 150.")
    );
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::Answer]);

    // The newest run is told by its time.
    bench.world.step(chrono::TimeDelta::seconds(1));
    store.task_run(scope, task.id, None).await.expect("a run");
    bench.agent(Arc::new(model(&bench, COUNT, &named))).run_once().await.expect("a run");
    assert_eq!(last_run(&bench, &task).await.status, RunStatus::NoNews);
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::Answer], "still only the test's");
}

#[tokio::test]
async fn a_change_is_measured_against_the_last_finished_run_and_a_test_is_none() {
    let bench = Bench::new().await;
    let condition = json!({"kind": "percent_change", "direction": "up", "percent": 10});
    let task = task(&bench, &condition).await;
    count_on(&bench, 2, 100).await;
    let first = last_run(&bench, &task).await;
    assert_eq!(first.status, RunStatus::Succeeded);
    let why = answer(&bench, &first).await.why.expect("a reason");
    assert_eq!(
        why,
        "Sent because this is the first run that counts: flights 100, and there is no earlier run to compare with."
    );
    count_on(&bench, 3, 109).await;
    assert_eq!(check(&bench, &task).await.sentence, "flights 109 is up 9% from 100, not up by at least 10%");
    // A test in between is not what the next run is compared with.
    set_flights(&bench, 300);
    let named = json!({"result": "r1", "column": "flights"});
    bench.world.store().task_run(&bench.world.scope, task.id, Some(bench.world.user)).await.expect("a test");
    bench.agent(Arc::new(model(&bench, COUNT, &named))).run_once().await.expect("a run");
    count_on(&bench, 4, 120).await;
    let checked = check(&bench, &task).await;
    assert_eq!((checked.verdict, checked.previous), (Verdict::Holds, Some(109.0)));
    assert_eq!(checked.sentence, "flights 120 is up 10.09% from 109");
    // Another question has no history yet, whatever the old one found.
    let mut spec =
        bench.world.store().task_get(&bench.world.scope, task.id).await.expect("a look").expect("it").spec();
    spec.prompt = "How many flights were there, really?".into();
    let schedule = domain::schedule::Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    bench
        .world
        .store()
        .task_update(&bench.world.scope, task.id, &spec, &schedule, None)
        .await
        .expect("a change");
    count_on(&bench, 5, 120).await;
    assert_eq!(check(&bench, &task).await.verdict, Verdict::First);
}

#[tokio::test]
async fn rows_that_are_the_same_in_another_order_are_no_news() {
    let bench = Bench::new().await;
    let task = task(&bench, &json!({"kind": "changed"})).await;
    let by = |direction: &str| {
        format!("SELECT carrier, count(*) AS flights FROM flights GROUP BY 1 ORDER BY 2 {direction}")
    };
    for (day, direction, verdict) in
        [(2, "ASC", Verdict::First), (3, "DESC", Verdict::DoesNotHold), (4, "ASC", Verdict::DoesNotHold)]
    {
        run_day(&bench, day, model(&bench, &by(direction), &json!({"result": "r1"}))).await;
        assert_eq!(check(&bench, &task).await.verdict, verdict, "day {day}");
    }
    set_flights(&bench, 7);
    run_day(&bench, 5, model(&bench, &by("ASC"), &json!({"result": "r1"}))).await;
    let checked = check(&bench, &task).await;
    assert_eq!(checked.sentence, "1 row, where there were 3 last time");
    assert_eq!(checked.verdict, Verdict::Holds);
}

#[tokio::test]
async fn an_anomaly_takes_a_history_and_then_only_what_is_unusual_is_sent() {
    let bench = Bench::new().await;
    let task = task(&bench, &json!({"kind": "anomaly"})).await;
    for day in 2..9 {
        count_on(&bench, day, 100 + day as usize % 3).await;
        assert!(check(&bench, &task).await.verdict.sends(), "day {day}: what is usual is not known yet");
    }
    count_on(&bench, 9, 101).await;
    assert_eq!(check(&bench, &task).await.verdict, Verdict::DoesNotHold);
    count_on(&bench, 10, 160).await;
    let checked = check(&bench, &task).await;
    assert_eq!(checked.verdict, Verdict::Holds);
    assert!(checked.sentence.starts_with("flights 160 lies outside"), "{}", checked.sentence);
}

#[tokio::test]
async fn what_cannot_be_evaluated_is_sent_and_says_so() {
    let bench = Bench::new().await;
    let task =
        task(&bench, &json!({"kind": "threshold", "comparison": "below", "value": 5, "column": "revenue"}))
            .await;
    run_day(&bench, 2, model(&bench, COUNT, &Value::Null)).await;
    let run = last_run(&bench, &task).await;
    assert_eq!(run.status, RunStatus::Succeeded);
    assert_eq!(run.check.as_ref().expect("a check").verdict, Verdict::NotEvaluated);
    let sent = answer(&bench, &run).await;
    assert_eq!(sent.caveats, ["Sent though its condition could not be evaluated: r1 has no column revenue."]);
    // An answer that shows no result, too.
    let refusal = Scripted::new(vec![calling(&[("answer", json!({"headline": "I cannot tell."}))])]);
    run_day(&bench, 3, refusal).await;
    assert_eq!(check(&bench, &task).await.sentence, "the answer rests on no result");
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::Answer, DeliveryKind::Answer]);
}

#[tokio::test]
async fn the_agent_is_told_the_condition_and_a_wrong_check_comes_back_to_be_mended() {
    let bench = Bench::new().await;
    let condition = json!({"kind": "threshold", "comparison": "below", "value": 500, "column": "flights"});
    let task = task(&bench, &condition).await;
    let answered =
        |check: Value| ("answer", json!({"headline": "Done.", "results": ["r1", "r2"], "check": check}));
    let scripted = Arc::new(Scripted::new(one_by_one(vec![
        bench.sql("SELECT count(*) AS all_flights FROM flights"),
        bench.sql(COUNT),
        answered(json!({"result": "r9"})),
        answered(json!({"result": "r1", "column": "all_flights"})),
        answered(json!({"result": "r2", "column": "flights"})),
    ])));
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    bench.agent(scripted.clone()).run_once().await.expect("a run");
    let told = format!("{:?}", scripted.asked()[0].messages);
    assert!(told.contains("flights") && told.contains("Threshold"), "{told}");
    let run = last_run(&bench, &task).await;
    let steps = bench.world.store().step_list(&bench.world.scope, run.thread_id.expect("a thread"), 0).await;
    let codes: Vec<String> = steps
        .expect("steps")
        .iter()
        .filter_map(|step| match &step.body {
            domain::step::StepBody::Tool { name, output, .. } if name == "answer" => {
                Some(code(output).to_owned())
            }
            _ => None,
        })
        .collect();
    assert_eq!(codes, ["unknown_result", "unfit_check", "none"]);
    let checked = run.check.expect("a check");
    assert_eq!((checked.handle.as_deref(), checked.verdict), (Some("r2"), Verdict::Holds));
}

#[tokio::test]
async fn without_a_word_of_the_agent_the_rule_picks() {
    let bench = Bench::new().await;
    let pinned = json!({"kind": "threshold", "comparison": "above", "value": 50, "column": "FLIGHTS"});
    let task = task(&bench, &pinned).await;
    let scripted = Scripted::new(one_by_one(vec![
        bench.sql("SELECT count(*) AS airlines FROM airlines"),
        bench.sql(COUNT),
        ("answer", json!({"headline": "Done.", "results": ["r1", "r2"]})),
    ]));
    run_day(&bench, 2, scripted).await;
    let checked = check(&bench, &task).await;
    assert_eq!(checked.handle.as_deref(), Some("r2"), "the first that has the pinned column");
    assert_eq!((checked.value, checked.verdict), (Some(100.0), Verdict::Holds));
}

#[tokio::test]
async fn the_builtin_analyst_names_what_its_answer_rests_on() {
    let bench = Bench::new().await;
    let task = task(&bench, &threshold("below", 50)).await;
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    let run = last_run(&bench, &task).await;
    assert_eq!(run.status, RunStatus::NoNews, "{:?}", run.message);
    let kept = answer(&bench, &run).await;
    assert_eq!(kept.checked.expect("what was checked").column.as_deref(), Some("flights"));
    assert_eq!(run.check.expect("a check").sentence, "flights 100 is not below 50");
}

#[tokio::test]
async fn a_week_without_news_is_told_to_creator_and_recipients_once() {
    let bench = Bench::new().await;
    let mia = bench.world.member("mia", Role::Member).await;
    let connection = bench.world.connection;
    let task = bench
        .world
        .task(|task| {
            task.context.connection_ids = vec![connection];
            task.notification.user_ids = vec![mia];
            task.notification.attach_csv = true;
            task.condition = serde_json::from_value(threshold("above", 150)).ok();
        })
        .await;
    for day in 2..=8 {
        count_on(&bench, day, 90 + day as usize).await;
    }
    assert!(messages(&bench, &task).await.is_empty(), "six days are no week");
    count_on(&bench, 9, 99).await;
    let told = messages(&bench, &task).await;
    assert!(told.iter().all(|message| message.kind == DeliveryKind::NoNews), "{told:?}");
    let mut recipients: Vec<_> = told.iter().map(|message| message.user_id.expect("a member")).collect();
    recipients.sort_unstable();
    let mut expected = [mia, bench.world.user];
    expected.sort_unstable();
    assert_eq!(recipients, expected);
    let run = last_run(&bench, &task).await;
    assert_eq!((run.status, run.deliveries.pending), (RunStatus::NoNews, 0), "it is no answer");
    // Once a week, not from then on every day.
    for day in 10..=15 {
        count_on(&bench, day, 100).await;
    }
    assert_eq!(messages(&bench, &task).await.len(), 2);
    count_on(&bench, 16, 100).await;
    assert_eq!(messages(&bench, &task).await.len(), 4);
    // News ends the quiet, and it takes another week.
    count_on(&bench, 17, 200).await;
    for day in 18..=23 {
        count_on(&bench, day, 100).await;
    }
    assert_eq!(messages(&bench, &task).await.len(), 5);
    count_on(&bench, 24, 100).await;
    assert_eq!(messages(&bench, &task).await.len(), 7);
    let (after, until) = ("2026-03-17T12:00:00Z", "2026-03-25T00:00:00Z");
    let past = bench
        .world
        .store()
        .check_list(&bench.world.scope, task.id, testkit::world::at(after), testkit::world::at(until), 3)
        .await
        .expect("checks");
    let days: Vec<_> = past.iter().map(|past| past.checked_at.format("%d").to_string()).collect();
    assert_eq!(days, ["22", "23", "24"]);
}

/// Fails where the thread counts as one of its own queries alone: whoever may not see Payroll is told what was found in it.
#[tokio::test]
async fn what_an_earlier_run_found_counts_as_data_of_the_connection_that_it_asked() {
    let bench = Bench::new().await;
    let (world, store) = (&bench.world, bench.world.store());
    let condition = json!({"kind": "percent_change", "direction": "up", "percent": 10});
    let task = task(&bench, &condition).await;
    count_on(&bench, 2, 100).await;
    // As of a task that names no connection.
    let payroll = testkit::world::connection(store, &world.scope, world.user, "Payroll").await;
    world.execute(&format!("UPDATE result SET connection_id = '{payroll}'")).await;
    count_on(&bench, 3, 200).await;
    let run = last_run(&bench, &task).await;
    assert!(answer(&bench, &run).await.why.expect("a reason").contains("from 100"));
    let thread_id = run.thread_id.expect("a thread");
    let mut used = store.thread_connections_used(&world.scope, thread_id).await.expect("ids");
    let mut expected = [world.connection, payroll];
    used.sort_unstable();
    expected.sort_unstable();
    assert_eq!(used, expected);
}

/// A quiet run is a good one: it ends a streak of failures.
#[tokio::test]
async fn no_news_is_no_failure() {
    let bench = Bench::new().await;
    let task = task(&bench, &threshold("above", 150)).await;
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    let run = bench.world.claim_one().await;
    let usage = Usage::default();
    let reason = RunReason::InvalidContext;
    bench
        .world
        .store()
        .run_fail(&run.scope, &run.lease, reason, "it failed", &usage)
        .await
        .expect("a failure");
    count_on(&bench, 3, 100).await;
    assert_eq!(bench.world.fates(task.id).await, ["03-02 failed invalid_context", "03-03 no_news"]);
    assert_eq!(kinds(&bench, &task).await, [DeliveryKind::Failure, DeliveryKind::Recovery]);
    let (scope, user) = (&bench.world.scope, bench.world.user);
    let notices = bench.world.store().notice_list(scope, user, &Page::first(9)).await;
    let notices = notices.expect("notices").values;
    assert_eq!(notices[0].headline, format!("“{}” works again.", task.title));
    assert_eq!(notices[0].advice, "Its last run went well.", "no message was sent");
}
