//! One effect for one key.

use chrono::TimeDelta;
use store::Idempotency;
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
            acting += usize::from(racer.await.expect("a racer") == Idempotency::Act);
        }
        assert_eq!(acting, 1);
    }
}

#[tokio::test]
async fn an_answer_is_repeated_for_a_day_and_another_request_is_told_apart() {
    let world = World::new().await;
    let store = world.store();
    let begin = async |hash: &[u8]| {
        store.idempotency_begin(&world.scope, world.user, "k", hash).await.expect("a begin")
    };
    assert_eq!(begin(b"one").await, Idempotency::Act);
    assert_eq!(begin(b"one").await, Idempotency::InProgress);
    store.idempotency_answer(&world.scope, world.user, "k", 201, b"{}").await.expect("an answer");
    assert_eq!(begin(b"one").await, Idempotency::Repeat { status: 201, body: b"{}".to_vec() });
    assert_eq!(begin(b"two").await, Idempotency::OtherRequest);
    world.step(TimeDelta::hours(24));
    assert_eq!(begin(b"two").await, Idempotency::Act);
    store.idempotency_forget(&world.scope, world.user, "k").await.expect("forgotten");
    assert_eq!(begin(b"three").await, Idempotency::Act);
}
