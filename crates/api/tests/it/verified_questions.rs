//! Feedback on answers, and questions whose SQL was found right: who gives, sees and removes them.

use axum::http::Method;
use domain::access::{ConnectionAccess, Role};
use serde_json::{Value, json};
use store::{Grant, Subject};

use crate::{
    harness::{Api, text},
    threads::answered,
};

async fn grant(api: &Api, subject: Subject, access: ConnectionAccess) {
    let admin = Grant {
        subject: Subject::User(api.world.user),
        label: String::new(),
        access: ConnectionAccess::Manage,
    };
    let grants = [admin, Grant { subject, label: String::new(), access }];
    api.world.store().grant_put(&api.world.scope, api.world.connection, &grants).await.expect("grants");
}

async fn audited(api: &Api, action: &str) -> i64 {
    api.world.number(&format!("SELECT count(*) FROM audit_log WHERE action = '{action}'")).await
}

#[tokio::test]
async fn a_reader_has_one_opinion_of_an_answer_and_may_change_it() {
    let mut api = Api::new().await;
    let (ann, ann_token) = api.member("ann", Role::Guest).await;
    let (thread, ..) = answered(&api).await;
    let path = format!("/threads/{thread}/feedback");
    let up = json!({"turnNo": 1, "rating": "up"});
    // Whoever may not read the thread has nothing to say about it.
    api.call(&ann_token, Method::PUT, &path, Some(up.clone())).await.expect(404);
    api.put(&format!("/threads/{thread}/sharing"), json!({"userIds": [ann]})).await.expect(200);
    grant(&api, Subject::User(ann), ConnectionAccess::ViewResults).await;

    api.call(&ann_token, Method::PUT, &path, Some(up)).await.expect(200);
    let down = json!({"turnNo": 1, "rating": "down", "reason": " Delta is missing. "});
    let given = api.call(&ann_token, Method::PUT, &path, Some(down)).await.expect(200);
    assert_eq!(given["values"], json!([{"turnNo": 1, "rating": "down", "reason": "Delta is missing."}]));
    assert_eq!(api.get(&path).await.expect(200)["values"], json!([]), "each sees their own");
    for (turn_no, reason, status) in [(7, "", 404), (4_000_000_000_u32, "", 404), (1, "x", 200)] {
        let body = json!({"turnNo": turn_no, "rating": "up", "reason": reason});
        api.put(&path, body).await.expect(status);
    }
    let long = json!({"turnNo": 1, "rating": "up", "reason": "x".repeat(1_001)});
    assert_eq!(api.put(&path, long).await.issues(), ["reason"]);

    // Who manages the data reads it; the guest, who only sees results, does not.
    let received = api.get("/feedback").await.expect(200);
    let of_ann: Vec<&Value> =
        received["values"].as_array().expect("a list").iter().filter(|one| one["by"] == "ann").collect();
    assert_eq!(of_ann.len(), 1, "{received}");
    assert_eq!((&of_ann[0]["reason"], &of_ann[0]["mayOpen"]), (&json!("Delta is missing."), &json!(true)));
    assert_eq!(of_ann[0]["headline"], "United had 58,665 flights");
    let of_guest = api.call(&ann_token, Method::GET, "/feedback", None).await.expect(200);
    assert_eq!(of_guest["values"], json!([]));

    let withdrawn = json!({"turnNo": 1, "rating": null});
    let left = api.call(&ann_token, Method::PUT, &path, Some(withdrawn.clone())).await.expect(200);
    assert_eq!(left["values"], json!([]));
    api.call(&ann_token, Method::PUT, &path, Some(withdrawn)).await.expect(200);
    assert_eq!((audited(&api, "feedback.give").await, audited(&api, "feedback.withdraw").await), (3, 1));
}

/// With the condition on `is_shown` taken out of the store's query, the second half fails.
#[tokio::test]
async fn feedback_shows_a_question_only_to_those_it_was_shown_to() {
    let mut api = Api::new().await;
    let (max, max_token) = api.member("max", Role::Manager).await;
    let (ann, ann_token) = api.member("ann", Role::Member).await;
    let (thread, ..) = answered(&api).await;
    grant(&api, Subject::Workspace, ConnectionAccess::Manage).await;
    api.put(&format!("/threads/{thread}/sharing"), json!({"userIds": [ann]})).await.expect(200);
    let down = json!({"turnNo": 1, "rating": "down"});
    let path = format!("/threads/{thread}/feedback");
    // The one who asked shows the question by giving an opinion.
    api.put(&path, down.clone()).await.expect(200);
    let seen = api.call(&max_token, Method::GET, "/feedback", None).await.expect(200);
    assert_eq!(
        (&seen["values"][0]["question"], &seen["values"][0]["mayOpen"]),
        (&json!("How many flights?"), &json!(false))
    );
    // A reader does not show what was shared with them alone.
    api.put(&path, json!({"turnNo": 1, "rating": null})).await.expect(200);
    api.call(&ann_token, Method::PUT, &path, Some(down)).await.expect(200);
    let seen = api.call(&max_token, Method::GET, "/feedback", None).await.expect(200);
    assert_eq!(
        (&seen["values"][0]["rating"], &seen["values"][0]["question"]),
        (&json!("down"), &Value::Null)
    );
    assert_eq!(seen["values"][0]["headline"], Value::Null);
    // Until they may open it, too.
    api.put(&format!("/threads/{thread}/sharing"), json!({"userIds": [ann, max]})).await.expect(200);
    let seen = api.call(&max_token, Method::GET, "/feedback", None).await.expect(200);
    assert_eq!(seen["values"][0]["question"], "How many flights?");
}

#[tokio::test]
async fn who_manages_the_data_verifies_and_who_queries_it_sees() {
    let mut api = Api::new().await;
    let (ann, ann_token) = api.member("ann", Role::Editor).await;
    let (thread, result, _) = answered(&api).await;
    let request = json!({"threadId": thread, "resultId": result});
    let list = async |api: &Api| {
        let list = api.call(&ann_token, Method::GET, "/verified-questions", None).await.expect(200);
        list["values"].as_array().expect("a list").clone()
    };
    // A reader who may not manage the connection is refused; one who may see results only does not even see it.
    api.put(&format!("/threads/{thread}/sharing"), json!({"userIds": [ann]})).await.expect(200);
    grant(&api, Subject::User(ann), ConnectionAccess::ViewResults).await;
    api.call(&ann_token, Method::PUT, "/verified-questions", Some(request.clone())).await.expect(403);

    let verified = api.put("/verified-questions", request.clone()).await.expect(200);
    assert_eq!(verified["question"], "How many flights?");
    assert_eq!((&verified["sql"], &verified["mayRemove"]), (&json!("SELECT carrier, flights"), &json!(true)));
    assert_eq!(list(&api).await.len(), 0, "to see results is not to query");
    let path = format!("/verified-questions/{}", text(&verified["id"]));
    api.call(&ann_token, Method::DELETE, &path, None).await.expect(404);

    grant(&api, Subject::User(ann), ConnectionAccess::Query).await;
    let seen = list(&api).await;
    assert_eq!((seen.len(), &seen[0]["mayRemove"]), (1, &json!(false)));
    api.call(&ann_token, Method::DELETE, &path, None).await.expect(403);

    // The same question in other clothes is the same one.
    let again = json!({"threadId": thread, "resultId": result, "question": "  how many FLIGHTS please"});
    let again = api.put("/verified-questions", again).await.expect(200);
    assert_eq!(again["id"], verified["id"]);
    for question in ["?!".to_owned(), "x ".repeat(2_001)] {
        let request = json!({"threadId": thread, "resultId": result, "question": question});
        assert_eq!(api.put("/verified-questions", request).await.issues(), ["question"]);
    }
    let (other, ..) = answered(&api).await;
    let foreign = json!({"threadId": other, "resultId": result});
    assert_eq!(api.put("/verified-questions", foreign).await.issues(), ["resultId"]);

    api.delete(&path).await.expect(204);
    api.delete(&path).await.expect(404);
    assert_eq!(list(&api).await.len(), 0);
    let (put, gone) =
        (audited(&api, "verified_question.put").await, audited(&api, "verified_question.delete").await);
    assert!(put >= 2 && gone == 1, "{put} {gone}");
}
