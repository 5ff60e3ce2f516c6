//! Rule 8: a pause stops at once what is queued and lets go on what has started; resuming backfills nothing. Deactivation of
//! the creator is harder: a started run stops before its next step and sends nothing.

use chrono::TimeDelta;
use domain::{
    TaskId, UserId,
    access::Role,
    answer::Answer,
    delivery::DeliveryState,
    run::{RunReason, Usage},
    step::StepBody,
    task::TaskStatus,
};
use store::{AfterHold, Conflict, DeliveryOutcome, Error, Page, Scope};
use testkit::{
    World,
    world::{at, claim_deliveries},
};

use crate::{before_its_time, edit, fail, run_once, tick};

#[tokio::test]
async fn a_pause_skips_what_is_queued_and_the_task_fires_no_more() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let paused = world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    assert_eq!((paused.status, paused.next), (TaskStatus::Paused, None));
    assert!(world.claim().await.is_empty());
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 0);
    assert_eq!(world.fates(task.id).await, ["03-02 skipped paused"]);
}

#[tokio::test]
async fn a_started_run_of_a_paused_task_ends_well() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    world.store().run_check(&run.scope, &run.lease).await.expect("it goes on");
    world.succeed(&run).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn a_run_that_waits_for_its_retry_has_started_and_goes_on_through_a_pause() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    fail(&world, &world.claim_one().await, RunReason::ModelUnavailable).await;
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    world.step(TimeDelta::seconds(30));
    let run = world.claim_one().await;
    world.succeed(&run).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
}

/// A worker that looks for fresh data holds the run, and a pause finds nothing that waits. Once it is put back it waits.
///
/// Fails where `run_hold` does not ask whether the task was paused: the run waited for its data and was sent.
#[tokio::test]
async fn a_pause_while_a_worker_looks_for_fresh_data_skips_the_run_as_it_is_put_back() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    assert_eq!(world.fates(task.id).await, ["03-02 running"]);
    let held = world.store().run_hold(&run.scope, &run.lease, "the data is a day old").await;
    assert_eq!(held.expect("a hold"), AfterHold::Skipped);
    assert_eq!(world.fates(task.id).await, ["03-02 skipped paused"]);
    world.step(TimeDelta::minutes(2));
    tick(&world).await;
    assert!(world.claim().await.is_empty());
    assert!(world.store().run_heartbeat(&[run.lease]).await.expect("a heartbeat").is_empty());
}

/// Fails where `run_hold` asks the task, which is active again by then: the run waited for its data and was sent.
#[tokio::test]
async fn a_pause_that_is_over_before_the_look_for_fresh_data_ends_skips_the_run_as_well() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let (store, scope) = (world.store(), &world.scope);
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    store.task_pause(scope, task.id).await.expect("a pause");
    let resumed = store.task_resume(scope, task.id).await.expect("resumed");
    assert_eq!(resumed.next.expect("a next occurrence").window.opens_at, at("2026-03-03T09:00:00Z"));
    let held = store.run_hold(&run.scope, &run.lease, "the data is a day old").await;
    assert_eq!(held.expect("a hold"), AfterHold::Skipped);
    assert_eq!(world.fates(task.id).await, ["03-02 skipped paused"]);
    // The next one knows nothing of that pause.
    world.set("2026-03-03T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    let held = store.run_hold(&run.scope, &run.lease, "the data is a day old").await;
    assert_eq!(held.expect("a hold"), AfterHold::LookAt(at("2026-03-03T09:02:00Z")));
}

const BLOCKED: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

/// Fails where the pause looks for waiting runs before it has locked the task's runs, and not again.
#[tokio::test]
async fn a_pause_finds_a_run_that_is_being_put_back_at_that_very_moment() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.claim_one().await;
    let mut worker = world.superuser().await;
    sqlx::raw_sql(
        "BEGIN;
         UPDATE run_queue SET lease_token = NULL, lease_until = NULL, worker = NULL;
         UPDATE run SET started_at = NULL, attempt = 0, status = 'waiting', reason = 'stale_data';
         SELECT FROM task FOR SHARE",
    )
    .execute(&mut worker)
    .await
    .expect("a hold that is not committed");
    let (store, scope, id) = (world.store().clone(), world.scope, task.id);
    let pausing = tokio::spawn(async move { store.task_pause(&scope, id).await });
    while world.number(BLOCKED).await == 0 {}
    sqlx::raw_sql("COMMIT").execute(&mut worker).await.expect("a commit");
    pausing.await.expect("a task").expect("a pause");
    assert_eq!(world.fates(task.id).await, ["03-02 skipped paused"]);
}

/// The other way round: the pause was first, and the hold waits for it. Fails where the hold asks what the pause has left with the
/// run before it has locked that.
#[tokio::test]
async fn a_run_that_is_put_back_waits_for_the_pause_that_is_being_written() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    let mut person = world.superuser().await;
    sqlx::raw_sql("BEGIN; SELECT FROM task FOR SHARE")
        .execute(&mut person)
        .await
        .expect("a task that is held");
    let (store, scope, id) = (world.store().clone(), world.scope, task.id);
    let pausing = tokio::spawn(async move { store.task_pause(&scope, id).await });
    while world.number(BLOCKED).await == 0 {}
    let store = world.store().clone();
    let holding = tokio::spawn(async move { store.run_hold(&run.scope, &run.lease, "a day old").await });
    while world.number(BLOCKED).await < 2 {}
    sqlx::raw_sql("COMMIT").execute(&mut person).await.expect("a commit");
    pausing.await.expect("a task").expect("a pause");
    assert_eq!(holding.await.expect("a task").expect("a hold"), AfterHold::Skipped);
    assert_eq!(world.fates(task.id).await, ["03-02 skipped paused"]);
}

/// Its window has opened, its own time in it has not come: the pause takes it, and rule 6 wants its row.
#[tokio::test]
async fn a_pause_between_the_opening_and_the_tasks_own_time_skips_the_occurrence() {
    let (world, task) = before_its_time(|_| ()).await;
    let (store, scope) = (world.store(), &world.scope);
    store.task_pause(scope, task.id).await.expect("a pause");
    assert_eq!(world.fates(task.id).await, ["03-02 skipped paused"]);
    // Back before its time has come: it is over for today.
    let next = store.task_resume(scope, task.id).await.expect("resumed").next.expect("a next occurrence");
    assert_eq!(next.window.opens_at, at("2026-03-03T09:00:00Z"));
    world.database.time.set(next.due_at - TimeDelta::milliseconds(1));
    assert_eq!(tick(&world).await.queued, 0);
    world.database.time.set(next.due_at);
    run_once(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 skipped paused", "03-03 succeeded"]);
}

#[tokio::test]
async fn a_date_that_a_pause_skipped_before_its_time_does_not_come_again() {
    let (world, task) = before_its_time(|_| ()).await;
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    edit(&world, task.id, |spec| spec.schedule.window_start = "20:00".into()).await;
    let resumed = world.store().task_resume(&world.scope, task.id).await.expect("resumed");
    assert_eq!(resumed.next.expect("a next occurrence").window.opens_at, at("2026-03-03T20:00:00Z"));
}

#[tokio::test]
async fn a_deactivation_and_a_deletion_before_the_tasks_own_time_cancel_the_occurrence() {
    let (world, task) = before_its_time(|_| ()).await;
    let (erin, _, erins) = erins_task(&world).await;
    // Made just now, it first opens tomorrow.
    world.set("2026-03-03T09:00:00Z");
    tick(&world).await;
    world.store().member_deactivate(&world.scope, erin).await.expect("a deactivation");
    assert_eq!(world.fates(erins).await, ["03-03 cancelled creator_deactivated"]);
    world.store().task_delete(&world.scope, task.id).await.expect("a deletion");
    let cancelled = format!(
        "SELECT count(*) FROM run WHERE task_id = '{}' AND occurrence_date = '2026-03-03'
           AND status = 'cancelled' AND reason = 'task_deleted'",
        task.id
    );
    assert_eq!(world.number(&cancelled).await, 1);
}

/// No tick has come to what was due for days.
#[tokio::test]
async fn a_deactivation_while_the_schedulers_are_down_loses_no_fate() {
    let world = World::new().await;
    let (erin, _, task) = erins_task(&world).await;
    world.set("2026-03-04T09:30:00Z");
    world.store().member_deactivate(&world.scope, erin).await.expect("a deactivation");
    assert_eq!(
        world.fates(task).await,
        ["03-02 missed downtime", "03-03 missed downtime", "03-04 cancelled creator_deactivated"]
    );
}

#[tokio::test]
async fn a_run_by_hand_that_is_queued_is_skipped_by_a_pause_too() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    // A paused task can be run by hand.
    world.step(TimeDelta::seconds(1));
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    assert_eq!(world.fates(task.id).await, ["manual skipped paused", "manual succeeded"]);
}

#[tokio::test]
async fn a_task_that_was_paused_over_its_window_fires_in_the_next_one() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let (store, scope) = (world.store(), &world.scope);
    for (paused, resumed, next) in [
        // Before the window; from before into it; inside it; from inside it to after it; over two days.
        ("2026-03-02T08:10:00Z", "2026-03-02T08:20:00Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T08:30:00Z", "2026-03-02T09:30:00Z", "2026-03-03T09:00:00Z"),
        ("2026-03-03T09:10:00Z", "2026-03-03T09:20:00Z", "2026-03-04T09:00:00Z"),
        ("2026-03-04T10:59:59Z", "2026-03-04T11:00:00Z", "2026-03-05T09:00:00Z"),
        ("2026-03-05T08:00:00Z", "2026-03-07T08:59:59Z", "2026-03-07T09:00:00Z"),
    ] {
        world.set(paused);
        tick(&world).await;
        store.task_pause(scope, task.id).await.expect("a pause");
        tick(&world).await;
        world.set(resumed);
        tick(&world).await;
        let resumed = store.task_resume(scope, task.id).await.expect("resumed");
        assert_eq!(resumed.next.expect("a next occurrence").window.opens_at, at(next));
        tick(&world).await;
    }
    // The 2nd never came about: its window opened while the task was paused.
    assert_eq!(world.fates(task.id).await, ["03-03 skipped paused", "03-04 skipped paused"]);
    world.set("2026-03-07T09:00:00Z");
    run_once(&world).await;
}

#[tokio::test]
async fn resuming_backfills_nothing_and_starts_strictly_after_its_moment() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    world.set("2026-03-04T09:00:00Z");
    let resumed = world.store().task_resume(&world.scope, task.id).await.expect("resumed");
    // 09:00 sharp is not strictly after 09:00.
    assert_eq!(resumed.next.expect("a next occurrence").window.opens_at, at("2026-03-05T09:00:00Z"));
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_edit_of_a_paused_task_is_what_it_resumes_with() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    let edited = edit(&world, task.id, |spec| spec.schedule.window_start = "14:00".into()).await;
    assert_eq!((edited.status, edited.next), (TaskStatus::Paused, None));
    let resumed = world.store().task_resume(&world.scope, task.id).await.expect("resumed");
    assert_eq!(resumed.next.expect("a next occurrence").window.opens_at, at("2026-03-02T14:00:00Z"));
}

#[tokio::test]
async fn deactivating_the_creator_cancels_everything_at_once_and_for_good() {
    let world = World::new().await;
    let erin = world.member("erin", Role::Editor).await;
    let scope = world.store().user_scopes(erin).await.expect("scopes").remove(0);
    let (running, queued) =
        (world.task_of(&scope, erin, |_| ()).await, world.task_of(&scope, erin, |_| ()).await);
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let (run, other): (Vec<_>, Vec<_>) =
        world.claim().await.into_iter().partition(|run| run.task_id == Some(running.id));
    world.store().run_release(&[other[0].lease]).await.expect("handed back");
    let run = &run[0];
    world.store().member_deactivate(&world.scope, erin).await.expect("a deactivation");
    let stopped = world.store().run_check(&run.scope, &run.lease).await;
    assert!(matches!(stopped, Err(Error::RunStopped(RunReason::CreatorDeactivated))));
    world.store().run_stop(&run.scope, &run.lease, &Usage::default()).await.expect("a stop");
    for task in [running.id, queued.id] {
        assert_eq!(world.fates(task).await, ["03-02 cancelled creator_deactivated"]);
    }
    let told = world
        .store()
        .delivery_list_of_task(&world.scope, running.id, &Page::first(9))
        .await
        .expect("deliveries");
    assert!(told.values.is_empty(), "nothing is sent");

    world.store().member_reactivate(&world.scope, erin).await.expect("a reactivation");
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 0);
    for task in [running.id, queued.id] {
        let read = world.store().task_get(&world.scope, task).await.expect("a read").expect("the task");
        assert_eq!(read.status, TaskStatus::Cancelled);
        let resumed = world.store().task_resume(&world.scope, task).await;
        assert!(matches!(resumed, Err(Error::Conflict(Conflict::TaskCancelled))));
    }
}

/// Another member, what they may touch, and a task of theirs that also tells the admin.
async fn erins_task(world: &World) -> (UserId, Scope, TaskId) {
    let erin = world.member("erin", Role::Editor).await;
    let scope = world.store().user_scopes(erin).await.expect("scopes").remove(0);
    let admin = world.user;
    let task = world.task_of(&scope, erin, |spec| spec.notification.user_ids.push(admin)).await;
    (erin, scope, task.id)
}

#[tokio::test]
async fn a_run_in_the_midst_of_its_steps_stops_before_the_next_and_sends_nothing() {
    let world = World::new().await;
    let (erin, _, task) = erins_task(&world).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    let store = world.store();
    let step = async || {
        let body = StepBody::Notice { text: "one more".to_owned() };
        store.step_begin(&run, &body, 1).await
    };
    step().await.expect("a step");
    store.member_deactivate(&world.scope, erin).await.expect("a deactivation");
    // Reactivation revives nothing.
    store.member_reactivate(&world.scope, erin).await.expect("a reactivation");
    let refused = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::RunStopped(RunReason::CreatorDeactivated))), "{result:?}");
    };
    refused(step().await.map(|_| ()));
    refused(store.run_check(&run.scope, &run.lease).await);
    refused(store.run_succeed(&run.scope, &run.lease, &Answer::default(), &Usage::default()).await);
    let held = store.run_heartbeat(&[run.lease]).await.expect("a heartbeat");
    assert_eq!(held[0].stop, Some(RunReason::CreatorDeactivated));
    fail(&world, &run, RunReason::ModelUnavailable).await;
    assert_eq!(world.fates(task).await, ["03-02 cancelled creator_deactivated"]);
    let told = store.delivery_list_of_task(&world.scope, task, &Page::first(9)).await.expect("deliveries");
    assert!(told.values.is_empty());
}

#[tokio::test]
async fn a_run_that_was_to_stop_and_lost_its_worker_is_not_started_again() {
    let world = World::new().await;
    let (erin, _, task) = erins_task(&world).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.claim_one().await;
    world.store().member_deactivate(&world.scope, erin).await.expect("a deactivation");
    world.step(TimeDelta::seconds(60));
    tick(&world).await;
    assert!(world.claim().await.is_empty());
    assert_eq!(world.fates(task).await, ["03-02 cancelled creator_deactivated"]);
}

#[tokio::test]
async fn answers_that_were_not_sent_yet_are_withheld() {
    let world = World::new().await;
    let (erin, _, task) = erins_task(&world).await;
    world.set("2026-03-02T09:00:00Z");
    run_once(&world).await;
    world.store().member_deactivate(&world.scope, erin).await.expect("a deactivation");
    assert!(claim_deliveries(world.store(), "notifier", 9).await.is_empty());
    assert_eq!(states(&world, task).await, [DeliveryState::Withheld; 2]);
}

#[tokio::test]
async fn an_answer_that_a_notifier_had_claimed_is_not_sent_after_the_deactivation() {
    let world = World::new().await;
    let (erin, _, task) = erins_task(&world).await;
    let store = world.store();
    world.set("2026-03-02T09:00:00Z");
    run_once(&world).await;
    // One is claimed for the first time; the other may have been sent already, and is claimed to be reconciled.
    let claimed = claim_deliveries(store, "notifier", 9).await;
    store.delivery_attempt_start(&claimed[0].scope, &claimed[0].lease).await.expect("an attempt");
    let lost = DeliveryOutcome::Unknown { after: TimeDelta::zero(), message: "the line went dead".into() };
    store.delivery_finish(&claimed[0].scope, &claimed[0].lease, &lost).await.expect("an outcome");
    let unknown = claim_deliveries(store, "notifier", 9).await.remove(0);
    assert_eq!(unknown.state, DeliveryState::Unknown);
    store.member_deactivate(&world.scope, erin).await.expect("a deactivation");
    for delivery in [&claimed[1], &unknown] {
        let started = store.delivery_attempt_start(&delivery.scope, &delivery.lease).await;
        assert!(matches!(started, Err(Error::LeaseLost)), "{started:?}");
    }
    assert_eq!(states(&world, task).await, [DeliveryState::Withheld; 2]);
}

#[tokio::test]
async fn an_answer_whose_notifier_vanished_in_the_send_is_not_sent_again_after_the_deactivation() {
    let world = World::new().await;
    let (erin, _, task) = erins_task(&world).await;
    let store = world.store();
    world.set("2026-03-02T09:00:00Z");
    run_once(&world).await;
    for delivery in claim_deliveries(store, "notifier", 9).await {
        store.delivery_attempt_start(&delivery.scope, &delivery.lease).await.expect("an attempt");
    }
    store.member_deactivate(&world.scope, erin).await.expect("a deactivation");
    world.step(TimeDelta::seconds(60));
    tick(&world).await;
    let again = claim_deliveries(store, "notifier", 9).await;
    assert_eq!(again.len(), 2, "what may have been sent is looked at again");
    for delivery in again {
        let started = store.delivery_attempt_start(&delivery.scope, &delivery.lease).await;
        assert!(matches!(started, Err(Error::LeaseLost)), "{started:?}");
    }
    assert_eq!(states(&world, task).await, [DeliveryState::Withheld; 2]);
}

async fn states(world: &World, task: TaskId) -> Vec<DeliveryState> {
    let told = world.store().delivery_list_of_task(&world.scope, task, &Page::first(9)).await;
    told.expect("deliveries").values.iter().map(|delivery| delivery.state).collect()
}

#[tokio::test]
async fn deleting_a_task_stops_its_runs_and_keeps_its_threads() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let started = world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    world.store().task_delete(&world.scope, task.id).await.expect("a deletion");
    assert!(world.store().task_get(&world.scope, task.id).await.expect("a read").is_none());
    let stopped = world.store().run_check(&run.scope, &run.lease).await;
    assert!(matches!(stopped, Err(Error::RunStopped(RunReason::TaskDeleted))));
    let thread = world.store().thread_get(&world.scope, started.thread_id).await.expect("a read");
    assert_eq!(thread.expect("the thread").task_title, None);
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 0);
}
