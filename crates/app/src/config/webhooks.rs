//! The section `[webhooks]`.

use std::net::IpAddr;

use serde::Deserialize;

use super::addresses;

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
        Ok(Webhooks { allowed_addresses: addresses("TIDINGS_WEBHOOK_ADDRESSES", &self.allowed_addresses)? })
    }
}
