//! A workspace with a folder of flights, and agents that answer from it.

use std::{fs, sync::Arc};

use agent::{Agent, AgentOptions, Limits, model::Model, price::Prices, scripted::calling};
use domain::{UserId, answer::Answer, step::StepBody, thread::ThreadSource};
use serde_json::{Value, json};
use store::{ConnectionChange, NewQuestion, Run, StartedRun, Store, Turn};
use tempfile::TempDir;
use testkit::World;
use warehouse::{Warehouse, WarehouseOptions, WorkerCommand};

const AIRLINES: &str =
    "carrier,name\nUA,United Air Lines Inc.\nB6,JetBlue Airways\nDL,Delta Air Lines Inc.\n";

/// A world whose connection is a folder: `airlines` (3 rows) and `flights` (60 of UA, 30 of B6, 10 of DL).
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) warehouse: Warehouse,
    pub(crate) folder: TempDir,
    /// Who answers from 80% of a cap on.
    pub(crate) cheaper: Option<Arc<dyn Model>>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        fs::write(data.join("airlines.csv"), AIRLINES).expect("a file");
        fs::write(data.join("flights.csv"), flights()).expect("a file");
        let worker = WorkerCommand::current_test("engine_worker").expect("this binary");
        let mut options = WarehouseOptions::new(folder.path(), worker);
        options.files_allowed = vec![data.clone()];
        let warehouse = Warehouse::new(options);
        let world = World::new().await;
        let details = json!({ "files": { "path": data } });
        let change = ConnectionChange { details: Some(details), ..ConnectionChange::default() };
        world
            .store()
            .connection_update(&world.scope, world.connection, &change, None)
            .await
            .expect("a change");
        Self { world, warehouse, folder, cheaper: None }
    }

    pub(crate) fn agent(&self, model: Arc<dyn Model>) -> Agent {
        self.agent_within(model, Limits::default())
    }

    pub(crate) fn agent_within(&self, model: Arc<dyn Model>, limits: Limits) -> Agent {
        self.agent_of(self.world.store().clone(), model, limits)
    }

    /// An agent with a store of its own, as another process has.
    pub(crate) fn agent_on(&self, store: Store, model: Arc<dyn Model>) -> Agent {
        self.agent_of(store, model, Limits::default())
    }

    fn agent_of(&self, store: Store, model: Arc<dyn Model>, limits: Limits) -> Agent {
        Agent::new(AgentOptions {
            store,
            warehouse: self.warehouse.clone(),
            charts: chart::Pool::new(1),
            model,
            cheaper: self.cheaper.clone(),
            limits,
            prices: Prices(vec![agent::price::Price {
                model: "scripted".into(),
                sent: 1_000.0,
                received: 10_000.0,
            }]),
            worker: "test".into(),
            concurrency: 4,
        })
    }

    pub(crate) async fn ask(&self, prompt: &str) -> StartedRun {
        self.ask_as(self.world.user, prompt, true).await
    }

    /// Asks for `user`; `names` tells whether the question names the connection.
    pub(crate) async fn ask_as(&self, user: UserId, prompt: &str, names: bool) -> StartedRun {
        let question = NewQuestion {
            prompt: prompt.into(),
            connection_ids: if names { vec![self.world.connection] } else { vec![] },
            timezone: "UTC".into(),
            source: ThreadSource::Page,
        };
        self.world.store().thread_ask(&self.world.scope, user, &question).await.expect("a question")
    }

    pub(crate) async fn follow_up(&self, started: &StartedRun, prompt: &str) -> StartedRun {
        let question = NewQuestion {
            prompt: prompt.into(),
            connection_ids: vec![],
            timezone: "UTC".into(),
            source: ThreadSource::Page,
        };
        self.world
            .store()
            .thread_followup(&self.world.scope, started.thread_id, &question)
            .await
            .expect("a question")
    }

    pub(crate) async fn turn(&self, started: &StartedRun) -> Turn {
        let turns = self.world.store().turn_list(&self.world.scope, started.thread_id).await.expect("turns");
        turns.into_iter().find(|turn| turn.turn_no == started.turn_no).expect("the turn")
    }

    /// The answer of a turn that has one.
    pub(crate) async fn answer(&self, started: &StartedRun) -> Answer {
        let turn = self.turn(started).await;
        turn.answer.unwrap_or_else(|| panic!("no answer: {:?} {:?}", turn.status, turn.message))
    }

    pub(crate) async fn run(&self, started: &StartedRun) -> Run {
        self.world.store().run_get(&self.world.scope, started.run_id).await.expect("a look").expect("the run")
    }

    pub(crate) async fn steps(&self, started: &StartedRun) -> Vec<StepBody> {
        let steps =
            self.world.store().step_list(&self.world.scope, started.thread_id, 0).await.expect("steps");
        steps.into_iter().filter(|step| step.turn_no == started.turn_no).map(|step| step.body).collect()
    }

    /// The output of each tool call of a turn, by tool.
    pub(crate) async fn outputs(&self, started: &StartedRun) -> Vec<(String, Value)> {
        self.steps(started)
            .await
            .into_iter()
            .filter_map(|step| match step {
                StepBody::Tool { name, output, .. } => Some((name, output)),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn sql(&self, sql: &str) -> (&'static str, Value) {
        ("run_sql", json!({ "connectionId": self.world.connection, "sql": sql }))
    }
}

/// Flights per carrier, most first.
pub(crate) const PER_CARRIER: &str = "SELECT name, count(*) AS flights FROM flights JOIN airlines USING (carrier) \
                                      GROUP BY name ORDER BY flights DESC";

/// An answer from the rows of [`PER_CARRIER`].
pub(crate) fn good_answer() -> (&'static str, Value) {
    (
        "answer",
        json!({
            "headline": "{{r1[0].name|text}} flew most: {{r1[0].flights|number}} flights.",
            "body": "That is {{ratio(r1[0].flights,sum(r1.flights))|percent:0}} of 100.",
            "results": ["r1"],
        }),
    )
}

/// The code of a tool's failure.
pub(crate) fn code(output: &Value) -> &str {
    output.pointer("/error/code").and_then(Value::as_str).unwrap_or("none")
}

/// A transcript of one call after the other.
pub(crate) fn one_by_one(calls: Vec<(&'static str, Value)>) -> Vec<agent::model::ModelReply> {
    calls.into_iter().map(|call| calling(&[call])).collect()
}

fn flights() -> String {
    let mut lines = vec!["flight,carrier,dep_delay\n".to_owned()];
    for number in 0..100 {
        let carrier = match number {
            0..60 => "UA",
            60..90 => "B6",
            _ => "DL",
        };
        lines.push(format!("{number},{carrier},{}\n", number % 7));
    }
    lines.concat()
}
