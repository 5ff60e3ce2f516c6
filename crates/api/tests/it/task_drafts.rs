//! Tasks drafted in a thread: read by its creator, and by nobody else.

use axum::http::Method;
use domain::{
    access::{ConnectionAccess, Role},
    step::StepBody,
};
use serde_json::json;
use store::{Grant, Subject};

use crate::{harness::Api, threads::work};

#[tokio::test]
async fn the_last_draft_of_a_turn_is_its_creators() {
    let mut api = Api::new().await;
    let (ann, ann_token) = api.member("ann", Role::Editor).await;
    api.post("/threads", json!({"prompt": "Run this every Monday"})).await.expect(200);
    let run = api.world.claim_one().await;
    let draft = |title: &str| {
        json!({"saved": false, "draft": {
            "title": title, "prompt": "How many?", "scheduleInWords": "Every day", "recipients": [], "unresolved": [], "notes": [],
            "schedule": {"cadence": "daily", "windowStart": "09:00", "timezone": "UTC"}, "notification": {},
        }})
    };
    for (title, is_error) in [("First", false), ("Second", false), ("Broken", true)] {
        let step = StepBody::Tool {
            call_id: title.into(),
            name: "create_task_draft".into(),
            output: draft(title),
            is_error,
            result: None,
            chart: None,
        };
        api.world.store().step_begin(&run, &step, 1).await.expect("a step");
    }
    work(&api.world, &run).await;
    let path = format!("/threads/{}/task-drafts", run.thread_id);
    let drafts = api.get(&path).await.expect(200);
    assert_eq!(drafts["values"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&drafts["values"][0]["turnNo"], &drafts["values"][0]["draft"]["title"]),
        (&json!(1), &json!("Second"))
    );
    // Readers read answers; the wish for a task is its writer's.
    let grants = [
        Grant {
            subject: Subject::User(api.world.user),
            label: String::new(),
            access: ConnectionAccess::Manage,
        },
        Grant { subject: Subject::User(ann), label: String::new(), access: ConnectionAccess::Query },
    ];
    api.world.store().grant_put(&api.world.scope, api.world.connection, &grants).await.expect("grants");
    api.put(&format!("/threads/{}/sharing", run.thread_id), json!({"userIds": [ann]})).await.expect(200);
    api.call(&ann_token, Method::GET, &path, None).await.expect(403);
}
