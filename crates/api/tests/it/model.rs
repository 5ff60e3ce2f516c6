//! A workspace's own model, as admins set it up.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use api::{ModelProbe, ProposedModel, Said};
use axum::http::Method;
use domain::access::Role;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::harness::Api;

/// Says `Blue.` to whoever has the right key, and keeps what it was asked.
#[derive(Default)]
struct Probe(Mutex<Vec<ProposedModel>>);

impl ModelProbe for Probe {
    fn ask(&self, model: ProposedModel) -> Pin<Box<dyn Future<Output = Said> + Send + '_>> {
        let is_right = model.api_key.as_ref().is_some_and(|key| key.expose_secret() == "sk-right");
        self.0.lock().expect("a list").push(model);
        let said = if is_right { Ok("Blue.".to_owned()) } else { Err("401: who are you?".to_owned()) };
        Box::pin(std::future::ready(said))
    }
}

impl Probe {
    /// The key that it was asked with last.
    fn last_key(&self) -> Option<String> {
        let asked = self.0.lock().expect("a list");
        asked.last().and_then(|model| model.api_key.as_ref()).map(|key| key.expose_secret().to_owned())
    }
}

async fn with_probe() -> (Api, Arc<Probe>) {
    let probe = Arc::new(Probe::default());
    let mut api = Api::new().await;
    api.state = api.state.clone().with_model_probe(probe.clone());
    api.router = api::router(api.state.clone());
    (api, probe)
}

fn own(key: &str) -> Value {
    json!({"baseUrl": "https://models.example.com/v1/", "model": "some-model", "apiKey": key})
}

#[tokio::test]
async fn an_admin_brings_a_model_whose_key_is_shown_to_nobody() {
    let (mut api, _) = with_probe().await;
    assert_eq!(
        api.get("/model").await.expect(200),
        json!({"server": {"model": "builtin", "fallback": null}, "own": null})
    );
    let set = api.put("/model", own("sk-canary")).await.expect(200);
    assert_eq!(set["own"]["baseUrl"], "https://models.example.com/v1");
    assert_eq!((&set["own"]["model"], &set["own"]["hasKey"]), (&json!("some-model"), &json!(true)));
    assert_eq!(api.get("/me").await.expect(200)["features"]["model"], "openai:some-model");
    let kept = api.world.store().workspace_model(&api.world.scope).await.expect("a look").expect("a model");
    assert_eq!(kept.api_key.expect("a key").expose_secret(), "sk-canary");
    // Neither an answer nor what is stored in the clear tells it.
    assert!(!api.get("/model").await.expect(200).to_string().contains("canary"));
    let clear = "SELECT count(*) FROM workspace_model WHERE position('canary'::bytea IN secret) > 0";
    assert_eq!(api.world.number(clear).await, 0);
    let audited =
        "SELECT count(*) FROM audit_log WHERE action = 'model.replace' AND details::text LIKE '%some-model%'
                   AND details::text NOT LIKE '%canary%'";
    assert_eq!(api.world.number(audited).await, 1);

    let (_, editor) = api.member("ann", Role::Editor).await;
    for method in [Method::GET, Method::DELETE] {
        api.call(&editor, method, "/model", None).await.expect(403);
    }
    assert_eq!(api.call(&api.token, Method::DELETE, "/model", None).await.status, 204);
    assert_eq!(api.call(&api.token, Method::DELETE, "/model", None).await.status, 204, "it is already");
    assert_eq!(api.get("/me").await.expect(200)["features"]["model"], "builtin");
    assert_eq!(api.world.number("SELECT count(*) FROM audit_log WHERE action = 'model.remove'").await, 1);
}

/// Seen to fail: without the look at the address in `Store::key`, the kept key went to the other address.
#[tokio::test]
async fn a_kept_key_stays_with_its_address() {
    let (api, probe) = with_probe().await;
    api.put("/model", own("sk-right")).await.expect(200);
    let named = json!({"baseUrl": "https://models.example.com/v1", "model": "another"});
    api.put("/model", named.clone()).await.expect(200);
    let tested = api.post("/model/test", named).await.expect(200);
    assert_eq!((&tested["ok"], &tested["said"]), (&json!(true), &json!("Blue.")));
    assert_eq!(probe.last_key().as_deref(), Some("sk-right"));

    let elsewhere = json!({"baseUrl": "https://elsewhere.example.com/v1", "model": "another"});
    for (method, path) in [(Method::POST, "/model/test"), (Method::PUT, "/model")] {
        let refused = api.call(&api.token, method, path, Some(elsewhere.clone())).await;
        refused.expect(422);
        assert_eq!(refused.issues().len(), 1, "{:?}", refused.issues());
    }
    assert_eq!(probe.0.lock().expect("a list").len(), 1, "nothing was sent there");

    let keyless = json!({"baseUrl": "https://elsewhere.example.com/v1", "model": "another", "apiKey": ""});
    let set = api.put("/model", keyless.clone()).await.expect(200);
    assert_eq!(set["own"]["hasKey"], false);
    let tested = api.post("/model/test", keyless).await.expect(200);
    assert_eq!((&tested["ok"], &tested["message"]), (&json!(false), &json!("401: who are you?")));
}

#[tokio::test]
async fn what_cannot_be_a_provider_is_refused_by_its_field() {
    let (api, probe) = with_probe().await;
    for (body, field) in [
        (json!({"baseUrl": "http://models.example.com/v1", "model": "x"}), "baseUrl"),
        (json!({"baseUrl": "https://127.0.0.1/v1", "model": "x"}), "baseUrl"),
        (json!({"baseUrl": "https://localhost/v1", "model": "x"}), "baseUrl"),
        (json!({"baseUrl": "https://a:b@models.example.com", "model": "x"}), "baseUrl"),
        (json!({"baseUrl": "https://models.example.com/?a=b", "model": "x"}), "baseUrl"),
        (json!({"model": " "}), "model"),
        (json!({"model": "two\nlines"}), "model"),
        (json!({"model": "x", "apiKey": "with blank"}), "apiKey"),
    ] {
        let refused = api.post("/model/test", body.clone()).await;
        refused.expect(422);
        assert!(format!("{:?}", refused.issues()).contains(field), "{body}: {:?}", refused.issues());
    }
    assert!(probe.0.lock().expect("a list").is_empty());
}
