//! What word about runs may quote.

use chrono::TimeDelta;
use domain::{ConnectionId, TaskId, UserId, access::Role, schedule::Schedule, step::StepBody};
use store::{ClaimedRun, Task};
use testkit::{World, world::connection};

/// A run of `user`'s task, which names these connections, on this day of March 2026.
async fn run_of(world: &World, user: UserId, named: &[ConnectionId], day: u32) -> (Task, ClaimedRun) {
    let task = world.task_of(&world.scope, user, |spec| spec.context.connection_ids = named.to_vec()).await;
    world.set(&format!("2026-03-{day:02}T09:30:00Z"));
    world.store().due_claim(10, None).await.expect("an occurrence");
    let run = world.claim().await.into_iter().find(|run| run.task_id == Some(task.id));
    (task, run.expect("the run"))
}

/// Has a task name another connection, a minute later.
async fn rename(world: &World, task: TaskId, named: ConnectionId) {
    world.step(TimeDelta::minutes(1));
    let read = world.store().task_get(&world.scope, task).await.expect("a look").expect("the task");
    let mut spec = read.spec();
    spec.context.connection_ids = vec![named];
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    world.store().task_update(&world.scope, task, &spec, &schedule, None).await.expect("an edit");
}

/// Fails where a run without a thread is taken for one that asked nothing, and where an edit makes it forget what it asked.
#[tokio::test]
async fn what_a_run_says_of_its_end_may_be_about_all_that_it_may_have_asked() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Editor).await;
    let payroll = connection(store, &world.scope, erin, "Payroll").await;
    let bookings = connection(store, &world.scope, erin, "Bookings").await;
    let about = async |run: &ClaimedRun| {
        let found = store.run_message_connections(&world.scope, run.lease.run_id).await;
        found.expect("connections")
    };
    let sorted = |mut ids: Vec<ConnectionId>| {
        ids.sort_unstable();
        ids
    };
    let skip = async |run: &ClaimedRun| {
        store.run_skip_stale(&run.scope, &run.lease, "too old").await.expect("skipped");
    };

    let (task, named) = run_of(&world, erin, &[payroll], 2).await;
    skip(&named).await;
    assert_eq!(about(&named).await, [payroll]);
    rename(&world, task.id, bookings).await;
    assert_eq!(about(&named).await, sorted(vec![payroll, bookings]), "what it named then is not known");

    // Not the admin's, on which Erin has no right.
    let (_, open) = run_of(&world, erin, &[], 3).await;
    skip(&open).await;
    assert_eq!(about(&open).await, sorted(vec![payroll, bookings]));

    // Of a run that has a thread that is known, whatever its task names since.
    let (task, begun) = run_of(&world, erin, &[bookings], 4).await;
    let looking = StepBody::Notice { text: "Looking.".into() };
    store.step_begin(&begun, &looking, 1).await.expect("a step");
    assert_eq!(about(&begun).await, [bookings]);
    let read = [world.connection];
    store.connection_read_put(&begun.scope, &begun.lease, begun.thread_id, &read).await.expect("kept");
    rename(&world, task.id, payroll).await;
    assert_eq!(about(&begun).await, sorted(vec![bookings, world.connection]));
}
