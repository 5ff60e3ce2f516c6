//! Rows that a newer version wrote, before it was rolled back: they are put off, and nobody else waits for them.

use chrono::TimeDelta;
use domain::{TaskId, run::RunReason};
use store::Places;
use testkit::{World, world};

use crate::{edit, fail, tick};

/// A task of another workspace, daily at 09:00 UTC.
async fn task_elsewhere(world: &World) -> TaskId {
    let (scope, user) = world::workspace(world.store(), "beta").await;
    world.task_of(&scope, user, |_| ()).await.id
}

/// Gives a task's schedule another value, an expression.
async fn set_schedule(world: &World, task: TaskId, value: &str) {
    world.execute(&format!("UPDATE task SET schedule = {value} WHERE id = '{task}'")).await;
}

const A_NEWER_FIELD: &str = r#"schedule || '{"every": 2}'"#;
const A_ZONE_OF_OLD: &str = r#"jsonb_set(schedule, '{timezone}', '"Mars/Olympus"')"#;
const NOTHING: &str = "'{}'";

/// Three tasks whose schedules cannot be read, each for another reason.
async fn unreadable_tasks(world: &World) {
    for value in [A_NEWER_FIELD, A_ZONE_OF_OLD, NOTHING] {
        let task = world.task(|_| ()).await.id;
        set_schedule(world, task, value).await;
    }
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_keeps_no_other_task_from_its_run() {
    let world = World::new().await;
    unreadable_tasks(&world).await;
    let good = task_elsewhere(&world).await;
    world.set("2026-03-02T09:00:00Z");
    let first = tick(&world).await;
    assert_eq!((first.queued, first.unreadable), (1, 3));
    assert_eq!(world.claim_one().await.task_id, Some(good));
    // They are looked at again, not at every tick, and never given up.
    assert_eq!(tick(&world).await.unreadable, 0);
    for _ in 0..3 {
        world.step(TimeDelta::minutes(5));
        assert_eq!(tick(&world).await.unreadable, 3);
    }
    assert_eq!(world.number("SELECT count(*) FROM task_due WHERE occurrence_date = '2026-03-02'").await, 3);
}

#[tokio::test]
async fn a_worker_with_room_starts_what_can_be_read() {
    let world = World::new().await;
    unreadable_tasks(&world).await;
    let good = task_elsewhere(&world).await;
    world.set("2026-03-02T09:00:00Z");
    let (due, started) = world.store().due_start("test", &Places::unshared(10)).await.expect("a start");
    assert_eq!((due.tasks, due.queued, due.unreadable), (4, 1, 3));
    let started: Vec<_> = started.into_iter().map(|run| run.task_id).collect();
    assert_eq!(started, [Some(good)]);
}

#[tokio::test]
async fn once_a_schedule_can_be_read_again_its_occurrences_get_their_fates() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    set_schedule(&world, task, A_NEWER_FIELD).await;
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.unreadable, 1);
    // Inside the window.
    set_schedule(&world, task, "schedule - 'every'").await;
    assert_eq!(tick(&world).await.queued, 0, "it is put off");
    world.step(TimeDelta::minutes(5));
    let first = tick(&world).await;
    assert_eq!((first.queued, first.unreadable), (1, 0));
    world.succeed(&world.claim_one().await).await;
    // After two days.
    set_schedule(&world, task, A_NEWER_FIELD).await;
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.unreadable, 1);
    world.set("2026-03-05T12:00:00Z");
    set_schedule(&world, task, "schedule - 'every'").await;
    tick(&world).await;
    assert_eq!(
        world.fates(task).await,
        ["03-02 succeeded", "03-03 missed downtime", "03-04 missed downtime", "03-05 queued late"]
    );
}

#[tokio::test]
async fn an_edit_to_another_zone_mends_a_schedule_whose_zone_is_gone() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    set_schedule(&world, task, A_ZONE_OF_OLD).await;
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.unreadable, 1);
    world.set("2026-03-02T10:00:00Z");
    edit(&world, task, |spec| spec.schedule.timezone = "UTC".into()).await;
    world.set("2026-03-03T09:00:00Z");
    let ticked = tick(&world).await;
    assert_eq!((ticked.queued, ticked.unreadable), (1, 0));
}

/// To give it back would take its schedule.
#[tokio::test]
async fn a_task_that_cannot_be_read_keeps_no_other_from_being_healed() {
    let world = World::new().await;
    unreadable_tasks(&world).await;
    let good = task_elsewhere(&world).await;
    world.execute("DELETE FROM task_due").await;
    assert_eq!(tick(&world).await.healed, 1);
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    assert_eq!(world.claim_one().await.task_id, Some(good));
}

#[tokio::test]
async fn a_queued_run_that_cannot_be_read_keeps_no_other_from_its_worker_and_is_given_up() {
    let world = World::new().await;
    let of_newer_trigger = world.task(|_| ()).await.id;
    let of_no_zone = world.task(|_| ()).await.id;
    let good = task_elsewhere(&world).await;
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 3);
    let spoil = format!(
        "ALTER TABLE run DROP CONSTRAINT run_trigger_word;
         UPDATE run SET trigger = 'hourly' WHERE task_id = '{of_newer_trigger}'"
    );
    world.execute(&spoil).await;
    set_schedule(&world, of_no_zone, NOTHING).await;
    let run = world.claim_one().await;
    assert_eq!(run.task_id, Some(good));
    world.succeed(&run).await;
    for _ in 0..5 {
        world.step(TimeDelta::seconds(60));
        tick(&world).await;
        assert!(world.claim().await.is_empty(), "nobody can work on them");
    }
    let given_up = "SELECT count(*) FROM run WHERE status = 'failed' AND reason = 'internal'";
    assert_eq!(world.number(given_up).await, 2);
    assert_eq!(world.number("SELECT count(*) FROM run_queue").await, 0);
}

#[tokio::test]
async fn a_run_that_is_to_stop_for_a_reason_that_cannot_be_read_stops_and_no_other() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    task_elsewhere(&world).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let leases: Vec<_> = world.claim().await.iter().map(|run| run.lease).collect();
    world.execute(&format!("UPDATE run_queue SET stop_reason = 'moved_away' WHERE task_id = '{task}'")).await;
    let held = world.store().run_heartbeat(&leases).await.expect("a heartbeat");
    let mut stops: Vec<_> = held.iter().map(|held| held.stop).collect();
    stops.sort_by_key(Option::is_some);
    assert_eq!(stops, [None, Some(RunReason::Internal)]);
    world.step(TimeDelta::seconds(60));
    assert_eq!(tick(&world).await.rescued, 2);
    assert_eq!(world.fates(task).await, ["03-02 cancelled internal"]);
    assert_eq!(world.claim().await.len(), 1, "the other goes on");
}

/// Both wait for another attempt as their windows close. What one waits for, and how its zone is called, cannot be read.
#[tokio::test]
async fn a_run_that_waits_for_what_cannot_be_read_keeps_no_other_from_its_end() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    let good = task_elsewhere(&world).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    for run in world.claim().await {
        fail(&world, &run, RunReason::ConnectionFailed).await;
    }
    world.execute(&format!("UPDATE run SET reason = 'full_moon' WHERE task_id = '{task}'")).await;
    set_schedule(&world, task, NOTHING).await;
    world.set("2026-03-02T11:00:00Z");
    assert_eq!(tick(&world).await.overdue, 2);
    assert_eq!(world.fates(task).await, ["03-02 failed deadline"]);
    let of_other = format!("SELECT count(*) FROM run WHERE task_id = '{good}' AND reason = 'deadline'");
    assert_eq!(world.number(&of_other).await, 1);
}
