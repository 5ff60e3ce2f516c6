//! Workspaces, people and tasks for a row: put into the store directly, and never read back.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use domain::{ConnectionId, TaskId, UserId, access::Role, schedule::Schedule, task::TaskSpec};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{NewConnection, NewUser, Scope, Store, StoreOptions, Vault};
use tokio::task::JoinSet;

use super::{slack::SlackServer, words};
use crate::checker::Question;

/// What rows seal the secrets with that they put into the store.
pub(crate) const KEY: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How many channels a workspace has: as many as its own limit on messages keeps busy. More would be more to look at for each
/// worker that is started anew, and Slack limits that, too.
pub(crate) const CHANNELS: usize = 4;

/// Tasks with one occurrence each, all in one window. Each tells its workspace's reader by mail; where there is a Slack, every
/// second one tells a channel as well.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// Each task's question.
    pub(crate) questions: Vec<Question>,
    /// When their window opens.
    pub(crate) opens_at: DateTime<Utc>,
    /// When it closes.
    pub(crate) closes_at: DateTime<Utc>,
    /// The workspaces, each with its admin and its connection.
    pub(crate) homes: Vec<Home>,
}

impl Population {
    /// How many messages are awaited.
    pub(crate) fn deliveries(&self) -> usize {
        self.questions.iter().map(|question| question.places.len()).sum()
    }

    /// How many of the tasks are told in Slack as well.
    pub(crate) fn told_in_slack(&self) -> usize {
        self.deliveries() - self.questions.len()
    }
}

/// A workspace.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) name: String,
    /// Its admin's address.
    pub(crate) address: String,
    pub(crate) scope: Scope,
    pub(crate) admin: UserId,
    pub(crate) connection: ConnectionId,
}

/// What to make.
pub(crate) struct Plan<'a> {
    /// How many tasks.
    pub(crate) tasks: usize,
    /// In how many workspaces, in turn.
    pub(crate) workspaces: usize,
    /// What they ask about.
    pub(crate) connection: NewConnection,
    /// When it is now, by PostgreSQL's clock.
    pub(crate) now: DateTime<Utc>,
    /// Where every second task is told as well.
    pub(crate) slack: Option<&'a SlackServer>,
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

/// A store for the row's own preparations. The tasks that it makes start spread over `spread` of their window.
pub(crate) async fn store(url: &str, spread: TimeDelta) -> Store {
    let mut options = StoreOptions::new(url, Vault::parse(&SecretString::from(KEY)).expect("a key"));
    options.spread = spread;
    Store::connect(options).await.expect("a store")
}

/// Makes them.
pub(crate) async fn populate(store: &Store, plan: Plan<'_>) -> Population {
    // The coming hour may come while tasks are made.
    let hour =
        plan.now.with_minute(0).and_then(|now| now.with_second(0)).and_then(|now| now.with_nanosecond(0));
    let opens_at = hour.expect("a whole hour") + TimeDelta::hours(2);
    let (mut homes, mut channels) = (Vec::new(), Vec::new());
    for number in 0..plan.workspaces {
        let home = home(store, number, &plan.connection).await;
        channels.push(match plan.slack {
            Some(slack) => slack.connect(store, home.clone(), CHANNELS).await.channels,
            None => Vec::new(),
        });
        homes.push(home);
    }
    let questions: Vec<Question> = (0..plan.tasks)
        .map(|number| {
            let (round, home) = (number / homes.len(), number % homes.len());
            let channel = (round % 2 == 0).then(|| channels[home].iter().cycle().nth(round / 2)).flatten();
            let places = [&homes[home].address].into_iter().chain(channel).cloned().collect();
            Question { word: format!("q{}", words(number)), places }
        })
        .collect();
    let shared = Arc::new((homes.clone(), questions.clone()));
    let mut makers = JoinSet::new();
    for maker in 0..8 {
        let (store, shared) = (store.clone(), Arc::clone(&shared));
        makers.spawn(async move {
            let (homes, questions) = &*shared;
            for (number, question) in questions.iter().enumerate().filter(|(number, _)| number % 8 == maker) {
                task(&store, &homes[number % homes.len()], question, opens_at).await;
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
    let address = format!("reader@{name}.example");
    let user = NewUser {
        email: address.clone(),
        name: "Reader".into(),
        password_hash: None,
        timezone: "UTC".into(),
    };
    let admin = store.user_create(&user).await.expect("a user");
    store.member_add(&operator, admin, Role::Admin).await.expect("a member");
    let scope = store.user_scopes(admin).await.expect("scopes").remove(0);
    let connection = store.connection_create(&scope, admin, connection).await.expect("a connection").id;
    Home { name, address, scope, admin, connection }
}

/// A task that comes due once, at `opens_at`, and is told in its question's places: to the workspace's reader, in channels.
pub(crate) async fn task(store: &Store, home: &Home, question: &Question, opens_at: DateTime<Utc>) -> TaskId {
    let (readers, channels): (Vec<&String>, Vec<&String>) =
        question.places.iter().partition(|place| **place == home.address);
    let channels: Vec<Value> = channels.iter().map(|id| json!({ "id": id, "name": "room" })).collect();
    let spec: Value = json!({
        "title": "Torture", "prompt": format!("Which airline leads? Word: {} .", question.word),
        "context": { "connectionIds": [home.connection] },
        "schedule": {
            "cadence": "daily", "timezone": "UTC",
            "windowStart": format!("{:02}:{:02}", opens_at.hour(), opens_at.minute()),
        },
        "notification": { "userIds": vec![home.admin; readers.len()], "slackChannels": channels },
        "expiresAt": opens_at + TimeDelta::hours(4),
    });
    let spec: TaskSpec = serde_json::from_value(spec).expect("a task");
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    store.task_create(&home.scope, home.admin, &spec, &schedule).await.expect("a task").id
}
