//! Rule 10: expiration is an instant; an occurrence whose window opens at or after it does not exist.

use chrono::TimeDelta;
use domain::{
    delivery::DeliveryKind,
    schedule::{SPREAD, start_offset},
    task::TaskStatus,
};
use store::{Conflict, Error, Page, Task};
use testkit::{World, world::at};

use crate::{edit, notices, run_once, tick};

/// A daily task of 09:00 that expires then.
async fn expiring(world: &World, expires_at: &str) -> Task {
    world.task(|spec| spec.expires_at = Some(at(expires_at))).await
}

async fn read(world: &World, task: &Task) -> Task {
    world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task")
}

#[tokio::test]
async fn a_task_expires_at_its_instant_and_tells_a_week_before() {
    let world = World::new().await;
    let task = world.task(|spec| spec.expires_at = Some(at("2026-03-20T09:00:00Z"))).await;
    world.set("2026-03-13T08:59:59Z");
    assert_eq!(tick(&world).await.warned, 0);
    world.set("2026-03-13T09:00:00Z");
    assert_eq!(tick(&world).await.warned, 1);
    world.set("2026-03-13T09:01:00Z");
    assert_eq!(tick(&world).await.warned, 0, "told once");
    // The window that opens at the expiration does not exist.
    world.set("2026-03-20T09:00:00Z");
    let expiring = tick(&world).await;
    assert_eq!((expiring.expired, expiring.queued), (1, 0));
    let read = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task");
    assert_eq!((read.status, read.next), (TaskStatus::Expired, None));
    let told = world
        .store()
        .delivery_list_of_task(&world.scope, task.id, &Page::first(10))
        .await
        .expect("deliveries");
    let kinds: Vec<_> = told.values.iter().map(|told| told.kind).collect();
    assert_eq!(kinds, [DeliveryKind::Expired, DeliveryKind::Expiring]);

    let resumed = world.store().task_resume(&world.scope, task.id).await;
    assert!(matches!(resumed, Err(Error::Conflict(Conflict::TaskExpired))));
    let extended = world.store().task_extend(&world.scope, task.id, Some(at("2026-06-01T00:00:00Z"))).await;
    let extended = extended.expect("extended");
    assert_eq!(extended.status, TaskStatus::Active);
    assert_eq!(extended.next.expect("a next occurrence").window.opens_at, at("2026-03-21T09:00:00Z"));
}

#[tokio::test]
async fn the_last_occurrence_is_the_one_that_opens_before_the_expiration() {
    for (expires_at, fates) in [
        ("2026-03-03T08:59:59Z", vec!["03-02 succeeded"]),
        ("2026-03-03T09:00:00Z", vec!["03-02 succeeded"]),
        ("2026-03-03T09:00:01Z", vec!["03-02 succeeded", "03-03 succeeded"]),
    ] {
        let world = World::new().await;
        let task = expiring(&world, expires_at).await;
        for _ in 0..72 {
            world.step(TimeDelta::hours(1));
            tick(&world).await;
            for run in world.claim().await {
                world.succeed(&run).await;
            }
        }
        assert_eq!(world.fates(task.id).await, fates, "expires {expires_at}");
    }
}

#[tokio::test]
async fn a_task_that_expires_inside_its_window_before_its_offset_still_runs() {
    let world = World::with(|options| options.spread = SPREAD).await;
    let task = expiring(&world, "2026-03-02T09:00:01Z").await;
    let offset = start_offset(task.id, SPREAD);
    assert!(offset > TimeDelta::seconds(1), "an earlier offset would prove nothing");
    world.set("2026-03-02T09:00:01Z");
    assert_eq!(tick(&world).await.expired, 1);
    assert_eq!(read(&world, &task).await.status, TaskStatus::Expired);
    world.database.time.set(at("2026-03-02T09:00:00Z") + offset);
    run_once(&world).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
    assert_eq!(read(&world, &task).await.next, None);
}

#[tokio::test]
async fn a_downtime_over_the_expiration_leaves_a_row_for_each_day_before_it() {
    let world = World::new().await;
    let task = expiring(&world, "2026-03-04T09:30:00Z").await;
    world.set("2026-03-04T10:00:00Z");
    tick(&world).await;
    assert_eq!(
        world.fates(task.id).await,
        ["03-02 missed downtime", "03-03 missed downtime", "03-04 queued"]
    );
    assert_eq!(read(&world, &task).await.status, TaskStatus::Expired);
    world.set("2026-03-06T00:00:00Z");
    tick(&world).await;
    assert_eq!(world.fates(task.id).await.len(), 3);
}

#[tokio::test]
async fn its_creator_is_told_once_that_it_expires_and_once_that_it_did() {
    let world = World::new().await;
    let task = expiring(&world, "2026-03-20T12:00:00Z").await;
    for day in 10..30 {
        world.database.time.set(at(&format!("2026-03-{day}T12:00:00Z")));
        tick(&world).await;
        for run in world.claim().await {
            world.store().run_cancel(&world.scope, run.lease.run_id).await.expect("a cancellation");
        }
    }
    let told = notices(&world, task.id).await;
    let told: Vec<_> = told
        .into_iter()
        .filter(|kind| matches!(kind, DeliveryKind::Expiring | DeliveryKind::Expired))
        .collect();
    assert_eq!(told, [DeliveryKind::Expiring, DeliveryKind::Expired]);
}

#[tokio::test]
async fn a_task_that_was_made_within_its_last_week_is_not_warned_of() {
    let world = World::new().await;
    let task = expiring(&world, "2026-03-05T12:00:00Z").await;
    world.set("2026-03-03T08:00:00Z");
    tick(&world).await;
    assert!(notices(&world, task.id).await.is_empty());
}

#[tokio::test]
async fn an_extension_is_told_of_anew() {
    let world = World::new().await;
    let task = expiring(&world, "2026-03-20T12:00:00Z").await;
    world.set("2026-03-14T12:00:00Z");
    tick(&world).await;
    world
        .store()
        .task_extend(&world.scope, task.id, Some(at("2026-04-20T12:00:00Z")))
        .await
        .expect("extended");
    tick(&world).await;
    world.set("2026-04-14T12:00:00Z");
    tick(&world).await;
    assert_eq!(notices(&world, task.id).await, [DeliveryKind::Expiring; 2]);
}

#[tokio::test]
async fn an_extension_inside_the_window_that_did_not_exist_brings_the_next_one() {
    for has_expired in [false, true] {
        let world = World::new().await;
        let task = expiring(&world, "2026-03-02T09:00:00Z").await;
        world.set("2026-03-02T09:30:00Z");
        if has_expired {
            tick(&world).await;
        }
        let extended = world.store().task_extend(&world.scope, task.id, None).await.expect("extended");
        assert_eq!(extended.next.expect("a next occurrence").window.opens_at, at("2026-03-03T09:00:00Z"));
        // Nor does a sweep bring back what did not exist.
        assert_eq!(tick(&world).await.queued, 0);
        world.set("2026-03-03T08:59:59Z");
        assert_eq!(tick(&world).await.queued, 0);
        assert!(world.fates(task.id).await.is_empty());
    }
}

#[tokio::test]
async fn a_shorter_expiration_takes_the_next_occurrence_away_and_a_longer_one_gives_it_back() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let (store, scope) = (world.store(), &world.scope);
    let shortened =
        store.task_extend(scope, task.id, Some(at("2026-03-02T09:00:00Z"))).await.expect("changed");
    assert_eq!(shortened.next, None);
    let extended =
        store.task_extend(scope, task.id, Some(at("2026-03-02T09:00:01Z"))).await.expect("changed");
    assert_eq!(extended.next.expect("a next occurrence").window.opens_at, at("2026-03-02T09:00:00Z"));
    let past = store.task_extend(scope, task.id, Some(at("2026-03-02T08:00:00Z"))).await;
    assert!(matches!(past, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_paused_task_expires_and_is_told_of() {
    let world = World::new().await;
    let task = expiring(&world, "2026-03-05T12:00:00Z").await;
    world.store().task_pause(&world.scope, task.id).await.expect("a pause");
    world.set("2026-03-05T12:00:00Z");
    assert_eq!(tick(&world).await.expired, 1);
    assert_eq!(notices(&world, task.id).await, [DeliveryKind::Expired]);
    assert_eq!(read(&world, &task).await.status, TaskStatus::Expired);
}

#[tokio::test]
async fn a_task_without_an_expiration_goes_on() {
    let world = World::new().await;
    let task = world.task(|spec| spec.expires_at = None).await;
    world.set("2031-03-02T09:00:00Z");
    let ticked = tick(&world).await;
    assert_eq!((ticked.queued, ticked.missed, ticked.expired), (1, 5 * 365 + 1, 0));
    assert_eq!(read(&world, &task).await.status, TaskStatus::Active);
}

#[tokio::test]
async fn an_edit_of_an_expired_task_revives_nothing() {
    let world = World::new().await;
    let task = expiring(&world, "2026-03-02T08:30:00Z").await;
    world.set("2026-03-02T08:30:00Z");
    tick(&world).await;
    let edited = edit(&world, task.id, |spec| spec.schedule.window_start = "10:00".into()).await;
    assert_eq!((edited.status, edited.next), (TaskStatus::Expired, None));
    world.set("2026-03-02T10:00:00Z");
    assert_eq!(tick(&world).await.queued, 0);
}

/// With a task that is revived taken for one that is rescheduled, today's occurrence vanishes without a row.
#[tokio::test]
async fn a_later_expiration_keeps_the_occurrence_that_has_opened_and_not_started() {
    for by_edit in [false, true] {
        let world = World::with(|options| options.spread = SPREAD).await;
        let task = expiring(&world, "2026-03-02T09:00:01Z").await;
        let offset = start_offset(task.id, SPREAD);
        assert!(offset > TimeDelta::seconds(1), "an earlier offset would prove nothing");
        world.set("2026-03-02T09:00:01Z");
        assert_eq!(tick(&world).await.expired, 1);
        extend(&world, &task, by_edit).await;
        assert_eq!(read(&world, &task).await.status, TaskStatus::Active);
        world.database.time.set(at("2026-03-02T09:00:00Z") + offset);
        assert_eq!(tick(&world).await.queued, 1);
        assert_eq!(world.fates(task.id).await, ["03-02 queued"]);
    }
}

/// With the change made before what was due has its fate, the days after the old expiration are missed, and today's runs late.
#[tokio::test]
async fn a_later_expiration_backfills_nothing_after_a_downtime() {
    for by_edit in [false, true] {
        let world = World::new().await;
        let task = expiring(&world, "2026-03-02T10:00:00Z").await;
        world.set("2026-03-05T12:00:00Z");
        extend(&world, &task, by_edit).await;
        assert_eq!(tick(&world).await.queued, 0);
        assert_eq!(world.fates(task.id).await, ["03-02 missed downtime"]);
        let next = read(&world, &task).await.next.expect("a next occurrence");
        assert_eq!(next.window.opens_at, at("2026-03-06T09:00:00Z"));
    }
}

/// Takes a task's expiration away.
async fn extend(world: &World, task: &Task, by_edit: bool) {
    if by_edit {
        edit(world, task.id, |spec| spec.expires_at = None).await;
    } else {
        world.store().task_extend(&world.scope, task.id, None).await.expect("extended");
    }
}
