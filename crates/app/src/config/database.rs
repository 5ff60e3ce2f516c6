//! The section `[database]`.

use std::time::Duration;

use anyhow::ensure;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::secret;

/// Tidings' own database.
#[derive(Debug)]
pub(crate) struct Database {
    /// `None`: a private PostgreSQL under the data folder.
    pub(crate) url: Option<SecretString>,
    pub(crate) max_connections: u32,
    /// How long a request waits for a connection.
    pub(crate) request_wait: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    url: String,
    url_file: String,
    max_connections: u32,
    request_wait_millis: u64,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Database> {
        ensure!(self.max_connections >= 8, "TIDINGS_DATABASE_MAX_CONNECTIONS must be at least 8");
        ensure!(
            (100..=30_000).contains(&self.request_wait_millis),
            "TIDINGS_DATABASE_WAIT_MILLIS: {} is not 100 to 30000",
            self.request_wait_millis
        );
        let url = secret("DATABASE_URL", self.url, &self.url_file)?;
        if let Some(url) = &url {
            let url = url.expose_secret();
            ensure!(
                url.starts_with("postgres://") || url.starts_with("postgresql://"),
                "DATABASE_URL must start with postgres:// or postgresql://"
            );
        }
        Ok(Database {
            url,
            max_connections: self.max_connections,
            request_wait: Duration::from_millis(self.request_wait_millis),
        })
    }
}
