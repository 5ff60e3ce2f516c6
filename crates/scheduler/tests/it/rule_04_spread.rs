//! Rule 4: inside its window a task starts at an offset that is a pure function of its id, uniform over the first 90 minutes,
//! the same every day. Uniformity: `domain::schedule`; ten thousand tasks of one window: `concurrency.rs`.

use chrono::TimeDelta;
use domain::schedule::{SPREAD, start_offset};
use testkit::{World, world::at};

use crate::{edit, tick};

#[tokio::test]
async fn a_task_starts_at_its_own_offset_in_the_window_every_day() {
    let world = World::with(|options| options.spread = SPREAD).await;
    let task = world.task(|_| ()).await;
    let offset = start_offset(task.id, SPREAD);
    assert!(offset > TimeDelta::zero(), "an offset of zero would prove nothing");
    for day in [2, 3] {
        world
            .database
            .time
            .set(at(&format!("2026-03-0{day}T09:00:00Z")) + offset - TimeDelta::milliseconds(1));
        assert_eq!(tick(&world).await.queued, 0);
        world.step(TimeDelta::milliseconds(1));
        assert_eq!(tick(&world).await.queued, 1);
        let run = world.claim_one().await;
        world.succeed(&run).await;
    }
}

#[tokio::test]
async fn an_edit_a_pause_and_an_extension_leave_the_offset_as_it_is() {
    let world = World::with(|options| options.spread = SPREAD).await;
    let (store, scope) = (world.store(), &world.scope);
    let task = world.task(|_| ()).await;
    let offset = start_offset(task.id, SPREAD);
    let edited = edit(&world, task.id, |spec| spec.schedule.window_start = "14:00".into()).await;
    store.task_pause(scope, task.id).await.expect("a pause");
    let resumed = store.task_resume(scope, task.id).await.expect("resumed");
    let extended =
        store.task_extend(scope, task.id, Some(at("2027-01-01T00:00:00Z"))).await.expect("extended");
    for changed in [edited, resumed, extended] {
        let next = changed.next.expect("a next occurrence");
        assert_eq!(next.due_at - next.window.opens_at, offset);
    }
}

#[tokio::test]
async fn a_run_that_starts_at_its_offset_asks_as_of_the_windows_opening() {
    let world = World::with(|options| options.spread = SPREAD).await;
    let task = world.task(|_| ()).await;
    world
        .database
        .time
        .set(at("2026-03-02T09:00:00Z") + start_offset(task.id, SPREAD) + TimeDelta::seconds(1));
    tick(&world).await;
    assert_eq!(world.claim_one().await.as_of, at("2026-03-02T09:00:00Z"));
}
