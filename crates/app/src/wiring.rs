//! The roles' parts, made from the settings.

use std::{net::IpAddr, path::PathBuf, pin::Pin, sync::Arc};

use agent::{
    Agent, AgentOptions, Analyst, Limits,
    model::Model,
    openai::{OPENAI_BASE_URL, OpenAi, OpenAiOptions},
    price::{Price, Prices},
    provider::{self, BreakerOptions, Models, ModelsOptions},
};
use anyhow::Context as _;
use api::{ModelProbe, ProposedModel, Said};
use net::{GuardedClient, Lanes};
use notifier::{
    Notifier, NotifierOptions,
    dkim::DkimKey,
    email::Sender,
    slack_inbox::{SlackInbox, SlackInboxOptions},
    transport::{Smtp, Transport, smtp::Patience},
    webhook::Webhooks,
};
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Events, Store};
use warehouse::{ForbiddenDatabase, Warehouse, WarehouseOptions, WorkerCommand};

use crate::{
    config::{Breaker, Config, Fallback, Mail, ModelPrice, Provider},
    environment::Environment,
};

/// A chart keeps a core busy for a tenth of a second.
const CHARTS_AT_ONCE: usize = 4;

/// Tidings' own database cluster, which no connection may reach.
#[derive(Default)]
pub(crate) struct Own(Vec<ForbiddenDatabase>);

impl Own {
    /// The cluster of an environment.
    pub(crate) async fn of(environment: &Environment) -> anyhow::Result<Self> {
        let url = environment.database_url.expose_secret();
        let address = url::Url::parse(url)?;
        let query_host =
            address.query_pairs().find(|(name, _)| name == "host").map(|(_, host)| host.into_owned());
        let hostname = query_host.or_else(|| address.host_str().map(str::to_owned)).unwrap_or_default();
        let system_identifier = store::system_identifier(url).await?;
        Ok(Self(vec![ForbiddenDatabase {
            hostname,
            port: address.port().unwrap_or(5432),
            system_identifier,
        }]))
    }
}

/// The door to the customers' data. `folders` are those that `files` connections may read.
pub(crate) fn warehouse(config: &Config, folders: Vec<PathBuf>, own: &Own) -> anyhow::Result<Warehouse> {
    let mut options = WarehouseOptions::new(&config.data.dir, WorkerCommand::current_exe()?);
    options.files_allowed = folders;
    options.forbidden_databases.clone_from(&own.0);
    Ok(Warehouse::new(options))
}

/// Who answers first.
pub(crate) fn model(config: &Config) -> anyhow::Result<Arc<dyn Model>> {
    match &config.model.provider {
        Provider::Builtin => Ok(Arc::new(Analyst)),
        Provider::OpenAi { base_url, name, api_key } => {
            open_ai(config, base_url.as_deref(), name, api_key.as_ref())
        }
    }
}

/// Who answers from 80% of a cap on credits on: another model of the same provider.
fn cheaper(config: &Config) -> anyhow::Result<Option<Arc<dyn Model>>> {
    let Provider::OpenAi { base_url, api_key, .. } = &config.model.provider else { return Ok(None) };
    let Some(name) = &config.model.cheaper_name else { return Ok(None) };
    Ok(Some(open_ai(config, base_url.as_deref(), name, api_key.as_ref())?))
}

/// Who answers while that one is down.
pub(crate) fn fallback(config: &Config) -> anyhow::Result<Option<Arc<dyn Model>>> {
    let Some(Fallback { base_url, name, api_key }) = &config.model.fallback else { return Ok(None) };
    Ok(Some(open_ai(config, base_url.as_deref(), name, api_key.as_ref())?))
}

fn open_ai(
    config: &Config,
    base_url: Option<&str>,
    name: &str,
    api_key: Option<&SecretString>,
) -> anyhow::Result<Arc<dyn Model>> {
    let api_key = api_key.cloned().unwrap_or_else(|| SecretString::from(String::new()));
    let mut options = OpenAiOptions::new(base_url.unwrap_or(OPENAI_BASE_URL), name, api_key);
    options.idle_timeout = config.model.silence;
    let authority = config.model.authority_file.as_ref().map(|file| {
        std::fs::read(file)
            .with_context(|| format!("TIDINGS_MODEL_AUTHORITY_FILE: cannot read {}", file.display()))
    });
    let lanes = Lanes::trusting(authority.transpose()?.as_deref()).context("TIDINGS_MODEL_AUTHORITY_FILE")?;
    Ok(Arc::new(OpenAi::over(lanes, options)))
}

/// Everybody who may be asked.
fn models(config: &Config) -> anyhow::Result<Models> {
    let mut options = ModelsOptions::new(model(config)?);
    options.cheaper = cheaper(config)?;
    options.fallback = fallback(config)?;
    let Breaker { failures, rest } = config.model.breaker;
    options.breaker = BreakerOptions { failures, rest };
    options.silence = config.model.silence;
    options.allowed_addresses.clone_from(&config.model.allowed_addresses);
    Ok(Models::new(options))
}

/// Tries out models that admins propose, by the client that answers questions.
pub(crate) struct Probe {
    allowed_addresses: Vec<IpAddr>,
}

impl Probe {
    pub(crate) fn new(config: &Config) -> Self {
        Self { allowed_addresses: config.model.allowed_addresses.clone() }
    }
}

impl ModelProbe for Probe {
    fn ask(&self, model: ProposedModel) -> Pin<Box<dyn Future<Output = Said> + Send + '_>> {
        Box::pin(async move {
            let ProposedModel { base_url, name, api_key } = model;
            let allowed = self.allowed_addresses.clone();
            let said = provider::ask_for_a_word(allowed, base_url.as_deref(), &name, api_key).await;
            said.map_err(|error| error.message().to_owned())
        })
    }
}

/// What tokens cost.
pub(crate) fn prices(config: &Config) -> Prices {
    let prices = config.model.prices.iter().cloned();
    Prices(prices.map(|ModelPrice { model, sent, received }| Price { model, sent, received }).collect())
}

/// The agent's worker of this process.
pub(crate) fn agent(config: &Config, store: &Store, warehouse: &Warehouse) -> anyhow::Result<Agent> {
    Ok(Agent::new(AgentOptions {
        store: store.clone(),
        warehouse: warehouse.clone(),
        charts: chart::Pool::new(CHARTS_AT_ONCE),
        models: models(config)?,
        limits: Limits::default(),
        prices: prices(config),
        worker: format!("agent-{}", std::process::id()),
        concurrency: config.agent.concurrency,
    }))
}

/// The sender of webhooks of this process.
pub(crate) fn webhooks(config: &Config, store: &Store) -> Webhooks {
    #[expect(clippy::disallowed_methods, reason = "where the jitter of retries comes from")]
    let random = StdRng::from_rng(&mut rand::rng());
    Webhooks::new(store.clone(), GuardedClient::allowing(config.webhooks.allowed_addresses.clone()), random)
}

/// Slack's Web API, and the operator's app there.
pub(crate) fn slack(config: &Config) -> Option<(slack::Client, slack::App)> {
    let app = config.slack.as_ref()?;
    let client = slack::Client::new(net::vendor_client(), app.base_url.clone());
    let (client_id, client_secret) = (app.client_id.clone(), app.client_secret.clone());
    Some((client, slack::App { client_id, client_secret }))
}

/// What works on what Slack sent; none where no app is set up.
pub(crate) fn slack_inbox(config: &Config, store: &Store) -> Option<SlackInbox> {
    let (client, app) = slack(config)?;
    Some(SlackInbox::new(SlackInboxOptions::new(
        store.clone(),
        client,
        app,
        config.server.public_url.clone(),
    )))
}

/// The notifier of this process.
pub(crate) fn notifier(config: &Config, store: &Store, events: &Events) -> anyhow::Result<Notifier> {
    let transport = match &config.mail.smtp_url {
        Some(url) => Transport::Smtp(smtp(&config.mail, url)?),
        None => Transport::Outbox,
    };
    #[expect(clippy::disallowed_methods, reason = "where the jitter of retries comes from")]
    let random = StdRng::from_rng(&mut rand::rng());
    let public_url = config.server.public_url.clone();
    let mail_from = sender(&config.mail)?;
    let mut options = NotifierOptions::new(store.clone(), transport, public_url, mail_from, random);
    options.slack = slack(config).map(|(client, app)| notifier::Slack { client, app });
    options.events = Some(events.clone());
    Ok(Notifier::new(options))
}

/// The mail server at `url`, as the rest of the settings has it.
pub(crate) fn smtp(mail: &Mail, url: &SecretString) -> anyhow::Result<Smtp> {
    let mut smtp = Smtp::new(url, Patience::default()).context("TIDINGS_SMTP_URL")?;
    if let Some(tls) = mail.tls {
        smtp = smtp.with_tls(tls);
    }
    if let Some(file) = &mail.authority_file {
        let pem = std::fs::read(file)
            .with_context(|| format!("TIDINGS_MAIL_AUTHORITY_FILE: cannot read {}", file.display()))?;
        smtp = smtp.with_authority(&pem).context("TIDINGS_MAIL_AUTHORITY_FILE")?;
    }
    Ok(smtp.with_connections(mail.connections))
}

fn sender(mail: &Mail) -> anyhow::Result<Sender> {
    let mut sender = Sender::parse(&mail.from).context("TIDINGS_MAIL_FROM")?;
    if let Some(reply_to) = &mail.reply_to {
        sender = sender.with_reply_to(reply_to).context("TIDINGS_MAIL_REPLY_TO")?;
    }
    if let Some(dkim) = &mail.dkim {
        let domain = dkim.domain.as_deref().unwrap_or(sender.domain());
        let key = DkimKey::parse(domain, &dkim.selector, &dkim.key).context("TIDINGS_DKIM_KEY")?;
        sender = sender.with_dkim(key);
    }
    Ok(sender)
}
