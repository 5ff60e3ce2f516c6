//! Settings: a documented default file, overlaid by a file, then by the environment, checked before anything opens.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use api::LoadLimits;
use figment::{
    Figment,
    providers::{Format, Toml},
};
use notifier::transport::smtp::Tls;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

const DEFAULTS: &str = include_str!("../config.default.toml");

/// The highest price of a million tokens, in credits.
const PRICE_MAX: f64 = 1_000_000.0;

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
    ("OPENAI_API_KEY", "model.api_key"),
    ("OPENAI_API_KEY_FILE", "model.api_key_file"),
    ("TIDINGS_MODEL_PRICES", "model.prices"),
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

/// The address to listen on and to be reached at.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// Without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) requests_per_minute: u32,
    pub(crate) runs_per_minute: u32,
    pub(crate) load: LoadLimits,
}

/// Tidings' own database.
#[derive(Debug)]
pub(crate) struct Database {
    /// `None`: a private PostgreSQL under the data folder.
    pub(crate) url: Option<SecretString>,
    pub(crate) max_connections: u32,
    /// How long a request waits for a connection.
    pub(crate) request_wait: Duration,
}

/// Folders.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
    pub(crate) files_allowed: Vec<PathBuf>,
    pub(crate) secret_key_file: PathBuf,
}

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

/// Where webhooks may lead.
#[derive(Debug)]
pub(crate) struct Webhooks {
    /// Besides the open internet.
    pub(crate) allowed_addresses: Vec<IpAddr>,
}

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

/// Who answers.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) provider: Provider,
    /// The model of the same provider that answers from 80% of a cap on.
    pub(crate) cheaper_name: Option<String>,
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

/// The scheduler's pace.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) tick: std::time::Duration,
    pub(crate) spread: chrono::TimeDelta,
    /// Of runs and deliveries.
    pub(crate) lease: chrono::TimeDelta,
}

/// The agent's size.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) concurrency: u32,
}

/// Logging.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) is_json: bool,
}

/// The settings as written, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    server: WrittenServer,
    database: WrittenDatabase,
    data: WrittenData,
    mail: WrittenMail,
    webhooks: WrittenWebhooks,
    slack: WrittenSlack,
    model: WrittenModel,
    scheduler: WrittenScheduler,
    agent: WrittenAgent,
    log: WrittenLog,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenServer {
    listen: String,
    public_url: String,
    requests_per_minute: u32,
    runs_per_minute: u32,
    connections: usize,
    head_seconds: u64,
    body_seconds: u64,
    requests_at_once: usize,
    requests_waiting: usize,
    request_wait_millis: u64,
    uploads_at_once: usize,
    streams: usize,
    streams_per_user: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDatabase {
    url: String,
    url_file: String,
    max_connections: u32,
    request_wait_millis: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenData {
    dir: String,
    files_allowed: String,
    secret_key_file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMail {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWebhooks {
    allowed_addresses: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSlack {
    client_id: String,
    client_secret: String,
    client_secret_file: String,
    signing_secret: String,
    signing_secret_file: String,
    base_url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    provider: String,
    base_url: String,
    name: String,
    cheaper_name: String,
    api_key: String,
    api_key_file: String,
    prices: Vec<ModelPrice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenScheduler {
    tick_millis: u64,
    spread_minutes: i64,
    lease_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAgent {
    concurrency: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLog {
    filter: String,
    format: String,
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
        let listen: SocketAddr = self.server.listen.parse().with_context(|| {
            format!("TIDINGS_LISTEN: `{}` is not an address like 127.0.0.1:8080", self.server.listen)
        })?;
        let public_url = match self.server.public_url.trim_end_matches('/') {
            "" => format!("http://{listen}"),
            url => url.to_owned(),
        };
        ensure!(
            public_url.starts_with("http://") || public_url.starts_with("https://"),
            "TIDINGS_PUBLIC_URL: `{public_url}` must start with http:// or https://"
        );
        ensure!(
            (0..=90).contains(&self.scheduler.spread_minutes),
            "TIDINGS_SPREAD_MINUTES: {} is not 0 to 90",
            self.scheduler.spread_minutes
        );
        ensure!(self.scheduler.tick_millis >= 10, "TIDINGS_TICK_MILLIS must be at least 10");
        ensure!(
            (2..=600).contains(&self.scheduler.lease_seconds),
            "TIDINGS_LEASE_SECONDS: {} is not 2 to 600",
            self.scheduler.lease_seconds
        );
        ensure!(self.agent.concurrency >= 1, "TIDINGS_AGENT_CONCURRENCY must be at least 1");
        ensure!(self.database.max_connections >= 8, "TIDINGS_DATABASE_MAX_CONNECTIONS must be at least 8");
        ensure!(
            (100..=30_000).contains(&self.database.request_wait_millis),
            "TIDINGS_DATABASE_WAIT_MILLIS: {} is not 100 to 30000",
            self.database.request_wait_millis
        );
        let load = self.server.load()?;
        let dir = data_dir(&self.data.dir)?;
        let secret_key_file = match self.data.secret_key_file.as_str() {
            "" => dir.join("secret.key"),
            path => PathBuf::from(path),
        };
        let files_allowed =
            self.data.files_allowed.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let url = secret("DATABASE_URL", self.database.url, &self.database.url_file)?;
        if let Some(url) = &url {
            let url = url.expose_secret();
            ensure!(
                url.starts_with("postgres://") || url.starts_with("postgresql://"),
                "DATABASE_URL must start with postgres:// or postgresql://"
            );
        }
        let allowed_addresses = self.webhooks.allowed_addresses.split(',').map(str::trim);
        let allowed_addresses = allowed_addresses
            .filter(|address| !address.is_empty())
            .map(|address| address.parse().with_context(|| format!("`{address}` is no IP address")))
            .collect::<anyhow::Result<Vec<IpAddr>>>()
            .context("TIDINGS_WEBHOOK_ADDRESSES")?;
        let is_json = match self.log.format.as_str() {
            "text" => false,
            "json" => true,
            other => bail!("TIDINGS_LOG_FORMAT: `{other}` is not `text` or `json`"),
        };
        Ok(Config {
            server: Server {
                listen,
                public_url,
                requests_per_minute: self.server.requests_per_minute,
                runs_per_minute: self.server.runs_per_minute,
                load,
            },
            database: Database {
                url,
                max_connections: self.database.max_connections,
                request_wait: Duration::from_millis(self.database.request_wait_millis),
            },
            data: Data { files_allowed: files_allowed.collect(), secret_key_file, dir },
            mail: self.mail.check()?,
            webhooks: Webhooks { allowed_addresses },
            slack: self.slack.check()?,
            model: self.model.check()?,
            scheduler: Scheduler {
                tick: std::time::Duration::from_millis(self.scheduler.tick_millis),
                spread: chrono::TimeDelta::minutes(self.scheduler.spread_minutes),
                lease: chrono::TimeDelta::seconds(self.scheduler.lease_seconds),
            },
            agent: Agent { concurrency: self.agent.concurrency },
            log: Log { filter: self.log.filter, is_json },
        })
    }
}

impl WrittenServer {
    fn load(&self) -> anyhow::Result<LoadLimits> {
        for (name, number) in [
            ("TIDINGS_CONNECTIONS", self.connections),
            ("TIDINGS_REQUESTS_AT_ONCE", self.requests_at_once),
            ("TIDINGS_REQUESTS_WAITING", self.requests_waiting),
            ("TIDINGS_UPLOADS_AT_ONCE", self.uploads_at_once),
            ("TIDINGS_STREAMS", self.streams),
            ("TIDINGS_STREAMS_PER_USER", self.streams_per_user),
        ] {
            ensure!((1..=1_000_000).contains(&number), "{name}: {number} is not 1 to 1000000");
        }
        for (name, seconds) in
            [("TIDINGS_HEAD_SECONDS", self.head_seconds), ("TIDINGS_BODY_SECONDS", self.body_seconds)]
        {
            ensure!((1..=60).contains(&seconds), "{name}: {seconds} is not 1 to 60");
        }
        ensure!(
            self.request_wait_millis <= 30_000,
            "TIDINGS_REQUEST_WAIT_MILLIS: {} is more than 30000",
            self.request_wait_millis
        );
        Ok(LoadLimits {
            connections: self.connections,
            head_time: Duration::from_secs(self.head_seconds),
            body_time: Duration::from_secs(self.body_seconds),
            requests: self.requests_at_once,
            waiting: self.requests_waiting,
            wait: Duration::from_millis(self.request_wait_millis),
            uploads: self.uploads_at_once,
            streams: self.streams,
            streams_per_user: self.streams_per_user,
        })
    }
}

impl WrittenMail {
    fn check(self) -> anyhow::Result<Mail> {
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

impl WrittenSlack {
    /// All of an app, or none of it.
    fn check(self) -> anyhow::Result<Option<Slack>> {
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

impl WrittenModel {
    fn check(self) -> anyhow::Result<Model> {
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
        check_prices(&self.prices)?;
        let cheaper_name = Some(self.cheaper_name).filter(|name| !name.is_empty());
        Ok(Model { provider, cheaper_name, prices: self.prices })
    }
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

fn data_dir(written: &str) -> anyhow::Result<PathBuf> {
    let dir = if !written.is_empty() {
        PathBuf::from(written)
    } else if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/lib/tidings")
    } else if let Some(base) = std::env::var_os("XDG_DATA_HOME").filter(|base| !base.is_empty()) {
        PathBuf::from(base).join("tidings")
    } else {
        let home = std::env::var_os("HOME").context("TIDINGS_DATA_DIR is unset, and so is HOME")?;
        PathBuf::from(home).join(".local/share/tidings")
    };
    std::path::absolute(&dir).with_context(|| format!("TIDINGS_DATA_DIR: {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> anyhow::Result<Config> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Config::from_parts(Some(Path::new("/nonexistent/tidings.toml")), |name| {
            variables.get(name).map(|text| (*text).to_owned())
        })
    }

    #[test]
    fn the_defaults_are_valid_and_the_environment_overlays_them() {
        let config = load(&[
            ("TIDINGS_DATA_DIR", "/data"),
            ("TIDINGS_LISTEN", "0.0.0.0:9000"),
            ("TIDINGS_SPREAD_MINUTES", "0"),
            ("TIDINGS_FILES_ALLOWED", "/a:/b"),
        ])
        .expect("valid settings");
        assert_eq!(config.server.public_url, "http://0.0.0.0:9000");
        assert_eq!(config.scheduler.spread, chrono::TimeDelta::zero());
        assert_eq!(config.data.files_allowed, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert!(matches!(config.model.provider, Provider::Builtin));
        assert!(config.database.url.is_none());
    }

    #[test]
    fn a_key_or_a_base_url_chooses_the_openai_provider() {
        let config = load(&[
            ("TIDINGS_DATA_DIR", "/data"),
            ("OPENAI_API_KEY", "canary-key"),
            ("TIDINGS_MODEL_NAME", "some-model"),
        ])
        .expect("valid settings");
        assert!(matches!(&config.model.provider, Provider::OpenAi { name, .. } if name == "some-model"));
        assert!(!format!("{config:?}").contains("canary-key"), "a secret shows when printed");
    }

    #[test]
    fn a_key_to_sign_with_needs_its_selector_and_shows_nowhere() {
        let key = ("TIDINGS_DKIM_KEY", "canary-key");
        let error = load(&[("TIDINGS_DATA_DIR", "/data"), key]).expect_err("a refusal");
        assert!(format!("{error:#}").contains("TIDINGS_DKIM_SELECTOR"));
        let config = load(&[("TIDINGS_DATA_DIR", "/data"), key, ("TIDINGS_DKIM_SELECTOR", "tidings")]);
        let config = config.expect("valid settings");
        assert_eq!(config.mail.dkim.as_ref().map(|dkim| dkim.selector.as_str()), Some("tidings"));
        assert!(!format!("{config:?}").contains("canary-key"));
        let tls = |text| {
            load(&[("TIDINGS_DATA_DIR", "/data"), ("TIDINGS_MAIL_TLS", text)]).expect("valid").mail.tls
        };
        assert_eq!(
            (tls("none"), tls("starttls"), tls("tls")),
            (Some(Tls::Never), Some(Tls::Required), Some(Tls::Wrapped))
        );
        assert_eq!(tls(""), None);
    }

    #[test]
    fn a_slack_app_is_whole_or_absent() {
        let app = [
            ("TIDINGS_SLACK_CLIENT_ID", "1.2"),
            ("TIDINGS_SLACK_CLIENT_SECRET", "canary-one"),
            ("TIDINGS_SLACK_SIGNING_SECRET", "canary-two"),
        ];
        let data = ("TIDINGS_DATA_DIR", "/data");
        assert!(load(&[data]).expect("valid settings").slack.is_none());
        let config = load(&[data, app[0], app[1], app[2]]).expect("valid settings");
        assert!(!format!("{config:?}").contains("canary"), "a secret shows when printed");
        assert_eq!(config.slack.expect("an app").base_url.as_str(), "https://slack.com/api/");
        for missing in 0..3 {
            let mut given = vec![data];
            given.extend(app.iter().enumerate().filter(|(index, _)| *index != missing).map(|(_, one)| *one));
            let error = load(&given).expect_err("a refusal");
            assert!(format!("{error:#}").contains(app[missing].0), "{error:#}");
        }
    }

    #[test]
    fn prices_are_a_table_of_models() {
        let config = load(&[("TIDINGS_DATA_DIR", "/data")]).expect("valid settings");
        assert_eq!(config.model.prices, [], "nothing costs anything");
        let table =
            r#"[{ model = "openai:gpt-5", in = 1.25, out = 10 }, { model = "openai:", in = 1, out = 4 }]"#;
        let config = load(&[("TIDINGS_DATA_DIR", "/data"), ("TIDINGS_MODEL_PRICES", table)]);
        let prices = config.expect("valid settings").model.prices;
        let first = ModelPrice { model: "openai:gpt-5".into(), sent: 1.25, received: 10.0 };
        assert_eq!((prices.len(), &prices[0]), (2, &first));
    }

    #[test]
    fn what_is_wrong_names_its_variable() {
        for (name, text) in [
            ("TIDINGS_LISTEN", "here"),
            ("TIDINGS_PUBLIC_URL", "tidings.example"),
            ("TIDINGS_SPREAD_MINUTES", "91"),
            ("TIDINGS_SPREAD_MINUTES", "many"),
            ("TIDINGS_LEASE_SECONDS", "1"),
            ("TIDINGS_LEASE_SECONDS", "601"),
            ("TIDINGS_MODEL_PROVIDER", "psychic"),
            ("TIDINGS_SMTP_URL", "mail.example:25"),
            ("TIDINGS_MAIL_TLS", "perhaps"),
            ("TIDINGS_MAIL_CONNECTIONS", "0"),
            ("TIDINGS_SLACK_BASE_URL", "https://slack.example/api"),
            ("DATABASE_URL", "mysql://x"),
            ("TIDINGS_LOG_FORMAT", "xml"),
            ("TIDINGS_REQUESTS_AT_ONCE", "0"),
            ("TIDINGS_BODY_SECONDS", "61"),
            ("TIDINGS_STREAMS", "many"),
            ("TIDINGS_WEBHOOK_ADDRESSES", "10.0.0.1, intranet"),
            ("TIDINGS_REQUEST_WAIT_MILLIS", "30001"),
            ("TIDINGS_DATABASE_WAIT_MILLIS", "99"),
            ("TIDINGS_DATABASE_MAX_CONNECTIONS", "7"),
            ("TIDINGS_MODEL_PRICES", "cheap"),
            ("TIDINGS_MODEL_PRICES", r#"[{ model = " ", in = 1, out = 1 }]"#),
            ("TIDINGS_MODEL_PRICES", r#"[{ model = "openai:", in = -1, out = 1 }]"#),
            ("TIDINGS_MODEL_PRICES", r#"[{ model = "openai:", in = 1, out = nan }]"#),
            (
                "TIDINGS_MODEL_PRICES",
                r#"[{ model = "openai:", in = 1, out = 1 }, { model = "openai:", in = 2, out = 2 }]"#,
            ),
        ] {
            let error = load(&[("TIDINGS_DATA_DIR", "/data"), (name, text)]).expect_err("a refusal");
            assert!(format!("{error:#}").contains(name), "{name}: {error:#}");
        }
    }

    #[test]
    fn every_variable_names_a_setting() {
        let defaults = Figment::from(Toml::string(DEFAULTS));
        for (name, path) in VARIABLES {
            assert!(defaults.find_value(path).is_ok(), "{name}: {path}");
            assert!(DEFAULTS.contains(name), "{name} is not in the default file");
        }
    }
}
