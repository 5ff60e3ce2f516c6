//! What a task does day by day, when people change it, and when it expires.

use chrono::TimeDelta;
use domain::{
    access::Role,
    delivery::DeliveryKind,
    run::{RunReason, Usage},
    schedule::{SPREAD, Schedule, start_offset},
    task::TaskStatus,
};
use store::{AfterFailure, ClaimedRun, Conflict, Error, Page};
use testkit::{World, world::at};

use crate::tick;

/// Has a run fail.
async fn fail(world: &World, run: &ClaimedRun, reason: RunReason) -> AfterFailure {
    let usage = Usage::default();
    world.store().run_fail(&run.scope, &run.lease, reason, "it failed", &usage).await.expect("a failure")
}

#[tokio::test]
async fn a_task_fires_once_in_each_of_its_windows() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    assert_eq!(task.next.expect("a next occurrence").due_at, at("2026-03-02T09:00:00Z"));
    for (now, queued) in [
        ("2026-03-02T08:59:59Z", 0),
        ("2026-03-02T09:00:00Z", 1),
        ("2026-03-02T09:00:01Z", 0),
        ("2026-03-02T10:59:00Z", 0),
        ("2026-03-03T08:59:59Z", 0),
        ("2026-03-03T09:00:00Z", 1),
    ] {
        world.set(now);
        assert_eq!(tick(&world).await.queued, queued, "at {now}");
        for run in world.claim().await {
            world.succeed(&run).await;
        }
    }
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded", "03-03 succeeded"]);
}

#[tokio::test]
async fn a_task_starts_at_its_own_offset_in_the_window_every_day() {
    let world = World::with(|options| options.spread = SPREAD).await;
    let task = world.task(|_| ()).await;
    let offset = start_offset(task.id, SPREAD);
    assert!(offset > TimeDelta::zero(), "an offset of zero would prove nothing");
    for day in [2, 3] {
        world
            .database
            .time
            .set(at(&format!("2026-03-0{day}T09:00:00Z")) + offset - TimeDelta::milliseconds(1));
        assert_eq!(tick(&world).await.queued, 0);
        world.step(TimeDelta::milliseconds(1));
        assert_eq!(tick(&world).await.queued, 1);
        let run = world.claim_one().await;
        world.succeed(&run).await;
    }
}

#[tokio::test]
async fn a_run_knows_its_window_its_question_and_the_instant_it_asks_as_of() {
    let world = World::new().await;
    let connection = world.connection;
    let task = world.task(|spec| {
        spec.schedule.timezone = "America/New_York".into();
        spec.context.connection_ids = vec![connection];
    });
    let task = task.await;
    world.set("2026-03-02T14:00:07Z");
    tick(&world).await;
    let run = world.claim_one().await;
    assert_eq!(run.task_id, Some(task.id));
    assert_eq!(run.prompt, task.prompt);
    assert_eq!(run.timezone, "America/New_York");
    assert_eq!(run.as_of, at("2026-03-02T14:00:00Z"));
    assert_eq!(run.occurrence.expect("an occurrence").closes_at, at("2026-03-02T16:00:00Z"));
    assert_eq!(run.connection_ids, [world.connection]);
    assert_eq!((run.turn_no, run.attempt, run.late), (1, 1, false));
}

#[tokio::test]
async fn an_occurrence_is_skipped_while_the_previous_run_is_unfinished_and_the_creator_is_told() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let first = world.claim_one().await;
    world.set("2026-03-03T09:00:00Z");
    // Still at work: its worker kept its lease all night.
    world.store().run_heartbeat(&[first.lease]).await.expect("a heartbeat");
    assert_eq!(tick(&world).await.skipped, 1);
    world.succeed(&first).await;
    world.set("2026-03-04T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    assert_eq!(
        world.fates(task.id).await,
        ["03-02 succeeded", "03-03 skipped still_running", "03-04 queued"]
    );
    let told = world
        .store()
        .delivery_list_of_task(&world.scope, task.id, &Page::first(10))
        .await
        .expect("deliveries");
    let notices: Vec<_> = told.values.iter().filter(|told| told.kind == DeliveryKind::StillRunning).collect();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].user_id, Some(world.user));
    assert_eq!(notices[0].message.as_deref(), Some("2026-03-03"));
}

#[tokio::test]
async fn a_test_run_does_not_stand_in_the_way_of_the_schedule() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T08:59:59Z");
    world.store().task_run(&world.scope, task.id, Some(world.user)).await.expect("a test");
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    assert_eq!(world.fates(task.id).await, ["test queued", "03-02 queued"]);
}

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
async fn an_edited_schedule_takes_effect_at_once_and_a_date_that_ran_does_not_run_again() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.succeed(&run).await;
    // Today's 14:00 lies ahead, but today has run.
    let mut spec = task.spec();
    spec.schedule.window_start = "14:00".into();
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    let read = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task");
    let edited = world.store().task_update(&world.scope, task.id, &spec, &schedule, Some(read.version)).await;
    let edited = edited.expect("an edit");
    assert_eq!(edited.next.expect("a next occurrence").window.opens_at, at("2026-03-03T14:00:00Z"));
    world.set("2026-03-02T14:00:00Z");
    assert_eq!(tick(&world).await.queued, 0);
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 0, "the old hour is forgotten");
    world.set("2026-03-03T14:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    // A lost update is refused.
    let lost = world.store().task_update(&world.scope, task.id, &spec, &schedule, Some(read.version)).await;
    assert!(matches!(lost, Err(Error::Conflict(Conflict::VersionMismatch))));
}

#[tokio::test]
async fn an_edit_that_leaves_the_schedule_alone_leaves_the_next_occurrence_alone() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    // Its window is open and not yet looked at: an edit of the title must not lose it.
    world.set("2026-03-02T09:00:01Z");
    let mut spec = task.spec();
    spec.title = "Airlines".into();
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    world.store().task_update(&world.scope, task.id, &spec, &schedule, None).await.expect("an edit");
    assert_eq!(tick(&world).await.queued, 1);
}

#[tokio::test]
async fn a_task_expires_at_its_instant_and_tells_a_week_before() {
    let world = World::new().await;
    let task = world.task(|spec| spec.expires_at = Some(at("2026-03-20T09:00:00Z"))).await;
    world.set("2026-03-13T08:59:59Z");
    assert_eq!(tick(&world).await.warned, 0);
    world.set("2026-03-13T09:00:00Z");
    assert_eq!(tick(&world).await.warned, 1);
    world.set("2026-03-13T09:01:00Z");
    assert_eq!(tick(&world).await.warned, 0, "told once");
    // The window that opens at the expiration does not exist.
    world.set("2026-03-20T09:00:00Z");
    let expiring = tick(&world).await;
    assert_eq!((expiring.expired, expiring.queued), (1, 0));
    let read = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task");
    assert_eq!((read.status, read.next), (TaskStatus::Expired, None));
    let told = world
        .store()
        .delivery_list_of_task(&world.scope, task.id, &Page::first(10))
        .await
        .expect("deliveries");
    let kinds: Vec<_> = told.values.iter().map(|told| told.kind).collect();
    assert_eq!(kinds, [DeliveryKind::Expired, DeliveryKind::Expiring]);

    let resumed = world.store().task_resume(&world.scope, task.id).await;
    assert!(matches!(resumed, Err(Error::Conflict(Conflict::TaskExpired))));
    let extended = world.store().task_extend(&world.scope, task.id, Some(at("2026-06-01T00:00:00Z"))).await;
    let extended = extended.expect("extended");
    assert_eq!(extended.status, TaskStatus::Active);
    assert_eq!(extended.next.expect("a next occurrence").window.opens_at, at("2026-03-21T09:00:00Z"));
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
