//! The section `[mail]`.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use notifier::transport::smtp::Tls;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::secret;

/// How mail leaves.
#[derive(Debug)]
pub(crate) struct Mail {
    /// `None`: the dev transport, shown under "Outbox".
    pub(crate) smtp_url: Option<SecretString>,
    pub(crate) from: String,
    pub(crate) reply_to: Option<String>,
    /// `None`: as the URL says.
    pub(crate) tls: Option<Tls>,
    pub(crate) authority_file: Option<PathBuf>,
    pub(crate) connections: u32,
    pub(crate) dkim: Option<Dkim>,
}

/// How mails are signed.
#[derive(Debug)]
pub(crate) struct Dkim {
    pub(crate) key: SecretString,
    pub(crate) selector: String,
    /// `None`: the sender's.
    pub(crate) domain: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    smtp_url: String,
    smtp_url_file: String,
    from: String,
    reply_to: String,
    tls: String,
    authority_file: String,
    connections: u32,
    dkim_key: String,
    dkim_key_file: String,
    dkim_selector: String,
    dkim_domain: String,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Mail> {
        let smtp_url = secret("TIDINGS_SMTP_URL", self.smtp_url, &self.smtp_url_file)?;
        if let Some(url) = &smtp_url {
            let url = url.expose_secret();
            ensure!(
                url.starts_with("smtp://") || url.starts_with("smtps://"),
                "TIDINGS_SMTP_URL must start with smtp:// or smtps://"
            );
        }
        let tls = match self.tls.as_str() {
            "" => None,
            "none" => Some(Tls::Never),
            "starttls" => Some(Tls::Required),
            "tls" => Some(Tls::Wrapped),
            other => bail!("TIDINGS_MAIL_TLS: `{other}` is not `none`, `starttls` or `tls`"),
        };
        ensure!(
            (1..=500).contains(&self.connections),
            "TIDINGS_MAIL_CONNECTIONS: {} is not 1 to 500",
            self.connections
        );
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let dkim = match secret("TIDINGS_DKIM_KEY", self.dkim_key, &self.dkim_key_file)? {
            None => None,
            Some(key) => {
                let selector = given(self.dkim_selector).context(
                    "TIDINGS_DKIM_SELECTOR: name the selector whose DNS record holds the public key",
                )?;
                Some(Dkim { key, selector, domain: given(self.dkim_domain) })
            }
        };
        Ok(Mail {
            smtp_url,
            from: self.from,
            reply_to: given(self.reply_to),
            tls,
            authority_file: given(self.authority_file).map(PathBuf::from),
            connections: self.connections,
            dkim,
        })
    }
}
