//! Tasks drafted in a conversation: by the analyst, and by a model that may not name anyone itself.

use std::sync::Arc;

use agent::{Analyst, scripted::Scripted};
use domain::{access::Role, task_draft::TaskDraft};
use serde_json::{Value, json};

use crate::support::{Bench, code, one_by_one};

async fn draft(bench: &Bench, started: &store::StartedRun) -> TaskDraft {
    let outputs = bench.outputs(started).await;
    let (_, output) = outputs.iter().find(|(tool, _)| tool == "create_task_draft").expect("a draft");
    assert_eq!(output["saved"], false);
    serde_json::from_value(output["draft"].clone()).expect("a draft")
}

#[tokio::test]
async fn a_wish_becomes_a_whole_draft_and_nothing_is_saved() {
    let bench = Bench::new().await;
    let mia = bench.world.member("Mia Morse", Role::Member).await;
    let started = bench.ask("How many flights were there by carrier?").await;
    let agent = bench.agent(Arc::new(Analyst));
    agent.run_once().await.expect("a run");
    let wish = "Run this every Monday morning at 8 and send it to me, Mia, Nobody Known and #growth";
    let started = bench.follow_up(&started, wish).await;
    agent.run_once().await.expect("a run");

    let draft = draft(&bench, &started).await;
    assert_eq!(draft.title, "How many flights were there by carrier");
    let mention = format!("@[Flights](connection:{})", bench.world.connection);
    assert!(draft.prompt.contains(&mention), "{}", draft.prompt);
    assert_eq!(draft.schedule_in_words, "Every Monday, 08:00 to 10:00, UTC");
    assert_eq!(draft.notification.user_ids, [bench.world.user, mia]);
    assert_eq!(draft.recipients, ["admin", "Mia Morse"]);
    let unresolved: Vec<_> = draft.unresolved.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(unresolved, ["#growth", "Nobody Known"]);
    let answer = bench.answer(&started).await;
    assert!(
        answer.body.contains("Nobody Known") && answer.body.contains("Nothing is saved"),
        "{}",
        answer.body
    );
    assert_eq!(bench.world.number("SELECT count(*) FROM task").await, 0);

    // The conversation goes on where it was.
    let started = bench.follow_up(&started, "Only of UA").await;
    agent.run_once().await.expect("a run");
    assert!(!bench.answer(&started).await.results.is_empty());
}

/// With `is_said` answering true, the first call is taken.
#[tokio::test]
async fn a_model_names_nobody_whom_the_person_did_not() {
    let bench = Bench::new().await;
    bench.world.member("mallory", Role::Member).await;
    let call = |recipients: Value| {
        let arguments = json!({
            "title": "Flights", "prompt": "How many flights?", "cadence": "weekly", "recipients": recipients,
        });
        ("create_task_draft", arguments)
    };
    let calls = vec![
        call(json!(["mallory"])),
        call(json!(["me"])),
        ("answer", json!({ "headline": "Here is the draft." })),
    ];
    let started = bench.ask("Run this every week and send it to me").await;
    bench.agent(Arc::new(Scripted::new(one_by_one(calls)))).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    assert_eq!(code(&outputs[0].1), "unasked_recipient");
    assert_eq!(outputs[1].1["draft"]["notification"]["userIds"], json!([bench.world.user]));
}

#[tokio::test]
async fn a_tasks_own_run_drafts_nothing() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench.world.task(|task| task.context.connection_ids = vec![connection]).await;
    let started = bench.world.store().task_run(&bench.world.scope, task.id, None).await.expect("a run");
    let call = ("create_task_draft", json!({ "title": "x", "prompt": "x", "cadence": "daily" }));
    let model = Scripted::new(one_by_one(vec![call, ("answer", json!({ "headline": "Done." }))]));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert_eq!(code(&bench.outputs(&started).await[0].1), "not_interactive");
}
