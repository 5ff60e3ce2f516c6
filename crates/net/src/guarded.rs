//! A client for addresses that users chose.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, ClientBuilder, Request, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::{address::is_public, builder, send};

/// How long a request and its response may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a guarded request was not sent, or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none that may be connected to.
    #[error("requests to {host} are not allowed: {reason}")]
    Refused {
        /// The host that was named.
        host: String,
        /// What is not allowed about it.
        reason: &'static str,
    },
    /// It was sent and failed, or its name leads to an address that is not allowed.
    #[error("the request failed")]
    Failed(#[source] reqwest::Error),
}

/// A client that connects to public addresses only, follows no redirect and uses no proxy.
#[derive(Clone, Debug)]
pub struct GuardedClient {
    client: Client,
    /// Addresses that the operator lets users choose besides public ones.
    allowed: Arc<[IpAddr]>,
}

impl Default for GuardedClient {
    fn default() -> Self {
        Self::new()
    }
}

impl GuardedClient {
    /// A guarded client.
    pub fn new() -> Self {
        Self::allowing(Vec::new())
    }

    /// A guarded client that also connects to these addresses, whatever they are: those that the operator named.
    pub fn allowing(allowed: Vec<IpAddr>) -> Self {
        Self::built(allowed, builder().timeout(REQUEST_TIMEOUT))
    }

    /// As [`GuardedClient::allowing`], for replies that stream for minutes: there is no limit on the whole request, and
    /// whoever uses it sets one. Nothing is unpacked: a few bytes of a stream must not stand for many.
    pub fn streaming(allowed: Vec<IpAddr>) -> Self {
        Self::built(allowed, builder().no_gzip())
    }

    fn built(allowed: Vec<IpAddr>, builder: ClientBuilder) -> Self {
        let allowed: Arc<[IpAddr]> = allowed.into();
        let client = builder
            .no_proxy()
            .dns_resolver(Arc::new(PublicOnly { allowed: Arc::clone(&allowed) }))
            .build()
            .expect("a client without special options can be built");
        Self { client, allowed }
    }

    /// For building a request; [`GuardedClient::send`] sends it.
    pub fn request(&self, method: reqwest::Method, url: Url) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    /// For building a POST.
    pub fn post(&self, url: Url) -> reqwest::RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request if its address is allowed.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        check(request.url(), &self.allowed)?;
        send(&self.client, request).await.map_err(|error| Error::Failed(error.without_url()))
    }
}

/// An address written as digits never passes the resolver, so it is checked here. The URL's parser has already brought odd
/// notations (`0x7f.1`, `2130706433`) to their common form.
fn check(url: &Url, allowed: &[IpAddr]) -> Result<(), Error> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let refused = |reason| Err(Error::Refused { host: host.clone(), reason });
    if !matches!(url.scheme(), "http" | "https") {
        return refused("only http and https are spoken");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("an address must not hold credentials");
    }
    let digits = host.trim_start_matches('[').trim_end_matches(']');
    match digits.parse() {
        Ok(address) if !may_reach(address, allowed) => refused("the address is not public"),
        _ => Ok(()),
    }
}

fn may_reach(address: IpAddr, allowed: &[IpAddr]) -> bool {
    is_public(address) || allowed.contains(&address)
}

/// Resolves names, and answers only public addresses. The connection is made to what this answers, so that a name cannot
/// lead elsewhere between check and use.
#[derive(Clone, Debug)]
struct PublicOnly {
    allowed: Arc<[IpAddr]>,
}

/// A name that has no public address.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to no public address")]
struct NoPublicAddress;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| may_reach(address.ip(), &allowed)).collect();
            if public.is_empty() {
                return Err(NoPublicAddress.into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use tokio::net::TcpListener;

    use super::*;

    async fn sent_to(url: &str) -> Error {
        let client = GuardedClient::new();
        let request =
            client.request(reqwest::Method::GET, url.parse().expect("a URL")).build().expect("a request");
        client.send(request).await.expect_err("a refusal")
    }

    #[tokio::test]
    async fn no_connection_reaches_a_private_address_however_it_is_written() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "10.0.0.1",
            "169.254.169.254",
            "１２７.0.0.1",
            "user:secret@127.0.0.1",
        ] {
            let error = sent_to(&format!("http://{host}:{port}/")).await;
            assert!(matches!(error, Error::Refused { .. }), "{host}: {error}");
        }
        // A name passes the first check; the look-up of the connection itself refuses it.
        for host in ["localhost", "LocalHost"] {
            let error = sent_to(&format!("http://{host}:{port}/")).await;
            let mut chain = vec![error.to_string()];
            let mut source = error.source();
            while let Some(error) = source {
                chain.push(error.to_string());
                source = error.source();
            }
            assert!(chain.iter().any(|link| link.contains("no public address")), "{host}: {chain:?}");
        }
        let connected = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(connected.is_err(), "something connected");
    }

    #[tokio::test]
    async fn only_what_the_operator_allowed_is_reached_besides_public_addresses() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let client = GuardedClient::allowing(vec!["127.0.0.1".parse().expect("an address")]);
        for (host, is_reached) in
            [("127.0.0.1", true), ("localhost", true), ("127.0.0.2", false), ("[::1]", false)]
        {
            let url = format!("http://{host}:{port}/").parse().expect("a URL");
            let request = client.request(reqwest::Method::GET, url).build().expect("a request");
            let accepting =
                async { tokio::time::timeout(Duration::from_secs(5), listener.accept()).await.is_ok() };
            let reached = tokio::select! {
                _ = client.send(request) => false,
                reached = accepting => reached,
            };
            assert_eq!(reached, is_reached, "{host}");
        }
    }

    #[tokio::test]
    async fn only_http_is_spoken() {
        for url in ["file:///srv/data", "ftp://example.com/", "unix:/run/postgresql"] {
            let refused = check(&url.parse().expect("a URL"), &[]);
            assert!(matches!(refused, Err(Error::Refused { .. })), "{url}");
        }
        assert!(check(&"https://example.com/hook".parse().expect("a URL"), &[]).is_ok());
    }

    #[tokio::test]
    async fn the_vendor_client_may_reach_loopback_and_follows_no_redirect() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.expect("a request") > 0);
            let reply = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(reply.as_bytes()).await.expect("written");
        });
        let client = crate::vendor_client();
        let request = client.get(format!("http://{address}/")).build().expect("a request");
        let response = send(&client, request).await.expect("a response");
        assert_eq!(response.status().as_u16(), 302);
        server.await.expect("served");
    }
}
