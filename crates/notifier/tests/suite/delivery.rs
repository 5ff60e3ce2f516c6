//! Deliveries from a finished run to a mailbox: a real database, a real mail server, and what the server saw.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::{
    access::Role,
    delivery::{Audience, DeliveryKind, DeliveryState},
    run::RunReason,
    task::{Notification, SlackChannel},
};
use notifier::Notifier;
use serde_json::Value;
use store::{NotificationPreference, Page, Places, Scope};
use testkit::world::claim_deliveries;
use tokio_util::sync::CancellationToken;

use crate::{statements::Statements, support::SmtpServer, world::World};

/// What a server accepted: for each recipient the message ids, in order.
pub(crate) fn accepted(events: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut mails: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == "accepted") {
        let id = header(&event["mail"], "Message-ID");
        mails.entry(event["to"].as_str().expect("a recipient").to_owned()).or_default().push(id);
    }
    mails
}

pub(crate) fn header(mail: &Value, name: &str) -> String {
    let headers = mail["headers"].as_array().expect("headers");
    let found = headers.iter().find(|header| header[0] == name).unwrap_or_else(|| panic!("no header {name}"));
    found[1].as_str().expect("a text").to_owned()
}

pub(crate) fn part<'a>(mail: &'a Value, media_type: &str) -> Option<&'a Value> {
    mail["parts"].as_array().expect("parts").iter().find(|part| part["type"] == media_type)
}

pub(crate) fn text<'a>(mail: &'a Value, media_type: &str) -> &'a str {
    part(mail, media_type).and_then(|part| part["text"].as_str()).expect("a text part")
}

#[tokio::test]
async fn each_recipient_gets_the_answer_once() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(world.members(&["ada@example.com", "bob@example.com"]).await).await;
    let run = world.run(task).await;
    let notifier = world.notifier(&server);
    assert_eq!(notifier.run_once().await, 2);
    assert_eq!(notifier.run_once().await, 0, "nothing is left to send");
    for email in ["ada@example.com", "bob@example.com"] {
        let delivery = world.delivery_to(run, email).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1));
        assert_eq!(delivery.audience, Some(Audience::Full));
        assert!(delivery.provider_id.is_some_and(|id| id.contains("queued as")));
    }

    let mail = &server.event("accepted")["mail"];
    assert_eq!(header(mail, "Subject"), "Airlines with the most flights – Mon 2 Mar 2026");
    assert_eq!(header(mail, "In-Reply-To"), format!("<task-{task}@mail.example>"));
    let html = text(mail, "text/html");
    assert!(html.contains("United led with 58,665 flights.") && html.contains("Airline 2"));
    assert!(html.contains("https://tidings.example.com/threads/"));
    assert!(part(mail, "image/png").is_some(), "the chart");
    assert!(text(mail, "text/plain").contains("Data as of Mon 2 Mar 2026, 09:00 (Europe/Berlin)"));
    let unsubscribe = header(mail, "List-Unsubscribe");
    let token =
        unsubscribe.trim_matches(['<', '>']).rsplit('/').next().expect("a token").parse().expect("a UUID");
    let about = world.store().unsubscription_get(token).await.expect("an answer").expect("a subscription");
    assert!(about.email == "ada@example.com" || about.email == "bob@example.com");
}

#[tokio::test]
async fn the_outbox_keeps_the_very_mail() {
    let world = World::new().await;
    let task = world.task(world.members(&["ada@example.com"]).await).await;
    let run = world.run(task).await;
    assert_eq!(world.outbox().run_once().await, 1);
    let page = Page::first(10);
    // Whoever had it sent may read it.
    let mails = world.store().outbox_mail_list(&world.scope, world.creator, &page).await.expect("mails");
    let [mail] = &mails.values[..] else { panic!("{mails:?}") };
    assert_eq!(mail.subject, "Airlines with the most flights – Mon 2 Mar 2026");
    assert_eq!(mail.recipient, "ada@example.com");
    let kept = world.store().outbox_mail_get(&world.scope, world.creator, mail.id).await.expect("a look");
    let (_, source) = kept.expect("a mail");
    let source = String::from_utf8(source).expect("ASCII");
    let delivery = world.delivery_to(run, "ada@example.com").await;
    assert_eq!(delivery.state, DeliveryState::Sent);
    assert!(source.contains(&format!("Message-ID: <{}@mail.example>\r\n", delivery.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_address_delays_and_repeats_nobody_elses_mail() {
    let world = World::new().await;
    let mut server = SmtpServer::start(&[]);
    let bad = [
        "held@example.com",
        "nobody@example.com",
        "later@example.com",
        "full@example.com",
        "policy@example.com",
    ];
    let good: Vec<String> = (0..6).map(|number| format!("good{number}@example.com")).collect();
    let all: Vec<&str> = bad.iter().copied().chain(good.iter().map(String::as_str)).collect();
    let task = world.task(world.members(&all).await).await;
    let run = world.run(task).await;

    let notifier = Notifier::new(world.options(&server));
    let stopping = CancellationToken::new();
    let running = tokio::spawn(notifier.run(stopping.clone()));
    let mut events = Vec::new();
    // While one recipient's server says nothing, all others get their mail.
    let is_held = |events: &[Value]| events.iter().any(|event| event["event"] == "held");
    while !is_held(&events) || good.iter().any(|email| !accepted(&events).contains_key(email)) {
        events.push(tokio::task::block_in_place(|| server.next_event()));
    }
    assert!(!accepted(&events).contains_key("held@example.com"));
    // Asked to stop, the notifier finishes what is under way.
    stopping.cancel();
    server.release();
    running.await.expect("no panic").expect("a clean end");

    let fate = async |email: &str| world.fate(run, email).await;
    assert_eq!(fate("held@example.com").await.0, DeliveryState::Sent);
    for email in &good {
        assert_eq!(fate(email).await.0, DeliveryState::Sent);
    }
    let (state, reason, _) = fate("nobody@example.com").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Suppressed, Some("address_dead")));
    let (state, reason, _) = fate("full@example.com").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Failed, Some("refused")));
    let (state, reason, _) = fate("policy@example.com").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Failed, Some("refused_by_policy")));
    let (state, reason, _) = fate("later@example.com").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Pending, Some("server_unavailable")));

    // A dead address is not written to again, by any task.
    let again = world.run(task).await;
    let (state, reason, _) = world.fate(again, "nobody@example.com").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Suppressed, Some("address_suppressed")));
    events.extend(server.into_events());
    for (recipient, ids) in accepted(&events) {
        // The creator may have had several notices by now.
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), different.len(), "{recipient} got {ids:?}");
    }
}

#[tokio::test]
async fn a_greylisted_mail_arrives_at_a_later_attempt() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(world.members(&["grey@example.com"]).await).await;
    let run = world.run(task).await;
    let notifier = world.notifier(&server);
    assert_eq!(notifier.run_once().await, 1);
    assert_eq!(world.fate(run, "grey@example.com").await.0, DeliveryState::Pending);
    world.database.time.step(TimeDelta::seconds(5));
    assert_eq!(notifier.run_once().await, 1);
    let delivery = world.delivery_to(run, "grey@example.com").await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 2));
    assert_eq!(accepted(&server.into_events())["grey@example.com"].len(), 1);
}

/// Fails where every "not now" is the server's: the owner of a full mailbox reads that there is nothing to do.
#[tokio::test]
async fn after_a_day_nothing_is_tried_any_more_and_the_reason_is_whose_it_is() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(world.members(&["later@example.com", "brim@example.com"]).await).await;
    let run = world.run(task).await;
    let notifier = world.notifier(&server);
    let mut attempts = 0;
    for _ in 0..30 {
        attempts += notifier.run_once().await;
        world.database.time.step(TimeDelta::hours(1));
    }
    for (email, why) in [("later@example.com", "server_unavailable"), ("brim@example.com", "mailbox_full")] {
        let (state, reason, _) = world.fate(run, email).await;
        assert_eq!((state, reason.as_deref()), (DeliveryState::Failed, Some(why)), "{email}");
    }
    // Of each one an hour; the first waits are drawn from nothing upwards, so that some of them end in the same hour.
    assert!((40..=60).contains(&attempts), "{attempts} attempts in a day");
}

#[tokio::test]
async fn a_notifier_that_dies_before_sending_loses_no_mail() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(world.members(&["ada@example.com"]).await).await;
    let run = world.run(task).await;
    // It claims, commits the attempt, and is killed.
    let claimed = claim_deliveries(world.store(), "doomed", 1).await.pop().expect("the delivery");
    world.store().delivery_attempt_start(&claimed.scope, &claimed.lease).await.expect("an attempt");

    let notifier = world.notifier(&server);
    assert_eq!(notifier.run_once().await, 0, "its lease holds");
    assert_eq!(world.fate(run, "ada@example.com").await.0, DeliveryState::Sending);
    world.database.time.step(TimeDelta::seconds(61));
    assert_eq!(notifier.run_once().await, 1);
    let delivery = world.delivery_to(run, "ada@example.com").await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 2));
    assert_eq!(accepted(&server.into_events())["ada@example.com"].len(), 1);
    // Should it come back to life, its lease is worth nothing.
    let late = world.store().delivery_attempt_start(&claimed.scope, &claimed.lease).await;
    assert!(matches!(late, Err(store::Error::LeaseLost)));
}

#[tokio::test]
async fn a_mail_whose_fate_is_unknown_is_sent_again_later_under_the_same_name() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(world.members(&["lost@example.com"]).await).await;
    let run = world.run(task).await;
    let notifier = world.notifier(&server);
    assert_eq!(notifier.run_once().await, 1);
    assert_eq!(world.fate(run, "lost@example.com").await.0, DeliveryState::Unknown);
    world.database.time.step(TimeDelta::seconds(59));
    assert_eq!(notifier.run_once().await, 0, "it is left alone for a minute");
    world.database.time.step(TimeDelta::seconds(1));
    assert_eq!(notifier.run_once().await, 1);
    let delivery = world.delivery_to(run, "lost@example.com").await;
    assert_eq!(delivery.state, DeliveryState::Sent);
    let ids = &accepted(&server.into_events())["lost@example.com"];
    let expected = format!("<{}@mail.example>", delivery.id);
    assert_eq!(ids, &[expected.clone(), expected], "a reader's mail system sees one mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_notifiers_at_once_send_each_mail_once() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let emails: Vec<String> = (0..40).map(|number| format!("reader{number}@example.com")).collect();
    let notification = world.members(&emails.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let run = world.run(world.task(notification).await).await;
    let (one, other) = (world.notifier(&server), world.notifier(&server));
    let (by_one, by_other) = tokio::join!(
        tokio::spawn(async move { one.run_once().await }),
        tokio::spawn(async move { other.run_once().await })
    );
    assert_eq!(by_one.expect("no panic") + by_other.expect("no panic"), 40);
    assert!(world.deliveries(run).await.iter().all(|delivery| delivery.state == DeliveryState::Sent));
    let mails = accepted(&server.into_events());
    assert_eq!(mails.len(), 40);
    assert!(mails.values().all(|ids| ids.len() == 1), "{mails:?}");
}

#[tokio::test]
async fn who_may_not_see_the_data_gets_a_link_or_nothing() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let guest = world.member("guest@example.com", Role::Guest).await;
    let member = world.member("member@example.com", Role::Member).await;
    let gone = world.member("gone@example.com", Role::Member).await;
    let notification = Notification { user_ids: vec![guest, member, gone], ..Notification::default() };
    let run = world.run(world.task(notification).await).await;
    world.store().member_deactivate(&world.scope, gone).await.expect("a deactivation");
    world.notifier(&server).run_once().await;

    let (state, _, audience) = world.fate(run, "guest@example.com").await;
    assert_eq!((state, audience), (DeliveryState::Sent, Some(Audience::LinkOnly)));
    let (state, _, audience) = world.fate(run, "member@example.com").await;
    assert_eq!((state, audience), (DeliveryState::Sent, Some(Audience::Full)));
    assert_eq!(world.fate(run, "gone@example.com").await.0, DeliveryState::Withheld);
    let events = server.into_events();
    assert!(!accepted(&events).contains_key("gone@example.com"));
    let to_guest =
        events.iter().find(|event| event["event"] == "accepted" && event["to"] == "guest@example.com");
    let mail = &to_guest.expect("a mail")["mail"];
    let source = mail["source"].as_str().expect("a text");
    assert!(text(mail, "text/html").contains("United led with … flights."));
    assert!(part(mail, "image/png").is_none());
    for hidden in ["58,665", "58665", "58,664", "Airline 1"] {
        assert!(!source.contains(hidden) && !text(mail, "text/html").contains(hidden), "{hidden} is shown");
    }
}

#[tokio::test]
async fn who_unsubscribes_meanwhile_gets_nothing_but_their_own_test() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let notification = Notification { user_ids: vec![world.creator], ..Notification::default() };
    let task = world.task(notification).await;
    let run = world.run(task).await;
    let claimed = claim_deliveries(world.store(), "look", 1).await.pop().expect("the delivery");
    assert!(world.store().unsubscribe(claimed.unsubscribe_token).await.expect("an answer"));
    world.store().delivery_release(&[claimed.lease]).await.expect("handed back");
    world.notifier(&server).run_once().await;
    let (state, reason, _) = world.fate(run, "creator@example.com").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Suppressed, Some("unsubscribed")));

    let test = world.claim(task, Some(world.creator)).await;
    let test = world.answer(&test, 1, 0).await;
    world.notifier(&server).run_once().await;
    assert_eq!(world.fate(test, "creator@example.com").await.0, DeliveryState::Sent);
    assert_eq!(accepted(&server.into_events())["creator@example.com"].len(), 1);
}

/// Fails where what somebody wants is looked at only as the run ends: the repeat goes out.
#[tokio::test]
async fn who_wants_no_message_gets_none_that_is_sent_again_and_still_their_own_test() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let silence = NotificationPreference { email: false, slack_dm: false, quiet_task_ids: vec![] };
    world.store().preference_put(&world.scope, world.creator, &silence).await.expect("a wish");
    let task = world.task(Notification { user_ids: vec![world.creator], ..Notification::default() }).await;
    let run = world.run(task).await;
    let first = world.delivery_to(run, "creator@example.com").await;
    let not_wanted = (DeliveryState::Suppressed, Some("not_wanted"));
    assert_eq!((first.state, first.reason.as_deref()), not_wanted);
    let again = world.store().delivery_send_again(&world.scope, first.id, world.creator).await;
    let again = again.expect("queued");
    let notifier = world.notifier(&server);
    assert_eq!(notifier.run_once().await, 1);
    let deliveries = world.deliveries(run).await;
    let repeat = deliveries.iter().find(|delivery| delivery.id == again).expect("the repeat");
    assert_eq!((repeat.state, repeat.reason.as_deref()), not_wanted);
    assert_eq!(repeat.attempts, 0);

    let test = world.claim(task, Some(world.creator)).await;
    let test = world.answer(&test, 1, 0).await;
    notifier.run_once().await;
    assert_eq!(world.fate(test, "creator@example.com").await.0, DeliveryState::Sent);
    assert_eq!(accepted(&server.into_events())["creator@example.com"].len(), 1);
}

/// With `is_outside_domains` never looked at, the second mail goes out.
#[tokio::test]
async fn only_addresses_of_domains_that_the_workspace_allows_are_mailed() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(world.members(&["ada@example.com", "bob@private.example"]).await).await;
    let run = world.run(task).await;
    // After the message was queued, and heeded all the same.
    world.store().mail_domains_set(&world.scope, &["example.com".to_owned()]).await.expect("a change");
    assert_eq!(world.notifier(&server).run_once().await, 2);
    assert_eq!(world.fate(run, "ada@example.com").await.0, DeliveryState::Sent);
    let (state, reason, audience) = world.fate(run, "bob@private.example").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Withheld, Some("domain_not_allowed")));
    assert_eq!(audience, Some(Audience::Withheld));
    assert_eq!(accepted(&server.into_events()).len(), 1);
}

/// Everything of an answer is read once and printed once, and each reader's mail is still their own.
#[tokio::test(flavor = "multi_thread")]
async fn many_readers_of_one_answer_each_get_their_own_mail() {
    let world = World::new().await;
    let server = SmtpServer::start(&["--pipelining"]);
    let emails: Vec<String> = (0..40).map(|number| format!("reader{number}@example.com")).collect();
    let all: Vec<&str> = emails.iter().map(String::as_str).collect();
    let task = world.task(world.members(&all).await).await;
    let run = world.run(task).await;
    assert_eq!(world.notifier(&server).run_once().await, 40);
    let events = server.into_events();
    let mut links = std::collections::BTreeSet::new();
    for event in events.iter().filter(|event| event["event"] == "accepted") {
        let mail = &event["mail"];
        let email = event["to"].as_str().expect("a recipient");
        let delivery = world.delivery_to(run, email).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1));
        assert_eq!(header(mail, "Message-ID"), format!("<{}@mail.example>", delivery.id));
        let link = header(mail, "List-Unsubscribe").trim_matches(['<', '>']).to_owned();
        let token = link.rsplit('/').next().expect("a token").parse().expect("a UUID");
        let about =
            world.store().unsubscription_get(token).await.expect("an answer").expect("a subscription");
        assert_eq!(about.email, email, "the link is the reader's own");
        assert!(text(mail, "text/html").contains(&format!("href=\"{link}\"")));
        assert!(text(mail, "text/plain").contains(&link));
        let picture = part(mail, "image/png").expect("the chart");
        let id = picture["id"].as_str().expect("an id").trim_matches(['<', '>']);
        assert!(
            id.contains(&delivery.id.to_string()) && text(mail, "text/html").contains(&format!("cid:{id}"))
        );
        assert_eq!(mail["defects"], serde_json::json!([]));
        links.insert(link);
    }
    assert_eq!(links.len(), 40);
}

/// With the rights looked up, or the decisions written down, by each mail for itself, there are sixty of each.
#[tokio::test]
async fn a_batch_of_mails_asks_and_writes_as_often_as_a_few_do() {
    let world = World::new().await;
    let server = SmtpServer::start(&["--pipelining"]);
    let emails: Vec<String> = (0..60).map(|number| format!("reader{number}@example.com")).collect();
    let all: Vec<&str> = emails.iter().map(String::as_str).collect();
    let task = world.task(world.members(&all).await).await;
    let run = world.run(task).await;
    let notifier = world.notifier(&server);
    let statements = Statements::default();
    {
        // Of this thread, on which all of this test runs.
        let _counting = tracing::subscriber::set_default(statements.clone());
        assert_eq!(notifier.run_once().await, 60);
    }
    for what in
        ["connection_access", "INTO delivery_decision", "INTO delivery_attempt", "FROM connection_used"]
    {
        let count = statements.with(what);
        // Two or three, where nothing else keeps the machine busy.
        assert!((1..20).contains(&count), "{count} statements with `{what}` for sixty mails");
    }
    assert!(world.deliveries(run).await.iter().all(|delivery| {
        (delivery.state, delivery.audience) == (DeliveryState::Sent, Some(Audience::Full))
    }));
}

#[tokio::test]
async fn a_slack_channel_fails_with_a_reason_and_holds_up_no_mail() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let mut notification = world.members(&["ada@example.com"]).await;
    notification.slack_channels = vec![SlackChannel { id: "C0123".into(), name: "#growth".into() }];
    let run = world.run(world.task(notification).await).await;
    world.notifier(&server).run_once().await;
    let deliveries = world.deliveries(run).await;
    let slack =
        deliveries.iter().find(|delivery| delivery.slack_channel_id.is_some()).expect("a delivery to Slack");
    assert_eq!((slack.state, slack.reason.as_deref()), (DeliveryState::Failed, Some("slack_not_connected")));
    assert!(slack.message.as_ref().is_some_and(|message| message.contains("Slack is not connected")));
    assert_eq!(slack.attempts, 0, "nothing was tried");
    assert_eq!(world.fate(run, "ada@example.com").await.0, DeliveryState::Sent);
}

#[tokio::test]
async fn the_creator_hears_of_an_expiration() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(Notification::default()).await;
    world.database.time.step(TimeDelta::days(14));
    world.store().task_warn_expiring(10).await.expect("a warning");
    world.notifier(&server).run_once().await;
    let warning = server.event("accepted");
    assert_eq!(warning["to"], "creator@example.com");
    let words = text(&warning["mail"], "text/plain");
    assert!(words.contains("expires on Sunday, 22 March 2026"), "{words}");
    assert!(words.contains(&format!("https://tidings.example.com/tasks/{task}/edit")));
    world.database.time.step(TimeDelta::days(7));
    world.store().task_expire(10).await.expect("an expiration");
    world.notifier(&server).run_once().await;
    assert!(text(&server.event("accepted")["mail"], "text/plain").contains("has expired"));
}

#[tokio::test]
async fn the_creator_hears_of_a_failure_and_why() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let task = world.task(Notification::default()).await;
    // Its window opens on the next morning at 08:00 UTC and the scheduler queues the occurrence.
    let run = scheduled_run(&world).await;
    world.fail(&run, RunReason::AccessLost, "You may no longer query “Flights”.").await;
    world.notifier(&server).run_once().await;
    let told = server.event("accepted");
    assert_eq!(told["to"], "creator@example.com");
    let words = text(&told["mail"], "text/plain");
    assert!(words.contains("could not run") && words.contains("no longer query “Flights”"), "{words}");
    assert!(words.contains(&format!("https://tidings.example.com/tasks/{task}")));
    assert_eq!(header(&told["mail"], "In-Reply-To"), format!("<task-{task}@mail.example>"));
}

/// Fails where an attempt writes its reason over what the notice has to say, and where a repeat leaves it behind.
#[tokio::test]
async fn a_notice_that_was_put_off_and_one_that_is_sent_again_say_what_they_said() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    world.task(Notification::default()).await;
    let unfinished = scheduled_run(&world).await;
    let patient = "UPDATE workspace SET grace_seconds = 90000";
    testkit::execute(&mut world.database.superuser().await, patient).await;
    world.database.time.step(TimeDelta::days(1));
    world.store().run_heartbeat(&[unfinished.lease]).await.expect("a heartbeat");
    world.store().due_claim(10, None).await.expect("due tasks");
    let first = claim_deliveries(world.store(), "busy", 10).await.remove(0);
    assert_eq!(first.details.as_deref(), Some("2026-03-04"));
    let (scope, lease) = (&first.scope, &first.lease);
    world.store().delivery_attempt_start(scope, lease).await.expect("an attempt");
    let later = store::DeliveryOutcome::Retry {
        after: TimeDelta::zero(),
        reason: "server_unavailable".into(),
        message: "451 later".into(),
    };
    world.store().delivery_finish(scope, lease, &later).await.expect("put off");
    let notifier = world.notifier(&server);
    assert_eq!(notifier.run_once().await, 1);
    let skipped = "was skipped on Wednesday, 4 March 2026";
    let words = |told: &Value| text(&told["mail"], "text/plain").to_owned();
    assert!(words(&server.event("accepted")).contains(skipped));

    let again = async |id| {
        world.store().delivery_send_again(&world.scope, id, world.creator).await.expect("queued");
        assert_eq!(notifier.run_once().await, 1);
        words(&server.event("accepted"))
    };
    assert!(again(lease.delivery_id).await.contains(skipped));
    world.fail(&unfinished, RunReason::AccessLost, "You may no longer query “Flights”.").await;
    assert_eq!(notifier.run_once().await, 1);
    let failed = words(&server.event("accepted"));
    let listed = world.deliveries(unfinished.lease.run_id).await;
    let notice = listed.iter().find(|one| one.kind == DeliveryKind::Failure).expect("a notice");
    assert_eq!(again(notice.id).await, failed, "the same words");
}

pub(crate) async fn scheduled_run(world: &World) -> store::ClaimedRun {
    world.database.time.step(TimeDelta::days(1) + TimeDelta::hours(2));
    world.store().due_claim(10, None).await.expect("due tasks");
    let mut claimed = world.store().run_claim("a worker", &Places::unshared(1)).await.expect("a claim");
    claimed.pop().expect("the scheduled run")
}

#[tokio::test]
async fn another_workspaces_rows_are_out_of_reach() {
    let world = World::new().await;
    let task = world.task(world.members(&["ada@example.com"]).await).await;
    let run = world.run(task).await;
    world.outbox().run_once().await;
    let other: Scope = world.store().workspace_create("Other", "other").await.expect("a workspace");
    assert!(world.store().delivery_list(&other, run).await.expect("a list").is_empty());
    let page = Page::first(10);
    for (scope, count) in [(&world.scope, 1), (&other, 0)] {
        let mails = world.store().outbox_mail_list(scope, world.creator, &page).await.expect("a list").values;
        assert_eq!(mails.len(), count);
    }
}

/// Word of a quiet week goes the way of an answer: full to who may see the data, without a number to a guest who may not, not
/// at all to who unsubscribed.
#[tokio::test]
async fn a_week_without_news_is_told_with_the_numbers_that_each_may_see() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let ada = world.member("ada@example.com", Role::Member).await;
    let guest = world.member("guest@example.com", Role::Guest).await;
    let task = world.task(Notification { user_ids: vec![ada, guest], ..Notification::default() }).await;
    world.quiet_week(task).await;
    assert_eq!(world.notifier(&server).run_once().await, 3);
    let events = server.into_events();
    let mails: Vec<&Value> = events.iter().filter(|event| event["event"] == "accepted").collect();
    assert_eq!(mails.len(), 3);
    for mail in mails {
        let words = text(&mail["mail"], "text/plain");
        assert!(words.contains("No news from “Airlines with the most flights” for a week."), "{words}");
        let to = mail["to"].as_str().expect("a recipient");
        assert_eq!(words.contains("612 rows"), to != "guest@example.com", "{to}: {words}");
        assert_eq!(words.contains("/tasks/"), to == "creator@example.com", "{to}: {words}");
        header(&mail["mail"], "List-Unsubscribe");
    }
}
