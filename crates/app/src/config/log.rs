//! The section `[log]`.

use anyhow::bail;
use serde::Deserialize;

/// Logging.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) is_json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    filter: String,
    format: String,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Log> {
        let is_json = match self.format.as_str() {
            "text" => false,
            "json" => true,
            other => bail!("TIDINGS_LOG_FORMAT: `{other}` is not `text` or `json`"),
        };
        Ok(Log { filter: self.filter, is_json })
    }
}
