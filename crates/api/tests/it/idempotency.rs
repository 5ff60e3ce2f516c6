//! A request that comes twice acts once.

use axum::http::Method;
use serde_json::json;

use crate::{
    harness::{Api, request},
    tasks::task,
};

fn keyed(api: &Api, path: &str, key: &str, body: serde_json::Value) -> axum::http::Request<axum::body::Body> {
    let mut request = request(Method::POST, path, Some(&api.token), Some(body));
    request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
    request
}

#[tokio::test]
async fn ten_racing_callers_have_one_effect() {
    let api = Api::new().await;
    for round in 0..5 {
        let key = format!("key-{round}");
        let race = (0..10).map(|_| api.send(keyed(&api, "/tasks", &key, task(json!({})))));
        let answers = futures::future::join_all(race).await;
        let first = answers[0].expect(201);
        assert!(answers.iter().all(|answer| answer.expect(201) == first));
        assert_eq!(
            answers.iter().filter(|answer| answer.headers.contains_key("idempotency-replayed")).count(),
            9
        );
    }
    assert_eq!(api.world.number("SELECT count(*) FROM task").await, 5);
}

#[tokio::test]
async fn another_body_is_a_conflict_and_a_refusal_may_be_repeated() {
    let api = Api::new().await;
    api.send(keyed(&api, "/tasks", "k", task(json!({})))).await.expect(201);
    let other = api.send(keyed(&api, "/tasks", "k", task(json!({"title": "Other"})))).await.expect(409);
    assert_eq!(other["reason"], "idempotency_key_reused");
    let thread = api.send(keyed(&api, "/threads", "k", json!({"prompt": "Flights?"}))).await.expect(409);
    assert_eq!(thread["code"], "CONFLICT");
    assert_eq!(api.send(keyed(&api, "/tasks", "r", task(json!({"title": ""})))).await.issues(), ["title"]);
    api.send(keyed(&api, "/tasks", "r", task(json!({})))).await.expect(201);
    api.send(keyed(&api, "/tasks", "", task(json!({})))).await.expect(400);
    api.send(keyed(&api, "/tasks", &"k".repeat(256), task(json!({})))).await.expect(400);
    // After a day the key is free again.
    api.world.step(chrono::TimeDelta::hours(25));
    api.send(keyed(&api, "/tasks", "k", task(json!({"title": "Other"})))).await.expect(201);
}

#[tokio::test]
async fn another_user_has_keys_of_their_own() {
    let mut api = Api::new().await;
    let (_, other) = api.member("ann", domain::access::Role::Editor).await;
    let first = api.send(keyed(&api, "/tasks", "k", task(json!({})))).await.expect(201);
    api.token = other;
    let second = api.send(keyed(&api, "/tasks", "k", task(json!({})))).await.expect(201);
    assert_ne!(first["id"], second["id"]);
}
