//! A model behind any server that speaks OpenAI's Chat Completions with tools and streaming.
//!
//! The reply is complete only when the server says why it ended: a stream that stops without a `finish_reason` was cut,
//! however well-formed its parts are. What a server sends beyond the protocol is ignored, and what it leaves out is made up
//! for, since many servers only resemble the original.

mod request;
mod stream;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_openai::{Client, config::OpenAIConfig, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use chrono::DateTime;
use net::Lanes;
use reqwest::{StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::mpsc, time::Instant};

use crate::model::{Model, ModelError, ModelReply, ModelRequest};

/// OpenAI's own address.
pub const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// Where a model is, and how patient to be with it.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// Up to and without `/chat/completions`: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// The key, where the server wants one.
    pub api_key: SecretString,
    /// How often a request is sent at most.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each, unless the server names a time.
    pub first_wait: Duration,
    /// The longest wait that a server may ask for here. A longer one is passed on to whoever can try again later.
    pub longest_wait: Duration,
    /// How long nothing may come in before the reply counts as lost.
    pub idle_timeout: Duration,
}

impl OpenAiOptions {
    /// Four attempts, waits of 1, 2 and 4 seconds unless told otherwise, at most a minute; two minutes of silence.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>, api_key: SecretString) -> Self {
        Self {
            base_url: base_url.into().trim_end_matches('/').to_owned(),
            model: model.into(),
            api_key,
            attempts: 4,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
            idle_timeout: Duration::from_mins(2),
        }
    }
}

/// A model behind Chat Completions.
pub struct OpenAi {
    options: OpenAiOptions,
    client: Client<OpenAIConfig>,
}

impl OpenAi {
    /// A client. Nothing is sent yet.
    pub fn new(options: OpenAiOptions) -> Self {
        Self::over(Lanes::new(), options)
    }

    /// A client that sends its requests over `lanes`.
    pub fn over(lanes: Lanes, options: OpenAiOptions) -> Self {
        let http = lanes.client();
        let lanes = Arc::new(lanes);
        let config = OpenAIConfig::new()
            .with_api_base(&options.base_url)
            .with_api_key(options.api_key.expose_secret());
        // The library would retry by itself and sleep for as long as a server likes; here the wait is bounded.
        let send_once =
            tower::service_fn(move |request: HttpRequestFactory| send_once(Arc::clone(&lanes), request));
        let client = Client::build(http, config).with_http_service(send_once);
        Self { options, client }
    }

    async fn attempt(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        let idle = self.options.idle_timeout;
        let silent = || unavailable(format!("nothing came in for {} s", idle.as_secs()));
        let started = self.client.chat();
        // Handed over, not lent: it goes once it is written out, and does not stay for the length of the reply.
        let opening = started.create_stream_byot(request::body(request, &self.options));
        let stream = tokio::time::timeout(idle, opening)
            .await
            .map_err(|_| silent())?
            .map_err(|error| self.describe(error))?;
        stream::read(stream, idle, deltas, &|error| self.describe(error)).await
    }

    fn describe(&self, error: OpenAIError) -> ModelError {
        let shown = |text: &str| shown(text, &self.options.api_key);
        match error {
            OpenAIError::Boxed(boxed) => match boxed.downcast::<Rejection>() {
                Ok(rejection) => rejection.into_model_error(&shown),
                Err(other) => unavailable(shown(&other.to_string())),
            },
            OpenAIError::ApiError(error) => ModelError::Refused {
                message: shown(&format!("{}: {}", error.status_code, error.api_error.message)),
            },
            OpenAIError::Reqwest(error) => unavailable(shown(&error.without_url().to_string())),
            OpenAIError::StreamError(_) => unavailable("the stream was cut".to_owned()),
            OpenAIError::JSONDeserialize(..) => {
                unavailable("it sent what is no Chat Completions chunk".to_owned())
            }
            OpenAIError::InvalidArgument(message) => ModelError::Refused { message: shown(&message) },
            OpenAIError::FileSaveError(_) | OpenAIError::FileReadError(_) => {
                unavailable("it could not be asked".to_owned())
            }
        }
    }
}

#[async_trait]
impl Model for OpenAi {
    fn name(&self) -> String {
        format!("openai:{}", self.options.model)
    }

    async fn reply(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        let mut wait = self.options.first_wait;
        let mut attempt = 1;
        loop {
            let started = Instant::now();
            let error = match self.attempt(request, deltas).await {
                Ok(mut reply) => {
                    request::estimate_tokens(&mut reply, request, &self.options);
                    return Ok(reply);
                }
                Err(error) => error,
            };
            let ModelError::Unavailable { message, retry_after } = &error else { return Err(error) };
            let pause = retry_after.unwrap_or(wait);
            tracing::warn!(
                model = self.options.model,
                attempt,
                message,
                elapsed_ms = started.elapsed().as_millis(),
                "the model's provider failed"
            );
            if attempt >= self.options.attempts || pause > self.options.longest_wait {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            wait *= 2;
            attempt += 1;
        }
    }
}

/// An answer whose status is no success.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {status}")]
struct Rejection {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
}

impl Rejection {
    fn into_model_error(self, shown: &dyn Fn(&str) -> String) -> ModelError {
        let message = shown(&format!("{}: {}", self.status.as_u16(), self.message));
        let is_passing = self.status.is_server_error()
            || matches!(
                self.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT
            );
        // An account without money answers 429 too, for ever.
        if is_passing && !self.message.contains("insufficient_quota") {
            return ModelError::Unavailable { message, retry_after: self.retry_after };
        }
        ModelError::Refused { message }
    }
}

async fn send_once(lanes: Arc<Lanes>, request: HttpRequestFactory) -> Result<reqwest::Response, OpenAIError> {
    const READ_MAX: usize = 4_096;
    let built = request.build().await?;
    // It holds the body a second time.
    drop(request);
    // Nothing below sends it again: who does is whoever counts the attempts.
    let response = lanes.send(built).await.map_err(OpenAIError::Reqwest)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    let mut response = response;
    while body.len() < READ_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(READ_MAX);
    let message = error_message(&String::from_utf8_lossy(&body));
    Err(OpenAIError::Boxed(Box::new(Rejection { status, message, retry_after })))
}

/// `{"error":{"message","code"}}`, `{"error":"..."}`, or whatever it is.
fn error_message(body: &str) -> String {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(body) else { return body.trim().to_owned() };
    let text = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_str);
    let message =
        text("/error/message").or_else(|| text("/error")).or_else(|| text("/message")).unwrap_or(body);
    match text("/error/code").or_else(|| text("/error/type")) {
        Some(code) if !message.contains(code) => format!("{message} ({code})"),
        _ => message.to_owned(),
    }
}

/// `Retry-After` as seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let at = SystemTime::from(DateTime::parse_from_rfc2822(text).ok()?);
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A provider's words, short and without the key.
fn shown(text: &str, key: &SecretString) -> String {
    const SHOWN_MAX: usize = 300;
    let key = key.expose_secret();
    let text = if key.is_empty() { text.to_owned() } else { text.replace(key, "[key]") };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN_MAX {
        line
    } else {
        line.chars().take(SHOWN_MAX).chain(['…']).collect()
    }
}

fn unavailable(message: String) -> ModelError {
    ModelError::Unavailable { message, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, value.parse().expect("a header"))])
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        assert_eq!(retry_after(&headers("2")), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(&headers("0.5")), Some(Duration::from_millis(500)));
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&headers("1e300")), None);
    }

    #[test]
    fn a_keys_echo_is_not_shown() {
        let key = SecretString::from("sk-canary".to_owned());
        assert_eq!(shown("Incorrect API key provided: sk-canary", &key), "Incorrect API key provided: [key]");
    }

    #[test]
    fn an_account_without_money_is_not_tried_again() {
        let rejection =
            |status, message: &str| Rejection { status, message: message.into(), retry_after: None };
        let plain = |text: &str| text.to_owned();
        let passing = rejection(StatusCode::TOO_MANY_REQUESTS, "slow down").into_model_error(&plain);
        assert!(matches!(passing, ModelError::Unavailable { .. }));
        let lasting =
            rejection(StatusCode::TOO_MANY_REQUESTS, "pay (insufficient_quota)").into_model_error(&plain);
        assert!(matches!(lasting, ModelError::Refused { .. }));
    }
}
