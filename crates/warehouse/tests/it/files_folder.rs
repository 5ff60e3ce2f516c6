//! Which folders and files a connection reads, and how files become tables.

use std::{os::unix::fs::symlink, path::PathBuf, process::Stdio};

use domain::table::ColumnType;
use tokio_util::sync::CancellationToken;
use warehouse::{ConnectionSpec, Error, FilesSpec, QueryLimits};

use crate::support::{Place, nycflights13, query, rows};

fn folder(path: impl Into<PathBuf>) -> ConnectionSpec {
    ConnectionSpec::Files(FilesSpec::Folder(path.into()))
}

async fn refused(place: &Place, spec: &ConnectionSpec) -> String {
    let error = place.warehouse.catalog(spec).await.expect_err("it is refused");
    assert_eq!(error.code(), "invalid_connection", "{error:?}");
    let asked = query(&place.warehouse, spec, "SELECT 1").await.expect_err("it is refused");
    assert_eq!(asked, error);
    error.to_string()
}

#[tokio::test]
async fn only_allowed_folders_are_read() {
    let place = Place::new();
    place.write("allowed/one.csv", "n\n1\n");
    place.write("outside/secret.csv", "n\n1\n");
    place.write("allowed-not/secret.csv", "n\n1\n");
    let root = place.root();
    symlink(root.join("outside"), root.join("allowed/way_out")).expect("a link");
    for path in [
        root.join("outside"),
        root.join("allowed-not"),
        root.clone(),
        root.join("nowhere"),
        root.join("allowed/way_out"),
        PathBuf::from("/"),
        PathBuf::from("/etc"),
        PathBuf::from("/proc/self"),
    ] {
        let said = refused(&place, &folder(&path)).await;
        assert!(said.starts_with("connectionDetails.files.path is not inside a folder"), "{said}");
    }
    let said = refused(&place, &folder(root.join("allowed/../outside"))).await;
    assert_eq!(said, "connectionDetails.files.path must not contain `..`");
    let said = refused(&place, &folder("allowed")).await;
    assert_eq!(said, "connectionDetails.files.path must be an absolute path");
    let said = refused(&place, &folder(root.join("allowed/nowhere"))).await;
    assert_eq!(said, "connectionDetails.files.path does not exist");
    let said = refused(&place, &folder(root.join("allowed/one.csv"))).await;
    assert_eq!(said, "connectionDetails.files.path is not a folder");
    place.warehouse.catalog(&place.files()).await.expect("the allowed folder itself is read");
}

#[tokio::test]
async fn links_out_of_the_folder_are_no_tables() {
    let place = Place::new();
    place.write("outside/secret.csv", "n\n42\n");
    place.write("allowed/one.csv", "n\n1\n");
    symlink(place.root().join("outside/secret.csv"), place.allowed().join("stolen.csv")).expect("a link");
    symlink(place.allowed().join("one.csv"), place.allowed().join("same.csv")).expect("a link");
    let catalog = place.warehouse.catalog(&place.files()).await.expect("a catalog");
    let names: Vec<&str> = catalog.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(names, ["one", "same"]);
    assert_eq!(catalog.problems, ["stolen.csv: it is a link to somewhere outside the folder"]);
    assert_eq!(place.query("SELECT * FROM stolen").await.expect_err("no table").code(), "refused");
}

#[tokio::test]
async fn uploads_are_reached_by_code_only() {
    let place = Place::with(|options| {
        let root =
            options.uploads_folder.parent().expect("the data folder").parent().expect("the root").to_owned();
        options.files_allowed.push(root);
    });
    place.write("data/uploads/acme/orders/orders.csv", "id,total\n1,9.5\n");
    let uploaded = |path: &str| ConnectionSpec::Files(FilesSpec::Upload(PathBuf::from(path)));
    let catalog = place.warehouse.catalog(&uploaded("acme/orders")).await.expect("a catalog");
    assert_eq!(catalog.tables[0].table, "orders");
    for path in ["../outside", "acme/../../outside", "/etc", "", "acme/nowhere", "."] {
        let error = place.warehouse.catalog(&uploaded(path)).await.expect_err("refused");
        assert_eq!(error.to_string(), "connectionDetails.files.upload does not exist", "{path}");
    }
    // The root is allowed, and yet neither uploads nor copies can be named.
    for path in ["data/uploads/acme/orders", "data/uploads", "data/files-cache"] {
        let said = refused(&place, &folder(place.root().join(path))).await;
        assert!(said.contains("is not inside a folder"), "{said}");
    }
}

#[tokio::test]
async fn every_format_is_a_table_named_by_its_stem() {
    let place = Place::new();
    place.write("allowed/comma.csv", "id,name\n1,a\n2,\n3,\"\"\n");
    place.write("allowed/tab.tsv", "id\tname\n1\ta\n");
    place.write("allowed/lines.jsonl", "{\"a\":1,\"b\":{\"c\":[1,2]}}\n{\"a\":2}\n");
    place.write("allowed/more.ndjson", "{\"a\":1}\n");
    place.write("allowed/array.json", "[{\"a\":1,\"day\":\"2024-01-01\"},{\"a\":2,\"day\":\"2024-01-02\"}]");
    place.write("allowed/Sales 2024.csv", "Total Sales,select\n1.5,2\n");
    place.write("allowed/select.csv", "a\n1\n");
    place.write("allowed/.hidden.csv", "a\n1\n");
    place.write("allowed/notes.txt", "not a table");
    place.write("allowed/sub/deep.csv", "a\n1\n");
    std::fs::copy(nycflights13().join("airlines.csv.gz"), place.allowed().join("airlines.csv.gz"))
        .expect("a copy");
    let catalog = place.warehouse.catalog(&place.files()).await.expect("a catalog");
    let names: Vec<&str> = catalog.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(
        names,
        ["airlines", "\"array\"", "comma", "lines", "more", "\"Sales 2024\"", "\"select\"", "tab"],
        "{:?}",
        catalog.problems
    );
    let kind = |table: &str, column: &str| {
        catalog.table(table).expect("a table").column(column).expect("a column").kind
    };
    assert_eq!(kind("array", "day"), ColumnType::Date);
    assert_eq!(kind("lines", "b"), ColumnType::Json);
    assert_eq!(kind("Sales 2024", "total sales"), ColumnType::Float);
    let answer =
        place.query("SELECT id, name IS NULL AS missing FROM comma ORDER BY id").await.expect("rows");
    assert_eq!(rows(&answer), [["1", "false"], ["2", "true"], ["3", "true"]], "empty fields are NULL");
    let answer =
        place.query("SELECT \"Total Sales\" + \"select\" AS s FROM \"Sales 2024\", \"select\"").await;
    assert_eq!(rows(&answer.expect("rows")), [["3.5"]]);
    for table in ["Sales 2024", "\"select\"", "airlines"] {
        place.warehouse.describe(&place.files(), table).await.expect("a description");
    }
}

#[tokio::test]
async fn of_the_same_stem_parquet_wins_and_changes_are_seen() {
    let place = Place::new();
    let csv = place.write("allowed/numbers.csv", "n\n1\n");
    let total = "SELECT sum(n) AS n FROM numbers";
    assert_eq!(rows(&place.query(total).await.expect("rows")), [["1"]]);
    std::fs::write(&csv, "n\n1\n41\n").expect("a change");
    assert_eq!(rows(&place.query(total).await.expect("rows")), [["42"]]);
    // A copy is Parquet: under the CSV's name it takes the CSV's place.
    let copies = std::fs::read_dir(place.root().join("data/files-cache")).expect("copies");
    let newest = copies
        .flatten()
        .max_by_key(|entry| entry.metadata().expect("its state").modified().expect("its age"));
    std::fs::copy(newest.expect("a copy").path(), place.allowed().join("numbers.parquet")).expect("a file");
    std::fs::write(&csv, "n\n7\n").expect("a change");
    assert_eq!(rows(&place.query(total).await.expect("rows")), [["42"]]);
}

#[tokio::test]
async fn broken_files_are_problems_and_not_the_end() {
    let place = Place::new();
    place.write("allowed/good.csv", "n\n1\n");
    place.write("allowed/broken.parquet", "this is not Parquet");
    place.write("allowed/broken.json", "{\"a\": ");
    place.write("allowed/latin.csv", b"name,city\nJos\xe9,M\xfcnchen\nAna,Rom\n");
    place.write("allowed/bad[1].csv", "n\n1\n");
    let catalog = place.warehouse.catalog(&place.files()).await.expect("a catalog");
    let names: Vec<&str> = catalog.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(names, ["good", "latin"]);
    let problems = catalog.problems.join("\n");
    assert!(problems.contains("bad[1].csv: its name contains"), "{problems}");
    assert!(problems.contains("broken: "), "{problems}");
    assert!(problems.contains("latin: it is not UTF-8 and was read as Latin-1"), "{problems}");
    let answer = place.query("SELECT city FROM latin ORDER BY name").await.expect("rows");
    assert_eq!(rows(&answer), [["Rom"], ["München"]]);
    assert_eq!(rows(&place.query("SELECT n FROM good").await.expect("rows")), [["1"]]);
}

#[tokio::test]
async fn copies_are_kept_within_their_bound() {
    let place = Place::with(|options| options.cache_bytes = 20_000);
    for number in 0..6 {
        let lines: Vec<String> =
            (0..3000).map(|line| ((line * 7919 + number) % 100_003).to_string()).collect();
        place.write("allowed/numbers.csv", format!("n\n{}\n", lines.join("\n")));
        place.query("SELECT count(*) FROM numbers").await.expect("rows");
    }
    let copies = std::fs::read_dir(place.root().join("data/files-cache")).expect("copies");
    let bytes: u64 = copies.flatten().map(|entry| entry.metadata().expect("its state").len()).sum();
    assert!(bytes <= 20_000, "{bytes}");
}

#[tokio::test]
async fn an_empty_folder_has_no_tables_and_says_so() {
    let place = Place::new();
    let report = place.warehouse.test(&place.files()).await.expect("a report");
    assert_eq!(report.tables, 0);
    assert!(
        report.message.contains("CSV, Parquet and JSON files directly in the folder"),
        "{}",
        report.message
    );
    assert_eq!(rows(&place.query("SELECT 1 AS n").await.expect("rows")), [["1"]]);
}

#[tokio::test]
async fn a_program_that_is_no_worker_is_an_error() {
    for program in ["/bin/true", "/bin/ls", "/nowhere/at-all"] {
        let place = Place::with(|options| {
            options.worker.program = PathBuf::from(program);
            options.worker.arguments.clear();
        });
        let error = place.query("SELECT 1").await.expect_err("no engine");
        assert!(matches!(error, Error::Worker { .. }), "{program}: {error:?}");
        assert!(error.is_retryable());
    }
}

#[test]
fn a_worker_ends_with_its_parent() {
    // The parent's end of the pipe is closed, as it is when it is killed: the worker must not outlive it, though it waits.
    let mut worker = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "engine_worker", "--nocapture"])
        .env("TIDINGS_ENGINE_WORKER", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a worker");
    drop(worker.stdin.take());
    let status = worker.wait().expect("its end");
    assert!(status.code().is_some(), "{status}");
}

/// The process that was started with `mark` in its environment.
#[cfg(target_os = "linux")]
fn process_with(mark: &str) -> Option<String> {
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            return Some(entry.file_name().to_string_lossy().into_owned());
        }
    }
    None
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_killed_worker_is_an_error_that_may_be_retried_and_a_cancelled_one_is_gone() {
    const SLOW: &str = "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000) c WHERE a.range < b.range + c.range";
    let name = format!("worker-of-{}", std::process::id());
    let mark = format!("MARK={name}");
    let place = Place::with(|options| options.worker.environment.push(("MARK".into(), name.into())));
    let started = async || loop {
        if let Some(process) = process_with(&mark) {
            return process;
        }
        tokio::task::yield_now().await;
    };
    let (answer, ()) = tokio::join!(place.query(SLOW), async {
        let process = started().await;
        let killed =
            std::process::Command::new("kill").args(["-KILL", &process]).status().expect("kill runs");
        assert!(killed.success());
    });
    let error = answer.expect_err("its worker is dead");
    assert!(matches!(error, Error::Worker { .. }) && error.is_retryable(), "{error:?}");
    assert_eq!(rows(&place.query("SELECT 1 AS n").await.expect("the next one works")), [["1"]]);

    let cancel = CancellationToken::new();
    let (spec, limits) = (place.files(), QueryLimits::default());
    let (answer, ()) = tokio::join!(place.warehouse.query(&spec, SLOW, limits, &cancel), async {
        started().await;
        cancel.cancel();
    });
    assert_eq!(answer.expect_err("cancelled"), Error::Cancelled);
    while process_with(&mark).is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn words_for_missing_values_are_missing_where_they_stand_among_numbers() {
    let place = Place::new();
    place.write("allowed/penguins.csv", "name,sex,mass\nAda,NA,3750\nBea,female,NA\nCleo,NA,NA\n");
    place.write("allowed/countries.csv", "code,name,people\nNA,Namibia,3\nDE,Germany,84\n");
    let missing =
        place.query("SELECT count(*) - count(sex) AS unknown, sum(mass) AS mass FROM penguins").await;
    assert_eq!(rows(&missing.expect("rows")), [["2", "3750"]]);
    let kept = place.query("SELECT name FROM countries WHERE code = 'NA'").await.expect("rows");
    assert_eq!(rows(&kept), [["Namibia"]]);
}
