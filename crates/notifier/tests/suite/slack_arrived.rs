//! Messages that are in Slack already, when they are looked at again: what is there stands, and so does what is proven of it.

use chrono::TimeDelta;
use domain::{
    access::Role,
    audience::AudiencePolicy,
    delivery::{Audience, DeliveryState},
    slack::{SlackEventKind, SlackLinkedBy},
    task::Notification,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::{DeliveryOutcome, SlackPostEnd, SlackPostStart};
use testkit::{slack::Fault, world::claim_deliveries};

use crate::{
    slack::{Scene, all_text},
    slack_replies::told,
};

/// An answer of several messages.
fn long() -> String {
    let paragraphs: Vec<String> =
        (0..60).map(|number| format!("p{number}: {}", "word ".repeat(80))).collect();
    paragraphs.join("\n\n")
}

/// Fails where it is looked whether the message is wanted before it is looked whether it is there: it ends as suppressed, and
/// nobody learns where it stands.
#[tokio::test]
async fn a_direct_message_that_arrived_is_sent_though_its_reader_unsubscribed_on_it() {
    for fault in [Fault::FatalErrorDone, Fault::FatalErrorUndone] {
        let scene = Scene::new().await;
        let (world, team) = (&scene.world, &scene.team);
        let ada = world.member("ada@example.com", Role::Member).await;
        let person = scene.slack.add_user(team, "ada", "ada@example.com");
        let by = SlackLinkedBy::SignIn;
        world.store().slack_user_link(&world.scope, ada, team, &person, by).await.expect("a link");
        let notification = Notification { user_ids: vec![ada], ..Notification::default() };
        let run = world.run(world.task(notification).await).await;
        let by_slack = "UPDATE delivery SET channel = 'slack_dm' WHERE state = 'pending'";
        testkit::execute(&mut world.database.superuser().await, by_slack).await;
        scene.slack.script("chat.postMessage", [Some(fault)]);
        scene.deliver().await;
        let delivery = scene.delivery(run).await;
        assert_eq!(delivery.state, DeliveryState::Unknown, "{fault:?}");

        let pressed = json!({"type": "block_actions", "team": {"id": team}, "user": {"id": person},
            "actions": [{"action_id": "tidings_unsubscribe", "value": delivery.id, "action_ts": "1"}]});
        told(&scene, SlackEventKind::Interaction, &pressed.to_string(), None).await;
        let delivery = scene.deliver_all(run).await;
        let direct = scene.slack.direct_message(&person);
        let messages = scene.slack.messages(&direct);
        let proof = scene.proof(&delivery).await;
        if fault.is_done() {
            let [message] = &messages[..] else { panic!("{messages:?}") };
            assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::Full)));
            assert_eq!(delivery.provider_id, Some(format!("{direct} {}", message.ts)));
            assert_eq!((delivery.reason, delivery.message), (None, None), "nothing of it is missing");
            assert!(proof.slack_permalink.is_some() && proof.content.is_some());
        } else {
            assert!(messages.is_empty(), "{messages:?}");
            let end = (delivery.state, delivery.reason.as_deref());
            assert_eq!(end, (DeliveryState::Suppressed, Some("unsubscribed")));
        }
    }
}

/// Fails where what is decided now takes the place of what was decided as it was posted, and where the file, or the rest of the
/// answer, goes to those who came since.
#[tokio::test]
async fn what_is_there_stands_and_its_rest_is_kept_from_who_came_since() {
    for (outsiders, is_long) in [(Audience::LinkOnly, false), (Audience::Withheld, true)] {
        let scene = Scene::new().await;
        let world = &scene.world;
        let mut notification = scene.to_channel();
        notification.attach_csv = !is_long;
        let run = world.claim(world.task(notification).await, None).await;
        let body = if is_long { long() } else { "Fine.".to_owned() };
        let run = world.answer_with(&run, 3, 0, &body).await;
        if is_long {
            scene.slack.script("chat.postMessage", [None, Some(Fault::Html { status: 503 })]);
        } else {
            // The chart's bytes, and the table's.
            scene.slack.script("upload", [None, Some(Fault::RequestDropped)]);
        }
        scene.deliver().await;
        assert_eq!(scene.delivery(run).await.state, DeliveryState::Pending, "{outsiders:?}");
        let before = scene.slack.messages(&scene.channel);
        assert!(before.len() == 1 && all_text(&before).contains("58,665"), "{before:?}");

        let policy = AudiencePolicy { outsiders, ..AudiencePolicy::default() };
        world.store().audience_policy_put(&world.scope, &policy).await.expect("a policy");
        let guest = scene.slack.add_user(&scene.team, "guest", "guest@other.example");
        scene.slack.change_user(&guest, |user| user.is_restricted = true);
        scene.slack.change_channel(&scene.channel, |channel| {
            channel.members.insert(guest);
        });
        // Who is there is kept for a few minutes.
        world.database.time.step(TimeDelta::minutes(4));
        let delivery = scene.deliver_all(run).await;
        assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::Full)));
        assert_eq!(delivery.provider_id, Some(format!("{} {}", scene.channel, before[0].ts)));
        assert_eq!(delivery.reason.as_deref(), Some("rest_left_out"));
        let why = delivery.message.as_deref().expect("why");
        assert!(why.starts_with("The rest was left out. The channel holds 1 person from outside"), "{why}");
        assert_eq!(scene.slack.messages(&scene.channel).len(), 1, "nothing more goes there");
        let proof = scene.proof(&delivery).await;
        assert!(proof.slack_permalink.is_some());
        let decisions = proof.attempts.iter().map(|attempt| attempt.decision.as_ref().expect("a decision"));
        let decisions: Vec<_> =
            decisions.map(|decision| (decision.audience, decision.content.is_some())).collect();
        assert_eq!(decisions, [(Audience::Full, true), (outsiders, false)]);
        assert_eq!(proof.content.expect("what it said")[0]["text"], *before[0].text);
    }
}

/// Fails where a deletion ends what waits without a look at Slack, and where an attempt at a message whose beginning is there is
/// refused as one at a new message is.
#[tokio::test]
async fn a_task_that_is_deleted_leaves_what_is_in_slack_as_it_is() {
    for is_there in [true, false] {
        let scene = Scene::new().await;
        let (store, scope) = (scene.world.store(), &scene.world.scope);
        let task = scene.world.task(scene.to_channel()).await;
        let run = scene.world.run(task).await;
        let claimed = claim_deliveries(store, "another", 1).await.pop().expect("the delivery");
        let (lease, channel) = (&claimed.lease, scene.channel.as_str());
        let lane = format!("channel {channel}");
        store.slack_lane_take(scope, lease, &lane).await.expect("a lane");
        store.delivery_attempt_start(scope, lease).await.expect("an attempt");
        let begun = store.slack_post_start(scope, lease, &lane, channel, 0).await.expect("a start");
        assert_eq!(begun, SlackPostStart::Begun);
        let end = if is_there {
            SlackPostEnd::Posted { ts: "1772438400.000100".into(), opens_thread: true }
        } else {
            SlackPostEnd::Unknown
        };
        store.slack_post_end(scope, lease, &lane, channel, 0, &end).await.expect("an end");
        let lost = DeliveryOutcome::Unknown { after: TimeDelta::seconds(1), message: "No answer.".into() };
        store.delivery_finish(scope, lease, &lost).await.expect("put back");
        store.slack_lane_leave(scope, lease, &lane).await.expect("left");
        store.task_delete(scope, task).await.expect("deleted");
        let delivery = scene.deliver_all(run).await;
        assert_eq!(delivery.attempts, 1, "{delivery:?}");
        if is_there {
            assert_eq!(delivery.state, DeliveryState::Sent);
            assert_eq!(delivery.provider_id, Some(format!("{channel} 1772438400.000100")));
        } else {
            let end = (delivery.state, delivery.reason.as_deref());
            assert_eq!(end, (DeliveryState::Withheld, Some("task_deleted")));
        }
        assert!(scene.calls("chat.postMessage").is_empty(), "{is_there}");
    }
}

/// Fails where a look that Slack refuses says that the message did not arrive: it is there.
#[tokio::test]
async fn a_message_that_cannot_be_looked_for_may_have_arrived() {
    for is_connected in [true, false] {
        let scene = Scene::new().await;
        let run = scene.run().await;
        scene.slack.script("chat.postMessage", [Some(Fault::AnswerDropped)]);
        scene.deliver().await;
        assert_eq!(scene.delivery(run).await.state, DeliveryState::Unknown, "{is_connected}");
        let why = if is_connected {
            scene.slack.change_channel(&scene.channel, |channel| channel.members.clear());
            "The app was removed from the channel."
        } else {
            scene.slack.uninstall(&scene.team);
            "Slack is not connected"
        };
        let delivery = scene.deliver_all(run).await;
        let end = (delivery.state, delivery.reason.as_deref());
        assert_eq!(end, (DeliveryState::Failed, Some("outcome_unknown")), "{is_connected}");
        let message = delivery.message.expect("a message");
        assert!(message.contains(why), "{message}");
        assert_eq!(scene.slack.messages(&scene.channel).len(), 1, "it is there");
    }
}

/// The notifier has found the message, and waits for its conversation as the task is deleted. Fails where an attempt at what is
/// missing is refused as one at a new message is: the delivery ended as withheld.
#[tokio::test]
async fn a_task_that_is_deleted_after_the_look_into_slack_leaves_what_is_there_as_well() {
    let scene = Scene::new().await;
    let database = &scene.world.database;
    let task = scene.world.task(scene.to_channel()).await;
    let run = scene.world.run(task).await;
    scene.slack.script("chat.postMessage", [Some(Fault::FatalErrorDone)]);
    scene.deliver().await;
    assert_eq!(scene.delivery(run).await.state, DeliveryState::Unknown);
    database.time.step(TimeDelta::minutes(2));
    let mut other = database.superuser().await;
    let lane = format!("BEGIN; SELECT FROM slack_lane WHERE lane = 'channel {}' FOR UPDATE", scene.channel);
    testkit::execute(&mut other, &lane).await;
    let deletion = async {
        let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while database.number(blocked).await == 0 {}
        scene.world.store().task_delete(&scene.world.scope, task).await.expect("deleted");
        testkit::execute(&mut other, "COMMIT").await;
    };
    tokio::join!(scene.deliver(), deletion);
    let delivery = scene.deliver_all(run).await;
    let messages = scene.slack.messages(&scene.channel);
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1), "{delivery:?}");
    assert_eq!(delivery.provider_id, Some(format!("{} {}", scene.channel, message.ts)));
    assert_eq!((delivery.reason, delivery.message), (None, None), "nothing of it is missing");
}

/// Fails where the rest is cut anew at each attempt: a longer title leaves less room in the first message, which is there, and what
/// would not fit into it now is said twice.
#[tokio::test]
async fn the_rest_of_an_answer_is_posted_as_it_was_cut_before() {
    let scene = Scene::new().await;
    let run = scene.world.claim(scene.world.task(scene.to_channel()).await, None).await;
    let paragraphs: Vec<String> =
        (0..500).map(|number| format!("p{number}: {}", "word ".repeat(8))).collect();
    let run = scene.world.answer_with(&run, 3, 0, &paragraphs.join("\n\n")).await;
    scene.slack.script("chat.postMessage", [None, Some(Fault::Html { status: 503 })]);
    scene.deliver().await;
    assert_eq!(scene.slack.messages(&scene.channel).len(), 1);
    let rename = "UPDATE task SET title = repeat('Flights ', 17)";
    testkit::execute(&mut scene.world.database.superuser().await, rename).await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 2), "{delivery:?}");
    let messages = scene.slack.messages(&scene.channel);
    let all = all_text(&messages);
    for number in 0..500 {
        assert_eq!(all.matches(&format!("p{number}:")).count(), 1, "paragraph {number}");
    }
    let posted: Vec<Value> =
        messages.iter().map(|message| json!({ "text": message.text, "blocks": message.blocks })).collect();
    let said = scene.proof(&delivery).await.content.expect("what it said");
    assert_eq!(said.as_array().map(|said| &said[1..]), Some(&posted[1..]), "and that is proven");
}

/// Fails where what was planned is kept as the proof, and where what was posted is written down only once that is known: the
/// answer to the plain message is lost.
#[tokio::test]
async fn the_proof_is_of_what_was_posted_where_slack_refuses_the_form() {
    let scene = Scene::new().await;
    let run = scene.world.claim(scene.world.task(scene.to_channel()).await, None).await;
    let run = scene.world.answer_with(&run, 3, 0, &long()).await;
    let refused = Some(Fault::InvalidBlocks);
    // The first message with its chart, without it, and plain; then the second one.
    scene.slack.script("chat.postMessage", [refused, refused, Some(Fault::AnswerDropped), refused]);
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 2), "{delivery:?}");
    let messages = scene.slack.messages(&scene.channel);
    assert!(messages.len() > 2 && messages[0].blocks.is_empty() && messages[1].blocks.is_empty());
    assert!(!messages[2].blocks.is_empty());
    let posted: Vec<Value> =
        messages.iter().map(|message| json!({ "text": message.text, "blocks": message.blocks })).collect();
    let proof = scene.proof(&delivery).await;
    let said = proof.content.expect("what it said");
    assert_eq!(said, Value::Array(posted));
    let last = proof.attempts.last().and_then(|attempt| attempt.decision.as_ref()).expect("a decision");
    let said = said.to_string();
    let hash = Sha256::digest(said.as_bytes()).to_vec();
    assert_eq!(last.content, Some((hash, u32::try_from(said.len()).expect("a length"))));
}
