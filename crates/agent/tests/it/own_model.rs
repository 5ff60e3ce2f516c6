//! Workspaces that bring their own model provider: it alone is asked, it costs no credits, and requests to it are guarded.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};

use agent::{
    model::{Model, ModelError, ModelReply, ModelRequest},
    openai::{OpenAi, OpenAiOptions},
    provider::{Models, ModelsOptions, ask_for_a_word},
    scripted::Scripted,
};
use async_trait::async_trait;
use domain::{
    Credits, UserId,
    credit_cap::CreditCaps,
    run::{RunReason, RunStatus},
    step::{ModelProvider, StepBody},
};
use secrecy::SecretString;
use serde_json::json;
use store::{CapOf, KeyChange, Scope, Store, WorkspaceModelChange};
use tokio::sync::mpsc;

use crate::{
    provider::{Provider, fail, reply},
    support::{Bench, PER_CARRIER, good_answer, one_by_one},
};

async fn bring(bench: &Bench, base_url: &str) {
    let change = WorkspaceModelChange {
        base_url: Some(base_url.to_owned()),
        name: "gpt-4o".to_owned(),
        key: KeyChange::Set(SecretString::from("sk-own".to_owned())),
    };
    let world = &bench.world;
    world.store().workspace_model_set(&world.scope, world.user, &change).await.expect("a provider");
}

/// Uses up what the workspace has.
async fn use_up_credits(bench: &Bench) {
    for amount in ["1", "-1"] {
        let amount = amount.parse().expect("an amount");
        bench.world.store().credit_grant(&bench.world.scope, amount, "a test").await.expect("a grant");
    }
}

/// The server's model, and the address that workspaces' own may be at.
fn models(server: &Arc<Scripted>, allowed: &[&str]) -> Models {
    let mut options = ModelsOptions::new(server.clone());
    options.patience.attempts = 1;
    options.allowed_addresses = allowed.iter().map(|address| address.parse().expect("an address")).collect();
    Models::new(options)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspaces_own_provider_answers_and_costs_it_no_credits() {
    let (bench, own) = (Bench::new().await, Provider::start());
    let server = Arc::new(Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()])));
    let models = models(&server, &["127.0.0.1"]);
    bring(&bench, &own.base_url).await;
    use_up_credits(&bench).await;
    own.script(vec![reply(&bench.sql(PER_CARRIER)), reply(&good_answer())]).await;
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(models.clone()).run_once().await.expect("a run");
    let steps = bench.steps(&started).await;
    let StepBody::Model { model, provider, credits, tokens_in, .. } = &steps[0] else { panic!("{steps:?}") };
    assert_eq!((model.as_str(), *provider), ("openai:gpt-4o", ModelProvider::Workspace));
    assert!(*tokens_in > 0 && credits.abs() < f64::EPSILON, "counted, and not charged");
    assert_eq!(bench.run(&started).await.status, RunStatus::Succeeded, "without a credit left");
    assert_eq!(server.calls(), 0);

    // Down, it is not replaced: where the data goes is the workspace's choice.
    own.script(vec![fail(503)]).await;
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(models.clone()).run_once().await.expect("a run");
    assert_eq!(bench.run(&started).await.reason, Some(RunReason::ModelUnavailable));
    assert_eq!(server.calls(), 0);

    // Taken away, the server's model answers again, for credits.
    bench.world.store().workspace_model_remove(&bench.world.scope).await.expect("removed");
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(models).run_once().await.expect("a run");
    assert_eq!(bench.run(&started).await.reason, Some(RunReason::BlockedByCredits));
}

/// Caps are on credits, of which a provider of the workspace's own costs none.
///
/// Seen to fail: where its turn's opening looks for caps all the same, the run failed as `cap_reached`.
#[tokio::test(flavor = "multi_thread")]
async fn a_cap_that_is_reached_does_not_hold_for_a_provider_of_the_workspaces_own() {
    let (bench, own) = (Bench::new().await, Provider::start());
    let (store, scope) = (bench.world.store(), &bench.world.scope);
    let caps = CreditCaps { per_run: Some(0.1), per_month: Some(0.1) };
    store.credit_cap_set(scope, CapOf::Workspace, &caps).await.expect("a cap");
    let server = Arc::new(Scripted::new(one_by_one(vec![good_answer()])));
    let used = async || store.credit_cap_list(scope, None).await.expect("caps")[0].used;

    // The server's model uses the cap up, and is stopped by it.
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(models(&server, &[])).run_once().await.expect("a run");
    let before = used().await;
    assert!(before >= Credits::nearest(0.1), "{:?}", bench.run(&started).await);
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(models(&server, &[])).run_once().await.expect("a run");
    assert_eq!(bench.run(&started).await.reason, Some(RunReason::CapReached));
    let calls = server.calls();

    bring(&bench, &own.base_url).await;
    own.script(vec![reply(&bench.sql(PER_CARRIER)), reply(&good_answer())]).await;
    let started = bench.ask("Which airline flew most?").await;
    bench.agent_asking(models(&server, &["127.0.0.1"])).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Succeeded, None));
    assert!(run.usage.credits.abs() < f64::EPSILON && run.usage.tokens_in > 0, "{:?}", run.usage);
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc. flew most: 60 flights.");
    assert_eq!((used().await, server.calls()), (before, calls));
}

/// Seen to fail: with the vendor's client in the place of the guarded one, the provider is asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_not_connected_to() {
    let (bench, own) = (Bench::new().await, Provider::start());
    let server = Arc::new(Scripted::new(vec![]));
    own.script(vec![reply(&good_answer())]).await;
    for base_url in [own.base_url.clone(), own.base_url.replace("127.0.0.1", "localhost")] {
        bring(&bench, &base_url).await;
        let started = bench.ask("Which airline flew most?").await;
        bench.agent_asking(models(&server, &[])).run_once().await.expect("a run");
        let run = bench.run(&started).await;
        assert_eq!(run.reason, Some(RunReason::ModelUnavailable));
        let message = run.message.expect("a sentence");
        assert!(message.contains("public") && !message.contains("sk-own"), "{message}");
        let word = ask_for_a_word(vec![], Some(&base_url), "gpt-4o", None).await;
        assert!(word.expect_err("a refusal").message().contains("public"));
    }
    assert_eq!(own.requests().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposed_provider_is_asked_for_one_word() {
    let own = Provider::start();
    own.script(vec![json!({ "type": "reply", "text": "Blue." })]).await;
    let allowed = vec!["127.0.0.1".parse().expect("an address")];
    let key = || Some(SecretString::from("sk-own".to_owned()));
    let said = ask_for_a_word(allowed.clone(), Some(&own.base_url), "gpt-4o", key()).await;
    assert_eq!(said.expect("a word"), "Blue.");
    own.script(vec![fail(401)]).await;
    let refused = ask_for_a_word(allowed, Some(&own.base_url), "gpt-4o", key()).await.expect_err("a refusal");
    assert!(refused.message().starts_with("401"), "{refused}");
    assert_eq!(own.requests().await, 2, "each once");
}

#[tokio::test]
async fn runs_that_wait_for_credits_go_on_with_a_provider_of_the_workspaces_own() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench.world.task(|task| task.context.connection_ids = vec![connection]).await;
    use_up_credits(&bench).await;
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    assert!(bench.world.claim().await.is_empty());
    assert_eq!(bench.world.fates(task.id).await, ["03-02 waiting blocked_by_credits"]);
    bring(&bench, "https://models.example.com/v1").await;
    assert_eq!(bench.world.claim().await.len(), 1, "it needs no credits any more");
}

/// A server that answers with one line without an end, in a thread of its own. It tells the request's head, and how many bytes
/// were taken from it before the connection was closed; at most 64 MiB.
fn endless() -> (String, std::thread::JoinHandle<(String, usize)>) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
    let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut part = [0; 4_096];
            let read = stream.read(&mut part).expect("a request");
            head.extend_from_slice(&part[..read]);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: ";
        stream.write_all(answer).expect("taken");
        let (mut taken, part) = (0, vec![b'x'; 64 << 10]);
        while taken < 64 << 20 && stream.write_all(&part).is_ok() {
            taken += part.len();
        }
        (String::from_utf8_lossy(&head).to_lowercase(), taken)
    });
    (base_url, serving)
}

/// Without the bound on a reply's bytes all 64 MiB would be taken; without whole lines the reader would look through 8 MiB with
/// each part that comes, which took this test minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_without_an_end_is_cut_whoever_chose_the_address() {
    let allowed = vec!["127.0.0.1".parse().expect("an address")];
    let (base_url, serving) = endless();
    let said = ask_for_a_word(allowed, Some(&base_url), "m", None).await;
    assert!(matches!(said, Err(ModelError::Unavailable { .. })), "{said:?}");
    let (head, taken) = serving.join().expect("served");
    assert!(taken < 32 << 20, "{taken} bytes were taken");
    assert!(!head.contains("gzip"), "a user's server is not asked to pack anything: {head}");

    let (base_url, serving) = endless();
    let operators = OpenAi::new(OpenAiOptions::new(base_url, "m", SecretString::from(String::new())));
    let request = ModelRequest { system: "", messages: vec![], tools: &[], max_tokens_out: 1 };
    let (deltas, _watched) = mpsc::channel(1);
    let reply = operators.reply(&request, &deltas).await;
    assert!(matches!(reply, Err(ModelError::Unavailable { .. })), "{reply:?}");
    let (_, taken) = serving.join().expect("served");
    assert!(taken < 32 << 20, "{taken} bytes were taken");
}

/// A model whose first reply takes so long that an admin brings the workspace's own meanwhile.
struct Overtaken {
    store: Store,
    scope: Scope,
    user: UserId,
    script: Scripted,
}

#[async_trait]
impl Model for Overtaken {
    fn name(&self) -> String {
        self.script.name()
    }

    async fn reply(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        let change = WorkspaceModelChange {
            base_url: Some("https://models.example.com/v1".to_owned()),
            name: "gpt-4o".to_owned(),
            key: KeyChange::Set(SecretString::from("sk-own".to_owned())),
        };
        self.store.workspace_model_set(&self.scope, self.user, &change).await.expect("a provider");
        self.script.reply(request, deltas).await
    }
}

/// A turn that began with the server's model is held to credits and caps to its end.
///
/// Were clearance given as the workspace is set up by now, the turn would go on, on the server's model.
#[tokio::test]
async fn a_turn_under_way_is_held_to_credits_and_caps_when_an_own_provider_is_brought() {
    for (limit, reason) in [("credits", RunReason::BlockedByCredits), ("cap", RunReason::CapReached)] {
        let bench = Bench::new().await;
        let (store, scope) = (bench.world.store(), &bench.world.scope);
        if limit == "credits" {
            store.credit_grant(scope, "0.1".parse().expect("an amount"), "a test").await.expect("a grant");
        } else {
            let caps = CreditCaps { per_run: None, per_month: Some(0.1) };
            store.credit_cap_set(scope, CapOf::Workspace, &caps).await.expect("a cap");
        }
        // A reply costs 0.2 credits.
        let script = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]));
        let model =
            Arc::new(Overtaken { store: store.clone(), scope: *scope, user: bench.world.user, script });
        let started = bench.ask("Which airline flew most?").await;
        bench.agent(model.clone()).run_once().await.expect("a run");
        assert_eq!(bench.run(&started).await.reason, Some(reason));
        assert_eq!(model.script.calls(), 1);
    }
}
