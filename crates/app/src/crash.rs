//! Death, or standing still, at a chosen point, for tests of what is left behind. Binaries that are not built for tests have no
//! such points.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// `POINT=N`: this process sends itself the signal when it comes to that fail point for the N-th time.
const VARIABLES: [(&str, Signal); 2] =
    [("TIDINGS_CRASH_AT", Signal::SIGKILL), ("TIDINGS_STOP_AT", Signal::SIGSTOP)];

/// Prepares what the environment asks for.
pub(crate) fn arm() -> anyhow::Result<()> {
    if !fail::has_failpoints() {
        return Ok(());
    }
    for (variable, signal) in VARIABLES {
        if let Ok(wanted) = std::env::var(variable) {
            strike_at(&wanted, signal).context(variable)?;
        }
    }
    Ok(())
}

fn strike_at(wanted: &str, signal: Signal) -> anyhow::Result<()> {
    let (point, times) = wanted.split_once('=').context("POINT=N is needed")?;
    let left = AtomicU32::new(times.parse().with_context(|| format!("`{times}` is no number"))?);
    let configured = fail::cfg_callback(point, move || {
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // It cannot fail, and nobody could be told.
            let _ = kill(Pid::this(), signal);
        }
    });
    configured.map_err(anyhow::Error::msg)
}
