//! The rules of schedules against a real PostgreSQL, the clock stepped by hand.

mod concurrency;
mod downtime;
mod model;
mod rules;

use scheduler::{Scheduler, SchedulerOptions, Tick};
use testkit::World;

/// A scheduler on a world's database.
fn scheduler(world: &World) -> Scheduler {
    Scheduler::new(world.store().clone(), SchedulerOptions::default())
}

/// One tick of a scheduler that has seen nothing before.
async fn tick(world: &World) -> Tick {
    scheduler(world).tick().await.expect("a tick")
}
