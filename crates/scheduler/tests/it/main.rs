//! The rules of schedules against a real PostgreSQL, the clock stepped by hand.
//!
//! One file for each rule; `docs/scheduling.md` has a table. `model` leads random tasks through all of them at once.

mod concurrency;
mod fair_turns;
mod fairness;
mod freshness;
mod leases;
mod model;
mod rule_01_dates;
mod rule_02_windows;
mod rule_03_identity;
mod rule_04_spread;
mod rule_05_derivation;
mod rule_06_downtime;
mod rule_07_overlap;
mod rule_08_pause_and_deactivation;
mod rule_09_edits;
mod rule_10_expiration;
mod rule_11_retries;
mod rule_12_clocks;
mod unreadable;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    TaskId,
    delivery::DeliveryKind,
    run::{RunReason, Usage},
    schedule::{SPREAD, Schedule},
    task::TaskSpec,
};
use scheduler::{Scheduler, SchedulerOptions, Tick};
use serde_json::Value;
use store::{AfterFailure, ClaimedRun, Page, Task};
use testkit::World;

/// A scheduler on a world's database.
fn scheduler(world: &World) -> Scheduler {
    Scheduler::new(world.store().clone(), SchedulerOptions::default())
}

/// One tick of a scheduler that has seen nothing before.
async fn tick(world: &World) -> Tick {
    scheduler(world).tick().await.expect("a tick")
}

/// A tick that queues one run, and a worker that answers it.
async fn run_once(world: &World) -> ClaimedRun {
    assert_eq!(tick(world).await.queued, 1);
    let run = world.claim_one().await;
    world.succeed(&run).await;
    run
}

/// Has a run fail.
async fn fail(world: &World, run: &ClaimedRun, reason: RunReason) -> AfterFailure {
    let usage = Usage::default();
    world.store().run_fail(&run.scope, &run.lease, reason, "it failed", &usage).await.expect("a failure")
}

/// Edits a task of the admin's.
async fn edit(world: &World, task: TaskId, change: impl FnOnce(&mut TaskSpec)) -> Task {
    let read = world.store().task_get(&world.scope, task).await.expect("a read").expect("the task");
    let mut spec = read.spec();
    change(&mut spec);
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    let edited = world.store().task_update(&world.scope, task, &spec, &schedule, Some(read.version)).await;
    edited.expect("an edit")
}

/// A world whose tasks start at offsets, and its task on the 2nd: its window has opened, and its time has not come.
async fn before_its_time(change: impl FnOnce(&mut TaskSpec)) -> (World, Task) {
    let world = World::with(|options| options.spread = SPREAD).await;
    let task = world.task(change).await;
    let next = task.next.expect("a next occurrence");
    assert!(next.due_at > next.window.opens_at, "an offset of zero would prove nothing");
    world.database.time.set(next.due_at - TimeDelta::milliseconds(1));
    assert_eq!(tick(&world).await.queued, 0);
    (world, task)
}

/// What a task's creator was told about the task itself, oldest first.
async fn notices(world: &World, task: TaskId) -> Vec<DeliveryKind> {
    let told = world.store().delivery_list_of_task(&world.scope, task, &Page::first(100)).await;
    let mut told = told.expect("deliveries").values;
    told.retain(|told| told.kind != DeliveryKind::Answer);
    told.sort_by_key(|told| (told.created_at, told.id));
    told.iter().map(|told| told.kind).collect()
}

/// Makes a task of a schedule, has ticks carry it through its next occurrences, and answers the date of each and when its
/// window opened. Each is queued at that instant and not a millisecond before.
async fn days_of(world: &World, schedule: Value, count: usize) -> Vec<(String, DateTime<Utc>)> {
    let task = world.task(|spec| {
        spec.schedule = serde_json::from_value(schedule).expect("a schedule");
        spec.expires_at = None;
    });
    let task = task.await.id;
    let mut days = Vec::new();
    while days.len() < count {
        let read = world.store().task_get(&world.scope, task).await.expect("a read").expect("the task");
        let opens_at = read.next.expect("a next occurrence").window.opens_at;
        world.database.time.set(opens_at - TimeDelta::milliseconds(1));
        assert_eq!(tick(world).await.queued, 0);
        world.database.time.set(opens_at);
        let window = run_once(world).await.occurrence.expect("an occurrence");
        assert_eq!((window.opens_at, window.closes_at), (opens_at, opens_at + TimeDelta::hours(2)));
        days.push((window.date.to_string(), opens_at));
    }
    world.store().task_pause(&world.scope, task).await.expect("a pause");
    days
}
