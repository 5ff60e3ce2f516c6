//! Rule 11: retries of transient failures stay inside the window; at its close the run fails with its last error. What a retry
//! cannot mend fails at once.

use chrono::TimeDelta;
use domain::{
    delivery::DeliveryKind,
    run::{RunReason, RunStatus},
    step::{ModelProvider, StepBody},
};
use store::{AfterFailure, Page, Run};
use testkit::{World, world::at};

use crate::{fail, notices, tick};

/// A world in which the day's run of the one task has just been queued.
async fn queued() -> (World, store::Task) {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    (world, task)
}

async fn newest(world: &World, task: &store::Task) -> Run {
    world.store().run_list(&world.scope, task.id, &Page::first(1)).await.expect("runs").values.remove(0)
}

#[tokio::test]
async fn retries_stay_inside_the_window_and_the_close_is_a_failure() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let mut waits = Vec::new();
    loop {
        tick(&world).await;
        let Some(run) = world.claim().await.pop() else { break };
        let AfterFailure::RetryAt(retry_at) = fail(&world, &run, RunReason::ModelUnavailable).await else {
            break;
        };
        waits.push((retry_at - world.database.time.now()).num_seconds());
        world.database.time.set(retry_at - TimeDelta::milliseconds(1));
        assert!(world.claim().await.is_empty(), "not before its time");
        world.database.time.set(retry_at);
    }
    assert_eq!(&waits[..5], [30, 120, 480, 900, 900]);
    // The last wait would end after the close: at the close it fails.
    assert!(world.database.time.now() >= at("2026-03-02T11:00:00Z"));
    assert_eq!(world.fates(task.id).await, ["03-02 failed deadline"]);
    let run =
        world.store().run_list(&world.scope, task.id, &Page::first(1)).await.expect("runs").values.remove(0);
    assert_eq!(run.message.as_deref(), Some("it failed"));
    assert_eq!(run.attempt as usize, waits.len());
}

#[tokio::test]
async fn the_waits_are_30_seconds_2_minutes_8_minutes_and_then_15_minutes_each() {
    let (world, task) = queued().await;
    let mut started = Vec::new();
    while let Some(run) = world.claim().await.pop() {
        started.push((world.database.time.now() - at("2026-03-02T09:00:00Z")).num_seconds());
        let AfterFailure::RetryAt(retry_at) = fail(&world, &run, RunReason::ConnectionFailed).await else {
            break;
        };
        assert_eq!(newest(&world, &task).await.status, RunStatus::Waiting);
        world.database.time.set(retry_at);
        tick(&world).await;
    }
    // 10 min 30 s after the opening, and then every quarter of an hour until 11:00.
    assert_eq!(started, [0, 30, 150, 630, 1_530, 2_430, 3_330, 4_230, 5_130, 6_030, 6_930]);
}

#[tokio::test]
async fn at_the_very_close_a_waiting_run_fails_with_its_last_error_and_is_told() {
    let (world, task) = queued().await;
    fail(&world, &world.claim_one().await, RunReason::ModelUnavailable).await;
    world.set("2026-03-02T10:59:59Z");
    let run = world.claim_one().await;
    let again = world
        .store()
        .run_fail(
            &run.scope,
            &run.lease,
            RunReason::ConnectionFailed,
            "the last error",
            &domain::run::Usage::default(),
        )
        .await
        .expect("a failure");
    assert!(matches!(again, AfterFailure::RetryAt(_)));
    tick(&world).await;
    assert_eq!(newest(&world, &task).await.status, RunStatus::Waiting, "until the close");
    world.set("2026-03-02T11:00:00Z");
    tick(&world).await;
    let run = newest(&world, &task).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::Deadline)));
    assert_eq!(run.message.as_deref(), Some("the last error"));
    assert_eq!(notices(&world, task.id).await, [DeliveryKind::Failure]);
}

#[tokio::test]
async fn a_run_that_is_at_work_over_the_close_may_end_but_is_not_tried_again() {
    let (world, task) = queued().await;
    let run = world.claim_one().await;
    world.set("2026-03-02T10:59:30Z");
    world.store().run_heartbeat(&[run.lease]).await.expect("a heartbeat");
    world.set("2026-03-02T11:00:00Z");
    tick(&world).await;
    world.store().run_check(&run.scope, &run.lease).await.expect("it goes on");
    assert_eq!(fail(&world, &run, RunReason::ModelUnavailable).await, AfterFailure::Ended);
    assert_eq!(world.fates(task.id).await, ["03-02 failed model_unavailable"]);
}

#[tokio::test]
async fn a_late_run_is_retried_within_the_grace_period() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T16:59:00Z");
    tick(&world).await;
    let failed = fail(&world, &world.claim_one().await, RunReason::ModelUnavailable).await;
    let AfterFailure::RetryAt(again_at) = failed else { panic!("{failed:?}") };
    world.database.time.set(again_at);
    let again = world.claim_one().await;
    assert_eq!((again.attempt, again.late), (2, true));
    fail(&world, &again, RunReason::ModelUnavailable).await;
    world.set("2026-03-02T17:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 failed deadline late"]);
}

#[tokio::test]
async fn a_failure_that_a_retry_cannot_mend_fails_at_once() {
    for reason in [
        RunReason::ReauthenticationRequired,
        RunReason::AccessLost,
        RunReason::ConnectionDeleted,
        RunReason::InvalidContext,
        RunReason::LimitReached,
    ] {
        let (world, task) = queued().await;
        assert_eq!(fail(&world, &world.claim_one().await, reason).await, AfterFailure::Ended);
        let run = newest(&world, &task).await;
        assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(reason)));
        assert_eq!(run.finished_at, Some(world.database.time.now()));
        assert_eq!(notices(&world, task.id).await, [DeliveryKind::Failure]);
    }
}

#[tokio::test]
async fn a_run_without_credits_waits_inside_its_window_and_runs_when_they_return() {
    let (world, task) = queued().await;
    let grant = async |amount: &str| {
        let amount = amount.parse().expect("an amount");
        world.store().credit_grant(&world.scope, amount, "a test").await.expect("a grant");
    };
    grant("1").await;
    let run = world.claim_one().await;
    world.store().step_begin(&run, &reply_for(2.0), 1).await.expect("a step");
    assert_eq!(fail(&world, &run, RunReason::BlockedByCredits).await, AfterFailure::WaitsForCredits);
    for minutes in [1, 30, 80] {
        world.step(TimeDelta::minutes(minutes));
        tick(&world).await;
        assert!(world.claim().await.is_empty(), "nothing can be done about it");
        assert_eq!(world.fates(task.id).await, ["03-02 waiting blocked_by_credits"]);
    }
    grant("5").await;
    let run = world.claim_one().await;
    world.succeed(&run).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
    assert!(notices(&world, task.id).await.is_empty(), "nothing has failed");
}

/// A model's reply that costs so many credits.
fn reply_for(credits: f64) -> StepBody {
    StepBody::Model {
        model: "openai:some-model".into(),
        provider: ModelProvider::Server,
        text: String::new(),
        tool_calls: vec![],
        tokens_in: 10,
        tokens_out: 1,
        credits,
    }
}

#[tokio::test]
async fn a_run_by_hand_has_no_window_to_be_tried_again_in() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    assert_eq!(fail(&world, &run, RunReason::ModelUnavailable).await, AfterFailure::Ended);
    assert_eq!(world.fates(task.id).await, ["manual failed model_unavailable"]);
    assert!(notices(&world, task.id).await.is_empty(), "whoever asked sees it");
}

#[tokio::test]
async fn a_run_that_was_handed_back_has_not_used_up_an_attempt() {
    let (world, _) = queued().await;
    let run = world.claim_one().await;
    world.store().run_release(&[run.lease]).await.expect("handed back");
    let run = world.claim_one().await;
    assert_eq!(run.attempt, 1);
    let retry_at = world.database.time.now() + TimeDelta::seconds(30);
    assert_eq!(fail(&world, &run, RunReason::Internal).await, AfterFailure::RetryAt(retry_at));
}

/// Fails where a rescue counts the attempt: the failure was waited out as a third one, for 8 minutes.
#[tokio::test]
async fn workers_that_vanished_make_the_wait_after_a_failure_no_longer() {
    let (world, task) = queued().await;
    for _ in 0..2 {
        world.claim_one().await;
        world.step(TimeDelta::seconds(60));
        assert_eq!(tick(&world).await.rescued, 1);
    }
    let run = world.claim_one().await;
    assert_eq!(run.attempt, 1);
    let retry_at = world.database.time.now() + TimeDelta::seconds(30);
    assert_eq!(fail(&world, &run, RunReason::ModelUnavailable).await, AfterFailure::RetryAt(retry_at));
    assert_eq!(newest(&world, &task).await.attempt, 1);
}

/// Fails where having waited for credits counts as a failure: the first one was waited out as a second one, for 2 minutes.
#[tokio::test]
async fn having_waited_for_credits_makes_the_wait_after_a_failure_no_longer() {
    let (world, _) = queued().await;
    let grant = async |amount: &str| {
        let amount = amount.parse().expect("an amount");
        world.store().credit_grant(&world.scope, amount, "a test").await.expect("a grant");
    };
    grant("1").await;
    let run = world.claim_one().await;
    world.store().step_begin(&run, &reply_for(2.0), 1).await.expect("a step");
    assert_eq!(fail(&world, &run, RunReason::BlockedByCredits).await, AfterFailure::WaitsForCredits);
    grant("5").await;
    // There are credits by now: it goes on at once, and nothing has failed yet.
    let now = world.database.time.now();
    let run = world.claim_one().await;
    assert_eq!(fail(&world, &run, RunReason::BlockedByCredits).await, AfterFailure::RetryAt(now));
    let run = world.claim_one().await;
    let retry_at = now + TimeDelta::seconds(30);
    assert_eq!(fail(&world, &run, RunReason::ModelUnavailable).await, AfterFailure::RetryAt(retry_at));
}

#[tokio::test]
async fn a_failure_that_a_retry_cannot_mend_ends_the_run_and_is_told_once_per_streak() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let fail_on = async |day: u32| {
        world.set(&format!("2026-03-0{day}T09:00:00Z"));
        tick(&world).await;
        let run = world.claim_one().await;
        assert_eq!(fail(&world, &run, RunReason::AccessLost).await, AfterFailure::Ended);
    };
    fail_on(2).await;
    fail_on(3).await;
    world.set("2026-03-04T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.succeed(&run).await;
    fail_on(5).await;
    let told = world
        .store()
        .delivery_list_of_task(&world.scope, task.id, &Page::first(20))
        .await
        .expect("deliveries");
    let mut notices: Vec<_> =
        told.values.into_iter().filter(|told| told.kind != DeliveryKind::Answer).collect();
    notices.sort_by_key(|notice| notice.created_at);
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [DeliveryKind::Failure, DeliveryKind::Recovery, DeliveryKind::Failure]);
}
