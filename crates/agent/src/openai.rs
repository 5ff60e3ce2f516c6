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
use net::{GuardedClient, Lanes};
use reqwest::{StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;

use crate::model::{Model, ModelError, ModelReply, ModelRequest};

/// OpenAI's own address.
pub const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// The most bytes of one reply with all that surrounds it, unpacked. What is below reads ahead of whoever takes the reply, and
/// lines of any length.
const STREAM_MAX: u64 = 8 << 20;

/// Where a model is.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// Up to and without `/chat/completions`: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// The key, where the server wants one.
    pub api_key: SecretString,
    /// How long nothing may come in, be it before the first token, before the reply counts as lost.
    pub idle_timeout: Duration,
}

impl OpenAiOptions {
    /// Two minutes of silence are borne.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>, api_key: SecretString) -> Self {
        Self {
            base_url: base_url.into().trim_end_matches('/').to_owned(),
            model: model.into(),
            api_key,
            idle_timeout: Duration::from_mins(2),
        }
    }
}

/// A model behind Chat Completions. A reply is asked for once: whoever needs it asks again ([`crate::provider`]).
pub struct OpenAi {
    options: OpenAiOptions,
    client: Client<OpenAIConfig>,
}

/// Who sends a request: it depends on who chose the address.
#[derive(Clone)]
enum Sender {
    /// The operator chose it.
    Lanes(Arc<Lanes>),
    /// A user chose it.
    Guarded(GuardedClient),
}

impl Sender {
    async fn send(&self, mut request: reqwest::Request) -> Result<reqwest::Response, OpenAIError> {
        match self {
            Self::Lanes(lanes) => lanes.send(request).await.map_err(OpenAIError::Reqwest),
            Self::Guarded(http) => {
                // A body that could be sent again is kept until the reply begins, which may be minutes. As a stream, whose
                // length is known, it goes as it is written.
                if let Some(body) = request.body_mut().take() {
                    *request.body_mut() = Some(reqwest::Body::wrap(body));
                }
                http.send(request).await.map_err(|error| match error {
                    net::Error::Failed(error) => OpenAIError::Reqwest(error),
                    refused @ net::Error::Refused { .. } => OpenAIError::InvalidArgument(refused.to_string()),
                })
            }
        }
    }
}

impl OpenAi {
    /// A client of an address that the operator chose. Nothing is sent yet.
    pub fn new(options: OpenAiOptions) -> Self {
        Self::over(Lanes::new(), options)
    }

    /// A client that sends its requests over `lanes`, to an address that the operator chose.
    pub fn over(lanes: Lanes, options: OpenAiOptions) -> Self {
        let http = lanes.client();
        Self::sent_by(options, http, Sender::Lanes(Arc::new(lanes)))
    }

    /// A client of an address that a user chose: `http` decides whether it may be connected to.
    pub fn guarded(options: OpenAiOptions, http: GuardedClient) -> Self {
        Self::sent_by(options, net::vendor_client(), Sender::Guarded(http))
    }

    /// `builder` only builds requests.
    fn sent_by(options: OpenAiOptions, builder: reqwest::Client, sender: Sender) -> Self {
        let config = config(&options);
        // The library would retry by itself and sleep for as long as a server likes; whoever asks here counts and waits.
        let send_once = tower::service_fn(move |request: HttpRequestFactory| {
            let sender = sender.clone();
            async move { send_once(&sender, request).await }
        });
        let client = Client::build(builder, config).with_http_service(send_once);
        Self { options, client }
    }

    async fn ask(
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
        let shown = |text: &str| shown(text, &self.options.api_key);
        stream::read(stream, idle, deltas, &|error| self.describe(error), &shown).await
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
            OpenAIError::Reqwest(error) => unavailable(shown(&with_cause(&error.without_url()))),
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
        let mut reply = self.ask(request, deltas).await?;
        request::estimate_tokens(&mut reply, request, &self.options);
        Ok(reply)
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
        let is_broke = self.message.contains("insufficient_quota");
        if self.status == StatusCode::TOO_MANY_REQUESTS
            && !is_broke
            && let Some(retry_after) = self.retry_after
        {
            return ModelError::Busy { message, retry_after };
        }
        if is_passing && !is_broke {
            return ModelError::Unavailable { message, retry_after: self.retry_after };
        }
        let is_denied = matches!(
            self.status,
            StatusCode::UNAUTHORIZED
                | StatusCode::PAYMENT_REQUIRED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
        );
        if is_broke || is_denied {
            return ModelError::Denied { message };
        }
        ModelError::Refused { message }
    }
}

/// Of the library's settings only what was given here: by itself it tells each server which organization and project the
/// process's environment names.
fn config(options: &OpenAiOptions) -> OpenAIConfig {
    OpenAIConfig::new()
        .with_api_base(&options.base_url)
        .with_api_key(options.api_key.expose_secret())
        .with_org_id("")
        .with_project_id("")
}

async fn send_once(sender: &Sender, request: HttpRequestFactory) -> Result<reqwest::Response, OpenAIError> {
    const READ_MAX: usize = 4_096;
    let built = request.build().await?;
    // It holds the body a second time.
    drop(request);
    // Nothing below sends it again: who does is whoever counts the attempts.
    let response = sender.send(built).await?;
    let status = response.status();
    if status.is_success() {
        return Ok(net::bounded(response, STREAM_MAX));
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

/// A failure, and what it comes from: "error sending request" alone helps nobody.
fn with_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let (said, cause) = (error.to_string(), cause.to_string());
    if said == cause { said } else { format!("{said}: {cause}") }
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

    /// The library reads the environment when it makes its settings, so the test starts itself again in another one.
    ///
    /// Without the empty organization it would be among the headers.
    #[test]
    fn the_environment_of_the_process_is_told_to_nobody() {
        use async_openai::config::Config as _;

        const NAME: &str = "openai::tests::the_environment_of_the_process_is_told_to_nobody";
        let canaries = ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY"];
        if std::env::var(canaries[0]).is_ok_and(|text| text == "canary") {
            let options =
                OpenAiOptions::new("https://models.example/v1", "m", SecretString::from(String::new()));
            let headers = format!("{:?}", config(&options).headers());
            assert!(!headers.to_lowercase().contains("openai-"), "{headers}");
            println!("looked");
            return;
        }
        let itself = std::env::current_exe().expect("this test");
        let again = std::process::Command::new(itself)
            .args([NAME, "--exact", "--nocapture"])
            .envs(canaries.map(|name| (name, "canary")))
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && said.contains("looked"), "{said}");
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
        let named = |status| Rejection { status, message: "later".into(), retry_after: Some(Duration::ZERO) };
        let busy = named(StatusCode::TOO_MANY_REQUESTS).into_model_error(&plain);
        assert!(matches!(busy, ModelError::Busy { .. }));
        let down = named(StatusCode::SERVICE_UNAVAILABLE).into_model_error(&plain);
        assert!(matches!(down, ModelError::Unavailable { retry_after: Some(_), .. }));
        let lasting =
            rejection(StatusCode::TOO_MANY_REQUESTS, "pay (insufficient_quota)").into_model_error(&plain);
        assert!(matches!(lasting, ModelError::Denied { .. }));
        let too_long = rejection(StatusCode::BAD_REQUEST, "too many tokens").into_model_error(&plain);
        assert!(matches!(too_long, ModelError::Refused { .. }));
    }
}
