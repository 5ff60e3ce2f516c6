//! `tidings schedule`.

use std::io::{BufRead, BufWriter, Write};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use domain::{
    Clock,
    clock::SystemClock,
    schedule::{Schedule as Checked, ScheduleSpec, Window},
};
use serde::{Deserialize, Serialize};

#[derive(Subcommand)]
pub(crate) enum Schedule {
    /// Read objects `{"schedule", "after"?, "count"?}` as JSON lines on standard input and print a line of delivery windows
    /// for each
    Preview,
}

/// One line of input. Other members (such as an expected answer) are ignored.
#[derive(Deserialize)]
struct Request {
    schedule: ScheduleSpec,
    after: Option<DateTime<Utc>>,
    count: Option<usize>,
}

#[derive(Serialize)]
struct Preview {
    windows: Vec<Window>,
}

pub(crate) fn run(command: &Schedule) -> anyhow::Result<()> {
    match command {
        Schedule::Preview => preview(),
    }
}

fn preview() -> anyhow::Result<()> {
    let now = SystemClock.now();
    let mut output = BufWriter::new(std::io::stdout().lock());
    for (index, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.context("standard input cannot be read")?;
        if line.trim().is_empty() {
            continue;
        }
        let windows = windows_of(&line, now).with_context(|| format!("line {}", index + 1))?;
        serde_json::to_writer(&mut output, &Preview { windows })?;
        writeln!(output)?;
    }
    output.flush()?;
    Ok(())
}

fn windows_of(line: &str, now: DateTime<Utc>) -> anyhow::Result<Vec<Window>> {
    let request: Request = serde_json::from_str(line)?;
    let count = request.count.unwrap_or(5);
    anyhow::ensure!((1..=50).contains(&count), "count: must be 1 to 50");
    let schedule = Checked::parse(request.schedule, "schedule.")?;
    Ok(schedule.windows_after(request.after.unwrap_or(now)).take(count).collect())
}
