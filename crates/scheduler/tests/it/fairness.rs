//! What a crowd, or a session that stands still, may cost everybody else.

use chrono::TimeDelta;
use domain::{answer::Answer, run::Usage};
use store::{ClaimedRun, Places, RunAnswer, Store, StoreOptions, Time, Vault};
use testkit::{World, world};

use crate::{concurrency::copies, scheduler, tick};

/// How many runs the worker of these tests has under way at once; each takes a second.
const CONCURRENCY: u32 = 4;

async fn allow_all(world: &World) {
    world.execute("UPDATE workspace SET max_concurrent_runs = 10000").await;
}

async fn end_all(store: &Store, runs: &[ClaimedRun]) {
    let answered: Vec<_> = runs
        .iter()
        .map(|run| RunAnswer { lease: run.lease, answer: Answer::default(), usage: Usage::default() })
        .collect();
    for outcome in store.run_succeed_all(&answered).await.expect("a group") {
        outcome.expect("an end");
    }
}

/// A workspace with 5,000 due tasks has the one worker busy when another's single task comes due: that one starts with the
/// worker's next claim, within a second.
#[tokio::test]
async fn five_thousand_due_tasks_delay_another_workspaces_one_by_a_second_at_most() {
    let world = World::new().await;
    allow_all(&world).await;
    copies(&world, 4_999).await;
    let (other_scope, other_user) = world::workspace(world.store(), "beta").await;
    let same_hour = world.task_of(&other_scope, other_user, |_| ()).await.id;
    let later =
        world.task_of(&other_scope, other_user, |task| task.schedule.window_start = "10:00".into()).await.id;
    let scheduler = scheduler(&world);
    for (due_at, task_id) in [("2026-03-02T09:00:00Z", same_hour), ("2026-03-02T10:00:00Z", later)] {
        // Just before it comes due, the worker takes up all that it can.
        world.set(due_at);
        world.step(TimeDelta::milliseconds(-1));
        scheduler.tick().await.expect("a tick");
        let mut under_way =
            world.store().run_claim("test", &Places::unshared(CONCURRENCY)).await.expect("a claim");
        world.set(due_at);
        scheduler.tick().await.expect("a tick");
        world.step(TimeDelta::seconds(1));
        end_all(world.store(), &under_way).await;
        under_way = world.store().run_claim("test", &Places::unshared(CONCURRENCY)).await.expect("a claim");
        assert_eq!(under_way.len(), CONCURRENCY as usize, "the crowd keeps the worker busy");
        assert!(under_way.iter().any(|run| run.task_id == Some(task_id)), "due at {due_at}: it has to wait");
        end_all(world.store(), &under_way).await;
    }
    assert!(world.number("SELECT count(*) FROM run_queue").await > 4_900);
}

/// The same where each turn lasts for minutes, so that no place becomes free meanwhile: a worker's reserve is for whoever has
/// none of its places.
///
/// With no reserve the crowd holds all places, and the other's task waits for its turns to end.
#[tokio::test]
async fn turns_of_minutes_of_one_workspace_leave_places_for_anothers_task() {
    let world = World::new().await;
    allow_all(&world).await;
    copies(&world, 4_999).await;
    let (other_scope, other_user) = world::workspace(world.store(), "beta").await;
    let later =
        world.task_of(&other_scope, other_user, |task| task.schedule.window_start = "10:00".into()).await.id;
    let scheduler = scheduler(&world);
    world.set("2026-03-02T09:00:00Z");
    scheduler.tick().await.expect("a tick");
    let mut under_way = Vec::new();
    loop {
        let claimed = claim_beside(&world, &under_way).await;
        if claimed.is_empty() {
            break;
        }
        under_way.extend(claimed);
    }
    assert_eq!(under_way.len(), 16, "the crowd has all places but the reserve");
    world.set("2026-03-02T10:00:00Z");
    let started = claim_beside(&world, &under_way).await;
    assert_eq!(started.iter().map(|run| run.task_id).collect::<Vec<_>>(), [Some(later)]);
}

/// What a worker with 16 places and two in reserve comes by that executes these already: first from the queue, then from what is
/// due.
async fn claim_beside(world: &World, under_way: &[ClaimedRun]) -> Vec<ClaimedRun> {
    let held = under_way.iter().map(|run| run.lease.workspace_id);
    let mut places = Places::shared(16 - under_way.len() as u32, 2, held);
    let mut claimed = world.store().run_claim("test", &places).await.expect("a claim");
    places.fill(&claimed);
    claimed.extend(world.store().due_start("test", &places).await.expect("a start").1);
    claimed
}

/// Buffers of the queues' tables and indexes that were looked at, by all sessions that have ended.
const BUFFERS: &str = "SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::bigint
    FROM pg_statio_user_tables WHERE relname IN ('run_queue', 'task_due')";

/// What one store's session reads that claims `times` over, after its first look at everything.
async fn buffers_of_claims(world: &World, times: u32) -> i64 {
    let before = world.number(BUFFERS).await;
    let key = Vault::generate_key_file().expect("a key");
    let mut options = StoreOptions::new(world.database.url.clone(), Vault::parse(&key).expect("a vault"));
    options.time = Time::Stepped(world.database.time.clone());
    let store = Store::connect(options).await.expect("a store");
    let mut watermark = None;
    for _ in 0..=times {
        assert!(store.run_claim("test", &Places::unshared(10)).await.expect("a claim").is_empty());
        let claim = store.due_claim(500, watermark).await.expect("a claim");
        watermark = claim.watermark;
    }
    close(world, &store).await;
    world.number(BUFFERS).await - before
}

/// Ends a store's sessions: only then do they all tell what they read.
async fn close(world: &World, store: &Store) {
    store.close().await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidings' AND datname = current_database()";
    while world.number(open).await > 0 {}
}

/// A session that holds an old snapshot keeps every version of every row that was queued since, and their index entries. The
/// first claim walks them all; those that follow do not.
///
/// With the lower bound left out of the search of runs, this fails: 20 claims read 1,638 buffers, after 130 for the first.
#[tokio::test]
async fn an_old_snapshot_does_not_make_claims_read_what_is_done() {
    let world = World::new().await;
    allow_all(&world).await;
    copies(&world, 2_999).await;
    let snapshot = world.snapshot().await;
    world.set("2026-03-02T09:00:00Z");
    assert_eq!(tick(&world).await.queued, 3_000);
    loop {
        let claimed = world.claim().await;
        if claimed.is_empty() {
            break;
        }
        end_all(world.store(), &claimed).await;
    }
    close(&world, world.store()).await;
    // Later than claims look back.
    world.step(TimeDelta::seconds(10));
    let first = buffers_of_claims(&world, 0).await;
    assert!(first > 100, "the snapshot keeps nothing: {first} buffers");
    let more = buffers_of_claims(&world, 20).await - first;
    assert!(more <= 20 * first / 10, "{more} buffers for 20 claims, after {first} for the first");
    drop(snapshot);
}
