//! Many schedulers and many workers at once, many tasks, many workspaces.

use std::collections::HashSet;

use chrono::TimeDelta;
use domain::schedule::SPREAD;
use scheduler::{Scheduler, SchedulerOptions};
use store::Places;
use testkit::{World, world};

use crate::{scheduler, tick};

/// Makes `count` more tasks by copying one, in one statement.
pub(crate) async fn copies(world: &World, count: u32) {
    let task = world.task(|_| ()).await;
    let statement = format!(
        "WITH copied AS (
             INSERT INTO task (workspace_id, id, creator_id, title, prompt, schedule, notification, status, expires_at,
                 schedule_since, created_at, updated_at)
             SELECT workspace_id, gen_random_uuid(), creator_id, title, prompt, schedule, notification, status, expires_at,
                 schedule_since, created_at, updated_at
             FROM task, generate_series(1, {count}) WHERE id = '{id}' RETURNING workspace_id, id)
         INSERT INTO task_due (workspace_id, task_id, due_at, occurrence_date, opens_at, closes_at)
         SELECT copied.workspace_id, copied.id, due_at, occurrence_date, opens_at, closes_at
         FROM copied JOIN task_due ON task_due.task_id = '{id}'",
        id = task.id
    );
    world.execute(&statement).await;
    // As autovacuum would in time.
    world.execute("ANALYZE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_schedulers_make_one_run_per_occurrence() {
    let world = World::new().await;
    copies(&world, 999).await;
    world.set("2026-03-02T09:00:00Z");
    let options = SchedulerOptions { batch: 50, ..SchedulerOptions::default() };
    let racers: Vec<_> = (0..4)
        .map(|_| {
            let scheduler = Scheduler::new(world.store().clone(), options);
            tokio::spawn(async move { scheduler.tick().await.expect("a tick").queued })
        })
        .collect();
    let mut queued = 0;
    for racer in racers {
        queued += racer.await.expect("a racer");
    }
    // Rows that another held locked at the end of a pass are left for the next one.
    queued += tick(&world).await.queued;
    assert_eq!(queued, 1_000);
    for query in [
        "SELECT count(*) FROM run",
        "SELECT count(DISTINCT task_id) FROM run",
        "SELECT count(*) FROM run_queue",
        "SELECT count(*) FROM task_due WHERE due_at = '2026-03-03T09:00:00Z'",
    ] {
        assert_eq!(world.number(query).await, 1_000, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_schedulers_expire_each_task_once_and_never_wait_in_a_circle() {
    let world = World::new().await;
    copies(&world, 299).await;
    // All at the same instant, so that nothing but chance says who takes which first.
    world.execute("UPDATE task SET expires_at = '2026-03-02T08:30:00Z'").await;
    world.set("2026-03-02T08:30:00Z");
    let racers: Vec<_> = (0..4)
        .map(|_| {
            let scheduler = scheduler(&world);
            tokio::spawn(async move { scheduler.tick().await.expect("a tick") })
        })
        .collect();
    for racer in racers {
        racer.await.expect("a racer");
    }
    for query in [
        "SELECT count(*) FROM task WHERE status = 'expired'",
        "SELECT count(*) FROM delivery WHERE kind = 'expired'",
        "SELECT count(DISTINCT task_id) FROM delivery WHERE kind = 'expired'",
    ] {
        assert_eq!(world.number(query).await, 300, "{query}");
    }
    assert_eq!(world.number("SELECT count(*) FROM task_due").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_workers_each_get_other_runs_and_no_more_than_the_workspace_allows() {
    let world = World::new().await;
    copies(&world, 99).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let racers: Vec<_> = (0..8)
        .map(|number| {
            let store = world.store().clone();
            tokio::spawn(async move {
                store.run_claim(&format!("w{number}"), &Places::unshared(10)).await.expect("a claim")
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for racer in racers {
        claimed.extend(racer.await.expect("a racer"));
    }
    claimed.extend(world.claim().await);
    let distinct: HashSet<_> = claimed.iter().map(|run| run.lease.run_id).collect();
    assert_eq!(distinct.len(), claimed.len(), "no run is held twice");
    assert_eq!(claimed.len(), 20, "the default limit of a workspace");
    world.succeed(&claimed[0]).await;
    assert_eq!(world.claim().await.len(), 1, "one ends, one starts");
}

#[tokio::test]
async fn a_workspace_with_many_runs_does_not_delay_another_one() {
    let world = World::new().await;
    copies(&world, 299).await;
    let mut others = Vec::new();
    for slug in ["beta", "gamma", "delta"] {
        let (scope, user) = world::workspace(world.store(), slug).await;
        others.push(world.task_of(&scope, user, |_| ()).await.id);
    }
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    // Whatever the cursor, four runs in one claim: one of each workspace.
    for _ in 0..3 {
        let claimed = world.store().run_claim("test", &Places::unshared(4)).await.expect("a claim");
        let of_others = claimed.iter().filter(|run| run.task_id.is_some_and(|task| others.contains(&task)));
        assert_eq!((claimed.len(), of_others.count()), (4, 3));
        let leases: Vec<_> = claimed.iter().map(|run| run.lease).collect();
        world.store().run_release(&leases).await.expect("handed back");
    }
}

#[tokio::test]
async fn claims_go_round_the_workspaces_and_pass_by_those_that_are_full() {
    let world = World::new().await;
    let mut settings = world.store().workspace_get(&world.scope).await.expect("the workspace").settings;
    settings.max_concurrent_runs = 1;
    world.store().workspace_settings_put(&world.scope, &settings).await.expect("a change");
    copies(&world, 9).await;
    for number in 0..40 {
        let (scope, user) = world::workspace(world.store(), &format!("w{number}")).await;
        for _ in 0..2 {
            world.task_of(&scope, user, |_| ()).await;
        }
    }
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let mut seen = HashSet::new();
    for _ in 0..41 {
        let claimed = world.store().run_claim("test", &Places::unshared(1)).await.expect("a claim");
        assert!(seen.insert(claimed[0].scope.workspace_id()), "each has its turn before one has two");
    }
    // 40 runs are left where there is room, nine where there is none.
    assert_eq!(world.claim().await.len(), 40);
    assert!(world.claim().await.is_empty());
}

#[tokio::test]
async fn what_a_person_waits_for_goes_before_what_is_scheduled() {
    let world = World::new().await;
    copies(&world, 49).await;
    world.set("2026-03-02T09:00:00Z");
    tick(&world).await;
    let task = world.task(|_| ()).await;
    world.step(TimeDelta::seconds(1));
    let started = world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    let claimed = world.store().run_claim("test", &Places::unshared(1)).await.expect("a claim");
    assert_eq!(claimed[0].lease.run_id, started.run_id);
}

/// On the first day nobody is there, so that the due times of the second are the scheduler's own.
///
/// Fails where the claim that names the next occurrence has it start right as its window opens, or over more of it than 90
/// minutes.
#[tokio::test]
async fn ten_thousand_tasks_of_one_window_all_start_inside_it() {
    let world = World::with(|options| options.spread = SPREAD).await;
    world.execute("UPDATE workspace SET grace_seconds = 0").await;
    copies(&world, 9_999).await;
    let scheduler = scheduler(&world);
    world.set("2026-03-02T11:00:00Z");
    assert_eq!(scheduler.tick().await.expect("a tick").missed, 10_000);
    world.set("2026-03-03T08:59:59Z");
    assert_eq!(scheduler.tick().await.expect("a tick").queued, 0);
    // Every nine minutes about a tenth of them: of so many, 30 more or fewer are usual.
    let mut of_tenths = [0; 10];
    for minute in 0..=90_usize {
        world.database.time.set(world::at("2026-03-03T09:00:00Z") + TimeDelta::minutes(minute as i64));
        let ticked = scheduler.tick().await.expect("a tick");
        assert_eq!(ticked.late + ticked.missed + ticked.skipped, 0);
        // What came due in the minute before.
        of_tenths[minute.saturating_sub(1) / 9] += ticked.queued;
    }
    assert_eq!(of_tenths.iter().sum::<usize>(), 10_000);
    assert!(of_tenths.iter().all(|started| (800..=1_200).contains(started)), "{of_tenths:?}");
    let each =
        "SELECT count(DISTINCT task_id) FROM run WHERE occurrence_date = '2026-03-03' AND status = 'queued'";
    assert_eq!(world.number(each).await, 10_000);
}
