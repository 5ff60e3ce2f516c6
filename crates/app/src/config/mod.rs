//! Settings: a documented default file, overlaid by a file, then by the environment, checked before anything opens. Each section
//! has a file: its settings, how they are written, and what is refused of them.

mod agent;
mod data;
mod database;
mod log;
mod mail;
mod model;
mod provider;
mod scheduler;
mod server;
mod slack;
#[cfg(test)]
mod tests;
mod webhooks;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use secrecy::SecretString;
use serde::Deserialize;

pub(crate) use self::{
    agent::Agent,
    data::Data,
    database::Database,
    log::Log,
    mail::Mail,
    model::{Model, ModelPrice, Provider},
    provider::{Breaker, Fallback},
    scheduler::Scheduler,
    server::Server,
    slack::Slack,
    webhooks::Webhooks,
};

const DEFAULTS: &str = include_str!("../../config.default.toml");

/// Environment variable, and the setting that it overlays.
const VARIABLES: &[(&str, &str)] = &[
    ("TIDINGS_LISTEN", "server.listen"),
    ("TIDINGS_PUBLIC_URL", "server.public_url"),
    ("TIDINGS_REQUESTS_PER_MINUTE", "server.requests_per_minute"),
    ("TIDINGS_RUNS_PER_MINUTE", "server.runs_per_minute"),
    ("TIDINGS_CONNECTIONS", "server.connections"),
    ("TIDINGS_HEAD_SECONDS", "server.head_seconds"),
    ("TIDINGS_BODY_SECONDS", "server.body_seconds"),
    ("TIDINGS_REQUESTS_AT_ONCE", "server.requests_at_once"),
    ("TIDINGS_REQUESTS_WAITING", "server.requests_waiting"),
    ("TIDINGS_REQUEST_WAIT_MILLIS", "server.request_wait_millis"),
    ("TIDINGS_UPLOADS_AT_ONCE", "server.uploads_at_once"),
    ("TIDINGS_STREAMS", "server.streams"),
    ("TIDINGS_STREAMS_PER_USER", "server.streams_per_user"),
    ("DATABASE_URL", "database.url"),
    ("DATABASE_URL_FILE", "database.url_file"),
    ("TIDINGS_DATABASE_MAX_CONNECTIONS", "database.max_connections"),
    ("TIDINGS_DATABASE_WAIT_MILLIS", "database.request_wait_millis"),
    ("TIDINGS_DATA_DIR", "data.dir"),
    ("TIDINGS_FILES_ALLOWED", "data.files_allowed"),
    ("TIDINGS_SECRET_KEY_FILE", "data.secret_key_file"),
    ("TIDINGS_SMTP_URL", "mail.smtp_url"),
    ("TIDINGS_SMTP_URL_FILE", "mail.smtp_url_file"),
    ("TIDINGS_MAIL_FROM", "mail.from"),
    ("TIDINGS_WEBHOOK_ADDRESSES", "webhooks.allowed_addresses"),
    ("TIDINGS_MAIL_REPLY_TO", "mail.reply_to"),
    ("TIDINGS_MAIL_TLS", "mail.tls"),
    ("TIDINGS_MAIL_AUTHORITY_FILE", "mail.authority_file"),
    ("TIDINGS_MAIL_CONNECTIONS", "mail.connections"),
    ("TIDINGS_DKIM_KEY", "mail.dkim_key"),
    ("TIDINGS_DKIM_KEY_FILE", "mail.dkim_key_file"),
    ("TIDINGS_DKIM_SELECTOR", "mail.dkim_selector"),
    ("TIDINGS_DKIM_DOMAIN", "mail.dkim_domain"),
    ("TIDINGS_SLACK_CLIENT_ID", "slack.client_id"),
    ("TIDINGS_SLACK_CLIENT_SECRET", "slack.client_secret"),
    ("TIDINGS_SLACK_CLIENT_SECRET_FILE", "slack.client_secret_file"),
    ("TIDINGS_SLACK_SIGNING_SECRET", "slack.signing_secret"),
    ("TIDINGS_SLACK_SIGNING_SECRET_FILE", "slack.signing_secret_file"),
    ("TIDINGS_SLACK_BASE_URL", "slack.base_url"),
    ("TIDINGS_MODEL_PROVIDER", "model.provider"),
    ("TIDINGS_MODEL_BASE_URL", "model.base_url"),
    ("TIDINGS_MODEL_NAME", "model.name"),
    ("TIDINGS_MODEL_CHEAPER_NAME", "model.cheaper_name"),
    ("TIDINGS_MODEL_AUTHORITY_FILE", "model.authority_file"),
    ("OPENAI_API_KEY", "model.api_key"),
    ("OPENAI_API_KEY_FILE", "model.api_key_file"),
    ("TIDINGS_MODEL_PRICES", "model.prices"),
    ("TIDINGS_MODEL_SILENCE_SECONDS", "model.silence_seconds"),
    ("TIDINGS_MODEL_ADDRESSES", "model.allowed_addresses"),
    ("TIDINGS_FALLBACK_BASE_URL", "model.fallback.base_url"),
    ("TIDINGS_FALLBACK_NAME", "model.fallback.name"),
    ("TIDINGS_FALLBACK_API_KEY", "model.fallback.api_key"),
    ("TIDINGS_FALLBACK_API_KEY_FILE", "model.fallback.api_key_file"),
    ("TIDINGS_BREAKER_FAILURES", "model.breaker.failures"),
    ("TIDINGS_BREAKER_REST_SECONDS", "model.breaker.rest_seconds"),
    ("TIDINGS_TICK_MILLIS", "scheduler.tick_millis"),
    ("TIDINGS_SPREAD_MINUTES", "scheduler.spread_minutes"),
    ("TIDINGS_LEASE_SECONDS", "scheduler.lease_seconds"),
    ("TIDINGS_AGENT_CONCURRENCY", "agent.concurrency"),
    ("TIDINGS_LOG", "log.filter"),
    ("TIDINGS_LOG_FORMAT", "log.format"),
];

/// Every setting, checked. Secrets show as `[REDACTED]` when printed.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) data: Data,
    pub(crate) mail: Mail,
    pub(crate) webhooks: Webhooks,
    /// `None`: nobody can connect Slack.
    pub(crate) slack: Option<Slack>,
    pub(crate) model: Model,
    pub(crate) scheduler: Scheduler,
    pub(crate) agent: Agent,
    pub(crate) log: Log,
}

/// The settings as written, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    server: server::Written,
    database: database::Written,
    data: data::Written,
    mail: mail::Written,
    webhooks: webhooks::Written,
    slack: slack::Written,
    model: model::Written,
    scheduler: scheduler::Written,
    agent: agent::Written,
    log: log::Written,
}

impl Config {
    /// Reads and checks the settings of this process.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let file = std::env::var_os("TIDINGS_CONFIG").map(PathBuf::from);
        if let Some(file) = &file {
            ensure!(file.is_file(), "TIDINGS_CONFIG names {}, which is no file", file.display());
        }
        Self::from_parts(file.as_deref(), |name| std::env::var(name).ok())
    }

    fn from_parts(file: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let file = file.unwrap_or(Path::new("tidings.toml"));
        let mut settings = Figment::from(Toml::string(DEFAULTS));
        if file.exists() {
            settings = settings.merge(Toml::file_exact(file));
        }
        for (name, path) in VARIABLES {
            if let Some(text) = variable(name) {
                settings =
                    settings.merge((*path, written_value(path, &text).with_context(|| (*name).to_owned())?));
            }
        }
        let written: Written = settings.extract().context("the settings cannot be read")?;
        written.check()
    }
}

/// A variable's text as the type that the default of its setting has.
fn written_value(path: &str, text: &str) -> anyhow::Result<figment::value::Value> {
    use figment::value::{Num, Value};
    let default = Figment::from(Toml::string(DEFAULTS)).find_value(path)?;
    Ok(match default {
        Value::Num(tag, Num::F64(_) | Num::F32(_)) => {
            let number: f64 = text.trim().parse().with_context(|| format!("`{text}` is not a number"))?;
            Value::Num(tag, Num::F64(number))
        }
        Value::Num(tag, _) => {
            let number: i64 =
                text.trim().parse().with_context(|| format!("`{text}` is not a whole number"))?;
            Value::Num(tag, Num::I64(number))
        }
        Value::Array(..) => Figment::from(Toml::string(&format!("value = {text}")))
            .find_value("value")
            .with_context(|| format!("`{text}` is not a list as in the default file"))?,
        other => Value::String(other.tag(), text.to_owned()),
    })
}

impl Written {
    fn check(self) -> anyhow::Result<Config> {
        Ok(Config {
            server: self.server.check()?,
            database: self.database.check()?,
            data: self.data.check()?,
            mail: self.mail.check()?,
            webhooks: self.webhooks.check()?,
            slack: self.slack.check()?,
            model: self.model.check()?,
            scheduler: self.scheduler.check()?,
            agent: self.agent.check()?,
            log: self.log.check()?,
        })
    }
}

/// A secret given as a value or by the path of a file that holds it, never both.
fn secret(name: &str, value: String, file: &str) -> anyhow::Result<Option<SecretString>> {
    match (value.as_str(), file) {
        ("", "") => Ok(None),
        (_, "") => Ok(Some(value.into())),
        ("", file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("{name}_FILE: cannot read {file}"))?;
            Ok(Some(text.trim_end().to_owned().into()))
        }
        _ => bail!("give {name} or {name}_FILE, not both"),
    }
}

/// The addresses in a list that commas separate.
fn addresses(variable: &'static str, written: &str) -> anyhow::Result<Vec<IpAddr>> {
    let addresses = written.split(',').map(str::trim).filter(|address| !address.is_empty());
    addresses
        .map(|address| address.parse().with_context(|| format!("`{address}` is no IP address")))
        .collect::<anyhow::Result<_>>()
        .context(variable)
}
