//! Rule 7: while a run of a task is unfinished, its next occurrence is skipped, and the creator is told. What nobody holds any more
//! when its window has closed is not in the way: `rule_06_downtime.rs`.

use chrono::TimeDelta;
use domain::{delivery::DeliveryKind, run::RunReason};
use store::Page;
use testkit::{World, world::at};

use crate::{edit, fail, notices, tick};

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
    let of_the_day = "SELECT count(*) FROM delivery WHERE kind = 'still_running' AND details = '2026-03-03'";
    assert_eq!(world.number(of_the_day).await, 1);
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
async fn a_started_test_does_not_either() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.store().task_run(&world.scope, task.id, Some(world.user)).await.expect("a test");
    world.claim_one().await;
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    assert!(notices(&world, task.id).await.is_empty());
}

#[tokio::test]
async fn a_run_by_hand_stands_in_the_way_from_when_it_is_asked_for() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T08:59:59Z");
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.skipped, 1);
    assert_eq!(world.fates(task.id).await, ["manual queued", "03-02 skipped still_running"]);
    assert_eq!(notices(&world, task.id).await, [DeliveryKind::StillRunning]);
}

#[tokio::test]
async fn a_run_that_waits_for_its_retry_stands_in_the_way() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    // The next window opens an hour later, in another zone's tomorrow.
    edit(&world, task.id, |spec| {
        spec.schedule.window_start = "00:00".into();
        spec.schedule.timezone = "Pacific/Kiritimati".into();
    })
    .await;
    world.set("2026-03-02T09:59:00Z");
    fail(&world, &world.claim_one().await, RunReason::ModelUnavailable).await;
    world.set("2026-03-02T10:00:00Z");
    assert_eq!(tick(&world).await.skipped, 1);
    assert_eq!(
        world.fates(task.id).await,
        ["03-02 waiting model_unavailable", "03-03 skipped still_running"]
    );
}

#[tokio::test]
async fn each_skipped_occurrence_is_told_once() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    for day in [3, 4] {
        world.database.time.set(at(&format!("2026-03-0{day}T09:00:00Z")));
        world.store().run_heartbeat(&[run.lease]).await.expect("a heartbeat");
        for _ in 0..3 {
            tick(&world).await;
            world.step(TimeDelta::seconds(1));
        }
    }
    assert_eq!(notices(&world, task.id).await, [DeliveryKind::StillRunning; 2]);
}

/// An occurrence would give way to the next one, and is taken up at that very moment: it goes on, and the next one is skipped.
///
/// With the next one queued whatever became of the earlier one, both run at once.
#[tokio::test]
async fn an_occurrence_that_is_taken_up_as_the_next_comes_due_goes_on() {
    let world = World::new().await;
    world.execute("UPDATE workspace SET grace_seconds = 172800").await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let mut worker = world.superuser().await;
    sqlx::raw_sql(
        "BEGIN;
         UPDATE run_queue SET lease_token = gen_random_uuid(), lease_until = '2026-03-04T00:00:00Z', worker = 'w';
         UPDATE run SET status = 'running', attempt = 1, started_at = '2026-03-03T08:59:59Z', late = true",
    )
    .execute(&mut worker)
    .await
    .expect("a claim that is not committed");
    world.set("2026-03-03T09:00:00Z");
    let store = world.store().clone();
    let coming_due = tokio::spawn(async move { store.due_claim(10, None).await });
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while world.number(blocked).await == 0 {}
    sqlx::raw_sql("COMMIT").execute(&mut worker).await.expect("a commit");
    let claim = coming_due.await.expect("a task").expect("a claim");
    assert_eq!((claim.queued, claim.skipped), (0, 1));
    assert_eq!(world.fates(task.id).await, ["03-02 running late", "03-03 skipped still_running"]);
}
