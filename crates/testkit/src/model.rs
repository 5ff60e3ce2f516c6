//! A model's server that does not answer, until it is told to: over TLS, as providers are reached, with HTTP/2 or without.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, Response, header::CONTENT_TYPE},
};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// Requests that the server takes at once on a connection, as the providers' do.
const STREAMS: u32 = 100;

/// A whole reply: one word, and why it ends.
const REPLY: &str = concat!(
    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"slow\",\"choices\":",
    "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hello.\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"slow\",\"choices\":",
    "[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
);

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 to those who can.
    Http2,
}

/// A running server. It ends when it is dropped.
pub struct SlowModel {
    address: SocketAddr,
    authority: String,
    state: Arc<State>,
    /// Stops when dropped.
    _serving: JoinSet<()>,
}

struct State {
    connections: AtomicU32,
    waiting: AtomicU32,
    taken: watch::Sender<u32>,
    answers: watch::Sender<bool>,
    /// How often everybody was hung up on.
    hang_ups: watch::Sender<u32>,
}

impl SlowModel {
    /// Starts it on a free port of 127.0.0.1, with a certificate of an authority of its own.
    pub async fn start(speaks: Speaks) -> io::Result<Self> {
        let (authority, config) = certificate(speaks).map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            connections: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            taken: watch::Sender::new(0),
            answers: watch::Sender::new(false),
            hang_ups: watch::Sender::new(0),
        });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&state)));
        Ok(Self { address, authority, state, _serving: serving })
    }

    /// What a client is given: `https://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("https://{}/v1", self.address)
    }

    /// The certificate of the authority that its own is signed by, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Requests that were read whole and have no answer.
    pub fn waiting(&self) -> u32 {
        self.state.waiting.load(Ordering::Relaxed)
    }

    /// Returns once so many requests were read whole since the start, or more.
    pub async fn until_taken(&self, many: u32) {
        let mut taken = self.state.taken.subscribe();
        taken.wait_for(|taken| *taken >= many).await.expect("the server runs");
    }

    /// Connections that were made so far.
    pub fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Answers all who wait, and all who come from now on.
    pub fn answer(&self) {
        self.state.answers.send_replace(true);
    }

    /// Closes every connection there is, with all that waits on it, without a word.
    pub fn hang_up(&self) {
        self.state.hang_ups.send_modify(|hang_ups| *hang_ups += 1);
    }
}

/// An authority in PEM, and what a server needs that it vouches for.
fn certificate(speaks: Speaks) -> Result<(String, ServerConfig), Box<dyn std::error::Error + Send + Sync>> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(authority, authority_key);
    let own = CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string()])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)?;
    config.alpn_protocols = match speaks {
        Speaks::Http1 => vec![b"http/1.1".to_vec()],
        Speaks::Http2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok((authority_pem, config))
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, state: Arc<State>) {
    let mut held = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        held.spawn(async move {
            let mut hang_ups = state.hang_ups.subscribe();
            tokio::select! {
                _ = hang_ups.changed() => {}
                // A connection that breaks off is missed by whoever counts what waits.
                _ = hold(stream, &tls, &state) => {}
            }
        });
        while held.try_join_next().is_some() {}
    }
}

async fn hold(stream: TcpStream, tls: &TlsAcceptor, state: &Arc<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    state.connections.fetch_add(1, Ordering::Relaxed);
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let state = Arc::clone(state);
    let service = service_fn(move |request: Request<Incoming>| reply(request, Arc::clone(&state)));
    let stream = TokioIo::new(stream);
    if is_http2 {
        let mut server = http2::Builder::new(TokioExecutor::new());
        server.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
        server.serve_connection(stream, service).await.map_err(io::Error::other)
    } else {
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).max_buf_size(8_192);
        server.serve_connection(stream, service).await.map_err(io::Error::other)
    }
}

async fn reply(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Infallible> {
    let mut answers = state.answers.subscribe();
    let mut hang_ups = state.hang_ups.subscribe();
    // One that breaks off waits for nothing.
    let _ = to_bytes(Body::new(request.into_body()), usize::MAX).await;
    let waiting = Waiting::new(&state);
    let is_answered = tokio::select! {
        _ = answers.wait_for(|answers| *answers) => true,
        _ = hang_ups.changed() => false,
    };
    drop(waiting);
    if !is_answered {
        // Until its connection is gone.
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Body::from(REPLY));
    response.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().expect("a header"));
    Ok(response)
}

/// Counts a request while it waits.
struct Waiting<'a>(&'a State);

impl<'a> Waiting<'a> {
    fn new(state: &'a State) -> Self {
        state.waiting.fetch_add(1, Ordering::Relaxed);
        state.taken.send_modify(|taken| *taken += 1);
        Self(state)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
