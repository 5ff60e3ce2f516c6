//! The section `[agent]`.

use anyhow::ensure;
use serde::Deserialize;

/// The agent's size.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) concurrency: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    concurrency: u32,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Agent> {
        ensure!(self.concurrency >= 1, "TIDINGS_AGENT_CONCURRENCY must be at least 1");
        Ok(Agent { concurrency: self.concurrency })
    }
}
