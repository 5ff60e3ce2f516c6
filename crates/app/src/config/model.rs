//! The section `[model]`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use anyhow::{bail, ensure};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    addresses,
    provider::{self, Breaker, Fallback, WrittenBreaker, WrittenFallback},
    secret,
};

/// The highest price of a million tokens, in credits.
const PRICE_MAX: f64 = 1_000_000.0;

/// Who answers.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) provider: Provider,
    /// Who answers from 80% of a cap on credits on; `None`: the same model.
    pub(crate) cheaper_name: Option<String>,
    /// `None`: nobody stands in.
    pub(crate) fallback: Option<Fallback>,
    pub(crate) breaker: Breaker,
    /// Certificates of a company's own authority, in PEM, which the provider and its fallback may have theirs from.
    pub(crate) authority_file: Option<PathBuf>,
    /// How long a provider may be silent before its reply counts as lost.
    pub(crate) silence: Duration,
    /// Where workspaces' own models may be besides the open internet.
    pub(crate) allowed_addresses: Vec<IpAddr>,
    pub(crate) prices: Vec<ModelPrice>,
}

/// What a million tokens of the models whose names begin so cost, in credits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelPrice {
    pub(crate) model: String,
    #[serde(rename = "in")]
    pub(crate) sent: f64,
    #[serde(rename = "out")]
    pub(crate) received: f64,
}

/// A model's provider.
#[derive(Debug)]
pub(crate) enum Provider {
    /// The analyst that ships in the binary.
    Builtin,
    /// A server that speaks OpenAI Chat Completions.
    OpenAi { base_url: Option<String>, name: String, api_key: Option<SecretString> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    provider: String,
    base_url: String,
    name: String,
    cheaper_name: String,
    authority_file: String,
    api_key: String,
    api_key_file: String,
    silence_seconds: u64,
    allowed_addresses: String,
    prices: Vec<ModelPrice>,
    fallback: WrittenFallback,
    breaker: WrittenBreaker,
}

impl Written {
    pub(super) fn check(self) -> anyhow::Result<Model> {
        let api_key = secret("OPENAI_API_KEY", self.api_key, &self.api_key_file)?;
        let base_url = Some(self.base_url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty());
        let wants_openai = match self.provider.as_str() {
            "builtin" => false,
            "openai" => true,
            "" => api_key.is_some() || base_url.is_some(),
            other => bail!("TIDINGS_MODEL_PROVIDER: `{other}` is not `builtin` or `openai`"),
        };
        let provider = if wants_openai {
            ensure!(
                !self.name.is_empty(),
                "TIDINGS_MODEL_NAME: name the model, such as `gpt-5` or `llama3.3`"
            );
            Provider::OpenAi { base_url, name: self.name, api_key }
        } else {
            Provider::Builtin
        };
        let fallback = self.fallback.check()?;
        ensure!(
            fallback.is_none() || matches!(provider, Provider::OpenAi { .. }),
            "TIDINGS_FALLBACK_NAME: the built-in analyst is never down and needs no fallback"
        );
        let cheaper_name = Some(self.cheaper_name).filter(|name| !name.is_empty());
        ensure!(
            cheaper_name.is_none() || matches!(provider, Provider::OpenAi { .. }),
            "TIDINGS_MODEL_CHEAPER_NAME: the built-in analyst costs nothing, and nothing is cheaper"
        );
        check_prices(&self.prices)?;
        if let Provider::OpenAi { name, .. } = &provider {
            let others = [
                ("TIDINGS_MODEL_CHEAPER_NAME", cheaper_name.as_deref()),
                ("TIDINGS_FALLBACK_NAME", fallback.as_ref().map(|fallback| fallback.name.as_str())),
            ];
            check_priced(&self.prices, name, others)?;
        }
        Ok(Model {
            provider,
            cheaper_name,
            fallback,
            breaker: self.breaker.check()?,
            authority_file: Some(self.authority_file).filter(|file| !file.is_empty()).map(PathBuf::from),
            silence: provider::silence(self.silence_seconds)?,
            allowed_addresses: addresses("TIDINGS_MODEL_ADDRESSES", &self.allowed_addresses)?,
            prices: self.prices,
        })
    }
}

/// Where the first model has a price, so must those that answer in its place: their replies would cost nothing, and no cap on
/// credits would hold.
fn check_priced(
    prices: &[ModelPrice],
    first: &str,
    others: [(&'static str, Option<&str>); 2],
) -> anyhow::Result<()> {
    let is_priced = |name: &str| {
        let name = format!("openai:{name}");
        prices.iter().any(|price| name.starts_with(&price.model))
    };
    for (variable, name) in others {
        let Some(name) = name else { continue };
        ensure!(
            !is_priced(first) || is_priced(name),
            "{variable}: `{name}` has no price, and `{first}` has one; add `openai:{name}` to TIDINGS_MODEL_PRICES, at 0 if it is free"
        );
    }
    Ok(())
}

/// Every model once, with prices that can be charged.
fn check_prices(prices: &[ModelPrice]) -> anyhow::Result<()> {
    for (position, price) in prices.iter().enumerate() {
        let ModelPrice { model, sent, received } = price;
        ensure!(
            !model.trim().is_empty(),
            "TIDINGS_MODEL_PRICES: price {} names no model, such as `openai:gpt-5`",
            position + 1
        );
        ensure!(
            prices[..position].iter().all(|earlier| earlier.model != *model),
            "TIDINGS_MODEL_PRICES: `{model}` has two prices"
        );
        for (word, credits) in [("in", sent), ("out", received)] {
            ensure!(
                (0.0..=PRICE_MAX).contains(credits),
                "TIDINGS_MODEL_PRICES: `{word}` of `{model}` is not 0 to {PRICE_MAX} credits"
            );
        }
    }
    Ok(())
}
