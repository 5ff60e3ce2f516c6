//! What word about a task says, to whom, and when that was.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    RunId, TaskId,
    audience::ConnectionAudience,
    delivery::{Audience, Channel, DeliveryState},
    run::RunReason,
    slack::SlackLinkedBy,
    task::Notification,
};
use notifier::Notifier;
use serde_json::Value;
use store::NotificationPreference;

use crate::{
    delivery::{header, scheduled_run, text},
    slack::{Scene, all_text},
    support::SmtpServer,
    world::World,
};

/// A week in which one run's check was of other data than the last one's: `rule` is what holds for that.
async fn week_over_payroll_and_flights(world: &World, task: TaskId, rule: ConnectionAudience) -> RunId {
    let payroll = world.connect("Payroll").await;
    world.store().connection_audience_put(&world.scope, payroll, &rule).await.expect("a rule");
    world.database.time.step(TimeDelta::days(5) + TimeDelta::minutes(105));
    world.quiet_run(task, payroll, "340 rows, which is not below 300").await;
    world.database.time.step(TimeDelta::days(2));
    world.quiet_run(task, world.connection, "612 rows, which is not below 500").await
}

/// Fails where the last run's thread alone is looked at: whoever may not see Payroll's data reads how many rows it has.
#[tokio::test]
async fn word_of_a_quiet_week_is_held_to_the_data_of_all_its_checks() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let mut readers = world.members(&["kim@example.com"]).await;
    readers.user_ids.push(world.creator);
    let task = world.task(readers).await;
    let rule = ConnectionAudience { members: Some(Audience::LinkOnly), ..ConnectionAudience::default() };
    let run = week_over_payroll_and_flights(&world, task, rule).await;
    assert_eq!(world.notifier(&server).run_once().await, 2);
    let events = server.into_events();
    let mails: Vec<&Value> = events.iter().filter(|event| event["event"] == "accepted").collect();
    assert_eq!(mails.len(), 2);
    for mail in mails {
        let words = text(&mail["mail"], "text/plain");
        let is_creators = mail["to"] == "creator@example.com";
        assert_eq!(words.contains("340 rows"), is_creators, "{words}");
        assert_eq!(words.contains("612 rows"), is_creators, "{words}");
    }
    let delivery = world.delivery_to(run, "kim@example.com").await;
    assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::LinkOnly)));
    let proof = world.store().delivery_proof(&world.scope, delivery.id).await.expect("a look");
    let attempt = proof.expect("a delivery").attempts.remove(0);
    let decision = attempt.decision.expect("a decision");
    assert!(decision.reason.contains("May not view the results of Payroll"), "{}", decision.reason);
    let record = decision.record.expect("a record");
    let names: Vec<_> = record.connections.iter().map(|used| used.name.as_str()).collect();
    assert_eq!(names, ["Flights", "Payroll"]);
}

/// Fails likewise.
#[tokio::test]
async fn no_number_of_sensitive_data_goes_into_slack_with_word_of_a_quiet_week() {
    let scene = Scene::new().await;
    let ada = scene.slack.add_user(&scene.team, "ada", "ada@example.com");
    scene.slack.change_channel(&scene.channel, |channel| {
        channel.members.insert(ada);
    });
    let task = scene.world.task(scene.to_channel()).await;
    let rule = ConnectionAudience { is_sensitive: true, ..ConnectionAudience::default() };
    let run = week_over_payroll_and_flights(&scene.world, task, rule).await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::LinkOnly)));
    let said = all_text(&scene.roots());
    assert!(said.contains("No news from") && !said.contains("340 rows"), "{said}");
}

/// Has the task's creator be told in Slack alone. Answers who they are there.
async fn prefers_slack(scene: &Scene) -> String {
    let world = &scene.world;
    let person = scene.slack.add_user(&scene.team, "creator", "creator@example.com");
    let by = SlackLinkedBy::SignIn;
    let linked = world.store().slack_user_link(&world.scope, world.creator, &scene.team, &person, by).await;
    linked.expect("a link");
    let wish = NotificationPreference { email: false, slack_dm: true, quiet_task_ids: vec![] };
    world.store().preference_put(&world.scope, world.creator, &wish).await.expect("a wish");
    person
}

/// Fails where a notice goes whole wherever it goes: Slack reads how old sensitive data is, and what its database says.
#[tokio::test]
async fn what_a_notice_quotes_of_sensitive_data_stays_out_of_slack() {
    let words = "Data of Flights as of Thu 26 Feb 2026, older than the 24 hours that are allowed.";
    for (is_skipped, is_sensitive) in [(true, true), (true, false), (false, true), (false, false)] {
        let scene = Scene::new().await;
        let (world, store) = (&scene.world, scene.world.store());
        let person = prefers_slack(&scene).await;
        let task = world.task(Notification::default()).await;
        let run = scheduled_run(world).await;
        if is_skipped {
            store.run_skip_stale(&run.scope, &run.lease, words).await.expect("skipped");
        } else {
            world.fail(&run, RunReason::AccessLost, words).await;
        }
        // It is looked at as it is sent.
        let rule = ConnectionAudience { is_sensitive, ..ConnectionAudience::default() };
        store.connection_audience_put(&world.scope, world.connection, &rule).await.expect("a rule");
        let delivery = scene.deliver_all(run.lease.run_id).await;
        assert_eq!((delivery.channel, delivery.state), (Channel::SlackDm, DeliveryState::Sent));
        let audience = if is_sensitive { Audience::LinkOnly } else { Audience::Full };
        assert_eq!(delivery.audience, Some(audience));
        let said = all_text(&scene.slack.messages(&scene.slack.direct_message(&person)));
        assert_eq!(said.contains("as of Thu 26 Feb"), !is_sensitive, "{said}");
        assert_eq!(said.contains("may quote data that stays out of Slack"), is_sensitive, "{said}");
        assert!(said.contains(&format!("/tasks/{task}")), "{said}");
        let attempt = scene.proof(&delivery).await.attempts.remove(0);
        let decision = attempt.decision.expect("a decision");
        assert_eq!(decision.reason.contains("Flights is sensitive"), is_sensitive, "{}", decision.reason);
        assert_eq!(decision.record.expect("a record").connections[0].id, world.connection);
    }
}

/// By mail its creator reads all of it: fails where what is kept out of Slack is kept from them.
#[tokio::test]
async fn by_mail_a_notice_says_what_it_found_of_sensitive_data() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let rule = ConnectionAudience { is_sensitive: true, ..ConnectionAudience::default() };
    world.store().connection_audience_put(&world.scope, world.connection, &rule).await.expect("a rule");
    world.task(Notification::default()).await;
    let run = scheduled_run(&world).await;
    let words = "Data of Flights is older than it may be.";
    world.store().run_skip_stale(&run.scope, &run.lease, words).await.expect("skipped");
    assert_eq!(world.notifier(&server).run_once().await, 1);
    let told = server.event("accepted");
    assert!(text(&told["mail"], "text/plain").contains(words));
}

/// Sends what there is to send, one mail: its subject and its words.
async fn sent(notifier: &Arc<Notifier>, server: &SmtpServer) -> (String, Vec<String>) {
    assert_eq!(notifier.run_once().await, 1);
    let mail = &server.event("accepted")["mail"];
    // Each message has a link of its own there.
    let lines = text(mail, "text/plain").lines().filter(|line| !line.starts_with("Unsubscribe"));
    (header(mail, "Subject"), lines.map(str::to_owned).collect())
}

/// Fails where a repeat is dated as it is asked for: it tells of another week, and with that week's checks.
#[tokio::test]
async fn word_of_a_quiet_week_that_is_sent_again_tells_of_the_same_week() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let notifier = world.notifier(&server);
    let task = world.task(Notification::default()).await;
    world.database.time.step(TimeDelta::days(7) + TimeDelta::minutes(105));
    let run = world.quiet_run(task, world.connection, "612 rows, which is not below 500").await;
    let first = sent(&notifier, &server).await;
    assert!(first.0.ends_with("Mon 9 Mar 2026") && first.1.join(" ").contains("612 rows"), "{first:?}");
    let mut id = world.deliveries(run).await.remove(0).id;
    // The second one repeats a repeat.
    for _ in 0..2 {
        world.database.time.step(TimeDelta::days(1));
        world.quiet_run(task, world.connection, "700 rows, which is not below 500").await;
        id = world.store().delivery_send_again(&world.scope, id, world.creator).await.expect("queued");
        assert_eq!(sent(&notifier, &server).await, first);
    }
}

/// Fails likewise: the task seems to have failed on the day when somebody asked for it again.
#[tokio::test]
async fn word_of_a_failure_that_is_sent_again_tells_of_the_same_day() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let notifier = world.notifier(&server);
    world.task(Notification::default()).await;
    let run = scheduled_run(&world).await;
    world.fail(&run, RunReason::AccessLost, "You may no longer query “Flights”.").await;
    let first = sent(&notifier, &server).await;
    assert!(first.0.ends_with("Tue 3 Mar 2026"), "{first:?}");
    let mut id = world.deliveries(run.lease.run_id).await.remove(0).id;
    for _ in 0..2 {
        world.database.time.step(TimeDelta::days(1));
        id = world.store().delivery_send_again(&world.scope, id, world.creator).await.expect("queued");
        assert_eq!(sent(&notifier, &server).await, first);
    }
}
