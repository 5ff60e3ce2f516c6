//! Rule 2: a window opens at the first instant whose wall time on its date is at or after its start, and closes two hours of
//! elapsed time later. Ticks carry each task over a change of its zone's clocks.

use chrono::TimeDelta;
use serde_json::json;
use testkit::{World, world::at};

use crate::{days_of, tick};

/// Zone, start of the window, and three occurrences around a change of the clocks, from Python's zoneinfo.
type Change = (&'static str, &'static str, [&'static str; 3]);

const CHANGES: [Change; 21] = [
    // Spring forward over 02:00 to 03:00: the gap's end. Fall back: the earlier 01:00.
    (
        "America/New_York",
        "02:00",
        ["2026-03-07 2026-03-07T07:00Z", "2026-03-08 2026-03-08T07:00Z", "2026-03-09 2026-03-09T06:00Z"],
    ),
    (
        "America/New_York",
        "01:00",
        ["2026-10-31 2026-10-31T05:00Z", "2026-11-01 2026-11-01T05:00Z", "2026-11-02 2026-11-02T06:00Z"],
    ),
    (
        "Europe/Berlin",
        "02:00",
        ["2026-03-28 2026-03-28T01:00Z", "2026-03-29 2026-03-29T01:00Z", "2026-03-30 2026-03-30T00:00Z"],
    ),
    (
        "Europe/Berlin",
        "02:00",
        ["2026-10-24 2026-10-24T00:00Z", "2026-10-25 2026-10-25T00:00Z", "2026-10-26 2026-10-26T01:00Z"],
    ),
    (
        "Europe/London",
        "01:00",
        ["2026-03-28 2026-03-28T01:00Z", "2026-03-29 2026-03-29T01:00Z", "2026-03-30 2026-03-30T00:00Z"],
    ),
    (
        "Europe/London",
        "01:00",
        ["2026-10-24 2026-10-24T00:00Z", "2026-10-25 2026-10-25T00:00Z", "2026-10-26 2026-10-26T01:00Z"],
    ),
    // Half an hour: 02:00 becomes 02:30, and 02:00 becomes 01:30.
    (
        "Australia/Lord_Howe",
        "02:00",
        ["2026-10-03 2026-10-02T15:30Z", "2026-10-04 2026-10-03T15:30Z", "2026-10-05 2026-10-04T15:00Z"],
    ),
    (
        "Australia/Lord_Howe",
        "01:00",
        ["2026-04-04 2026-04-03T14:00Z", "2026-04-05 2026-04-04T14:00Z", "2026-04-06 2026-04-05T14:30Z"],
    ),
    // At midnight: a date that begins at 01:00, and a last hour that comes twice.
    (
        "America/Santiago",
        "00:00",
        ["2026-09-05 2026-09-05T04:00Z", "2026-09-06 2026-09-06T04:00Z", "2026-09-07 2026-09-07T03:00Z"],
    ),
    (
        "America/Santiago",
        "23:00",
        ["2026-04-03 2026-04-04T02:00Z", "2026-04-04 2026-04-05T02:00Z", "2026-04-05 2026-04-06T03:00Z"],
    ),
    (
        "Asia/Beirut",
        "00:00",
        ["2026-03-28 2026-03-27T22:00Z", "2026-03-29 2026-03-28T22:00Z", "2026-03-30 2026-03-29T21:00Z"],
    ),
    (
        "Asia/Beirut",
        "23:00",
        ["2026-10-23 2026-10-23T20:00Z", "2026-10-24 2026-10-24T20:00Z", "2026-10-25 2026-10-25T21:00Z"],
    ),
    (
        "America/Sao_Paulo",
        "00:00",
        ["2018-11-03 2018-11-03T03:00Z", "2018-11-04 2018-11-04T03:00Z", "2018-11-05 2018-11-05T02:00Z"],
    ),
    (
        "America/Sao_Paulo",
        "23:00",
        ["2018-02-16 2018-02-17T01:00Z", "2018-02-17 2018-02-18T01:00Z", "2018-02-18 2018-02-19T02:00Z"],
    ),
    // The other hemisphere.
    (
        "Australia/Sydney",
        "02:00",
        ["2026-10-03 2026-10-02T16:00Z", "2026-10-04 2026-10-03T16:00Z", "2026-10-05 2026-10-04T15:00Z"],
    ),
    (
        "Australia/Sydney",
        "02:00",
        ["2026-04-04 2026-04-03T15:00Z", "2026-04-05 2026-04-04T15:00Z", "2026-04-06 2026-04-05T16:00Z"],
    ),
    (
        "Pacific/Auckland",
        "02:00",
        ["2026-09-26 2026-09-25T14:00Z", "2026-09-27 2026-09-26T14:00Z", "2026-09-28 2026-09-27T13:00Z"],
    ),
    (
        "Pacific/Auckland",
        "02:00",
        ["2026-04-04 2026-04-03T13:00Z", "2026-04-05 2026-04-04T13:00Z", "2026-04-06 2026-04-05T14:00Z"],
    ),
    // Winter time during Ramadan.
    (
        "Africa/Casablanca",
        "02:00",
        ["2026-02-14 2026-02-14T01:00Z", "2026-02-15 2026-02-15T01:00Z", "2026-02-16 2026-02-16T02:00Z"],
    ),
    (
        "Africa/Casablanca",
        "02:00",
        ["2026-03-21 2026-03-21T02:00Z", "2026-03-22 2026-03-22T02:00Z", "2026-03-23 2026-03-23T01:00Z"],
    ),
    // Apia went from the 29th to the 31st of December 2011.
    (
        "Pacific/Apia",
        "09:00",
        ["2011-12-28 2011-12-28T19:00Z", "2011-12-29 2011-12-29T19:00Z", "2011-12-31 2011-12-30T19:00Z"],
    ),
];

#[tokio::test]
async fn windows_over_every_kind_of_clock_change() {
    let world = World::new().await;
    for (zone, start, expected) in CHANGES {
        let first = expected[0].split_once(' ').expect("a date and an instant").1.replace('Z', ":00Z");
        world.database.time.set(at(&first) - TimeDelta::hours(1));
        let schedule = json!({ "cadence": "daily", "windowStart": start, "timezone": zone });
        let days = days_of(&world, schedule, 3).await;
        let days: Vec<_> = days
            .iter()
            .map(|(date, opens_at)| format!("{date} {}", opens_at.format("%Y-%m-%dT%H:%MZ")))
            .collect();
        assert_eq!(days, expected, "{zone} at {start}");
    }
}

#[tokio::test]
async fn a_window_lasts_two_hours_whatever_the_wall_shows() {
    // 01:00 to 03:00 on the wall of Berlin is one hour of 29 March and three hours of 25 October.
    for (opens_at, closes_at) in
        [("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"), ("2026-10-24T23:00:00Z", "2026-10-25T01:00:00Z")]
    {
        for (beyond, fate) in [(-1, "queued"), (0, "queued late")] {
            let world = World::new().await;
            world.database.time.set(at(opens_at) - TimeDelta::hours(1));
            let task = world.task(|spec| {
                spec.schedule.window_start = "01:00".into();
                spec.schedule.timezone = "Europe/Berlin".into();
            });
            let task = task.await;
            world.database.time.set(at(closes_at) + TimeDelta::seconds(beyond));
            tick(&world).await;
            assert!(world.fates(task.id).await[0].ends_with(fate), "{closes_at} {beyond}");
        }
    }
}
