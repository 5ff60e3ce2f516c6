//! The warehouse against real engines: DuckDB in its worker process, and a private PostgreSQL.

mod files;
mod files_attacks;
mod files_folder;
mod postgres;
mod postgres_attacks;
mod support;
mod torture;

/// Not a test: what the engine workers of these tests run.
#[test]
fn engine_worker() {
    if warehouse::is_worker() {
        warehouse::worker_main();
    }
}
