//! Rule 5: occurrences are derived from the schedule row, never enqueued by the previous run. Any number of schedulers may
//! tick at once, with no leader: see `concurrency.rs` too.

use chrono::TimeDelta;
use domain::run::RunReason;
use scheduler::SchedulerOptions;
use testkit::{World, execute, world::at};

use crate::{fail, scheduler, tick};

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
async fn a_run_that_fails_or_is_never_heard_of_again_does_not_end_the_schedule() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    fail(&world, &world.claim_one().await, RunReason::InvalidContext).await;
    world.set("2026-03-03T09:00:00Z");
    tick(&world).await;
    world.claim_one().await;
    world.set("2026-03-04T09:00:00Z");
    tick(&world).await;
    assert_eq!(
        world.fates(task.id).await,
        ["03-02 failed invalid_context", "03-03 failed deadline", "03-04 queued"]
    );
}

#[tokio::test]
async fn a_run_that_another_scheduler_is_about_to_end_stands_in_nobodys_way() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.claim_one().await;
    world.set("2026-03-03T09:00:00Z");
    // Another scheduler came back at the same moment, and is in the middle of ending the run that was left behind.
    let mut other = world.superuser().await;
    execute(&mut other, "BEGIN; SELECT FROM run_queue FOR UPDATE").await;
    assert_eq!(tick(&world).await.queued, 1);
    execute(&mut other, "ROLLBACK").await;
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 failed deadline", "03-03 queued"]);
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
async fn a_lost_next_occurrence_comes_back_as_the_one_that_has_no_run_yet() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.execute("DELETE FROM task_due").await;
    assert_eq!(tick(&world).await.healed, 1);
    let next = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task").next;
    assert_eq!(next.expect("a next occurrence").window.opens_at, at("2026-03-03T09:00:00Z"));
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
