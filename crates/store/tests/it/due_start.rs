//! Occurrences that a worker with room starts as they come due, without the queue.

use std::collections::HashSet;

use chrono::TimeDelta;
use domain::{
    run::RunStatus,
    step::StepBody,
    task::{TaskSpec, plain_prompt},
};
use store::{ClaimedRun, DueClaim, Places, Run};
use testkit::world::{self, World};

const NINE: &str = "2026-03-02T09:00:00Z";

async fn start(world: &World, places: u32) -> (DueClaim, Vec<ClaimedRun>) {
    world.store().due_start("test", &Places::unshared(places)).await.expect("a start")
}

async fn stored(world: &World, run: &ClaimedRun) -> Run {
    world.store().run_get(&world.scope, run.lease.run_id).await.expect("a look").expect("the run")
}

async fn step(world: &World, run: &ClaimedRun) {
    let body = StepBody::Notice { text: "Looking.".into() };
    world.store().step_begin(run, &body, 1).await.expect("a step");
}

#[tokio::test]
async fn what_is_due_is_the_workers_at_once_and_never_queued() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    assert_eq!(start(&world, 5).await.0.tasks, 0);
    world.set(NINE);
    let (claim, started) = start(&world, 5).await;
    assert_eq!((claim.tasks, claim.queued, started.len()), (1, 1, 1));
    let run = &started[0];
    assert_eq!((run.task_id, run.attempt, run.late, run.has_thread), (Some(task.id), 1, false, false));
    let at_once = stored(&world, run).await;
    assert_eq!((at_once.status, at_once.attempt, at_once.thread_id), (RunStatus::Running, 1, None));
    assert_eq!(at_once.occurrence.map(|window| window.opens_at), Some(world::at(NINE)));
    assert!(world.claim().await.is_empty(), "it is held");
    assert_eq!(start(&world, 5).await.0.tasks, 0, "the next occurrence is tomorrow's");
    let held = world.store().run_heartbeat(&[run.lease]).await.expect("a heartbeat");
    assert_eq!(held.len(), 1);
    world.succeed(run).await;
    assert_eq!(world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn what_a_worker_has_no_place_for_is_queued_for_others() {
    let world = World::new().await;
    for _ in 0..5 {
        world.task(|_| ()).await;
    }
    world.set(NINE);
    let (claim, started) = start(&world, 2).await;
    assert_eq!((claim.queued, started.len()), (5, 2));
    let mut seen: HashSet<_> = started.iter().map(|run| run.lease.run_id).collect();
    let claimed = world.claim().await;
    assert_eq!(claimed.len(), 3);
    seen.extend(claimed.iter().map(|run| run.lease.run_id));
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn workspaces_take_turns() {
    let world = World::new().await;
    for _ in 0..9 {
        world.task(|_| ()).await;
    }
    let (scope, user) = world::workspace(world.store(), "beta").await;
    let other = world.task_of(&scope, user, |_| ()).await;
    world.set(NINE);
    let (_, started) = start(&world, 2).await;
    let of_other = started.iter().filter(|run| run.task_id == Some(other.id));
    assert_eq!((started.len(), of_other.count()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_workspace_has_more_than_its_limit() {
    let world = World::new().await;
    for _ in 0..60 {
        world.task(|_| ()).await;
    }
    world.set(NINE);
    let racers: Vec<_> = (0..8)
        .map(|number| {
            let store = world.store().clone();
            tokio::spawn(async move {
                let name = format!("w{number}");
                let mut held = store.run_claim(&name, &Places::unshared(10)).await.expect("a claim");
                held.extend(store.due_start(&name, &Places::unshared(10)).await.expect("a start").1);
                held.extend(store.run_claim(&name, &Places::unshared(10)).await.expect("a claim"));
                held
            })
        })
        .collect();
    let mut held = Vec::new();
    for racer in racers {
        held.extend(racer.await.expect("a racer"));
    }
    held.extend(start(&world, 100).await.1);
    held.extend(world.claim().await);
    let distinct: HashSet<_> = held.iter().map(|run| run.lease.run_id).collect();
    assert_eq!((held.len(), distinct.len()), (20, 20), "the default limit of a workspace");
}

/// The question was changed after the worker was given it and before its first step.
#[tokio::test]
async fn the_thread_asks_what_the_worker_was_given() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set(NINE);
    let (_, started) = start(&world, 1).await;
    let mut spec: TaskSpec = world::task_spec(world.user);
    spec.prompt = "And how many delays?".into();
    let schedule = domain::schedule::Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    world.store().task_update(&world.scope, task.id, &spec, &schedule, None).await.expect("an edit");
    step(&world, &started[0]).await;
    step(&world, &started[0]).await;
    let turns = world.store().turn_list(&world.scope, started[0].thread_id).await.expect("turns");
    let [turn] = &turns[..] else { panic!("one turn: {turns:?}") };
    assert_eq!(
        (turn.prompt.as_str(), turn.as_of),
        ("Which 5 airlines had the most flights?", world::at(NINE))
    );
    assert_eq!(plain_prompt(&started[0].prompt), turn.prompt);
    assert_eq!(turn.run_id, Some(started[0].lease.run_id));
    let steps = world.store().step_list(&world.scope, started[0].thread_id, 0).await.expect("steps");
    assert_eq!(steps.iter().map(|step| step.seq).collect::<Vec<_>>(), [1, 2]);
    world.succeed(&started[0]).await;
    let turns = world.store().turn_list(&world.scope, started[0].thread_id).await.expect("turns");
    assert_eq!(turns[0].finished_seq, Some(3));
}

#[tokio::test]
async fn an_end_without_a_step_leaves_a_whole_thread() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set(NINE);
    let (_, started) = start(&world, 1).await;
    assert!(world.store().thread_get(&world.scope, started[0].thread_id).await.expect("a look").is_none());
    world.step(TimeDelta::minutes(1));
    world.succeed(&started[0]).await;
    let ended = stored(&world, &started[0]).await;
    assert_eq!((ended.thread_id, ended.turn_no), (Some(started[0].thread_id), Some(1)));
    let thread = world.store().thread_get(&world.scope, started[0].thread_id).await.expect("a look");
    let thread = thread.expect("the thread");
    assert_eq!((thread.title.as_str(), thread.task_id), ("Flights", Some(task.id)));
    assert_eq!((thread.headline.as_deref(), thread.last_seq), (Some("United leads"), 1));
    let turns = world.store().turn_list(&world.scope, thread.id).await.expect("turns");
    assert_eq!((turns[0].finished_seq, turns[0].started_at), (Some(1), Some(world::at(NINE))));
    let messages = world.store().delivery_list(&world.scope, ended.id).await.expect("messages");
    assert_eq!(messages.len(), 1);
}

/// Whoever takes over from a vanished worker means the same thread, made or not.
#[tokio::test]
async fn a_vanished_workers_run_goes_on_in_its_thread() {
    let world = World::new().await;
    world.task(|_| ()).await;
    world.set(NINE);
    let (_, started) = start(&world, 1).await;
    for has_thread in [false, true] {
        world.step(TimeDelta::seconds(61));
        assert_eq!(world.store().run_rescue(10).await.expect("a rescue"), 1);
        let again = world.claim_one().await;
        assert_eq!((again.thread_id, again.has_thread), (started[0].thread_id, has_thread));
        assert!(
            world
                .store()
                .step_begin(&started[0], &StepBody::Notice { text: "Late.".into() }, 1)
                .await
                .is_err()
        );
        step(&world, &again).await;
    }
    let steps = world.store().step_list(&world.scope, started[0].thread_id, 0).await.expect("steps");
    assert_eq!(steps.len(), 2);
}
