//! A client of the API: many requests at once, over connections of their own.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{UserId, access::Role};
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use store::{NewToken, NewUser, Scope, Store, TokenKind};

/// No answer takes longer than this, or it counts as none.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A member with a token.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// A client without a token. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    #[expect(clippy::disallowed_methods, reason = "a caller of the API, not a part of Tidings")]
    pub(crate) fn new() -> Self {
        // Another part of this process may have chosen the provider already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build();
        Self(client.expect("a client"))
    }

    /// A request to `/api/v1` and `path`. An error where there was no answer.
    pub(crate) async fn send(
        &self,
        base: &str,
        token: &str,
        (method, path): (&str, &str),
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer, reqwest::Error> {
        let method = method.parse().expect("a method");
        let mut request = self.0.request(method, format!("{base}/api/v1{path}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }

    /// Opens a live thread and reads it to its end, or for as long as the caller waits. Answers the status.
    pub(crate) async fn follow(&self, base: &str, token: &str, thread: &str) -> Result<u16, reqwest::Error> {
        let url = format!("{base}/api/v1/threads/{thread}/events");
        let mut response = self.0.get(url).timeout(Duration::from_hours(1)).bearer_auth(token).send().await?;
        while response.chunk().await?.is_some() {}
        Ok(response.status().as_u16())
    }

    /// A GET that must be answered with 200.
    pub(crate) async fn get(&self, base: &str, token: &str, path: &str) -> Value {
        let answer = self.send(base, token, ("GET", path), None, None).await.expect("an answer");
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.body
    }

    /// All values of a list.
    pub(crate) async fn list(&self, base: &str, token: &str, path: &str) -> Vec<Value> {
        let (mut values, mut after) = (Vec::new(), String::new());
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(base, token, &format!("{path}{joint}limit=100{after}")).await;
            values.extend(page["values"].as_array().expect("values").iter().cloned());
            match page["pagination"]["after"].as_str() {
                Some(cursor) => after = format!("&after={cursor}"),
                None => return values,
            }
        }
    }
}

/// A new member of a workspace.
pub(crate) async fn member(store: &Store, scope: &Scope, email: &str, role: Role) -> UserId {
    let user = NewUser {
        email: email.to_owned(),
        name: "Member".into(),
        password_hash: None,
        timezone: "UTC".into(),
    };
    let id = store.user_create(&user).await.expect("a user");
    store.member_add(scope, id, role).await.expect("a member");
    id
}

/// Someone with a token that lasts a month from `now`, PostgreSQL's.
pub(crate) async fn person(store: &Store, scope: &Scope, id: UserId, now: DateTime<Utc>) -> Person {
    let mut random = StdRng::seed_from_u64(id.as_uuid().as_u128() as u64);
    let secret = store::secret::generate(store::PERSONAL_TOKEN_PREFIX, &mut random);
    let token = NewToken {
        user_id: id,
        name: "torture".into(),
        kind: TokenKind::Personal,
        scopes: vec![],
        expires_at: Some(now + TimeDelta::days(30)),
    };
    store.token_create(scope, &token, &secret).await.expect("a token");
    Person { id, token: secret.expose_secret().to_owned() }
}
