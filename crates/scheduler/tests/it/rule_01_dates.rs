//! Rule 1: an occurrence is a local date. Daily: every date; weekly: each named weekday; monthly: the day, clamped to the
//! month's last, or the n-th weekday.

use serde_json::json;
use testkit::World;

use crate::days_of;

/// The dates on which a schedule fires when ticks carry it from one occurrence to the next.
async fn dates(world: &World, start: &str, schedule: serde_json::Value, count: usize) -> Vec<String> {
    world.set(start);
    days_of(world, schedule, count).await.into_iter().map(|(date, _)| date).collect()
}

fn monthly(day: u32) -> serde_json::Value {
    json!({ "cadence": "monthly", "dayOfMonth": day, "windowStart": "09:00", "timezone": "Europe/Berlin" })
}

fn nth(n: i32, weekday: &str) -> serde_json::Value {
    let nth = json!({ "n": n, "weekday": weekday });
    json!({ "cadence": "monthly", "nthWeekday": nth, "windowStart": "22:00", "timezone": "Asia/Tokyo" })
}

#[tokio::test]
async fn daily_is_every_date_over_the_end_of_february() {
    let world = World::new().await;
    let daily = json!({ "cadence": "daily", "windowStart": "23:00", "timezone": "UTC" });
    assert_eq!(
        dates(&world, "2027-02-27T00:00:00Z", daily.clone(), 3).await,
        ["2027-02-27", "2027-02-28", "2027-03-01"]
    );
    assert_eq!(
        dates(&world, "2028-02-28T00:00:00Z", daily, 3).await,
        ["2028-02-28", "2028-02-29", "2028-03-01"]
    );
}

#[tokio::test]
async fn weekly_is_each_named_weekday() {
    let world = World::new().await;
    let weekly = json!({ "cadence": "weekly", "weekdays": ["mon", "thu"], "windowStart": "09:00",
        "timezone": "Europe/Berlin" });
    // 2026-12-28 is a Monday.
    assert_eq!(
        dates(&world, "2026-12-27T00:00:00Z", weekly, 4).await,
        ["2026-12-28", "2026-12-31", "2027-01-04", "2027-01-07"]
    );
}

#[tokio::test]
async fn a_day_of_the_month_is_clamped_to_the_months_last() {
    let world = World::new().await;
    assert_eq!(
        dates(&world, "2027-01-30T00:00:00Z", monthly(31), 14).await,
        [
            "2027-01-31",
            "2027-02-28",
            "2027-03-31",
            "2027-04-30",
            "2027-05-31",
            "2027-06-30",
            "2027-07-31",
            "2027-08-31",
            "2027-09-30",
            "2027-10-31",
            "2027-11-30",
            "2027-12-31",
            "2028-01-31",
            "2028-02-29",
        ]
    );
    for (day, dates_of_day) in [
        (30, ["2027-01-30", "2027-02-28", "2027-03-30"]),
        (29, ["2027-01-29", "2027-02-28", "2027-03-29"]),
        (28, ["2027-01-28", "2027-02-28", "2027-03-28"]),
    ] {
        assert_eq!(dates(&world, "2027-01-15T00:00:00Z", monthly(day), 3).await, dates_of_day, "day {day}");
    }
    // Leap years have a 29th; 2100 would not be one.
    assert_eq!(dates(&world, "2028-01-30T00:00:00Z", monthly(29), 2).await, ["2028-02-29", "2028-03-29"]);
    assert_eq!(dates(&world, "2100-01-30T00:00:00Z", monthly(29), 2).await, ["2100-02-28", "2100-03-29"]);
}

#[tokio::test]
async fn the_nth_and_the_last_weekday_of_each_month() {
    let world = World::new().await;
    for (n, weekday, expected) in [
        (1, "mon", ["2026-06-01", "2026-07-06", "2026-08-03"]),
        (2, "tue", ["2026-06-09", "2026-07-14", "2026-08-11"]),
        (3, "wed", ["2026-06-17", "2026-07-15", "2026-08-19"]),
        (4, "thu", ["2026-06-25", "2026-07-23", "2026-08-27"]),
        // July 2026 has five Fridays, June and August four.
        (-1, "fri", ["2026-06-26", "2026-07-31", "2026-08-28"]),
        (4, "fri", ["2026-06-26", "2026-07-24", "2026-08-28"]),
    ] {
        assert_eq!(
            dates(&world, "2026-05-31T00:00:00Z", nth(n, weekday), 3).await,
            expected,
            "{n} {weekday}"
        );
    }
}
