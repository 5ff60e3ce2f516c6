//! What Slack sends: events and interactions, signed, and events again when they were not taken.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::Clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::CONTENT_TYPE;
use sha2::Sha256;
use tokio::sync::mpsc;

/// How long Slack waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Slack gives up on an app that fails this many events within an hour, if they are nearly all.
const FAILURES_MAX: usize = 1_000;

/// Something to send.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) url: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Whether it is sent again when it was not taken, as events are and interactions are not.
    pub(super) is_event: bool,
}

/// What one request came to.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The status that was answered; none where there was no answer in time.
    pub status: Option<u16>,
    /// The body that was answered.
    pub body: String,
    /// Whether the answer forbade another attempt (`X-Slack-No-Retry`).
    pub is_final: bool,
    /// How long the answer took.
    pub took: Duration,
}

impl Attempt {
    /// Why Slack would send it again, in its words; none where it was taken.
    pub fn failure(&self) -> Option<&'static str> {
        match self.status {
            Some(200..=299) => None,
            Some(300..=399) => Some("too_many_redirects"),
            Some(_) => Some("http_error"),
            None if self.took >= PATIENCE => Some("http_timeout"),
            None => Some("connection_failed"),
        }
    }
}

/// Sends signed requests as Slack does.
#[derive(Clone)]
pub struct Courier {
    http: reqwest::Client,
    signing_secret: String,
    clock: Arc<dyn Clock>,
}

impl Courier {
    /// A courier that signs with this secret, at the times of this clock.
    pub fn new(signing_secret: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { http: net::vendor_client(), signing_secret: signing_secret.into(), clock }
    }

    /// The headers that prove a body: time and signature.
    pub fn headers(&self, body: &[u8]) -> [(&'static str, String); 2] {
        let timestamp = self.clock.now().timestamp().to_string();
        let signature = signature(&self.signing_secret, &timestamp, body);
        [("X-Slack-Request-Timestamp", timestamp), ("X-Slack-Signature", signature)]
    }

    /// Sends a body once. `retry` is the number of the repetition, and why.
    pub async fn send(
        &self,
        url: &str,
        content_type: &str,
        body: &[u8],
        retry: Option<(usize, &str)>,
    ) -> Attempt {
        let mut request = self.http.post(url).header(CONTENT_TYPE, content_type).timeout(PATIENCE);
        for (name, value) in self.headers(body) {
            request = request.header(name, value);
        }
        if let Some((number, reason)) = retry {
            request = request.header("X-Slack-Retry-Num", number).header("X-Slack-Retry-Reason", reason);
        }
        let started = Instant::now();
        let failed = |took| Attempt { status: None, body: String::new(), is_final: false, took };
        let Ok(request) = request.body(body.to_vec()).build() else {
            return failed(started.elapsed());
        };
        let Ok(response) = net::send(&self.http, request).await else {
            return failed(started.elapsed());
        };
        let status = response.status().as_u16();
        let is_final = response.headers().get("x-slack-no-retry").is_some_and(|value| value == "1");
        let body = response.text().await.unwrap_or_default();
        Attempt { status: Some(status), body, is_final, took: started.elapsed() }
    }
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Courier").finish_non_exhaustive()
    }
}

/// Slack's signature, written down from its documentation.
fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

/// What came of the events of the last hour.
#[derive(Debug, Default)]
struct Record(VecDeque<(DateTime<Utc>, bool)>);

impl Record {
    fn note(&mut self, now: DateTime<Utc>, was_taken: bool) {
        self.0.push_back((now, was_taken));
        while self.0.front().is_some_and(|(at, _)| *at + TimeDelta::hours(1) <= now) {
            self.0.pop_front();
        }
    }

    /// Whether Slack would have turned the app's events off.
    fn is_hopeless(&self) -> bool {
        let failed = self.0.iter().filter(|(_, was_taken)| !was_taken).count();
        failed >= FAILURES_MAX && failed * 20 > self.0.len() * 19
    }
}

/// Sends what comes in, each parcel for itself, events again after each of `delays` while they are not taken.
pub(super) async fn work(
    courier: Courier,
    mut parcels: mpsc::UnboundedReceiver<Parcel>,
    delays: [Duration; 3],
) {
    let record = Arc::new(Mutex::new(Record::default()));
    while let Some(parcel) = parcels.recv().await {
        let (courier, record) = (courier.clone(), Arc::clone(&record));
        if parcel.is_event && record.lock().unwrap_or_else(PoisonError::into_inner).is_hopeless() {
            continue;
        }
        tokio::spawn(async move {
            let first = courier.send(&parcel.url, parcel.content_type, &parcel.body, None).await;
            if !parcel.is_event {
                return;
            }
            let note = |was_taken| {
                let now = courier.clock.now();
                record.lock().unwrap_or_else(PoisonError::into_inner).note(now, was_taken);
            };
            let mut last = first;
            note(last.failure().is_none());
            for (number, delay) in delays.into_iter().enumerate() {
                let Some(reason) = last.failure().filter(|_| !last.is_final) else {
                    return;
                };
                tokio::time::sleep(delay).await;
                let retry = Some((number + 1, reason));
                last = courier.send(&parcel.url, parcel.content_type, &parcel.body, retry).await;
                note(last.failure().is_none());
            }
        });
    }
}
