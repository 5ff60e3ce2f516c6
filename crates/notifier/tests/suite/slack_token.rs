//! The right to act in a Slack team: what becomes of messages while it cannot be renewed.

use chrono::TimeDelta;
use domain::delivery::DeliveryState;
use testkit::slack::{Call, Fault};

use crate::{slack::Scene, slack_inbox::Stage};

/// A connection whose tokens end after twelve hours, of which ten have gone by: its token is to be renewed.
async fn due() -> Scene {
    let scene = Scene::with(|options| options.app.rotates_tokens = true).await;
    scene.connect(Some(TimeDelta::hours(12))).await;
    scene.world.database.time.step(TimeDelta::hours(10));
    scene
}

async fn is_connected(scene: &Scene) -> bool {
    let store = scene.world.store();
    store.slack_installation_get(&scene.world.scope).await.expect("a look").is_some()
}

/// How many renewals Slack granted.
fn granted(scene: &Scene) -> usize {
    scene.calls("oauth.v2.access").iter().filter(|call| call.outcome == "ok").count()
}

/// Fails where nothing is sent until a token that is due was renewed.
#[tokio::test]
async fn a_renewal_that_fails_stops_nothing_while_the_token_in_hand_is_good() {
    for fault in [Fault::Html { status: 503 }, Fault::InternalError, Fault::RequestDropped] {
        let scene = due().await;
        scene.slack.script("oauth.v2.access", [Some(fault), Some(fault)]);
        if fault != Fault::RequestDropped {
            scene.slack.script("oauth.v2.access", [None]);
        }
        let run = scene.run().await;
        let delivery = scene.deliver_all(run).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1), "{fault:?}");
        assert_eq!(granted(&scene), 0, "{fault:?}");
        scene.world.database.time.step(TimeDelta::minutes(3));
        for _ in 0..2 {
            let run = scene.run().await;
            assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent, "{fault:?}");
            scene.world.database.time.step(TimeDelta::minutes(3));
        }
        assert_eq!(granted(&scene), 1, "{fault:?}: it is renewed all the same");
        assert!(is_connected(&scene).await);
    }
}

/// Fails where a lost answer is asked for again only later: the refresh token is used up by then, and the connection ends with
/// its token.
#[tokio::test]
async fn a_new_token_whose_answer_was_lost_is_asked_for_again_at_once() {
    for lost in 1..=2 {
        let scene = due().await;
        scene.slack.script("oauth.v2.access", vec![Some(Fault::AnswerDropped); lost]);
        for _ in 0..2 {
            let run = scene.run().await;
            let delivery = scene.deliver_all(run).await;
            assert_eq!(delivery.state, DeliveryState::Sent, "{lost} lost: {delivery:?}");
            scene.world.database.time.step(TimeDelta::hours(3));
        }
        assert!(is_connected(&scene).await, "{lost} lost");
    }
}

/// Fails where a refusal of our own id or secret ends the delivery, or the connection.
#[tokio::test]
async fn a_wrong_secret_of_ours_costs_nobody_a_message() {
    let scene = due().await;
    let secret = scene.slack.app().client_secret;
    scene.slack.change_app(|app| app.client_secret = "another".to_owned());
    let run = scene.run().await;
    assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent, "the token in hand is good");
    scene.world.database.time.step(TimeDelta::hours(3));
    let run = scene.run().await;
    for _ in 0..5 {
        scene.deliver().await;
        let delivery = scene.delivery(run).await;
        assert_eq!(delivery.state, DeliveryState::Pending, "{delivery:?}");
        scene.world.database.time.step(TimeDelta::hours(1));
    }
    assert!(is_connected(&scene).await);
    scene.slack.change_app(|app| app.client_secret = secret);
    assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);

    scene.slack.change_app(|app| app.client_secret = "another".to_owned());
    scene.world.database.time.step(TimeDelta::hours(13));
    let run = scene.run().await;
    // Another try would come after its day.
    scene.world.database.time.step(TimeDelta::hours(24) - TimeDelta::seconds(30));
    let delivery = scene.deliver_all(run).await;
    assert_eq!(
        (delivery.state, delivery.reason.as_deref()),
        (DeliveryState::Failed, Some("slack_not_renewed"))
    );
}

/// As above, for what is asked in Slack: fails where the question is given up.
#[tokio::test]
async fn a_question_waits_for_a_token_as_messages_do() {
    let stage = Stage::with_rotation(true).await;
    let direct = stage.fake.direct_message(&stage.creator);
    stage.world.step(TimeDelta::hours(10));
    stage.fake.script("oauth.v2.access", [Some(Fault::Html { status: 503 })]);
    stage.said("message", &direct, &stage.creator, "How many?", None).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 1, "with the token in hand");

    stage.world.step(TimeDelta::hours(3));
    let secret = stage.fake.app().client_secret;
    stage.fake.change_app(|app| app.client_secret = "another".to_owned());
    stage.said("message", &direct, &stage.creator, "And now?", None).await;
    stage.work().await;
    assert_eq!((stage.turns().await, stage.outcomes("refused").await), (1, 0));
    stage.fake.change_app(|app| app.client_secret = secret);
    stage.world.step(TimeDelta::hours(1));
    stage.work().await;
    assert_eq!(stage.turns().await, 2);
}

/// Of an installation's tokens two work at a time: after two renewals whose answers were lost, the one in hand does not. Fails
/// where that is the end of the installation.
#[tokio::test]
async fn a_token_that_was_revoked_before_its_time_is_renewed() {
    let stage = Stage::with_rotation(true).await;
    let direct = stage.fake.direct_message(&stage.stranger);
    stage.world.step(TimeDelta::hours(10));
    stage.fake.script("oauth.v2.access", [Some(Fault::AnswerDropped), Some(Fault::AnswerDropped)]);
    stage.said("message", &direct, &stage.stranger, "Hello?", None).await;
    stage.work().await;
    let calls = stage.fake.calls();
    assert!(calls.iter().any(|call| call.outcome == "token_revoked"), "{calls:?}");
    assert_eq!(stage.notes().len(), 1);
    let live = stage.store().slack_installation_get(&stage.world.scope).await.expect("a look");
    assert!(live.is_some());
}

/// Calls before a `Retry-After` was over.
fn early(calls: &[Call]) -> Vec<&Call> {
    calls.iter().filter(|call| call.told_to_wait_at.is_some()).collect()
}

/// Fails where a renewal that Slack limited is tried again after a minute, or by each message that needs a token.
#[tokio::test]
async fn nobody_renews_before_slack_wants_it() {
    let scene = due().await;
    scene.slack.script("oauth.v2.access", [Some(Fault::Limited { retry_after_seconds: 1_800 })]);
    for _ in 0..3 {
        let run = scene.run().await;
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent, "the token in hand is good");
        scene.world.database.time.step(TimeDelta::minutes(9));
    }
    assert_eq!(scene.calls("oauth.v2.access").len(), 1);
    scene.world.database.time.step(TimeDelta::minutes(9));
    let run = scene.run().await;
    assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    assert_eq!(granted(&scene), 1);

    // At the end of its life, with several messages that wait for another one.
    scene.world.database.time.step(TimeDelta::hours(13));
    scene.slack.script("oauth.v2.access", [Some(Fault::Limited { retry_after_seconds: 600 })]);
    let runs = [scene.run().await, scene.run().await, scene.run().await];
    scene.deliver().await;
    assert_eq!(scene.calls("oauth.v2.access").len(), 3, "one of them has asked");
    for run in runs {
        assert_eq!(scene.delivery(run).await.state, DeliveryState::Pending);
    }
    for run in runs {
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    }
    assert_eq!(granted(&scene), 2);
    let calls = scene.slack.calls();
    assert!(early(&calls).is_empty(), "{:?}", early(&calls));
    assert!(is_connected(&scene).await);
}

/// As above, for what is asked in Slack.
#[tokio::test]
async fn a_question_has_nothing_renewed_before_slack_wants_it() {
    let stage = Stage::with_rotation(true).await;
    let direct = stage.fake.direct_message(&stage.creator);
    stage.world.step(TimeDelta::hours(13));
    stage.fake.script("oauth.v2.access", [Some(Fault::Limited { retry_after_seconds: 600 })]);
    for text in ["How many?", "And where?"] {
        stage.said("message", &direct, &stage.creator, text, None).await;
    }
    stage.work().await;
    assert_eq!((stage.turns().await, stage.outcomes("refused").await), (0, 0));
    stage.world.step(TimeDelta::minutes(9));
    stage.work().await;
    stage.world.step(TimeDelta::minutes(5));
    stage.work().await;
    assert_eq!(stage.turns().await, 2);
    let calls = stage.fake.calls();
    assert!(early(&calls).is_empty(), "{:?}", early(&calls));
}
