//! Every operation of the document, tried by nobody, by another workspace, and by members whom it is not meant for. An
//! operation that has no row in the table below is a failure: whoever adds a route says here who may use it.

use std::collections::BTreeMap;

use axum::http::Method;
use domain::access::Role;
use serde_json::{Value, json};
use testkit::world::workspace;

use crate::{harness::Api, outbox, tasks::task, threads, webhooks};

/// Operations, and what a guest and an editor of the same workspace are answered who have no right to the thing in question.
const EXPECTED: &[(&str, u16, u16)] = &[
    ("session_delete", 204, 204),
    ("me_get", 200, 200),
    ("me_update", 200, 200),
    ("notification_preferences_get", 200, 200),
    ("notification_preferences_replace", 200, 200),
    ("quiet_task_list", 200, 200),
    ("quiet_task_add", 404, 404),
    ("quiet_task_remove", 404, 404),
    ("notice_list", 200, 200),
    ("notice_read", 204, 204),
    ("destination_list", 200, 200),
    ("destination_resume", 404, 404),
    ("webhook_list", 403, 403),
    ("webhook_create", 403, 403),
    ("webhook_get", 403, 403),
    ("webhook_update", 403, 403),
    ("webhook_delete", 403, 403),
    ("webhook_rotate", 403, 403),
    ("webhook_test", 403, 403),
    ("webhook_message_list", 403, 403),
    ("webhook_resend", 403, 403),
    ("token_list", 200, 200),
    ("token_create", 201, 201),
    ("token_delete", 404, 404),
    ("user_get_current", 200, 200),
    ("user_list", 200, 200),
    ("group_list", 200, 200),
    ("group_create", 403, 403),
    ("group_get", 200, 200),
    ("group_update", 403, 403),
    ("group_delete", 403, 403),
    ("user_deactivate", 403, 403),
    ("workspace_user_list", 200, 200),
    ("workspace_group_list", 200, 200),
    ("workspace_connection_list", 200, 200),
    ("data_connection_list", 200, 200),
    ("data_connection_create", 403, 403),
    ("data_connection_upload", 403, 403),
    ("data_connection_test_unsaved", 403, 403),
    ("data_connection_get", 404, 404),
    ("data_connection_update", 404, 404),
    ("data_connection_delete", 404, 404),
    ("data_connection_test", 404, 404),
    ("data_connection_catalog", 404, 404),
    ("credit_get", 200, 200),
    ("credit_grant", 403, 403),
    ("cap_list", 200, 200),
    ("cap_workspace_set", 403, 403),
    ("cap_user_set", 403, 403),
    ("credit_estimate", 200, 200),
    ("credit_usage_list", 200, 200),
    ("credit_summary", 200, 200),
    ("mail_settings_get", 403, 403),
    ("mail_settings_replace", 403, 403),
    ("model_get", 403, 403),
    ("model_replace", 403, 403),
    ("model_remove", 403, 403),
    ("model_test", 403, 403),
    ("grant_list", 404, 404),
    ("grant_replace", 404, 404),
    ("audience_policy_get", 200, 200),
    ("audience_policy_replace", 403, 403),
    ("workspace_settings_get", 200, 200),
    ("workspace_settings_replace", 403, 403),
    ("connection_audience_get", 404, 404),
    ("connection_audience_replace", 404, 404),
    ("task_audience", 403, 200),
    ("member_reach_list", 403, 200),
    ("task_list", 200, 200),
    ("task_create", 403, 201),
    ("task_get", 404, 404),
    ("task_update", 404, 404),
    ("task_delete", 404, 404),
    ("task_pause", 404, 404),
    ("task_resume", 404, 404),
    ("task_extend", 404, 404),
    ("task_duplicate", 403, 404),
    ("task_run", 404, 404),
    ("task_oversight_list", 403, 403),
    ("task_method_get", 404, 404),
    ("task_method_replace", 404, 404),
    ("backtest_start", 404, 404),
    ("backtest_list", 404, 404),
    ("backtest_get", 404, 404),
    ("occurrence_list", 404, 404),
    ("run_get", 404, 404),
    ("run_cancel", 404, 404),
    ("delivery_list", 404, 404),
    ("delivery_get", 404, 404),
    ("delivery_send_again", 404, 404),
    ("schedule_preview", 200, 200),
    ("thread_list", 200, 200),
    ("thread_create", 403, 200),
    ("thread_get", 404, 404),
    ("message_list", 404, 404),
    ("thread_follow_up", 404, 404),
    ("thread_cancel", 404, 404),
    ("step_list", 404, 404),
    ("thread_events", 404, 404),
    ("result_get", 404, 404),
    ("chart_get", 404, 404),
    ("sharing_get", 404, 404),
    ("sharing_replace", 404, 404),
    ("feedback_get", 404, 404),
    ("feedback_replace", 404, 404),
    ("feedback_list", 200, 200),
    ("task_draft_list", 404, 404),
    ("verified_question_list", 200, 200),
    ("verified_question_put", 422, 422),
    ("verified_question_delete", 404, 404),
    ("slack_get", 200, 200),
    ("slack_disconnect", 403, 403),
    ("slack_install", 403, 403),
    ("slack_channel_list", 403, 200),
    ("slack_channel_refresh", 403, 403),
    ("slack_account_get", 200, 200),
    ("slack_account_unlink", 200, 200),
    // No app is set up here; see `slack.rs` for one that is.
    ("slack_account_sign_in", 409, 409),
    ("slack_account_link_by_email", 409, 409),
    ("mail_list", 200, 200),
    ("mail_get", 404, 404),
    ("mail_html", 404, 404),
    ("mail_part", 404, 404),
    ("mail_source", 404, 404),
];

/// One operation of the document.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: Method,
    /// As documented, without `/api/v1`.
    pub(crate) path: String,
    pub(crate) is_public: bool,
    pub(crate) document: Value,
}

/// All operations of the document.
pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&api::document_json()).expect("the document");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("operations") {
            operations.push(Operation {
                id: operation["operationId"].as_str().expect("an id").to_owned(),
                method: method.to_uppercase().parse().expect("a method"),
                path: path.strip_prefix("/api/v1").expect("a path of the API").to_owned(),
                is_public: operation["security"] == json!([{}]),
                document: operation.clone(),
            });
        }
    }
    operations
}

/// One thing of each kind, the admin's.
pub(crate) struct Things(BTreeMap<&'static str, String>);

impl Things {
    pub(crate) async fn make(api: &Api) -> Self {
        let mail = outbox::mail(&api.world).await;
        let (thread, result, chart) = threads::answered(api).await;
        let made = api.post("/tasks", task(json!({"title": "Hidden title"}))).await.expect(201);
        let run = api
            .post(&format!("/tasks/{}/run", made["id"].as_str().expect("an id")), json!({}))
            .await
            .expect(202);
        let backtest = ended_backtest(api, &made).await;
        let token =
            api.post("/tokens", json!({"name": "Hidden token", "expiresAt": "2026-06-01T00:00:00Z"})).await;
        let group =
            api.world.store().group_create(&api.world.scope, "Hidden group", &[]).await.expect("a group");
        let webhook = json!({"url": "https://hooks.example.com/hidden", "events": ["run.failed"]});
        let webhook =
            api.post("/webhooks", webhook).await.expect(201)["id"].as_str().expect("an id").to_owned();
        let message = api.post(&format!("/webhooks/{webhook}/test"), json!({})).await.expect(202);
        let verified = json!({"threadId": thread, "resultId": result, "question": "Hidden question?"});
        let verified = api.put("/verified-questions", verified).await.expect(200);
        let feedback = json!({"turnNo": 1, "rating": "down", "reason": "Hidden reason"});
        api.put(&format!("/threads/{thread}/feedback"), feedback).await.expect(200);
        let destination = webhooks::rotten_channel(api).await;
        Self(BTreeMap::from([
            ("webhooks", webhook),
            ("messages", message["messageId"].as_str().expect("an id").to_owned()),
            ("destinations", destination),
            ("quiet-tasks", made["id"].as_str().expect("an id").to_owned()),
            ("tokens", token.expect(201)["id"].as_str().expect("an id").to_owned()),
            ("users", api.world.user.to_string()),
            ("groups", group.to_string()),
            ("data-connections", api.world.connection.to_string()),
            ("tasks", made["id"].as_str().expect("an id").to_owned()),
            ("backtests", backtest),
            ("runs", run["runId"].as_str().expect("an id").to_owned()),
            ("threads", thread.to_string()),
            ("results", result.to_string()),
            ("charts", chart.to_string()),
            ("verified-questions", verified["id"].as_str().expect("an id").to_owned()),
            ("deliveries", mail.clone()),
            ("outbox", mail),
            ("parts", "r1.csv".to_owned()),
        ]))
    }

    /// A documented path that leads to these things.
    pub(crate) fn path(&self, documented: &str) -> String {
        let mut noun = "";
        let segments = documented.split('/').map(|segment| {
            if segment.starts_with('{') {
                return self.0[noun].as_str();
            }
            noun = segment;
            segment
        });
        segments.collect::<Vec<_>>().join("/")
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(noun, _)| **noun != "parts").map(|(_, id)| id.as_str())
    }
}

/// A backtest of a task, stopped at once: one more may be started, and no run of it is to be claimed.
async fn ended_backtest(api: &Api, task: &Value) -> String {
    let path = format!("/tasks/{}", task["id"].as_str().expect("an id"));
    let started = api.post(&format!("{path}/backtest"), json!({"count": 1})).await.expect(202);
    let id = started["backtestId"].as_str().expect("an id").to_owned();
    let report = api.get(&format!("{path}/backtests/{id}")).await.expect(200);
    let run = report["occurrences"][0]["runId"].as_str().expect("a run").to_owned();
    api.post(&format!("/runs/{run}/cancel"), json!({})).await.expect(200);
    id
}

/// A body that an operation takes.
pub(crate) fn body(operation: &str) -> Option<Value> {
    Some(match operation {
        "session_create" => json!({"email": "a@b.test", "password": "x"}),
        "session_create_by_link" => json!({"token": "x"}),
        "me_update" => json!({"name": "New", "timezone": "UTC"}),
        "notification_preferences_replace" => json!({"email": true, "slackDm": false, "quietTaskIds": []}),
        "notice_read" => json!({"upTo": "00000000-0000-0000-0000-000000000000"}),
        "webhook_create" => json!({"url": "https://hooks.example.com/x", "events": ["run.failed"]}),
        "webhook_update" => json!({"description": "New"}),
        "webhook_rotate" => json!({"overlapHours": 1}),
        "token_create" => json!({"name": "x", "expiresAt": "2026-06-01T00:00:00Z"}),
        "group_create" => json!({"name": "New", "members": {"users": []}}),
        "group_update" => json!({"name": "New", "members": {"add": {"users": []}, "remove": {"users": []}}}),
        "data_connection_create" => {
            json!({"name": "x", "type": "files", "description": "y", "connectionDetails": {"files": {"path": "/etc"}}})
        }
        "data_connection_test_unsaved" => {
            json!({"type": "files", "connectionDetails": {"files": {"path": "/etc"}}})
        }
        "data_connection_update" => json!({"name": "New", "description": "New"}),
        "grant_replace" => json!({"values": [{"subject": {"workspace": true}, "access": "query"}]}),
        "audience_policy_replace" => json!({"members": "link_only", "outsiders": "withheld"}),
        "connection_audience_replace" => {
            json!({"members": null, "outsiders": "withheld", "isSensitive": true, "sharesCredentials": false})
        }
        "task_audience" => json!({"prompt": "How many flights?", "notification": {}}),
        "task_create" => task(json!({
            "context": {"connectionIds": []}, "notification": {"userIds": [], "groupIds": [], "attachCsv": true},
            "expiresAt": "2026-12-31T00:00:00Z",
        })),
        "task_update" => json!({"title": "New", "prompt": "New?", "schedule": {
            "cadence": "monthly", "nthWeekday": {"n": -1, "weekday": "fri"}, "windowStart": "00:00", "timezone": "UTC",
        }}),
        "credit_grant" => json!({"amount": 10, "note": "x"}),
        "model_replace" | "model_test" => {
            json!({"baseUrl": "https://models.example.com/v1", "model": "x", "apiKey": "sk-x"})
        }
        "cap_workspace_set" | "cap_user_set" => json!({"perRun": 2, "perMonth": 10}),
        "credit_estimate" => json!({"prompt": "How many flights?", "schedule": {
            "cadence": "daily", "windowStart": "09:00", "timezone": "UTC",
        }}),
        "mail_settings_replace" => json!({"domains": ["example.com"]}),
        "workspace_settings_replace" => {
            json!({"graceSeconds": 3_600, "maxConcurrentRuns": 20, "mayNeverExpire": false})
        }
        "task_extend" => json!({"expiresAt": "2027-01-01T00:00:00Z"}),
        "task_method_replace" => json!({"resultId": null}),
        "task_run" => json!({"testToMe": true}),
        "backtest_start" => json!({"count": 3}),
        "schedule_preview" => json!({"schedule": {
            "cadence": "monthly", "dayOfMonth": 31, "windowStart": "22:00", "timezone": "Asia/Tokyo",
        }, "after": "2026-01-01T00:00:00Z", "count": 3}),
        "thread_create" | "thread_follow_up" => {
            json!({"prompt": "How many flights?", "attachments": {"projectIds": []}})
        }
        "feedback_replace" => json!({"turnNo": 1, "rating": "up", "reason": "x"}),
        "verified_question_put" => json!({
            "threadId": "00000000-0000-0000-0000-000000000000", "resultId": "00000000-0000-0000-0000-000000000000",
            "question": "x",
        }),
        "sharing_replace" => json!({"workspace": true, "userIds": [], "groupIds": []}),
        _ => return None,
    })
}

#[test]
fn every_operation_has_a_row_and_every_row_an_operation() {
    let documented: Vec<_> =
        operations().into_iter().filter(|one| !one.is_public).map(|one| one.id).collect();
    for id in &documented {
        assert!(EXPECTED.iter().any(|(row, ..)| row == id), "say in this test who may use {id}");
    }
    for (row, ..) in EXPECTED {
        assert!(documented.iter().any(|id| id == row), "{row} is no operation any more");
    }
    let public: Vec<_> = operations().into_iter().filter(|one| one.is_public).map(|one| one.id).collect();
    assert_eq!(public, ["session_create", "session_create_by_link"], "nothing else is open to everyone");
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let api = Api::new().await;
    let things = Things::make(&api).await;
    for operation in operations().into_iter().filter(|operation| !operation.is_public) {
        let path = things.path(&operation.path);
        for token in [None, Some("tdgp_unknown"), Some("")] {
            let request =
                crate::harness::request(operation.method.clone(), &path, token, body(&operation.id));
            let answer = api.send(request).await;
            let told = answer.expect(401);
            assert_eq!(told["code"], "UNAUTHORIZED", "{}", operation.id);
            assert_eq!(told["traceId"], answer.header("x-request-id"));
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn another_workspace_learns_nothing() {
    let mut api = Api::new().await;
    let things = Things::make(&api).await;
    let (_, stranger) = workspace(api.world.store(), "rival").await;
    let token = api.token_of(stranger).await;
    for operation in operations().into_iter().filter(|operation| !operation.is_public) {
        let path = things.path(&operation.path);
        let answer = api.call(&token, operation.method.clone(), &path, body(&operation.id)).await;
        if operation.path.contains('{') {
            let told = answer.expect(404);
            assert_eq!(told["code"], "NOT_FOUND", "{}", operation.id);
        }
        assert!(answer.status.as_u16() < 500, "{}", operation.id);
        let text = String::from_utf8_lossy(&answer.bytes);
        for id in things.ids() {
            assert!(!text.contains(id), "{} tells {id}", operation.id);
        }
        assert!(!text.contains("Hidden") && !text.contains("acme"), "{}: {text}", operation.id);
    }
    // Ids of one workspace in another's bodies lead nowhere either.
    let scope = api.world.connection;
    for (path, body) in [
        ("/tasks", task(json!({"context": {"connectionIds": [scope]}}))),
        ("/tasks", task(json!({"notification": {"userIds": [api.world.user]}}))),
        ("/threads", json!({"prompt": "x", "attachments": {"dataConnectionId": scope}})),
    ] {
        assert_eq!(api.call(&token, Method::POST, path, Some(body)).await.status, 422, "{path}");
    }
    let quiet = json!({"email": true, "slackDm": false, "quietTaskIds": [things.0["tasks"]]});
    let kept = api.call(&token, Method::PUT, "/me/notification-preferences", Some(quiet)).await.expect(200);
    assert_eq!(kept["quietTaskIds"], json!([]));
}

#[tokio::test]
async fn members_do_what_their_role_and_rights_allow() {
    let mut api = Api::new().await;
    let things = Things::make(&api).await;
    let (_, guest) = api.member("guest", Role::Guest).await;
    let (_, editor) = api.member("editor", Role::Editor).await;
    for operation in operations().into_iter().filter(|operation| !operation.is_public) {
        let (_, of_guest, of_editor) = EXPECTED.iter().find(|(id, ..)| *id == operation.id).expect("a row");
        let path = things.path(&operation.path);
        for (token, expected, who) in [(&guest, of_guest, "guest"), (&editor, of_editor, "editor")] {
            // Signing out by token ends nothing; every other answer is as the table says.
            let answer = api.call(token, operation.method.clone(), &path, body(&operation.id)).await;
            let told = String::from_utf8_lossy(&answer.bytes);
            assert_eq!(answer.status.as_u16(), *expected, "{} as {who}: {told}", operation.id);
        }
    }
}

#[tokio::test]
async fn the_owner_finds_every_one_of_these_things() {
    // Otherwise the refusals above would prove nothing.
    let api = Api::new().await;
    let things = Things::make(&api).await;
    for operation in operations() {
        // The stream of events has no end; the catalog's folder does not exist.
        let is_left_out = ["thread_events", "data_connection_catalog"].contains(&operation.id.as_str());
        if operation.method == Method::GET && !is_left_out {
            let answer = api.get(&things.path(&operation.path)).await;
            assert_eq!(answer.status, 200, "{}: {}", operation.id, String::from_utf8_lossy(&answer.bytes));
        }
    }
}
