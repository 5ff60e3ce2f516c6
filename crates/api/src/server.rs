//! Connections: how many, and how long one may take to say what it wants.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

use crate::{ApiState, router};

/// The most bytes of a connection that are read ahead: the longest head, and how much of a body waits unread.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// How long to wait when no connection can be taken, as when the process has no file left to open.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Serves everything on `listener` until `stopping` is cancelled, then finishes the requests that are under way.
pub async fn serve(listener: TcpListener, state: ApiState, stopping: CancellationToken) {
    let places = Arc::new(Semaphore::new(state.options.load.connections));
    let head_time = state.options.load.head_time;
    let router = router(state);
    let mut under_way = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = under_way.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_client(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "no connection can be taken");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics::counter!("tidings_http_refused_total", "why" => "connections").increment(1);
            continue;
        };
        under_way.spawn(serve_connection(stream, peer, router.clone(), head_time, place, stopping.clone()));
    }
    drop(listener);
    while under_way.join_next().await.is_some() {}
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_time: Duration,
    _place: OwnedSemaphorePermit,
    stopping: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        async move {
            let response: Result<Response, Infallible> = answer.await;
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(READ_AHEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

/// A client that was gone before its connection was taken.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
