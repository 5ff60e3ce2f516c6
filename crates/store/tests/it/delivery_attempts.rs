//! What becomes of a message's attempts, and when no more are made.

use chrono::TimeDelta;
use domain::{
    DeliveryId,
    access::Role,
    delivery::{Audience, DeliveryState},
    run::RunReason,
};
use store::{DeliveryOutcome, Error, NewAttempt, NewDecision, Page, UNKNOWN_ATTEMPTS_MAX};
use testkit::{World, world::claim_deliveries};

use crate::deliveries::{answered, run_of, sent};

fn retry(after: TimeDelta) -> DeliveryOutcome {
    DeliveryOutcome::Retry { after, reason: "smtp_451".into(), message: "try later".into() }
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

/// Between its beginning and its first byte an attempt may wait for long.
#[tokio::test]
async fn an_attempt_of_which_no_byte_has_left_is_decided_anew() {
    let world = World::new().await;
    let store = world.store();
    let (ann, erin) = (world.member("ann", Role::Editor).await, world.member("erin", Role::Member).await);
    let decided =
        |audience| NewDecision { audience, reason: "So it is.".into(), record: None, content: None };
    let begun = async || {
        let task = world.task_of(&world.scope, ann, |spec| spec.notification.user_ids = vec![erin]).await;
        let (_, mut claimed) = answered(&world, task.id).await;
        let lease = claimed.remove(0).lease;
        let decision = Some(decided(Audience::Full));
        let attempt = NewAttempt { lease, decision, is_of_rest: false };
        assert_eq!(store.delivery_attempts_start(&[attempt]).await.expect("an attempt"), [Some(1)]);
        (task.id, lease)
    };
    let (task, lease) = begun().await;
    let less = decided(Audience::LinkOnly);
    assert_eq!(store.delivery_attempt_decide(&lease, &less).await.expect("decided"), None);
    let proof = store.delivery_proof(&world.scope, lease.delivery_id).await.expect("a read");
    let attempts = proof.expect("the delivery").attempts;
    let seen: Vec<_> = attempts.iter().map(|one| one.decision.as_ref().map(|it| it.audience)).collect();
    assert_eq!(seen, [Some(Audience::LinkOnly)], "of the attempt that is under way");
    store.task_delete(&world.scope, task).await.expect("a deletion");
    let refusal = store.delivery_attempt_decide(&lease, &less).await.expect("decided");
    assert_eq!(refusal, Some(RunReason::TaskDeleted));

    let (_, lease) = begun().await;
    store.member_deactivate(&world.scope, ann).await.expect("a deactivation");
    let refusal = store.delivery_attempt_decide(&lease, &less).await.expect("decided");
    assert_eq!(refusal, Some(RunReason::CreatorDeactivated));
    world.step(TimeDelta::seconds(60));
    store.delivery_rescue(100).await.expect("a rescue");
    let lost = store.delivery_attempt_decide(&lease, &less).await;
    assert!(matches!(lost, Err(Error::LeaseLost)));
}
