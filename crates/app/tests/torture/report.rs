//! A row's size, and its one line.

use std::{fmt::Display, time::Instant};

/// How much a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// In every `cargo test`: a minute or two.
    Short,
    /// `make torture`: so many hundredths of the table's figures.
    Full { percent: usize },
}

impl Size {
    /// As the environment variable `TORTURE` says: `full`, a percentage of it such as `10%`, or nothing.
    pub(crate) fn of_this_run() -> Self {
        let asked = std::env::var("TORTURE").unwrap_or_default();
        match asked.as_str() {
            "" | "short" => Self::Short,
            "full" => Self::Full { percent: 100 },
            share => {
                let percent = share.trim_end_matches('%').parse().ok().filter(|percent| *percent > 0);
                Self::Full { percent: percent.expect("TORTURE is `short`, `full` or a percentage") }
            }
        }
    }

    /// One of two settings.
    pub(crate) fn pick<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full { .. } => full,
        }
    }

    /// One of two counts, the full one by its percentage.
    pub(crate) fn count(self, short: usize, full: usize) -> usize {
        match self {
            Self::Short => short,
            Self::Full { percent } => (full * percent).div_ceil(100),
        }
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => f.write_str("short"),
            Self::Full { percent: 100 } => f.write_str("full"),
            Self::Full { percent } => write!(f, "{percent}% of full"),
        }
    }
}

/// What a row found. [`Report::finish`] prints it and passes or fails.
pub(crate) struct Report {
    row: &'static str,
    promise: &'static str,
    size: Size,
    started: Instant,
    done: Vec<String>,
    seen: Vec<String>,
    broken: Vec<String>,
}

impl Report {
    /// An empty report of a row.
    pub(crate) fn new(row: &'static str, promise: &'static str, size: Size) -> Self {
        Self { row, promise, size, started: Instant::now(), done: vec![], seen: vec![], broken: vec![] }
    }

    /// Something that was done: how often, and what.
    pub(crate) fn did(&mut self, count: impl Display, what: &str) {
        self.done.push(format!("{count} {what}"));
    }

    /// A figure that is told and not judged.
    pub(crate) fn saw(&mut self, count: impl Display, what: &str) {
        self.seen.push(format!("{count} {what}"));
    }

    /// Things that must not have happened; a few are named if they did.
    pub(crate) fn must_be_none<T: Display>(&mut self, found: &[T], what: &str) {
        self.saw(found.len(), what);
        if !found.is_empty() {
            let named: Vec<String> = found.iter().take(10).map(ToString::to_string).collect();
            self.broken.push(format!("{} {what}: {}", found.len(), named.join("; ")));
        }
    }

    /// A figure that must be reached.
    pub(crate) fn must_reach(&mut self, count: f64, least: f64, what: &str) {
        self.saw(format!("{count:.2}"), what);
        if count < least {
            self.broken.push(format!("{count:.4} {what}, at least {least} are promised"));
        }
    }

    /// Prints the line; fails the test if a promise was broken.
    pub(crate) fn finish(self) {
        let Self { row, promise, size, started, done, seen, broken } = self;
        let verdict = if broken.is_empty() { "pass" } else { "FAIL" };
        let seconds = started.elapsed().as_secs();
        println!(
            "{row:<4} {verdict}  {promise} | {size}: {} | {} | {seconds} s",
            done.join(", "),
            seen.join(", ")
        );
        assert!(broken.is_empty(), "{row} {promise}:\n{}", broken.join("\n"));
    }
}
