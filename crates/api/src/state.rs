//! What the routes work with.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use domain::{Clock, Credits};
use metrics_exporter_prometheus::PrometheusHandle;
use rand::rngs::StdRng;
use secrecy::SecretString;
use store::{Events, Store};
use tokio_util::sync::CancellationToken;
use warehouse::Warehouse;

use crate::{
    model_probe::{ModelProbe, NoProbe},
    overload::{Load, LoadLimits},
    password::Passwords,
    rate::RateLimits,
    slack::SlackOptions,
};

/// How the API is set up.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Base of links in answers, without a slash at its end.
    pub public_url: String,
    /// Requests a minute a user by token.
    pub requests_per_minute: u32,
    /// Requests a minute a user by the page's session, which asks for several things per screen.
    pub page_requests_per_minute: u32,
    /// Runs and questions a minute a user.
    pub runs_per_minute: u32,
    /// Whether mails are kept for the Outbox instead of being sent.
    pub has_outbox: bool,
    /// Who answers: `builtin`, or provider and model.
    pub model: String,
    /// Who answers while that one is down.
    pub fallback_model: Option<String>,
    /// Addresses that workspaces' own models may be at besides public ones.
    pub model_addresses: Vec<IpAddr>,
    /// What a reply of it may cost, where nothing is known of its past.
    pub reply_cost: Credits,
    /// Addresses that webhooks may lead to besides public ones.
    pub webhook_addresses: Vec<IpAddr>,
    /// Where uploads lie, each in a folder of its own: the warehouse's `uploads_folder`.
    pub uploads_folder: PathBuf,
    /// The most bytes of one upload, all files together.
    pub upload_bytes: u64,
    /// The most files of one upload.
    pub upload_files: usize,
    /// How much is served at once.
    pub load: LoadLimits,
    /// The operator's Slack app; none: nobody can connect Slack.
    pub slack: Option<SlackOptions>,
}

impl ApiOptions {
    /// The defaults.
    pub fn new(public_url: impl Into<String>, uploads_folder: impl Into<PathBuf>) -> Self {
        Self {
            public_url: public_url.into(),
            requests_per_minute: 60,
            page_requests_per_minute: 600,
            runs_per_minute: 20,
            has_outbox: false,
            model: "builtin".to_owned(),
            fallback_model: None,
            model_addresses: Vec::new(),
            reply_cost: Credits::default(),
            uploads_folder: uploads_folder.into(),
            upload_bytes: 512 << 20,
            webhook_addresses: Vec::new(),
            upload_files: 100,
            load: LoadLimits::default(),
            slack: None,
        }
    }
}

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) store: Store,
    pub(crate) warehouse: Warehouse,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Arc<ApiOptions>,
    pub(crate) limits: Arc<RateLimits>,
    /// Who is in Slack channels, as read a few minutes ago.
    pub(crate) slack_members: Arc<slack::MemberCache>,
    pub(crate) load: Load,
    pub(crate) passwords: Passwords,
    /// Tries out models that admins propose.
    pub(crate) model_probe: Arc<dyn ModelProbe>,
    pub(crate) metrics: Option<PrometheusHandle>,
    /// Cancelled when the server stops: live events end, so that their connections can close.
    pub(crate) stopping: CancellationToken,
    random: Arc<Mutex<StdRng>>,
}

impl ApiState {
    /// `events` is what `store` tells ([`Store::events`]); `clock` times rates and default instants; `random` makes secrets and must be seeded by the system.
    pub fn new(
        store: Store,
        warehouse: Warehouse,
        events: Events,
        clock: Arc<dyn Clock>,
        random: StdRng,
        options: ApiOptions,
    ) -> Self {
        Self {
            store,
            warehouse,
            events,
            limits: Arc::new(RateLimits::new(&options)),
            slack_members: Arc::default(),
            load: Load::new(&options.load),
            options: Arc::new(options),
            clock,
            passwords: Passwords::new(),
            model_probe: Arc::new(NoProbe),
            metrics: None,
            stopping: CancellationToken::new(),
            random: Arc::new(Mutex::new(random)),
        }
    }

    /// Serves what this recorder has counted under `/metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: PrometheusHandle) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Tries out models through this.
    #[must_use]
    pub fn with_model_probe(mut self, probe: Arc<dyn ModelProbe>) -> Self {
        self.model_probe = probe;
        self
    }

    /// Ends live events when `stopping` is cancelled.
    #[must_use]
    pub fn with_stopping(mut self, stopping: CancellationToken) -> Self {
        self.stopping = stopping;
        self
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A new secret that starts with `prefix`.
    pub(crate) fn new_secret(&self, prefix: &str) -> SecretString {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        store::secret::generate(prefix, &mut *random)
    }

    /// Whether the page is reached over TLS, so that its cookie must not travel without.
    pub(crate) fn is_secure(&self) -> bool {
        self.options.public_url.starts_with("https://")
    }

    /// A new secret for a webhook.
    pub(crate) fn new_webhook_secret(&self) -> SecretString {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        store::webhook_secret(&mut *random)
    }

    /// The address of a thread's page.
    pub(crate) fn thread_url(&self, id: domain::ThreadId) -> String {
        format!("{}/threads/{id}", self.options.public_url)
    }
}
