//! Messages that are sent again when somebody asks for it.

use chrono::TimeDelta;
use domain::{DeliveryId, access::Role, delivery::DeliveryKind, run::RunStatus};
use store::{ClaimedDelivery, Conflict, DeliveryOutcome, Error};
use testkit::{World, world::claim_deliveries};

use crate::deliveries::{answered, run_of, sent};

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

    let began = claimed[0].created_at;
    world.step(TimeDelta::minutes(1));
    let fourth = again(second).await.expect("a repeat of a repeat");
    for id in [first, second, fourth] {
        let queued = store.delivery_first_queued_at(&world.scope, id).await;
        assert_eq!(queued.expect("an instant"), began, "what it tells of is as old as the first of them");
    }
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
