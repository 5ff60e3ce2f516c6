//! One call of the Web API: one request, one answer, no repetition.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Client, Error, error::may_be_done};

/// The parts that every answer of the Web API has.
#[derive(Deserialize)]
struct Outcome {
    ok: bool,
    error: Option<String>,
    needed: Option<String>,
    provided: Option<String>,
    response_metadata: Option<ResponseMetadata>,
    /// Where `invalid_blocks` says what is invalid.
    errors: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct ResponseMetadata {
    #[serde(default)]
    messages: Vec<String>,
}

/// An answer that holds nothing that anyone reads.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

impl Client {
    /// Calls a method with a JSON body. Slack reads JSON only in methods that write.
    pub(crate) async fn call_json<T: DeserializeOwned>(
        &self,
        method: &'static str,
        token: &SecretString,
        body: &Value,
    ) -> Result<T, Error> {
        let request = self.http.post(self.address(method)).bearer_auth(token.expose_secret()).json(body);
        self.call(method, request).await
    }

    /// Calls a method with a form, which every method reads. Absent values are left out.
    pub(crate) async fn call_form<T: DeserializeOwned>(
        &self,
        method: &'static str,
        token: &SecretString,
        form: &[(&str, Option<&str>)],
    ) -> Result<T, Error> {
        let request = self.http.post(self.address(method)).bearer_auth(token.expose_secret());
        self.call(method, request.form(&present(form))).await
    }

    /// Sends a request that is complete, and reads its answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, Error> {
        let (status, body) = self.exchange(method, request, self.call_timeout).await?;
        let outcome = match serde_json::from_slice::<Outcome>(&body) {
            Ok(outcome) => outcome,
            // Servers before Slack's own answer in HTML.
            Err(_) if !status.is_success() => return Err(Error::Status { method, status: status.as_u16() }),
            Err(source) => return Err(Error::Unreadable { method, source }),
        };
        if outcome.ok && status.is_success() {
            return serde_json::from_slice(&body).map_err(|source| Error::Unreadable { method, source });
        }
        // A failing status counts more than what its body claims, but for one thing: a body that says that it may have been done.
        let may_be_done = outcome.error.as_deref().is_some_and(may_be_done);
        if status.is_server_error() && !may_be_done {
            return Err(Error::Status { method, status: status.as_u16() });
        }
        let code = outcome.error.clone().unwrap_or_else(|| format!("status_{}", status.as_u16()));
        Err(Error::Refused { method, code, detail: outcome.detail() })
    }

    /// Sends a request and reads the whole body of what is not a rate limit.
    pub(crate) async fn exchange(
        &self,
        method: &'static str,
        request: reqwest::RequestBuilder,
        timeout: Duration,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let request = request.timeout(timeout).build().map_err(|error| Error::of_transport(method, error))?;
        let response =
            net::send(&self.http, request).await.map_err(|error| Error::of_transport(method, error))?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Error::RateLimited { method, retry_after: retry_after(&response) });
        }
        let body = response.bytes().await.map_err(|error| Error::of_transport(method, error))?;
        Ok((status, body.to_vec()))
    }

    pub(crate) fn address(&self, path: &str) -> url::Url {
        self.base_url.join(path).expect("a method's name is a relative address")
    }
}

impl Outcome {
    fn detail(self) -> Option<String> {
        if let Some(needed) = self.needed {
            return Some(format!("needed {needed}, provided {}", self.provided.unwrap_or_default()));
        }
        let mut messages = self.response_metadata.map(|metadata| metadata.messages).unwrap_or_default();
        for error in self.errors.unwrap_or_default() {
            messages.push(error.as_str().map_or_else(|| error.to_string(), str::to_owned));
        }
        (!messages.is_empty()).then(|| messages.join("; "))
    }
}

/// The pairs of a form that have a value.
pub(crate) fn present<'a>(form: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    form.iter().filter_map(|(name, value)| value.map(|value| (*name, value))).collect()
}

/// The next page's cursor; Slack says "none" with an empty one.
#[derive(Deserialize, Default)]
pub(crate) struct Cursor {
    #[serde(default)]
    next_cursor: String,
}

impl Cursor {
    pub(crate) fn into_next(self) -> Option<String> {
        (!self.next_cursor.is_empty()).then_some(self.next_cursor)
    }
}

/// Slack names whole seconds.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
