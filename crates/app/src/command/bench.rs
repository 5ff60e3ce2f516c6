//! `tidings bench`, where the binary was built with the feature `bench`: see `docs/measuring.md`.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use bench::{Options, Part, Size};
use domain::{Clock as _, clock::SystemClock};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fewer rows and one round, for trying: the figures say little
    #[arg(long)]
    quick: bool,
    /// The parts to measure: queue, growth, tick, lateness, claims, run-now, waiting, tasks, server, fan-out
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Where the server's folder is made and removed again; needs up to 20 GB
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Where the results are kept
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
    /// The date in the name of the results' file; today in UTC unless given
    #[arg(long)]
    date: Option<chrono::NaiveDate>,
    /// Where graphile-worker is installed
    #[arg(long, default_value = "crates/bench/yardstick")]
    yardstick: PathBuf,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let date = arguments.date.unwrap_or_else(|| SystemClock.now().date_naive());
    let is_installed = arguments.yardstick.join("node_modules/graphile-worker").is_dir();
    let report = bench::run(&Options {
        folder: arguments.folder,
        size: if arguments.quick { Size::QUICK } else { Size::FULL },
        parts: if arguments.only.is_empty() { Part::ALL.to_vec() } else { arguments.only },
        tidings: Some(std::env::current_exe()?),
        yardstick: is_installed.then_some(arguments.yardstick),
    })?;
    println!("{}\n{}", report.machine.summary(), report.table());
    fs::create_dir_all(&arguments.results)
        .with_context(|| format!("cannot make {}", arguments.results.display()))?;
    let suffix = if arguments.quick { "-quick" } else { "" };
    let file = arguments.results.join(format!("{date}{suffix}.json"));
    let mut json = serde_json::to_string_pretty(&report)?;
    json.push('\n');
    fs::write(&file, json).with_context(|| format!("cannot write {}", file.display()))?;
    println!("kept in {}", file.display());
    Ok(())
}
