//! What ends a turn that would not end by itself.

use std::{sync::Arc, time::Duration};

use agent::{
    Limits,
    model::ModelReply,
    scripted::{Scripted, calling},
};
use domain::{run::RunStatus, step::StepBody};
use serde_json::json;
use warehouse::QueryLimits;

use crate::support::{Bench, PER_CARRIER, code, good_answer};

#[tokio::test]
async fn a_model_that_loops_is_told_to_answer_and_then_cut_short() {
    let bench = Bench::new().await;
    let sql = bench.sql(PER_CARRIER);
    let model = Arc::new(Scripted::by(move |_, _| Ok(calling(std::slice::from_ref(&sql)))));
    let started = bench.ask("How many?").await;
    let limits = Limits { steps: 8, ..Limits::default() };
    bench.agent_within(model.clone(), limits).run_once().await.expect("a run");
    let steps = bench.steps(&started).await;
    let counted = steps.iter().filter(|step| !matches!(step, StepBody::Notice { .. })).count();
    assert_eq!(counted, 8);
    assert_eq!(model.calls(), 4);
    // The last reply is offered nothing but `answer`, and its query is not run.
    let last = model.asked().pop().expect("a request");
    assert_eq!(last.tools.iter().map(|tool| tool.name).collect::<Vec<_>>(), ["answer"]);
    let outputs = bench.outputs(&started).await;
    assert_eq!(code(&outputs[3].1), "limit_reached");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.usage.queries), (RunStatus::Succeeded, 3));
    let answer = bench.answer(&started).await;
    assert_eq!(answer.headline, "There is no full answer: the limit of 8 steps was reached.");
    assert_eq!(answer.results[0].handle, "r3");
}

#[tokio::test]
async fn a_model_that_says_nothing_is_cut_short_too() {
    let bench = Bench::new().await;
    let model = Arc::new(Scripted::by(|_, _| Ok(ModelReply::default())));
    let started = bench.ask("How many?").await;
    let limits = Limits { steps: 8, ..Limits::default() };
    bench.agent_within(model.clone(), limits).run_once().await.expect("a run");
    assert_eq!(model.calls(), 8);
    let answer = bench.answer(&started).await;
    assert_eq!(answer.headline, "There is no full answer: the limit of 8 steps was reached.");
}

#[tokio::test]
async fn the_last_call_is_in_time_for_an_answer() {
    let bench = Bench::new().await;
    let (sql, answer) = (bench.sql(PER_CARRIER), good_answer());
    let model = Scripted::by(move |request, _| {
        let call = if request.tools.len() == 1 { answer.clone() } else { sql.clone() };
        Ok(calling(&[call]))
    });
    let started = bench.ask("How many?").await;
    bench
        .agent_within(Arc::new(model), Limits { steps: 8, ..Limits::default() })
        .run_once()
        .await
        .expect("a run");
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc. flew most: 60 flights.");
}

#[tokio::test]
async fn many_calls_in_one_reply_stop_at_the_limit_too() {
    let bench = Bench::new().await;
    let sql = bench.sql(PER_CARRIER);
    let model = Arc::new(Scripted::by(move |_, _| Ok(calling(&vec![sql.clone(); 50]))));
    let started = bench.ask("How many?").await;
    bench.agent(model.clone()).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    assert_eq!((model.calls(), outputs.len()), (1, 23), "24 steps in all");
    let refused = outputs.iter().filter(|(_, output)| code(output) == "too_many_calls").count();
    assert_eq!(refused, 15, "8 of one reply are run");
    assert!(bench.answer(&started).await.headline.contains("24 steps"));
}

#[tokio::test]
async fn tokens_and_time_are_limits_too() {
    let bench = Bench::new().await;
    let sql = bench.sql(PER_CARRIER);
    let model = Scripted::by(move |_, _| {
        let mut reply = calling(std::slice::from_ref(&sql));
        reply.tokens_in = 60_000;
        Ok(reply)
    });
    let started = bench.ask("How many?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert!(bench.answer(&started).await.headline.contains("200000 tokens"));
    assert_eq!(bench.run(&started).await.usage.tokens_in, 240_000, "one step past the cap");

    let silent = Arc::new(Silent::default());
    let started = bench.ask("How many?").await;
    let limits = Limits { wall_time: Duration::from_millis(200), ..Limits::default() };
    bench.agent_within(silent, limits).run_once().await.expect("a run");
    assert!(bench.answer(&started).await.headline.contains("the limit of 0 seconds"));
}

#[tokio::test]
async fn a_cut_result_says_so_and_is_not_counted() {
    let bench = Bench::new().await;
    let counted = ("answer", json!({ "headline": "{{count(r1)}} flights" }));
    let model = Scripted::new(crate::support::one_by_one(vec![
        bench.sql("SELECT * FROM flights"),
        counted,
        ("answer", json!({ "headline": "Many flights.", "results": ["r1"] })),
    ]));
    let started = bench.ask("How many?").await;
    let query = QueryLimits { rows: 40, ..QueryLimits::default() };
    bench
        .agent_within(Arc::new(model), Limits { query, ..Limits::default() })
        .run_once()
        .await
        .expect("a run");
    let outputs = bench.outputs(&started).await;
    assert_eq!((&outputs[0].1["truncated"], &outputs[0].1["rowCount"]), (&json!("rows"), &json!(40)));
    assert!(outputs[1].1["error"]["message"].as_str().is_some_and(|message| message.contains("was cut")));
}

/// A model that never replies.
#[derive(Default)]
pub(crate) struct Silent {
    pub(crate) asked: tokio::sync::Notify,
}

#[async_trait::async_trait]
impl agent::model::Model for Silent {
    fn name(&self) -> String {
        "silent".into()
    }

    async fn reply(
        &self,
        _: &agent::model::ModelRequest,
        _: &tokio::sync::mpsc::Sender<String>,
    ) -> Result<agent::model::ModelReply, agent::model::ModelError> {
        self.asked.notify_one();
        std::future::pending().await
    }
}
