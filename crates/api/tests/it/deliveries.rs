//! One delivery: what is shown of it to whom, and sending it again.

use axum::http::{Method, header};
use domain::{
    DeliveryId,
    access::Role,
    audience::{AudiencePolicy, AudienceRecord},
    delivery::Audience,
};
use serde_json::json;
use store::{ContentMark, DeliveryOutcome, NewDecision};
use testkit::world::claim_deliveries;

use crate::{
    harness::{Api, request, text},
    outbox, threads,
};

/// An answered task's delivery to the admin, sent at its second attempt.
async fn sent(api: &Api) -> DeliveryId {
    let world = &api.world;
    let task = world.task(|_| {}).await;
    world.store().task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    threads::work(world, &run).await;
    let record = AudienceRecord {
        policy: AudiencePolicy::default(),
        standing: Some(domain::audience::Standing::Creator),
        channel: None,
        connections: vec![],
    };
    let mut id = None;
    for outcome in [
        DeliveryOutcome::Retry {
            after: chrono::TimeDelta::zero(),
            reason: "server_unavailable".into(),
            message: "451 later".into(),
        },
        DeliveryOutcome::Sent { provider_id: "<m1@acme.test>".into() },
    ] {
        let claimed = claim_deliveries(world.store(), "test", 1).await.remove(0);
        let content = ContentMark { sha256: [7; 32], bytes: 1_234, kept: None };
        let decision = NewDecision {
            audience: Audience::Full,
            reason: "The task is theirs.".into(),
            record: Some(record.clone()),
            content: Some(content),
        };
        world.store().delivery_decide(&claimed.scope, &claimed.lease, &decision).await.expect("noted");
        world.store().delivery_attempt_start(&claimed.scope, &claimed.lease).await.expect("an attempt");
        world.store().delivery_finish(&claimed.scope, &claimed.lease, &outcome).await.expect("an end");
        id = Some(claimed.lease.delivery_id);
    }
    id.expect("a delivery")
}

#[tokio::test]
async fn a_delivery_is_proven_to_its_creator_and_to_admins_without_its_content() {
    let mut api = Api::new().await;
    let id = sent(&api).await;
    let path = format!("/deliveries/{id}");
    let proof = api.get(&path).await.expect(200);
    assert_eq!((&proof["state"], &proof["providerId"]), (&json!("sent"), &json!("<m1@acme.test>")));
    let attempts = proof["attempts"].as_array().expect("attempts");
    let ends: Vec<_> = attempts.iter().map(|attempt| text(&attempt["outcome"])).collect();
    assert_eq!(ends, ["retry", "sent"]);
    let decision = &attempts[1]["decision"];
    assert_eq!((&decision["audience"], &decision["contentBytes"]), (&json!("full"), &json!(1_234)));
    assert_eq!(decision["contentSha256"], json!("07".repeat(32)));
    assert_eq!(decision["record"]["standing"], "creator");
    assert_eq!(
        (&proof["figures"]["checked"], &proof["figures"]["shown"][0]["text"]),
        (&json!(1), &json!("58,665"))
    );
    assert_eq!((&proof["taskTitle"], &proof["maySendAgain"]), (&json!("Flights"), &json!(true)));

    // Another admin learns that it was sent, to whom and by what right, and nothing of what it said.
    let (_, other_admin) = api.member("other", Role::Admin).await;
    let seen = api.call(&other_admin, Method::GET, &path, None).await.expect(200);
    assert_eq!((&seen["state"], &seen["mayRead"]), (&json!("sent"), &json!(false)));
    assert_eq!((&seen["taskTitle"], &seen["figures"]["shown"]), (&json!(null), &json!([])));
    assert_eq!(seen["figures"]["checked"], 1);
    assert!(!seen.to_string().contains("58,665"));
    api.call(&other_admin, Method::POST, &format!("{path}/send-again"), None).await.expect(403);
    let (_, editor) = api.member("editor", Role::Editor).await;
    api.call(&editor, Method::GET, &path, None).await.expect(404);
}

#[tokio::test]
async fn a_delivery_is_sent_again_once_for_a_key_and_by_the_same_pipeline() {
    let api = Api::new().await;
    let id = sent(&api).await;
    let path = format!("/deliveries/{id}/send-again");
    let again = async || {
        let mut request = request(Method::POST, &path, Some(&api.token), None);
        request.headers_mut().insert("idempotency-key", "once".parse().expect("a header"));
        request.headers_mut().insert(header::CONTENT_LENGTH, "0".parse().expect("a header"));
        api.send(request).await.expect(202)
    };
    let first = again().await;
    assert_eq!(again().await, first);
    let new_id = text(&first["deliveryId"]);
    let proof = api.get(&format!("/deliveries/{new_id}")).await.expect(200);
    assert_eq!((&proof["state"], &proof["repeats"]["deliveryId"]), (&json!("pending"), &json!(id)));
    assert_eq!(proof["repeats"]["requestedByName"], "admin");
    assert_eq!(proof["maySendAgain"], false);
    let original = api.get(&format!("/deliveries/{id}")).await.expect(200);
    assert_eq!(original["repeatedBy"], json!([new_id]));
    // It waits in the same queue as every other.
    let claimed = claim_deliveries(api.world.store(), "test", 10).await;
    let claimed: Vec<_> = claimed.iter().map(|claimed| claimed.lease.delivery_id.to_string()).collect();
    assert_eq!(claimed, [new_id.as_str()]);
    // What is on its way is not sent again.
    let refused = api.post(&format!("/deliveries/{new_id}/send-again"), json!({})).await.expect(409);
    assert_eq!(refused["reason"], "delivery_unfinished");
    assert_eq!(
        api.world.number("SELECT count(*) FROM audit_log WHERE action = 'delivery.send_again'").await,
        1
    );
}

/// Notices are sent again like answers, as long as they are true; what is not says why. Fails without the look at the task in
/// `repeat_refusal`.
#[tokio::test]
async fn notices_are_sent_again_while_they_are_so() {
    let api = Api::new().await;
    let (world, store) = (&api.world, api.world.store());
    let end = async || {
        let claimed = claim_deliveries(store, "test", 1).await.remove(0);
        let sent = DeliveryOutcome::Sent { provider_id: "1".into() };
        store.delivery_attempt_start(&claimed.scope, &claimed.lease).await.expect("an attempt");
        store.delivery_finish(&claimed.scope, &claimed.lease, &sent).await.expect("an end");
        claimed.lease.delivery_id
    };
    let path = |id: DeliveryId| format!("/deliveries/{id}");
    let again = |id: DeliveryId| format!("/deliveries/{id}/send-again");
    let task = world.task(|_| {}).await;
    world.set("2026-03-02T09:00:00Z");
    store.due_claim(10, None).await.expect("an occurrence");
    let run = world.claim_one().await;
    let usage = domain::run::Usage::default();
    let why = domain::run::RunReason::AccessLost;
    store.run_fail(&run.scope, &run.lease, why, "no more", &usage).await.expect("an end");
    let failure = end().await;
    let proof = api.get(&path(failure)).await.expect(200);
    assert_eq!((&proof["kind"], &proof["maySendAgain"]), (&json!("failure"), &json!(true)));
    assert_eq!(proof["sendAgainRefusal"], json!(null));
    api.post(&again(failure), json!({})).await.expect(202);
    assert_ne!(end().await, failure);

    world.set("2026-12-28T00:00:00Z");
    store.task_warn_expiring(10).await.expect("a warning");
    let warning = end().await;
    assert_eq!(api.get(&path(warning)).await.expect(200)["maySendAgain"], true);
    world.set("2027-01-01T00:00:00Z");
    store.task_expire(10).await.expect("expired");
    let expired = end().await;
    assert_eq!(api.get(&path(expired)).await.expect(200)["maySendAgain"], true);
    let refused = api.post(&again(warning), json!({})).await.expect(409);
    assert_eq!(refused["reason"], "delivery_outdated");
    let proof = api.get(&path(warning)).await.expect(200);
    assert_eq!(
        (&proof["maySendAgain"], &proof["sendAgainRefusal"]),
        (&json!(false), &json!("what it says may no longer be so"))
    );
    store.task_delete(&world.scope, task.id).await.expect("deleted");
    let refused = api.post(&again(failure), json!({})).await.expect(409);
    assert_eq!(refused["reason"], "delivery_subject_gone");
}

#[tokio::test]
async fn whoever_had_a_mail_sent_may_look_at_it() {
    let mut api = Api::new().await;
    let id = outbox::mail(&api.world).await;
    let shown = api.get(&format!("/outbox/{id}")).await.expect(200);
    assert_eq!(shown["hasProof"], true);
    let proof = api.get(&format!("/deliveries/{id}")).await.expect(200);
    assert_eq!(proof["mailId"], json!(id));
    let (_, editor) = api.member("editor", Role::Editor).await;
    api.call(&editor, Method::GET, &format!("/outbox/{id}"), None).await.expect(404);
}
