//! Conditions and freshness as the API shows and takes them. What they do: `agent/tests/it`.

use axum::http::Method;
use domain::{
    access::Role,
    answer::Answer,
    check::{Check, Verdict},
    run::Usage,
};
use serde_json::{Value, json};
use store::{ClaimedRun, NewCheck};

use crate::{
    harness::{Api, text},
    tasks::task,
};

/// Ends a claimed run of a task whose condition does not hold.
async fn conclude(api: &Api, run: &ClaimedRun) {
    let check = Check {
        verdict: Verdict::DoesNotHold,
        sentence: "612 rows, which is not below 500".into(),
        compared: Some("the rows of r1".into()),
        value: Some(612.0),
        ..Check::not_evaluated(String::new())
    };
    let answer = Answer { headline: "612 flights.".into(), ..Answer::default() };
    let checked = NewCheck { check, rows_digest: None };
    let ended =
        api.world.store().run_conclude(&run.scope, &run.lease, &answer, &Usage::default(), &checked).await;
    ended.expect("an end");
}

#[tokio::test]
async fn a_task_keeps_changes_and_drops_its_condition_and_its_gate() {
    let api = Api::new().await;
    let connection = api.world.connection;
    let condition = json!({"kind": "threshold", "comparison": "below", "value": 500.0, "column": "revenue"});
    let gate = json!({"connectionIds": [connection], "policy": "send_stale"});
    let body = task(json!({
        "context": {"connectionIds": [connection]}, "condition": condition, "freshness": gate,
    }));
    let made = api.post("/tasks", body).await.expect(201);
    assert_eq!((&made["condition"], &made["freshness"]), (&condition, &gate));
    assert_eq!(made["conditionInWords"], "revenue is below 500");
    let path = format!("/tasks/{}", text(&made["id"]));
    let renamed = api.patch(&path, json!({"title": "Revenue"})).await.expect(200);
    assert_eq!((&renamed["condition"], &renamed["freshness"]), (&condition, &gate), "what is absent stays");
    let copy = api.post(&format!("{path}/duplicate"), json!({})).await.expect(200);
    assert_eq!((&copy["condition"], &copy["freshness"]), (&condition, &gate));
    let changed =
        api.patch(&path, json!({"condition": {"kind": "no_data"}, "freshness": {"policy": "skip"}})).await;
    let changed = changed.expect(200);
    assert_eq!(changed["conditionInWords"], "there is no data");
    assert_eq!(changed["freshness"], json!({"connectionIds": null, "policy": "skip"}));
    let refused =
        api.patch(&path, json!({"condition": {"kind": "percent_change", "direction": "up", "percent": 0}}));
    assert_eq!(refused.await.issues(), ["condition.percent"]);
    let dropped = api.patch(&path, json!({"condition": null, "freshness": null})).await.expect(200);
    for key in ["condition", "conditionInWords", "freshness"] {
        assert_eq!(dropped[key], Value::Null, "{key}");
    }
}

#[tokio::test]
async fn runs_and_occurrences_tell_what_came_of_the_condition() {
    let mut api = Api::new().await;
    let condition = json!({"kind": "rows", "comparison": "below", "value": 500});
    let made = api.world.task(|task| task.condition = serde_json::from_value(condition).ok()).await;
    api.world.set("2026-03-02T09:00:00Z");
    api.world.store().due_claim(10, None).await.expect("a claim");
    let run = api.world.claim_one().await;
    let path = format!("/runs/{}", run.lease.run_id);
    assert_eq!(api.get(&path).await.expect(200)["check"], Value::Null, "not evaluated yet");
    conclude(&api, &run).await;
    let seen = api.get(&path).await.expect(200);
    assert_eq!((&seen["status"], &seen["deliveries"]), (&json!("no_news"), &json!([])));
    assert_eq!(
        seen["check"],
        json!({
            "verdict": "does_not_hold", "sentence": "612 rows, which is not below 500", "compared": "the rows of r1",
            "value": 612.0, "previous": null, "resultId": null, "handle": null, "column": null,
        })
    );
    let list = api.get(&format!("/tasks/{}/occurrences", made.id)).await.expect(200);
    let past = list["values"].as_array().expect("values").last().expect("the past one");
    assert_eq!((&past["fate"], &past["check"]), (&json!("no_news"), &seen["check"]));
    assert_eq!(list["values"][0]["check"], Value::Null, "one to come");
    // Another admin sees how the run stands, and nothing of the data.
    let (_, other) = api.member("ann", Role::Admin).await;
    let seen = api.call(&other, Method::GET, &path, None).await.expect(200);
    assert_eq!((&seen["status"], &seen["check"]), (&json!("no_news"), &Value::Null));
}

#[tokio::test]
async fn a_waiting_run_says_what_it_waits_for() {
    let api = Api::new().await;
    let made = api.world.task(|_| {}).await;
    api.world.set("2026-03-02T09:00:00Z");
    api.world.store().due_claim(10, None).await.expect("a claim");
    let run = api.world.claim_one().await;
    let why = "Data of Flights as of yesterday.";
    api.world.store().run_hold(&run.scope, &run.lease, why).await.expect("a hold");
    let seen = api.get(&format!("/runs/{}", run.lease.run_id)).await.expect(200);
    assert_eq!((&seen["status"], &seen["reason"]), (&json!("waiting"), &json!("stale_data")));
    assert_eq!((&seen["message"], &seen["threadId"]), (&json!(why), &Value::Null));
    let list = api.get(&format!("/tasks/{}/occurrences", made.id)).await.expect(200);
    let now = list["values"].as_array().expect("values").last().expect("today's");
    assert_eq!((&now["fate"], &now["reason"]), (&json!("waiting"), &json!("stale_data")));
}

#[tokio::test]
async fn a_connections_freshness_is_tried_out_shown_and_dropped() {
    let mut api = Api::new().await;
    let folder = api.files.path().join("allowed");
    let loads = "batch,loaded_at\n1,2026-03-02T06:00:00Z\n";
    std::fs::write(folder.join("loads.csv"), loads).expect("a file");
    let details = json!({"files": {"path": folder}});
    let with = |freshness: Value| json!({"name": "NYC", "type": "files", "connectionDetails": details, "freshness": freshness});
    let check = |table: &str, column: &str, minutes: i64| json!({"table": table, "column": column, "maxAgeMinutes": minutes});
    for (freshness, path) in [
        (check("gone", "loaded_at", 60), "freshness.table"),
        (check("loads", "gone", 60), "freshness.column"),
        (check("loads", "batch", 60), "freshness.column"),
        (check("loads", "loaded_at", 0), "freshness.maxAgeMinutes"),
        (check("loads", "loaded_at", -1), "freshness.maxAgeMinutes"),
        (check("", "loaded_at", 60), "freshness.table"),
        (json!({"table": "loads"}), "freshness.column"),
        (json!({"table": "loads", "column": "loaded_at", "maxAgeMinutes": 60, "sql": "x"}), "freshness.sql"),
    ] {
        let refused = api.post("/data-connections", with(freshness.clone())).await;
        assert_eq!(refused.issues(), [path], "{freshness}");
    }
    let made = api.post("/data-connections", with(check("loads", "loaded_at", 60))).await.expect(201);
    assert_eq!(made["freshness"], check("loads", "loaded_at", 60));
    // It is 08:00: the data is two hours old.
    let look = json!({
        "isFresh": false, "newestAt": "2026-03-02T06:00:00Z",
        "message": "The newest loaded_at of loads is 2026-03-02 06:00 UTC: 2 hours old, where 60 minutes are allowed",
    });
    assert_eq!(made["lastTest"]["freshness"], look);
    let path = format!("/data-connections/{}", text(&made["id"]));
    let tested = api.post(&format!("{path}/test"), json!({})).await.expect(200);
    assert_eq!((&tested["ok"], &tested["freshness"]), (&json!(true), &look));
    let changed = api.patch(&path, json!({"freshness": check("loads", "loaded_at", 120)})).await.expect(200);
    assert_eq!(changed["lastTest"]["freshness"]["isFresh"], true);
    let renamed = api.patch(&path, json!({"name": "New York"})).await.expect(200);
    assert_eq!(renamed["freshness"]["maxAgeMinutes"], 120, "what is absent stays");
    // A table that went since is a look that failed, not a refusal.
    std::fs::rename(folder.join("loads.csv"), folder.join("moved.csv")).expect("a move");
    let tested = api.post(&format!("{path}/test"), json!({})).await.expect(200);
    assert_eq!(tested["freshness"]["isFresh"], false);
    assert!(text(&tested["freshness"]["message"]).starts_with("there is no table loads"), "{tested}");
    // Tried out before anything is saved.
    let unsaved =
        json!({"type": "files", "connectionDetails": details, "freshness": check("moved", "loaded_at", 600)});
    let tested = api.post("/data-connections/test", unsaved).await.expect(200);
    assert_eq!(tested["freshness"]["isFresh"], true);

    // Who may query it sees it and cannot change it; who may only see results does not see it.
    let (ann, token) = api.member("ann", Role::Editor).await;
    let grant = |access: &str| json!({"values": [{"subject": {"userId": ann}, "access": access}]});
    api.put(&format!("{path}/grants"), grant("query")).await.expect(200);
    let seen = api.call(&token, Method::GET, &path, None).await.expect(200);
    assert_eq!(seen["freshness"]["table"], "loads");
    let change = Some(json!({"freshness": null}));
    api.call(&token, Method::PATCH, &path, change).await.expect(403);
    api.put(&format!("{path}/grants"), grant("view_results")).await.expect(200);
    let seen = api.call(&token, Method::GET, &path, None).await.expect(200);
    assert_eq!((&seen["freshness"], &seen["lastTest"]["freshness"]), (&Value::Null, &Value::Null));

    let dropped = api.patch(&path, json!({"freshness": null})).await.expect(200);
    assert_eq!(dropped["freshness"], Value::Null);
}
