//! A workspace in which somebody asks and others read, and answers for them.

use anyhow::ensure;
use chrono::TimeDelta;
use domain::{
    Clock as _, ConnectionId, ResultId, UserId,
    access::Role,
    answer::{Answer, CellRef, Figure as AnswerFigure, ShownChart, ShownResult},
    clock::SystemClock,
    run::Usage,
    table::{Cell, Column, ColumnType, Table},
    task::TaskSpec,
};
use serde_json::{Value, json};
use store::{ClaimedRun, NewChart, NewConnection, NewResult, NewUser, Places, Scope, Store};

/// A chart as the agent draws them.
const CHART: &[u8] = include_bytes!("../../../../notifier/tests/fixtures/chart.png");
/// Rows of the result, of which a message shows twenty.
const ROWS: i64 = 60;

/// A workspace in which somebody asks and others read.
pub(super) struct Home {
    pub(super) store: Store,
    pub(super) scope: Scope,
    pub(super) creator: UserId,
    connection: ConnectionId,
    /// Whom a task tells, as it says so: all readers, and one of them. All of them are a group, for a task names at most a
    /// hundred people.
    pub(super) all: Value,
    pub(super) one: Value,
}

/// What an answer brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brings {
    /// A table.
    Table,
    /// A table and a chart.
    TableAndChart,
}

impl Home {
    pub(super) async fn new(store: Store, readers: u32) -> anyhow::Result<Self> {
        let scope = store.workspace_create("Fan-out", "fan-out").await?;
        let mut users = Vec::new();
        for number in 0..=readers {
            let user = NewUser {
                email: format!("reader-{number}@fan-out.test"),
                name: format!("Reader {number}"),
                password_hash: None,
                timezone: "UTC".into(),
            };
            let user = store.user_create(&user).await?;
            store.member_add(&scope, user, if number == 0 { Role::Admin } else { Role::Member }).await?;
            users.push(user);
        }
        let creator = users.remove(0);
        let scope = store.user_scopes(creator).await?.remove(0);
        let mut settings = store.workspace_get(&scope).await?.settings;
        settings.max_concurrent_runs = 10_000;
        store.workspace_settings_put(&scope, &settings).await?;
        let connection = NewConnection {
            name: "Flights".into(),
            engine: "files".into(),
            description: String::new(),
            details: json!({}),
            secret: None,
            limits: json!({}),
            freshness: None,
        };
        let connection = store.connection_create(&scope, creator, &connection).await?.id;
        let group = store.group_create(&scope, "Readers", &users).await?;
        let (all, one) = (json!({ "groupIds": [group] }), json!({ "userIds": [users[0]] }));
        Ok(Self { store, scope, creator, connection, all, one })
    }

    /// Answers a run for each of `notifications`, with a message to each of those that a task so tells.
    pub(super) async fn ask(&self, notifications: &[&Value], brings: Brings) -> anyhow::Result<()> {
        let now = SystemClock.now();
        for notification in notifications {
            let mut spec: TaskSpec = serde_json::from_value(json!({
                "title": "Airlines with the most flights",
                "prompt": format!("Which airlines had the most flights? @[Flights](connection:{})", self.connection),
                "schedule": { "cadence": "daily", "windowStart": "09:00", "timezone": "UTC" },
                "notification": notification,
                "expiresAt": now + TimeDelta::days(20),
            }))?;
            let schedule = spec.check(now, false)?;
            let task = self.store.task_create(&self.scope, self.creator, &spec, &schedule).await?;
            self.store.task_run(&self.scope, task.id, None).await?;
        }
        let (runs, mut answered) = (notifications.len(), 0);
        while answered < runs {
            let claimed = self.store.run_claim("bench", &Places::unshared(200)).await?;
            ensure!(!claimed.is_empty(), "{answered} of {runs} runs could be claimed");
            for run in claimed {
                self.answer(&run, brings).await?;
                answered += 1;
            }
        }
        Ok(())
    }

    async fn answer(&self, run: &ClaimedRun, brings: Brings) -> anyhow::Result<()> {
        let text = |name: &str| Column::new(name, ColumnType::Text);
        let table = Table {
            columns: vec![
                text("airline"),
                Column::new("flights", ColumnType::Integer),
                text("hub"),
                text("alliance"),
            ],
            rows: (0..ROWS)
                .map(|row| {
                    let name = Cell::Text(format!("Airline number {row}"));
                    vec![
                        name,
                        Cell::Int(58_665 - row * 911),
                        Cell::Text("Newark".into()),
                        Cell::Text("Star".into()),
                    ]
                })
                .collect(),
            truncated: None,
        };
        let result = NewResult {
            thread_id: run.thread_id,
            turn_no: run.turn_no,
            call_id: "call-1",
            connection_id: self.connection,
            sql: "select airline, count(*) as flights, hub, alliance from flights group by 1, 3, 4",
            table: &table,
            elapsed_ms: 12,
        };
        let result = self.store.result_store(&run.scope, &run.lease, &result).await?;
        let charts = match brings {
            Brings::Table => vec![],
            Brings::TableAndChart => vec![self.chart(run, result.id).await?],
        };
        let cell = CellRef {
            result_id: result.id,
            handle: result.handle.clone(),
            row: Some(0),
            column: Some("flights".into()),
            value: Some(Cell::Int(58_665)),
        };
        let answer = Answer {
            headline: "United flew the most from New York: {{f1}} flights.".into(),
            body: "The five largest airlines made **most** of all departures.\n\n- United led with {{f1}} flights\n\
                   - JetBlue followed\n- Delta was third\n\nIts share grew since the year before."
                .into(),
            figures: vec![AnswerFigure {
                id: "f1".into(),
                text: "58,665".into(),
                checked: true,
                expression: Some("r1[0].flights".into()),
                cells: vec![cell],
            }],
            results: vec![ShownResult { id: result.id, handle: result.handle }],
            charts,
            caveats: vec!["Cancelled flights are counted as flights.".into()],
            checked_share: 1.0,
            model: "bench".into(),
            ..Answer::default()
        };
        Ok(self.store.run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await?)
    }

    async fn chart(&self, run: &ClaimedRun, result_id: ResultId) -> anyhow::Result<ShownChart> {
        let chart = NewChart {
            thread_id: run.thread_id,
            turn_no: run.turn_no,
            call_id: "call-2",
            result_id,
            title: "Flights by airline",
            alt: "Bar chart. Flights by airline, from 4,916 to 58,665.",
            spec: &json!({}),
            vega: &json!({}),
            svg: "<svg/>",
            png: CHART,
            width: 552,
            height: 260,
        };
        let chart = self.store.chart_store(&run.scope, &run.lease, &chart).await?;
        Ok(ShownChart { id: chart.id, handle: chart.handle, title: chart.title, alt: chart.alt })
    }
}
