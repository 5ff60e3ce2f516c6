//! The `openai` provider against an OpenAI-compatible server that someone else wrote (llmock), with its faults.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use agent::{
    Limits,
    openai::{OpenAi, OpenAiOptions},
    provider::{Models, ModelsOptions},
};
use domain::{
    run::{RunReason, RunStatus},
    step::StepBody,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{Bench, PER_CARRIER, code, good_answer};

/// How long these tests let a provider be silent.
const SILENCE: Duration = Duration::from_secs(2);

const SERVE: &str = "
import sys
from llmock.testing import LLMockServer
with LLMockServer() as server:
    print(server.base_url('openai'), flush=True)
    sys.stdin.read()
";

/// A running llmock. It ends with its standard input.
pub(crate) struct Provider {
    process: Child,
    pub(crate) base_url: String,
    http: reqwest::Client,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/llmock/bin/python");
        assert!(python.exists(), "{} is missing: run `make tools-test`", python.display());
        let mut process = Command::new(python)
            .args(["-u", "-c", SERVE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("llmock starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("its address");
        assert!(line.starts_with("http"), "llmock did not start: {line}");
        Self { process, base_url: line.trim().to_owned(), http: net::vendor_client() }
    }

    fn admin(&self, path: &str) -> String {
        format!("{}/_llmock/{path}", self.base_url.trim_end_matches("/v1"))
    }

    pub(crate) async fn script(&self, behaviors: Vec<Value>) {
        let body = json!({ "behaviors": behaviors });
        let response = self.http.post(self.admin("scenario")).json(&body).send().await.expect("a response");
        assert!(response.status().is_success(), "{}", response.text().await.expect("text"));
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.http.get(self.admin(path)).send().await.expect("a response").json().await.expect("JSON")
    }

    /// How many requests came in.
    pub(crate) async fn requests(&self) -> usize {
        let requests = self.get("requests").await;
        let list = requests["requests"].as_array().or(requests.as_array());
        list.map(Vec::len).expect("a list of requests")
    }

    /// What llmock says about how its client coped.
    async fn assert_coped(&self) {
        let verdict = self.get("verdict").await;
        assert_eq!(verdict["passed"], json!(true), "{verdict:#}");
    }

    pub(crate) fn model(&self) -> Arc<OpenAi> {
        let key = SecretString::from("sk-test".to_owned());
        let mut options = OpenAiOptions::new(&self.base_url, "gpt-4o", key);
        options.idle_timeout = SILENCE;
        Arc::new(OpenAi::new(options))
    }

    /// This provider alone, asked again after a moment.
    fn models(&self) -> Models {
        let mut options = ModelsOptions::new(self.model());
        options.patience.first_wait = Duration::from_millis(50);
        Models::new(options)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

pub(crate) fn reply(call: &(&str, Value)) -> Value {
    json!({ "type": "reply", "tool_calls": [{ "name": call.0, "arguments": call.1 }] })
}

pub(crate) fn fail(status: u16) -> Value {
    json!({ "type": "fail", "status": status })
}

fn search() -> Value {
    reply(&("search_catalog", json!({ "query": "flights of airlines" })))
}

async fn assert_answered(bench: &Bench, started: &store::StartedRun) {
    let answer = bench.answer(started).await;
    assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc. flew most: 60 flights.");
    assert_eq!(answer.model, "openai:gpt-4o");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_turn_with_streaming_tool_calls() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    let both = json!({ "type": "reply", "text": "Let me look at two tables.", "tool_calls": [
        { "name": "describe_table", "arguments": { "connectionId": bench.world.connection, "table": "flights" } },
        { "name": "describe_table", "arguments": { "connectionId": bench.world.connection, "table": "airlines" } },
    ] });
    provider.script(vec![search(), both, reply(&bench.sql(PER_CARRIER)), reply(&good_answer())]).await;
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(provider.models()).run_once().await.expect("a run");
    assert_answered(&bench, &started).await;
    let steps = bench.steps(&started).await;
    assert_eq!(steps.len(), 9, "four replies, five outputs");
    let StepBody::Model { text, tool_calls, tokens_in, tokens_out, .. } = &steps[2] else {
        panic!("{steps:?}")
    };
    assert_eq!((text.as_str(), tool_calls.len()), ("Let me look at two tables.", 2));
    assert!(*tokens_in > 0 && *tokens_out > 0, "counted from the usage chunk");
    provider.assert_coped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_provider_is_first_too_busy_and_then_broken() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    let busy = json!({ "type": "fail", "status": 429, "retry_after": 1 });
    provider
        .script(vec![busy, fail(500), search(), reply(&bench.sql(PER_CARRIER)), reply(&good_answer())])
        .await;
    let started = bench.ask("Which airline flew most?").await;
    let before = tokio::time::Instant::now();
    bench.agent_asking(provider.models()).run_once().await.expect("a run");
    assert_answered(&bench, &started).await;
    assert!(before.elapsed() >= Duration::from_secs(1), "the time that the server asked for was waited");
    assert_eq!(bench.steps(&started).await.len(), 6, "failed attempts are no steps");
    provider.assert_coped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_break_are_asked_for_again_and_never_taken_for_whole() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    for fault in ["truncate", "disconnect", "malformed", "stall"] {
        let broken = json!({ "type": "stream_fault", "kind": fault, "after_chunks": 2, "stall_seconds": 20 });
        let query = reply(&bench.sql(PER_CARRIER));
        provider.script(vec![broken, query.clone(), query, reply(&good_answer())]).await;
        let started = bench.ask("Which airline flew most?").await;
        bench.agent_asking(provider.models()).run_once().await.expect("a run");
        assert_answered(&bench, &started).await;
        assert_eq!(bench.steps(&started).await.len(), 4, "{fault}");
    }
    provider.assert_coped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_tool_calls_are_told_to_the_model() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    for (kind, wanted) in [("malformed_arguments", "invalid_arguments"), ("unknown_tool", "unknown_tool")] {
        let fault = json!({ "type": "tool_fault", "kind": kind });
        provider.script(vec![fault, search(), reply(&bench.sql(PER_CARRIER)), reply(&good_answer())]).await;
        let started = bench.ask("Which airline flew most?").await;
        bench.agent_asking(provider.models()).run_once().await.expect("a run");
        assert_answered(&bench, &started).await;
        let outputs = bench.outputs(&started).await;
        assert_eq!(code(&outputs[0].1), wanted, "{outputs:?}");
    }
}

/// Seen to fail: without the nudge, the turn ended at the empty reply, without an answer that could be read.
#[tokio::test(flavor = "multi_thread")]
async fn empty_replies_are_told_to_the_model_and_end_at_the_limit() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    let empty = json!({ "type": "reply", "text": "" });
    provider.script(vec![empty.clone(), reply(&bench.sql(PER_CARRIER)), reply(&good_answer())]).await;
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(provider.models()).run_once().await.expect("a run");
    assert_answered(&bench, &started).await;
    let steps = bench.steps(&started).await;
    assert!(matches!(&steps[1], StepBody::Notice { .. }), "{steps:?}");

    provider.script(vec![empty; 8]).await;
    let started = bench.ask("Which airline flew most?").await;
    let limits = Limits { steps: 8, ..Limits::default() };
    bench.agent_within_asking(provider.models(), limits).run_once().await.expect("a run");
    let answer = bench.answer(&started).await;
    assert_eq!(answer.headline, "There is no full answer: the limit of 8 steps was reached.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_an_endless_outage_end_the_run() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    provider.script(vec![fail(401)]).await;
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(provider.models()).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::ModelUnavailable)));
    assert!(!run.message.expect("a sentence").contains("sk-test"));
    assert_eq!(provider.requests().await, 1, "not tried again");

    // An hour is for the queue to wait, not for a worker.
    provider.script(vec![json!({ "type": "fail", "status": 429, "retry_after": 3600 })]).await;
    let started = bench.ask("Which airline flew most?").await;
    let before = tokio::time::Instant::now();
    bench.agent_asking(provider.models()).run_once().await.expect("a run");
    assert!(before.elapsed() < Duration::from_secs(30));
    assert_eq!(bench.run(&started).await.reason, Some(RunReason::ModelUnavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_token_may_be_slow_and_must_come() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    let slow = |seconds: f64| json!({ "type": "slow_first_token", "seconds": seconds });
    // The first request is lost to silence, and asked again; the others are borne.
    let replies = [search(), search(), reply(&bench.sql(PER_CARRIER)), reply(&good_answer())];
    let mut script = vec![slow(20.0), slow(0.3), slow(0.3)];
    script.extend(replies);
    provider.script(script).await;
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(provider.models()).run_once().await.expect("a run");
    assert_answered(&bench, &started).await;
    assert_eq!(bench.steps(&started).await.len(), 6, "a lost attempt is no step");
    assert_eq!(provider.requests().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_longer_than_the_turn_ends_it_clearly_and_at_once() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    provider.script(vec![json!({ "type": "fail", "status": 429, "retry_after": 50 })]).await;
    let started = bench.ask("Which airline flew most?").await;
    let limits = Limits { wall_time: Duration::from_secs(40), ..Limits::default() };
    bench.agent_within_asking(provider.models(), limits).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::ModelUnavailable)));
    let message = run.message.expect("a sentence");
    assert!(message.ends_with("It may be asked again in 50 seconds."), "{message}");
    assert_eq!(provider.requests().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_only_ever_calls_unknown_tools_is_cut_short() {
    let (bench, provider) = (Bench::new().await, Provider::start());
    provider.script(vec![json!({ "type": "tool_fault", "kind": "unknown_tool", "times": null })]).await;
    let started = bench.ask("Which airline flew most?").await;
    let limits = Limits { steps: 8, ..Limits::default() };
    bench.agent_within_asking(provider.models(), limits).run_once().await.expect("a run");
    let answer = bench.answer(&started).await;
    assert_eq!(answer.headline, "There is no full answer: the limit of 8 steps was reached.");
}
