//! How runs are taken from workers that vanished, and that those can write nothing afterwards.

use chrono::TimeDelta;
use domain::run::{RunReason, Usage};
use store::{Error, Places};
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
    assert_eq!((second.thread_id, second.turn_no, second.attempt), (first.thread_id, 1, 1));
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

/// A claim finds what may run, and leases it a little later. What was taken up meanwhile and put back for later, or until its
/// window closed, is not leased.
///
/// Fails where only the lease is looked at again: the run was leased, two minutes before its time and after its close.
#[tokio::test]
async fn a_run_that_was_put_back_for_later_since_a_claim_found_it_is_let_be() {
    for put_back in ["available_at = '2026-03-02T09:02:00Z'", "deadline_at = '2026-03-02T09:00:00Z'"] {
        let world = World::new().await;
        world.task(|_| ()).await;
        world.set("2026-03-02T09:00:00Z");
        tick(&world).await;
        // The claim reads its workspaces' limits between the two.
        let mut other = world.superuser().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE workspace IN ACCESS EXCLUSIVE MODE")
            .execute(&mut other)
            .await
            .expect("a lock");
        let store = world.store().clone();
        let claiming = tokio::spawn(async move { store.run_claim("test", &Places::unshared(9)).await });
        let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while world.number(blocked).await == 0 {}
        world.execute(&format!("UPDATE run_queue SET {put_back}")).await;
        sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("a commit");
        let claimed = claiming.await.expect("a task").expect("a claim");
        assert!(claimed.is_empty(), "{put_back}: {claimed:?}");
        assert_eq!(world.number("SELECT count(*) FROM run_queue WHERE lease_token IS NULL").await, 1);
    }
}
