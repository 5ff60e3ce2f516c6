//! Rule 9: creating a task, or editing its schedule or zone, takes effect from that moment: the next occurrence is the first
//! whose window opens after it. What ran today does not run again.

use chrono::TimeDelta;
use domain::schedule::{SPREAD, Schedule};
use store::{Conflict, Error};
use testkit::{World, world::at};

use crate::{before_its_time, edit, run_once, tick};

#[tokio::test]
async fn a_task_that_is_made_inside_its_window_first_fires_in_the_next_one() {
    for (made, first) in [
        ("2026-03-02T08:59:59Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"),
        ("2026-03-02T10:00:00Z", "2026-03-03T09:00:00Z"),
        ("2026-03-02T12:00:00Z", "2026-03-03T09:00:00Z"),
    ] {
        let world = World::new().await;
        world.set(made);
        let task = world.task(|_| ()).await;
        assert_eq!(task.next.expect("a next occurrence").window.opens_at, at(first), "made at {made}");
        assert_eq!(tick(&world).await.queued, 0);
    }
}

#[tokio::test]
async fn an_edit_before_inside_and_after_the_window() {
    for (edited_at, start, next, fates) in [
        // Before: today moves, ahead or back; an hour that has passed is tomorrow's.
        ("2026-03-02T08:30:00Z", "14:00", "2026-03-02T14:00:00Z", vec![]),
        ("2026-03-02T08:30:00Z", "08:00", "2026-03-03T08:00:00Z", vec![]),
        // Inside and after: today has its run.
        ("2026-03-02T09:30:00Z", "14:00", "2026-03-03T14:00:00Z", vec!["03-02 succeeded"]),
        ("2026-03-02T09:30:00Z", "08:00", "2026-03-03T08:00:00Z", vec!["03-02 succeeded"]),
        ("2026-03-02T13:00:00Z", "14:00", "2026-03-03T14:00:00Z", vec!["03-02 succeeded"]),
    ] {
        let world = World::new().await;
        let task = world.task(|_| ()).await;
        if edited_at > "2026-03-02T09" {
            world.set("2026-03-02T09:00:00Z");
            run_once(&world).await;
        }
        world.set(edited_at);
        let edited = edit(&world, task.id, |spec| spec.schedule.window_start = start.into()).await;
        assert_eq!(
            edited.next.expect("a next occurrence").window.opens_at,
            at(next),
            "{edited_at} to {start}"
        );
        world.database.time.set(at(next) - TimeDelta::seconds(1));
        assert_eq!(tick(&world).await.queued, 0);
        assert_eq!(world.fates(task.id).await, fates);
        world.database.time.set(at(next));
        assert_eq!(tick(&world).await.queued, 1);
    }
}

#[tokio::test]
async fn an_edit_of_the_zone_before_inside_and_after_the_window() {
    for (edited_at, old, next, fates) in [
        // 09:00 in New York is 14:00 UTC; today has not run yet, then it has.
        ("2026-03-02T08:30:00Z", "2026-03-02T09:00:00Z", "2026-03-02T14:00:00Z", vec![]),
        ("2026-03-02T09:30:00Z", "2026-03-03T09:00:00Z", "2026-03-03T14:00:00Z", vec!["03-02 succeeded"]),
        ("2026-03-02T14:30:00Z", "2026-03-03T09:00:00Z", "2026-03-03T14:00:00Z", vec!["03-02 succeeded"]),
    ] {
        let world = World::new().await;
        let task = world.task(|_| ()).await;
        if edited_at > "2026-03-02T09" {
            world.set("2026-03-02T09:00:00Z");
            run_once(&world).await;
        }
        world.set(edited_at);
        let edited = edit(&world, task.id, |spec| spec.schedule.timezone = "America/New_York".into()).await;
        assert_eq!(edited.next.expect("a next occurrence").window.opens_at, at(next), "{edited_at}");
        // The old hour stays silent, and the new one fires.
        for silent in [at(old), at(next) - TimeDelta::seconds(1)] {
            world.database.time.set(silent);
            assert_eq!(tick(&world).await.queued, 0, "{edited_at}, at {silent}");
            assert_eq!(world.fates(task.id).await, fates);
        }
        world.database.time.set(at(next));
        assert_eq!(run_once(&world).await.as_of, at(next), "{edited_at}");
    }
}

/// Today's window has opened, the task's own time in it has not come. What the edit makes of today is told.
///
/// Fails where the edit writes no row: today's occurrence was gone without one.
#[tokio::test]
async fn an_edit_between_the_opening_and_the_tasks_own_time() {
    for (hour, zone, next, mut fates) in [
        // Today moves: it is the same occurrence.
        ("14:00", "UTC", "2026-03-02T14:00:00Z", vec![]),
        ("09:00", "America/New_York", "2026-03-02T14:00:00Z", vec![]),
        // Today's new window has opened before the edit.
        ("08:00", "UTC", "2026-03-03T08:00:00Z", vec!["03-02 skipped rescheduled"]),
        ("09:00", "Europe/Berlin", "2026-03-03T08:00:00Z", vec!["03-02 skipped rescheduled"]),
    ] {
        let (world, task) = before_its_time(|_| ()).await;
        let old = task.next.expect("a next occurrence").due_at;
        let edited = edit(&world, task.id, |spec| {
            spec.schedule.window_start = hour.into();
            spec.schedule.timezone = zone.into();
        });
        let next_one = edited.await.next.expect("a next occurrence");
        assert_eq!(next_one.window.opens_at, at(next), "{hour} {zone}");
        for silent in [old, next_one.due_at - TimeDelta::milliseconds(1)] {
            world.database.time.set(silent);
            assert_eq!(tick(&world).await.queued, 0, "{hour} {zone}, at {silent}");
            assert_eq!(world.fates(task.id).await, fates);
        }
        world.database.time.set(next_one.due_at);
        run_once(&world).await;
        fates.push(if fates.is_empty() { "03-02 succeeded" } else { "03-03 succeeded" });
        assert_eq!(world.fates(task.id).await, fates);
    }
}

#[tokio::test]
async fn a_date_that_an_edit_skipped_does_not_come_again() {
    let (world, task) = before_its_time(|_| ()).await;
    edit(&world, task.id, |spec| spec.schedule.window_start = "08:00".into()).await;
    let edited = edit(&world, task.id, |spec| spec.schedule.window_start = "20:00".into()).await;
    assert_eq!(edited.next.expect("a next occurrence").window.opens_at, at("2026-03-03T20:00:00Z"));
    assert_eq!(world.fates(task.id).await, ["03-02 skipped rescheduled"]);
}

/// On the other side of the date line yesterday is still to begin. Today comes after it.
#[tokio::test]
async fn a_date_that_the_new_zone_has_after_an_earlier_one_is_not_skipped() {
    let world = World::with(|options| options.spread = SPREAD).await;
    let task = world.task(|spec| {
        spec.schedule.window_start = "00:00".into();
        spec.schedule.timezone = "Pacific/Kiritimati".into();
    });
    let task = task.await;
    // The 3rd has just begun there, and the 2nd not yet on the other side.
    world.set("2026-03-02T10:00:00Z");
    let edited = edit(&world, task.id, |spec| spec.schedule.timezone = "Pacific/Pago_Pago".into()).await;
    let mut next = edited.next.expect("a next occurrence");
    assert_eq!(next.window.opens_at, at("2026-03-02T11:00:00Z"));
    for fates in [vec!["03-02 succeeded"], vec!["03-02 succeeded", "03-03 succeeded"]] {
        world.database.time.set(next.due_at);
        run_once(&world).await;
        assert_eq!(world.fates(task.id).await, fates);
        let read = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task");
        next = read.next.expect("a next occurrence");
    }
}

/// Fails where what is written is compared, and not what it means: today's occurrence was skipped.
#[tokio::test]
async fn an_edit_that_writes_the_same_schedule_in_another_way_leaves_the_next_occurrence_alone() {
    let weekdays = |days: [&str; 2]| Some(days.map(str::to_owned).to_vec());
    let (world, task) = before_its_time(|spec| {
        spec.schedule.cadence = "weekly".into();
        spec.schedule.weekdays = weekdays(["mon", "fri"]);
    })
    .await;
    let edited = edit(&world, task.id, |spec| spec.schedule.weekdays = weekdays(["fri", "mon"])).await;
    assert_eq!(edited.schedule.weekdays, weekdays(["fri", "mon"]), "as it was written last");
    assert_eq!(edited.next, task.next);
    world.database.time.set(task.next.expect("a next occurrence").due_at);
    run_once(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn a_run_that_is_queued_or_started_is_not_touched_by_an_edit() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    edit(&world, task.id, |spec| spec.schedule.window_start = "20:00".into()).await;
    let run = world.claim_one().await;
    assert_eq!(
        run.occurrence.expect("an occurrence").closes_at,
        at("2026-03-02T11:00:00Z"),
        "its own window"
    );
    edit(&world, task.id, |spec| spec.schedule.window_start = "21:00".into()).await;
    world.succeed(&run).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn what_is_due_when_an_edit_comes_is_not_lost_to_it() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    // Due this very moment, and no tick has come to it.
    world.set("2026-03-02T09:00:00Z");
    edit(&world, task.id, |spec| spec.schedule.window_start = "20:00".into()).await;
    assert_eq!(world.fates(task.id).await, ["03-02 queued"]);
    assert_eq!(tick(&world).await.queued, 0);
    assert_eq!(world.claim().await.len(), 1);
}

#[tokio::test]
async fn an_edited_schedule_takes_effect_at_once_and_a_date_that_ran_does_not_run_again() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let run = world.claim_one().await;
    world.succeed(&run).await;
    // Today's 14:00 lies ahead, but today has run.
    let mut spec = task.spec();
    spec.schedule.window_start = "14:00".into();
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    let read = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task");
    let edited = world.store().task_update(&world.scope, task.id, &spec, &schedule, Some(read.version)).await;
    let edited = edited.expect("an edit");
    assert_eq!(edited.next.expect("a next occurrence").window.opens_at, at("2026-03-03T14:00:00Z"));
    world.set("2026-03-02T14:00:00Z");
    assert_eq!(tick(&world).await.queued, 0);
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 0, "the old hour is forgotten");
    world.set("2026-03-03T14:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    // A lost update is refused.
    let lost = world.store().task_update(&world.scope, task.id, &spec, &schedule, Some(read.version)).await;
    assert!(matches!(lost, Err(Error::Conflict(Conflict::VersionMismatch))));
}

#[tokio::test]
async fn an_edit_that_leaves_the_schedule_alone_leaves_the_next_occurrence_alone() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    // Its window is open and not yet looked at: an edit of the title must not lose it.
    world.set("2026-03-02T09:00:01Z");
    let mut spec = task.spec();
    spec.title = "Airlines".into();
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    world.store().task_update(&world.scope, task.id, &spec, &schedule, None).await.expect("an edit");
    assert_eq!(tick(&world).await.queued, 1);
}

#[tokio::test]
async fn a_cadence_that_changes_keeps_only_what_is_still_named() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    run_once(&world).await;
    let weekly = edit(&world, task.id, |spec| {
        spec.schedule.cadence = "weekly".into();
        spec.schedule.weekdays = Some(vec!["mon".into(), "fri".into()]);
    });
    assert_eq!(weekly.await.next.expect("a next occurrence").window.opens_at, at("2026-03-06T09:00:00Z"));
    let monthly = edit(&world, task.id, |spec| {
        spec.schedule.cadence = "monthly".into();
        spec.schedule.weekdays = None;
        spec.schedule.day_of_month = Some(2);
    });
    // Today is the 2nd, and has run.
    assert_eq!(monthly.await.next.expect("a next occurrence").window.opens_at, at("2026-04-02T09:00:00Z"));
}
