//! Mail and Slack have places of their own, and neither sends what is a day old.

use std::time::Duration;

use chrono::TimeDelta;
use domain::delivery::DeliveryState;
use notifier::{Notifier, Slack};
use testkit::slack::Fault;
use tokio_util::sync::CancellationToken;

use crate::{
    delivery::accepted,
    slack::{Scene, reached},
    support::SmtpServer,
    world::options_of,
};

/// Returns as soon as `is_so` says so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let seen = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), seen).await.unwrap_or_else(|_| panic!("{what} never came"));
}

/// Fails where a lane counts what is under way by the other one: there is one place, and the mail has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_hangs_does_not_delay_slack() {
    let scene = Scene::new().await;
    let world = &scene.world;
    let mut server = SmtpServer::start(&[]);
    let mut options = world.options(&server);
    (options.slack, options.parallel) = (Some(reached(&scene.slack)), 1);
    let held = world.run(world.task(world.members(&["held@example.com"]).await).await).await;
    let stopping = CancellationToken::new();
    let running = tokio::spawn(Notifier::new(options).run(stopping.clone()));
    tokio::task::block_in_place(|| server.event("held"));
    let run = scene.run().await;
    until("the message in Slack", async || scene.delivery(run).await.state == DeliveryState::Sent).await;
    assert_eq!(world.fate(held, "held@example.com").await.0, DeliveryState::Sending);
    stopping.cancel();
    server.release();
    running.await.expect("no panic").expect("a clean end");
    assert_eq!(
        world.fate(held, "held@example.com").await.0,
        DeliveryState::Sent,
        "what is under way is finished"
    );
}

/// The other way round; fails likewise.
#[tokio::test(flavor = "multi_thread")]
async fn a_slack_that_hangs_does_not_delay_mail() {
    let scene = Scene::new().await;
    let world = &scene.world;
    let Slack { client, app } = reached(&scene.slack);
    let mut options = options_of(world);
    options.slack = Some(Slack { client: client.with_call_timeout(Duration::from_hours(1)), app });
    options.parallel = 1;
    scene.slack.script("chat.postMessage", [Some(Fault::Slow { milliseconds: 3_600_000 })]);
    let held = scene.run().await;
    let running = tokio::spawn(Notifier::new(options).run(CancellationToken::new()));
    until("the call to Slack", async || !scene.slack.messages(&scene.channel).is_empty()).await;
    let run = world.run(world.task(world.members(&["ada@example.com"]).await).await).await;
    until("the mail", async || world.fate(run, "ada@example.com").await.0 == DeliveryState::Sent).await;
    assert_eq!(scene.delivery(held).await.state, DeliveryState::Sending);
    running.abort();
}

/// Fails where `deliver` does not ask `is_too_late`: both would be sent, a day old.
#[tokio::test]
async fn after_an_outage_of_a_day_nothing_old_is_sent() {
    let scene = Scene::new().await;
    let world = &scene.world;
    let server = SmtpServer::start(&[]);
    let mut options = world.options(&server);
    options.slack = Some(reached(&scene.slack));
    let notifier = std::sync::Arc::new(Notifier::new(options));
    let mut notification = scene.to_channel();
    notification.user_ids = world.members(&["ada@example.com"]).await.user_ids;
    let run = world.run(world.task(notification).await).await;
    world.database.time.step(TimeDelta::hours(24));
    // Those two, and word of each to the creator.
    assert_eq!(notifier.run_once().await, 4);
    for delivery in world.deliveries(run).await {
        assert_eq!(
            (delivery.state, delivery.reason.as_deref(), delivery.attempts),
            (DeliveryState::Failed, Some("too_late"), 0)
        );
    }
    assert!(scene.slack.messages(&scene.channel).is_empty());
    let mails = accepted(&server.into_events());
    assert_eq!(mails.keys().collect::<Vec<_>>(), ["creator@example.com"]);
}
