//! G6. A killed turn resumes: a worker dies at each boundary of a run's life, another takes the run up, and no finished model
//! call or query is made again. The answer is the same as if nobody had died.
//!
//! A model call is finished once its reply is recorded, a query once its rows are stored. What died in between is made
//! again, once: the boundaries are fail points (`fail_point!` in the agent and the notifier), so the checker knows for each
//! death what it may cost.
//!
//! Switched off by hand, in the short form: the replay of recorded steps (`DatabaseJournal::open` finding none): 53 finished model
//! calls repeated. The look for a result that a call had stored (`result_of_call` finding none): 5 finished queries repeated.
//!
//! The checker counts requests in the model's log and statements in the log of the PostgreSQL that is asked. A worker that takes up
//! a run behind a recorded reply and dies in its query has asked the model nothing: such a death excuses one repeated query, of
//! whichever run.

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use store::NewConnection;

use crate::{
    checker::{self, Origin, Question},
    report::{Report, Size},
    stage::{
        PATIENCE, Stage,
        model::{self, Asked},
        pause,
        postgres::Postgres,
    },
};

/// The fail points of a run's life, and how often a run comes to each: it asks seven times and calls every tool, the queries
/// twice.
const BOUNDARIES: [(&str, usize); 13] = [
    ("agent::run_claimed", 1),
    ("agent::model_replied", 7),
    ("agent::step_recorded", 14),
    ("agent::query_answered", 2),
    ("agent::result_stored", 2),
    ("agent::chart_stored", 1),
    ("agent::tool_ran", 7),
    ("agent::run_ending", 1),
    ("agent::run_ended", 1),
    ("notifier::delivery_claimed", 1),
    ("notifier::attempt_started", 1),
    ("notifier::mail_taken", 1),
    ("notifier::outcome_recorded", 1),
];
/// How many workers are sent to their death at a time.
const AT_ONCE: usize = 3;
/// What every answer says.
const SAME_ANSWER: &str = "United leads with 58,665 flights.";
/// What every answer draws, once.
const SAME_CHART: &str = "Chart: Flights by airline";
/// Tasks for each death: a dying sender takes several messages with it, and others wait for a run to send.
const TASKS_PER_DEATH: usize = 3;

/// A worker that died as planned.
struct Death {
    worker: String,
    point: &'static str,
}

impl Death {
    /// Whether it may have come before what the worker had asked for last was recorded, as it does at `point`. The death of a
    /// sender strikes the run that its process has in hand at any moment.
    fn may_cost(&self, point: &str) -> bool {
        self.point == point || self.point.starts_with("notifier::")
    }
}

#[test]
fn g6_a_killed_turn_resumes_behind_its_last_step() {
    let size = Size::of_this_run();
    let mut report =
        Report::new("G6", "a killed turn resumes: nothing finished is repeated, same answer", size);
    let rounds = size.count(1, 6);
    // In the short form every third time that a run comes to a point.
    let every = size.pick(3, 1);
    let boundaries: Vec<(&'static str, usize)> = BOUNDARIES
        .iter()
        .flat_map(|(point, times)| (1..=*times).step_by(every).map(move |time| (*point, time)))
        .collect();
    let tasks = rounds * boundaries.len() * TASKS_PER_DEATH;

    let mut stage = Stage::new(0, Box::new(calls_every_tool));
    let source = data_source(&stage);
    // More than one workspace: what the dead hold counts towards its limit of runs at once.
    let population = stage.populate(tasks, 4, connection(&source));
    stage.postgres.set_clock(population.opens_at, 1.0);
    let mut deaths = Vec::new();
    let mut survivors = Vec::new();
    for _ in 0..rounds {
        for some in boundaries.chunks(AT_ONCE) {
            for (point, time) in some {
                stage.start_worker(&[
                    ("TIDINGS_AGENT_CONCURRENCY", "1".to_owned()),
                    ("TIDINGS_CRASH_AT", format!("{point}={time}")),
                ]);
            }
            for ((point, time), mut slot) in some.iter().zip(std::mem::take(&mut stage.workers)) {
                let worker = slot.process.name.clone();
                if has_died(&mut slot.process) {
                    deaths.push(Death { worker, point });
                } else {
                    survivors.push(format!("{point}={time}"));
                }
            }
        }
    }
    stage.start_workers(2);
    stage.settle(|stage| stage.have_all_come(&population.questions));

    let (mails, asked) = (stage.mail.mails(), stage.model.asked());
    let effects = checker::check(&population.questions, &stage.told());
    let different: Vec<String> = mails
        .iter()
        .filter(|mail| !mail.text.contains(SAME_ANSWER) || mail.text.matches(SAME_CHART).count() != 1)
        .map(|mail| Origin::of(&mail.text).map_or_else(|| mail.text.clone(), |origin| origin.question))
        .collect();
    report.did(deaths.len(), "kills");
    report.did(boundaries.len(), "boundaries");
    report.must_be_none(&survivors, "boundaries never reached");
    report.must_be_none(&repeated_calls(&asked, &deaths), "finished model calls repeated");
    report.must_be_none(
        &repeated_queries(&source, &population.questions, &asked, &deaths),
        "finished queries repeated",
    );
    report.must_be_none(&different, "answers that differ");
    report.must_be_none(&effects.lost, "lost");
    report.must_be_none(&effects.twice, "twice");
    report.saw(effects.sent_again, "mails sent again under their Message-ID");
    report.finish();
}

/// The script: look for the table and at it, query it twice, draw it, look at earlier threads, answer. A query bears the number of
/// its reply.
fn calls_every_tool(asked: &Asked) -> (&'static str, Value) {
    match asked.replies_seen {
        0 => ("search_catalog", json!({ "query": "airlines" })),
        1 => ("describe_table", json!({ "connectionId": asked.connection, "table": "public.airlines" })),
        number @ (2 | 3) => (
            "run_sql",
            json!({ "connectionId": asked.connection, "sql": statement(&asked.question, number) }),
        ),
        4 => (
            "create_chart",
            json!({
                "result": "r1", "title": "Flights by airline",
                "spec": { "mark": "bar", "encoding": { "x": { "field": "name" }, "y": { "field": "flights" } } },
            }),
        ),
        5 => ("previous_threads", json!({})),
        _ => (
            "answer",
            json!({
                "headline": model::mark(asked),
                "body": "{{r1[0].name|text}} leads with {{r2[0].flights|number:0}} flights.",
                "results": ["r1"],
                "charts": ["c1"],
            }),
        ),
    }
}

fn statement(question: &str, number: usize) -> String {
    format!("SELECT name, flights, '{question}/{number}' AS word FROM airlines ORDER BY flights DESC")
}

/// A PostgreSQL to ask, which logs every statement.
fn data_source(stage: &Stage) -> Postgres {
    let source = Postgres::start(stage.folder(), "source", &["log_statement=all"]);
    let script = "CREATE TABLE airlines (name text PRIMARY KEY, flights int);
        INSERT INTO airlines VALUES ('United', 58665), ('JetBlue', 54635);
        CREATE ROLE reader LOGIN; GRANT SELECT ON airlines TO reader; ANALYZE";
    let made = Command::new(store::postgres_binaries().expect("PostgreSQL").join("psql"))
        .args(["--quiet", "--no-psqlrc", &source.url("postgres"), "-c", script])
        .status()
        .expect("psql runs");
    assert!(made.success(), "the data is made");
    source
}

fn connection(source: &Postgres) -> NewConnection {
    NewConnection {
        name: "Flights".into(),
        engine: "postgres".into(),
        description: String::new(),
        details: json!({ "postgres": {
            "hostname": "127.0.0.1", "port": source.port, "database": "postgres", "username": "reader",
            "password": "none", "tls": "disable",
        } }),
        secret: None,
        limits: json!({}),
        freshness: None,
    }
}

/// Waits for a worker to come to its point.
fn has_died(process: &mut crate::stage::process::Process) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !process.has_ended() {
        if Instant::now() >= deadline {
            process.kill();
            return false;
        }
        pause(Duration::from_millis(10));
    }
    true
}

/// What a worker that died had asked last. It had one run at a time.
fn last_asked<'a>(asked: &'a [Asked], worker: &str) -> Option<&'a Asked> {
    asked.iter().rev().find(|asked| asked.worker == worker)
}

/// Model calls that were made again though their reply was recorded.
fn repeated_calls(asked: &[Asked], deaths: &[Death]) -> Vec<String> {
    let mut made: BTreeMap<(&str, usize), i64> = BTreeMap::new();
    for asked in asked {
        *made.entry((&asked.question, asked.replies_seen)).or_default() += 1;
    }
    for death in deaths.iter().filter(|death| death.may_cost("agent::model_replied")) {
        if let Some(last) = last_asked(asked, &death.worker) {
            made.entry((&last.question, last.replies_seen)).and_modify(|times| *times = (*times - 1).max(1));
        }
    }
    let repeated = made.into_iter().filter(|(_, times)| *times > 1);
    repeated.map(|((question, reply), times)| format!("{question}/{reply} {times} times")).collect()
}

/// Queries that were made again though their rows were stored.
fn repeated_queries(
    source: &Postgres,
    questions: &[Question],
    asked: &[Asked],
    deaths: &[Death],
) -> Vec<String> {
    let log = fs::read_to_string(source.log()).expect("the log");
    let mut made: BTreeMap<String, i64> = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("execute")) {
        if let Some((_, rest)) = line.split_once(", '")
            && let Some((word, _)) = rest.split_once("' AS word")
        {
            *made.entry(word.to_owned()).or_default() += 1;
        }
    }
    assert!(!made.is_empty(), "statements are in the log");
    // Deaths in a query that another worker had asked the model for: whose it was stands nowhere, but it was one.
    let mut of_others = 0;
    for death in deaths.iter().filter(|death| death.may_cost("agent::query_answered")) {
        let last = last_asked(asked, &death.worker);
        let word = last.map(|last| format!("{}/{}", last.question, last.replies_seen));
        match word.and_then(|word| made.get_mut(&word)).filter(|times| **times > 1) {
            Some(times) => *times -= 1,
            None if death.point == "agent::query_answered" => of_others += 1,
            None => {}
        }
    }
    for times in made.values_mut() {
        let cost = (*times - 1).clamp(0, of_others);
        *times -= cost;
        of_others -= cost;
    }
    let missing =
        questions.iter().flat_map(|question| [2, 3].map(|number| format!("{}/{number}", question.word)));
    let missing = missing.filter(|word| made.get(word).copied().unwrap_or_default() < 1);
    let missing: Vec<String> = missing.map(|word| format!("{word} is not in the log")).collect();
    let repeated = made.iter().filter(|(_, times)| **times > 1);
    repeated.map(|(word, times)| format!("{word} {times} times")).chain(missing).collect()
}
