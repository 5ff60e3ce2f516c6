//! Thousands of requests at once to a provider that is slow, and whose connections break.

use std::sync::Arc;

use agent::{
    model::{Message, Model as _, ModelError, ModelReply, ModelRequest},
    openai::{OpenAi, OpenAiOptions},
};
use net::{Lanes, REQUESTS_PER_LANE};
use secrecy::SecretString;
use testkit::model::{SlowModel, Speaks};
use tokio::{sync::mpsc, task::JoinSet};

/// Requests at once: ten connections' full.
const REQUESTS: u32 = 10 * REQUESTS_PER_LANE as u32;

fn options(server: &SlowModel) -> OpenAiOptions {
    let key = SecretString::from("sk-test".to_owned());
    OpenAiOptions::new(server.base_url(), "slow", key)
}

fn client(server: &SlowModel) -> Arc<OpenAi> {
    let lanes = Lanes::trusting(Some(server.authority().as_bytes())).expect("an authority");
    Arc::new(OpenAi::over(lanes, options(server)))
}

async fn ask(model: &OpenAi) -> Result<ModelReply, ModelError> {
    let request = ModelRequest {
        system: "Answer.",
        messages: vec![Message::User { text: "Which airline flew most?".into() }],
        tools: &[],
        max_tokens_out: 100,
    };
    let (deltas, mut heard) = mpsc::channel(8);
    let hearing = async { while heard.recv().await.is_some() {} };
    let asking = async {
        let deltas = deltas;
        model.reply(&request, &deltas).await
    };
    tokio::join!(asking, hearing).0
}

/// Asks once more where a connection broke.
async fn ask_again(model: &OpenAi) -> Result<ModelReply, ModelError> {
    match ask(model).await {
        Err(ModelError::Unavailable { .. }) => ask(model).await,
        reply => reply,
    }
}

fn ask_many(model: &Arc<OpenAi>, many: u32) -> JoinSet<Result<ModelReply, ModelError>> {
    let mut asking = JoinSet::new();
    for _ in 0..many {
        let model = Arc::clone(model);
        asking.spawn(async move { ask_again(&model).await });
    }
    asking
}

/// With one client for all, no more than a hundred reach the server, and the test hangs; without the gate there are as many
/// connections as requests; with errors of the connection taken for the provider's refusal, replies are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_share_few_connections_and_outlive_them() {
    let server = SlowModel::start(Speaks::Http2).await.expect("a server");
    let model = client(&server);
    let mut asking = ask_many(&model, REQUESTS);
    server.until_taken(REQUESTS).await;
    let connections = server.connections();
    assert!((10..30).contains(&connections), "{connections} connections for {REQUESTS} requests");

    // All of it breaks at once, while nobody has heard anything.
    server.hang_up();
    server.until_taken(2 * REQUESTS).await;
    let again = server.connections() - connections;
    assert!((10..100).contains(&again), "{again} connections for as many requests that were sent again");
    server.answer();
    while let Some(reply) = asking.join_next().await {
        let reply = reply.expect("no panic").expect("a reply");
        assert_eq!(reply.text, "Hello.");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_http2_each_request_has_its_own_connection_and_outlives_it() {
    let server = SlowModel::start(Speaks::Http1).await.expect("a server");
    let model = client(&server);
    let mut asking = ask_many(&model, 20);
    server.until_taken(20).await;
    assert_eq!(server.connections(), 20);
    server.hang_up();
    server.until_taken(40).await;
    server.answer();
    while let Some(reply) = asking.join_next().await {
        assert_eq!(reply.expect("no panic").expect("a reply").text, "Hello.");
    }
}

/// A request that goes first and is given up lets the next one go first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_up_holds_up_nobody() {
    let server = SlowModel::start(Speaks::Http2).await.expect("a server");
    let model = client(&server);
    for _ in 0..3 {
        // Not once, or hardly, was it asked to go on.
        drop(ask_many(&model, 5));
        let mut given_up = Box::pin(ask(&model));
        assert!(futures::poll!(&mut given_up).is_pending());
    }
    server.answer();
    assert_eq!(ask(&model).await.expect("a reply").text, "Hello.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_nobody_vouches_for_is_sent_nothing() {
    let server = SlowModel::start(Speaks::Http2).await.expect("a server");
    server.answer();
    let refused = ask(&OpenAi::new(options(&server))).await.expect_err("a refusal");
    assert!(matches!(refused, ModelError::Unavailable { .. }), "{refused:?}");
    assert_eq!(server.connections(), 0);
    assert_eq!(ask(&client(&server)).await.expect("a reply").text, "Hello.");
}
