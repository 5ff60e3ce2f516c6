//! Whom a turn asks for a reply, how often, and whom next.
//!
//! A [`Provider`] is a model behind its circuit breaker, asked again where that may help. A turn has a [`Chain`]: the
//! operator's provider and, where one is set up, the fallback behind it; or the workspace's own provider alone, since a
//! workspace that chose where its data goes must not find it sent elsewhere.

mod breaker;
mod own;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use breaker::{Admission, Breaker, BreakerOptions, BreakerState};
use chrono::TimeDelta;
use domain::{Clock, WorkspaceId, clock::SystemClock, step::ModelProvider};
use own::OwnModels;
pub use own::ask_for_a_word;
use store::WorkspaceModel;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    limits::Allowance,
    model::{Model, ModelError, ModelReply, ModelRequest},
};

/// How often a provider is asked for one reply, and how long it is waited for in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often at most.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each, unless the provider names a time.
    pub first_wait: Duration,
    /// The longest wait that a provider may ask for here. A longer one is for whoever can try again later.
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// Four attempts, waits of 1, 2 and 4 seconds unless told otherwise, at most a minute.
    fn default() -> Self {
        Self { attempts: 4, first_wait: Duration::from_secs(1), longest_wait: Duration::from_mins(1) }
    }
}

impl Patience {
    /// As much as there is with a provider that another one stands in for: two attempts, waits of 5 seconds at most.
    #[must_use]
    pub fn before_another(self) -> Self {
        Self {
            attempts: self.attempts.min(2),
            longest_wait: self.longest_wait.min(Duration::from_secs(5)),
            ..self
        }
    }
}

/// What [`Models`] are made of.
#[derive(Clone)]
pub struct ModelsOptions {
    /// Who answers, unless a workspace has its own.
    pub first: Arc<dyn Model>,
    /// Who answers in the first's place from 80% of a cap on credits on: another model of the same provider.
    pub cheaper: Option<Arc<dyn Model>>,
    /// Who answers while the first is down.
    pub fallback: Option<Arc<dyn Model>>,
    /// When a provider is left alone.
    pub breaker: BreakerOptions,
    /// How patient to be with one that stands alone.
    pub patience: Patience,
    /// How long a workspace's own provider may be silent before its reply counts as lost.
    pub silence: Duration,
    /// Addresses that workspaces' own providers may be at besides public ones.
    pub allowed_addresses: Vec<IpAddr>,
    /// Times the breakers.
    pub clock: Arc<dyn Clock>,
}

impl ModelsOptions {
    /// One model, no fallback, and the usual numbers.
    pub fn new(first: Arc<dyn Model>) -> Self {
        Self {
            first,
            cheaper: None,
            fallback: None,
            breaker: BreakerOptions::default(),
            patience: Patience::default(),
            silence: Duration::from_mins(2),
            allowed_addresses: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Everybody who may be asked. Cheap to clone; clones share their breakers.
#[derive(Clone)]
pub struct Models {
    server: Chain,
    cheaper: Option<Chain>,
    own: Arc<OwnModels>,
}

impl Models {
    /// Nothing is sent yet.
    pub fn new(options: ModelsOptions) -> Self {
        let patience =
            if options.fallback.is_some() { options.patience.before_another() } else { options.patience };
        let breaker = || Arc::new(Breaker::new(options.breaker));
        let provider = |role, model, breaker, patience| {
            let clock = Arc::clone(&options.clock);
            Arc::new(Provider { role, model, breaker, is_beside: false, patience, clock })
        };
        let first = provider(ModelProvider::Server, options.first, breaker(), patience);
        // The same server: while the one is left alone, so is the other.
        let cheaper = options
            .cheaper
            .map(|model| Arc::new(Provider { model, is_beside: true, ..Provider::clone(&first) }));
        let fallback = options
            .fallback
            .map(|model| provider(ModelProvider::Fallback, model, breaker(), options.patience));
        for provider in [Some(&first), fallback.as_ref()].into_iter().flatten() {
            provider.show_breaker();
        }
        let own = OwnModels::new(
            options.allowed_addresses,
            options.silence,
            options.breaker,
            options.patience,
            options.clock,
        );
        let cheaper = cheaper.map(|first| Chain { first, fallback: fallback.clone() });
        Self { server: Chain { first, fallback }, cheaper, own: Arc::new(own) }
    }

    /// One model, without a fallback.
    pub fn of(model: Arc<dyn Model>) -> Self {
        Self::new(ModelsOptions::new(model))
    }

    /// Whom a turn of a workspace asks that brings its own provider.
    pub(crate) fn own(&self, workspace_id: WorkspaceId, own: &WorkspaceModel) -> Chain {
        Chain { first: self.own.provider(workspace_id, own), fallback: None }
    }

    /// Whom every other turn asks.
    pub(crate) fn server(&self, allowance: Allowance) -> Chain {
        match allowance {
            Allowance::Full => self.server.clone(),
            Allowance::Thrifty => self.cheaper.as_ref().unwrap_or(&self.server).clone(),
        }
    }
}

/// Whom one turn asks, in this order.
#[derive(Clone)]
pub(crate) struct Chain {
    first: Arc<Provider>,
    fallback: Option<Arc<Provider>>,
}

/// A reply, and who gave it.
#[derive(Debug)]
pub(crate) struct Replied {
    /// Provider and model, such as `openai:gpt-5`.
    pub(crate) model: String,
    pub(crate) provider: ModelProvider,
    pub(crate) reply: ModelReply,
}

impl Chain {
    /// Who is asked first: `builtin`, `openai:gpt-5`.
    pub(crate) fn name(&self) -> String {
        self.first.model.name()
    }

    /// Asks for a reply within `time_left`. The fallback is asked where the first is down, not where it refuses this
    /// conversation.
    pub(crate) async fn reply(
        &self,
        request: &ModelRequest,
        time_left: Duration,
        deltas: &mpsc::Sender<String>,
    ) -> Result<Replied, ModelError> {
        let until = Instant::now() + time_left;
        let error = match self.first.reply(request, until, deltas).await {
            Ok(reply) => return Ok(self.first.gave(reply)),
            Err(error) => error,
        };
        let Some(fallback) = &self.fallback else { return Err(error) };
        if matches!(error, ModelError::Refused { .. }) {
            return Err(error);
        }
        tracing::info!(error = %error, fallback = fallback.model.name(), "the fallback is asked");
        match fallback.reply(request, until, deltas).await {
            Ok(reply) => Ok(fallback.gave(reply)),
            Err(second) => Err(both(&error, &second)),
        }
    }
}

/// What to say, and when to come back, where neither replied.
fn both(first: &ModelError, second: &ModelError) -> ModelError {
    let message = format!("{}; the fallback: {}", first.message(), second.message());
    let come_back = |error: &ModelError| match error {
        ModelError::Unavailable { retry_after, .. } => Some(retry_after.unwrap_or_default()),
        ModelError::Refused { .. } | ModelError::Denied { .. } => None,
    };
    match come_back(first).into_iter().chain(come_back(second)).min() {
        Some(soonest) => {
            ModelError::Unavailable { message, retry_after: Some(soonest).filter(|wait| !wait.is_zero()) }
        }
        None => ModelError::Denied { message },
    }
}

/// A model behind its breaker.
#[derive(Clone)]
pub(crate) struct Provider {
    role: ModelProvider,
    model: Arc<dyn Model>,
    breaker: Arc<Breaker>,
    /// Whether the breaker is that of another model of the same server.
    is_beside: bool,
    patience: Patience,
    clock: Arc<dyn Clock>,
}

impl Provider {
    fn gave(&self, reply: ModelReply) -> Replied {
        Replied { model: self.model.name(), provider: self.role, reply }
    }

    /// Asks until there is a reply, at most until `until`. A wait that would last longer is not begun.
    async fn reply(
        &self,
        request: &ModelRequest,
        until: Instant,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        let mut wait = self.patience.first_wait;
        let mut attempt = 1;
        loop {
            let started = Instant::now();
            let error = match self.ask(request, deltas).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let ModelError::Unavailable { message, retry_after } = &error else { return Err(error) };
            tracing::warn!(
                model = self.model.name(),
                provider = self.role.as_str(),
                attempt,
                message,
                elapsed_ms = started.elapsed().as_millis(),
                "the model's provider failed"
            );
            let pause = retry_after.unwrap_or(wait);
            let is_too_long = pause > self.patience.longest_wait || Instant::now() + pause >= until;
            let is_resting = self.breaker.state() == BreakerState::Open;
            if attempt >= self.patience.attempts || is_too_long || is_resting {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            wait *= 2;
            attempt += 1;
        }
    }

    /// Asks once, if the breaker lets it.
    async fn ask(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        let admission = match self.breaker.admit(self.clock.now()) {
            Ok(admission) => admission,
            Err(rest) => {
                self.count("resting");
                let message = format!(
                    "it has failed several times and is left alone for {} more",
                    in_words(whole_seconds(rest))
                );
                return Err(ModelError::Unavailable { message, retry_after: Some(whole_seconds(rest)) });
            }
        };
        let before = self.breaker.state();
        self.show_breaker();
        let reply = self.model.reply(request, deltas).await;
        let now = self.clock.now();
        match &reply {
            Ok(_) => {
                admission.answered();
                self.count("replied");
            }
            // Somebody is there, and knows what they say.
            Err(ModelError::Refused { .. }) => {
                admission.answered();
                self.count("refused");
            }
            Err(ModelError::Denied { .. }) => {
                // A server that does not know this model, or does not let it be used, may still have the other.
                if self.is_beside {
                    drop(admission);
                } else {
                    admission.failed(now);
                }
                self.count("denied");
            }
            Err(ModelError::Unavailable { retry_after: Some(wait), .. }) => {
                // A short wait is kept by whoever asked; during a long one nobody else need ask, either.
                if *wait > self.patience.longest_wait {
                    admission.sent_away(now, TimeDelta::from_std(*wait).unwrap_or(TimeDelta::MAX));
                } else {
                    admission.answered();
                }
                self.count("busy");
            }
            Err(ModelError::Unavailable { retry_after: None, .. }) => {
                admission.failed(now);
                self.count("failed");
            }
        }
        self.show_breaker();
        let (model, provider) = (self.model.name(), self.role.as_str());
        match (before, self.breaker.state()) {
            (BreakerState::Closed | BreakerState::HalfOpen, BreakerState::Open) => {
                tracing::warn!(model, provider, "the model's provider is left alone for a while");
            }
            (BreakerState::HalfOpen, BreakerState::Closed) => {
                tracing::info!(model, provider, "the model's provider is back");
            }
            _ => {}
        }
        reply
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("tidings_model_requests_total", "provider" => self.role.as_str(), "outcome" => outcome)
            .increment(1);
    }

    /// Workspaces' own breakers are their own affair, and too many to show.
    fn show_breaker(&self) {
        if self.role == ModelProvider::Workspace {
            return;
        }
        let level = match self.breaker.state() {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        };
        metrics::gauge!("tidings_model_breaker", "provider" => self.role.as_str()).set(level);
    }
}

fn whole_seconds(time: TimeDelta) -> Duration {
    Duration::from_secs(u64::try_from(time.num_milliseconds()).unwrap_or(0).div_ceil(1_000).max(1))
}

/// A time to wait, as people say it.
pub(crate) fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0 | 1 => "1 second".to_owned(),
        seconds if seconds < 120 => format!("{seconds} seconds"),
        seconds if seconds < 7_200 => format!("{} minutes", seconds.div_ceil(60)),
        seconds => format!("{} hours", seconds.div_ceil(3_600)),
    }
}

#[cfg(test)]
mod tests;
