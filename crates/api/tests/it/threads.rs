//! Threads: asked, read, shared; their results and charts.

use axum::http::{Method, header};
use domain::{
    ResultId, ThreadId,
    access::{ConnectionAccess, Role},
    answer::{Answer, Figure, ShownResult},
    run::Usage,
    step::StepBody,
    table::{Cell, Column, ColumnType, Table},
};
use serde_json::{Value, json};
use store::{ClaimedRun, Grant, NewChart, NewResult, Subject};
use testkit::world::World;

use crate::harness::{Api, request, text};

/// A claimed run worked to its end: a step, a result, a chart, an answer. Answers the result's and the chart's id.
pub(crate) async fn work(world: &World, run: &ClaimedRun) -> (ResultId, domain::ChartId) {
    let store = world.store();
    let step = StepBody::Notice { text: "Looking.".into() };
    store.step_begin(run, &step, 5).await.expect("a step");
    let rows = (0..2_500).map(|n| vec![Cell::Text(format!("=cmd{n}")), Cell::Int(n)]).collect();
    let columns = vec![Column::new("carrier", ColumnType::Text), Column::new("flights", ColumnType::Integer)];
    let table = Table { columns, rows, truncated: None };
    let result = NewResult {
        thread_id: run.thread_id,
        turn_no: run.turn_no,
        call_id: "call-1",
        connection_id: world.connection,
        sql: "SELECT carrier, flights",
        table: &table,
        elapsed_ms: 12,
    };
    let result = store.result_store(&run.scope, &run.lease, &result).await.expect("a result");
    let chart = NewChart {
        thread_id: run.thread_id,
        turn_no: run.turn_no,
        call_id: "call-2",
        result_id: result.id,
        title: "Flights",
        alt: "A bar chart.",
        spec: &json!({"mark": "bar"}),
        vega: &json!({"marks": []}),
        svg: "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        png: b"\x89PNG",
        width: 600,
        height: 300,
    };
    let chart = store.chart_store(&run.scope, &run.lease, &chart).await.expect("a chart");
    let figure =
        Figure { id: "f1".into(), text: "58,665".into(), checked: true, expression: None, cells: vec![] };
    let answer = Answer {
        headline: "United had {{f1}} flights".into(),
        body: "As before.".into(),
        figures: vec![figure],
        results: vec![ShownResult { id: result.id, handle: result.handle }],
        checked_share: 1.0,
        ..Answer::default()
    };
    let usage = Usage { credits: 1.5, ..Usage::default() };
    store.run_succeed(&run.scope, &run.lease, &answer, &usage).await.expect("an end");
    (result.id, chart.id)
}

/// A thread of the admin's with one answered turn.
pub(crate) async fn answered(api: &Api) -> (ThreadId, ResultId, domain::ChartId) {
    let asked = api.post("/threads", json!({"prompt": "How many flights?"})).await.expect(200);
    let run = api.world.claim_one().await;
    let (result, chart) = work(&api.world, &run).await;
    assert_eq!(asked["threadId"], json!(run.thread_id));
    (run.thread_id, result, chart)
}

#[tokio::test]
async fn a_question_is_asked_answered_and_carried_on() {
    let api = Api::new().await;
    let attachments = json!({"dataConnectionId": api.world.connection});
    let asked = api
        .post("/threads", json!({"prompt": "How many flights?", "attachments": attachments}))
        .await
        .expect(200);
    assert_eq!(asked.get("projectId"), Some(&Value::Null));
    let id = text(&asked["threadId"]);
    assert_eq!(asked["url"], json!(format!("http://tidings.test/threads/{id}")));
    let running = api.get(&format!("/threads/{id}")).await.expect(200);
    assert_eq!((&running["status"], &running["response"]), (&json!("RUNNING"), &json!([])));
    assert_eq!(running["source"], "API");
    let busy = api.post(&format!("/threads/{id}/followup"), json!({"prompt": "And?"})).await.expect(409);
    assert_eq!(busy["reason"], "thread_busy");

    let run = api.world.claim_one().await;
    assert_eq!(run.connection_ids, [api.world.connection]);
    let (result, _) = work(&api.world, &run).await;
    let answered = api.get(&format!("/thread/{id}")).await.expect(200);
    assert_eq!((&answered["status"], &answered["creditsUsed"]), (&json!("IDLE"), &json!(1.5)));
    assert_eq!(answered["response"][0]["text"], "United had 58,665 flights\n\nAs before.");
    assert_eq!(
        answered["response"][1],
        json!({"type": "cell", "id": result, "staticId": result, "label": "r1"})
    );
    assert!(answered.get("error").is_none());

    let steps = api.get(&format!("/threads/{id}/steps")).await.expect(200);
    assert_eq!(steps["thread"]["isMine"], true);
    assert_eq!(steps["turns"][0]["status"], "answered");
    assert_eq!(steps["steps"][0]["body"], json!({"kind": "notice", "text": "Looking."}));
    assert_eq!(steps["results"][0]["connectionName"], "Flights");
    assert_eq!(steps["charts"][0]["handle"], "c1");

    api.post(&format!("/threads/{id}/followup"), json!({"prompt": "And yesterday?"})).await.expect(200);
    let cancelled = api.post(&format!("/threads/{id}/cancel"), json!({})).await.expect(200);
    assert_eq!(cancelled["status"], "IDLE");
    let messages = api.get(&format!("/threads/{id}/messages?limit=2")).await.expect(200);
    let texts: Vec<_> =
        messages["content"].as_array().expect("content").iter().map(|part| text(&part["text"])).collect();
    assert_eq!(
        texts,
        ["United had 58,665 flights\n\nAs before.", "And yesterday?"],
        "the latest page, oldest first"
    );
    let before = text(&messages["pagination"]["before"]);
    let earlier = api.get(&format!("/threads/{id}/messages?limit=2&before={before}")).await.expect(200);
    assert_eq!(earlier["content"][0]["text"], "How many flights?");
    let list = api.get("/threads").await.expect(200);
    assert_eq!(list["values"][0]["headline"], "United had 58,665 flights");
}

#[tokio::test]
async fn wrong_questions_name_their_field() {
    let api = Api::new().await;
    let nobody = "019396f0-0000-7000-8000-000000000001";
    for (body, field) in [
        (json!({}), "prompt"),
        (json!({"prompt": " "}), "prompt"),
        (json!({"prompt": "x".repeat(20_001)}), "prompt"),
        (json!({"prompt": "@[x](connection:nope)"}), "prompt"),
        (json!({"prompt": "x", "attachments": {"projectIds": [nobody]}}), "attachments.projectIds"),
        (json!({"prompt": "x", "attachments": {"dataConnectionId": 5}}), "attachments.dataConnectionId"),
    ] {
        assert_eq!(api.post("/threads", body.clone()).await.issues(), [field], "{body}");
    }
    let foreign =
        api.post("/threads", json!({"prompt": "x", "attachments": {"dataConnectionId": nobody}})).await;
    assert_eq!(foreign.status, 422);
    // Unknown fields are ignored in this part; an absent body is an empty one.
    api.post("/threads", json!({"prompt": "x", "mode": "fast"})).await.expect(200);
    let absent = api.call(&api.token, Method::POST, "/threads", None).await;
    assert_eq!(absent.issues(), ["prompt"]);
}

#[tokio::test]
async fn results_are_paged_and_downloaded_defused() {
    let api = Api::new().await;
    let (thread, result, _) = answered(&api).await;
    let path = format!("/threads/{thread}/results/{result}");
    let page = api.get(&format!("{path}?offset=998&limit=4")).await.expect(200);
    assert_eq!((&page["rowCount"], &page["offset"]), (&json!(2_500), &json!(998)));
    assert_eq!(
        page["rows"],
        json!([["=cmd998", 998], ["=cmd999", 999], ["=cmd1000", 1000], ["=cmd1001", 1001]])
    );
    assert_eq!(page["columns"][1], json!({"name": "flights", "type": "integer"}));
    assert_eq!(api.get(&format!("{path}?offset=9999")).await.expect(200)["rows"], json!([]));
    assert_eq!(api.get(&format!("{path}?limit=1001")).await.issues(), ["limit"]);
    assert_eq!(api.get(&format!("{path}?offset=-1")).await.issues(), ["offset"]);
    let mut accepting = request(Method::GET, &path, Some(&api.token), None);
    accepting.headers_mut().insert(header::ACCEPT, "text/csv".parse().expect("a header"));
    for csv in [api.send(accepting).await, api.get(&format!("{path}?format=csv")).await] {
        assert_eq!(csv.header("content-disposition"), "attachment; filename=\"r1.csv\"");
        let lines: Vec<_> = csv.text().split("\r\n").collect();
        assert_eq!(lines.len(), 2_502);
        assert_eq!(lines[..2], ["carrier,flights", "'=cmd0,0"]);
        assert_eq!(lines[2_500], "'=cmd2499,2499");
    }
    // A result is only found in its own thread.
    let (other, ..) = answered(&api).await;
    api.get(&format!("/threads/{other}/results/{result}")).await.expect(404);
}

#[tokio::test]
async fn charts_are_compiled_or_rendered() {
    let api = Api::new().await;
    let (thread, _, chart) = answered(&api).await;
    let path = format!("/threads/{thread}/charts/{chart}");
    let shown = api.get(&path).await.expect(200);
    assert_eq!(
        shown,
        json!({"vega": {"marks": []}, "width": 600, "height": 300, "title": "Flights", "alt": "A bar chart."})
    );
    let svg = api.get(&format!("{path}.svg")).await;
    assert_eq!(svg.header("content-type"), "image/svg+xml");
    assert!(svg.header("content-security-policy").contains("sandbox"));
    let png = api.get(&format!("{path}.png")).await;
    assert_eq!((png.header("content-type"), png.bytes.as_slice()), ("image/png", b"\x89PNG".as_slice()));
    api.get(&format!("{path}.gif")).await.expect(404);
    api.get(&format!("/threads/{thread}/charts/x.svg")).await.expect(404);
}

#[tokio::test]
async fn a_shared_thread_opens_to_those_who_may_see_its_connections() {
    let mut api = Api::new().await;
    let (thread, result, chart) = answered(&api).await;
    let (ann, ann_token) = api.member("ann", Role::Explorer).await;
    let path = format!("/threads/{thread}");
    let open = |api: &Api, path: String| {
        let request = request(Method::GET, &path, Some(&ann_token), None);
        let router = api.router.clone();
        async move { tower::ServiceExt::oneshot(router, request).await.expect("an answer").status().as_u16() }
    };
    assert_eq!(open(&api, path.clone()).await, 404);
    let shared = api.put(&format!("{path}/sharing"), json!({"userIds": [ann]})).await.expect(200);
    assert_eq!(shared["users"], json!([{"id": ann, "name": "ann", "canOpen": false}]));
    assert_eq!(open(&api, path.clone()).await, 404, "sharing does not open what the connection closes");
    let grant = |access| Grant { subject: Subject::User(ann), label: String::new(), access };
    let grants = [grant(ConnectionAccess::ViewResults)];
    api.world.store().grant_put(&api.world.scope, api.world.connection, &grants).await.expect("granted");
    assert_eq!(api.get(&format!("{path}/sharing")).await.expect(200)["users"][0]["canOpen"], true);
    for part in ["", "/steps", "/messages", &format!("/results/{result}"), &format!("/charts/{chart}")] {
        assert_eq!(open(&api, format!("{path}{part}")).await, 200, "{part}");
    }
    let list = api.call(&ann_token, Method::GET, "/threads", None).await.expect(200);
    assert_eq!(list["values"][0]["threadId"], json!(thread));
    let steps = api.call(&ann_token, Method::GET, &format!("{path}/steps"), None).await.expect(200);
    assert_eq!(steps["thread"]["isMine"], false);
    // Readers read: only the creator prompts, stops and shares.
    for (method, part, body) in [
        (Method::POST, "/followup", json!({"prompt": "And?"})),
        (Method::POST, "/cancel", json!({})),
        (Method::PUT, "/sharing", json!({"workspace": true})),
        (Method::GET, "/sharing", json!({})),
    ] {
        api.call(&ann_token, method, &format!("{path}{part}"), Some(body)).await.expect(403);
    }
    api.put(&format!("{path}/sharing"), json!({})).await.expect(200);
    assert_eq!(open(&api, path.clone()).await, 404);
    assert_eq!(api.call(&ann_token, Method::GET, "/threads", None).await.expect(200)["values"], json!([]));
    // The whole workspace, and a group.
    api.put(&format!("{path}/sharing"), json!({"workspace": true})).await.expect(200);
    assert_eq!(open(&api, path.clone()).await, 200);
    let group = api.world.store().group_create(&api.world.scope, "Growth", &[ann]).await.expect("a group");
    let shared = api.put(&format!("{path}/sharing"), json!({"groupIds": [group]})).await.expect(200);
    assert_eq!(shared, json!({"workspace": false, "users": [], "groups": [{"id": group, "name": "Growth"}]}));
    assert_eq!(open(&api, path).await, 200);
}
