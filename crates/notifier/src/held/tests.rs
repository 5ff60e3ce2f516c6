//! Renewals come each millisecond here, and what ends by itself does so in an hour or in a moment: each test waits for a signal,
//! or for a time that a slow machine makes no shorter.

use std::{
    cell::Cell,
    future::{pending, ready},
};

use store::ClaimedDelivery;
use testkit::{World, world::claim_deliveries};
use tokio::{sync::watch, time::timeout};

use super::*;

const BEAT: Duration = Duration::from_millis(1);
/// No test takes that long.
const FAR: Duration = Duration::from_hours(1);
/// A work that is not let go on fails its test.
const PATIENCE: Duration = Duration::from_mins(2);

/// A delivery that a notifier has claimed.
async fn claimed(world: &World) -> ClaimedDelivery {
    let store = world.store();
    let task = world.task(|_| ()).await;
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    claim_deliveries(store, "test", 1).await.remove(0)
}

#[test]
fn a_lease_is_renewed_four_times_and_relied_on_for_two_thirds() {
    let pace = Pace::of(Duration::from_mins(1));
    assert_eq!(pace, Pace { beat: Duration::from_secs(15), limit: Duration::from_secs(40) });
}

/// Fails where nothing is renewed, or where a failure ends that: the work waits for its renewal in vain.
#[tokio::test]
async fn work_that_takes_longer_than_a_lease_keeps_it() {
    let world = World::new().await;
    let store = world.store();
    let delivery = claimed(&world).await;
    let (renewed, mut renewals) = watch::channel(0_u32);
    let attempts = Cell::new(0_u32);
    let renew = || async {
        attempts.set(attempts.get() + 1);
        if attempts.get() % 2 == 1 {
            return Err(store::Error::NotFound);
        }
        store.delivery_heartbeat(&delivery.scope, &delivery.lease).await?;
        renewed.send_modify(|count| *count += 1);
        Ok(())
    };
    let work = async {
        for _ in 0..6 {
            world.step(store.delivery_lease() / 2);
            // The second from here on was begun after the step.
            let seen = *renewals.borrow_and_update();
            renewals.wait_for(|count| *count >= seen + 2).await.expect("more renewals");
            assert_eq!(store.delivery_rescue(10).await.expect("a look"), 0, "nobody else may take it up");
        }
    };
    let held = while_renewed(Pace { beat: BEAT, limit: FAR }, Instant::now(), renew, work);
    timeout(PATIENCE, held).await.expect("renewed all along").expect("held to its end");
}

/// Fails where the work is not carried on while a renewal is under way: that one waits for the row, which the work would let go.
#[tokio::test]
async fn work_that_holds_the_row_is_not_held_up_by_its_renewal() {
    let world = World::new().await;
    let store = world.store();
    let delivery = claimed(&world).await;
    let renew = || store.delivery_heartbeat(&delivery.scope, &delivery.lease);
    let work = async {
        let mut session = world.superuser().await;
        let lock =
            format!("BEGIN; SELECT id FROM delivery WHERE id = '{}' FOR UPDATE", delivery.lease.delivery_id);
        testkit::execute(&mut session, &lock).await;
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while world.number(waiting).await == 0 {
            tokio::task::yield_now().await;
        }
        testkit::execute(&mut session, "COMMIT").await;
    };
    let held = while_renewed(Pace { beat: BEAT, limit: FAR }, Instant::now(), renew, work);
    timeout(PATIENCE, held).await.expect("the work goes on").expect("held to its end");
}

/// Fails where a renewal that failed, or was only asked for, counts as one: the work goes on for ever, unless the machine stands
/// still for as long as the limit.
#[tokio::test]
async fn work_ends_where_no_renewal_succeeds_for_too_long() {
    let pace = Pace { beat: BEAT, limit: Duration::from_secs(1) };
    let began = Instant::now();
    let failing = while_renewed(pace, began, || ready(Err(store::Error::NotFound)), pending::<()>());
    let ended = timeout(PATIENCE, failing).await.expect("an end");
    assert!(matches!(ended, Err(Error::LeaseLapsed)), "{ended:?}");
    assert!(began.elapsed() >= pace.limit, "not before");

    let began = Instant::now();
    let hanging = while_renewed(pace, began, pending::<store::Result<()>>, pending::<()>());
    let ended = timeout(PATIENCE, hanging).await.expect("an end");
    assert!(matches!(ended, Err(Error::LeaseLapsed)), "{ended:?}");
    assert!(began.elapsed() >= pace.limit, "not before");
}

/// Fails where nothing ends the work by itself. That the clock is asked before each step cannot be told from the timer here: on a
/// runtime that does nothing else it rings first.
#[tokio::test]
async fn work_of_a_process_that_stood_still_takes_no_step_more() {
    let pace = Pace { beat: FAR, limit: Duration::from_millis(50) };
    let (leased_at, has_sent) = (Instant::now(), Cell::new(false));
    let work = async {
        while Instant::now() < leased_at + pace.limit {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
        has_sent.set(true);
    };
    let ended = while_renewed(pace, leased_at, pending::<store::Result<()>>, work).await;
    assert!(matches!(ended, Err(Error::LeaseLapsed)), "{ended:?}");
    assert!(!has_sent.get());
}

/// Fails where a lost lease is tried for again, as after any other failure.
#[tokio::test]
async fn work_ends_at_once_where_the_lease_is_lost() {
    let world = World::new().await;
    let store = world.store();
    let delivery = claimed(&world).await;
    world.step(store.delivery_lease());
    assert_eq!(store.delivery_rescue(10).await.expect("a look"), 1, "taken from who let it pass");
    let renew = || store.delivery_heartbeat(&delivery.scope, &delivery.lease);
    let held = while_renewed(Pace { beat: BEAT, limit: FAR }, Instant::now(), renew, pending::<()>());
    let ended = timeout(PATIENCE, held).await.expect("an end");
    assert!(matches!(ended, Err(Error::Store(store::Error::LeaseLost))), "{ended:?}");
}
