//! The house's room for measurements: `tidings bench`.
//!
//! It starts its own durable PostgreSQL, fills it with tasks by the million, and takes Tidings' production code (the store's
//! calls, the scheduler's tick, the agent's worker, the binary itself) and its yardstick through the same work in turns.
//! `docs/measuring.md` says what each line means. No figure here is a test.

mod drain;
pub mod figure;
mod load;
pub mod machine;
mod process;
pub mod report;
mod row;
mod server;
mod sink;
mod statistics;
mod yardstick;

use std::{fmt, path::PathBuf, str::FromStr, time::Instant};

use domain::Clock as _;
use serde::Serialize;

pub use crate::report::Report;
use crate::{report::Failure, server::Server};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder under which the server's own folder is made, and removed at the end. Needs up to 20 GB.
    pub folder: PathBuf,
    /// How much of everything.
    pub size: Size,
    /// The parts to measure, in this order.
    pub parts: Vec<Part>,
    /// The binary `tidings`, for what is measured on whole processes.
    pub tidings: Option<PathBuf>,
    /// The folder with the other queues, installed (`crates/bench/yardstick` after `npm ci`).
    pub yardstick: Option<PathBuf>,
}

/// A part of the bench, by the name that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The whole life of runs, beside others.
    Queue,
    /// The same with few and many tasks.
    Growth,
    /// A tick that finds nothing.
    Tick,
    /// Everything due in one instant, and spread over time.
    Lateness,
    /// Claims while much is in flight, and under an old snapshot.
    Claims,
    /// From the click to the first step.
    RunNow,
    /// Runs that wait for a slow model.
    Waiting,
    /// A person's list of tasks, over HTTP.
    Tasks,
    /// A server's memory, start and binary.
    Server,
    /// Mails to many readers.
    FanOut,
}

impl Part {
    /// All, in the order in which they are measured.
    pub const ALL: [Self; 10] = [
        Self::Queue,
        Self::Growth,
        Self::Tick,
        Self::Lateness,
        Self::Claims,
        Self::RunNow,
        Self::Waiting,
        Self::Tasks,
        Self::Server,
        Self::FanOut,
    ];

    /// The name that `--only` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Growth => "growth",
            Self::Tick => "tick",
            Self::Lateness => "lateness",
            Self::Claims => "claims",
            Self::RunNow => "run-now",
            Self::Waiting => "waiting",
            Self::Tasks => "tasks",
            Self::Server => "server",
            Self::FanOut => "fan-out",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|part| part.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no part `{name}`; the parts are {names}")
        })
    }
}

/// How much of everything is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// `full`, `quick` or `tiny`.
    pub name: &'static str,
    /// How often each side has its turn.
    pub rounds: u32,
    /// Tasks of the small, the usual and the large database.
    pub tasks: [u32; 3],
    /// Tasks that are due at once.
    pub due: u32,
    /// Tasks that are drained to compare sizes.
    pub growth_due: u32,
    /// Jobs that another queue drains while it does nothing else.
    pub empty_jobs: u32,
    /// Jobs that another queue drains while it keeps the same records.
    pub record_jobs: u32,
    /// Runs in flight while claims are timed.
    pub in_flight: u32,
    /// Seconds of a spread load in each round.
    pub spread_seconds: u32,
    /// Ticks, claims and clicks that are timed one by one.
    pub samples: u32,
    /// Runs that wait at once.
    pub waiting: u32,
    /// Seconds for which lists of tasks are asked for in each round.
    pub list_seconds: u32,
    /// Mails of one answer that are sent in a round.
    pub mails: u32,
    /// Answers with one mail each that are sent in a round.
    pub answers: u32,
    /// Messages that are posted in each channel of Slack in a round; at least two.
    pub channel_messages: u32,
}

impl Size {
    /// What the goals are written for.
    pub const FULL: Self = Self {
        name: "full",
        rounds: 5,
        tasks: [10_000, 1_000_000, 5_000_000],
        due: 100_000,
        growth_due: 40_000,
        empty_jobs: 100_000,
        record_jobs: 10_000,
        in_flight: 50_000,
        spread_seconds: 10,
        samples: 300,
        waiting: 10_000,
        list_seconds: 5,
        mails: 5_000,
        answers: 1_000,
        channel_messages: 20,
    };
    /// For trying: its figures say little.
    pub const QUICK: Self = Self {
        name: "quick",
        rounds: 1,
        tasks: [2_000, 40_000, 100_000],
        due: 4_000,
        growth_due: 2_000,
        empty_jobs: 10_000,
        record_jobs: 1_000,
        in_flight: 3_000,
        spread_seconds: 3,
        samples: 50,
        waiting: 500,
        list_seconds: 2,
        mails: 500,
        answers: 100,
        channel_messages: 5,
    };
    /// For the bench's own test: its figures say nothing.
    pub const TINY: Self = Self {
        name: "tiny",
        rounds: 1,
        tasks: [200, 1_000, 2_000],
        // One a second where it is spread.
        due: 120,
        growth_due: 20,
        empty_jobs: 100,
        record_jobs: 50,
        in_flight: 40,
        spread_seconds: 1,
        samples: 4,
        waiting: 20,
        list_seconds: 1,
        mails: 20,
        answers: 10,
        channel_messages: 2,
    };
}

/// Measures. Tells on standard error what it is at. A part that breaks off is reported, and the others go on.
///
/// Call it from the main thread, outside of any runtime: the server stops with the thread that started it.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    let started = Instant::now();
    let started_at = domain::clock::SystemClock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = Server::start(&options.folder, &runtime)?;
    runtime.block_on(async {
        let machine = machine::Machine::look(&mut server.admin().await?).await?;
        eprintln!("{}", machine.summary());
        let mut bench = row::Bench::new(&server, options);
        let mut failures = Vec::new();
        for part in &options.parts {
            let begun = Instant::now();
            eprintln!("==> {part} ({:.0} s so far)", started.elapsed().as_secs_f64());
            if let Err(error) = bench.measure(*part).await {
                eprintln!("{part} broke off: {error:#}");
                failures.push(Failure { part: *part, reason: format!("{error:#}") });
            }
            eprintln!("{part} took {:.0} s", begun.elapsed().as_secs_f64());
        }
        let row::Bench { rows, notes, .. } = bench;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Report { started_at, seconds, size: options.size.name, machine, rows, notes, failures })
    })
}
