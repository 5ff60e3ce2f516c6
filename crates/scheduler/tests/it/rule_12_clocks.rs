//! Rule 12: instants are stored as UTC, the wall clock and zone as given; due times are compared with the database's clock
//! only.

use chrono::TimeDelta;
use domain::run::RunReason;
use serde_json::json;
use store::{AfterFailure, Time};
use testkit::{World, world::at};

use crate::{fail, tick};

#[tokio::test]
async fn the_wall_clock_and_the_zone_are_stored_as_given() {
    let world = World::new().await;
    let task = world.task(|spec| {
        spec.schedule.window_start = "09:00".into();
        // A name of old for the same clocks.
        spec.schedule.timezone = "US/Eastern".into();
    });
    let task = task.await;
    let written = json!({ "cadence": "daily", "windowStart": "09:00", "timezone": "US/Eastern" });
    assert_eq!(serde_json::to_value(&task.schedule).expect("JSON"), written);
    let count = format!("SELECT count(*) FROM task WHERE schedule = '{written}' AND id = '{}'", task.id);
    assert_eq!(world.number(&count).await, 1);
    // Summer comes, and 09:00 stays 09:00.
    assert_eq!(task.next.expect("a next occurrence").window.opens_at, at("2026-03-02T14:00:00Z"));
    world.set("2026-03-08T13:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await.last().map(String::as_str), Some("03-08 queued"));
}

#[tokio::test]
async fn every_instant_in_the_database_is_an_instant_and_no_wall_clock() {
    let world = World::new().await;
    let naive = "SELECT count(*) FROM information_schema.columns
                 WHERE table_schema = 'public' AND data_type IN ('timestamp without time zone', 'time without time zone')";
    assert_eq!(world.number(naive).await, 0);
}

/// The machine's own clock plays no part: the store's, years before it and years after it, decides what is due, leased, tried
/// again, late, missed and expired.
///
/// Fails where any statement of a tick or a claim compares with `now()`: in one of the two years what it asks is always so, in
/// the other never.
#[tokio::test]
async fn what_is_due_is_decided_by_the_stores_clock_alone() {
    for year in [1999, 2055] {
        let world = World::new().await;
        let set = |instant: &str| world.set(&format!("{year}-03-{instant}Z"));
        set("02T08:00:00");
        let expires_at = at(&format!("{year}-03-04T09:00:01Z"));
        let task = world.task(|spec| spec.expires_at = Some(expires_at)).await;
        assert_eq!(task.created_at, world.database.time.now());
        set("02T08:59:59");
        assert_eq!(tick(&world).await.queued, 0);
        set("02T09:00:00");
        assert_eq!(tick(&world).await.queued, 1);
        world.claim_one().await;
        world.step(TimeDelta::seconds(59));
        assert_eq!(tick(&world).await.rescued, 0);
        world.step(TimeDelta::seconds(1));
        let ticked = tick(&world).await;
        assert_eq!((ticked.rescued, ticked.overdue), (1, 0), "{year}: its window is open");
        let retry_at = world.database.time.now() + TimeDelta::seconds(30);
        let failed = fail(&world, &world.claim_one().await, RunReason::ModelUnavailable).await;
        assert_eq!(failed, AfterFailure::RetryAt(retry_at));
        world.database.time.set(retry_at - TimeDelta::milliseconds(1));
        assert!(world.claim().await.is_empty(), "{year}: not before its time");
        world.database.time.set(retry_at);
        fail(&world, &world.claim_one().await, RunReason::ModelUnavailable).await;
        set("02T10:59:59");
        assert_eq!(tick(&world).await.overdue, 0);
        set("02T11:00:00");
        assert_eq!(tick(&world).await.overdue, 1);
        set("03T11:00:00");
        let ticked = tick(&world).await;
        assert_eq!((ticked.queued, ticked.late), (1, 1));
        set("03T16:59:59");
        assert_eq!(tick(&world).await.overdue, 0);
        set("03T17:00:00");
        assert_eq!(tick(&world).await.overdue, 1);
        set("04T09:00:00");
        let ticked = tick(&world).await;
        assert_eq!((ticked.queued, ticked.late, ticked.expired), (1, 0, 0));
        set("04T09:00:01");
        assert_eq!(tick(&world).await.expired, 1);
        assert_eq!(
            world.fates(task.id).await,
            ["03-02 failed deadline", "03-03 missed downtime", "03-04 queued"],
            "{year}"
        );
    }
}

/// Database and test share a machine, and so a clock: `instant`, by which all statements ask for it, is made to say a year later.
///
/// Fails where the store hands in the clock of its own process: that cannot be told from the database's unless they differ.
#[tokio::test]
async fn without_a_stepped_clock_now_is_what_the_database_says() {
    let world = World::with(|options| options.time = Time::Database).await;
    world
        .execute(
            "CREATE OR REPLACE FUNCTION instant(given timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
             RETURN coalesce(given, now() + interval '365 days')",
        )
        .await;
    let now = world.store().now().await.expect("an instant");
    let of_database =
        world.number("SELECT extract(epoch FROM clock_timestamp() + interval '365 days')::bigint").await;
    assert!((of_database - now.timestamp()).abs() <= 60, "{now}");
    let task = world.task(|spec| spec.expires_at = None).await;
    assert!(task.created_at >= now);
    assert!(task.next.expect("a next occurrence").window.opens_at > now);
    world.execute("UPDATE task_due SET due_at = instant(NULL) + interval '1 minute'").await;
    assert_eq!(tick(&world).await.queued, 0);
    world
        .execute(
            "UPDATE task_due SET due_at = instant(NULL) - interval '1 second',
                 opens_at = instant(NULL) - interval '1 second', closes_at = instant(NULL) + interval '2 hours'",
        )
        .await;
    assert_eq!(tick(&world).await.queued, 1);
    let run = world.claim_one().await;
    let leased = "SELECT count(*) FROM run_queue
                  WHERE lease_until BETWEEN instant(NULL) AND instant(NULL) + interval '1 minute'";
    assert_eq!(world.number(leased).await, 1);
    // What its worker has left of it is renewed by the same clock.
    world.execute("UPDATE run_queue SET lease_until = instant(NULL) - interval '1 second'").await;
    assert_eq!(world.store().run_heartbeat(&[run.lease]).await.expect("a heartbeat").len(), 1);
    assert_eq!(world.number(leased).await, 1);
    world.execute("UPDATE run_queue SET lease_until = instant(NULL) - interval '1 second'").await;
    assert_eq!(tick(&world).await.rescued, 1);
}
