//! What is too much is refused early, and does no harm to the rest.

use std::{
    convert::Infallible,
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    http::{Method, Request, header},
};
use futures::stream;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::harness::{Api, request, text};

/// A question whose body never ends.
fn endless(api: &Api) -> Request<Body> {
    let mut request = request(Method::POST, "/threads", Some(&api.token), None);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("a header"));
    *request.body_mut() = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    request
}

#[tokio::test]
async fn what_finds_no_place_is_refused_with_the_time_to_come_back() {
    let api = Api::with(|options| {
        options.load.requests = 1;
        options.load.waiting = 1;
        options.load.wait = Duration::from_millis(20);
    })
    .await;
    api.get("/me").await.expect(200);
    let mut first = Box::pin(api.send(endless(&api)));
    // It is let in, and then waits for its body.
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut first).await.is_err());
    let refused = api.get("/me").await;
    assert_eq!(refused.expect(503)["code"], "UNAVAILABLE");
    assert_eq!(refused.header("retry-after"), "2");
    // Whoever comes while another waits is refused at once.
    let race = futures::future::join_all((0..20).map(|_| api.get("/me"))).await;
    assert!(race.iter().all(|answer| answer.status == 503));
    for path in ["/healthz", "/readyz"] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        api.send(request).await.expect(200);
    }
    drop(first);
    api.get("/me").await.expect(200);
}

#[tokio::test]
async fn a_body_that_does_not_come_gives_its_place_back() {
    let api = Api::with(|options| options.load.body_time = Duration::from_millis(50)).await;
    let refused = api.send(endless(&api)).await.expect(400);
    assert_eq!(refused["message"], "the body could not be read to its end");
}

#[tokio::test]
async fn live_threads_of_one_user_are_bounded() {
    let api = Api::with(|options| {
        options.load.streams_per_user = 2;
    })
    .await;
    let thread = text(&api.post("/threads", json!({"prompt": "Flights?"})).await.expect(200)["threadId"]);
    let path = format!("/threads/{thread}/events");
    let open = async |token: &str| {
        let request = request(Method::GET, &path, Some(token), None);
        api.router.clone().oneshot(request).await.expect("an answer")
    };
    let held = [open(&api.token).await, open(&api.token).await];
    assert!(held.iter().all(|answer| answer.status() == 200));
    let refused = open(&api.token).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (429, &b"10"[..]));
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(10);
    while open(&api.token).await.status() != 200 {
        assert!(Instant::now() < deadline, "the places were not given back");
        tokio::task::yield_now().await;
    }
}

/// The API on a port of its own.
async fn listen(api: &Api) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stopping = CancellationToken::new();
    tokio::spawn(api::serve(listener, api.state.clone(), stopping.clone()));
    (address, stopping)
}

async fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ =
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await.expect("an end");
    bytes
}

#[tokio::test]
async fn connections_are_bounded_and_slow_heads_are_not_waited_for() {
    let api = Api::with(|options| {
        options.load.connections = 1;
        options.load.head_time = Duration::from_millis(300);
    })
    .await;
    let (address, stopping) = listen(&api).await;
    let mut slow = TcpStream::connect(address).await.expect("a connection");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: tid").await.expect("half a head");
    let mut surplus = TcpStream::connect(address).await.expect("a connection");
    assert!(ended(&mut surplus).await.is_empty(), "a second connection was served");
    let said = String::from_utf8(ended(&mut slow).await).expect("text");
    assert!(!said.contains("200 OK"), "{said}");
    // Its place is free again.
    let mut quick = TcpStream::connect(address).await.expect("a connection");
    quick.write_all(b"GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").await.expect("a head");
    assert!(ended(&mut quick).await.starts_with(b"HTTP/1.1 200 OK"));
    stopping.cancel();
}
