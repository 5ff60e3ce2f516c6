//! Who is told, and how a run reads by what became of its messages.

use chrono::TimeDelta;
use domain::{
    access::Role,
    delivery::{Audience, Channel, DeliveryKind, DeliveryState},
    run::{RunReason, RunStatus},
    task::SlackChannel,
};
use store::{
    ClaimedDelivery, ClaimedRun, DeliveryOutcome, Error, NewDecision, NewOutboxMail, NotificationPreference,
    Page, Run,
};
use testkit::{World, world::claim_deliveries};
use uuid::Uuid;

/// Runs a task to its answer, and claims the messages.
pub(crate) async fn answered(world: &World, task: domain::TaskId) -> (ClaimedRun, Vec<ClaimedDelivery>) {
    world.store().task_run(&world.scope, task, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    let claimed = claim_deliveries(world.store(), "test", 100).await;
    (run, claimed)
}

pub(crate) async fn run_of(world: &World, run: &ClaimedRun) -> Run {
    world.store().run_get(&world.scope, run.lease.run_id).await.expect("a read").expect("the run")
}

pub(crate) fn sent() -> DeliveryOutcome {
    DeliveryOutcome::Sent { provider_id: "<1@acme.test>".into() }
}

#[tokio::test]
async fn groups_are_expanded_when_a_run_delivers_and_each_recipient_is_told_once() {
    let world = World::new().await;
    let store = world.store();
    let mut members = Vec::new();
    for name in ["erin", "finn", "gone", "late"] {
        members.push(world.member(name, Role::Member).await);
    }
    let [erin, finn, gone, late] = members[..] else { panic!("four members") };
    let group = store.group_create(&world.scope, "Growth", &[erin, finn, gone]).await.expect("a group");
    let task = world.task(|spec| {
        spec.notification.user_ids = vec![erin];
        spec.notification.group_ids = vec![group];
        spec.notification.slack_channels = vec![SlackChannel { id: "C1".into(), name: "#growth".into() }];
        spec.notification.attach_csv = true;
    });
    let task = task.await;
    store.group_update(&world.scope, group, None, &[late], &[]).await.expect("a change");
    store.member_deactivate(&world.scope, gone).await.expect("a deactivation");
    let (run, claimed) = answered(&world, task.id).await;
    let mut told: Vec<_> = claimed.iter().map(|delivery| delivery.label.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["#growth", "erin <erin@acme.test>", "finn <finn@acme.test>", "late <late@acme.test>"]);
    let first = claimed.iter().find(|delivery| delivery.channel == Channel::Email).expect("an email");
    assert!(first.attach_csv);
    assert_eq!(
        (first.kind, first.thread_id, first.turn_no),
        (DeliveryKind::Answer, Some(run.thread_id), Some(1))
    );
    assert_eq!(first.user.as_ref().expect("a person").timezone, "UTC");
    assert!(claim_deliveries(store, "other", 100).await.is_empty(), "held by another");
}

#[tokio::test]
async fn a_test_goes_to_its_caller_only_whatever_they_prefer() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    let silence = NotificationPreference { email: false, slack_dm: false, quiet_task_ids: vec![task.id] };
    store.preference_put(&world.scope, world.user, &silence).await.expect("a wish");
    store.task_run(&world.scope, task.id, Some(world.user)).await.expect("a test");
    world.succeed(&world.claim_one().await).await;
    let claimed = claim_deliveries(store, "test", 100).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].user.as_ref().map(|user| user.id), Some(world.user));
}

#[tokio::test]
async fn what_is_not_wanted_is_recorded_and_not_sent() {
    let world = World::new().await;
    let store = world.store();
    let mut members = Vec::new();
    for name in ["quiet", "dead", "silent", "both"] {
        members.push(world.member(name, Role::Member).await);
    }
    let [quiet, _dead, silent, both] = members[..] else { panic!("four members") };
    let recipients = members.clone();
    let task = world.task(|spec| spec.notification.user_ids = recipients).await;
    let wish = |email, slack_dm, quiet_task_ids| NotificationPreference { email, slack_dm, quiet_task_ids };
    store.preference_put(&world.scope, quiet, &wish(true, false, vec![task.id])).await.expect("a wish");
    store.preference_put(&world.scope, silent, &wish(false, false, vec![])).await.expect("a wish");
    store.preference_put(&world.scope, both, &wish(true, true, vec![])).await.expect("a wish");
    store.mail_suppress(&world.scope, "Dead@acme.test", "550 5.1.1").await.expect("suppressed");
    assert!(store.mail_is_suppressed(&world.scope, "dead@ACME.test").await.expect("a look-up"));
    let (run, claimed) = answered(&world, task.id).await;
    let ways: Vec<_> = claimed.iter().map(|delivery| (delivery.label.as_str(), delivery.channel)).collect();
    // Without Slack, by mail alone.
    assert_eq!(claimed.len(), 1, "{ways:?}");
    assert!(ways.iter().all(|(label, _)| *label == "both <both@acme.test>"));
    let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
    let mut refused: Vec<_> = listed
        .iter()
        .filter(|delivery| delivery.state == DeliveryState::Suppressed)
        .map(|delivery| (delivery.label.as_str(), delivery.reason.as_deref().unwrap_or_default()))
        .collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            ("dead <dead@acme.test>", "address_suppressed"),
            ("quiet <quiet@acme.test>", "unsubscribed"),
            ("silent <silent@acme.test>", "not_wanted"),
        ]
    );
    let counts = run_of(&world, &run).await.deliveries;
    assert_eq!((counts.suppressed, counts.failed), (2, 1), "the dead address was wanted");
}

#[tokio::test]
async fn a_message_is_sent_once_and_its_run_is_green() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (run, claimed) = answered(&world, task.id).await;
    let (scope, lease) = (&claimed[0].scope, &claimed[0].lease);
    let decision =
        NewDecision { audience: Audience::Full, reason: "A member.".into(), record: None, content: None };
    store.delivery_decide(scope, lease, &decision).await.expect("noted");
    assert_eq!(store.delivery_attempt_start(scope, lease).await.expect("an attempt"), 1);
    store.delivery_heartbeat(scope, lease).await.expect("renewed");
    assert_eq!(store.delivery_finish(scope, lease, &sent()).await.expect("an end"), DeliveryState::Sent);
    let late = store.delivery_finish(scope, lease, &sent()).await;
    assert!(matches!(late, Err(Error::LeaseLost)));
    world.step(TimeDelta::days(2));
    assert!(claim_deliveries(store, "test", 100).await.is_empty());
    let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
    assert_eq!(
        (listed[0].state, listed[0].audience, listed[0].attempts),
        (DeliveryState::Sent, Some(Audience::Full), 1)
    );
    assert_eq!(listed[0].provider_id.as_deref(), Some("<1@acme.test>"));
    let read = run_of(&world, &run).await;
    assert_eq!((read.status, read.deliveries.sent), (RunStatus::Succeeded, 1));
}

#[tokio::test]
async fn a_run_is_as_bad_as_the_worst_of_its_parts() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let (run, claimed) = answered(&world, task.id).await;
    assert_eq!(run_of(&world, &run).await.status, RunStatus::Succeeded);
    let failed = DeliveryOutcome::Failed { reason: "smtp_550".into(), message: "no such user".into() };
    world.store().delivery_finish(&claimed[0].scope, &claimed[0].lease, &failed).await.expect("an end");
    let read = run_of(&world, &run).await;
    assert_eq!((read.status, read.reason), (RunStatus::Failed, Some(RunReason::DeliveryFailed)));
    assert_eq!(read.message.as_deref(), Some("The answer exists, but did not reach everybody."));
}

/// Fails with the view as it was, which counted what had failed and nothing else.
#[tokio::test]
async fn a_run_reads_as_failed_where_nothing_was_tried_for_want_of_a_place_that_works() {
    let world = World::new().await;
    let store = world.store();
    let counts = async |run: &ClaimedRun| {
        let read = run_of(&world, run).await;
        (read.status, read.deliveries.failed, read.deliveries.suppressed)
    };
    let erin = world.member("erin", Role::Member).await;
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    // The address is none; later runs do not even try it, whether it is suppressed or paused.
    let (first, claimed) = answered(&world, task.id).await;
    let dead = DeliveryOutcome::Suppressed { reason: "address_dead".into() };
    store.delivery_finish(&claimed[0].scope, &claimed[0].lease, &dead).await.expect("an end");
    assert_eq!(counts(&first).await, (RunStatus::Failed, 1, 0));
    for reason in ["destination_paused", "address_suppressed"] {
        if reason == "address_suppressed" {
            store.mail_suppress(&world.scope, "erin@acme.test", "550 5.1.1").await.expect("suppressed");
        }
        world.step(TimeDelta::seconds(1));
        let (later, _) = answered(&world, task.id).await;
        let listed = store.delivery_list(&world.scope, later.lease.run_id).await.expect("deliveries");
        assert_eq!(listed[0].reason.as_deref(), Some(reason));
        assert_eq!(counts(&later).await, (RunStatus::Failed, 1, 0), "{reason}");
    }
    // What nobody wants is no failure.
    let finn = world.member("finn", Role::Member).await;
    let unwanted = world.task(|spec| spec.notification.user_ids = vec![finn]).await;
    let wish = |email, quiet| NotificationPreference { email, slack_dm: false, quiet_task_ids: quiet };
    for wish in [wish(false, vec![]), wish(true, vec![unwanted.id])] {
        store.preference_put(&world.scope, finn, &wish).await.expect("a wish");
        world.step(TimeDelta::seconds(1));
        let (run, _) = answered(&world, unwanted.id).await;
        assert_eq!(counts(&run).await, (RunStatus::Succeeded, 0, 1), "{wish:?}");
    }
}

#[tokio::test]
async fn a_deactivated_recipient_is_sent_nothing_even_when_it_was_claimed() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    let (run, claimed) = answered(&world, task.id).await;
    store.member_deactivate(&world.scope, erin).await.expect("a deactivation");
    let attempt = store.delivery_attempt_start(&claimed[0].scope, &claimed[0].lease).await;
    assert!(matches!(attempt, Err(Error::LeaseLost)));
    assert_eq!(run_of(&world, &run).await.deliveries.withheld, 1);
}

#[tokio::test]
async fn an_unsubscribe_link_shows_first_and_acts_once() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (_, claimed) = answered(&world, task.id).await;
    let token = claimed[0].unsubscribe_token;
    let shown = store.unsubscription_get(token).await.expect("a look-up").expect("a link");
    assert_eq!(
        (shown.task_title.as_str(), shown.email.as_str(), shown.is_done, shown.until),
        ("Flights", "admin@acme.test", false, None)
    );
    // Rest for a while is no unsubscription.
    let week = TimeDelta::days(7);
    let rest = store.task_snooze(&world.scope, task.id, world.user, week).await.expect("a rest");
    let resting = store.unsubscription_get(token).await.expect("a look-up").expect("a link");
    assert_eq!((resting.is_done, resting.until), (false, rest));
    assert!(rest.is_some());
    assert!(store.unsubscribe(token).await.expect("done"));
    assert!(store.unsubscribe(token).await.expect("done again"));
    let done = store.unsubscription_get(token).await.expect("a look-up").expect("a link");
    assert_eq!((done.is_done, done.until), (true, None));
    assert!(!store.unsubscribe(Uuid::nil()).await.expect("none"));
    assert!(store.unsubscription_get(Uuid::nil()).await.expect("a look-up").is_none());
    let (_, claimed) = answered(&world, task.id).await;
    assert_eq!(claimed.len(), 0);
    assert_eq!(world.number("SELECT count(*) FROM audit_log WHERE action = 'task.unsubscribe'").await, 1);
}

#[tokio::test]
async fn the_outbox_keeps_a_mail_once_and_shows_it_to_its_recipient() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (run, claimed) = answered(&world, task.id).await;
    let mail = NewOutboxMail {
        id: claimed[0].lease.delivery_id,
        sender: "tidings@acme.test".into(),
        recipient: "admin@acme.test".into(),
        subject: "Flights".into(),
        source: b"Subject: Flights\r\n\r\nUnited\r\n".to_vec(),
    };
    for _ in 0..2 {
        store.outbox_mail_keep(&claimed[0].scope, &mail).await.expect("kept");
    }
    let listed = async |reader| {
        store.outbox_mail_list(&world.scope, reader, &Page::first(9)).await.expect("mails").values
    };
    let mails = listed(world.user).await;
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].task_title.as_deref(), mails[0].run_id), (Some("Flights"), Some(run.lease.run_id)));
    let (read, source) =
        store.outbox_mail_get(&world.scope, world.user, mail.id).await.expect("a read").expect("the mail");
    assert_eq!((read.thread_id, source), (Some(run.thread_id), mail.source));
    let erin = world.member("erin", Role::Admin).await;
    assert_eq!(listed(erin).await, []);
    assert_eq!(store.outbox_mail_get(&world.scope, erin, mail.id).await.expect("a read"), None);
}
