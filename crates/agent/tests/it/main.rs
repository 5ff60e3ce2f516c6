//! Turns against a real database, a real data engine, and models that are scripted, built in, or behind a real server.

mod access;
mod analyst;
mod answers;
mod backtests;
mod caps;
mod comparisons;
mod conditions;
mod connections_used;
mod credits;
mod drafts;
mod fallback;
mod freshness;
mod lanes;
mod lease;
mod limits;
mod llama;
mod method;
mod own_model;
mod provider;
mod resume;
mod support;
mod verified;

/// Not a test: what the engine workers of these tests run.
#[test]
fn engine_worker() {
    if warehouse::is_worker() {
        warehouse::worker_main();
    }
}
