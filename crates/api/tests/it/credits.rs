//! Credits as admins and others see them, and what a connection lets run at once.

use axum::http::Method;
use domain::{
    access::Role,
    step::{ModelProvider, StepBody},
};
use serde_json::{Value, json};

use crate::{
    harness::{Api, text},
    tasks::task,
};

/// Runs the next claimed run to its end at this cost.
pub(crate) async fn spend(api: &Api, credits: f64) {
    let run = api.world.claim_one().await;
    let reply = StepBody::Model {
        model: "openai:some-model".into(),
        provider: ModelProvider::Server,
        text: String::new(),
        tool_calls: vec![],
        tokens_in: 1,
        tokens_out: 1,
        credits,
    };
    let store = api.world.store();
    store.step_begin(&run, &reply, 1).await.expect("a step");
    api.world.succeed(&run).await;
}

#[tokio::test]
async fn credits_are_granted_used_and_told() {
    let mut api = Api::new().await;
    let (_, ann) = api.member("ann", Role::Editor).await;
    let unlimited = json!(
        {"unlimited": true, "balance": null, "granted": null, "usedThisMonth": 0.0, "waitingRuns": 0});
    assert_eq!(api.get("/credits").await.expect(200), unlimited);

    let granted = api.post("/credits", json!({"amount": 1.5, "note": "March"})).await.expect(201);
    assert_eq!((&granted["balance"], &granted["unlimited"]), (&json!(1.5), &json!(false)));
    let made = api.post("/tasks", task(json!({}))).await.expect(201);
    api.post(&format!("/tasks/{}/run", text(&made["id"])), json!({})).await.expect(202);
    spend(&api, 0.000_001).await;
    api.call(&ann, Method::POST, "/threads", Some(json!({"prompt": "How many?"}))).await.expect(200);
    spend(&api, 1.6).await;
    let expected = json!({"unlimited": false, "balance": -0.100_001, "granted": 1.5, "usedThisMonth": 1.600_001,
        "waitingRuns": 0});
    assert_eq!(api.get("/credits").await.expect(200), expected);
    assert_eq!(api.call(&ann, Method::GET, "/credits", None).await.expect(200), expected);

    let all = api.get("/credits/usage").await.expect(200);
    let rows = all["values"].as_array().expect("rows");
    let mut told: Vec<_> = rows.iter().map(|row| (text(&row["creator"]["name"]), &row["credits"])).collect();
    told.sort_by_key(|(name, _)| name.clone());
    assert_eq!(told, [("admin".to_owned(), &json!(0.000_001)), ("ann".to_owned(), &json!(1.6))]);
    let own = api.call(&ann, Method::GET, "/credits/usage", None).await.expect(200);
    assert_eq!(own["values"].as_array().map(Vec::len), Some(1), "others see their own");
    assert_eq!(own["values"][0]["taskId"], Value::Null);
    let first = api.get("/credits/usage?limit=1").await.expect(200);
    let after = text(&first["pagination"]["after"]);
    let second = api.get(&format!("/credits/usage?limit=1&after={after}")).await.expect(200);
    assert_eq!((&first["values"][0], &second["values"][0]), (&rows[0], &rows[1]));

    let summary = api.get("/credits/summary").await.expect(200);
    assert_eq!((&summary["credits"], &summary["days"][0]["credits"]), (&json!(1.600_001), &json!(1.600_001)));
    assert_eq!(summary["people"][0]["person"]["name"], "ann", "who used most comes first");
    assert_eq!((&summary["peopleCount"], &summary["tasksCount"]), (&json!(2), &json!(2)));
    let tasks = &summary["tasks"];
    assert_eq!((&tasks[0]["taskId"], &tasks[0]["title"]), (&Value::Null, &Value::Null), "ann's question");
    assert_eq!((&tasks[1]["taskId"], &tasks[1]["title"]), (&made["id"], &made["title"]));
    let own = api.call(&ann, Method::GET, "/credits/summary?days=1", None).await.expect(200);
    assert_eq!((&own["credits"], &own["peopleCount"]), (&json!(1.6), &json!(1)), "others see their own");

    // Nothing is left: what a person waits for fails, and says why.
    let started = api.post("/threads", json!({"prompt": "How many?"})).await.expect(200);
    assert!(api.world.claim().await.is_empty());
    let thread = api.get(&format!("/threads/{}", text(&started["threadId"]))).await.expect(200);
    assert!(thread.to_string().contains("no credits left"), "{thread:#}");
}

#[tokio::test]
async fn what_is_no_grant_is_refused() {
    let mut api = Api::new().await;
    let (_, ann) = api.member("ann", Role::Editor).await;
    for amount in [json!(0), json!(0.000_000_1), json!(1e10), json!(-1e10)] {
        let refused = api.post("/credits", json!({"amount": amount})).await.expect(422);
        assert_eq!(refused["issues"][0]["path"], "amount", "{amount}");
    }
    let refused = api.post("/credits", json!({"amount": 1, "workspace": "beta"})).await.expect(422);
    assert!(refused.to_string().contains("workspace"), "{refused}");
    let refused = api.post("/credits", json!({"amount": 1, "note": "x".repeat(501)})).await.expect(422);
    assert_eq!(refused["issues"][0]["path"], "note");
    let refused = api.call(&ann, Method::POST, "/credits", Some(json!({"amount": 1}))).await;
    assert_eq!(refused.expect(403)["code"], "FORBIDDEN");
    for days in [0, 367] {
        for list in ["usage", "summary"] {
            let refused = api.get(&format!("/credits/{list}?days={days}")).await.expect(422);
            assert_eq!(refused["issues"][0]["path"], "days");
        }
    }
    assert_eq!(api.get("/credits").await.expect(200)["unlimited"], true);
}

#[tokio::test]
async fn a_connections_limit_is_set_by_who_manages_it_and_holds_here_too() {
    let mut api = Api::new().await;
    let (_, ann) = api.member("ann", Role::Editor).await;
    let folder = api.files.path().join("allowed");
    std::fs::write(folder.join("flights.csv"), "carrier,flights\nUA,58665\n").expect("a file");
    let body = json!({"name": "NYC", "type": "files", "connectionDetails": {"files": {"path": folder}}});
    let made = api.post("/data-connections", body).await.expect(201);
    let connection: domain::ConnectionId = text(&made["id"]).parse().expect("an id");
    let path = format!("/data-connections/{connection}");
    let everyone = json!({"values": [{"subject": {"workspace": true}, "access": "query"}]});
    api.put(&format!("{path}/grants"), everyone).await.expect(200);
    assert_eq!(api.get(&path).await.expect(200)["limits"], json!({"concurrentQueries": 4}));
    for wrong in [0, 101, -1] {
        let refused = api.patch(&path, json!({"limits": {"concurrentQueries": wrong}})).await.expect(422);
        assert_eq!(refused["issues"][0]["path"], "limits.concurrentQueries");
    }
    let refused = api.patch(&path, json!({"limits": {"queries": 1}})).await.expect(422);
    assert!(refused.to_string().contains("queries"), "{refused}");
    let change = json!({"limits": {"concurrentQueries": 1}});
    api.call(&ann, Method::PATCH, &path, Some(change.clone())).await.expect(403);
    assert_eq!(api.patch(&path, change).await.expect(200)["limits"], json!({"concurrentQueries": 1}));
    assert_eq!(
        api.patch(&path, json!({"limits": {}})).await.expect(200)["limits"],
        json!({"concurrentQueries": 1})
    );

    // A worker's query holds the one slot: a test waits, and goes on when it ends.
    let store = api.world.store();
    let held = store
        .connection_slot(
            &api.world.scope,
            connection,
            1,
            std::time::Duration::from_secs(10),
            &tokio_util::sync::CancellationToken::new(),
        )
        .await
        .expect("an answer");
    let store::SlotAnswer::Taken(slot) = held else { panic!("{held:?}") };
    let line = "SELECT count(*) FROM connection_slot";
    let test_path = format!("{path}/test");
    let mut asking = std::pin::pin!(api.post(&test_path, json!({})));
    while api.world.number(line).await < 2 {
        tokio::select! {
            biased;
            answer = &mut asking => panic!("not made to wait: {answer:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    slot.give_back().await.expect("given back");
    assert_eq!(asking.await.expect(200)["ok"], true);
    assert_eq!(api.world.number(line).await, 0);
}
