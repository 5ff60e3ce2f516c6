//! Backtests over HTTP: who starts one, what is refused, what the report says.

use axum::http::Method;
use domain::access::Role;
use serde_json::{Value, json};

use crate::{
    harness::{Api, text},
    threads::work,
};

#[tokio::test]
async fn a_backtest_is_started_reported_and_stopped() {
    let mut api = Api::new().await;
    let (_, ann_token) = api.member("ann", Role::Member).await;
    api.world.set("2026-03-12T12:00:00Z");
    let task = api.world.task(|_| ()).await.id;
    let path = format!("/tasks/{task}/backtest");
    for count in [json!(0), json!(11)] {
        assert_eq!(api.post(&path, json!({"count": count})).await.issues(), ["count"]);
    }
    // Another's task is as good as none.
    api.call(&ann_token, Method::POST, &path, Some(json!({"count": 2}))).await.expect(404);

    let started = api.post(&path, json!({"count": 3})).await.expect(202);
    let id = text(&started["backtestId"]);
    let again = api.post(&path, json!({"count": 3})).await.expect(409);
    assert_eq!(again["reason"], "backtest_under_way");
    let listed = api.get(&format!("/tasks/{task}/backtests")).await.expect(200);
    assert_eq!(
        (&listed["values"][0]["id"], &listed["values"][0]["count"], &listed["values"][0]["finishedAt"]),
        (&json!(id), &json!(3), &Value::Null)
    );
    let run = api.world.claim_one().await;
    assert_eq!(run.as_of, testkit::world::at("2026-03-10T09:00:00Z"));
    work(&api.world, &run).await;

    let report = format!("/tasks/{task}/backtests/{id}");
    api.call(&ann_token, Method::GET, &report, None).await.expect(404);
    let told = api.get(&report).await.expect(200);
    let fates: Vec<&Value> =
        told["occurrences"].as_array().expect("a list").iter().map(|one| &one["fate"]).collect();
    assert_eq!(fates, ["sent", "to_come", "to_come"]);
    assert_eq!((&told["messages"], &told["occurrences"][0]["date"]), (&json!(1), &json!("2026-03-10")));
    assert_eq!(told["occurrences"][0]["message"]["headline"], "United had 58,665 flights");
    // Its thread is found through the report alone.
    let thread = text(&told["occurrences"][0]["threadId"]);
    api.get(&format!("/threads/{thread}")).await.expect(200);
    let threads = api.get("/threads").await.expect(200);
    assert_eq!(threads["values"], json!([]));

    let under_way = text(&told["occurrences"][1]["runId"]);
    api.post(&format!("/runs/{under_way}/cancel"), json!({})).await.expect(200);
    let told = api.get(&report).await.expect(200);
    let fates: Vec<&Value> =
        told["occurrences"].as_array().expect("a list").iter().map(|one| &one["fate"]).collect();
    assert_eq!(fates, ["sent", "cancelled", "not_run"]);
    assert_ne!(told["finishedAt"], Value::Null);
    api.post(&path, json!({"count": 1})).await.expect(202);
}
