//! Mails that wait for a place at their server: much may change meanwhile.

use std::{sync::Arc, time::Duration};

use domain::{
    access::Role,
    audience::AudiencePolicy,
    delivery::{Audience, DeliveryState},
    task::Notification,
};
use notifier::{Notifier, Smtp, Transport, transport::smtp::Patience};
use store::NotificationPreference;

use crate::{
    delivery::{accepted, text},
    support::SmtpServer,
    world::World,
};

/// Fails where the place is waited for once all is decided, and nothing is asked again: each of them gets all of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_a_mail_waits_for_its_server_is_heeded() {
    let world = World::new().await;
    let store = world.store();
    let mut server = SmtpServer::start(&[]);
    let mut options = world.options(&server);
    let smtp = Smtp::new(&server.url("", ""), Patience::default()).expect("an SMTP URL").with_connections(1);
    options.transport = Transport::Smtp(smtp);
    // Any wait is a long one.
    options.fresh_for = Duration::ZERO;
    let notifier = Arc::new(Notifier::new(options));
    let deliver = || {
        let notifier = Arc::clone(&notifier);
        tokio::spawn(async move { notifier.run_once().await })
    };
    let slow = world.task(world.members(&["held@example.com"]).await).await;
    world.run(slow).await;
    let first = deliver();
    tokio::task::block_in_place(|| server.event("held"));

    let mut members = Vec::new();
    for name in ["quiet", "gone", "dead", "silent", "reader"] {
        members.push(world.member(&format!("{name}@example.com"), Role::Member).await);
    }
    let [quiet, gone, _, silent, _] = members[..] else { panic!("five members") };
    let task = world.task(Notification { user_ids: members, ..Notification::default() }).await;
    let run = world.run(task).await;
    let dropped = world.task(world.members(&["deleted@example.com"]).await).await;
    let dropped_run = world.run(dropped).await;
    let second = deliver();
    let all_wait = async || {
        let mut deliveries = world.deliveries(run).await;
        deliveries.extend(world.deliveries(dropped_run).await);
        deliveries.iter().all(|delivery| delivery.state == DeliveryState::Sending)
    };
    while !all_wait().await {}

    store.quiet_task_add(&world.scope, quiet, task).await.expect("quiet");
    store.member_deactivate(&world.scope, gone).await.expect("a deactivation");
    store.mail_suppress(&world.scope, "dead@example.com", "550 5.1.1").await.expect("suppressed");
    let silence = NotificationPreference { email: false, slack_dm: false, quiet_task_ids: vec![] };
    store.preference_put(&world.scope, silent, &silence).await.expect("a wish");
    store.task_delete(&world.scope, dropped).await.expect("a deletion");
    let policy = AudiencePolicy { members: Audience::LinkOnly, outsiders: Audience::LinkOnly };
    store.audience_policy_put(&world.scope, &policy).await.expect("a policy");
    server.release();
    first.await.expect("no panic");
    second.await.expect("no panic");

    for (email, state, why) in [
        ("quiet", DeliveryState::Suppressed, "unsubscribed"),
        ("gone", DeliveryState::Withheld, "not_allowed"),
        ("dead", DeliveryState::Suppressed, "address_suppressed"),
        ("silent", DeliveryState::Suppressed, "not_wanted"),
    ] {
        let delivery = world.delivery_to(run, &format!("{email}@example.com")).await;
        assert_eq!((delivery.state, delivery.reason.as_deref()), (state, Some(why)), "{email}");
    }
    let (state, reason, _) = world.fate(dropped_run, "deleted@example.com").await;
    assert_eq!((state, reason.as_deref()), (DeliveryState::Withheld, Some("task_deleted")));
    let reader = world.delivery_to(run, "reader@example.com").await;
    assert_eq!((reader.state, reader.attempts), (DeliveryState::Sent, 1));
    let proof = store.delivery_proof(&world.scope, reader.id).await.expect("a look").expect("the delivery");
    let [attempt] = &proof.attempts[..] else { panic!("{:?}", proof.attempts) };
    let decided = attempt.decision.as_ref().map(|decision| decision.audience);
    assert_eq!(decided, Some(Audience::LinkOnly), "what holds now is what is shown");
    let events = server.into_events();
    let recipients: Vec<String> = accepted(&events).into_keys().collect();
    assert_eq!(recipients, ["held@example.com", "reader@example.com"]);
    let to_reader =
        events.iter().find(|event| event["to"] == "reader@example.com" && event["event"] == "accepted");
    let words = text(&to_reader.expect("a mail")["mail"], "text/html");
    assert!(!words.contains("58,665"), "{words}");
}
