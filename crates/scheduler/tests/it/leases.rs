//! How runs are taken from workers that vanished, and that those can write nothing afterwards.

use chrono::TimeDelta;
use domain::run::{RunReason, Usage};
use store::Error;
use testkit::World;

use crate::{concurrency::copies, fail, tick};

/// Fails where what waits for another attempt, or is under way, counts.
#[tokio::test]
async fn a_sweep_tells_how_much_waits_for_a_worker_and_how_long() {
    let world = World::new().await;
    copies(&world, 4).await;
    world.set("2026-03-02T08:00:00Z");
    let none = tick(&world).await.backlog.expect("a sweep");
    world.set("2026-03-02T10:35:00Z");
    tick(&world).await;
    let all = tick(&world).await.backlog.expect("a sweep");
    assert_eq!((none.runs, all.runs), (0, 5));
    assert!(all.longest >= TimeDelta::zero() && all.longest <= TimeDelta::minutes(95), "{:?}", all.longest);

    let taken = world.claim().await;
    assert_eq!(taken.len(), 5);
    fail(&world, &taken[0], RunReason::ConnectionFailed).await;
    assert_eq!(tick(&world).await.backlog.expect("a sweep").runs, 0);
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
async fn a_run_that_was_to_stop_and_lost_its_worker_is_cancelled_and_not_queued_again() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.store().run_cancel(&world.scope, run.lease.run_id).await.expect("a cancellation");
    world.step(TimeDelta::seconds(60));
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 cancelled cancelled_by_user"]);
}

#[tokio::test]
async fn a_run_that_was_to_stop_and_was_handed_back_is_cancelled_and_not_queued_again() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.store().run_cancel(&world.scope, run.lease.run_id).await.expect("a cancellation");
    world.store().run_release(&[run.lease]).await.expect("handed back");
    assert_eq!(world.fates(task.id).await, ["03-02 cancelled cancelled_by_user"]);
}
