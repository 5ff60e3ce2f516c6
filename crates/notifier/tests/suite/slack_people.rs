//! Who is in a channel when a message is due there, and what is shown to them.

use domain::{
    RunId,
    answer::{Answer, Figure},
    audience::ConnectionAudience,
    delivery::{Audience, Channel, DeliveryState},
    run::Usage,
    task::{Notification, SlackChannel},
};
use store::{ClaimedRun, Delivery};
use testkit::slack::Fault;

use crate::{
    slack::{Scene, all_text},
    slack_replies::ask,
};

/// What was decided for a delivery's last attempt, in words.
async fn reason(scene: &Scene, delivery: &Delivery) -> String {
    let attempt = scene.proof(delivery).await.attempts.pop().expect("an attempt");
    attempt.decision.expect("a decision").reason
}

/// Sends an answer to the channel, which is to show a link and no figure.
async fn shows_a_link_alone(scene: &Scene) -> String {
    let run = scene.run().await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::LinkOnly)));
    let message = scene.roots().pop().expect("a message");
    let text = format!("{}{}", all_text(std::slice::from_ref(&message)), message.text);
    assert!(text.contains("/threads/") && !text.contains("58,665") && !text.contains("Airline 1"), "{text}");
    reason(scene, &delivery).await
}

#[tokio::test]
async fn a_guest_who_is_there_when_it_is_sent_makes_it_a_link() {
    let scene = Scene::new().await;
    let run = scene.run().await;
    assert_eq!(scene.deliver_all(run).await.audience, Some(Audience::Full), "nobody from outside is there");
    let guest = scene.slack.add_user(&scene.team, "guest", "guest@other.example");
    scene.slack.change_user(&guest, |user| user.is_restricted = true);
    scene.slack.change_channel(&scene.channel, |channel| {
        channel.members.insert(guest);
    });
    // Who is there is kept for a few minutes.
    scene.world.database.time.step(chrono::TimeDelta::minutes(4));
    let reason = shows_a_link_alone(&scene).await;
    assert!(reason.contains("holds 1 person from outside"), "{reason}");
}

#[tokio::test]
async fn an_open_invitation_of_another_organisation_counts_as_its_being_there() {
    let scene = Scene::new().await;
    scene.slack.change_channel(&scene.channel, |channel| channel.is_pending_ext_shared = true);
    let reason = shows_a_link_alone(&scene).await;
    assert!(reason.contains("is shared with another organisation"), "{reason}");
}

#[tokio::test]
async fn a_channel_that_cannot_be_looked_into_counts_as_one_with_people_from_outside() {
    let scene = Scene::new().await;
    scene.slack.script("conversations.members", vec![Some(Fault::Html { status: 403 }); 4]);
    let reason = shows_a_link_alone(&scene).await;
    assert!(reason.contains("cannot be looked into"), "{reason}");
}

/// Fails where the refusal ends the reading: the message is lost, and the channel is paused for all tasks.
#[tokio::test]
async fn somebody_of_whom_slack_tells_nothing_counts_as_from_outside() {
    let scene = Scene::new().await;
    let elsewhere = scene.slack.add_team("Harbour Hotels");
    let stranger = scene.slack.add_user(&elsewhere, "stranger", "stranger@harbour.example");
    let colleague = scene.slack.add_user(&scene.team, "ana", "ana@acme.test");
    scene.slack.change_channel(&scene.channel, |channel| channel.members.extend([stranger, colleague]));
    let reason = shows_a_link_alone(&scene).await;
    assert!(reason.contains("holds 1 person from outside"), "{reason}");
    let asked = scene.calls("users.info");
    assert!(asked.iter().any(|call| call.outcome == "user_not_found"), "{asked:?}");
    let others = asked.iter().filter(|call| call.outcome == "ok").count();
    assert_eq!(others, 2, "the colleague and our app");
}

/// Fails where the method that is held is the one that the reading of members goes by, and not the one that Slack limited.
#[tokio::test]
async fn nobody_calls_the_method_that_slack_limited_whatever_it_was_called_for() {
    let scene = Scene::new().await;
    // Whether messages may be posted there, and, with the people, what kind of channel it is.
    scene.slack.script("conversations.info", [None, Some(Fault::Limited { retry_after_seconds: 45 })]);
    let first = scene.run().await;
    scene.deliver().await;
    assert_eq!(scene.delivery(first).await.state, DeliveryState::Pending);
    let other = scene.slack.add_channel(&scene.team, "other", &[]);
    let notification = Notification {
        slack_channels: vec![SlackChannel { id: other, name: "#other".into() }],
        ..Notification::default()
    };
    let second = scene.world.run(scene.world.task(notification).await).await;
    for run in [first, second] {
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    }
    let early: Vec<_> =
        scene.slack.calls().into_iter().filter(|call| call.told_to_wait_at.is_some()).collect();
    assert!(early.is_empty(), "{early:?}");
}

/// Asks a question in the channel that names no connection, and claims its run; the one connection is sensitive. Answers the
/// run, and the `ts` of the message that asked.
async fn asked_over_sensitive_data(scene: &Scene) -> (ClaimedRun, String) {
    let (store, scope) = (scene.world.store(), &scene.world.scope);
    let asker = scene.slack.add_user(&scene.team, "creator", "creator@example.com");
    scene.slack.change_channel(&scene.channel, |channel| {
        channel.members.insert(asker.clone());
    });
    let (ts, run) = ask(scene, &scene.channel, &asker, false).await;
    let sensitive = ConnectionAudience { is_sensitive: true, ..ConnectionAudience::default() };
    store.connection_audience_put(scope, scene.world.connection, &sensitive).await.expect("a rule");
    (run, ts)
}

/// Delivers the answer to a question in the channel, which is to be a link that hides these words.
async fn replies_with_a_link_alone(scene: &Scene, run: RunId, ts: &str, hidden: &[&str]) {
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.channel), (DeliveryState::Sent, Channel::SlackChannel));
    assert_eq!(delivery.audience, Some(Audience::LinkOnly));
    let messages = scene.slack.messages(&scene.channel);
    let reply = messages.last().expect("a reply");
    assert_eq!(reply.thread_ts.as_deref(), Some(ts));
    let text = format!("{}{}", all_text(std::slice::from_ref(reply)), reply.text);
    assert!(text.contains("/threads/"), "{text}");
    for hidden in hidden {
        assert!(!text.contains(hidden), "{hidden} is shown: {text}");
    }
}

/// Fails where only the question is looked at: what its answer rests on is known once it was answered.
#[tokio::test]
async fn an_answer_that_turns_out_to_rest_on_sensitive_data_is_a_link_in_slack() {
    let scene = Scene::new().await;
    let (run, ts) = asked_over_sensitive_data(&scene).await;
    let run = scene.world.answer(&run, 3, 0).await;
    replies_with_a_link_alone(&scene, run, &ts, &["United", "58,665", "Airline"]).await;
}

/// Fails where only the results are looked at: a table's samples, or an earlier answer, leave none.
#[tokio::test]
async fn an_answer_from_sensitive_data_that_left_no_result_is_a_link_in_slack() {
    let scene = Scene::new().await;
    let store = scene.world.store();
    let (run, ts) = asked_over_sensitive_data(&scene).await;
    let read = [scene.world.connection];
    store.connection_read_put(&run.scope, &run.lease, run.thread_id, &read).await.expect("kept");
    let figure =
        Figure { id: "f1".into(), text: "24 May".into(), checked: false, expression: None, cells: vec![] };
    let answer = Answer {
        headline: "Sales and Support are in it, paid on {{f1}}.".into(),
        body: "The last pay run was that of May.".into(),
        figures: vec![figure],
        ..Answer::default()
    };
    store.run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await.expect("an end");
    replies_with_a_link_alone(&scene, run.lease.run_id, &ts, &["24 May", "Sales", "pay run"]).await;
}

#[tokio::test]
async fn what_is_sent_again_is_a_message_of_its_own_in_the_same_channel() {
    let scene = Scene::new().await;
    let run = scene.run().await;
    let first = scene.deliver_all(run).await;
    let (store, scope) = (scene.world.store(), &scene.world.scope);
    let again = store.delivery_send_again(scope, first.id, scene.world.creator).await.expect("queued");
    scene.world.database.time.step(chrono::TimeDelta::seconds(5));
    scene.deliver().await;
    let proof = store.delivery_proof(scope, again).await.expect("a look").expect("a delivery");
    assert_eq!(proof.state, DeliveryState::Sent);
    let ids: Vec<_> = scene
        .roots()
        .iter()
        .map(|message| message.metadata.as_ref().expect("metadata")["event_payload"]["delivery_id"].clone())
        .collect();
    assert_eq!(ids, [first.id.to_string(), again.to_string()]);
    assert_eq!(scene.calls("files.completeUploadExternal").len(), 1, "the chart is there already");
}
