//! Tasks: made, changed, paused, run; told apart by version; their creator's alone.

use axum::http::{Method, header};
use domain::access::Role;
use serde_json::{Value, json};

use crate::harness::{Api, request, text};

/// A task's body with some fields of its own.
#[expect(clippy::needless_pass_by_value, reason = "callers write it in place")]
pub(crate) fn task(change: Value) -> Value {
    let mut task = json!({
        "title": "Flights", "prompt": "Which 5 airlines had the most flights?",
        "schedule": {"cadence": "weekly", "weekdays": ["mon", "thu"], "windowStart": "09:00", "timezone": "Europe/Berlin"},
    });
    task.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    task
}

#[tokio::test]
async fn a_task_lives_from_creation_to_deletion() {
    let api = Api::new().await;
    let connection = api.world.connection;
    let prompt = format!("How many in @[Flights](connection:{connection})?");
    let made = api
        .post("/tasks", task(json!({"prompt": prompt, "notification": {"userIds": [api.world.user]}})))
        .await;
    assert_eq!(made.header("etag"), "\"1\"");
    let made = made.expect(201);
    assert_eq!(made["context"]["connectionIds"], json!([connection]));
    assert_eq!(made["status"], "active");
    // Monday 08:00 UTC is 09:00 in Berlin: that window opens now and not after now.
    assert_eq!(made["nextRunAt"], "2026-03-05T08:00:00Z");
    assert_eq!(made["expiresAt"], "2026-09-02T08:00:00Z");
    assert_eq!(made["scheduleInWords"], "Every Monday and Thursday, 09:00 to 11:00, Europe/Berlin");
    for key in ["condition", "conditionInWords", "freshness", "statusReason", "lastRun", "latestThreadId"] {
        assert_eq!(made.get(key), Some(&Value::Null), "{key}");
    }
    let path = format!("/tasks/{}", text(&made["id"]));
    assert_eq!(api.get(&path).await.expect(200), made);

    let paused = api.post(&format!("{path}/pause"), json!({})).await.expect(200);
    assert_eq!((&paused["status"], &paused["nextRunAt"]), (&json!("paused"), &Value::Null));
    let resumed = api.post(&format!("{path}/resume"), json!({})).await.expect(200);
    assert_eq!(resumed["nextRunAt"], "2026-03-05T08:00:00Z");
    let extended =
        api.post(&format!("{path}/extend"), json!({"expiresAt": "2027-01-01T00:00:00Z"})).await.expect(200);
    assert_eq!(extended["expiresAt"], "2027-01-01T00:00:00Z");
    let never = api.post(&format!("{path}/extend"), json!({"expiresAt": null})).await;
    assert_eq!(never.issues(), ["expiresAt"]);
    let copy = api.post(&format!("{path}/duplicate"), json!({})).await.expect(200);
    assert_eq!((&copy["title"], &copy["status"]), (&json!("Copy of Flights"), &json!("paused")));

    let started = api.post(&format!("{path}/run"), json!({"testToMe": true})).await.expect(202);
    let run = api.get(&format!("/runs/{}", text(&started["runId"]))).await.expect(200);
    assert_eq!((&run["trigger"], &run["status"]), (&json!("test"), &json!("queued")));
    assert_eq!(run["threadId"], started["threadId"]);
    let after = api.get(&path).await.expect(200);
    assert_eq!(after["nextRunAt"], "2026-03-05T08:00:00Z", "running now leaves the schedule alone");
    assert_eq!(after["latestThreadId"], started["threadId"]);
    let cancelled =
        api.post(&format!("/runs/{}/cancel", text(&started["runId"])), json!({})).await.expect(200);
    assert_eq!(
        (&cancelled["status"], &cancelled["reason"]),
        (&json!("cancelled"), &json!("cancelled_by_user"))
    );
    api.post(&format!("/runs/{}/cancel", text(&started["runId"])), json!({})).await.expect(200);

    assert_eq!(api.delete(&path).await.status, 204);
    api.get(&path).await.expect(404);
    api.delete(&path).await.expect(404);
}

#[tokio::test]
async fn occurrences_tell_what_was_and_what_comes() {
    let api = Api::new().await;
    let made = api.world.task(|_| {}).await;
    api.world.set("2026-03-02T09:00:00Z");
    api.world.store().due_claim(10, None).await.expect("a claim");
    let run = api.world.claim_one().await;
    api.world.succeed(&run).await;
    let list = api.get(&format!("/tasks/{}/occurrences", made.id)).await.expect(200);
    let told: Vec<_> = list["values"]
        .as_array()
        .expect("values")
        .iter()
        .map(|occurrence| format!("{} {}", text(&occurrence["date"]), text(&occurrence["fate"])))
        .collect();
    assert_eq!(told[4..], ["2026-03-03 upcoming", "2026-03-02 succeeded"]);
    assert_eq!(told[0], "2026-03-07 upcoming");
    let past = &list["values"][5];
    assert_eq!(past["deliveries"]["pending"], 1);
    assert_eq!(past["threadId"], json!(run.thread_id));
    let deliveries = api.get(&format!("/runs/{}/deliveries", text(&past["runId"]))).await.expect(200);
    assert_eq!(deliveries["values"][0]["recipient"]["userId"], json!(api.world.user));
    assert_eq!(deliveries["values"][0]["channel"], "email");
}

#[tokio::test]
async fn everything_wrong_is_told_at_once_with_its_field() {
    let api = Api::new().await;
    let nobody = "019396f0-0000-7000-8000-000000000001";
    for (change, paths) in [
        (json!({"title": " "}), vec!["title"]),
        (json!({"title": "x".repeat(151), "prompt": ""}), vec!["title", "prompt"]),
        (json!({"title": 7}), vec!["title"]),
        (json!({"titel": "x"}), vec!["titel"]),
        (json!({"context": {"connectionIds": ["x"]}}), vec!["context.connectionIds[0]"]),
        (json!({"context": {"connectionIds": [nobody]}}), vec!["context.connectionIds[0]"]),
        (json!({"context": {"tables": []}}), vec!["context.tables"]),
        (
            json!({"notification": {"userIds": [nobody], "groupIds": [nobody]}}),
            vec!["notification.userIds[0]", "notification.groupIds[0]"],
        ),
        (
            json!({"notification": {"slackChannels": [{"id": "C1", "name": "#growth"}]}}),
            vec!["notification.slackChannels[0]"],
        ),
        (json!({"expiresAt": "2026-01-01T00:00:00Z"}), vec!["expiresAt"]),
        (json!({"expiresAt": null}), vec!["expiresAt"]),
        (json!({"condition": {}}), vec!["condition.kind"]),
        (json!({"condition": {"kind": "sql"}}), vec!["condition.kind"]),
        (json!({"condition": {"kind": "rows", "value": 3}}), vec!["condition.comparison"]),
        (
            json!({"condition": {"kind": "rows", "comparison": "above", "value": "many"}}),
            vec!["condition.value"],
        ),
        (json!({"condition": {"kind": "changed", "value": 3}}), vec!["condition.value"]),
        (json!({"condition": {"kind": "no_data", "sql": "x"}}), vec!["condition.sql"]),
        (
            json!({"title": "", "condition": {"kind": "rows", "comparison": "above", "value": 0.5}}),
            vec!["title", "condition.value"],
        ),
        (json!({"freshness": {}}), vec!["freshness.policy"]),
        (json!({"freshness": {"policy": "wait"}}), vec!["freshness.policy"]),
        (
            json!({"freshness": {"policy": "skip", "connectionIds": [nobody]}}),
            vec!["freshness.connectionIds[0]"],
        ),
        (json!({"freshness": {"policy": "skip", "connectionIds": []}}), vec!["freshness.connectionIds"]),
        (
            json!({"schedule": {"cadence": "daily", "windowStart": "9", "timezone": "X"}}),
            vec!["schedule.windowStart", "schedule.timezone"],
        ),
        (json!({"prompt": "a\u{0}b"}), vec!["prompt"]),
    ] {
        assert_eq!(api.post("/tasks", task(change.clone())).await.issues(), paths, "{change}");
    }
    let missing = api.post("/tasks", json!({"title": "x"})).await;
    assert_eq!(missing.issues(), ["prompt"]);
}

#[tokio::test]
async fn a_lost_update_is_refused() {
    let api = Api::new().await;
    let made = api.post("/tasks", task(json!({}))).await.expect(201);
    let path = format!("/tasks/{}", text(&made["id"]));
    let change = |etag: &'static str, title: &str| {
        let mut change = request(Method::PATCH, &path, Some(&api.token), Some(json!({"title": title})));
        change.headers_mut().insert(header::IF_MATCH, etag.parse().expect("a header"));
        change
    };
    let first = api.send(change("\"1\"", "First")).await;
    assert_eq!(first.header("etag"), "\"2\"");
    assert_eq!(first.expect(200)["version"], 2);
    let lost = api.send(change("\"1\"", "Lost")).await.expect(412);
    assert_eq!((&lost["code"], &lost["reason"]), (&json!("CONFLICT"), &json!("version_changed")));
    api.send(change("\"no version\"", "Lost")).await.expect(412);
    api.send(change("*", "Any")).await.expect(200);
    assert_eq!(api.patch(&path, json!({"title": "Unguarded"})).await.expect(200)["version"], 4);
    let mut deletion = request(Method::DELETE, &path, Some(&api.token), None);
    deletion.headers_mut().insert(header::IF_MATCH, "\"1\"".parse().expect("a header"));
    api.send(deletion).await.expect(412);
    // Of racing changes from one version, one wins.
    let race = futures::future::join_all((0..8).map(|_| api.send(change("\"4\"", "Race")))).await;
    assert_eq!(race.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(race.iter().all(|answer| answer.status == 200 || answer.status == 412));
}

#[tokio::test]
async fn a_task_is_its_creators_alone() {
    let mut api = Api::new().await;
    let (_, member) = api.member("ann", Role::Editor).await;
    let made = api
        .call(&member, Method::POST, "/tasks", Some(task(json!({"title": "Secret plan"}))))
        .await
        .expect(201);
    let path = format!("/tasks/{}", text(&made["id"]));
    // Not even the admin reads it.
    api.get(&path).await.expect(404);
    api.patch(&path, json!({"title": "Mine"})).await.expect(404);
    api.post(&format!("{path}/run"), json!({})).await.expect(404);
    assert_eq!(api.get("/tasks").await.expect(200)["values"], json!([]));
    let run = api.call(&member, Method::POST, &format!("{path}/run"), None).await.expect(202);
    // The admin sees how the run stands, and no prompt.
    let seen = api.get(&format!("/runs/{}", text(&run["runId"]))).await;
    assert_eq!(seen.expect(200)["status"], "queued");
    assert!(!seen.text().contains("Secret plan") && !seen.text().contains("airlines"));
    let overview = api.get("/workspace/tasks").await;
    assert_eq!(overview.expect(200)["values"][0]["creator"]["name"], "ann");
    assert!(!overview.text().contains("Secret plan") && !overview.text().contains("airlines"));
    api.call(&member, Method::GET, "/workspace/tasks", None).await.expect(403);
}

#[tokio::test]
async fn a_deleted_mention_is_flagged() {
    let api = Api::new().await;
    let made = api
        .post("/tasks", task(json!({"context": {"connectionIds": [api.world.connection]}})))
        .await
        .expect(201);
    let path = format!("/tasks/{}", text(&made["id"]));
    assert_eq!(made["missingContext"], json!([]));
    assert_eq!(api.delete(&format!("/data-connections/{}", api.world.connection)).await.status, 204);
    let flagged = api.get(&path).await.expect(200);
    assert_eq!(
        flagged["missingContext"],
        json!([{"kind": "connection", "id": api.world.connection, "label": "Flights"}])
    );
}

#[tokio::test]
async fn a_tasks_creator_pins_the_query_of_one_of_its_runs() {
    let api = Api::new().await;
    let made = api.post("/tasks", task(json!({}))).await.expect(201);
    let path = format!("/tasks/{}", text(&made["id"]));
    api.post(&format!("{path}/run"), json!({})).await.expect(202);
    let run = api.world.claim_one().await;
    let (result, _) = crate::threads::work(&api.world, &run).await;
    let method = format!("{path}/method");
    assert_eq!(api.get(&method).await.expect(200), json!({"pinned": null}));
    let pinned = api.put(&method, json!({"resultId": result})).await.expect(200);
    assert_eq!(
        (&pinned["pinned"]["sql"], &pinned["pinned"]["threadId"]),
        (&json!("SELECT carrier, flights"), &json!(run.thread_id))
    );
    // A result of another thread is none of the task's.
    let (_, foreign, _) = crate::threads::answered(&api).await;
    api.put(&method, json!({"resultId": foreign})).await.expect(404);
    assert_eq!(api.put(&method, json!({"resultId": null})).await.expect(200), json!({"pinned": null}));
    let audited = "SELECT count(*) FROM audit_log WHERE action IN ('task.pin_method', 'task.unpin_method')";
    assert_eq!(api.world.number(audited).await, 2);
}
