//! Settings of model providers beside the first one's: the fallback, the circuit breaker, and workspaces' own.

use std::time::Duration;

use anyhow::ensure;
use chrono::TimeDelta;
use secrecy::SecretString;
use serde::Deserialize;

use super::secret;

/// Whom to ask while the first provider is down: a server that speaks OpenAI Chat Completions.
#[derive(Debug)]
pub(crate) struct Fallback {
    /// `None`: OpenAI's own address.
    pub(crate) base_url: Option<String>,
    pub(crate) name: String,
    pub(crate) api_key: Option<SecretString>,
}

/// When a provider is left alone, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breaker {
    pub(crate) failures: u32,
    pub(crate) rest: TimeDelta,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFallback {
    base_url: String,
    name: String,
    api_key: String,
    api_key_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBreaker {
    failures: u32,
    rest_seconds: i64,
}

impl WrittenFallback {
    /// None where nothing of it is given.
    pub(super) fn check(self) -> anyhow::Result<Option<Fallback>> {
        let api_key = secret("TIDINGS_FALLBACK_API_KEY", self.api_key, &self.api_key_file)?;
        let base_url = Some(self.base_url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty());
        if api_key.is_none() && base_url.is_none() && self.name.is_empty() {
            return Ok(None);
        }
        ensure!(
            !self.name.is_empty(),
            "TIDINGS_FALLBACK_NAME: name the fallback's model, such as `gpt-5-mini` or `llama3.3`"
        );
        ensure!(
            api_key.is_some() || base_url.is_some(),
            "TIDINGS_FALLBACK_BASE_URL: say where the fallback is, or give OpenAI's key for it in TIDINGS_FALLBACK_API_KEY"
        );
        Ok(Some(Fallback { base_url, name: self.name, api_key }))
    }
}

impl WrittenBreaker {
    pub(super) fn check(&self) -> anyhow::Result<Breaker> {
        ensure!(
            (1..=1_000).contains(&self.failures),
            "TIDINGS_BREAKER_FAILURES: {} is not 1 to 1000",
            self.failures
        );
        ensure!(
            (1..=3_600).contains(&self.rest_seconds),
            "TIDINGS_BREAKER_REST_SECONDS: {} is not 1 to 3600",
            self.rest_seconds
        );
        Ok(Breaker { failures: self.failures, rest: TimeDelta::seconds(self.rest_seconds) })
    }
}

/// How long a provider may be silent. Twice as long, the second attempt's silence with it, must leave time for the fallback
/// within the 10 minutes of a turn.
pub(super) fn silence(seconds: u64) -> anyhow::Result<Duration> {
    ensure!((5..=240).contains(&seconds), "TIDINGS_MODEL_SILENCE_SECONDS: {seconds} is not 5 to 240");
    Ok(Duration::from_secs(seconds))
}
