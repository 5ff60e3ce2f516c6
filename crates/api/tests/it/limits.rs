//! How often, how much.

use axum::{
    body::Body,
    http::{Method, header},
};
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    harness::{Api, request, text},
    tasks::task,
};

#[tokio::test]
async fn sixty_requests_a_minute_and_not_more() {
    let mut api = Api::with(|options| options.requests_per_minute = 60).await;
    for left in (0..60).rev() {
        let served = api.get("/me").await;
        served.expect(200);
        assert_eq!(served.header("ratelimit-remaining"), left.to_string());
    }
    let refused = api.get("/me").await;
    assert_eq!(refused.expect(429)["code"], "RATE_LIMITED");
    assert_eq!(refused.header("ratelimit-limit"), "60");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    let wait: i64 = refused.header("retry-after").parse().expect("whole seconds");
    // Another user is not held up, and whoever waits as told is served.
    let (_, other) = api.member("ann", domain::access::Role::Member).await;
    api.call(&other, Method::GET, "/me", None).await.expect(200);
    api.world.step(TimeDelta::seconds(wait));
    api.get("/me").await.expect(200);
}

#[tokio::test]
async fn twenty_runs_a_minute_and_not_more() {
    let api = Api::new().await;
    let made = api.post("/tasks", task(json!({}))).await.expect(201);
    let path = format!("/tasks/{}/run", text(&made["id"]));
    for _ in 0..10 {
        api.post(&path, json!({})).await.expect(202);
        api.post("/threads", json!({"prompt": "Flights?"})).await.expect(200);
    }
    let refused = api.post(&path, json!({})).await;
    refused.expect(429);
    assert_eq!(refused.header("retry-after"), "3");
    assert_eq!(api.world.number("SELECT count(*) FROM run").await, 20);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let api = Api::new().await;
    let long = api.post("/tasks", task(json!({"prompt": "x".repeat(10 << 20)}))).await.expect(413);
    assert_eq!(long["reason"], "body_too_large");
    let long = api.post("/threads", json!({"prompt": "x".repeat(3 << 20)})).await.expect(413);
    assert_eq!(long["code"], "BAD_REQUEST");
    assert_eq!(api.post("/threads", json!({"prompt": "x".repeat(1 << 20)})).await.issues(), ["prompt"]);
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let api = Api::new().await;
    let send = |media_type: &'static str, body: Vec<u8>| {
        let mut request = request(Method::POST, "/tasks", Some(&api.token), None);
        request.headers_mut().insert(header::CONTENT_TYPE, media_type.parse().expect("a header"));
        *request.body_mut() = Body::from(body);
        request
    };
    api.send(send("text/plain", b"{}".to_vec())).await.expect(415);
    api.send(send("application/x-www-form-urlencoded", b"title=x".to_vec())).await.expect(415);
    api.send(send("application/json", b"{\"title\": ".to_vec())).await.expect(400);
    api.send(send("application/json", vec![0xff, 0xfe])).await.expect(400);
    api.send(send("application/json; charset=utf-8", b"{}".to_vec())).await.expect(422);
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    api.send(send("application/json", deep.into_bytes())).await.expect(400);
}
