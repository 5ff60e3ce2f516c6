//! What a caller learns when something goes wrong, and that nothing is sent twice by itself.

use std::time::Duration;

use chrono::TimeDelta;
use slack::{App, Class, Client, Message};
use testkit::slack::Fault;

use crate::Scene;

/// The class says what happened: nothing, or nobody knows. The log of the other side says what really did.
#[tokio::test]
async fn each_fault_has_the_class_that_is_safe() {
    let scene = Scene::new().await;
    let retry = Class::Retry { after: None };
    for (fault, class, is_posted) in [
        (Fault::Html { status: 502 }, retry, false),
        (Fault::Html { status: 503 }, retry, false),
        (Fault::Html { status: 504 }, Class::Unknown, false),
        (Fault::InternalError, Class::Unknown, false),
        (Fault::FatalErrorDone, Class::Unknown, true),
        (Fault::FatalErrorAtStatus { status: 500 }, Class::Unknown, true),
        (Fault::FatalErrorUndone, Class::Unknown, false),
        (Fault::AnswerDropped, Class::Unknown, true),
        (Fault::RequestDropped, Class::Unknown, false),
        (
            Fault::Limited { retry_after_seconds: 7 },
            Class::Retry { after: Some(Duration::from_secs(7)) },
            false,
        ),
    ] {
        scene.time.step(TimeDelta::minutes(1));
        let before = (scene.slack.messages(&scene.channel).len(), scene.slack.call_count());
        scene.slack.script("chat.postMessage", [Some(fault)]);
        let error =
            scene.client.chat_post_message(&scene.token, &scene.message("d")).await.expect_err("a fault");
        assert_eq!(error.class(), class, "{fault:?}: {error}");
        let after = (scene.slack.messages(&scene.channel).len(), scene.slack.call_count());
        assert_eq!(
            after,
            (before.0 + usize::from(is_posted), before.1 + 1),
            "{fault:?}: one request, no more"
        );
    }
}

#[tokio::test]
async fn a_slow_answer_leaves_the_outcome_unknown() {
    let scene = Scene::new().await;
    let client = scene.client.clone().with_call_timeout(Duration::from_millis(200));
    scene.slack.script("chat.postMessage", [Some(Fault::Slow { milliseconds: 60_000 })]);
    let error = client.chat_post_message(&scene.token, &scene.message("d")).await.expect_err("too slow");
    assert_eq!(error.class(), Class::Unknown);
    assert_eq!(scene.slack.messages(&scene.channel).len(), 1);
}

#[tokio::test]
async fn without_a_connection_nothing_happened() {
    let scene = Scene::new().await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nowhere.local_addr().expect("an address").port();
    drop(nowhere);
    let base_url = format!("http://127.0.0.1:{port}/api/").parse().expect("an address");
    let client = Client::new(net::vendor_client(), base_url);
    let error = client.chat_post_message(&scene.token, &scene.message("d")).await.expect_err("nobody there");
    assert_eq!(error.class(), Class::Retry { after: None });
}

#[tokio::test]
async fn a_channel_takes_one_message_a_second_and_others_meanwhile() {
    let scene = Scene::new().await;
    let other = scene.slack.add_channel(&scene.team, "support", &[]);
    scene.client.chat_post_message(&scene.token, &scene.message("d1")).await.expect("posted");
    let error =
        scene.client.chat_post_message(&scene.token, &scene.message("d2")).await.expect_err("too soon");
    assert_eq!(error.class(), Class::Retry { after: Some(Duration::from_secs(1)) });
    scene
        .client
        .chat_post_message(&scene.token, &Message::text(&other, "d3"))
        .await
        .expect("another channel");
    scene.wait();
    scene.client.chat_post_message(&scene.token, &scene.message("d2")).await.expect("posted");
}

#[tokio::test]
async fn a_method_has_its_calls_a_minute_by_workspace() {
    let scene = Scene::new().await;
    for _ in 0..20 {
        scene.client.conversations_list(&scene.token, None).await.expect("within the tier");
    }
    let error = scene.client.conversations_list(&scene.token, None).await.expect_err("beyond it");
    assert_eq!(error.class(), Class::Retry { after: Some(Duration::from_mins(1)) });
    let elsewhere = scene.slack.add_team("Globex");
    let token = scene.slack.install(&elsewhere);
    scene.client.conversations_list(&token, None).await.expect("another workspace has its own");
    scene.time.step(TimeDelta::seconds(59));
    scene.client.conversations_list(&scene.token, None).await.expect_err("not yet");
    assert!(
        scene.slack.calls().last().expect("a call").told_to_wait_at.is_some(),
        "the log knows who was told"
    );
    scene.time.step(TimeDelta::seconds(1));
    scene.client.conversations_list(&scene.token, None).await.expect("after the time that was named");
}

#[tokio::test]
async fn new_apps_read_history_once_a_minute_and_fifteen_at_a_time() {
    let scene = Scene::new().await;
    scene.slack.change_app(|app| app.is_history_limited = true);
    for _ in 0..16 {
        scene.slack.say(&scene.channel, &scene.user, "hello", None);
    }
    let history =
        slack::History { channel: scene.channel.clone(), limit: Some(100), ..slack::History::default() };
    let page = scene.client.conversations_history(&scene.token, &history).await.expect("a page");
    assert_eq!(page.items.len(), 15);
    assert!(page.next_cursor.is_some());
    let error = scene.client.conversations_history(&scene.token, &history).await.expect_err("too soon");
    assert_eq!(error.class(), Class::Retry { after: Some(Duration::from_mins(1)) });
}

/// What is called before there is a token has its limits, too. Fails where such calls are let past them.
#[tokio::test]
async fn a_renewal_before_its_time_is_refused_and_told() {
    let scene = Scene::new().await;
    scene.slack.change_app(|app| app.rotates_tokens = true);
    let refresh_token =
        |team: &str| scene.slack.install_with(team, &["chat:write"]).1.expect("a refresh token");
    let (ours, others) = (refresh_token(&scene.team), refresh_token(&scene.slack.add_team("Globex")));
    let app = scene.slack.app();
    let app = App { client_id: app.client_id, client_secret: app.client_secret.into() };
    let limited = Fault::Limited { retry_after_seconds: 30 };
    scene.slack.script("oauth.v2.access", [Some(limited)]);
    let error = scene.client.oauth_v2_refresh(&app, &ours).await.expect_err("limited");
    assert_eq!(error.hold(), Some(("oauth.v2.access", TimeDelta::seconds(30))));
    scene.time.step(TimeDelta::seconds(29));
    let error = scene.client.oauth_v2_refresh(&app, &ours).await.expect_err("not yet");
    assert_eq!(error.hold(), Some(("oauth.v2.access", TimeDelta::seconds(1))));
    assert!(scene.slack.calls().last().expect("a call").told_to_wait_at.is_some());
    scene.client.oauth_v2_refresh(&app, &others).await.expect("another workspace has its own");
    scene.time.step(TimeDelta::seconds(1));
    scene.client.oauth_v2_refresh(&app, &ours).await.expect("after the time that was named");
}
