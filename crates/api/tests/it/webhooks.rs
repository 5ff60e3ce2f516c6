//! Webhooks, places that messages do not reach, and notices, as the API shows them.

use axum::http::Method;
use domain::{access::Role, delivery::Channel, task::SlackChannel};
use serde_json::json;
use store::DeliveryOutcome;
use testkit::world::claim_deliveries;

use crate::harness::Api;

/// A task of the admin's whose Slack channel is archived; the place's id.
pub(crate) async fn rotten_channel(api: &Api) -> String {
    let store = api.world.store();
    let task = api.world.task(|spec| {
        spec.title = "Hidden flights".into();
        spec.notification.slack_channels = vec![SlackChannel { id: "C1".into(), name: "#hidden".into() }];
    });
    let task = task.await;
    store.task_run(&api.world.scope, task.id, None).await.expect("a run");
    let claimed = api.world.claim().await;
    let run = claimed.iter().find(|run| run.task_id == Some(task.id)).expect("the run");
    api.world.succeed(run).await;
    for delivery in claim_deliveries(store, "test", 100).await {
        if delivery.channel == Channel::SlackChannel {
            let outcome = DeliveryOutcome::Failed {
                reason: "slack_is_archived".into(),
                message: "slack_is_archived".into(),
            };
            store.delivery_finish(&delivery.scope, &delivery.lease, &outcome).await.expect("an end");
        }
    }
    let found = api.get("/destinations").await.expect(200);
    found["values"][0]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn an_admin_makes_changes_rotates_and_deletes_a_webhook() {
    let api = Api::new().await;
    let made = api
        .post(
            "/webhooks",
            json!({"url": "https://hooks.example.com/t", "events": ["run.failed", "task.paused"]}),
        )
        .await
        .expect(201);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!((&made["on"], &made["offReason"]), (&json!(true), &json!(null)));
    let id = made["id"].as_str().expect("an id");
    let path = format!("/webhooks/{id}");
    let read = api.get(&path).await.expect(200);
    assert!(read.get("secret").is_none(), "shown once");
    let changed = api.patch(&path, json!({"on": false, "description": "Pager"})).await.expect(200);
    assert_eq!((&changed["offReason"], &changed["description"]), (&json!("by_admin"), &json!("Pager")));
    let refused = api.post(&format!("{path}/test"), json!({})).await.expect(409);
    assert_eq!(refused["reason"], "webhook_off");
    api.patch(&path, json!({"on": true})).await.expect(200);
    let rotated = api.post(&format!("{path}/rotate"), json!({})).await.expect(200);
    assert_ne!(rotated["secret"], secret);
    assert!(rotated["oldSecretEndsAt"].is_string());
    let sent = api.post(&format!("{path}/test"), json!({})).await.expect(202);
    let listed = api.get(&format!("{path}/messages")).await.expect(200);
    assert_eq!(listed["values"][0]["id"], sent["messageId"]);
    assert_eq!(listed["values"][0]["body"]["type"], "test");
    let resend = format!("{path}/messages/{}/resend", sent["messageId"].as_str().expect("an id"));
    assert_eq!(api.post(&resend, json!({})).await.expect(409)["reason"], "webhook_busy");
    api.delete(&path).await.expect(204);
    api.get(&path).await.expect(404);
}

#[tokio::test]
async fn an_address_that_is_not_on_the_open_internet_is_refused_unless_the_operator_allows_it() {
    let mut api = Api::with(|options| {
        options.webhook_addresses = vec!["10.1.2.3".parse().expect("an address")];
    })
    .await;
    let body = |url: &str| json!({"url": url, "events": ["run.failed"]});
    for url in [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://user:pass@hooks.example.com/",
        "ftp://hooks.example.com/",
        "hooks.example.com",
        "https://",
        "",
    ] {
        let issues = api.post("/webhooks", body(url)).await.issues();
        assert!(issues.iter().all(|field| field == "url") && !issues.is_empty(), "{url}: {issues:?}");
    }
    for url in ["https://10.1.2.3/", "http://10.1.2.3:8080/x", "https://hooks.example.com:8443/x?y=z"] {
        api.post("/webhooks", body(url)).await.expect(201);
    }
    for events in [json!([]), json!(["test"]), json!(["run.failed", "run.failed"])] {
        let refused = api.post("/webhooks", json!({"url": "https://a.example", "events": events})).await;
        assert_eq!(refused.issues()[0], "events");
    }
    for _ in 3..20 {
        api.post("/webhooks", body("https://a.example/")).await.expect(201);
    }
    assert_eq!(api.post("/webhooks", body("https://a.example/")).await.issues(), ["url"], "one too many");
    let (_, editor) = api.member("ann", Role::Editor).await;
    api.call(&editor, Method::GET, "/webhooks", None).await.expect(403);
}

#[tokio::test]
async fn a_webhook_is_made_once_and_its_secret_told_once() {
    let api = Api::new().await;
    let make = || {
        let body = json!({"url": "https://a.example/", "events": ["run.failed"]});
        let mut request = crate::harness::request(Method::POST, "/webhooks", Some(&api.token), Some(body));
        request.headers_mut().insert("idempotency-key", "k".parse().expect("a header"));
        request
    };
    api.send(make()).await.expect(201);
    assert_eq!(api.send(make()).await.expect(409)["reason"], "webhook_already_made");
    assert_eq!(api.world.number("SELECT count(*) FROM webhook_endpoint").await, 1);
}

#[tokio::test]
async fn a_creator_sees_what_their_messages_do_not_reach_reads_why_and_tries_again() {
    let mut api = Api::new().await;
    let id = rotten_channel(&api).await;
    let (_, ann) = api.member("ann", Role::Editor).await;
    let hers = api.call(&ann, Method::GET, "/destinations", None).await.expect(200);
    assert_eq!(hers["values"], json!([]));
    let task = api.get("/tasks").await.expect(200)["values"][0]["id"].as_str().expect("an id").to_owned();
    let of_task = api.get(&format!("/destinations?taskId={task}")).await.expect(200);
    let place = &of_task["values"][0];
    assert_eq!((&place["id"], &place["label"]), (&json!(id), &json!("#hidden")));
    assert_eq!(place["sentence"], "The channel is archived.");
    assert!(place["pausedAt"].is_string());
    let refused = api.call(&ann, Method::GET, &format!("/destinations?taskId={task}"), None).await;
    assert_eq!(refused.issues(), ["taskId"]);
    let told = api.get("/notices").await.expect(200);
    assert_eq!(told["values"][0]["kind"], "destination_paused");
    assert_eq!(told["values"][0]["taskId"], task);
    let newest = told["values"][0]["id"].clone();
    api.post("/notices/read", json!({"upTo": newest})).await.expect(204);
    let told = api.get("/notices").await.expect(200);
    assert!(told["values"][0]["readAt"].is_string());
    api.post(&format!("/destinations/{id}/resume"), json!({})).await.expect(204);
    let of_task = api.get(&format!("/destinations?taskId={task}")).await.expect(200);
    assert_eq!(of_task["values"][0]["pausedAt"], json!(null));
}

#[tokio::test]
async fn a_task_is_made_quiet_listed_by_title_and_heard_of_again() {
    let api = Api::new().await;
    let task = api.world.task(|_| ()).await;
    let path = format!("/me/quiet-tasks/{}", task.id);
    api.put(&path, json!({})).await.expect(204);
    let quiet = api.get("/me/quiet-tasks").await.expect(200);
    assert_eq!(quiet["values"], json!([{"id": task.id, "title": "Flights", "until": null}]));
    api.delete(&path).await.expect(204);
    api.delete(&path).await.expect(404);
    let quiet = api.get("/me/quiet-tasks").await.expect(200);
    assert_eq!(quiet["values"], json!([]));
}
