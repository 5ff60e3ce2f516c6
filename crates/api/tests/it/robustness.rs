//! Hostile input, to every operation of the document: never a server error, never an answer that is not documented.

use axum::{body::Body, http::header};
use domain::access::Role;
use serde_json::{Value, json};

use crate::{
    authorization::{Operation, Things, body, operations},
    harness::{Answer, Api, request},
};

/// What stands in for a value.
fn hostile() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1e308),
        json!(18_446_744_073_709_551_615_u64),
        json!(1.5),
        json!(""),
        json!("\u{0}"),
        json!("x".repeat(30_000)),
        json!("\u{202e}\u{1f4a9}\u{fffd}'; DROP TABLE task; --"),
        json!("019396f0-0000-7000-8000-000000000001"),
        json!("+262142-12-31T23:59:59Z"),
        json!("-9999-01-01T00:00:00Z"),
        json!([]),
        json!([null, {"a": [1]}]),
        json!({}),
        json!({"$ne": 1}),
    ]
}

/// Every variant of a value with one of its parts replaced, or with a field too many.
fn variants(value: &Value) -> Vec<Value> {
    let mut variants = hostile();
    if let Value::Object(fields) = value {
        for (name, part) in fields {
            for variant in self::variants(part) {
                let mut changed = fields.clone();
                changed.insert(name.clone(), variant);
                variants.push(changed.into());
            }
            let mut without = fields.clone();
            without.remove(name);
            variants.push(without.into());
        }
        let mut with = fields.clone();
        with.insert("un\u{0}known".into(), json!(1));
        variants.push(with.into());
    }
    if let Value::Array(parts) = value
        && let Some(part) = parts.first()
    {
        variants.extend(self::variants(part).into_iter().map(|variant| json!([variant])));
    }
    variants
}

#[track_caller]
fn check(operation: &Operation, answer: &Answer, what: &str) {
    let status = answer.status.as_u16();
    let told = String::from_utf8_lossy(&answer.bytes);
    assert!(status < 500 || status == 503, "{} {what}: {status} {told}", operation.id);
    let is_documented = operation.document["responses"].get(status.to_string()).is_some();
    assert!(is_documented, "{} {what}: {status} is not documented: {told}", operation.id);
    assert!(!answer.header("x-request-id").is_empty());
    if answer.status.is_success() {
        return;
    }
    let body = answer.json();
    for field in ["reason", "details", "traceId", "message", "code"] {
        assert!(body[field].is_string(), "{} {what}: no {field} in {body}", operation.id);
    }
    assert_eq!(body["traceId"], answer.header("x-request-id"));
    let lower = told.to_lowercase();
    assert!(
        !lower.contains("sqlx") && !lower.contains("postgresql error") && !lower.contains("panicked"),
        "{told}"
    );
    if status == 422 {
        assert!(!body["issues"].as_array().expect("issues").is_empty(), "{} {what}: {body}", operation.id);
    }
}

#[tokio::test]
async fn hostile_bodies_are_refused_in_order() {
    let api = Api::with(|options| options.runs_per_minute = 100_000).await;
    let things = Things::make(&api).await;
    let mut tried = 0;
    for operation in operations() {
        let Some(body) = body(&operation.id) else { continue };
        let path = things.path(&operation.path);
        for variant in variants(&body) {
            let answer = api.call(&api.token, operation.method.clone(), &path, Some(variant.clone())).await;
            let what = variant.to_string().chars().take(300).collect::<String>();
            check(&operation, &answer, &what);
            tried += 1;
        }
        for raw in [&b"{"[..], b"\xff\xfe", b"nul", b"{\"a\":1}{", b"\x1f\x8b\x08"] {
            let mut request = request(operation.method.clone(), &path, Some(&api.token), None);
            request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("a header"));
            *request.body_mut() = Body::from(raw);
            let answer = api.send(request).await;
            check(&operation, &answer, "raw");
            assert_eq!(answer.status, 400, "{}", operation.id);
        }
    }
    assert!(tried > 1_000, "only {tried} bodies were tried");
}

#[tokio::test]
async fn hostile_paths_queries_and_headers_are_refused_in_order() {
    let mut api = Api::with(|options| options.runs_per_minute = 100_000).await;
    let things = Things::make(&api).await;
    // Someone who may do nothing is enough: what cannot be read is refused before rights are looked at, or is not found.
    let (_, token) = api.member("ann", Role::Editor).await;
    let parts = [
        "not-a-uuid",
        "00000000-0000-0000-0000-000000000000",
        "%00",
        "%ff%fe",
        "..%2f..%2fetc",
        "%F0%9F%92%A9",
        "1e9",
    ];
    let values = [
        "",
        "-1",
        "0",
        "1e9",
        "99999999999999999999",
        "%00",
        "%ff",
        "null",
        "true",
        "AAAA",
        "x%27%3B--",
        "[]",
    ];
    for operation in operations() {
        for part in parts {
            let documented = operation.path.clone();
            if !documented.contains('{') {
                break;
            }
            let path: Vec<_> = documented
                .split('/')
                .map(|segment| if segment.starts_with('{') { part } else { segment })
                .collect();
            let answer =
                api.call(&token, operation.method.clone(), &path.join("/"), body(&operation.id)).await;
            check(&operation, &answer, part);
            assert!(!answer.status.is_success(), "{} took {part}", operation.id);
        }
        for parameter in operation.document["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            for value in values {
                if parameter["in"] == "query" {
                    let path = format!("{}?{name}={value}", things.path(&operation.path));
                    let answer = api.call(&api.token, operation.method.clone(), &path, None).await;
                    check(&operation, &answer, &path);
                }
                if parameter["in"] == "header" && operation.id != "thread_events" {
                    let path = things.path(&operation.path);
                    let mut request =
                        request(operation.method.clone(), &path, Some(&token), body(&operation.id));
                    let name: header::HeaderName = name.parse().expect("a name");
                    request.headers_mut().insert(name, value.parse().expect("a value"));
                    check(&operation, &api.send(request).await, value);
                }
            }
        }
    }
}
