//! What happens to occurrences that nobody was there for, and to runs that were left behind.

use chrono::TimeDelta;
use domain::run::{RunReason, Usage};
use scheduler::SchedulerOptions;
use store::Error;
use testkit::{World, world::at};

use crate::{scheduler, tick};

#[tokio::test]
async fn an_occurrence_whose_window_is_open_runs_at_once() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T10:59:59Z");
    let ticked = tick(&world).await;
    assert_eq!((ticked.queued, ticked.late), (1, 0));
    assert_eq!(world.fates(task.id).await, ["03-02 queued"]);
}

#[tokio::test]
async fn one_that_closed_within_the_grace_period_runs_late_and_an_older_one_is_missed() {
    for (now, fate) in [
        ("2026-03-02T11:00:00Z", "03-02 queued late"),
        ("2026-03-02T16:59:59Z", "03-02 queued late"),
        ("2026-03-02T17:00:00Z", "03-02 missed downtime"),
    ] {
        let world = World::new().await;
        let task = world.task(|_| ()).await;
        world.set(now);
        tick(&world).await;
        assert_eq!(world.fates(task.id).await, [fate], "at {now}");
    }
}

#[tokio::test]
async fn a_week_of_downtime_leaves_a_row_for_each_day_and_one_catch_up_run() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-08T12:00:00Z");
    let ticked = tick(&world).await;
    assert_eq!((ticked.queued, ticked.late, ticked.missed), (1, 1, 6));
    let fates = world.fates(task.id).await;
    assert_eq!(fates.len(), 7);
    assert_eq!(fates[0], "03-02 missed downtime");
    assert_eq!(fates[5], "03-07 missed downtime");
    assert_eq!(fates[6], "03-08 queued late");
    let next = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task").next;
    assert_eq!(next.expect("a next occurrence").window.opens_at, at("2026-03-09T09:00:00Z"));
}

#[tokio::test]
async fn a_workspace_sets_its_own_grace_period() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let mut workspace = world.store().workspace_get(&world.scope).await.expect("the workspace");
    workspace.grace = TimeDelta::zero();
    world.store().workspace_update(&world.scope, &workspace).await.expect("a change");
    world.set("2026-03-02T11:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 missed downtime"]);
}

#[tokio::test]
async fn a_queued_run_that_no_worker_took_runs_late_and_then_is_missed() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.set("2026-03-02T12:00:00Z");
    assert!(world.claim().await.is_empty(), "not before its lateness is on record");
    tick(&world).await;
    let run = world.claim_one().await;
    assert!(run.late);
    world.store().run_release(&[run.lease]).await.expect("handed back");
    world.set("2026-03-02T17:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 failed deadline late"]);
}

#[tokio::test]
async fn a_queued_run_gives_way_to_a_newer_occurrence() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let mut workspace = world.store().workspace_get(&world.scope).await.expect("the workspace");
    workspace.grace = TimeDelta::hours(48);
    world.store().workspace_update(&world.scope, &workspace).await.expect("a change");
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    assert_eq!(world.fates(task.id).await, ["03-02 missed superseded", "03-03 queued"]);
    assert_eq!(world.claim().await.len(), 1);
}

#[tokio::test]
async fn a_run_whose_worker_vanished_is_rescued_and_the_old_worker_can_write_nothing() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let first = world.claim_one().await;
    world.step(TimeDelta::seconds(59));
    assert_eq!(tick(&world).await.rescued, 0);
    world.step(TimeDelta::seconds(1));
    assert_eq!(tick(&world).await.rescued, 1);
    let second = world.claim_one().await;
    assert_eq!((second.thread_id, second.turn_no, second.attempt), (first.thread_id, 1, 2));
    assert_ne!(second.lease.token, first.lease.token);
    let usage = Usage::default();
    let stale = world.store().run_fail(&first.scope, &first.lease, RunReason::Internal, "late", &usage).await;
    assert!(matches!(stale, Err(Error::LeaseLost)));
    let held = world.store().run_heartbeat(&[first.lease, second.lease]).await.expect("a heartbeat");
    assert_eq!(store::leases_lost(&[first.lease, second.lease], &held), [first.lease]);
    world.succeed(&second).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn a_run_that_outlives_worker_after_worker_is_given_up() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    for _ in 0..5 {
        world.claim_one().await;
        world.step(TimeDelta::seconds(60));
        tick(&world).await;
    }
    assert!(world.claim().await.is_empty());
    assert_eq!(world.fates(task.id).await, ["03-02 failed internal"]);
}

#[tokio::test]
async fn a_run_left_behind_by_a_long_downtime_does_not_make_today_skip() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.claim_one().await;
    world.set("2026-03-05T09:30:00Z");
    tick(&world).await;
    assert_eq!(
        world.fates(task.id).await,
        ["03-02 failed deadline", "03-03 missed downtime", "03-04 missed downtime", "03-05 queued"]
    );
}

#[tokio::test]
async fn a_task_that_lost_its_next_occurrence_gets_it_back_within_a_sweep() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let paused = world.task(|_| ()).await;
    world.store().task_pause(&world.scope, paused.id).await.expect("a pause");
    let scheduler = scheduler(&world);
    scheduler.tick().await.expect("a tick");
    world.execute("DELETE FROM task_due").await;
    world.set("2026-03-02T09:00:00Z");
    let ticked = scheduler.tick().await.expect("a tick");
    assert_eq!((ticked.healed, ticked.queued), (1, 1), "found and run at once: its window is open");
    assert_eq!(world.fates(task.id).await, ["03-02 queued"]);
    assert!(world.fates(paused.id).await.is_empty());
}

#[tokio::test]
async fn a_late_commit_behind_the_watermark_is_found_by_the_sweep() {
    let world = World::new().await;
    let scheduler = scheduler(&world);
    world.set("2026-03-02T09:30:00Z");
    scheduler.tick().await.expect("a tick");
    let task = world.task(|_| ()).await;
    // As if a transaction from before the last tick had committed only now.
    let late_commit = "UPDATE task_due SET due_at = '2026-03-02T09:00:00Z', occurrence_date = '2026-03-02',
               opens_at = '2026-03-02T09:00:00Z', closes_at = '2026-03-02T11:00:00Z'";
    world.execute(late_commit).await;
    world.step(TimeDelta::seconds(1));
    assert_eq!(scheduler.tick().await.expect("a tick").queued, 0, "the watermark spares the search");
    world.step(SchedulerOptions::default().sweep_every);
    assert_eq!(scheduler.tick().await.expect("a tick").queued, 1);
    assert_eq!(world.fates(task.id).await, ["03-02 queued"]);
}
