//! Rule 3: `(task, date)` is unique in the database. Nothing can run an occurrence twice, whatever crashes, restarts or is
//! edited. Racing schedulers: `concurrency.rs`.

use chrono::TimeDelta;
use testkit::{World, world::at};

use crate::{edit, run_once, tick};

#[tokio::test]
async fn a_task_fires_once_in_each_of_its_windows() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    assert_eq!(task.next.expect("a next occurrence").due_at, at("2026-03-02T09:00:00Z"));
    for (now, queued) in [
        ("2026-03-02T08:59:59Z", 0),
        ("2026-03-02T09:00:00Z", 1),
        ("2026-03-02T09:00:01Z", 0),
        ("2026-03-02T10:59:00Z", 0),
        ("2026-03-03T08:59:59Z", 0),
        ("2026-03-03T09:00:00Z", 1),
    ] {
        world.set(now);
        assert_eq!(tick(&world).await.queued, queued, "at {now}");
        for run in world.claim().await {
            world.succeed(&run).await;
        }
    }
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded", "03-03 succeeded"]);
}

#[tokio::test]
async fn a_due_row_that_comes_back_from_the_past_runs_nothing_again() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    run_once(&world).await;
    // As after a crash that had forgotten the claim's second half.
    let rewound = "UPDATE task_due SET due_at = '2026-03-02T09:00:00Z', occurrence_date = '2026-03-02',
                       opens_at = '2026-03-02T09:00:00Z', closes_at = '2026-03-02T11:00:00Z'";
    for _ in 0..2 {
        world.execute(rewound).await;
        assert_eq!(tick(&world).await.queued, 0);
    }
    world.execute(rewound).await;
    world.set("2026-03-03T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 1, "the schedule goes on behind it");
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded", "03-03 queued"]);
}

#[tokio::test]
async fn a_zone_in_which_the_same_date_comes_again_does_not_run_it_again() {
    let world = World::new().await;
    let task = world.task(|spec| spec.schedule.timezone = "Pacific/Kiritimati".into()).await;
    // 3 March, 09:00 in Kiritimati is the evening of 2 March in UTC.
    world.set("2026-03-02T19:00:00Z");
    run_once(&world).await;
    world.set("2026-03-02T20:00:00Z");
    let edited = edit(&world, task.id, |spec| spec.schedule.timezone = "Pacific/Honolulu".into()).await;
    assert_eq!(edited.next.expect("a next occurrence").window.date.to_string(), "2026-03-04");
    // 3 March, 09:00 in Honolulu.
    world.set("2026-03-03T19:00:00Z");
    assert_eq!(tick(&world).await.queued, 0);
    world.set("2026-03-04T19:00:00Z");
    run_once(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-03 succeeded", "03-04 succeeded"]);
}

#[tokio::test]
async fn a_date_that_ran_in_another_zone_is_passed_over_when_its_turn_comes() {
    let world = World::new().await;
    let task = world.task(|spec| {
        spec.schedule.cadence = "weekly".into();
        spec.schedule.weekdays = Some(vec!["tue".into()]);
        spec.schedule.timezone = "Pacific/Kiritimati".into();
    });
    let task = task.await;
    // Tuesday the 3rd in Kiritimati, Monday the 2nd in UTC.
    world.set("2026-03-02T19:00:00Z");
    run_once(&world).await;
    // Daily in Pago Pago, 25 hours behind: the 2nd is still to come there, and the 3rd has run.
    let edited = edit(&world, task.id, |spec| {
        spec.schedule.cadence = "daily".into();
        spec.schedule.weekdays = None;
        spec.schedule.timezone = "Pacific/Pago_Pago".into();
    });
    assert_eq!(edited.await.next.expect("a next occurrence").window.date.to_string(), "2026-03-02");
    world.set("2026-03-02T20:00:00Z");
    assert_eq!(tick(&world).await.queued, 1);
    let next = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task").next;
    assert_eq!(next.expect("a next occurrence").window.opens_at, at("2026-03-04T20:00:00Z"));
    // Nor does the 3rd drive out the 2nd, which no worker has taken yet.
    world.set("2026-03-03T20:00:00Z");
    let ticked = tick(&world).await;
    assert_eq!((ticked.queued, ticked.skipped, ticked.missed), (0, 0, 0));
}

#[tokio::test]
async fn a_run_by_hand_is_beside_the_schedule() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    world.step(TimeDelta::hours(1));
    run_once(&world).await;
    world.step(TimeDelta::hours(1));
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    assert_eq!(world.fates(task.id).await, ["manual succeeded", "03-02 succeeded", "manual queued"]);
}
