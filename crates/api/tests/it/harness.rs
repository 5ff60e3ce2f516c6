//! A workspace, its API, and people with tokens.

use std::sync::Arc;

use api::{ApiOptions, ApiState};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use chrono::TimeDelta;
use domain::{UserId, access::Role};
use rand::{SeedableRng, rngs::StdRng};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use store::{NewToken, PERSONAL_TOKEN_PREFIX, Scope, TokenKind};
use tempfile::TempDir;
use testkit::world::World;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use warehouse::{Warehouse, WarehouseOptions, WorkerCommand};

/// A world and its API.
pub(crate) struct Api {
    pub(crate) world: World,
    pub(crate) router: Router,
    /// What the router works with.
    pub(crate) state: ApiState,
    /// The admin's token.
    pub(crate) token: String,
    /// A folder under which `files` connections may lie.
    pub(crate) files: TempDir,
    random: StdRng,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// As [`Api::new`], with other options.
    pub(crate) async fn with(change: impl FnOnce(&mut ApiOptions)) -> Self {
        Self::of(World::new().await, change).await
    }

    /// The API of a world that is there already.
    pub(crate) async fn of(world: World, change: impl FnOnce(&mut ApiOptions)) -> Self {
        let files = tempfile::tempdir().expect("a folder");
        let data = files.path().join("data");
        let worker = WorkerCommand::current_test("engine_worker").expect("this binary");
        let mut options = WarehouseOptions::new(&data, worker);
        options.files_allowed = vec![files.path().join("allowed")];
        std::fs::create_dir_all(files.path().join("allowed")).expect("a folder");
        let uploads = options.uploads_folder.clone();
        let mut api_options = ApiOptions::new("http://tidings.test", uploads);
        api_options.requests_per_minute = 100_000;
        api_options.has_outbox = true;
        change(&mut api_options);
        let store = world.store().clone();
        let state = ApiState::new(
            store.clone(),
            Warehouse::new(options),
            store.events(CancellationToken::new()),
            Arc::new(world.database.time.clone()),
            StdRng::seed_from_u64(7),
            api_options,
        );
        let mut api = Self {
            router: api::router(state.clone()),
            state,
            world,
            token: String::new(),
            files,
            random: StdRng::seed_from_u64(1),
        };
        api.token = api.token_of(api.world.user).await;
        api
    }

    /// A token of a person, in the workspace that they joined first.
    pub(crate) async fn token_of(&mut self, user: UserId) -> String {
        let scope = self.scope_of(user).await;
        let secret = store::secret::generate(PERSONAL_TOKEN_PREFIX, &mut self.random);
        let token = NewToken {
            user_id: user,
            name: "test".into(),
            kind: TokenKind::Personal,
            scopes: vec![],
            expires_at: Some(self.world.database.time.now() + TimeDelta::days(365)),
        };
        self.world.store().token_create(&scope, &token, &secret).await.expect("a token");
        secret.expose_secret().to_owned()
    }

    pub(crate) async fn scope_of(&self, user: UserId) -> Scope {
        self.world.store().user_scopes(user).await.expect("scopes").remove(0)
    }

    /// A member with a token.
    pub(crate) async fn member(&mut self, name: &str, role: Role) -> (UserId, String) {
        let user = self.world.member(name, role).await;
        (user, self.token_of(user).await)
    }

    /// A one-time link's secret.
    pub(crate) async fn sign_in_link(&mut self, user: UserId) -> String {
        let secret = store::secret::generate("", &mut self.random);
        let lifetime = TimeDelta::hours(1);
        self.world
            .store()
            .sign_in_link_create(&self.scope_of(user).await, user, &secret, lifetime)
            .await
            .expect("a link");
        secret.expose_secret().to_owned()
    }

    /// Gives a person a password.
    pub(crate) async fn set_password(&mut self, user: UserId, password: &str) {
        let hash =
            api::password::hash(&SecretString::from(password.to_owned()), &mut self.random).expect("a hash");
        self.world.store().user_set_password(user, &hash).await.expect("a password");
    }

    /// Any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body").to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    /// A request with a token and a JSON body.
    pub(crate) async fn call(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.send(request(method, path, Some(token), body)).await
    }

    /// As the admin.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(&self.token, Method::GET, path, None).await
    }

    /// As the admin.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.token, Method::POST, path, Some(body)).await
    }

    /// As the admin.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(&self.token, Method::PATCH, path, Some(body)).await
    }

    /// As the admin.
    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(&self.token, Method::PUT, path, Some(body)).await
    }

    /// As the admin.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(&self.token, Method::DELETE, path, None).await
    }
}

/// A request to `/api/v1` and what follows.
pub(crate) fn request(method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    match body {
        Some(body) => {
            request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
        }
        None => request.body(Body::empty()),
    }
    .expect("a request")
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("{}: {}", self.status, self.text()))
    }

    /// The JSON of an answer of this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().expect("text")
    }

    /// The fields that a refusal names.
    #[track_caller]
    pub(crate) fn issues(&self) -> Vec<String> {
        let body = self.expect(422);
        let issues = body["issues"].as_array().expect("issues").iter();
        issues.map(|issue| issue["path"].as_str().expect("a path").to_owned()).collect()
    }
}

/// The text of a JSON value.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
