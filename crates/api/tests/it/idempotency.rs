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

#[tokio::test]
async fn a_token_is_made_once_and_its_secret_told_once() {
    let api = Api::new().await;
    let body = json!({"name": "ci", "expiresAt": "2026-06-01T00:00:00Z"});
    let race = (0..10).map(|_| api.send(keyed(&api, "/tokens", "k", body.clone())));
    let answers = futures::future::join_all(race).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1);
    let others = answers.iter().filter(|answer| answer.status != 201);
    assert!(others.map(|answer| answer.expect(409)).all(|body| body["reason"] == "token_already_made"));
    assert_eq!(api.world.number("SELECT count(*) FROM api_token WHERE name = 'ci'").await, 1);
    let secret = made[0].json()["token"].as_str().expect("a secret").to_owned();
    let kept = "SELECT count(*) FROM idempotency_key WHERE idempotency_key::text LIKE";
    assert_eq!(api.world.number(&format!("{kept} '%{secret}%'")).await, 0, "the secret was kept");
}

/// Forgets the answers, as if the server had died right after each effect.
async fn lose_answers(api: &Api) {
    api.world.execute("UPDATE idempotency_key SET response_status = NULL, response_body = NULL").await;
}

#[tokio::test]
async fn what_a_dead_server_did_is_told_by_the_next_one_and_not_done_again() {
    let api = Api::new().await;
    let original = api.post("/tasks", task(json!({"title": "Original"}))).await.expect(201);
    let id = original["id"].as_str().expect("an id");
    let requests = [
        ("/tasks".to_owned(), task(json!({})), 201),
        (format!("/tasks/{id}/run"), json!({"testToMe": true}), 202),
        (format!("/tasks/{id}/duplicate"), json!(null), 200),
        ("/threads".to_owned(), json!({"prompt": "Flights?"}), 200),
        ("/groups".to_owned(), json!({"name": "Growth"}), 201),
    ];
    let send = async |path: &str, body: &serde_json::Value| {
        let mut request = keyed(&api, path, path, body.clone());
        if body.is_null() {
            *request.body_mut() = axum::body::Body::empty();
        }
        api.send(request).await
    };
    for (path, body, status) in &requests {
        let first = send(path, body).await.expect(*status);
        lose_answers(&api).await;
        api.world.step(chrono::TimeDelta::hours(1));
        let again = send(path, body).await;
        assert_eq!(again.expect(*status), first, "{path}");
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
    assert_eq!(api.world.number("SELECT count(*) FROM task").await, 3);
    assert_eq!(api.world.number("SELECT count(*) FROM run").await, 2);
    assert_eq!(api.world.number("SELECT count(*) FROM member_group").await, 1);
}
