//! Outbound HTTP, in two kinds.
//!
//! [`vendor_client`] is for addresses that the operator chose, such as Slack's, and [`Lanes`] for one of them that takes
//! thousands of slow requests at once: a model's provider. [`GuardedClient`] is for addresses that a user chose, such as a
//! webhook: it connects to public addresses only, which it checks after the name was resolved and in the very look-up that
//! the connection uses, follows no redirect and uses no proxy. All are sent through [`send`], which traces them.

mod address;
mod bounded;
mod guarded;
mod lanes;
mod trust;

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Request, Response};
use tracing::{Instrument as _, field};

pub use address::is_public;
pub use bounded::bounded;
pub use guarded::{Error, GuardedClient};
pub use lanes::{Lanes, REQUESTS_PER_LANE};
pub use trust::AuthorityError;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for addresses that the operator chose. It has no limit on the whole request, since a reply may stream for
/// minutes: whoever uses it sets one.
pub fn vendor_client() -> Client {
    builder().build().expect("a client without special options can be built")
}

/// Sends a request, and traces its method, host, status and time; never its path, query, headers or body.
pub async fn send(client: &Client, request: Request) -> Result<Response, reqwest::Error> {
    let span = tracing::info_span!(
        "http_request",
        method = %request.method(),
        host = request.url().host_str().unwrap_or_default(),
        status = field::Empty,
    );
    let sent = client.execute(request).instrument(span.clone()).await;
    if let Ok(response) = &sent {
        span.record("status", response.status().as_u16());
    }
    sent
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds HTTP clients")]
fn builder() -> ClientBuilder {
    // Another part may have chosen the provider already; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("tidings/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
}
