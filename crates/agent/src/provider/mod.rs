//! Whom a turn asks for a reply, how often, and whom next.
//!
//! A [`Provider`] is a model behind its circuit breaker, asked again where that may help. A turn has a [`Chain`]: the
//! operator's provider and, where one is set up, the fallback behind it; or the workspace's own provider alone, since a
//! workspace that chose where its data goes must not find it sent elsewhere.

mod breaker;
mod own;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use breaker::{Admission, Breaker, BreakerOptions, BreakerState, NotNow, Turned};
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
    /// The longest wait for another request that finds out whether the provider is back: it may stream for minutes.
    pub longest_trial: Duration,
}

impl Default for Patience {
    /// Four attempts, waits of 1, 2 and 4 seconds unless told otherwise, at most a minute; five minutes for a trial.
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            longest_trial: Duration::from_mins(5),
        }
    }
}

impl Patience {
    /// As much as there is with a provider that another one stands in for: two attempts, waits of 5 seconds at most, and of one
    /// for a trial.
    #[must_use]
    pub fn before_another(self) -> Self {
        Self {
            attempts: self.attempts.min(2),
            longest_wait: self.longest_wait.min(Duration::from_secs(5)),
            longest_trial: self.longest_trial.min(Duration::from_secs(1)),
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
        let provider = |role, label, model, patience| {
            let clock = Arc::clone(&options.clock);
            Provider { role, label, model, breaker: breaker(), model_breaker: None, patience, clock }
        };
        let first = provider(ModelProvider::Server, "server", options.first, patience);
        // The same server: while the one is left alone, so is the other. What is wrong with this model alone is its own affair.
        let cheaper = options.cheaper.map(|model| {
            Arc::new(Provider { label: "cheaper", model, model_breaker: Some(breaker()), ..first.clone() })
        });
        let first = Arc::new(first);
        let fallback = options
            .fallback
            .map(|model| Arc::new(provider(ModelProvider::Fallback, "fallback", model, options.patience)));
        for provider in [Some(&first), cheaper.as_ref(), fallback.as_ref()].into_iter().flatten() {
            provider.show_breakers();
        }
        let own = OwnModels::new(
            options.allowed_addresses,
            options.silence,
            options.breaker,
            options.patience,
            options.clock,
        );
        let cheaper = cheaper.map(|cheaper| Chain {
            first: cheaper,
            fuller: Some(Arc::clone(&first)),
            fallback: fallback.clone(),
        });
        let server = Chain { first, fuller: None, fallback };
        Self { server, cheaper, own: Arc::new(own) }
    }

    /// One model, without a fallback.
    pub fn of(model: Arc<dyn Model>) -> Self {
        Self::new(ModelsOptions::new(model))
    }

    /// Whom a turn of a workspace asks that brings its own provider.
    pub(crate) fn own(&self, workspace_id: WorkspaceId, own: &WorkspaceModel) -> Chain {
        Chain { first: self.own.provider(workspace_id, own), fuller: None, fallback: None }
    }

    /// Forgets the provider of a workspace that brings none any more, and its key.
    pub(crate) fn forget_own(&self, workspace_id: WorkspaceId) {
        self.own.forget(workspace_id);
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
    /// Another model of the same server, for where something is wrong with the first one's model alone.
    fuller: Option<Arc<Provider>>,
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
        let mut failed = match self.first.reply(request, until, deltas).await {
            Ok(reply) => return Ok(self.first.gave(reply)),
            Err(failed) => failed,
        };
        if let Some(fuller) = self.fuller.as_ref().filter(|_| failed.is_of_model) {
            tracing::warn!(error = %failed.error, model = self.name(), "the fuller model stands in for the cheaper one");
            failed = match fuller.reply(request, until, deltas).await {
                Ok(reply) => return Ok(fuller.gave(reply)),
                Err(second) => second,
            };
        }
        let error = failed.error;
        let Some(fallback) = &self.fallback else { return Err(error) };
        if matches!(error, ModelError::Refused { .. }) {
            return Err(error);
        }
        tracing::info!(error = %error, fallback = fallback.model.name(), "the fallback is asked");
        match fallback.reply(request, until, deltas).await {
            Ok(reply) => Ok(fallback.gave(reply)),
            Err(second) => Err(both(&error, &second.error)),
        }
    }
}

/// What to say, and when to come back, where neither replied.
fn both(first: &ModelError, second: &ModelError) -> ModelError {
    let message = format!("{}; the fallback: {}", first.message(), second.message());
    let come_back = |error: &ModelError| match error {
        ModelError::Unavailable { retry_after, .. } => Some(retry_after.unwrap_or_default()),
        ModelError::Busy { retry_after, .. } => Some(*retry_after),
        ModelError::Refused { .. } | ModelError::Denied { .. } => None,
    };
    match come_back(first).into_iter().chain(come_back(second)).min() {
        Some(soonest) => {
            ModelError::Unavailable { message, retry_after: Some(soonest).filter(|wait| !wait.is_zero()) }
        }
        None => ModelError::Denied { message },
    }
}

/// Why a provider gave no reply.
struct Failed {
    error: ModelError,
    /// Whether the server is there and only this one of its models cannot be had.
    is_of_model: bool,
}

impl Failed {
    fn of_provider(error: ModelError) -> Self {
        Self { error, is_of_model: false }
    }
}

/// What an attempt says about its provider.
enum Verdict {
    Answered,
    Failed,
    SentAway(TimeDelta),
}

/// A model behind its breaker.
#[derive(Clone)]
pub(crate) struct Provider {
    role: ModelProvider,
    /// Its name in metrics.
    label: &'static str,
    model: Arc<dyn Model>,
    breaker: Arc<Breaker>,
    /// Of a model that shares its server's breaker with another one: what the server says of this model alone.
    model_breaker: Option<Arc<Breaker>>,
    patience: Patience,
    clock: Arc<dyn Clock>,
}

impl Provider {
    fn gave(&self, reply: ModelReply) -> Replied {
        Replied { model: self.model.name(), provider: self.role, reply }
    }

    /// Asks until there is a reply, at most until `until`. A wait that would last longer is not begun.
    ///
    /// Of the failures of one reply the breaker counts one: what is wrong may be this conversation.
    async fn reply(
        &self,
        request: &ModelRequest,
        until: Instant,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, Failed> {
        let mut wait = self.patience.first_wait;
        let mut attempt = 1;
        loop {
            let started = Instant::now();
            let failed = match self.ask(request, until, deltas, attempt > 1).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let (message, retry_after) = match &failed.error {
                ModelError::Unavailable { message, retry_after } => (message, *retry_after),
                ModelError::Busy { message, retry_after } => (message, Some(*retry_after)),
                ModelError::Refused { .. } | ModelError::Denied { .. } => return Err(failed),
            };
            tracing::warn!(
                model = self.model.name(),
                provider = self.label,
                attempt,
                message,
                elapsed_ms = started.elapsed().as_millis(),
                "the model's provider failed"
            );
            let pause = retry_after.unwrap_or(wait);
            let is_too_long = pause > self.patience.longest_wait || Instant::now() + pause >= until;
            let is_resting = self.breaker.state() == BreakerState::Open;
            if attempt >= self.patience.attempts || is_too_long || is_resting || failed.is_of_model {
                return Err(failed);
            }
            tokio::time::sleep(pause).await;
            wait *= 2;
            attempt += 1;
        }
    }

    /// Asks once, if the breakers let it. The failure of an attempt that is made `again` counts only where it finds out for all.
    async fn ask(
        &self,
        request: &ModelRequest,
        until: Instant,
        deltas: &mpsc::Sender<String>,
        again: bool,
    ) -> Result<ModelReply, Failed> {
        let of_model = self.admitted_of_model()?;
        let of_server = self.admitted(until).await.map_err(Failed::of_provider)?;
        self.show_breakers();
        let reply = self.model.reply(request, deltas).await;
        let now = self.clock.now();
        let (outcome, verdict) = self.judge(reply.as_ref().err());
        self.count(outcome);
        let is_of_model = of_model.is_some()
            && match &reply {
                Err(ModelError::Denied { .. }) => true,
                Err(ModelError::Busy { .. }) => matches!(verdict, Verdict::SentAway(_)),
                Ok(_) | Err(ModelError::Unavailable { .. } | ModelError::Refused { .. }) => false,
            };
        let concerned = match of_model {
            Some(of_model) if is_of_model => of_model,
            of_model => {
                if let (Some(of_model), Verdict::Answered) = (of_model, &verdict) {
                    of_model.answered();
                }
                of_server
            }
        };
        let turned = match verdict {
            Verdict::Answered => concerned.answered(),
            Verdict::Failed if again && !concerned.is_probe() => None,
            Verdict::Failed => concerned.failed(now),
            Verdict::SentAway(rest) => concerned.sent_away(now, rest),
        };
        self.tell(turned);
        self.show_breakers();
        reply.map_err(|error| Failed { error, is_of_model })
    }

    /// The right to ask this model, where it has a breaker besides its server's.
    fn admitted_of_model(&self) -> Result<Option<Admission<'_>>, Failed> {
        let Some(breaker) = &self.model_breaker else { return Ok(None) };
        let rest = match breaker.admit(self.clock.now()) {
            Ok(admission) => return Ok(Some(admission)),
            Err(NotNow::Resting(rest)) => rest,
            Err(NotNow::Tried) => TimeDelta::zero(),
        };
        Err(Failed { error: self.resting(rest), is_of_model: true })
    }

    /// The right to ask its server. Where another request is finding out whether that is back, its verdict is waited for.
    async fn admitted(&self, until: Instant) -> Result<Admission<'_>, ModelError> {
        let until = until.min(Instant::now() + self.patience.longest_trial);
        loop {
            let verdict = self.breaker.verdict();
            match self.breaker.admit(self.clock.now()) {
                Ok(admission) => return Ok(admission),
                Err(NotNow::Resting(rest)) => return Err(self.resting(rest)),
                Err(NotNow::Tried) => {
                    if tokio::time::timeout_at(until, verdict).await.is_err() {
                        return Err(self.resting(TimeDelta::zero()));
                    }
                }
            }
        }
    }

    fn resting(&self, rest: TimeDelta) -> ModelError {
        self.count("resting");
        let rest = whole_seconds(rest);
        let message = format!("it has failed several times and is left alone for {} more", in_words(rest));
        ModelError::Unavailable { message, retry_after: Some(rest) }
    }

    /// The outcome of an attempt as metrics name it, and what it says about the provider.
    fn judge(&self, error: Option<&ModelError>) -> (&'static str, Verdict) {
        // A short wait is kept by whoever asked; during a long one nobody else need ask, either.
        let sent_away = |wait: Duration| {
            (wait > self.patience.longest_wait)
                .then(|| Verdict::SentAway(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)))
        };
        match error {
            None => ("replied", Verdict::Answered),
            // Somebody is there, and knows what they say.
            Some(ModelError::Refused { .. }) => ("refused", Verdict::Answered),
            Some(ModelError::Busy { retry_after, .. }) => {
                ("busy", sent_away(*retry_after).unwrap_or(Verdict::Answered))
            }
            Some(ModelError::Denied { .. }) => ("denied", Verdict::Failed),
            Some(ModelError::Unavailable { retry_after: Some(wait), .. }) => {
                ("failed", sent_away(*wait).unwrap_or(Verdict::Failed))
            }
            Some(ModelError::Unavailable { retry_after: None, .. }) => ("failed", Verdict::Failed),
        }
    }

    fn tell(&self, turned: Option<Turned>) {
        let (model, provider) = (self.model.name(), self.label);
        match turned {
            Some(Turned::Opened) => {
                tracing::warn!(model, provider, "the model's provider is left alone for a while");
            }
            Some(Turned::Closed) => tracing::info!(model, provider, "the model's provider is back"),
            None => {}
        }
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("tidings_model_requests_total", "provider" => self.label, "outcome" => outcome)
            .increment(1);
    }

    /// Workspaces' own breakers are their own affair, and too many to show.
    fn show_breakers(&self) {
        if self.role == ModelProvider::Workspace {
            return;
        }
        show_breaker(self.role.as_str(), self.breaker.state());
        if let Some(breaker) = &self.model_breaker {
            show_breaker(self.label, breaker.state());
        }
    }
}

fn show_breaker(label: &'static str, state: BreakerState) {
    let level = match state {
        BreakerState::Closed => 0.0,
        BreakerState::HalfOpen => 1.0,
        BreakerState::Open => 2.0,
    };
    metrics::gauge!("tidings_model_breaker", "provider" => label).set(level);
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
