//! Requests to one server by the thousand, each of which may wait for minutes.
//!
//! Over HTTP/2 requests share connections, and a server takes only so many at once on each (100, commonly). A client of one
//! connection would keep the others waiting in its own queue, unseen, until their patience ends. So there are several
//! clients, the lanes: each has a connection of its own, and a request takes the first lane that has room.
//!
//! A lane's first request goes alone until its connection stands. Those that come with it wait so long, and share the
//! connection then, where each would make one of its own. The same holds after the connection broke, with all that was on it,
//! and after the lane was idle.
//!
//! Over HTTP/1.1 every request has its own connection in any case.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::{Body, Client, Request, Response};
use rustls::ClientConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{AuthorityError, builder, send, trust::trust};

/// Requests on one connection. The protocol asks every server to take as many (RFC 9113, 6.5.2), and many take no more.
pub const REQUESTS_PER_LANE: usize = 100;
/// What may lie unread of one reply, in bytes. All of a lane's together fit into what may lie unread on its connection: one
/// reader who is slow holds up no other.
const REPLY_WINDOW: u32 = 64 * 1024;
/// A connection that nothing comes from is asked whether it is alive, while somebody waits for an answer on it.
const ASKED_AFTER: Duration = Duration::from_secs(30);
/// One that does not answer so long is dead, and all that is on it fails.
const DEAD_AFTER: Duration = Duration::from_secs(20);

/// A client for one server that the operator chose, for any number of requests at once.
pub struct Lanes {
    tls: ClientConfig,
    lanes: Arc<Mutex<Vec<Lane>>>,
}

/// A client with a connection of its own. It is kept when it is idle: its connection closes by itself.
struct Lane {
    client: Client,
    under_way: usize,
    gate: Arc<Gate>,
}

/// Lets one request go ahead. Open once a connection stands, for good: after that breaks, or is idle, the lane has another gate.
type Gate = Semaphore;

impl Lanes {
    /// A client that believes the machine's authorities.
    pub fn new() -> Self {
        Self::trusting(None).expect("the machine's authorities can be read")
    }

    /// A client that believes `authority` too: one or more certificates in PEM, such as a company's own.
    pub fn trusting(authority: Option<&[u8]>) -> Result<Self, AuthorityError> {
        Ok(Self { tls: trust(authority)?, lanes: Arc::default() })
    }

    /// A client with the same settings, for building requests.
    pub fn client(&self) -> Client {
        client(&self.tls)
    }

    /// Sends a request once, and traces it as [`send`] does. Its body is written out and not kept. It counts as under way until
    /// the response was read to its end, or dropped.
    pub async fn send(&self, mut request: Request) -> Result<Response, reqwest::Error> {
        let (seat, client) = self.seat();
        // `None`: the gate is open, or was opened meanwhile.
        let first = Arc::clone(&seat.gate).acquire_owned().await.ok();
        if let Some(body) = request.body_mut().take() {
            // Also where nobody waits: a body that could be sent again is kept until the reply begins.
            let sending = Sending { body, first: first.map(|permit| (permit, Arc::clone(&seat.gate))) };
            *request.body_mut() = Some(Body::wrap(sending));
        }
        let response = match send(&client, request).await {
            Ok(response) => response,
            Err(error) => {
                seat.broke();
                return Err(error);
            }
        };
        seat.gate.close();
        let (parts, body) = http::Response::<Body>::from(response).into_parts();
        Ok(http::Response::from_parts(parts, Body::wrap(Receiving { body, seat: Some(seat) })).into())
    }

    /// A place in the first lane that has room.
    fn seat(&self) -> (Seat, Client) {
        let mut lanes = locked(&self.lanes);
        let with_room = lanes.iter().position(|lane| lane.under_way < REQUESTS_PER_LANE);
        let number = with_room.unwrap_or_else(|| {
            let gate = Arc::new(Gate::new(1));
            lanes.push(Lane { client: client(&self.tls), under_way: 0, gate });
            lanes.len() - 1
        });
        let lane = &mut lanes[number];
        lane.under_way += 1;
        let seat = Seat { lanes: Arc::clone(&self.lanes), number, gate: Arc::clone(&lane.gate) };
        (seat, lane.client.clone())
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}

fn locked(lanes: &Mutex<Vec<Lane>>) -> MutexGuard<'_, Vec<Lane>> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn client(tls: &ClientConfig) -> Client {
    builder()
        .tls_backend_preconfigured(tls.clone())
        .http2_initial_stream_window_size(REPLY_WINDOW)
        .http2_initial_connection_window_size(REPLY_WINDOW * REQUESTS_PER_LANE as u32)
        .http2_keep_alive_interval(ASKED_AFTER)
        .http2_keep_alive_timeout(DEAD_AFTER)
        .build()
        .expect("a client with these options can be built")
}

/// A request's place in a lane.
struct Seat {
    lanes: Arc<Mutex<Vec<Lane>>>,
    number: usize,
    gate: Arc<Gate>,
}

impl Seat {
    /// The connection broke, or never stood. Those who wait for it go and find out for themselves; of those who come later one
    /// goes first again.
    fn broke(&self) {
        self.gate.close();
        let lane = &mut locked(&self.lanes)[self.number];
        // Of a hundred that were on it, the first to tell.
        if Arc::ptr_eq(&lane.gate, &self.gate) {
            lane.gate = Arc::new(Gate::new(1));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let lane = &mut locked(&self.lanes)[self.number];
        lane.under_way -= 1;
        if lane.under_way == 0 {
            // The connection may be gone by the time that the next request comes, which goes first again.
            lane.gate = Arc::new(Gate::new(1));
        }
    }
}

/// A request's body. It is asked for when a connection stands that others can share.
struct Sending {
    body: Body,
    /// Of a lane's first request: given back, it lets another go first.
    first: Option<(OwnedSemaphorePermit, Arc<Gate>)>,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        if let Some((_, gate)) = self.first.take() {
            gate.close();
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body, which keeps its place in the lane until it ends.
struct Receiving {
    body: Body,
    seat: Option<Seat>,
}

impl http_body::Body for Receiving {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.seat = None,
            Poll::Ready(Some(Err(_))) => {
                if let Some(seat) = self.seat.take() {
                    seat.broke();
                }
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
