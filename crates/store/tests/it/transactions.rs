//! Connections go back to their pool as they were.

use std::time::{Duration, Instant};

use testkit::World;
use tokio::task::JoinSet;

// `there is already a transaction in progress` in the log of the endurance row, when clients hung up, led to this test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_leaves_no_transaction_open() {
    let world = World::new().await;
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    for round in 0..40 {
        let mut callers = JoinSet::new();
        for caller in 0..8 {
            let (store, scope) = (world.store().clone(), world.scope);
            let patience = Duration::from_micros((round * 8 + caller) * 37 % 4_000);
            callers.spawn(async move {
                tokio::time::timeout(patience, store.workspace_get(&scope)).await.is_ok()
            });
        }
        callers.join_all().await;
        let deadline = Instant::now() + Duration::from_secs(3);
        while world.number(open).await > 0 {
            assert!(Instant::now() < deadline, "a transaction was left open in round {round}");
        }
    }
}

/// PostgreSQL starts anew, and every connection in the pool is one to the server of before; none lay there for long.
///
/// Where a transaction does not look for another connection, the first of these reads fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_broke_in_the_pool_fail_no_transaction() {
    let world = World::new().await;
    let mut readers = JoinSet::new();
    for _ in 0..32 {
        let (store, scope) = (world.store().clone(), world.scope);
        readers.spawn(async move { store.workspace_get(&scope).await.map(drop) });
    }
    readers.join_all().await.into_iter().collect::<Result<(), _>>().expect("reads");
    let cut = "SELECT count(*) FROM (
                   SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()) AS cut";
    assert!(world.number(cut).await > 2, "few connections lay in the pool");
    let mut readers = JoinSet::new();
    for _ in 0..32 {
        let (store, scope) = (world.store().clone(), world.scope);
        readers.spawn(async move { store.workspace_get(&scope).await.map(drop) });
    }
    readers.join_all().await.into_iter().collect::<Result<(), _>>().expect("reads after the cut");
}
