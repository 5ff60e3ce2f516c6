//! Results held against each other, within a thread and with the last run of the same task; and questions back.

use std::{fs, sync::Arc};

use agent::{
    Analyst,
    scripted::{Scripted, calling},
};
use domain::{TaskId, table::Cell};
use serde_json::{Value, json};
use store::StartedRun;

use crate::support::{Bench, PER_CARRIER, code, good_answer, one_by_one};

/// A task over the bench's flights.
async fn task(bench: &Bench, prompt: &str) -> TaskId {
    let connection = bench.world.connection;
    let made = bench.world.task(|task| {
        task.prompt = prompt.into();
        task.context.connection_ids = vec![connection];
    });
    made.await.id
}

async fn run(bench: &Bench, task: TaskId) -> StartedRun {
    bench.world.store().task_run(&bench.world.scope, task, None).await.expect("a run")
}

/// One more flight of United, and the first of Mesa.
fn add_flights(bench: &Bench) {
    let data = bench.folder.path().join("data");
    let more = |file: &str, lines: &str| {
        let path = data.join(file);
        let text = fs::read_to_string(&path).expect("a file");
        fs::write(path, format!("{text}{lines}")).expect("a file");
    };
    more("flights.csv", "100,UA,1\n101,YV,2\n");
    more("airlines.csv", "YV,Mesa Airlines Inc.\n");
}

#[tokio::test]
async fn two_results_of_a_thread_are_compared_by_key() {
    let bench = Bench::new().await;
    let early = "SELECT carrier, count(*) AS flights FROM flights WHERE flight < 95 GROUP BY carrier";
    let late = "SELECT carrier, count(*) AS flights FROM flights WHERE flight >= 30 GROUP BY carrier";
    let model = Scripted::new(one_by_one(vec![
        bench.sql(early),
        bench.sql(late),
        ("compare_results", json!({ "before": "r1", "after": "r2", "key": ["carrier"] })),
        (
            "answer",
            json!({
                "headline": "{{r3[0].carrier|text}} fell from {{r3[0].flights_before}} to {{r3[0].flights_after}}.",
                "body": "That is {{r3[0].flights_pct_change|percent:0}}.",
                "results": ["r3"],
            }),
        ),
    ]));
    let started = bench.ask("What changed?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    assert_eq!(outputs[2].1["counts"], json!({ "changed": 2, "added": 0, "gone": 0, "same": 1 }));
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "UA fell from 60 to 30.");
    assert_eq!(answer.fill(&answer.body), "That is -50%.");
    // The figure's cell is one of the comparison, which says which two queries it comes from.
    let cell = &answer.figures[1].cells[0];
    assert_eq!((cell.handle.as_str(), cell.value.clone()), ("r3", Some(Cell::Int(60))));
    let stored = bench.world.store().result_get(&bench.world.scope, cell.result_id).await.expect("a look");
    let sql = stored.expect("the comparison").sql;
    assert!(sql.contains("flight < 95") && sql.contains("flight >= 30"), "{sql}");
    assert!(sql.lines().all(|line| line.starts_with("--")), "no query of its own ran: {sql}");
}

#[tokio::test]
async fn what_cannot_be_compared_says_how_to_mend_it() {
    let bench = Bench::new().await;
    let nobodys = "0190a000-0000-7000-8000-000000000001";
    let mistakes: Vec<(Value, &str, &str)> = vec![
        (json!({ "before": "r1", "after": "r9" }), "unknown_result", "There are r1, r2."),
        (json!({ "before": nobodys, "after": "r1" }), "unknown_result", "previous_threads"),
        (json!({ "before": "r1", "after": "r1" }), "needs_key", "`name`"),
        (json!({ "before": "r1", "after": "r1", "key": ["nope"] }), "unknown_column", "`flights`"),
        (json!({ "before": "r2", "after": "r2", "key": ["carrier"] }), "repeated_key", "aggregate"),
        (json!({ "before": "r1", "after": "r2", "key": [], "columns": [] }), "nothing_shared", "same names"),
    ];
    let calls: Vec<_> =
        mistakes.iter().map(|(arguments, ..)| ("compare_results", arguments.clone())).collect();
    let model = Scripted::new(vec![
        calling(&[bench.sql(PER_CARRIER), bench.sql("SELECT carrier, flight FROM flights")]),
        calling(&calls),
        calling(&[("answer", json!({ "headline": "Nothing was found." }))]),
    ]);
    let started = bench.ask("What changed?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    for ((arguments, wanted, hint), (_, output)) in mistakes.iter().zip(&outputs[2..]) {
        assert_eq!(code(output), *wanted, "{arguments}: {output}");
        let told = output["error"]["hint"].as_str().unwrap_or_default();
        assert!(told.contains(hint), "{arguments}: {told}");
    }
}

#[tokio::test]
async fn an_earlier_result_of_the_task_is_compared_and_no_other_threads() {
    let bench = Bench::new().await;
    let task = task(&bench, "Flights by airline").await;
    run(&bench, task).await;
    let first = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]));
    bench.agent(Arc::new(first)).run_once().await.expect("a run");
    // A thread of its own, not of the task: its result is nobody's to compare but its own.
    let other = bench.ask("Which airline flew most?").await;
    let alone = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]));
    bench.agent(Arc::new(alone)).run_once().await.expect("a run");
    let foreign = bench.answer(&other).await.results[0].id;

    add_flights(&bench);
    let started = run(&bench, task).await;
    let told = bench.world.store().task_previous_threads(&bench.world.scope, task, started.thread_id, 5, 20);
    let earlier = told.await.expect("threads")[0].results[0].id;
    let second = Scripted::new(one_by_one(vec![
        bench.sql(PER_CARRIER),
        ("previous_threads", json!({})),
        ("compare_results", json!({ "before": earlier, "after": "r1", "key": ["name"] })),
        ("compare_results", json!({ "before": foreign, "after": "r1", "key": ["name"] })),
        (
            "answer",
            json!({ "headline": "{{r2[0].name|text}}: {{r2[0].flights_change}} more.", "results": ["r1"] }),
        ),
    ]));
    bench.agent(Arc::new(second)).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    assert_eq!(outputs[1].1["threads"][0]["results"][0]["result"], json!(earlier));
    assert_eq!(outputs[2].1["counts"], json!({ "changed": 1, "added": 1, "gone": 0, "same": 2 }));
    assert_eq!(code(&outputs[3].1), "unknown_result");
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc.: 1 more.");
}

#[tokio::test]
async fn the_builtin_analyst_says_what_changed_since_the_last_run() {
    let bench = Bench::new().await;
    let task = task(&bench, "How many flights did each airline operate?").await;
    let first = run(&bench, task).await;
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    let answer = bench.answer(&first).await;
    assert!(!answer.body.contains("since"), "the first run has nothing to compare with: {}", answer.body);

    add_flights(&bench);
    let second = run(&bench, task).await;
    bench.agent(Arc::new(Analyst)).run_once().await.expect("a run");
    let answer = bench.answer(&second).await;
    let body = answer.fill(&answer.body);
    assert!(body.contains("United Air Lines Inc.: 60 then, 61 now (1.7% more)"), "{body}");
    assert!(body.contains("New since then: Mesa Airlines Inc."), "{body}");
    assert!((answer.checked_share - 1.0).abs() < f64::EPSILON, "{:?}", answer.figures);
    let then = answer.figures.iter().find(|figure| figure.text == "60").expect("the figure of last time");
    assert!(then.expression.as_deref().is_some_and(|text| text.contains("flights_before")), "{then:?}");
    assert_eq!(then.cells[0].value, Some(Cell::Int(60)));
}

#[tokio::test]
async fn a_question_back_offers_choices_in_a_conversation_and_never_in_a_task() {
    let bench = Bench::new().await;
    let back =
        |choices: Value| ("answer", json!({ "headline": "Which flights do you mean?", "choices": choices }));
    let one = back(json!(["Only one?"]));
    let two = back(json!([
        "Flights of  United?",
        "Flights of @[Secret](connection:0190a000-0000-7000-8000-000000000001)?"
    ]));
    let model = Scripted::new(one_by_one(vec![one, two.clone()]));
    let started = bench.ask("How many flights?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert_eq!(code(&bench.outputs(&started).await[0].1), "unfit_choices");
    let answer = bench.answer(&started).await;
    assert_eq!(answer.choices, ["Flights of United?", "Flights of Secret?"], "a choice mentions nothing");

    let task = task(&bench, "How many flights?").await;
    let started = run(&bench, task).await;
    let model = Scripted::new(one_by_one(vec![two, ("answer", json!({ "headline": "There were some." }))]));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert_eq!(code(&bench.outputs(&started).await[0].1), "nobody_to_ask");
    assert!(bench.answer(&started).await.choices.is_empty());
}
