//! Death at a chosen point, for tests of what is left behind. Binaries that are not built for tests have no such points.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// `POINT=N`: this process kills itself with SIGKILL when it comes to that fail point for the N-th time.
const VARIABLE: &str = "TIDINGS_CRASH_AT";

/// Prepares the death that the environment asks for.
pub(crate) fn arm() -> anyhow::Result<()> {
    if !fail::has_failpoints() {
        return Ok(());
    }
    let Ok(wanted) = std::env::var(VARIABLE) else { return Ok(()) };
    let (point, times) = wanted.split_once('=').with_context(|| format!("{VARIABLE}: POINT=N is needed"))?;
    let left = AtomicU32::new(times.parse().with_context(|| format!("{VARIABLE}: `{times}` is no number"))?);
    let configured = fail::cfg_callback(point, move || {
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // It cannot fail, and there is nobody left to tell.
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    });
    configured.map_err(anyhow::Error::msg).context(VARIABLE)
}
