//! One effect for one key.

use chrono::TimeDelta;
use store::{Conflict, Error, Idempotency, IdempotencyHold};
use testkit::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_that_race_with_one_key_one_acts() {
    let world = World::new().await;
    for round in 0..20 {
        let racers: Vec<_> = (0..10)
            .map(|_| {
                let (store, scope, user) = (world.store().clone(), world.scope, world.user);
                tokio::spawn(async move {
                    store
                        .idempotency_begin(&scope, user, &format!("k{round}"), b"hash")
                        .await
                        .expect("a beginning")
                })
            })
            .collect();
        let mut acting = 0;
        for racer in racers {
            acting += usize::from(matches!(racer.await.expect("a racer"), Idempotency::Act(_)));
        }
        assert_eq!(acting, 1);
    }
}

fn hold_of(begun: Idempotency) -> IdempotencyHold {
    match begun {
        Idempotency::Act(hold) => hold,
        other => panic!("another was told to act: {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_is_repeated_for_a_day_and_another_request_is_told_apart() {
    let world = World::new().await;
    let store = world.store();
    let begin = async |hash: &[u8]| {
        store.idempotency_begin(&world.scope, world.user, "k", hash).await.expect("a begin")
    };
    let hold = hold_of(begin(b"one").await);
    assert_eq!(begin(b"one").await, Idempotency::InProgress);
    store.idempotency_answer(&world.scope, hold, 201, b"{}").await.expect("an answer");
    assert_eq!(begin(b"one").await, Idempotency::Repeat { status: 201, body: b"{}".to_vec() });
    assert_eq!(begin(b"two").await, Idempotency::OtherRequest);
    world.step(TimeDelta::hours(24));
    let hold = hold_of(begin(b"two").await);
    store.idempotency_forget(&world.scope, hold).await.expect("forgotten");
    hold_of(begin(b"three").await);
}

// Switched off by hand (no demand of one row in `note_effect`): two groups.
#[tokio::test]
async fn a_request_that_was_taken_for_dead_changes_nothing_and_one_that_acted_is_told_of() {
    let world = World::new().await;
    let store = world.store();
    let begin =
        async || store.idempotency_begin(&world.scope, world.user, "k", b"hash").await.expect("a begin");
    let slow = world.scope.acting_for(hold_of(begin().await));
    world.step(TimeDelta::seconds(19));
    assert_eq!(begin().await, Idempotency::InProgress);
    world.step(TimeDelta::seconds(1));
    let hold = hold_of(begin().await);
    let refused = store.group_create(&slow, "Slow", &[]).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::RequestReplaced))), "{refused:?}");
    // Its server dies after the effect: nobody acts again, however long it takes.
    let group = store.group_create(&world.scope.acting_for(hold), "Quick", &[]).await.expect("a group");
    world.step(TimeDelta::hours(1));
    let Idempotency::Done(effect) = begin().await else { panic!("the effect is not known") };
    assert_eq!((effect.action.as_str(), effect.subject_id), ("group.create", group.as_uuid()));
    store.idempotency_forget(&world.scope, hold).await.expect("left alone");
    assert!(matches!(begin().await, Idempotency::Done(_)));
    assert_eq!(world.number("SELECT count(*) FROM member_group").await, 1);
}
