//! Rule 12: instants are stored as UTC, the wall clock and zone as given; due times are compared with the database's clock
//! only.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use store::Time;
use testkit::{World, world::at};

use crate::tick;

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

/// The machine's own clock plays no part: the store's, years away from it, decides what is due, leased, late and expired.
#[tokio::test]
async fn what_is_due_is_decided_by_the_stores_clock_alone() {
    for year in [1999, 2055] {
        let world = World::new().await;
        world.set(&format!("{year}-03-02T08:00:00Z"));
        let task = world.task(|spec| spec.expires_at = None).await;
        assert_eq!(task.created_at, world.database.time.now());
        world.set(&format!("{year}-03-02T08:59:59Z"));
        assert_eq!(tick(&world).await.queued, 0);
        world.set(&format!("{year}-03-02T09:00:00Z"));
        assert_eq!(tick(&world).await.queued, 1);
        world.claim_one().await;
        world.step(TimeDelta::seconds(59));
        assert_eq!(tick(&world).await.rescued, 0);
        world.step(TimeDelta::seconds(1));
        assert_eq!(tick(&world).await.rescued, 1);
    }
}

#[tokio::test]
async fn without_a_stepped_clock_now_is_what_the_database_says() {
    let world = World::with(|options| options.time = Time::Database).await;
    let now = world.store().now().await.expect("an instant");
    let of_database = world.number("SELECT extract(epoch FROM clock_timestamp())::bigint").await;
    assert!((of_database - now.timestamp()).abs() <= 60, "{now}");
    // A lease of the database's own making: an hour ago by its clock, whatever this process believes.
    let task = world.task(|spec| spec.expires_at = None).await;
    world.execute("UPDATE task_due SET due_at = now() + interval '1 minute'").await;
    assert_eq!(tick(&world).await.queued, 0);
    world
        .execute(
            "UPDATE task_due SET due_at = now() - interval '1 second', opens_at = now() - interval '1 second',
                 closes_at = now() + interval '2 hours'",
        )
        .await;
    assert_eq!(tick(&world).await.queued, 1);
    let created_at: DateTime<Utc> = task.created_at;
    assert!(created_at >= now);
}
