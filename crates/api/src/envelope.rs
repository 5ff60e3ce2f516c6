//! What every request and answer has around it: an id, a log line, counts, a time limit, the one error body, and headers
//! that bind the browser.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::{ApiState, Error, error::Failure};

/// What the page may load: itself, nothing from elsewhere, no `eval` and no script in the document. Vega and the editor
/// position things by style attributes.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    font-src 'self'; connect-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'; object-src 'none'";

/// Gives a request its id and its answer the headers that all have; writes the error body, also for a panic.
pub(crate) async fn enclose(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let request_id = Uuid::new_v4().to_string();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("page", MatchedPath::as_str).to_owned();
    let started_at = state.now();
    let span = tracing::info_span!(
        "request",
        request_id,
        %method,
        route,
        user = tracing::field::Empty,
        workspace = tracing::field::Empty
    );
    let response = caught(next.run(request)).instrument(span.clone()).await;
    let mut response = with_error_body(response, &request_id);
    let elapsed = (state.now() - started_at).to_std().unwrap_or_default();
    let status = response.status();
    span.in_scope(|| {
        let (status, elapsed_ms) = (status.as_u16(), elapsed.as_millis() as u64);
        // Refusals are counted, and come in floods.
        if matches!(status, 429 | 503) {
            tracing::debug!(status, elapsed_ms, "refused");
        } else {
            tracing::info!(status, elapsed_ms, "answered");
        }
    });
    let labels =
        [("method", label_of(&method).to_owned()), ("route", route), ("status", status.as_u16().to_string())];
    metrics::counter!("tidings_http_requests_total", &labels).increment(1);
    metrics::histogram!("tidings_http_request_seconds", &labels).record(elapsed.as_secs_f64());
    write_headers(&mut response, &request_id, state.is_secure());
    response
}

/// A method as a label: clients may make methods up, and each label is kept for ever.
fn label_of(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

/// Gives up on a request that takes longer than `limit`.
pub(crate) async fn limit_time(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::Unavailable("the request took too long; try again".into()).into_response(),
    }
}

/// The answer, also where a handler panics.
async fn caught(answer: impl Future<Output = Response>) -> Response {
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    answered.unwrap_or_else(|panic| Error::Internal(panic_error(&*panic)).into_response())
}

fn panic_error(panic: &(dyn Any + Send)) -> anyhow::Error {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    anyhow::anyhow!("a handler panicked: {}", message.unwrap_or("no message"))
}

fn with_error_body(mut response: Response, request_id: &str) -> Response {
    let Some(failure) = response.extensions_mut().remove::<Failure>() else { return response };
    let (mut parts, _) = response.into_parts();
    let body = failure.into_body(request_id.to_owned()).into_response();
    parts.headers.extend(body.headers().clone());
    Response::from_parts(parts, body.into_body())
}

fn write_headers(response: &mut Response, request_id: &str, is_secure: bool) {
    let is_switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), request_id);
    }
    if is_switching {
        return;
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    // A document that is shown in a frame of the page brings a policy of its own.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(PAGE_POLICY));
    // Answers of the API are one caller's alone; files of the page say themselves how long they keep.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer_that_tells_nothing() {
        let response = caught(async { panic!("row 7 of customers") }).await;
        let response = with_error_body(response, "the-id");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(response.into_body(), 10_000).await.expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("text");
        assert!(body.contains("\"traceId\":\"the-id\"") && body.contains("INTERNAL_SERVER_ERROR"), "{body}");
        assert!(!body.contains("customers"), "{body}");
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_given_up() {
        let slow = axum::Router::new().route("/", axum::routing::get(std::future::pending::<()>)).layer(
            axum::middleware::from_fn(|request, next| limit_time(Duration::from_millis(5), request, next)),
        );
        let request = Request::builder().uri("/").body(axum::body::Body::empty()).expect("a request");
        let response = tower::ServiceExt::oneshot(slow, request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
