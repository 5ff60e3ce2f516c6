//! What is served beside the API: the reference, health, counts, the page; and the headers that bind a browser.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::json;

use crate::harness::{Answer, Api};

async fn get(api: &Api, path: &str) -> Answer {
    api.send(Request::builder().uri(path).body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn the_reference_needs_nothing_from_elsewhere() {
    let api = Api::new().await;
    let document = get(&api, "/api/openapi.json").await;
    assert_eq!(document.expect(200)["openapi"], "3.1.0");
    let reference = get(&api, "/api/docs").await;
    assert_eq!(reference.status, 200);
    let html = reference.text();
    for operation in document.json()["paths"].as_object().expect("paths").values() {
        for operation in operation.as_object().expect("operations").values() {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(html.contains(&format!("id=\"{id}\"")), "{id} is missing");
        }
    }
    assert!(
        !html.contains("<script")
            && !html.contains("src=")
            && !html.contains("http:")
            && !html.contains("https:")
    );
}

#[tokio::test]
async fn health_is_told_at_the_root() {
    let api = Api::new().await;
    assert_eq!(get(&api, "/healthz").await.expect(200), json!({"status": "ok"}));
    assert_eq!(get(&api, "/readyz").await.expect(200)["database"], "ok");
    assert_eq!(get(&api, "/metrics").await.status, 200);
    api.world.store().close().await;
    let down = get(&api, "/readyz").await;
    assert_eq!(down.expect(503), json!({"status": "unavailable", "database": "unreachable"}));
    // Nothing of the database's words gets out.
    let failed = api.get("/me").await.expect(503);
    assert_eq!(failed["code"], "UNAVAILABLE");
    assert!(!failed.to_string().to_lowercase().contains("pool"), "{failed}");
}

#[tokio::test]
async fn every_answer_binds_the_browser_and_has_an_id() {
    let api = Api::new().await;
    for path in
        ["/", "/api/docs", "/api/v1/me", "/api/v1/nothing", "/assets/none.js", "/tasks/123", "/healthz"]
    {
        let answer = get(&api, path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe-eval") && policy.contains("script-src 'self';"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert!(!answer.header("x-request-id").is_empty());
    }
    let missing = get(&api, "/api/v1/nothing").await;
    assert_eq!(missing.expect(404)["traceId"], missing.header("x-request-id"));
    let other = get(&api, "/api/v1/nothing").await;
    assert_ne!(missing.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test]
async fn a_method_that_is_not_served_says_which_are() {
    let api = Api::new().await;
    let refused = api.call(&api.token, Method::PUT, "/tasks", Some(json!({}))).await;
    assert_eq!(refused.expect(405)["reason"], "method_not_allowed");
    assert!(refused.header("allow").contains("POST"));
}

#[tokio::test]
async fn routes_that_are_not_built_are_absent() {
    let api = Api::new().await;
    for path in ["/projects", "/semantic-projects"] {
        api.get(path).await.expect(404);
    }
}

#[tokio::test]
async fn the_pages_own_paths_get_the_page_and_missing_files_do_not() {
    let api = Api::new().await;
    for path in ["/", "/tasks", "/threads/019396f0-0000-7000-8000-000000000001", "/sign-in"] {
        let page = get(&api, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with("text/html"));
        assert_eq!(page.header("cache-control"), "no-cache");
    }
    for path in ["/assets/missing.js", "/favicon.missing", "/../Cargo.toml", "/..%2f..%2fCargo.toml"] {
        assert_eq!(get(&api, path).await.status, 404, "{path}");
    }
    let post = Request::builder().method(Method::POST).uri("/tasks").body(Body::empty()).expect("a request");
    assert_eq!(api.send(post).await.status, 404);
}

#[tokio::test]
async fn answers_are_compressed_when_asked() {
    let api = Api::new().await;
    let request = Request::builder()
        .uri("/api/openapi.json")
        .header(header::ACCEPT_ENCODING, "gzip")
        .body(Body::empty())
        .expect("a request");
    let answer = api.send(request).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert!(answer.bytes.len() < api::document_json().len() / 4);
}
