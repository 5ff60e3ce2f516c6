//! The built-in analyst on questions whose answers are known.

use std::{path::PathBuf, sync::Arc};

use agent::{
    Analyst, Limits,
    eval::{Evaluation, Summary, questions},
};
use chrono::{TimeZone, Utc};
use warehouse::{ConnectionSpec, FilesSpec, Warehouse, WarehouseOptions, WorkerCommand};

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
        .canonicalize()
        .expect("a path of the project")
}

/// Asks a set of `eval/` over a folder of files; prints what is wrong.
async fn score(set: &str, folder: &str) -> Summary {
    let text = std::fs::read_to_string(project(set)).expect("the questions");
    let home = tempfile::tempdir().expect("a folder");
    let worker = WorkerCommand::current_test("engine_worker").expect("this binary");
    let mut options = WarehouseOptions::new(home.path(), worker);
    options.files_allowed = vec![project(folder)];
    let evaluation = Evaluation {
        warehouse: Warehouse::new(options),
        connection: ConnectionSpec::Files(FilesSpec::Folder(project(folder))),
        connection_name: "Evaluation".into(),
        model: Arc::new(Analyst),
        limits: Limits::default(),
        now: Utc.with_ymd_and_hms(2026, 1, 14, 9, 0, 0).single().expect("an instant"),
    };
    let told = |line: &agent::eval::Line| {
        if !line.right {
            println!("{}: {}", line.question, line.why.as_deref().unwrap_or_default());
        }
    };
    evaluation.run(&questions(&text).expect("questions"), told).await
}

#[tokio::test]
async fn it_knows_its_penguins() {
    let summary = score("eval/palmerpenguins.jsonl", "eval/data/palmerpenguins").await;
    assert_eq!(summary.right, summary.total);
}

#[tokio::test]
async fn it_knows_its_flights() {
    let summary = score("eval/nycflights13.jsonl", "data/nycflights13").await;
    assert!(summary.right >= 36, "{summary:?}");
}
