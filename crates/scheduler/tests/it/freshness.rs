//! What a look at its data leaves with a run and its task: days that are skipped for stale data, of which the creator is told
//! once per streak, and what was found. The look itself is the agent's: `crates/agent/tests/it/freshness.rs`.

use chrono::TimeDelta;
use domain::{delivery::DeliveryKind, run::RunReason};
use store::{AfterFailure, ClaimedRun, Error, Page};
use testkit::World;

use crate::{fail, notices, tick};

const STALE: &str = "the data is a day old";

/// The run of a day of March, taken up as its window opens.
async fn run_of(world: &World, day: u32) -> ClaimedRun {
    world.set(&format!("2026-03-0{day}T09:00:00Z"));
    assert_eq!(tick(world).await.queued, 1);
    world.claim_one().await
}

/// A day on which no data came.
async fn skip(world: &World, day: u32) {
    let run = run_of(world, day).await;
    world.store().run_skip_stale(&run.scope, &run.lease, STALE).await.expect("a skip");
}

async fn find_fresh(world: &World, run: &ClaimedRun) {
    world.store().run_found_fresh(&run.scope, &run.lease).await.expect("a note");
}

/// Fails where an answer alone ends a streak: the creator was not told of the 5th.
#[tokio::test]
async fn a_day_on_which_the_data_was_fresh_ends_the_streak_though_its_run_fails() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    skip(&world, 2).await;
    skip(&world, 3).await;
    assert_eq!(notices(&world, task).await, [DeliveryKind::StaleData], "the second day is not told");
    let run = run_of(&world, 4).await;
    find_fresh(&world, &run).await;
    assert_eq!(fail(&world, &run, RunReason::AccessLost).await, AfterFailure::Ended);
    skip(&world, 5).await;
    assert_eq!(
        notices(&world, task).await,
        [DeliveryKind::StaleData, DeliveryKind::Failure, DeliveryKind::StaleData]
    );
}

/// Nor does one that is cancelled keep the streak, nor one that is never heard of again.
#[tokio::test]
async fn what_becomes_of_the_run_after_that_does_not_matter() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    skip(&world, 2).await;
    let run = run_of(&world, 3).await;
    find_fresh(&world, &run).await;
    world.store().run_cancel(&world.scope, run.lease.run_id).await.expect("a cancellation");
    world.step(TimeDelta::seconds(60));
    tick(&world).await;
    skip(&world, 4).await;
    find_fresh(&world, &run_of(&world, 5).await).await;
    skip(&world, 6).await;
    assert_eq!(
        world.fates(task).await,
        [
            "03-02 skipped stale_data",
            "03-03 cancelled cancelled_by_user",
            "03-04 skipped stale_data",
            "03-05 failed deadline",
            "03-06 skipped stale_data"
        ]
    );
    let told = notices(&world, task).await;
    assert_eq!(told.iter().filter(|kind| **kind == DeliveryKind::StaleData).count(), 3);
}

/// With any end of a run taken for the end of the streak, the creator is told of the 4th as if it were a first.
#[tokio::test]
async fn a_day_whose_run_failed_before_its_data_was_found_fresh_goes_on_with_the_streak() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    skip(&world, 2).await;
    assert_eq!(fail(&world, &run_of(&world, 3).await, RunReason::AccessLost).await, AfterFailure::Ended);
    skip(&world, 4).await;
    assert_eq!(notices(&world, task).await, [DeliveryKind::StaleData, DeliveryKind::Failure]);
}

#[tokio::test]
async fn a_run_by_hand_that_finds_fresh_data_is_no_day() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    skip(&world, 2).await;
    world.store().task_run(&world.scope, task, None).await.expect("a run");
    let run = world.claim_one().await;
    find_fresh(&world, &run).await;
    world.succeed(&run).await;
    skip(&world, 3).await;
    assert_eq!(notices(&world, task).await, [DeliveryKind::StaleData]);
}

#[tokio::test]
async fn a_worker_that_lost_the_run_can_note_nothing() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    skip(&world, 2).await;
    let lost = run_of(&world, 3).await;
    world.step(TimeDelta::seconds(60));
    assert_eq!(tick(&world).await.rescued, 1);
    let noted = world.store().run_found_fresh(&lost.scope, &lost.lease).await;
    assert!(matches!(noted, Err(Error::LeaseLost)));
    let run = world.claim_one().await;
    world.store().run_skip_stale(&run.scope, &run.lease, STALE).await.expect("a skip");
    assert_eq!(notices(&world, task).await, [DeliveryKind::StaleData]);
}

/// A worker vanishes at work on a run whose data had come, and nobody goes on with it. No attempt of it has failed.
///
/// Fails where a claim leaves with the run what an earlier look found: the creator was told that it failed with that.
#[tokio::test]
async fn what_a_look_found_is_not_the_last_error_of_a_run_that_began_after_it() {
    let world = World::new().await;
    let task = world.task(|_| ()).await.id;
    let run = run_of(&world, 2).await;
    world.store().run_hold(&run.scope, &run.lease, STALE).await.expect("a hold");
    world.step(TimeDelta::minutes(2));
    find_fresh(&world, &world.claim_one().await).await;
    world.set("2026-03-02T17:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task).await, ["03-02 failed deadline"]);
    let runs = world.store().run_list(&world.scope, task, &Page::first(1)).await.expect("runs").values;
    assert_eq!(runs[0].message.as_deref(), Some(RunReason::Deadline.sentence()));
}
