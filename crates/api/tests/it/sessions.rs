//! Signing in and out, and where requests may come from.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, request};

fn with_cookie(mut request: Request<Body>, cookie: &str) -> Request<Body> {
    request.headers_mut().insert(header::COOKIE, cookie.parse().expect("a header"));
    request
}

fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().expect("a cookie").to_owned()
}

async fn sign_in(api: &Api, email: &str, password: &str) -> Answer {
    api.send(request(Method::POST, "/session", None, Some(json!({"email": email, "password": password}))))
        .await
}

#[tokio::test]
async fn a_session_by_password_rotates_and_ends() {
    let mut api = Api::new().await;
    let user = api.world.user;
    api.set_password(user, "correct horse").await;
    let signed_in = sign_in(&api, " Admin@ACME.test ", "correct horse").await;
    let attributes = signed_in.header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    assert!(!attributes.contains("Secure"), "the public URL is plain http here");
    let me = signed_in.expect(200);
    assert_eq!(me["features"]["outbox"], true);
    assert_eq!(me["role"], "admin");
    let first = cookie_of(&signed_in);
    let get_me = |cookie: &str| with_cookie(request(Method::GET, "/me", None, None), cookie);
    assert_eq!(api.send(get_me(&first)).await.expect(200), me);

    // Signing in again with the old cookie at hand: a new secret, and the old one is worth nothing.
    let body = json!({"email": "admin@acme.test", "password": "correct horse"});
    let again = api.send(with_cookie(request(Method::POST, "/session", None, Some(body)), &first)).await;
    again.expect(200);
    let second = cookie_of(&again);
    assert_ne!(first, second);
    api.send(get_me(&first)).await.expect(401);
    api.send(get_me(&second)).await.expect(200);

    let gone = api.send(with_cookie(request(Method::DELETE, "/session", None, None), &second)).await;
    assert_eq!(gone.status, 204);
    assert!(gone.header("set-cookie").contains("Max-Age=0"));
    api.send(get_me(&second)).await.expect(401);
    // An idle session ends by itself.
    let third = cookie_of(&sign_in(&api, "admin@acme.test", "correct horse").await);
    api.world.step(store::SESSION_IDLE + TimeDelta::seconds(1));
    api.send(get_me(&third)).await.expect(401);
}

#[tokio::test]
async fn a_cookie_is_secure_behind_tls() {
    let mut api = Api::with(|options| options.public_url = "https://tidings.test".into()).await;
    let user = api.world.user;
    api.set_password(user, "correct horse").await;
    let signed_in = sign_in(&api, "admin@acme.test", "correct horse").await;
    assert!(signed_in.header("set-cookie").ends_with("; Secure"));
    assert!(signed_in.header("strict-transport-security").starts_with("max-age="));
}

#[tokio::test]
async fn an_unknown_user_is_told_what_a_wrong_password_is() {
    let mut api = Api::new().await;
    let user = api.world.user;
    api.set_password(user, "correct horse").await;
    let told = |answer: &Answer| {
        let mut body = answer.expect(401);
        body["traceId"] = Value::Null;
        body
    };
    let wrong = sign_in(&api, "admin@acme.test", "wrong").await;
    let unknown = sign_in(&api, "nobody@acme.test", "wrong").await;
    assert_eq!(told(&wrong), told(&unknown));
    // One without a password is told the same.
    let no_password = api.world.member("ann", domain::access::Role::Member).await;
    let told_ann = sign_in(&api, "ann@acme.test", "").await;
    assert_eq!(told(&wrong), told(&told_ann));
    api.sign_in_link(no_password).await;
}

#[tokio::test]
async fn guessing_is_slowed_down_by_rate() {
    let mut api = Api::new().await;
    let user = api.world.user;
    api.set_password(user, "correct horse").await;
    for _ in 0..store::SIGN_IN_ATTEMPTS_PAIR {
        sign_in(&api, "admin@acme.test", "wrong").await.expect(401);
    }
    let refused = sign_in(&api, "admin@acme.test", "correct horse").await;
    refused.expect(429);
    let wait: i64 = refused.header("retry-after").parse().expect("whole seconds");
    assert!(wait > 0);
    // Whoever is signed in by other means is not locked out.
    let secret = api.sign_in_link(user).await;
    let link = api.send(request(Method::POST, "/session/link", None, Some(json!({"token": secret})))).await;
    link.expect(200);
    api.world.step(store::SIGN_IN_SPAN + TimeDelta::seconds(1));
    sign_in(&api, "admin@acme.test", "correct horse").await.expect(200);
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let mut api = Api::new().await;
    let user = api.world.user;
    let secret = api.sign_in_link(user).await;
    let use_link = || request(Method::POST, "/session/link", None, Some(json!({"token": secret})));
    let signed_in = api.send(use_link()).await;
    assert_eq!(signed_in.expect(200)["id"], json!(user));
    api.send(use_link()).await.expect(401);
    let late = api.sign_in_link(user).await;
    api.world.step(TimeDelta::hours(2));
    api.send(request(Method::POST, "/session/link", None, Some(json!({"token": late})))).await.expect(401);
}

#[tokio::test]
async fn another_site_cannot_act_through_the_cookie() {
    let mut api = Api::new().await;
    let user = api.world.user;
    let secret = api.sign_in_link(user).await;
    let link = json!({"token": secret});
    let mut foreign = request(Method::POST, "/session/link", None, Some(link.clone()));
    foreign.headers_mut().insert("sec-fetch-site", "cross-site".parse().expect("a header"));
    api.send(foreign).await.expect(403);
    let cookie = cookie_of(&api.send(request(Method::POST, "/session/link", None, Some(link))).await);
    let rename = |headers: &[(&'static str, &str)]| {
        let mut request =
            with_cookie(request(Method::PATCH, "/me", None, Some(json!({"name": "New"}))), &cookie);
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        request
    };
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.test"), ("host", "tidings.test")],
        &[("origin", "null"), ("host", "tidings.test")],
    ] {
        let refused = api.send(rename(headers)).await.expect(403);
        assert_eq!(refused["code"], "FORBIDDEN", "{headers:?}");
    }
    for headers in [
        &[("sec-fetch-site", "same-origin"), ("origin", "http://tidings.test")][..],
        &[("origin", "http://tidings.test")],
        &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
        &[],
    ] {
        api.send(rename(headers)).await.expect(200);
    }
    // A token is nobody's ambient right: it may come from anywhere.
    let mut by_token = request(Method::PATCH, "/me", Some(&api.token), Some(json!({"name": "New"})));
    by_token.headers_mut().insert("sec-fetch-site", "cross-site".parse().expect("a header"));
    api.send(by_token).await.expect(200);
}

#[tokio::test]
async fn a_deactivated_member_is_out_at_once() {
    let mut api = Api::new().await;
    let (user, token) = api.member("ann", domain::access::Role::Editor).await;
    let secret = api.sign_in_link(user).await;
    let signed_in =
        api.send(request(Method::POST, "/session/link", None, Some(json!({"token": secret})))).await;
    let cookie = cookie_of(&signed_in);
    api.world.store().member_deactivate(&api.world.scope, user).await.expect("deactivated");
    api.call(&token, Method::GET, "/me", None).await.expect(401);
    api.send(with_cookie(request(Method::GET, "/me", None, None), &cookie)).await.expect(401);
}

#[tokio::test]
async fn tokens_are_shown_once_and_end() {
    let api = Api::new().await;
    let made =
        api.post("/tokens", json!({"name": "CI", "expiresAt": "2026-06-01T00:00:00Z"})).await.expect(201);
    let secret = made["token"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("tdgp_") && secret.len() >= 48);
    let listed = api.get("/tokens").await;
    let list = listed.expect(200);
    let listed_once = list["values"].as_array().expect("values").iter().filter(|token| token["name"] == "CI");
    assert_eq!(listed_once.count(), 1);
    assert!(!listed.text().contains(&secret));
    let me = api.call(&secret, Method::GET, "/users/me", None).await.expect(200);
    assert_eq!(me["token"]["exp"], "2026-06-01T00:00:00Z");
    let path = format!("/tokens/{}", made["id"].as_str().expect("an id"));
    assert_eq!(api.delete(&path).await.status, 204);
    api.call(&secret, Method::GET, "/me", None).await.expect(401);
    for (body, field) in [
        (json!({"name": "", "expiresAt": "2026-06-01T00:00:00Z"}), "name"),
        (json!({"name": "x", "expiresAt": "2026-01-01T00:00:00Z"}), "expiresAt"),
        (json!({"name": "x", "expiresAt": "2036-01-01T00:00:00Z"}), "expiresAt"),
        (json!({"name": "x"}), "expiresAt"),
    ] {
        assert_eq!(api.post("/tokens", body).await.issues(), [field]);
    }
}

#[tokio::test]
async fn one_looks_after_oneself() {
    let api = Api::new().await;
    let changed = api.patch("/me", json!({"name": "Ada", "timezone": "Asia/Tokyo"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["timezone"]), (&json!("Ada"), &json!("Asia/Tokyo")));
    assert_eq!(api.get("/me").await.expect(200), changed);
    assert_eq!(
        api.patch("/me", json!({"name": "", "timezone": "Mars"})).await.issues(),
        ["name", "timezone"]
    );
    let task = api.world.task(|_| {}).await.id;
    let wanted = json!({"email": false, "slackDm": true, "quietTaskIds": [task]});
    assert_eq!(api.put("/me/notification-preferences", wanted.clone()).await.expect(200), wanted);
    assert_eq!(api.get("/me/notification-preferences").await.expect(200), wanted);
    // What one does not want to hear of may have been added to since it was read.
    let ways = json!({"email": true, "slackDm": true});
    let kept = json!({"email": true, "slackDm": true, "quietTaskIds": [task]});
    assert_eq!(api.put("/me/notification-preferences", ways).await.expect(200), kept);
    let none = json!({"email": true, "slackDm": true, "quietTaskIds": []});
    assert_eq!(api.put("/me/notification-preferences", none.clone()).await.expect(200), none);
}

#[tokio::test]
async fn secrets_stay_out_of_the_log() {
    const CANARIES: [&str; 4] = ["canary-password-1", "canary-link-2", "canary-prompt-3", "canary-secret-4"];
    let log = Log::default();
    // Of the whole process: one thread's own would miss what others have met first. No other test sets one.
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only subscriber");
    let mut api = Api::new().await;
    let user = api.world.user;
    api.set_password(user, CANARIES[0]).await;
    let signed_in = sign_in(&api, "admin@acme.test", CANARIES[0]).await;
    let cookie = cookie_of(&signed_in);
    sign_in(&api, "admin@acme.test", &format!("{}-wrong", CANARIES[0])).await.expect(401);
    api.send(request(Method::POST, "/session/link", None, Some(json!({"token": CANARIES[1]}))))
        .await
        .expect(401);
    api.post("/threads", json!({"prompt": CANARIES[2]})).await.expect(200);
    let details = json!({"postgres": {
        "hostname": "127.0.0.1", "port": 1, "database": "d", "username": "u", "password": CANARIES[3],
    }});
    let body = json!({"name": "PG", "type": "postgres", "connectionDetails": details});
    api.post("/data-connections", body).await.expect(201);
    api.send(with_cookie(request(Method::GET, "/me", None, None), &cookie)).await.expect(200);
    api.call("tdgp_wrong-canary", Method::GET, "/me", None).await.expect(401);
    let written = log.text();
    assert!(
        written.contains("answered") && written.contains("request_id"),
        "the log was not heard: {written}"
    );
    let cookie_secret = cookie.split_once('=').expect("a cookie").1;
    for secret in
        CANARIES.into_iter().chain([cookie_secret, &api.token, "tdgp_wrong-canary", "admin@acme.test"])
    {
        assert!(!written.contains(secret), "{secret} is in the log");
    }
}

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("text")
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
