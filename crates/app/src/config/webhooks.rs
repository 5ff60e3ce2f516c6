//! The section `[webhooks]`.

use std::net::IpAddr;

use anyhow::Context;
use serde::Deserialize;

/// Where webhooks may lead.
#[derive(Debug)]
pub(crate) struct Webhooks {
    /// Besides the open internet.
    pub(crate) allowed_addresses: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    allowed_addresses: String,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Webhooks> {
        let addresses =
            self.allowed_addresses.split(',').map(str::trim).filter(|address| !address.is_empty());
        let allowed_addresses = addresses
            .map(|address| address.parse().with_context(|| format!("`{address}` is no IP address")))
            .collect::<anyhow::Result<Vec<IpAddr>>>()
            .context("TIDINGS_WEBHOOK_ADDRESSES")?;
        Ok(Webhooks { allowed_addresses })
    }
}
