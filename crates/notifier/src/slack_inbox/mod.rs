//! What came from Slack, worked on: questions and replies ([`talk`]), buttons ([`button`]), the app's own fate and the list of
//! channels ([`installation`]); and the signs on messages that show it ([`sign`]).
//!
//! Whatever a message starts is written down with the message that started it, in one transaction, so that a worker may die at
//! any moment and its event may be worked on again. What only Slack keeps (a reaction) may be set twice without harm; what would
//! be seen twice (a note to one person) is rather lost than repeated. Signs are set beside: no question waits for one.

mod button;
mod installation;
mod sign;
mod talk;
mod words;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{delivery::retry_delay, slack::SlackEventKind};
use secrecy::SecretString;
use slack::{App, Class, Client, event};
use store::{ClaimedSlackEvent, Scope, SlackToken, SlackTokenError, Store};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::sign::Sign;
use crate::slack::{
    call::{Method, hold_if_limited},
    token::{next_pair, still_limited},
};

/// What somebody waits for.
const ASKED: &[SlackEventKind] = &[SlackEventKind::Event, SlackEventKind::Interaction];
/// What leads to a sign on a message, and to nothing else.
const ENDED: &[SlackEventKind] = &[SlackEventKind::TurnEnded];
/// The most signs under way at once. More are left out, or come later.
const SIGNS_AT_ONCE: usize = 8;
/// How long work on one event may take, well within its lease.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a call may wait for its turn while somebody waits for what comes of it.
const CALL_PATIENCE: TimeDelta = TimeDelta::seconds(5);
/// An event that could not be worked on for this long is given up: nobody waits for it any more.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::hours(6);
/// How often it is looked for lists of channels that are to be read.
const LOOK_FOR_LISTS_EVERY: Duration = Duration::from_secs(15);
/// How often what is over is forgotten.
const CLEAN_EVERY: Duration = Duration::from_mins(1);

/// What the inbox is worked on with.
pub struct SlackInboxOptions {
    /// The database.
    pub store: Store,
    /// Slack's Web API.
    pub client: Client,
    /// The operator's app there.
    pub app: App,
    /// What links begin with.
    pub public_url: String,
    /// The name of this process in the rows that it holds.
    pub worker: String,
    /// The most events under way at once, beside signs on messages.
    pub parallel: u32,
    /// How often the inbox is looked at.
    pub poll: Duration,
}

impl SlackInboxOptions {
    /// The usual options.
    pub fn new(store: Store, client: Client, app: App, public_url: String) -> Self {
        Self {
            store,
            client,
            app,
            public_url,
            worker: format!("slack-{}", std::process::id()),
            parallel: 8,
            poll: Duration::from_millis(500),
        }
    }
}

/// Works on what came from Slack.
pub struct SlackInbox {
    store: Store,
    client: Client,
    app: App,
    public_url: String,
    worker: String,
    parallel: u32,
    poll: Duration,
}

/// How work on an event went.
enum Step {
    /// It is dealt with, in this way: a code.
    Done(&'static str),
    /// The same, and the message may show that we work on it.
    Shown(&'static str, Box<Sign>),
    /// Something else has to happen first.
    Wait(TimeDelta),
}

/// Why an event could not be worked on now.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// Slack did not do what it was asked.
    #[error("Slack did not do what it was asked")]
    Slack(#[from] slack::Error),
    /// The event is of a shape that we do not know.
    #[error("the event cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// The token has run out, and Slack did not renew it this time.
    #[error("Slack's token was not renewed")]
    NotRenewed(#[source] slack::Error),
    /// There is no room for the call before so long.
    #[error("Slack allows no more calls for now")]
    Busy(TimeDelta),
    /// There was no token in time.
    #[error("Slack took too long to renew its token")]
    Slow,
}

impl SlackInbox {
    /// An inbox that is not worked on until it is run.
    pub fn new(options: SlackInboxOptions) -> Self {
        Self {
            store: options.store,
            client: options.client,
            app: options.app,
            public_url: options.public_url.trim_end_matches('/').to_owned(),
            worker: options.worker,
            parallel: options.parallel.max(1),
            poll: options.poll,
        }
    }

    /// Works until `stopping` is cancelled; then finishes what is under way and claims nothing more.
    pub async fn run(self, stopping: CancellationToken) {
        let inbox = Arc::new(self);
        let mut under_way = JoinSet::new();
        let mut signs = JoinSet::new();
        let mut listing = JoinSet::new();
        let every = |period| {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut polls, mut lists, mut cleanings) =
            (every(inbox.poll), every(LOOK_FOR_LISTS_EVERY), every(CLEAN_EVERY));
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                _ = polls.tick() => {}
                _ = lists.tick(), if listing.is_empty() => {
                    let inbox = Arc::clone(&inbox);
                    listing.spawn(async move { inbox.list_channels_due().await });
                }
                _ = cleanings.tick() => inbox.clean().await,
                Some(_) = listing.join_next() => {}
                Some(ended) = under_way.join_next() => {
                    let sign = without_panic(ended).flatten();
                    if let Some(sign) = sign.filter(|_| signs.len() < SIGNS_AT_ONCE) {
                        let inbox = Arc::clone(&inbox);
                        signs.spawn(async move { inbox.show_working(sign).await });
                    }
                }
                Some(ended) = signs.join_next() => { without_panic(ended); }
            }
            let free = inbox.parallel.saturating_sub(under_way.len() as u32);
            for event in inbox.claim(ASKED, free).await {
                let inbox = Arc::clone(&inbox);
                under_way.spawn(async move { inbox.work(&event).await });
            }
            let free = SIGNS_AT_ONCE.saturating_sub(signs.len());
            for event in inbox.claim(ENDED, free as u32).await {
                let inbox = Arc::clone(&inbox);
                signs.spawn(async move { drop(inbox.work(&event).await) });
            }
        }
        // A list that was not read to its end is read again by another.
        listing.abort_all();
        while let Some(ended) = under_way.join_next().await {
            without_panic(ended);
        }
        while let Some(ended) = signs.join_next().await {
            without_panic(ended);
        }
    }

    /// Works on all that is due now, lists of channels included. Answers how many events that were.
    pub async fn run_once(&self) -> u32 {
        self.list_channels_due().await;
        self.clean().await;
        let mut worked = 0;
        loop {
            let mut events = self.claim(ASKED, self.parallel).await;
            events.extend(self.claim(ENDED, self.parallel).await);
            if events.is_empty() {
                return worked;
            }
            for event in events {
                worked += 1;
                if let Some(sign) = self.work(&event).await {
                    self.show_working(sign).await;
                }
            }
        }
    }

    async fn claim(&self, kinds: &[SlackEventKind], limit: u32) -> Vec<ClaimedSlackEvent> {
        if limit == 0 {
            return Vec::new();
        }
        self.store.slack_event_claim(&self.worker, kinds, limit).await.unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "events of Slack's could not be claimed"
            );
            Vec::new()
        })
    }

    async fn clean(&self) {
        for cleaned in [self.store.slack_event_purge().await, self.store.task_snooze_end().await] {
            if let Err(error) = cleaned {
                tracing::warn!(error = &error as &dyn std::error::Error, "what is over was not forgotten");
            }
        }
    }

    /// Brings an event to its end, or puts it back. Answers the sign that its message may show.
    async fn work(&self, event: &ClaimedSlackEvent) -> Option<Sign> {
        let span = tracing::info_span!(
            "slack_event",
            event_id = event.lease.event_id,
            workspace_id = %event.lease.workspace_id,
            kind = event.kind.as_str(),
            attempt = event.attempts + 1,
        );
        let worked = async {
            // Before a token is read: whatever is made later is not what that token belongs to.
            let began_at = self.store.now().await?;
            match tokio::time::timeout(PATIENCE, self.handle(event, began_at)).await {
                Ok(Ok(step)) => self.note(event, step).await,
                Ok(Err(error)) => self.put_back(event, began_at, error).await.map(|()| None),
                Err(_) => {
                    let after = retry_delay(event.attempts);
                    self.store.slack_event_again(&event.scope, &event.lease, after, true).await.map(|()| None)
                }
            }
        };
        worked.instrument(span.clone()).await.unwrap_or_else(|error| {
            let _entered = span.enter();
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "put down without an outcome; it is taken up again");
            None
        })
    }

    async fn handle(&self, event: &ClaimedSlackEvent, began_at: DateTime<Utc>) -> Result<Step, Error> {
        let scope = &event.scope;
        match event.kind {
            SlackEventKind::Event => {
                let callback: event::EventCallback = serde_json::from_value(event.payload.clone())?;
                self.happened(scope, &callback, began_at).await
            }
            SlackEventKind::Interaction => {
                let interaction: event::Interaction = serde_json::from_value(event.payload.clone())?;
                self.pressed(scope, &interaction).await
            }
            SlackEventKind::TurnEnded => {
                let turn: sign::EndedTurn = serde_json::from_value(event.payload.clone())?;
                self.turn_ended(scope, &turn, event.received_at).await
            }
        }
    }

    async fn happened(
        &self,
        scope: &Scope,
        callback: &event::EventCallback,
        began_at: DateTime<Utc>,
    ) -> Result<Step, Error> {
        match &callback.event {
            event::Event::Message(message) => self.heard(scope, message, false, began_at).await,
            event::Event::AppMention(message) => self.heard(scope, message, true, began_at).await,
            other => self.changed(scope, other, callback.event_time).await,
        }
    }

    /// Notes how work on an event went. Answers the sign that its message may show from now on.
    async fn note(&self, event: &ClaimedSlackEvent, step: Step) -> store::Result<Option<Sign>> {
        let (outcome, sign) = match step {
            Step::Done(outcome) => (outcome, None),
            Step::Shown(outcome, sign) => (outcome, Some(*sign)),
            Step::Wait(after) => {
                self.store.slack_event_again(&event.scope, &event.lease, after, false).await?;
                return Ok(None);
            }
        };
        tracing::info!(outcome, "dealt with");
        self.store.slack_event_done(&event.scope, &event.lease, outcome).await?;
        Ok(sign)
    }

    /// After an error: tried again later where that may help, given up where it cannot.
    async fn put_back(
        &self,
        event: &ClaimedSlackEvent,
        began_at: DateTime<Utc>,
        error: Error,
    ) -> store::Result<()> {
        let (scope, lease) = (&event.scope, &event.lease);
        let chain = chain_of(&error);
        let wait = match &error {
            Error::Store(store::Error::LeaseLost) => return Err(store::Error::LeaseLost),
            Error::Store(_) | Error::Slow => None,
            Error::Unreadable(_) => {
                tracing::error!(error = chain, "given up");
                return self.store.slack_event_fail(scope, lease, "unreadable").await;
            }
            Error::Busy(wait) => Some(*wait),
            Error::NotRenewed(refusal) => match refusal.class() {
                Class::Retry { after } => after.and_then(|after| TimeDelta::from_std(after).ok()),
                _ => None,
            },
            Error::Slack(refusal) => match refusal.class() {
                Class::Retry { after } => after.and_then(|after| TimeDelta::from_std(after).ok()),
                Class::Unknown => None,
                Class::Installation if refusal.ends_access() => {
                    if !self.renew_refused(scope, began_at).await? {
                        return self.store.slack_event_fail(scope, lease, "token_refused").await;
                    }
                    None
                }
                // It was renewed in the meantime, or is by the next one who needs it.
                Class::Installation if refusal.code() == Some("token_expired") => None,
                Class::Installation | Class::Destination | Class::Ours => {
                    tracing::error!(error = chain, code = refusal.code(), "given up");
                    return self.store.slack_event_fail(scope, lease, "refused").await;
                }
            },
        };
        let now = self.store.now().await?;
        if now - event.received_at > GIVEN_UP_AFTER {
            tracing::error!(error = chain, "given up after hours");
            return self.store.slack_event_fail(scope, lease, "too_late").await;
        }
        tracing::warn!(error = chain, "put back");
        let again = wait.unwrap_or_default().max(retry_delay(event.attempts));
        self.store.slack_event_again(scope, lease, again, true).await
    }

    /// Makes a call when it is its turn, if that is within `patience`.
    async fn call<T>(
        &self,
        scope: &Scope,
        method: Method,
        patience: TimeDelta,
        call: impl Future<Output = Result<T, slack::Error>>,
    ) -> Result<T, Error> {
        match self.store.slack_call_take(scope, method.name, method.rate, patience).await? {
            Err(wait) => return Err(Error::Busy(wait)),
            Ok(wait) => self.store.wait(wait).await,
        }
        let called = call.await;
        if let Err(error) = &called {
            hold_if_limited(&self.store, scope, error).await?;
        }
        Ok(called?)
    }

    /// A token that is good for use; `None` where Slack is not connected any more.
    async fn token(&self, scope: &Scope, seen: Option<&SecretString>) -> Result<Option<SlackToken>, Error> {
        let renew = |refresh_token| next_pair(&self.client, &self.app, refresh_token);
        match self.store.slack_token_fresh(scope, seen, renew).await {
            Ok(token) => Ok(token),
            Err(SlackTokenError::Store(error)) => Err(error.into()),
            Err(SlackTokenError::Renewal { error, .. }) if error.ends_access() => Err(Error::Slack(error)),
            Err(SlackTokenError::Renewal { error, .. }) => Err(Error::NotRenewed(error)),
            Err(SlackTokenError::Held(wait)) => Err(Error::NotRenewed(still_limited(wait))),
            Err(SlackTokenError::Slow) => Err(Error::Slow),
        }
    }
}

/// An error and what it comes from, in one line.
fn chain_of(error: &Error) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}

/// What a task answered. An event whose task panicked keeps its lease until it runs out, and is taken up then.
fn without_panic<T>(ended: Result<T, tokio::task::JoinError>) -> Option<T> {
    ended.inspect_err(|error| tracing::error!(%error, "work on an event of Slack's ended in a panic")).ok()
}
