//! The section `[slack]`.

use anyhow::{Context, bail};
use secrecy::SecretString;
use serde::Deserialize;

use super::secret;

/// The operator's Slack app.
#[derive(Clone, Debug)]
pub(crate) struct Slack {
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    /// What Slack signs its requests to us with.
    pub(crate) signing_secret: SecretString,
    /// Where Slack's Web API is.
    pub(crate) base_url: url::Url,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    client_id: String,
    client_secret: String,
    client_secret_file: String,
    signing_secret: String,
    signing_secret_file: String,
    base_url: String,
}

impl Written {
    /// All of an app, or none of it.
    pub(super) fn check(self) -> anyhow::Result<Option<Slack>> {
        let client_secret =
            secret("TIDINGS_SLACK_CLIENT_SECRET", self.client_secret, &self.client_secret_file)?;
        let signing_secret =
            secret("TIDINGS_SLACK_SIGNING_SECRET", self.signing_secret, &self.signing_secret_file)?;
        let base_url: url::Url = self
            .base_url
            .parse()
            .ok()
            .filter(|url: &url::Url| matches!(url.scheme(), "http" | "https") && url.path().ends_with('/'))
            .with_context(|| {
                format!("TIDINGS_SLACK_BASE_URL: `{}` is no address that ends with a slash", self.base_url)
            })?;
        let client_id = Some(self.client_id).filter(|id| !id.is_empty());
        let (client_id, client_secret, signing_secret) = match (client_id, client_secret, signing_secret) {
            (None, None, None) => return Ok(None),
            (Some(id), Some(client), Some(signing)) => (id, client, signing),
            (None, ..) => bail!("TIDINGS_SLACK_CLIENT_ID is needed beside the app's secrets"),
            (_, None, _) => bail!("TIDINGS_SLACK_CLIENT_SECRET is needed beside the app's id"),
            (.., None) => bail!("TIDINGS_SLACK_SIGNING_SECRET is needed beside the app's id"),
        };
        Ok(Some(Slack { client_id, client_secret, signing_secret, base_url }))
    }
}
