//! Workspaces, people and tasks for a row: put into the store directly, and never read back.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use domain::{ConnectionId, UserId, access::Role, schedule::Schedule, task::TaskSpec};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{NewConnection, NewUser, Scope, Store, StoreOptions, Vault};
use tokio::task::JoinSet;

use super::words;

/// What rows seal the secrets with that they put into the store.
pub(crate) const KEY: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Tasks with one occurrence each, all in one window.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// The word of each task's question.
    pub(crate) questions: Vec<String>,
    /// When their window opens.
    pub(crate) opens_at: DateTime<Utc>,
    /// When it closes.
    pub(crate) closes_at: DateTime<Utc>,
    /// The workspaces, each with its admin and its connection.
    pub(crate) homes: Vec<Home>,
}

/// A workspace.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) scope: Scope,
    pub(crate) admin: UserId,
    pub(crate) connection: ConnectionId,
}

/// What to make.
pub(crate) struct Plan {
    /// How many tasks.
    pub(crate) tasks: usize,
    /// In how many workspaces, in turn.
    pub(crate) workspaces: usize,
    /// What they ask about.
    pub(crate) connection: NewConnection,
    /// When it is now, by PostgreSQL's clock.
    pub(crate) now: DateTime<Utc>,
}

/// A connection that nothing is read from.
pub(crate) fn no_data() -> NewConnection {
    NewConnection {
        name: "Nothing".into(),
        engine: "files".into(),
        description: String::new(),
        details: json!({ "files": { "path": "/nothing" } }),
        secret: None,
        limits: json!({}),
        freshness: None,
    }
}

/// A store for the row's own preparations.
pub(crate) async fn store(url: &str, spread_minutes: i64) -> Store {
    let mut options = StoreOptions::new(url, Vault::parse(&SecretString::from(KEY)).expect("a key"));
    options.spread = TimeDelta::minutes(spread_minutes);
    Store::connect(options).await.expect("a store")
}

/// Makes them.
pub(crate) async fn populate(store: &Store, plan: Plan) -> Population {
    // The coming hour may come while tasks are made.
    let hour =
        plan.now.with_minute(0).and_then(|now| now.with_second(0)).and_then(|now| now.with_nanosecond(0));
    let opens_at = hour.expect("a whole hour") + TimeDelta::hours(2);
    let mut homes = Vec::new();
    for number in 0..plan.workspaces {
        homes.push(home(store, number, &plan.connection).await);
    }
    let questions: Vec<String> = (0..plan.tasks).map(|number| format!("q{}", words(number))).collect();
    let shared = Arc::new((homes.clone(), questions.clone(), opens_at));
    let mut makers = JoinSet::new();
    for maker in 0..8 {
        let (store, shared) = (store.clone(), Arc::clone(&shared));
        makers.spawn(async move {
            let (homes, questions, opens_at) = &*shared;
            for (number, question) in questions.iter().enumerate().filter(|(number, _)| number % 8 == maker) {
                task(&store, &homes[number % homes.len()], question, *opens_at).await;
            }
        });
    }
    while let Some(made) = makers.join_next().await {
        made.expect("tasks");
    }
    Population { questions, opens_at, closes_at: opens_at + TimeDelta::hours(2), homes }
}

pub(crate) async fn home(store: &Store, number: usize, connection: &NewConnection) -> Home {
    let name = words(number);
    let operator = store.workspace_create(&name, &name).await.expect("a workspace");
    let user = NewUser {
        email: format!("reader@{name}.example"),
        name: "Reader".into(),
        password_hash: None,
        timezone: "UTC".into(),
    };
    let admin = store.user_create(&user).await.expect("a user");
    store.member_add(&operator, admin, Role::Admin).await.expect("a member");
    let scope = store.user_scopes(admin).await.expect("scopes").remove(0);
    let connection = store.connection_create(&scope, admin, connection).await.expect("a connection").id;
    Home { scope, admin, connection }
}

async fn task(store: &Store, home: &Home, question: &str, opens_at: DateTime<Utc>) {
    let spec: Value = json!({
        "title": "Torture", "prompt": format!("Which airline leads? Word: {question} ."),
        "context": { "connectionIds": [home.connection] },
        "schedule": { "cadence": "daily", "windowStart": format!("{:02}:00", opens_at.hour()), "timezone": "UTC" },
        "notification": { "userIds": [home.admin] }, "expiresAt": opens_at + TimeDelta::hours(4),
    });
    let spec: TaskSpec = serde_json::from_value(spec).expect("a task");
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    store.task_create(&home.scope, home.admin, &spec, &schedule).await.expect("a task");
}
