//! Addresses that a mail server said do not exist: nothing more is sent there, and whose messages that keeps back hears of it.

use domain::{access::Role, notice::NoticeKind};
use store::{DeliveryOutcome, DestinationsOf};
use testkit::World;

use crate::destinations::{answered, end, kinds, notices};

fn suppressed(reason: &str) -> DeliveryOutcome {
    DeliveryOutcome::Suppressed { reason: reason.into() }
}

/// Fails where only those are told whose message was held back as paused: this one's reason is the dead address.
#[tokio::test]
async fn another_creator_is_told_when_their_own_message_is_held_back_and_nobody_else_sees_the_place() {
    let world = World::new().await;
    let store = world.store();
    let (ann, bob) = (world.member("ann", Role::Editor).await, world.member("bob", Role::Editor).await);
    let erin = world.member("erin", Role::Member).await;
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    let (_, claimed) = answered(&world, task.id).await;
    end(&world, &claimed[0], &suppressed("address_dead")).await;
    store.mail_suppress(&world.scope, "erin@acme.test", "550 5.1.1").await.expect("suppressed");
    assert_eq!(kinds(&world).await, [NoticeKind::DestinationPaused]);
    let own = store.destination_list(&world.scope, DestinationsOf::Member(erin)).await.expect("places");
    assert_eq!(own.len(), 1, "whose it is");
    let anns = store.destination_list(&world.scope, DestinationsOf::Member(ann)).await.expect("places");
    assert_eq!(anns, []);
    let of_ann = world.task_of(&world.scope, ann, |spec| spec.notification.user_ids = vec![erin]).await;
    for _ in 0..2 {
        let (run, _) = answered(&world, of_ann.id).await;
        let listed = store.delivery_list(&world.scope, run.lease.run_id).await.expect("deliveries");
        let reasons = listed.iter().filter_map(|delivery| delivery.reason.as_deref());
        assert_eq!(reasons.collect::<Vec<_>>(), ["address_suppressed"]);
    }
    let told = notices(&world, ann).await;
    assert_eq!(told.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::DestinationPaused]);
    let anns = store.destination_list(&world.scope, DestinationsOf::Member(ann)).await.expect("places");
    assert_eq!(anns.len(), 1);
    assert_eq!(notices(&world, bob).await, []);
    assert_eq!(kinds(&world).await, [NoticeKind::DestinationPaused], "no second time");
    // Tried again: the address is no longer suppressed.
    store.destination_resume(&world.scope, own[0].id).await.expect("resumed");
    assert!(!store.mail_is_suppressed(&world.scope, "erin@acme.test").await.expect("a look-up"));
}

/// What was claimed before the address was known to be dead is not taken off the queue with what waits there: it ends by itself.
#[tokio::test]
async fn the_creator_of_a_message_that_was_on_its_way_to_a_dead_address_is_told() {
    let world = World::new().await;
    let store = world.store();
    let (ann, erin) = (world.member("ann", Role::Editor).await, world.member("erin", Role::Member).await);
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    let (_, claimed) = answered(&world, task.id).await;
    let of_ann = world.task_of(&world.scope, ann, |spec| spec.notification.user_ids = vec![erin]).await;
    let (_, under_way) = answered(&world, of_ann.id).await;
    end(&world, &claimed[0], &suppressed("address_dead")).await;
    store.mail_suppress(&world.scope, "erin@acme.test", "550 5.1.1").await.expect("suppressed");
    assert_eq!(notices(&world, ann).await, []);
    let under_way = &under_way[0];
    let ended = suppressed("address_suppressed");
    store.delivery_finish(&under_way.scope, &under_way.lease, &ended).await.expect("an end");
    let told = notices(&world, ann).await;
    assert_eq!(told.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::DestinationPaused]);
}
