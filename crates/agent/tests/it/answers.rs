//! What comes of questions.

use std::sync::Arc;

use agent::{
    Analyst,
    model::ModelReply,
    scripted::{Scripted, calling},
};
use domain::{run::RunStatus, step::StepBody, table::Cell};
use serde_json::{Value, json};

use crate::support::{Bench, PER_CARRIER, code, good_answer, one_by_one};

#[tokio::test]
async fn the_builtin_analyst_answers_a_task_from_the_data() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench
        .world
        .task(|task| {
            task.prompt = "Which 2 airlines had the most flights?".into();
            task.context.connection_ids = vec![connection];
        })
        .await;
    let started = bench.world.store().task_run(&bench.world.scope, task.id, None).await.expect("a run");
    assert_eq!(bench.agent(Arc::new(Analyst)).run_once().await.expect("a run"), 1);

    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Succeeded, None), "{:?}", run.message);
    assert_eq!(run.deliveries.pending, 1);
    let answer = bench.answer(&started).await;
    let text = format!("{} {}", answer.fill(&answer.headline), answer.fill(&answer.body));
    assert!(text.contains("United Air Lines Inc.") && text.contains("60"), "{text}");
    assert_eq!(answer.model, "builtin");
    assert!((answer.checked_share - 1.0).abs() < f64::EPSILON);
    let linked = answer.figures.iter().flat_map(|figure| &figure.cells);
    assert!(linked.clone().any(|cell| cell.value == Some(Cell::Int(60))), "{:?}", answer.figures);
    assert_eq!(answer.charts.len(), 1, "a ranking is drawn");
    let png = bench.world.store().chart_png(&bench.world.scope, answer.charts[0].id).await.expect("a chart");
    assert!(png.expect("a picture").starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn a_scripted_turn_passes_every_tool_and_keeps_its_steps_in_order() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let spec = json!({ "mark": "bar", "encoding": {
        "y": { "field": "name", "type": "nominal" }, "x": { "field": "flights", "type": "quantitative" } } });
    let mut answer = good_answer();
    answer.1["charts"] = json!(["c1"]);
    let model = Arc::new(Scripted::new(one_by_one(vec![
        ("search_catalog", json!({ "query": "flights of airlines" })),
        ("describe_table", json!({ "connectionId": connection, "table": "airlines" })),
        bench.sql(PER_CARRIER),
        ("create_chart", json!({ "result": "r1", "title": "Flights by airline", "spec": spec })),
        ("previous_threads", json!({})),
        ("compare_results", json!({ "before": "r1", "after": "r1", "key": ["name"] })),
        answer,
    ])));
    let started = bench.ask("Which airline flew most?").await;
    bench.agent(model.clone()).run_once().await.expect("a run");

    let outputs = bench.outputs(&started).await;
    let names: Vec<_> = outputs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "search_catalog",
            "describe_table",
            "run_sql",
            "create_chart",
            "previous_threads",
            "compare_results",
            "answer"
        ]
    );
    for (name, output) in &outputs {
        assert_eq!(output.get("error"), None, "{name}");
    }
    assert_eq!(outputs[0].1["tables"][0]["connectionId"], json!(connection));
    assert_eq!(outputs[0].1["tables"].as_array().map(Vec::len), Some(2));
    assert_eq!(outputs[1].1["columns"][1]["name"], "name");
    assert_eq!(
        outputs[2].1["rows"],
        json!([["United Air Lines Inc.", 60], ["JetBlue Airways", 30], ["Delta Air Lines Inc.", 10]])
    );
    assert_eq!(outputs[2].1["aggregates"]["flights"]["sum"], json!(100.0));
    assert_eq!(outputs[3].1["chart"], "c1");

    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc. flew most: 60 flights.");
    assert_eq!(answer.fill(&answer.body), "That is 60% of 100.");
    assert_eq!(answer.charts[0].title, "Flights by airline");
    let run = bench.run(&started).await;
    assert_eq!(
        (run.usage.tokens_in, run.usage.tokens_out, run.usage.queries, run.usage.rows),
        // A comparison runs no query, and its rows were returned by one before.
        (700, 70, 1, 3)
    );
    assert!((run.usage.credits - 1.4).abs() < 1e-9, "{}", run.usage.credits);
    // What a model is asked begins with the circumstances, and holds nothing of the data in its system message.
    let asked = model.asked();
    assert_eq!(asked.len(), 7);
    assert!(
        asked
            .iter()
            .all(|request| !request.system.contains("United") && !request.system.contains("airlines.csv"))
    );
}

#[tokio::test]
async fn a_follow_up_sees_what_was_found_and_may_refer_to_it() {
    let bench = Bench::new().await;
    let first = Arc::new(Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()])));
    let started = bench.ask("Which airline flew most?").await;
    bench.agent(first).run_once().await.expect("a run");
    let second = Arc::new(Scripted::new(one_by_one(vec![
        bench.sql("SELECT count(*) AS flights FROM flights WHERE carrier = 'DL'"),
        (
            "answer",
            json!({ "headline": "{{r1[0].name|text}} leads by {{delta(r1[0].flights,r2[0].flights)}}.", "results": ["r2"] }),
        ),
    ])));
    let follow_up = bench.follow_up(&started, "And against Delta?").await;
    bench.agent(second.clone()).run_once().await.expect("a run");
    let answer = bench.answer(&follow_up).await;
    assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc. leads by 50.");
    let conversation = format!("{:?}", second.asked()[0].messages);
    assert!(
        conversation.contains("Which airline flew most?") && conversation.contains("JetBlue"),
        "{conversation}"
    );
}

#[tokio::test]
async fn invented_numbers_are_sent_back_once_and_then_marked() {
    let bench = Bench::new().await;
    let invented = (
        "answer",
        json!({ "headline": "United flew 61 of 100 flights.", "results": ["r1"], "caveats": ["Up by 12%."] }),
    );
    let model = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), invented.clone(), invented]));
    let started = bench.ask("How many?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    assert_eq!(code(&outputs[1].1), "unchecked_figures");
    assert_eq!(outputs[1].1["error"]["details"]["numerals"], json!(["61", "12%"]));
    assert_eq!(outputs[2].1["unchecked"], json!(["61", "12%"]));
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "United flew 61 of 100 flights.");
    let marked: Vec<_> = answer.figures.iter().map(|figure| (figure.text.as_str(), figure.checked)).collect();
    assert_eq!(marked, [("61", false), ("100", true), ("12%", false)]);
    assert!((answer.checked_share - 1.0 / 3.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_repair_that_mends_leaves_nothing_unchecked() {
    let bench = Bench::new().await;
    let invented = ("answer", json!({ "headline": "United flew 61 flights.", "results": ["r1"] }));
    let model = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), invented, good_answer()]));
    let started = bench.ask("How many?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert!((bench.answer(&started).await.checked_share - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_a_model_gets_wrong_is_told_and_nothing_breaks() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let mistakes: Vec<(&'static str, Value, &'static str)> = vec![
        ("no_such_tool", json!({}), "unknown_tool"),
        ("run_sql", json!("{\"sql\": "), "invalid_arguments"),
        ("run_sql", json!({ "sql": "SELECT 1" }), "invalid_arguments"),
        (
            "run_sql",
            json!({ "connectionId": connection, "sql": "SELECT 1", "timeout": 9 }),
            "invalid_arguments",
        ),
        ("run_sql", json!({ "connectionId": "nope", "sql": "SELECT 1" }), "unknown_connection"),
        ("run_sql", json!({ "connectionId": connection, "sql": "SELECT nope FROM flights" }), "sql_error"),
        ("run_sql", json!({ "connectionId": connection, "sql": "DELETE FROM flights" }), "refused"),
        ("describe_table", json!({ "connectionId": connection, "table": "nope" }), "unknown_table"),
        ("search_catalog", json!({ "query": "x", "connectionId": "nope" }), "unknown_connection"),
        ("create_chart", json!({ "result": "r1", "title": "t", "spec": {} }), "unknown_result"),
        ("answer", json!({ "headline": " ", "body": "" }), "invalid_arguments"),
        ("answer", json!({ "headline": "x", "results": ["r9"] }), "unknown_result"),
        ("answer", json!({ "headline": "x", "charts": ["c1"] }), "unknown_chart"),
        ("answer", json!({ "headline": "{{r1[0].x}}" }), "bad_figures"),
        ("answer", json!({ "headline": "x".repeat(301) }), "answer_too_long"),
    ];
    for chunk in mistakes.chunks(8) {
        let mut replies = vec![calling(
            &chunk.iter().map(|(tool, arguments, _)| (*tool, arguments.clone())).collect::<Vec<_>>(),
        )];
        replies.push(calling(&[("answer", json!({ "headline": "Nothing was found." }))]));
        let started = bench.ask("What?").await;
        bench.agent(Arc::new(Scripted::new(replies))).run_once().await.expect("a run");
        let outputs = bench.outputs(&started).await;
        let told: Vec<_> = outputs.iter().map(|(_, output)| code(output)).take(chunk.len()).collect();
        let wanted: Vec<_> = chunk.iter().map(|(.., code)| *code).collect();
        assert_eq!(told, wanted, "{outputs:#?}");
        for (_, output) in outputs.iter().take(chunk.len()) {
            assert!(
                output["error"]["message"].as_str().is_some_and(|message| !message.is_empty()),
                "{output}"
            );
        }
        assert_eq!(bench.answer(&started).await.headline, "Nothing was found.");
    }
}

#[tokio::test]
async fn a_model_that_only_talks_is_reminded_and_then_taken_at_its_word() {
    let bench = Bench::new().await;
    let said = |text: &str| ModelReply { text: text.into(), ..ModelReply::default() };
    let talk = "# There were 60 flights.\n\nI made up 17 and {{r9[0].x}}.";
    let model = Scripted::new(vec![calling(&[bench.sql(PER_CARRIER)]), said("Let me think."), said(talk)]);
    let started = bench.ask("How many?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let notices = bench
        .steps(&started)
        .await
        .into_iter()
        .filter(|step| matches!(step, StepBody::Notice { .. }))
        .count();
    assert_eq!(notices, 1);
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "There were 60 flights.");
    assert!(answer.figures.iter().any(|figure| figure.text == "60" && figure.checked));
    assert!(answer.figures.iter().any(|figure| figure.text == "17" && !figure.checked));
    assert_eq!(answer.results[0].handle, "r1");
}

#[tokio::test]
async fn a_task_sees_its_earlier_threads() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench.world.task(|task| task.context.connection_ids = vec![connection]).await;
    let store = bench.world.store();
    store.task_run(&bench.world.scope, task.id, None).await.expect("a run");
    let first = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]));
    bench.agent(Arc::new(first)).run_once().await.expect("a run");
    let started = store.task_run(&bench.world.scope, task.id, None).await.expect("a run");
    let second = Scripted::new(one_by_one(vec![
        ("previous_threads", json!({ "limit": 5 })),
        ("answer", json!({ "headline": "Nothing changed." })),
    ]));
    bench.agent(Arc::new(second)).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    let threads = outputs[0].1["threads"].as_array().expect("threads");
    assert_eq!(threads.len(), 1, "not the one that asks");
    assert_eq!(threads[0]["headline"], "United Air Lines Inc. flew most: 60 flights.");
    assert_eq!(threads[0]["sql"], json!([PER_CARRIER]));
    assert_eq!(threads[0]["results"][0]["rows"][0], json!(["United Air Lines Inc.", 60]));
}
