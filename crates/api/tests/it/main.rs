//! The API as a client sees it: the real router over a real database, a real engine and real files.

mod audience;
mod authorization;
mod backtests;
mod caps;
mod conditions;
mod connections;
mod credits;
mod deliveries;
mod documents;
mod harness;
mod idempotency;
mod limits;
mod live;
mod mail;
mod model;
mod openapi;
mod outbox;
mod overload;
mod pages;
mod preview;
mod robustness;
mod sessions;
mod slack;
mod task_drafts;
mod tasks;
mod threads;
mod verified_questions;
mod webhooks;
mod workspace_settings;

/// Not a test: the process that reads files, when the warehouse starts this binary for it.
#[test]
fn engine_worker() {
    if warehouse::is_worker() {
        warehouse::worker_main();
    }
}
