//! What counts as a task's history, and when its people are told of a quiet week.

use domain::{
    answer::Answer,
    check::{Check, Verdict},
    delivery::DeliveryKind,
    run::{RunReason, Usage},
    schedule::Schedule,
    step::StepBody,
    task::TaskSpec,
};
use serde_json::json;
use store::{ClaimedRun, NewCheck, Page, Task};
use testkit::World;

fn only_above(spec: &mut TaskSpec, value: u32) {
    let condition = json!({ "kind": "threshold", "comparison": "above", "value": value });
    spec.condition = serde_json::from_value(condition).expect("a condition");
}

/// Has a worker take up the occurrence that is due at this instant of March 2026: `09T09:40`.
async fn begun(world: &World, instant: &str) -> ClaimedRun {
    world.set(&format!("2026-03-{instant}:00Z"));
    world.store().due_claim(10, None).await.expect("an occurrence");
    world.claim_one().await
}

/// Ends a run that took a step and found so many flights.
async fn conclude(world: &World, run: &ClaimedRun, flights: f64, verdict: Verdict) {
    let body = StepBody::Notice { text: "Looking.".into() };
    world.store().step_begin(run, &body, 1).await.expect("a step");
    let mut check = Check::not_evaluated(format!("{flights} flights"));
    (check.verdict, check.value, check.column) = (verdict, Some(flights), Some("flights".into()));
    let (answer, usage) = (Answer::default(), Usage::default());
    let checked = NewCheck { check, rows_digest: None };
    world.store().run_conclude(&run.scope, &run.lease, &answer, &usage, &checked).await.expect("an end");
}

async fn quiet(world: &World, instant: &str) {
    conclude(world, &begun(world, instant).await, 1.0, Verdict::DoesNotHold).await;
}

async fn sent(world: &World, instant: &str) {
    conclude(world, &begun(world, instant).await, 2.0, Verdict::Holds).await;
}

/// How many flights each run found that counts as history, oldest first.
async fn history(world: &World, task: &Task) -> Vec<u32> {
    let found = world.store().check_history(&world.scope, task.id, Some("flights")).await;
    found.expect("a history").history.values.into_iter().map(|flights| flights as u32).collect()
}

/// How often its creator was told of a quiet week.
async fn told(world: &World, task: &Task) -> usize {
    let all = world.store().delivery_list_of_task(&world.scope, task.id, &Page::first(100)).await;
    let all = all.expect("deliveries").values;
    all.iter().filter(|message| message.kind == DeliveryKind::NoNews).count()
}

async fn edit(world: &World, task: &Task, change: impl FnOnce(&mut TaskSpec)) {
    let read = world.store().task_get(&world.scope, task.id).await.expect("a look").expect("the task");
    let mut spec = read.spec();
    change(&mut spec);
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    world.store().task_update(&world.scope, task.id, &spec, &schedule, None).await.expect("an edit");
}

#[tokio::test]
async fn a_run_that_was_under_way_while_its_question_changed_is_no_history_of_the_new_one() {
    let world = World::new().await;
    let task = world.task(|spec| only_above(spec, 150)).await;
    let old = begun(&world, "02T09:30").await;
    world.set("2026-03-02T09:31:00Z");
    edit(&world, &task, |spec| spec.prompt = "How many delays?".into()).await;
    world.set("2026-03-02T09:32:00Z");
    conclude(&world, &old, 100.0, Verdict::DoesNotHold).await;
    assert!(history(&world, &task).await.is_empty());
    // The next one asks the new question.
    let new = begun(&world, "03T09:30").await;
    conclude(&world, &new, 7.0, Verdict::DoesNotHold).await;
    assert_eq!(history(&world, &task).await, [7]);
    // So does one that was queued before an edit, and taken up after it.
    world.set("2026-03-04T09:30:00Z");
    world.store().due_claim(10, None).await.expect("an occurrence");
    edit(&world, &task, |spec| only_above(spec, 5)).await;
    let asked_anew = begun(&world, "04T09:31").await;
    conclude(&world, &asked_anew, 8.0, Verdict::Holds).await;
    assert_eq!(history(&world, &task).await, [8]);
}

/// The attempt that failed before its first step left nothing; the one after it read the question anew.
#[tokio::test]
async fn a_run_that_was_tried_again_after_its_question_changed_is_history_of_the_new_one() {
    let world = World::new().await;
    let task = world.task(|spec| only_above(spec, 150)).await;
    let failed = begun(&world, "02T09:30").await;
    let (reason, usage) = (RunReason::ModelUnavailable, Usage::default());
    world
        .store()
        .run_fail(&failed.scope, &failed.lease, reason, "it is down", &usage)
        .await
        .expect("a failure");
    edit(&world, &task, |spec| spec.prompt = "How many delays?".into()).await;
    world.set("2026-03-02T09:40:00Z");
    let retried = world.claim_one().await;
    assert_eq!((retried.attempt, retried.prompt.as_str()), (2, "How many delays?"));
    conclude(&world, &retried, 7.0, Verdict::DoesNotHold).await;
    assert_eq!(history(&world, &task).await, [7]);
}

#[tokio::test]
async fn a_run_by_hand_is_of_the_question_that_it_was_asked_with() {
    let world = World::new().await;
    let task = world.task(|spec| only_above(spec, 150)).await;
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    world.set("2026-03-02T08:01:00Z");
    edit(&world, &task, |spec| spec.prompt = "How many delays?".into()).await;
    world.set("2026-03-02T08:02:00Z");
    conclude(&world, &world.claim_one().await, 100.0, Verdict::DoesNotHold).await;
    assert!(history(&world, &task).await.is_empty());
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    conclude(&world, &world.claim_one().await, 7.0, Verdict::DoesNotHold).await;
    assert_eq!(history(&world, &task).await, [7]);
}

/// Its occurrences are seven dates apart, however late in its day a run ends: by instants, each late one would put the next word
/// off by a week.
#[tokio::test]
async fn a_weekly_task_that_was_late_one_monday_has_word_of_a_quiet_week_the_next() {
    let world = World::new().await;
    let task = world.task(|spec| {
        only_above(spec, 150);
        let schedule =
            json!({ "cadence": "weekly", "weekdays": ["mon"], "windowStart": "09:00", "timezone": "UTC" });
        spec.schedule = serde_json::from_value(schedule).expect("a schedule");
    });
    let task = task.await;
    sent(&world, "02T15:00").await;
    quiet(&world, "09T09:40").await;
    assert_eq!(told(&world, &task).await, 1, "a week after a late answer");
    quiet(&world, "16T15:00").await;
    assert_eq!(told(&world, &task).await, 2);
    quiet(&world, "23T09:40").await;
    assert_eq!(told(&world, &task).await, 3, "a week after late word");
    // The answer of the second of March was sent, and is none of the quiet checks of the week after it.
    let after = testkit::world::at("2026-03-02T09:40:00Z");
    let listed = async |until: &str| {
        let until = testkit::world::at(until);
        world.store().check_list(&world.scope, task.id, after, until, 100).await.expect("checks").len()
    };
    assert_eq!(listed("2026-03-23T09:40:00Z").await, 3);
    assert_eq!(listed("2026-03-23T09:39:59Z").await, 2, "and none of those after its end");
}

#[tokio::test]
async fn a_daily_task_has_word_of_a_quiet_week_once_in_seven_dates() {
    let world = World::new().await;
    let task = world.task(|spec| only_above(spec, 150)).await;
    sent(&world, "02T15:00").await;
    let mut told_on = Vec::new();
    for day in 3..=23 {
        let before = told(&world, &task).await;
        // Late words put off nothing either.
        let hour = if day == 9 { "15:00" } else { "09:40" };
        quiet(&world, &format!("{day:02}T{hour}")).await;
        if told(&world, &task).await > before {
            told_on.push(day);
        }
    }
    assert_eq!(told_on, [9, 16, 23]);
}

/// An answer to a run by hand has no date: the week is counted from its end.
#[tokio::test]
async fn an_answer_to_a_run_by_hand_ends_the_quiet_from_its_instant_on() {
    let world = World::new().await;
    let task = world.task(|spec| only_above(spec, 150)).await;
    world.set("2026-03-02T12:00:00Z");
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    conclude(&world, &world.claim_one().await, 200.0, Verdict::Holds).await;
    for day in 3..=9 {
        quiet(&world, &format!("{day:02}T09:40")).await;
        assert_eq!(told(&world, &task).await, 0, "day {day}");
    }
    quiet(&world, "10T09:40").await;
    assert_eq!(told(&world, &task).await, 1);
}
