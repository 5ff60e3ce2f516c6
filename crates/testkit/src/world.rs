//! A workspace with a member, a connection and tasks: where most tests begin.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{
    ConnectionId, TaskId, UserId,
    access::Role,
    answer::Answer,
    delivery::Way,
    run::{RunReason, RunStatus, Usage},
    schedule::Schedule,
    task::TaskSpec,
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::{
    ClaimedDelivery, ClaimedRun, NewConnection, NewUser, Page, Places, Run, Scope, Store, StoreOptions, Task,
};

use crate::{TestDatabase, database_with, execute};

/// A fresh database with one workspace, its admin, and a connection of theirs.
#[derive(Debug)]
pub struct World {
    /// The database and its clock.
    pub database: TestDatabase,
    /// The workspace, as the admin.
    pub scope: Scope,
    /// The admin.
    pub user: UserId,
    /// A connection that only the admin may query.
    pub connection: ConnectionId,
}

impl World {
    /// A world at 2026-03-02 08:00 UTC, a Monday, in which tasks start right as their windows open.
    pub async fn new() -> Self {
        Self::with(|options| options.spread = TimeDelta::zero()).await
    }

    /// As [`World::new`], with other options of the store.
    pub async fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let database = database_with(change).await;
        let (scope, user) = workspace(&database.store, "acme").await;
        let connection = connection(&database.store, &scope, user, "Flights").await;
        Self { database, scope, user, connection }
    }

    /// The store.
    pub const fn store(&self) -> &Store {
        &self.database.store
    }

    /// Moves the clock ahead.
    pub fn step(&self, by: TimeDelta) {
        self.database.time.step(by);
    }

    /// Sets the clock: `2026-03-02T09:00:00Z`.
    pub fn set(&self, instant: &str) {
        self.database.time.set(at(instant));
    }

    /// Another member of the workspace.
    pub async fn member(&self, name: &str, role: Role) -> UserId {
        let user = self.store().user_create(&new_user(name)).await.expect("a user");
        self.store().member_add(&self.scope, user, role).await.expect("a member");
        user
    }

    /// A task of the admin's that tells them, daily at 09:00 UTC unless `change` says otherwise.
    pub async fn task(&self, change: impl FnOnce(&mut TaskSpec)) -> Task {
        self.task_of(&self.scope, self.user, change).await
    }

    /// As [`World::task`], in a workspace and of a member of the caller's choice.
    pub async fn task_of(&self, scope: &Scope, user: UserId, change: impl FnOnce(&mut TaskSpec)) -> Task {
        let mut spec = task_spec(user);
        change(&mut spec);
        let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
        self.store().task_create(scope, user, &spec, &schedule).await.expect("a task")
    }

    /// A task's runs, oldest first, as `date status reason late`.
    pub async fn fates(&self, task: TaskId) -> Vec<String> {
        let runs = self.store().run_list(&self.scope, task, &Page::first(500)).await.expect("runs").values;
        runs.iter().rev().map(fate).collect()
    }

    /// Claims all runs that can be claimed.
    pub async fn claim(&self) -> Vec<ClaimedRun> {
        self.store().run_claim("test", &Places::unshared(1_000)).await.expect("a claim")
    }

    /// Claims the one run that can be claimed.
    pub async fn claim_one(&self) -> ClaimedRun {
        let mut claimed = self.claim().await;
        assert_eq!(claimed.len(), 1, "one run was to be claimed: {claimed:?}");
        claimed.remove(0)
    }

    /// Ends a claimed run with an answer.
    pub async fn succeed(&self, run: &ClaimedRun) {
        let answer = Answer { headline: "United leads".into(), checked_share: 1.0, ..Answer::default() };
        self.store().run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await.expect("an end");
    }

    /// Runs a statement as superuser, past every policy.
    pub async fn execute(&self, statement: &str) {
        execute(&mut self.superuser().await, statement).await;
    }

    /// The one whole number that a query answers, as superuser.
    pub async fn number(&self, query: &str) -> i64 {
        self.database.number(query).await
    }

    /// A session that holds a snapshot of this moment for as long as it is kept.
    pub async fn snapshot(&self) -> PgConnection {
        let mut session = self.superuser().await;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM workspace")
            .execute(&mut session)
            .await
            .expect("a snapshot");
        session
    }

    /// A connection as superuser, past every policy.
    pub async fn superuser(&self) -> PgConnection {
        self.database.superuser().await
    }
}

/// Claims up to `limit` deliveries, whatever way they go.
pub async fn claim_deliveries(store: &Store, worker: &str, limit: u32) -> Vec<ClaimedDelivery> {
    let mut claimed = Vec::new();
    for way in [Way::Mail, Way::Slack] {
        let room = limit - claimed.len() as u32;
        claimed.extend(store.delivery_claim(worker, way, room).await.expect("a claim"));
    }
    claimed
}

/// A workspace and its admin, whose address is `admin@SLUG.test`.
pub async fn workspace(store: &Store, slug: &str) -> (Scope, UserId) {
    let operator = store.workspace_create(slug, slug).await.expect("a workspace");
    let mut user = new_user("admin");
    user.email = format!("admin@{slug}.test");
    let user = store.user_create(&user).await.expect("a user");
    store.member_add(&operator, user, Role::Admin).await.expect("a member");
    let scope = store.user_scopes(user).await.expect("scopes").remove(0);
    (scope, user)
}

/// A connection that `user` manages.
pub async fn connection(store: &Store, scope: &Scope, user: UserId, name: &str) -> ConnectionId {
    let new = NewConnection {
        name: name.into(),
        engine: "files".into(),
        description: String::new(),
        details: json!({ "path": "/data" }),
        secret: None,
        limits: json!({}),
        freshness: None,
    };
    store.connection_create(scope, user, &new).await.expect("a connection").id
}

/// A task that tells `user`, daily at 09:00 UTC, until the end of 2026.
pub fn task_spec(user: UserId) -> TaskSpec {
    let spec: Value = json!({
        "title": "Flights", "prompt": "Which 5 airlines had the most flights?",
        "schedule": { "cadence": "daily", "windowStart": "09:00", "timezone": "UTC" },
        "notification": { "userIds": [user] }, "expiresAt": "2026-12-31T00:00:00Z",
    });
    serde_json::from_value(spec).expect("a task")
}

/// An instant: `2026-03-02T09:00:00Z`.
pub fn at(instant: &str) -> DateTime<Utc> {
    instant.parse().expect("an instant")
}

fn new_user(name: &str) -> NewUser {
    NewUser {
        email: format!("{name}@acme.test"),
        name: name.into(),
        password_hash: None,
        timezone: "UTC".into(),
    }
}

fn fate(run: &Run) -> String {
    let date = run.occurrence.map_or_else(|| run.trigger.as_str().to_owned(), |window| date(window.date));
    let status: RunStatus = run.status;
    let reason = run.reason.map_or(String::new(), |reason: RunReason| format!(" {}", reason.as_str()));
    let late = if run.late { " late" } else { "" };
    format!("{date} {}{reason}{late}", status.as_str())
}

fn date(date: NaiveDate) -> String {
    date.format("%m-%d").to_string()
}
