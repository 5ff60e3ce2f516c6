//! Events to a workspace's own addresses: signed, at least once, under one id however often they are tried.

pub mod signature;

use std::{
    error::Error as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{delivery::retry_delay, webhook::WebhookState};
use net::GuardedClient;
use rand::{RngExt as _, rngs::StdRng};
use store::{ClaimedWebhook, Store, WebhookAnswer};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use url::Url;

/// The most events under way at once: of one workspace the store hands out a few of them.
const PARALLEL: usize = 128;
/// How often the queue is looked at while nothing is under way.
const POLL: Duration = Duration::from_secs(1);
/// How often dead senders' events are looked for, and old ones forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(15);
/// How many of each at a time.
const SWEEP_BATCH: u32 = 1_000;
/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 4_096;
/// The longest wait that an endpoint may ask for.
const RETRY_AFTER_MAX: TimeDelta = TimeDelta::hours(1);

/// Sends events.
pub struct Webhooks {
    store: Store,
    client: GuardedClient,
    random: Mutex<StdRng>,
}

/// What came of a request.
struct Reply {
    status_code: Option<u16>,
    text: String,
    retry_after: Option<TimeDelta>,
}

impl Reply {
    fn none(text: impl Into<String>) -> Self {
        Self { status_code: None, text: text.into(), retry_after: None }
    }
}

impl Webhooks {
    /// `client` decides which addresses may be reached; `random` draws the waits before retries.
    pub fn new(store: Store, client: GuardedClient, random: StdRng) -> Self {
        Self { store, client, random: Mutex::new(random) }
    }

    /// Sends until `stopping` is cancelled; then finishes what is under way and claims nothing more.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let webhooks = Arc::new(self);
        let mut under_way = JoinSet::new();
        let mut polls = tokio::time::interval(POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                _ = polls.tick() => {}
                _ = sweeps.tick() => webhooks.sweep().await,
                Some(ended) = under_way.join_next() => log_panic(&ended),
            }
            for event in webhooks.claim(PARALLEL.saturating_sub(under_way.len())).await {
                let webhooks = Arc::clone(&webhooks);
                under_way.spawn(async move { webhooks.send(event).await });
            }
        }
        while let Some(ended) = under_way.join_next().await {
            log_panic(&ended);
        }
        Ok(())
    }

    /// Sends all that is due now, and answers how many attempts that took.
    pub async fn run_once(self: &Arc<Self>) -> usize {
        self.sweep().await;
        let mut tried = 0;
        loop {
            let claimed = self.claim(PARALLEL).await;
            if claimed.is_empty() {
                return tried;
            }
            tried += claimed.len();
            let mut under_way = JoinSet::new();
            for event in claimed {
                let webhooks = Arc::clone(self);
                under_way.spawn(async move { webhooks.send(event).await });
            }
            while let Some(ended) = under_way.join_next().await {
                log_panic(&ended);
            }
        }
    }

    /// A failing database is as good as an empty queue: the next look may find it mended.
    async fn claim(&self, limit: usize) -> Vec<ClaimedWebhook> {
        if limit == 0 {
            return Vec::new();
        }
        self.store.webhook_claim(limit as u32).await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "webhooks could not be claimed");
            Vec::new()
        })
    }

    async fn sweep(&self) {
        let swept = async {
            self.store.webhook_rescue(SWEEP_BATCH).await?;
            self.store.webhook_forget(SWEEP_BATCH).await
        };
        if let Err(error) = swept.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "webhooks could not be swept");
        }
    }

    async fn send(&self, event: ClaimedWebhook) {
        let span = tracing::info_span!(
            "webhook",
            webhook_id = %event.lease.message_id,
            workspace_id = %event.lease.workspace_id,
            attempt = event.attempt,
        );
        let told = async {
            let reply = match self.request(&event).await {
                Ok(reply) => reply,
                Err(error) => {
                    tracing::error!(
                        error = &*error as &dyn std::error::Error,
                        "the event could not be signed"
                    );
                    Reply::none("The event could not be signed.")
                }
            };
            let answer = WebhookAnswer {
                status_code: reply.status_code,
                text: reply.text,
                wait: self.wait(event.attempt, reply.retry_after),
            };
            match self.store.webhook_finish(&event.scope, &event.lease, &answer).await {
                Ok(state) => {
                    metrics::counter!("tidings_webhooks_total", "state" => state.as_str()).increment(1);
                    if state != WebhookState::Sent {
                        tracing::info!(state = state.as_str(), status = reply.status_code, "not taken");
                    }
                }
                // Its lease runs out, and it is sent again under the same id.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an answer could not be noted");
                }
            }
        };
        told.instrument(span).await;
    }

    async fn request(&self, event: &ClaimedWebhook) -> anyhow::Result<Reply> {
        let secrets = self.store.webhook_secrets(&event.scope, event.endpoint_id).await?;
        let id = event.lease.message_id.to_string();
        let signature = signature::sign(&secrets, &id, event.claimed_at, &event.payload)?;
        let Ok(url) = Url::parse(&event.url) else { return Ok(Reply::none("The address cannot be read.")) };
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", event.claimed_at.timestamp())
            .header("webhook-signature", signature)
            .body(event.payload.clone())
            .build()?;
        Ok(match self.client.send(request).await {
            Ok(mut response) => {
                let status = response.status();
                let wants_wait = matches!(status.as_u16(), 429 | 503);
                let retry_after = response
                    .headers()
                    .get("retry-after")
                    .filter(|_| wants_wait)
                    .and_then(|value| read_retry_after(value.to_str().ok()?, event.claimed_at));
                let mut body = Vec::new();
                while let Ok(Some(chunk)) = response.chunk().await {
                    body.extend_from_slice(&chunk);
                    if body.len() >= ANSWER_BYTES_MAX {
                        break;
                    }
                }
                body.truncate(ANSWER_BYTES_MAX);
                let text = String::from_utf8_lossy(&body).into_owned();
                Reply { status_code: Some(status.as_u16()), text, retry_after }
            }
            Err(error) => Reply::none(in_words(&error)),
        })
    }

    /// The wait before the next attempt: as the endpoint asks, else with full jitter, so that what failed together does not come
    /// back together.
    fn wait(&self, attempt: u32, asked: Option<TimeDelta>) -> TimeDelta {
        let base = retry_delay(attempt).num_milliseconds();
        let drawn = self.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..=base);
        asked.unwrap_or_else(|| TimeDelta::milliseconds(drawn))
    }
}

/// `Retry-After`, as seconds or as a date.
fn read_retry_after(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let wait = match value.trim().parse::<u32>() {
        Ok(seconds) => TimeDelta::seconds(i64::from(seconds)),
        Err(_) => DateTime::parse_from_rfc2822(value.trim()).ok()?.to_utc() - now,
    };
    Some(wait.clamp(TimeDelta::zero(), RETRY_AFTER_MAX))
}

/// Why there is no answer, with what lies below it.
fn in_words(error: &net::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    words
}

/// An event whose sending panicked keeps its lease until it runs out, and is sent again then.
fn log_panic(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a webhook ended in a panic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_ask_for_a_wait_but_not_for_a_long_one() {
        let now = "2026-03-02T08:00:00Z".parse().expect("an instant");
        assert_eq!(read_retry_after(" 120 ", now), Some(TimeDelta::minutes(2)));
        assert_eq!(read_retry_after("Mon, 02 Mar 2026 08:05:00 GMT", now), Some(TimeDelta::minutes(5)));
        assert_eq!(read_retry_after("Mon, 02 Mar 2026 07:00:00 GMT", now), Some(TimeDelta::zero()));
        assert_eq!(read_retry_after("86400", now), Some(RETRY_AFTER_MAX));
        assert_eq!(read_retry_after("soon", now), None);
    }
}
