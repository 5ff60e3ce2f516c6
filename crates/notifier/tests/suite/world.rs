//! A workspace with a task and its run, in a database of its own.

use std::sync::Arc;

use domain::{
    ConnectionId, RunId, TaskId, UserId,
    access::Role,
    answer::{Answer, CellRef, Figure, ShownChart, ShownResult},
    check::{Check, Verdict},
    delivery::{Audience, DeliveryState},
    run::{RunReason, Usage},
    step::StepBody,
    table::{Cell, Column, ColumnType, Table},
    task::{Notification, TaskSpec},
};
use notifier::{Notifier, NotifierOptions, Smtp, Transport, email::Sender, transport::smtp::Patience};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::json;
use store::{
    ClaimedRun, Delivery, NewChart, NewCheck, NewConnection, NewResult, NewUser, Places, Scope, Store,
};
use testkit::TestDatabase;

use crate::support::{SmtpServer, picture};

/// A workspace whose creator has one task over one connection.
pub(crate) struct World {
    /// Its database and clock.
    pub(crate) database: TestDatabase,
    /// The workspace.
    pub(crate) scope: Scope,
    /// The task's creator, `creator@example.com`.
    pub(crate) creator: UserId,
    /// What the task asks.
    pub(crate) connection: ConnectionId,
}

impl World {
    /// A fresh one.
    pub(crate) async fn new() -> Self {
        let database = testkit::database().await;
        let store = &database.store;
        let scope = store.workspace_create("Acme", "acme").await.expect("a workspace");
        let creator = add_member(store, &scope, "creator@example.com", Role::Manager).await;
        let connection = add_connection(store, &scope, creator, "Flights").await;
        Self { database, scope, creator, connection }
    }

    /// Another connection of the creator's.
    pub(crate) async fn connect(&self, name: &str) -> ConnectionId {
        add_connection(self.store(), &self.scope, self.creator, name).await
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.database.store
    }

    /// A new member.
    pub(crate) async fn member(&self, email: &str, role: Role) -> UserId {
        add_member(self.store(), &self.scope, email, role).await
    }

    /// New members with these addresses, all told of the task's answers.
    pub(crate) async fn members(&self, emails: &[&str]) -> Notification {
        let mut user_ids = Vec::new();
        for email in emails {
            user_ids.push(self.member(email, Role::Member).await);
        }
        Notification { user_ids, ..Notification::default() }
    }

    /// A task whose answers go to `notification`.
    pub(crate) async fn task(&self, notification: Notification) -> TaskId {
        let now = self.database.time.now();
        let mut spec: TaskSpec = serde_json::from_value(json!({
            "title": "Airlines with the most flights",
            "prompt": format!("Which airlines had the most flights? @[Flights](connection:{})", self.connection),
            "schedule": { "cadence": "daily", "windowStart": "09:00", "timezone": "Europe/Berlin" },
            "expiresAt": now + chrono::TimeDelta::days(20),
        }))
        .expect("a task");
        spec.notification = notification;
        let schedule = spec.check(now, false).expect("a valid task");
        self.store().task_create(&self.scope, self.creator, &spec, &schedule).await.expect("a task").id
    }

    /// Starts a run of a task and claims it, as a worker would.
    pub(crate) async fn claim(&self, task: TaskId, test_to: Option<UserId>) -> ClaimedRun {
        self.store().task_run(&self.scope, task, test_to).await.expect("a run");
        let mut claimed = self.store().run_claim("a worker", &Places::unshared(1)).await.expect("a claim");
        claimed.pop().expect("the run")
    }

    /// Runs a task up to its answer, which is stored with deliveries to all its recipients.
    pub(crate) async fn run(&self, task: TaskId) -> RunId {
        let run = self.claim(task, None).await;
        self.answer(&run, 3, 0).await
    }

    /// Answers a claimed run with a result of `rows` rows, each with `padding` more characters, and a chart of it.
    pub(crate) async fn answer(&self, run: &ClaimedRun, rows: i64, padding: usize) -> RunId {
        self.answer_with(run, rows, padding, "It flew **{{f1}}** times.").await
    }

    /// As [`World::answer`], with a body of the caller's.
    pub(crate) async fn answer_with(&self, run: &ClaimedRun, rows: i64, padding: usize, body: &str) -> RunId {
        let padding = "x".repeat(padding);
        let table = Table {
            columns: vec![
                Column::new("airline", ColumnType::Text),
                Column::new("flights", ColumnType::Integer),
            ],
            rows: (0..rows)
                .map(|row| vec![Cell::Text(format!("Airline {row}{padding}")), Cell::Int(58_665 - row)])
                .collect(),
            truncated: None,
        };
        let result = NewResult {
            thread_id: run.thread_id,
            turn_no: run.turn_no,
            call_id: "call-1",
            connection_id: self.connection,
            sql: "select airline, count(*) as flights from flights group by 1",
            table: &table,
            elapsed_ms: 12,
        };
        let result = self.store().result_store(&run.scope, &run.lease, &result).await.expect("a result");
        let drawn = picture();
        let chart = NewChart {
            thread_id: run.thread_id,
            turn_no: run.turn_no,
            call_id: "call-2",
            result_id: result.id,
            title: &drawn.title,
            alt: &drawn.alt,
            spec: &json!({}),
            vega: &json!({}),
            svg: "<svg/>",
            png: &drawn.png,
            width: drawn.width,
            height: 260,
        };
        let chart = self.store().chart_store(&run.scope, &run.lease, &chart).await.expect("a chart");
        let cell = CellRef {
            result_id: result.id,
            handle: result.handle.clone(),
            row: Some(0),
            column: Some("flights".into()),
            value: Some(Cell::Int(58_665)),
        };
        let answer = Answer {
            headline: "United led with {{f1}} flights.".into(),
            body: body.into(),
            figures: vec![Figure {
                id: "f1".into(),
                text: "58,665".into(),
                checked: true,
                expression: Some("r1[0].flights".into()),
                cells: vec![cell],
            }],
            results: vec![ShownResult { id: result.id, handle: result.handle }],
            charts: vec![ShownChart {
                id: chart.id,
                handle: chart.handle,
                title: chart.title,
                alt: chart.alt,
            }],
            checked_share: 1.0,
            model: "builtin".into(),
            ..Answer::default()
        };
        self.store().run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await.expect("an end");
        run.lease.run_id
    }

    /// A scheduled run of a task, over its connection, a week after it was made: nothing was sent meanwhile.
    pub(crate) async fn quiet_week(&self, task: TaskId) {
        self.database.time.step(chrono::TimeDelta::minutes(7 * 24 * 60 + 105));
        self.quiet_run(task, self.connection, "612 rows, which is not below 500").await;
    }

    /// The occurrence of a task that is due, over a connection: its check says `sentence`, and nothing is sent.
    pub(crate) async fn quiet_run(&self, task: TaskId, connection: ConnectionId, sentence: &str) -> RunId {
        self.store().due_claim(10, None).await.expect("an occurrence");
        let run = self
            .store()
            .run_claim("a worker", &Places::unshared(1))
            .await
            .expect("a claim")
            .pop()
            .expect("the run");
        assert_eq!(run.task_id, Some(task));
        let looking = StepBody::Notice { text: "Looking.".into() };
        self.store().step_begin(&run, &looking, 5).await.expect("a step");
        let table =
            Table { columns: vec![Column::new("n", ColumnType::Integer)], rows: vec![], truncated: None };
        let result = NewResult {
            thread_id: run.thread_id,
            turn_no: run.turn_no,
            call_id: "call-1",
            connection_id: connection,
            sql: "select n from flights",
            table: &table,
            elapsed_ms: 12,
        };
        self.store().result_store(&run.scope, &run.lease, &result).await.expect("a result");
        let check = Check { verdict: Verdict::DoesNotHold, ..Check::not_evaluated(sentence.into()) };
        let checked = NewCheck { check, rows_digest: None };
        let answer = Answer { headline: "612 flights.".into(), ..Answer::default() };
        let usage = Usage::default();
        self.store().run_conclude(&run.scope, &run.lease, &answer, &usage, &checked).await.expect("an end");
        run.lease.run_id
    }

    /// Ends a claimed run without an answer.
    pub(crate) async fn fail(&self, run: &ClaimedRun, reason: RunReason, message: &str) {
        let ended = self.store().run_fail(&run.scope, &run.lease, reason, message, &Usage::default()).await;
        ended.expect("an end");
    }

    /// A notifier that sends to `server`.
    pub(crate) fn notifier(&self, server: &SmtpServer) -> Arc<Notifier> {
        Arc::new(Notifier::new(self.options(server)))
    }

    /// What a notifier that sends to `server` works with.
    pub(crate) fn options(&self, server: &SmtpServer) -> NotifierOptions {
        let smtp = Smtp::new(&server.url("", ""), Patience::default()).expect("an SMTP URL");
        options(self.store().clone(), Transport::Smtp(smtp))
    }

    /// A notifier that keeps its mails in the database.
    pub(crate) fn outbox(&self) -> Arc<Notifier> {
        Arc::new(Notifier::new(options(self.store().clone(), Transport::Outbox)))
    }

    /// The deliveries of a run.
    pub(crate) async fn deliveries(&self, run: RunId) -> Vec<Delivery> {
        self.store().delivery_list(&self.scope, run).await.expect("deliveries")
    }

    /// The delivery of a run to one address.
    pub(crate) async fn delivery_to(&self, run: RunId, email: &str) -> Delivery {
        let deliveries = self.deliveries(run).await;
        let found = deliveries.into_iter().find(|delivery| delivery.label.contains(&format!("<{email}>")));
        found.unwrap_or_else(|| panic!("nothing goes to {email}"))
    }

    /// State, reason and audience of the delivery of a run to one address.
    pub(crate) async fn fate(
        &self,
        run: RunId,
        email: &str,
    ) -> (DeliveryState, Option<String>, Option<Audience>) {
        let delivery = self.delivery_to(run, email).await;
        (delivery.state, delivery.reason, delivery.audience)
    }
}

/// What a notifier works with that keeps its mails in the database.
pub(crate) fn options_of(world: &World) -> NotifierOptions {
    options(world.store().clone(), Transport::Outbox)
}

fn options(store: Store, transport: Transport) -> NotifierOptions {
    let from = Sender::parse("Tidings <tidings@mail.example>").expect("a sender");
    let url = "https://tidings.example.com/".to_owned();
    NotifierOptions::new(store, transport, url, from, StdRng::seed_from_u64(1))
}

async fn add_connection(store: &Store, scope: &Scope, user: UserId, name: &str) -> ConnectionId {
    let connection = NewConnection {
        name: name.into(),
        engine: "files".into(),
        description: String::new(),
        details: json!({}),
        secret: None,
        limits: json!({}),
        freshness: None,
    };
    store.connection_create(scope, user, &connection).await.expect("a connection").id
}

async fn add_member(store: &Store, scope: &Scope, email: &str, role: Role) -> UserId {
    let name = email.split('@').next().unwrap_or_default().to_owned();
    let user = NewUser { email: email.into(), name, password_hash: None, timezone: "UTC".into() };
    let user = store.user_create(&user).await.expect("a user");
    store.member_add(scope, user, role).await.expect("a member");
    user
}
