//! Runs that are handed to a worker of the same process as they are made.

use std::sync::Arc;

use domain::{
    run::RunStatus,
    thread::{ThreadSource, TurnStatus},
};
use store::{Handed, HandedRuns, NewQuestion, StartedRun};
use testkit::World;
use tokio::sync::Semaphore;

const WAITING: &str = "SELECT count(*) FROM run_queue WHERE lease_token IS NULL";

fn worker(world: &World, places: usize) -> (HandedRuns, Arc<Semaphore>) {
    let places = Arc::new(Semaphore::new(places));
    (world.store().handover().open("worker", Arc::clone(&places)), places)
}

async fn ask(world: &World) -> StartedRun {
    let question = NewQuestion {
        prompt: "Why?".into(),
        connection_ids: vec![world.connection],
        timezone: "Europe/Berlin".into(),
        source: ThreadSource::Page,
    };
    world.store().thread_ask(&world.scope, world.user, &question).await.expect("asked")
}

/// What a worker is handed is what a claim of the same run would have answered, and stands in the database as claimed.
#[tokio::test]
async fn a_free_worker_has_a_run_with_its_commit() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let store = world.store();
    let (mut handed, places) = worker(&world, 8);
    let mut runs = Vec::new();
    for test_to in [None, Some(world.user)] {
        let started = store.task_run(&world.scope, task.id, test_to).await.expect("a run");
        let Handed { run, .. } = handed.next().await;
        assert_eq!((run.lease.run_id, run.thread_id), (started.run_id, started.thread_id));
        runs.push(run);
    }
    let asked = ask(&world).await;
    let Handed { run, place, .. } = handed.next().await;
    assert_eq!(
        (run.lease.run_id, run.connection_ids.as_slice()),
        (asked.run_id, [world.connection].as_slice())
    );
    assert_eq!(places.available_permits(), 7, "a run keeps its place");
    drop(place);
    runs.push(run);
    assert!(world.claim().await.is_empty(), "they are held");
    for mut run in runs {
        let stored = store.run_get(&world.scope, run.lease.run_id).await.expect("a look").expect("the run");
        assert_eq!((stored.status, stored.attempt), (RunStatus::Running, 1));
        let turns = store.turn_list(&world.scope, run.thread_id).await.expect("turns");
        assert_eq!(turns[0].status, TurnStatus::Running);
        store.turn_open(&run).await.expect("its worker may begin");
        // Another worker's claim of the same run says the same, but for the lease and the count of starts.
        assert_eq!(store.run_release(&[run.lease]).await.expect("handed back"), 1);
        let claimed = world.claim_one().await;
        run.lease = claimed.lease;
        assert_eq!(run, claimed);
        world.succeed(&claimed).await;
    }
}

#[tokio::test]
async fn what_may_not_start_is_queued() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let store = world.store();
    world.execute("UPDATE workspace SET max_concurrent_runs = 2").await;
    let (mut handed, places) = worker(&world, 3);
    let mut held = Vec::new();
    for _ in 0..4 {
        store.task_run(&world.scope, task.id, None).await.expect("a run");
    }
    for _ in 0..2 {
        held.push(handed.next().await);
    }
    assert_eq!(world.number(WAITING).await, 2, "the workspace has two under way, and no more");
    assert_eq!(places.available_permits(), 1, "a place that came to nothing is free again");
    for Handed { run, .. } in held {
        world.succeed(&run).await;
    }
    for run in world.claim().await {
        world.succeed(&run).await;
    }

    world
        .execute(
            "INSERT INTO credit_balance (workspace_id, shard, amount_micro) SELECT id, 0, 0 FROM workspace",
        )
        .await;
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    assert_eq!(world.number(WAITING).await, 1, "there is nothing to spend");
}

#[tokio::test]
async fn without_a_free_place_a_run_is_queued() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let store = world.store();
    let (mut handed, places) = worker(&world, 1);
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    assert_eq!(world.number(WAITING).await, 1);
    let first = handed.next().await;
    drop(first.place);
    assert_eq!(places.available_permits(), 1);
    // What came between the last look and the end is told, to be handed back.
    let last = store.task_run(&world.scope, task.id, None).await.expect("a run");
    let left = handed.close().await;
    assert_eq!(left.iter().map(|run| run.lease.run_id).collect::<Vec<_>>(), [last.run_id]);
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    assert_eq!(world.number(WAITING).await, 2, "nobody takes runs any more");
}
