//! Mails from the outbox to a server's acceptance, and the record of it: one answer to many readers, and many answers to one
//! reader each. One notifier with the pools of a process as it comes, and its usual number of connections to the mail server.

use std::{sync::Arc, time::Instant};

use anyhow::ensure;
use chrono::TimeDelta;
use domain::{Clock as _, clock::SystemClock};
use domain::{
    ConnectionId, UserId,
    access::Role,
    answer::{Answer, CellRef, Figure as AnswerFigure, ShownChart, ShownResult},
    run::Usage,
    table::{Cell, Column, ColumnType, Table},
    task::TaskSpec,
};
use notifier::{
    Notifier, NotifierOptions, Transport, email::Sender, transport::Smtp, transport::smtp::Patience,
};
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{ClaimedRun, NewChart, NewConnection, NewResult, NewUser, Scope, Store};

use super::Bench;
use crate::{
    Part,
    load::settle,
    report::{Goal, Row},
    server::Database,
    sink::Sink,
    statistics,
};

const PART: Part = Part::FanOut;
/// A chart as the agent draws them.
const CHART: &[u8] = include_bytes!("../../../notifier/tests/fixtures/chart.png");
/// Rows of the result, of which a mail shows twenty.
const ROWS: i64 = 60;

/// A workspace in which somebody asks and others read.
struct Home {
    store: Store,
    scope: Scope,
    creator: UserId,
    connection: ConnectionId,
    /// Whom a task tells, as it says so: all readers, and one of them. All of them are a group, for a task names at most a
    /// hundred people.
    all: Value,
    one: Value,
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let mails = bench.options.size.mails;
    let database = bench.server.create("fan_out", None).await?;
    store::migrate(&database.url).await?;
    let mut connection = database.connect().await?;
    let mut home = Home::new(database.store(14, 6).await?, mails).await?;
    let sink = Sink::start()?;
    let (mut to_many, mut of_many, mut size) = (Vec::new(), Vec::new(), 0);
    // The first round opens connections, prepares statements and lets the database learn how full its tables are.
    for round in 0..=bench.options.size.rounds {
        home.ask(&home.all, 1).await?;
        settle(&mut connection).await?;
        let (per_second, bytes) = home.deliver(&sink, mails).await?;
        home.ask(&home.one, mails).await?;
        settle(&mut connection).await?;
        let (of_many_per_second, _) = home.deliver(&sink, mails).await?;
        if round > 0 {
            to_many.push(per_second);
            of_many.push(of_many_per_second);
            size = bytes / u64::from(mails);
        }
    }
    let statements = home.count(&sink, &database, mails).await?;
    home.store.close().await;
    bench.server.remove(&database).await?;
    let goal = Goal::AtLeast(1_000.0);
    bench.rows.push(Row::of(PART, "mails of one answer to many readers", "/s", &to_many)?.with_goal(goal));
    bench.rows.push(Row::of(PART, "statements for each of these", "", &[statements])?);
    bench.rows.push(Row::of(PART, "mails of as many answers", "/s", &of_many)?);
    bench.notes.push(format!(
        "fan-out: {mails} mails a time, of {} kB each, a chart and a table in them",
        size / 1_000
    ));
    Ok(())
}

impl Home {
    async fn new(store: Store, readers: u32) -> anyhow::Result<Self> {
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
        let mut settings = store.workspace_get(&scope).await?;
        settings.max_concurrent_runs = 10_000;
        store.workspace_update(&scope, &settings).await?;
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

    /// Answers `runs` runs, each with a message to each of those that a task so tells.
    async fn ask(&self, notification: &Value, runs: u32) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let mut spec: TaskSpec = serde_json::from_value(json!({
            "title": "Airlines with the most flights",
            "prompt": format!("Which airlines had the most flights? @[Flights](connection:{})", self.connection),
            "schedule": { "cadence": "daily", "windowStart": "09:00", "timezone": "UTC" },
            "notification": notification,
            "expiresAt": now + TimeDelta::days(20),
        }))?;
        let schedule = spec.check(now, false)?;
        for _ in 0..runs {
            let task = self.store.task_create(&self.scope, self.creator, &spec, &schedule).await?;
            self.store.task_run(&self.scope, task.id, None).await?;
        }
        let mut answered = 0;
        while answered < runs {
            let claimed = self.store.run_claim("bench", 200).await?;
            ensure!(!claimed.is_empty(), "{answered} of {runs} runs could be claimed");
            for run in claimed {
                self.answer(&run).await?;
                answered += 1;
            }
        }
        Ok(())
    }

    async fn answer(&self, run: &ClaimedRun) -> anyhow::Result<()> {
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
        let chart = NewChart {
            thread_id: run.thread_id,
            turn_no: run.turn_no,
            call_id: "call-2",
            result_id: result.id,
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
            charts: vec![ShownChart { id: chart.id, handle: chart.handle, title: chart.title, alt: chart.alt }],
            caveats: vec!["Cancelled flights are counted as flights.".into()],
            checked_share: 1.0,
            model: "bench".into(),
            ..Answer::default()
        };
        Ok(self.store.run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await?)
    }

    /// Sends one answer to all readers, untimed. Answers how many statements the database was asked for each mail.
    async fn count(&mut self, sink: &Sink, database: &Database, mails: u32) -> anyhow::Result<f64> {
        let mut connection = database.connect().await?;
        statistics::switch_on(&mut connection, database).await?;
        // Only those of new connections are counted.
        self.store.close().await;
        self.store = database.store(14, 6).await?;
        self.ask(&self.all, 1).await?;
        statistics::cost_since(&mut connection).await?;
        self.deliver(sink, mails).await?;
        let cost = statistics::cost_since(&mut connection).await?;
        statistics::switch_off(&mut connection, database).await?;
        Ok(cost.statements as f64 / f64::from(mails))
    }

    /// Sends everything that waits. Answers how many a second until the last one's outcome was recorded, and their bytes.
    async fn deliver(&self, sink: &Sink, mails: u32) -> anyhow::Result<(f64, u64)> {
        let smtp = Smtp::new(&SecretString::from(sink.url()), Patience::default())?;
        let from = Sender::parse("Tidings <tidings@mail.test>")?;
        let url = "https://tidings.fan-out.test".to_owned();
        let random = StdRng::seed_from_u64(1);
        let options = NotifierOptions::new(self.store.clone(), Transport::Smtp(smtp), url, from, random);
        let notifier = Arc::new(Notifier::new(options));
        let started = Instant::now();
        let tried = notifier.run_once().await;
        let seconds = started.elapsed().as_secs_f64();
        let (came, again, bytes) = sink.take();
        ensure!(
            tried == mails && came == mails as usize && again == 0,
            "of {mails} mails {tried} were tried, {came} came, and {again} of them more than once"
        );
        Ok((f64::from(mails) / seconds, bytes))
    }
}
