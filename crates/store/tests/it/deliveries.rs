//! Who is told, and what becomes of each message.

use chrono::TimeDelta;
use domain::{
    DeliveryId,
    access::Role,
    delivery::{Audience, Channel, DeliveryKind, DeliveryState, Way},
    run::{RunReason, RunStatus},
    task::SlackChannel,
};
use store::{
    ClaimedDelivery, ClaimedRun, Conflict, DeliveryOutcome, Error, NewAttempt, NewDecision, NewOutboxMail,
    NewUser, NotificationPreference, Page, Run, UNKNOWN_ATTEMPTS_MAX,
};
use testkit::{
    World,
    world::{self, claim_deliveries},
};
use uuid::Uuid;

/// Runs a task to its answer, and claims the messages.
async fn answered(world: &World, task: domain::TaskId) -> (ClaimedRun, Vec<ClaimedDelivery>) {
    world.store().task_run(&world.scope, task, None).await.expect("a run");
    let run = world.claim_one().await;
    world.succeed(&run).await;
    let claimed = claim_deliveries(world.store(), "test", 100).await;
    (run, claimed)
}

async fn run_of(world: &World, run: &ClaimedRun) -> Run {
    world.store().run_get(&world.scope, run.lease.run_id).await.expect("a read").expect("the run")
}

fn sent() -> DeliveryOutcome {
    DeliveryOutcome::Sent { provider_id: "<1@acme.test>".into() }
}

fn retry(after: TimeDelta) -> DeliveryOutcome {
    DeliveryOutcome::Retry { after, reason: "smtp_451".into(), message: "try later".into() }
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
async fn a_workspace_with_a_backlog_does_not_delay_anothers_message() {
    let world = World::new().await;
    let store = world.store();
    let mut members = Vec::new();
    for number in 0..20 {
        members.push(world.member(&format!("m{number}"), Role::Member).await);
    }
    let task = world.task(|spec| spec.notification.user_ids = members).await;
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    world.succeed(&world.claim_one().await).await;
    world.step(TimeDelta::minutes(1));
    let (scope, user) = world::workspace(store, "beta").await;
    let other = world.task_of(&scope, user, |_| ()).await;
    store.task_run(&scope, other.id, None).await.expect("a run");
    world.succeed(&world.claim_one().await).await;
    let claimed = claim_deliveries(store, "test", 2).await;
    let tasks: Vec<_> = claimed.iter().filter_map(|delivery| delivery.task_id).collect();
    assert!(tasks.contains(&other.id) && tasks.contains(&task.id), "one each");
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

/// Fails with the view as it was: what failed once counted for ever.
#[tokio::test]
async fn a_run_is_mended_by_a_message_that_was_sent_again_and_arrived() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let task = world.task(|spec| spec.notification.user_ids = vec![world.user, erin]).await;
    let (run, claimed) = answered(&world, task.id).await;
    let end = async |delivery: &ClaimedDelivery, outcome: &DeliveryOutcome| {
        store.delivery_attempt_start(&delivery.scope, &delivery.lease).await.expect("an attempt");
        store.delivery_finish(&delivery.scope, &delivery.lease, outcome).await.expect("an end");
    };
    let state = async || {
        let read = run_of(&world, &run).await;
        (read.status, read.deliveries.sent, read.deliveries.failed)
    };
    // As many claims bring word of the failure to the creator, too.
    let again = async |id: DeliveryId| {
        store.delivery_send_again(&world.scope, id, world.user).await.expect("queued");
        let claimed = claim_deliveries(store, "test", 100).await;
        claimed.into_iter().find(|one| one.kind == DeliveryKind::Answer).expect("the repeat")
    };
    let failed = DeliveryOutcome::Failed { reason: "refused".into(), message: "no".into() };
    let (to_erin, to_creator): (Vec<_>, Vec<_>) =
        claimed.into_iter().partition(|one| one.user.as_ref().is_some_and(|user| user.id == erin));
    end(&to_creator[0], &sent()).await;
    end(&to_erin[0], &failed).await;
    assert_eq!(state().await, (RunStatus::Failed, 1, 1));
    let second = again(to_erin[0].lease.delivery_id).await;
    assert_eq!(state().await.0, RunStatus::Failed, "not before it has arrived");
    end(&second, &failed).await;
    assert_eq!(state().await.0, RunStatus::Failed);
    // A repeat of the repeat makes good both; the creator's message has nothing to do with it.
    let third = again(second.lease.delivery_id).await;
    end(&third, &sent()).await;
    assert_eq!(state().await, (RunStatus::Succeeded, 2, 0));
    // One that is sent once more and fails takes nothing away from who has it.
    let fourth = again(third.lease.delivery_id).await;
    end(&fourth, &failed).await;
    assert_eq!(state().await, (RunStatus::Succeeded, 2, 0));
}

/// Fails without the look at repeats in `repeat_refusal`.
#[tokio::test]
async fn a_message_is_not_sent_again_while_its_repeat_is_on_its_way() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (_, claimed) = answered(&world, task.id).await;
    let first = &claimed[0];
    store.delivery_attempt_start(&first.scope, &first.lease).await.expect("an attempt");
    store.delivery_finish(&first.scope, &first.lease, &sent()).await.expect("an end");
    let id = first.lease.delivery_id;
    let again = async || store.delivery_send_again(&world.scope, id, world.user).await;
    let refused = async |when: &str| {
        let refused = again().await;
        let is_refused = matches!(refused, Err(Error::Conflict(Conflict::DeliveryRepeatUnfinished)));
        assert!(is_refused, "{when}: {refused:?}");
        let proof = store.delivery_proof(&world.scope, id).await.expect("a read").expect("the delivery");
        assert_eq!(proof.repeat_refusal, Some(Conflict::DeliveryRepeatUnfinished), "{when}");
    };
    again().await.expect("queued");
    refused("pending").await;
    let repeat = claim_deliveries(store, "test", 1).await.remove(0);
    store.delivery_attempt_start(&repeat.scope, &repeat.lease).await.expect("an attempt");
    refused("sending").await;
    let unknown = DeliveryOutcome::Unknown { after: TimeDelta::minutes(1), message: "lost".into() };
    store.delivery_finish(&repeat.scope, &repeat.lease, &unknown).await.expect("an end");
    refused("unknown").await;
    world.step(TimeDelta::minutes(1));
    let repeat = claim_deliveries(store, "test", 1).await.remove(0);
    store.delivery_finish(&repeat.scope, &repeat.lease, &sent()).await.expect("an end");
    again().await.expect("queued once more");
}

/// Fails where all attempts count, as they did: a message whose first send went astray after eleven refusals was given up at once.
#[tokio::test]
async fn only_attempts_of_which_nobody_knows_count_until_it_is_given_up() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|spec| spec.notification.user_ids = vec![world.user]).await;
    let (run, mut claimed) = answered(&world, task.id).await;
    let mut delivery = claimed.remove(0);
    let unknown = DeliveryOutcome::Unknown { after: TimeDelta::minutes(1), message: "lost".into() };
    let mut states = Vec::new();
    for outcome in
        std::iter::repeat_n(retry(TimeDelta::minutes(1)), 20).chain(std::iter::repeat_n(unknown, 12))
    {
        store.delivery_attempt_start(&delivery.scope, &delivery.lease).await.expect("an attempt");
        states.push(store.delivery_finish(&delivery.scope, &delivery.lease, &outcome).await.expect("an end"));
        world.step(TimeDelta::minutes(1));
        if let Some(again) = claim_deliveries(store, "test", 1).await.pop() {
            delivery = again;
        }
    }
    assert_eq!(states[..20], [DeliveryState::Pending; 20]);
    assert_eq!(states[20..31], [DeliveryState::Unknown; 11]);
    assert_eq!(states[31], DeliveryState::Failed);
    let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
    assert_eq!(listed[0].reason.as_deref(), Some("outcome_unknown"));
}

/// Fails where a delivery's own repeats alone are looked at, and where two who ask at once do not wait for each other.
#[tokio::test]
async fn of_all_repeats_of_a_message_one_is_on_its_way() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (_, claimed) = answered(&world, task.id).await;
    let arrive = async |delivery: &ClaimedDelivery| {
        store.delivery_attempt_start(&delivery.scope, &delivery.lease).await.expect("an attempt");
        store.delivery_finish(&delivery.scope, &delivery.lease, &sent()).await.expect("an end");
    };
    let again = async |id: DeliveryId| store.delivery_send_again(&world.scope, id, world.user).await;
    let refused = async |id: DeliveryId, which: &str| {
        let refused = again(id).await;
        let is_refused = matches!(refused, Err(Error::Conflict(Conflict::DeliveryRepeatUnfinished)));
        assert!(is_refused, "{which}: {refused:?}");
        let proof = store.delivery_proof(&world.scope, id).await.expect("a read").expect("the delivery");
        assert_eq!(proof.repeat_refusal, Some(Conflict::DeliveryRepeatUnfinished), "{which}");
    };
    arrive(&claimed[0]).await;
    let first = claimed[0].lease.delivery_id;
    let mut repeats = Vec::new();
    for _ in 0..2 {
        repeats.push(again(first).await.expect("queued"));
        arrive(&claim_deliveries(store, "test", 1).await.remove(0)).await;
    }
    let [second, third] = repeats[..] else { panic!("two repeats") };

    let fourth = again(second).await.expect("a repeat of a repeat");
    refused(first, "the first of them").await;
    refused(second, "the one that it repeats").await;
    refused(third, "another repeat of the first").await;
    arrive(&claim_deliveries(store, "test", 1).await.remove(0)).await;

    again(first).await.expect("queued: all have arrived");
    refused(third, "a repeat, while another one of the first is on its way").await;
    refused(fourth, "a repeat of a repeat, likewise").await;
    arrive(&claim_deliveries(store, "test", 1).await.remove(0)).await;

    // Both at once, of different deliveries of the same message.
    let (one, other) = tokio::join!(again(first), again(fourth));
    assert!(one.is_ok() != other.is_ok(), "{one:?}, {other:?}");
}

/// Fails where `delivery_give_up` asks for neither state nor reason, and where a claim never says that it is too late.
#[tokio::test]
async fn what_was_queued_a_day_ago_is_given_up_and_says_why() {
    let world = World::new().await;
    let store = world.store();
    let mut members = Vec::new();
    for name in ["untried", "retried", "unknown"] {
        members.push(world.member(name, Role::Member).await);
    }
    let task = world.task(|spec| spec.notification.user_ids = members).await;
    let (run, claimed) = answered(&world, task.id).await;
    assert!(claimed.iter().all(|delivery| !delivery.is_too_late));
    for delivery in &claimed {
        let unknown = DeliveryOutcome::Unknown { after: TimeDelta::minutes(1), message: "lost".into() };
        let outcome = match delivery.user.as_ref().map(|user| user.name.as_str()) {
            Some("retried") => retry(TimeDelta::minutes(1)),
            Some("unknown") => unknown,
            _ => {
                store.delivery_release(&[delivery.lease]).await.expect("released");
                continue;
            }
        };
        store.delivery_attempt_start(&delivery.scope, &delivery.lease).await.expect("an attempt");
        store.delivery_finish(&delivery.scope, &delivery.lease, &outcome).await.expect("an end");
    }
    world.step(TimeDelta::hours(24));
    let late = claim_deliveries(store, "test", 100).await;
    assert_eq!(late.len(), 3);
    for delivery in &late {
        assert!(delivery.is_too_late);
        store.delivery_give_up(&delivery.scope, &delivery.lease).await.expect("an end");
    }
    let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
    let ends: Vec<_> = listed
        .iter()
        .map(|one| {
            let name = one.label.split(' ').next().unwrap_or_default();
            format!("{name} {} {}", one.state.as_str(), one.reason.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        ends,
        ["retried failed smtp_451", "unknown failed outcome_unknown", "untried failed too_late"]
    );
    assert_eq!(run_of(&world, &run).await.reason, Some(RunReason::DeliveryFailed));
    let told = store.notice_list(&world.scope, world.user, &Page::first(9)).await.expect("notices").values;
    assert!(!told.is_empty(), "the creator is told");
}

/// Fails where every claim starts with the same workspace, and where one counts workspaces in which nothing is due.
#[tokio::test]
async fn workspaces_take_turns_however_many_there_are() {
    let world = World::new().await;
    let store = world.store();
    let mut workspaces = Vec::new();
    for number in 0..6 {
        let (scope, user) = world::workspace(store, &format!("w{number}")).await;
        let mut members = vec![user];
        for name in ["x", "y"] {
            let email = format!("{name}{number}@acme.test");
            let user = NewUser { email, name: name.into(), password_hash: None, timezone: "UTC".into() };
            let user = store.user_create(&user).await.expect("a user");
            store.member_add(&scope, user, Role::Member).await.expect("a member");
            members.push(user);
        }
        let task = world.task_of(&scope, user, |spec| spec.notification.user_ids = members).await;
        store.task_run(&scope, task.id, None).await.expect("a run");
        world.succeed(&world.claim_one().await).await;
        workspaces.push(scope.workspace_id());
    }
    workspaces.sort_by_key(|id| id.as_uuid());
    // In the first two nothing is due yet.
    for workspace in &workspaces[..2] {
        let later = "UPDATE delivery SET available_at = available_at + interval '1 hour'";
        world.execute(&format!("{later} WHERE workspace_id = '{workspace}'")).await;
    }
    let claim = async |limit: u32| {
        let claimed = store.delivery_claim("test", Way::Mail, limit).await.expect("a claim");
        let mut places: Vec<_> = claimed
            .iter()
            .filter_map(|one| workspaces.iter().position(|id| *id == one.lease.workspace_id))
            .collect();
        places.sort_unstable();
        places
    };
    assert_eq!(claim(1).await, [2]);
    assert_eq!(claim(2).await, [3, 4]);
    assert_eq!(claim(2).await, [2, 5], "from the beginning again");
    assert_eq!(claim(3).await, [3, 4, 5]);
    assert_eq!(claim(9).await, [2, 3, 4, 5], "all that is left");
    world.step(TimeDelta::hours(1));
    assert_eq!(claim(9).await, [0, 0, 0, 1, 1, 1]);
    assert!(claim(9).await.is_empty());
}

/// What the index of the queue takes for a way is what the program does. Fails where `delivery_way` takes a direct message for a
/// mail.
#[tokio::test]
async fn the_database_and_the_program_agree_on_ways() {
    let world = World::new().await;
    for channel in [Channel::Email, Channel::SlackChannel, Channel::SlackDm] {
        let agrees = format!(
            "SELECT (delivery_way('{}') = '{}')::int::bigint",
            channel.as_str(),
            channel.way().as_str()
        );
        assert_eq!(world.number(&agrees).await, 1, "{channel:?}");
    }
}

#[tokio::test]
async fn retries_wait_their_time_and_end_after_a_day() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (run, mut claimed) = answered(&world, task.id).await;
    let first = claimed.remove(0);
    store.delivery_attempt_start(&first.scope, &first.lease).await.expect("an attempt");
    let state = store.delivery_finish(&first.scope, &first.lease, &retry(TimeDelta::minutes(5))).await;
    assert_eq!(state.expect("an end"), DeliveryState::Pending);
    world.step(TimeDelta::seconds(299));
    assert!(claim_deliveries(store, "test", 100).await.is_empty());
    world.step(TimeDelta::seconds(1));
    let again = claim_deliveries(store, "test", 100).await.remove(0);
    assert_eq!((again.attempts, again.unsubscribe_token), (1, first.unsubscribe_token));
    assert_ne!(again.lease.token, first.lease.token);
    let state = store.delivery_finish(&again.scope, &again.lease, &retry(TimeDelta::hours(24))).await;
    assert_eq!(state.expect("an end"), DeliveryState::Failed, "it would come too late");
    assert_eq!(run_of(&world, &run).await.reason, Some(RunReason::DeliveryFailed));
    assert_eq!(world.number("SELECT count(*) FROM delivery_attempt WHERE outcome = 'retry'").await, 1);
}

#[tokio::test]
async fn a_vanished_notifier_leaves_an_unknown_outcome_only_where_bytes_may_have_left() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let user = world.user;
    let task = world.task(|spec| spec.notification.user_ids = vec![user, erin]).await;
    let (_, claimed) = answered(&world, task.id).await;
    let (begun, idle) = (&claimed[0], &claimed[1]);
    store.delivery_attempt_start(&begun.scope, &begun.lease).await.expect("an attempt");
    assert_eq!(store.delivery_release(&[begun.lease]).await.expect("left alone"), 0);
    world.step(TimeDelta::seconds(60));
    assert_eq!(store.delivery_rescue(100).await.expect("a rescue"), 2);
    let stale = store.delivery_finish(&begun.scope, &begun.lease, &sent()).await;
    assert!(matches!(stale, Err(Error::LeaseLost)));
    let stale = store.delivery_attempt_start(&idle.scope, &idle.lease).await;
    assert!(matches!(stale, Err(Error::LeaseLost)), "no second send by a sleeper");
    let rescued = claim_deliveries(store, "test", 100).await;
    for delivery in &rescued {
        let expected = if delivery.lease.delivery_id == begun.lease.delivery_id {
            DeliveryState::Unknown
        } else {
            DeliveryState::Pending
        };
        assert_eq!(delivery.state, expected);
    }
    let leases: Vec<_> = rescued.iter().map(|delivery| delivery.lease).collect();
    assert_eq!(store.delivery_release(&leases).await.expect("handed back"), 2);
    assert_eq!(claim_deliveries(store, "test", 100).await.len(), 2);
}

/// Fails where an end is written to every attempt that is open, and where a rescue leaves the attempt so.
#[tokio::test]
async fn an_attempt_that_was_cut_off_stays_unknown_whatever_becomes_of_the_next() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let attempts = async |id: DeliveryId| {
        let proof = store.delivery_proof(&world.scope, id).await.expect("a read").expect("the delivery");
        let told = proof.attempts.iter().map(|one| {
            let outcome = one.outcome.as_deref().unwrap_or("open");
            format!("{} {outcome}{}", one.attempt, if one.finished_at.is_some() { ", ended" } else { "" })
        });
        told.collect::<Vec<_>>()
    };
    for next in ["sent in a batch", "sent", "retry"] {
        world.step(TimeDelta::seconds(1));
        let (_, claimed) = answered(&world, task.id).await;
        let first = &claimed[0];
        let id = first.lease.delivery_id;
        store.delivery_attempt_start(&first.scope, &first.lease).await.expect("an attempt");
        assert_eq!(attempts(id).await, ["1 open"]);
        world.step(TimeDelta::seconds(60));
        assert_eq!(store.delivery_rescue(100).await.expect("a rescue"), 1);
        assert_eq!(attempts(id).await, ["1 unknown"], "when it ended nobody knows");
        let second = claim_deliveries(store, "test", 100).await.remove(0);
        assert_eq!(second.lease.delivery_id, id);
        store.delivery_attempt_start(&second.scope, &second.lease).await.expect("an attempt");
        let outcome = if next == "sent in a batch" {
            let ended = [(second.lease, "<1@acme.test>".to_owned())];
            assert_eq!(store.delivery_sent(&ended).await.expect("an answer"), [true]);
            "sent"
        } else {
            let outcome = if next == "sent" { sent() } else { retry(TimeDelta::days(2)) };
            store.delivery_finish(&second.scope, &second.lease, &outcome).await.expect("an end");
            next
        };
        assert_eq!(attempts(id).await, ["1 unknown".to_owned(), format!("2 {outcome}, ended")], "{next}");
    }
}

/// Fails where an attempt that was cut off is counted only once the next one has ended, or not at all.
#[tokio::test]
async fn attempts_that_were_cut_off_count_among_the_unknown() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (_, mut claimed) = answered(&world, task.id).await;
    for _ in 1..UNKNOWN_ATTEMPTS_MAX {
        let held = claimed.remove(0);
        store.delivery_attempt_start(&held.scope, &held.lease).await.expect("an attempt");
        world.step(TimeDelta::seconds(60));
        assert_eq!(store.delivery_rescue(100).await.expect("a rescue"), 1);
        claimed = claim_deliveries(store, "test", 1).await;
    }
    let last = claimed.remove(0);
    store.delivery_attempt_start(&last.scope, &last.lease).await.expect("an attempt");
    let unknown = DeliveryOutcome::Unknown { after: TimeDelta::minutes(1), message: "lost".into() };
    let state = store.delivery_finish(&last.scope, &last.lease, &unknown).await.expect("an end");
    assert_eq!(state, DeliveryState::Failed);
    let proof = store.delivery_proof(&world.scope, last.lease.delivery_id).await.expect("a read");
    assert_eq!(proof.expect("the delivery").reason.as_deref(), Some("outcome_unknown"));
}

/// A delivery that found no room is put back as it was, until that would be too late.
#[tokio::test]
async fn what_is_put_back_comes_again_and_ends_after_a_day() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (run, mut claimed) = answered(&world, task.id).await;
    let first = claimed.remove(0);
    let rest = TimeDelta::seconds(5);
    store.delivery_put_back(&first.scope, &first.lease, rest).await.expect("put back");
    let lost = store.delivery_put_back(&first.scope, &first.lease, rest).await;
    assert!(matches!(lost, Err(Error::LeaseLost)));
    assert!(claim_deliveries(store, "test", 100).await.is_empty());
    world.step(rest);
    let again = claim_deliveries(store, "test", 100).await.remove(0);
    assert_eq!((again.state, again.attempts), (DeliveryState::Pending, 0));
    store.delivery_put_back(&again.scope, &again.lease, TimeDelta::hours(24)).await.expect("ended");
    let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
    let ended = listed.iter().find(|one| one.id == again.lease.delivery_id).expect("the delivery");
    assert_eq!((ended.state, ended.reason.as_deref()), (DeliveryState::Failed, Some("files_backlog")));
}

/// One delivery with a lease that was lost and a new one, asked for in one batch. Fails where the answers go by delivery.
#[tokio::test]
async fn of_two_leases_of_one_delivery_the_later_one_counts() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    let (_, claimed) = answered(&world, task.id).await;
    let lost = claimed[0].lease;
    world.step(TimeDelta::seconds(60));
    assert_eq!(store.delivery_rescue(100).await.expect("a rescue"), 1);
    let held = claim_deliveries(store, "test", 100).await[0].lease;
    assert_eq!(held.delivery_id, lost.delivery_id);
    let attempts = [lost, held].map(|lease| NewAttempt { lease, decision: None, is_of_rest: false });
    let begun = store.delivery_attempts_start(&attempts).await.expect("an answer");
    assert_eq!(begun, [None, Some(1)]);
    let ended = [lost, held].map(|lease| (lease, "<1@acme.test>".to_owned()));
    assert_eq!(store.delivery_sent(&ended).await.expect("an answer"), [false, true]);
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

/// A newer version wrote it, before it was rolled back.
#[tokio::test]
async fn a_message_whose_kind_cannot_be_read_keeps_no_other_from_its_notifier() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let (_, claimed) = answered(&world, task.id).await;
    let spoil = format!(
        "ALTER TABLE delivery DROP CONSTRAINT delivery_kind_word;
         UPDATE delivery SET kind = 'telegram', lease_token = NULL, lease_until = NULL WHERE id = '{}'",
        claimed[0].lease.delivery_id
    );
    world.execute(&spoil).await;
    let (scope, user) = world::workspace(world.store(), "beta").await;
    let other = world.task_of(&scope, user, |_| ()).await;
    world.store().task_run(&scope, other.id, None).await.expect("a run");
    world.succeed(&world.claim_one().await).await;
    let claimed = claim_deliveries(world.store(), "test", 100).await;
    assert_eq!(claimed.iter().map(|delivery| delivery.task_id).collect::<Vec<_>>(), [Some(other.id)]);
    // It comes again, and can be read by then.
    world.step(TimeDelta::hours(1));
    assert_eq!(world.store().delivery_rescue(100).await.expect("a rescue"), 2);
    world.execute("UPDATE delivery SET kind = 'answer'").await;
    assert_eq!(claim_deliveries(world.store(), "test", 100).await.len(), 2);
}
