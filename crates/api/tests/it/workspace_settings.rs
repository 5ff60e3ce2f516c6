//! How a workspace's tasks run: set by admins, and heeded by what queues runs and by what hands them to workers.

use axum::http::Method;
use domain::access::Role;
use serde_json::{Value, json};
use testkit::world::workspace;

use crate::{
    harness::{Api, text},
    tasks::task,
};

const PATH: &str = "/workspace/settings";

/// The settings of a new workspace with some of their own.
#[expect(clippy::needless_pass_by_value, reason = "callers write it in place")]
fn settings(change: Value) -> Value {
    let mut settings = json!({"graceSeconds": 21_600, "maxConcurrentRuns": 20, "mayNeverExpire": false});
    settings.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    settings
}

#[tokio::test]
async fn admins_say_how_tasks_run_and_members_read_it() {
    let mut api = Api::new().await;
    let (_, manager) = api.member("manager", Role::Manager).await;
    let (other, _) = workspace(api.world.store(), "other").await;
    assert_eq!(api.get(PATH).await.expect(200), settings(json!({})));
    let set = json!({"graceSeconds": 28_800, "maxConcurrentRuns": 50, "mayNeverExpire": true});
    assert_eq!(api.put(PATH, set.clone()).await.expect(200), set);
    assert_eq!(api.get(PATH).await.expect(200), set);
    assert_eq!(api.call(&manager, Method::GET, PATH, None).await.expect(200), set);
    api.call(&manager, Method::PUT, PATH, Some(settings(json!({})))).await.expect(403);
    assert_eq!(api.get(PATH).await.expect(200), set, "a refusal changes nothing");
    let others = api.world.store().workspace_get(&other).await.expect("the other workspace").settings;
    assert_eq!(json!(others), settings(json!({})));
    let audited = "SELECT count(*) FROM audit_log WHERE action = 'workspace.settings' AND actor_kind = 'user'
                       AND details @> '{\"graceSeconds\": 28800, \"maxConcurrentRuns\": 50, \"mayNeverExpire\": true}'";
    assert_eq!(api.world.number(audited).await, 1);
    assert_eq!(
        api.world.number("SELECT count(*) FROM audit_log WHERE action = 'workspace.settings'").await,
        1
    );
}

#[tokio::test]
async fn what_is_out_of_bounds_or_unknown_is_refused_at_its_field() {
    let api = Api::new().await;
    for (change, fields) in [
        (json!({"graceSeconds": 604_801}), vec!["graceSeconds"]),
        (json!({"graceSeconds": -1}), vec!["graceSeconds"]),
        (json!({"graceSeconds": 0.5}), vec!["graceSeconds"]),
        (json!({"graceSeconds": null}), vec!["graceSeconds"]),
        (json!({"maxConcurrentRuns": 0}), vec!["maxConcurrentRuns"]),
        (json!({"maxConcurrentRuns": 10_001}), vec!["maxConcurrentRuns"]),
        (
            json!({"graceSeconds": 4_294_967_295_u32, "maxConcurrentRuns": 4_294_967_295_u32}),
            vec!["graceSeconds", "maxConcurrentRuns"],
        ),
        (json!({"mayNeverExpire": "yes"}), vec!["mayNeverExpire"]),
        (json!({"slug": "new"}), vec!["slug"]),
    ] {
        assert_eq!(api.put(PATH, settings(change.clone())).await.issues(), fields, "{change}");
    }
    let without_runs = json!({"graceSeconds": 0, "mayNeverExpire": false});
    assert_eq!(api.put(PATH, without_runs).await.issues(), ["maxConcurrentRuns"]);
    assert_eq!(api.get(PATH).await.expect(200), settings(json!({})));
    for bounds in [
        json!({"graceSeconds": 0, "maxConcurrentRuns": 1}),
        json!({"graceSeconds": 604_800, "maxConcurrentRuns": 10_000}),
    ] {
        api.put(PATH, settings(bounds)).await.expect(200);
    }
}

#[tokio::test]
async fn seven_hours_after_the_close_is_too_late_unless_the_grace_period_is_longer() {
    let api = Api::new().await;
    let task = api.world.task(|_| ()).await.id;
    api.world.set("2026-03-02T18:00:00Z");
    api.world.store().due_claim(10, None).await.expect("a look");
    assert_eq!(api.world.fates(task).await, ["03-02 missed downtime"]);

    api.put(PATH, settings(json!({"graceSeconds": 28_800}))).await.expect(200);
    assert_eq!(api.world.fates(task).await, ["03-02 missed downtime"], "what was missed stays missed");
    api.world.set("2026-03-03T18:00:00Z");
    api.world.store().due_claim(10, None).await.expect("a look");
    assert_eq!(api.world.fates(task).await, ["03-02 missed downtime", "03-03 queued late"]);

    // It is late already, and keeps its end.
    api.put(PATH, settings(json!({"graceSeconds": 0}))).await.expect(200);
    assert!(api.world.claim_one().await.late);
}

#[tokio::test]
async fn a_claim_keeps_to_the_most_runs_at_once() {
    let api = Api::new().await;
    for _ in 0..6 {
        api.world.task(|_| ()).await;
    }
    api.put(PATH, settings(json!({"maxConcurrentRuns": 2}))).await.expect(200);
    api.world.set("2026-03-02T09:00:00Z");
    api.world.store().due_claim(10, None).await.expect("a look");
    let first = api.world.claim().await;
    assert_eq!(first.len(), 2);
    assert!(api.world.claim().await.is_empty());
    api.put(PATH, settings(json!({"maxConcurrentRuns": 4}))).await.expect(200);
    assert_eq!(api.world.claim().await.len(), 2);

    // What is under way goes on, and nothing starts until there is room by the new bound.
    api.put(PATH, settings(json!({"maxConcurrentRuns": 3}))).await.expect(200);
    api.world.succeed(&first[0]).await;
    assert!(api.world.claim().await.is_empty());
    api.world.succeed(&first[1]).await;
    assert_eq!(api.world.claim().await.len(), 1);
}

#[tokio::test]
async fn a_task_without_an_expiration_stays_until_it_is_saved_again() {
    let api = Api::new().await;
    let endless = || task(json!({"expiresAt": null}));
    assert_eq!(api.post("/tasks", endless()).await.issues(), ["expiresAt"]);
    api.put(PATH, settings(json!({"mayNeverExpire": true}))).await.expect(200);
    assert_eq!(api.get("/me").await.expect(200)["features"]["mayNeverExpire"], true);
    let made = api.post("/tasks", endless()).await.expect(201);
    let path = format!("/tasks/{}", text(&made["id"]));
    let copied = api.post(&format!("{path}/duplicate"), json!({})).await.expect(200);
    assert_eq!(copied["expiresAt"], Value::Null);

    api.put(PATH, settings(json!({"mayNeverExpire": false}))).await.expect(200);
    let kept = api.get(&path).await.expect(200);
    assert_eq!((&kept["status"], &kept["expiresAt"]), (&json!("active"), &Value::Null));
    assert_eq!(kept["nextRunAt"], made["nextRunAt"]);
    api.post(&format!("{path}/pause"), json!({})).await.expect(200);
    assert_eq!(api.post(&format!("{path}/resume"), json!({})).await.expect(200)["status"], "active");
    // A copy is a new task, and whoever copies is asked for nothing.
    let copied = api.post(&format!("{path}/duplicate"), json!({})).await.expect(200);
    assert_eq!(copied["expiresAt"], "2026-09-02T08:00:00Z");
    assert_eq!(api.patch(&path, json!({"title": "New"})).await.issues(), ["expiresAt"]);
    let expires = json!({"title": "New", "expiresAt": "2026-06-01T00:00:00Z"});
    assert_eq!(api.patch(&path, expires).await.expect(200)["expiresAt"], "2026-06-01T00:00:00Z");
}
