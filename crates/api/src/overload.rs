//! How much is served at once. What comes on top is refused early, with 503 and the time to come back, so that what was let in
//! is served in bounded time and memory whatever is offered. See "Overload" in `docs/operating.md`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody as _},
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::UserId;
use futures::{StreamExt as _, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use crate::{ApiState, Error, Result, routes::uploads::UPLOAD_PATH};

/// Live streams that read the database at the same time. Word that reaches all of them at once makes a queue, not a crowd.
const LOOKS_AT_ONCE: usize = 4;
/// When to come back for another live stream: some time for one's others to end.
const STREAM_WAIT: Duration = Duration::from_secs(10);

/// How much one process serves at once. All at least 1.
#[derive(Clone, Copy, Debug)]
pub struct LoadLimits {
    /// Connections of clients. Further ones are closed as they come.
    pub connections: usize,
    /// How long a client may take to send a request's head, and how long a connection may idle between requests.
    pub head_time: Duration,
    /// How long a body may take to arrive, uploads apart: a request that is let in holds a place until it is answered.
    pub body_time: Duration,
    /// Requests that are worked on.
    pub requests: usize,
    /// Requests that wait for their turn. Their bodies have not been read.
    pub waiting: usize,
    /// How long they wait before they are refused.
    pub wait: Duration,
    /// Uploads that are received.
    pub uploads: usize,
    /// Live streams of all users.
    pub streams: usize,
    /// Live streams of one user.
    pub streams_per_user: usize,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self {
            connections: 2_000,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(10),
            requests: 32,
            waiting: 128,
            wait: Duration::from_secs(1),
            uploads: 4,
            streams: 500,
            streams_per_user: 20,
        }
    }
}

/// What is under way. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Worked on or waiting.
    admitted: Arc<Semaphore>,
    worked_on: Arc<Semaphore>,
    wait: Duration,
    body_time: Duration,
    uploads: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    streams_per_user: usize,
    streams_of: Arc<Mutex<HashMap<UserId, usize>>>,
    looks: Arc<Semaphore>,
}

/// A place among the live streams, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    user: UserId,
    streams_of: Arc<Mutex<HashMap<UserId, usize>>>,
    _place: OwnedSemaphorePermit,
}

impl Load {
    pub(crate) fn new(limits: &LoadLimits) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(limits.requests + limits.waiting)),
            worked_on: Arc::new(Semaphore::new(limits.requests)),
            wait: limits.wait,
            body_time: limits.body_time,
            uploads: Arc::new(Semaphore::new(limits.uploads)),
            streams: Arc::new(Semaphore::new(limits.streams)),
            streams_per_user: limits.streams_per_user,
            streams_of: Arc::default(),
            looks: Arc::new(Semaphore::new(LOOKS_AT_ONCE)),
        }
    }

    /// A place for one more live stream of a user.
    pub(crate) fn stream(&self, user: UserId) -> Result<StreamPlace> {
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| refused("streams"))?;
        let mut streams_of = self.streams_of.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams_of.entry(user).or_default();
        if *open >= self.streams_per_user {
            return Err(Error::RateLimited { retry_after: STREAM_WAIT });
        }
        *open += 1;
        drop(streams_of);
        Ok(StreamPlace { user, streams_of: Arc::clone(&self.streams_of), _place: place })
    }

    /// The turn of a live stream to read the database.
    pub(crate) async fn look(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.looks).acquire_owned().await.ok()
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut streams_of = self.streams_of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams_of.get_mut(&self.user) {
            *open -= 1;
            if *open == 0 {
                streams_of.remove(&self.user);
            }
        }
    }
}

/// Lets a request in, has it wait, or refuses it.
pub(crate) async fn shed(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let load = &state.load;
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if path == UPLOAD_PATH {
        let Ok(_place) = load.uploads.try_acquire() else { return refused("uploads").into_response() };
        return next.run(request).await;
    }
    let Ok(_admitted) = load.admitted.try_acquire() else { return refused("full").into_response() };
    let Ok(Ok(_worked_on)) = timeout(load.wait, load.worked_on.acquire()).await else {
        return refused("waited").into_response();
    };
    next.run(with_deadline(request, load.body_time)).await
}

fn refused(why: &'static str) -> Error {
    metrics::counter!("tidings_http_refused_total", "why" => why).increment(1);
    Error::Unavailable("the server is busy; try again".into())
}

/// A request whose body fails when it does not arrive in time.
fn with_deadline(request: Request, body_time: Duration) -> Request {
    if request.body().is_end_stream() {
        return request;
    }
    let deadline = Instant::now() + body_time;
    request.map(|body| {
        let chunks = stream::unfold(Some(body.into_data_stream()), move |body| async move {
            let mut body = body?;
            match timeout_at(deadline, body.next()).await {
                Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(body))),
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(None) => None,
                Err(elapsed) => Some((Err(axum::Error::new(elapsed)), None)),
            }
        });
        Body::from_stream(chunks)
    })
}
