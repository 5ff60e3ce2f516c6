//! Rule 6: what becomes of occurrences that nobody was there for. Every one leaves a row with its fate.

use chrono::TimeDelta;
use domain::{delivery::DeliveryKind, run::RunReason, schedule::SPREAD};
use store::{AfterHold, Page};
use testkit::{World, world::at};

use crate::{edit, fail, notices, run_once, tick};

/// The fates of a daily task of 09:00 after the schedulers were down from one instant to another.
async fn fates_after(down: &str, back: &str, grace_hours: u32) -> Vec<String> {
    let world = World::new().await;
    grace(&world, grace_hours).await;
    let task = world.task(|_| ()).await;
    if at(down) >= at("2026-03-02T09:00:00Z") {
        world.set("2026-03-02T09:00:00Z");
        run_once(&world).await;
    }
    world.set(down);
    assert_eq!(tick(&world).await.queued, 0);
    world.set(back);
    tick(&world).await;
    world.fates(task.id).await
}

async fn grace(world: &World, hours: u32) {
    let mut settings = world.store().workspace_get(&world.scope).await.expect("the workspace").settings;
    settings.grace_seconds = hours * 3_600;
    world.store().workspace_settings_put(&world.scope, &settings).await.expect("a change");
}

#[tokio::test]
async fn five_minutes_of_downtime() {
    // Over the opening; nowhere near a window.
    for (down, back, fates) in [
        ("2026-03-02T08:58:00Z", "2026-03-02T09:03:00Z", vec!["03-02 queued"]),
        ("2026-03-02T08:59:59Z", "2026-03-02T09:04:59Z", vec!["03-02 queued"]),
        ("2026-03-02T08:10:00Z", "2026-03-02T08:15:00Z", vec![]),
    ] {
        assert_eq!(fates_after(down, back, 6).await, fates, "{down} to {back}");
    }
}

/// How the day's run stood when the schedulers went down, late in its window.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Left {
    Queued,
    /// Its worker went down with them.
    WithAWorkerThatVanished,
    WithAWorkerThatStayed,
    WaitingForItsRetry,
    WaitingForItsData,
    Answered,
}

/// Whatever was not over finds its window closed. What never started, or lost its worker, runs late: until that is on record no
/// claim takes it. A retry does not, for it stays inside the window.
///
/// Fails where a tick does not look for runs whose windows have closed, or does so before it has missed their workers.
#[tokio::test]
async fn five_minutes_of_downtime_over_the_close() {
    for (left, fate, runs_late) in [
        (Left::Queued, "03-02 queued late", true),
        (Left::WithAWorkerThatVanished, "03-02 queued late", true),
        (Left::WithAWorkerThatStayed, "03-02 running", false),
        (Left::WaitingForItsRetry, "03-02 failed deadline", false),
        (Left::WaitingForItsData, "03-02 waiting stale_data late", true),
        (Left::Answered, "03-02 succeeded", false),
    ] {
        let world = World::new().await;
        let task = world.task(|_| ()).await.id;
        world.set("2026-03-02T10:44:00Z");
        assert_eq!(tick(&world).await.queued, 1);
        let claimed = if left == Left::Queued { vec![] } else { world.claim().await };
        for run in &claimed {
            match left {
                Left::Queued | Left::WithAWorkerThatVanished | Left::WithAWorkerThatStayed => {}
                Left::WaitingForItsRetry => {
                    fail(&world, run, RunReason::ModelUnavailable).await;
                }
                Left::WaitingForItsData => {
                    let held = world.store().run_hold(&run.scope, &run.lease, "the data is a day old").await;
                    assert_eq!(held.expect("a hold"), AfterHold::LookAt(at("2026-03-02T10:45:00Z")));
                }
                Left::Answered => world.succeed(run).await,
            }
        }
        let leases: Vec<_> = claimed.iter().map(|run| run.lease).collect();
        world.set("2026-03-02T10:58:00Z");
        world.store().run_heartbeat(&leases).await.expect("a heartbeat");
        let ticked = tick(&world).await;
        assert_eq!((ticked.rescued, ticked.overdue), (0, 0), "{left:?}: before the downtime");
        if left == Left::WithAWorkerThatStayed {
            world.set("2026-03-02T11:02:30Z");
            assert_eq!(world.store().run_heartbeat(&leases).await.expect("a heartbeat").len(), 1);
        }
        world.set("2026-03-02T11:03:00Z");
        tick(&world).await;
        assert_eq!(world.fates(task).await, [fate], "{left:?}");
        let late: Vec<_> = world.claim().await.iter().map(|run| run.late).collect();
        assert_eq!(late, if runs_late { vec![true] } else { vec![] }, "{left:?}");
        if left == Left::WithAWorkerThatStayed {
            world.succeed(&claimed[0]).await;
            assert_eq!(world.fates(task).await, ["03-02 succeeded"], "it had started in time");
        }
    }
}

#[tokio::test]
async fn three_hours_of_downtime() {
    for (down, back, fates) in [
        // The window is open again, or has closed within the grace period: at its very close it is late.
        ("2026-03-02T07:59:59Z", "2026-03-02T10:59:59Z", vec!["03-02 queued"]),
        ("2026-03-02T08:00:00Z", "2026-03-02T11:00:00Z", vec!["03-02 queued late"]),
        ("2026-03-02T08:30:00Z", "2026-03-02T11:30:00Z", vec!["03-02 queued late"]),
        ("2026-03-02T11:30:00Z", "2026-03-02T14:30:00Z", vec!["03-02 succeeded"]),
    ] {
        assert_eq!(fates_after(down, back, 6).await, fates, "{down} to {back}");
    }
    // A grace period of half an hour would end at 11:30 sharp, one of none at the close.
    assert_eq!(
        fates_after("2026-03-02T08:30:00Z", "2026-03-02T11:30:00Z", 0).await,
        ["03-02 missed downtime"]
    );
    assert_eq!(fates_after("2026-03-02T08:30:00Z", "2026-03-02T10:30:00Z", 0).await, ["03-02 queued"]);
}

#[tokio::test]
async fn two_days_of_downtime() {
    for (down, back, grace, fates) in [
        // Open again: one run, and a row for the one before.
        (
            "2026-03-02T08:30:00Z",
            "2026-03-04T08:30:00Z",
            6,
            vec!["03-02 missed downtime", "03-03 missed downtime"],
        ),
        (
            "2026-03-02T09:30:00Z",
            "2026-03-04T09:30:00Z",
            6,
            vec!["03-02 succeeded", "03-03 missed downtime", "03-04 queued"],
        ),
        // Closed within the grace period, and beyond it.
        (
            "2026-03-02T12:00:00Z",
            "2026-03-04T12:00:00Z",
            6,
            vec!["03-02 succeeded", "03-03 missed downtime", "03-04 queued late"],
        ),
        (
            "2026-03-02T18:00:00Z",
            "2026-03-04T18:00:00Z",
            6,
            vec!["03-02 succeeded", "03-03 missed downtime", "03-04 missed downtime"],
        ),
        // Several within a long grace period: only the newest runs, and the older ones gave way to it.
        (
            "2026-03-02T08:30:00Z",
            "2026-03-04T09:30:00Z",
            72,
            vec!["03-02 missed superseded", "03-03 missed superseded", "03-04 queued"],
        ),
        (
            "2026-03-02T08:30:00Z",
            "2026-03-04T08:30:00Z",
            72,
            vec!["03-02 missed superseded", "03-03 queued late"],
        ),
        // The oldest is beyond even that.
        (
            "2026-03-02T08:30:00Z",
            "2026-03-04T12:00:00Z",
            30,
            vec!["03-02 missed downtime", "03-03 missed superseded", "03-04 queued late"],
        ),
    ] {
        assert_eq!(fates_after(down, back, grace).await, fates, "{down} to {back}, grace {grace} h");
    }
}

#[tokio::test]
async fn a_newer_occurrence_counts_once_its_own_offset_has_come() {
    let world = World::with(|options| options.spread = SPREAD).await;
    grace(&world, 48).await;
    let task = world.task(|_| ()).await;
    let due_at = task.next.expect("a next occurrence").due_at + TimeDelta::days(1);
    // Its window is open and its time has not come: the older one is caught up on, late.
    world.database.time.set(due_at - TimeDelta::milliseconds(1));
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 queued late"]);
    // And gives way when it has, if no worker took it.
    world.database.time.set(due_at);
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 missed superseded", "03-03 queued"]);
}

#[tokio::test]
async fn an_occurrence_whose_window_is_open_runs_at_once() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T10:59:59Z");
    let ticked = tick(&world).await;
    assert_eq!((ticked.queued, ticked.late), (1, 0));
    assert_eq!(world.fates(task.id).await, ["03-02 queued"]);
}

#[tokio::test]
async fn one_that_closed_within_the_grace_period_runs_late_and_an_older_one_is_missed() {
    for (now, fate) in [
        ("2026-03-02T11:00:00Z", "03-02 queued late"),
        ("2026-03-02T16:59:59Z", "03-02 queued late"),
        ("2026-03-02T17:00:00Z", "03-02 missed downtime"),
    ] {
        let world = World::new().await;
        let task = world.task(|_| ()).await;
        world.set(now);
        tick(&world).await;
        assert_eq!(world.fates(task.id).await, [fate], "at {now}");
    }
}

#[tokio::test]
async fn a_week_of_downtime_leaves_a_row_for_each_day_and_one_catch_up_run() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-08T12:00:00Z");
    let ticked = tick(&world).await;
    assert_eq!((ticked.queued, ticked.late, ticked.missed), (1, 1, 6));
    let fates = world.fates(task.id).await;
    assert_eq!(fates.len(), 7);
    assert_eq!(fates[0], "03-02 missed downtime");
    assert_eq!(fates[5], "03-07 missed downtime");
    assert_eq!(fates[6], "03-08 queued late");
    let next = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task").next;
    assert_eq!(next.expect("a next occurrence").window.opens_at, at("2026-03-09T09:00:00Z"));
}

#[tokio::test]
async fn a_workspace_sets_its_own_grace_period() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    grace(&world, 0).await;
    world.set("2026-03-02T11:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 missed downtime"]);
}

#[tokio::test]
async fn a_queued_run_that_no_worker_took_runs_late_and_then_is_missed() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.set("2026-03-02T12:00:00Z");
    assert!(world.claim().await.is_empty(), "not before its lateness is on record");
    tick(&world).await;
    let run = world.claim_one().await;
    assert!(run.late);
    world.store().run_release(&[run.lease]).await.expect("handed back");
    world.set("2026-03-02T17:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 failed deadline late"]);
}

/// A run that is late already keeps the end that it was given, so it must still give way: two would catch up at once.
#[tokio::test]
async fn a_late_run_gives_way_to_the_next_days_though_the_grace_period_was_made_shorter() {
    let world = World::new().await;
    grace(&world, 48).await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T12:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 queued late"]);
    grace(&world, 6).await;
    world.set("2026-03-03T09:30:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 missed superseded", "03-03 queued"]);
    assert_eq!(world.claim().await.len(), 1);
}

#[tokio::test]
async fn a_queued_run_that_no_worker_ever_took_is_missed_in_the_end() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.set("2026-03-02T11:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 queued late"]);
    world.set("2026-03-02T17:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 missed downtime"]);
}

#[tokio::test]
async fn a_queued_run_gives_way_to_a_newer_occurrence() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    grace(&world, 48).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    assert_eq!(world.fates(task.id).await, ["03-02 missed superseded", "03-03 queued"]);
    assert_eq!(world.claim().await.len(), 1);
}

#[tokio::test]
async fn a_run_left_behind_by_a_long_downtime_does_not_make_today_skip() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    world.claim_one().await;
    world.set("2026-03-05T09:30:00Z");
    tick(&world).await;
    assert_eq!(
        world.fates(task.id).await,
        ["03-02 failed deadline", "03-03 missed downtime", "03-04 missed downtime", "03-05 queued"]
    );
}

#[tokio::test]
async fn an_edit_while_the_schedulers_are_down_loses_no_fate() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-03T09:30:00Z");
    let edited = edit(&world, task.id, |spec| spec.schedule.window_start = "20:00".into()).await;
    assert_eq!(edited.next.expect("a next occurrence").window.opens_at, at("2026-03-04T20:00:00Z"));
    assert_eq!(world.fates(task.id).await, ["03-02 missed downtime", "03-03 queued"]);
}

#[tokio::test]
async fn a_pause_while_the_schedulers_are_down_loses_no_fate() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-03T09:30:00Z");
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    assert_eq!(world.fates(task.id).await, ["03-02 missed downtime", "03-03 skipped paused"]);
}

/// A run that is held for fresh data has not started. When the schedulers go down meanwhile, it is still there to run late
/// when the next day's comes due, and gives way to it as a queued one does.
#[tokio::test]
async fn a_run_that_is_held_for_fresh_data_gives_way_to_the_next_days() {
    let world = World::new().await;
    grace(&world, 48).await;
    let task = world.task(|_| ()).await.id;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.store().run_hold(&run.scope, &run.lease, "the data is a day old").await.expect("a hold");
    // Before any tick, an extension settles what is due.
    world.set("2026-03-03T09:30:00Z");
    world
        .store()
        .task_extend(&world.scope, task, Some(at("2026-06-01T00:00:00Z")))
        .await
        .expect("an extension");
    assert_eq!(world.fates(task).await, ["03-02 missed superseded", "03-03 queued"]);
    tick(&world).await;
    assert_eq!(world.fates(task).await, ["03-02 missed superseded", "03-03 queued"]);
}

/// A grace period that reaches over the next day's window.
const LONG: [u32; 2] = [48, 7 * 24];

/// Yesterday's run lost its worker, and was queued again to run late. Nobody has it in hand when today's comes due.
///
/// Fails where whatever has started stands in the way: today's was skipped as `still_running`, with nobody at work.
#[tokio::test]
async fn a_started_run_that_nobody_holds_gives_way_to_the_next_days() {
    for hours in LONG {
        let world = World::new().await;
        grace(&world, hours).await;
        let task = world.task(|_| ()).await.id;
        world.set("2026-03-02T09:00:00Z");
        tick(&world).await;
        fail(&world, &world.claim_one().await, RunReason::ModelUnavailable).await;
        world.step(TimeDelta::seconds(30));
        world.claim_one().await;
        world.set("2026-03-02T11:00:00Z");
        tick(&world).await;
        assert_eq!(world.fates(task).await, ["03-02 queued model_unavailable late"]);
        world.set("2026-03-03T09:00:00Z");
        assert_eq!(tick(&world).await.queued, 1);
        assert_eq!(world.fates(task).await, ["03-02 failed deadline late", "03-03 queued"], "{hours} h");
        let runs = world.store().run_list(&world.scope, task, &Page::first(9)).await.expect("runs").values;
        assert_eq!(runs[1].message.as_deref(), Some("it failed"), "its last error");
        assert_eq!(notices(&world, task).await, [DeliveryKind::Failure]);
    }
}

/// Each day's worker vanishes: one catch-up run at a time, and each day has its own.
#[tokio::test]
async fn a_task_never_has_more_than_one_run_to_catch_up_on() {
    for hours in LONG {
        let world = World::new().await;
        grace(&world, hours).await;
        let task = world.task(|_| ()).await.id;
        for day in 2..7 {
            world.database.time.set(at(&format!("2026-03-0{day}T09:00:00Z")));
            tick(&world).await;
            world.claim_one().await;
            world.step(TimeDelta::hours(2));
            tick(&world).await;
            let unfinished = "SELECT count(*) FROM run_queue";
            assert_eq!(world.number(unfinished).await, 1, "grace {hours} h, on day {day}");
        }
        let fates = world.fates(task).await;
        assert_eq!(fates[0], "03-02 failed deadline late");
        assert_eq!(&fates[3..], ["03-05 failed deadline late", "03-06 queued late"]);
    }
}

/// Before any tick has missed its worker: the lease has passed, and whoever gives today's its fate takes it away.
#[tokio::test]
async fn a_run_whose_lease_has_passed_gives_way_though_no_tick_has_come() {
    for hours in LONG {
        let world = World::new().await;
        grace(&world, hours).await;
        let task = world.task(|_| ()).await.id;
        world.set("2026-03-02T09:00:00Z");
        tick(&world).await;
        let run = world.claim_one().await;
        world.set("2026-03-03T09:00:00Z");
        let claim = world.store().due_claim(10, None).await.expect("a claim");
        assert_eq!((claim.queued, claim.skipped), (1, 0));
        // As a tick would have left it.
        assert_eq!(world.fates(task).await, ["03-02 failed deadline late", "03-03 queued"]);
        assert!(world.store().run_heartbeat(&[run.lease]).await.expect("a heartbeat").is_empty());
    }
}

#[tokio::test]
async fn a_late_run_that_a_worker_holds_does_not_give_way() {
    for hours in LONG {
        let world = World::new().await;
        grace(&world, hours).await;
        let task = world.task(|_| ()).await.id;
        world.set("2026-03-02T12:00:00Z");
        tick(&world).await;
        let run = world.claim_one().await;
        world.set("2026-03-03T09:00:00Z");
        world.store().run_heartbeat(&[run.lease]).await.expect("a heartbeat");
        assert_eq!(tick(&world).await.skipped, 1);
        world.succeed(&run).await;
        assert_eq!(world.fates(task).await, ["03-02 succeeded late", "03-03 skipped still_running"]);
    }
}
