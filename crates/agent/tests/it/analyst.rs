//! The built-in analyst on questions whose answers are known, over both engines. Each score is printed, whether or not it is
//! high enough: `cargo test` does not swallow what is written past its macros.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use agent::{
    Analyst, Limits,
    eval::{self, Evaluation},
};
use chrono::{TimeZone, Utc};
use tempfile::TempDir;
use warehouse::{ConnectionSpec, FilesSpec, Warehouse, WarehouseOptions, WorkerCommand};

/// A data set: where its tables lie, in an order in which they can be filled, and the questions of it with how many of each
/// must be right.
struct DataSet {
    name: &'static str,
    folder: &'static str,
    tables: &'static [&'static str],
    /// What stands for no value in its files.
    null: &'static str,
    questions: &'static [(&'static str, usize)],
}

const FLIGHTS: DataSet = DataSet {
    name: "nycflights13",
    folder: "data/nycflights13",
    tables: &["airlines", "airports", "planes", "flights", "weather"],
    null: "",
    questions: &[("nycflights13", 38), ("nycflights13-times", 6)],
};

const PENGUINS: DataSet = DataSet {
    name: "palmerpenguins",
    folder: "eval/data/palmerpenguins",
    tables: &["penguins"],
    null: "NA",
    questions: &[("palmerpenguins", 27), ("palmerpenguins-held-out", 12)],
};

const RACES: DataSet = DataSet {
    name: "f1db",
    folder: "eval/data/f1db",
    tables: &["countries", "circuits", "constructors", "drivers", "races", "results", "pit_stops"],
    null: "",
    questions: &[("f1db", 34), ("f1db-held-out", 12)],
};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
        .canonicalize()
        .expect("a path of the project")
}

impl DataSet {
    fn files(&self) -> ConnectionSpec {
        ConnectionSpec::Files(FilesSpec::Folder(project(self.folder)))
    }

    /// The same tables in PostgreSQL.
    async fn postgres(&self) -> ConnectionSpec {
        let schema = std::fs::read_to_string(project(&format!("eval/schema/{}.sql", self.name)));
        let tables = self.tables.iter().map(|table| ((*table).to_owned(), self.rows(table)));
        let url =
            testkit::customer_database(self.name, &schema.expect("its schema"), tables, self.null).await;
        eval::connection(&url).expect("an address").expect("of PostgreSQL")
    }

    /// A table's file, unpacked.
    fn rows(&self, table: &str) -> Vec<u8> {
        let folder = project(self.folder);
        if let Ok(rows) = std::fs::read(folder.join(format!("{table}.csv"))) {
            return rows;
        }
        let packed = folder.join(format!("{table}.csv.gz"));
        let unpacked = Command::new("gzip").arg("-dc").arg(packed).output().expect("gzip");
        assert!(unpacked.status.success(), "{table} is unpacked");
        unpacked.stdout
    }

    /// Asks all its questions, prints each score and what is wrong, and demands that enough are right.
    async fn ask(&self, connection: ConnectionSpec) {
        let engine = connection.engine().to_owned();
        let home = TempDir::new().expect("a folder");
        let worker = WorkerCommand::current_test("engine_worker").expect("this binary");
        let mut options = WarehouseOptions::new(home.path(), worker);
        options.files_allowed = vec![project(self.folder)];
        let evaluation = Evaluation {
            warehouse: Warehouse::new(options),
            connection,
            connection_name: "Evaluation".into(),
            model: Arc::new(Analyst),
            limits: Limits::default(),
            now: Utc.with_ymd_and_hms(2026, 1, 14, 9, 0, 0).single().expect("an instant"),
        };
        let mut short = Vec::new();
        for (set, least) in self.questions {
            let text = std::fs::read_to_string(project(&format!("eval/{set}.jsonl"))).expect("the questions");
            let mut wrong = String::new();
            let told = |line: &eval::Line| {
                if !line.right {
                    let why = line.why.as_deref().unwrap_or_default();
                    let sql = line.sql.as_deref().unwrap_or("no query").replace('\n', " ");
                    wrong.extend(["    ", &line.question, ": ", why, " (", &sql, ")\n"]);
                }
            };
            let summary = evaluation.run(&eval::questions(&text).expect("questions"), told).await;
            let line = format!("eval/{set}.jsonl over {engine}: {} of {}", summary.right, summary.total);
            writeln!(std::io::stdout(), "{line}\n{wrong}").expect("a line");
            if summary.right < *least {
                short.push(format!("{line}, fewer than {least}\n{wrong}"));
            }
        }
        assert!(short.is_empty(), "{}", short.concat());
    }
}

#[tokio::test]
async fn it_knows_its_penguins_in_files() {
    PENGUINS.ask(PENGUINS.files()).await;
}

#[tokio::test]
async fn it_knows_its_penguins_in_postgres() {
    PENGUINS.ask(PENGUINS.postgres().await).await;
}

#[tokio::test]
async fn it_knows_its_flights_in_files() {
    FLIGHTS.ask(FLIGHTS.files()).await;
}

#[tokio::test]
async fn it_knows_its_flights_in_postgres() {
    FLIGHTS.ask(FLIGHTS.postgres().await).await;
}

#[tokio::test]
async fn it_knows_its_races_in_files() {
    RACES.ask(RACES.files()).await;
}

#[tokio::test]
async fn it_knows_its_races_in_postgres() {
    RACES.ask(RACES.postgres().await).await;
}
