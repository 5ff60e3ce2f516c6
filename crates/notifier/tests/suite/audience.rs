//! How much each attempt shows, decided as it is made; and what is kept as proof.

use chrono::TimeDelta;
use domain::{
    answer::Answer,
    audience::{AudiencePolicy, ConnectionAudience, Standing},
    delivery::{Audience, DeliveryState},
    run::Usage,
};
use sha2::{Digest as _, Sha256};
use store::DeliveryProof;

use crate::{support::SmtpServer, world::World};

async fn proof(world: &World, delivery: &store::Delivery) -> DeliveryProof {
    world.store().delivery_proof(&world.scope, delivery.id).await.expect("a look").expect("a delivery")
}

/// With the decision kept from the first attempt instead, the second one shows all of it.
#[tokio::test]
async fn rights_are_looked_at_anew_at_each_attempt() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let run = world.run(world.task(world.members(&["grey@example.com"]).await).await).await;
    let notifier = world.notifier(&server);
    assert_eq!(notifier.run_once().await, 1);
    let rule = ConnectionAudience { members: Some(Audience::LinkOnly), ..ConnectionAudience::default() };
    world.store().connection_audience_put(&world.scope, world.connection, &rule).await.expect("a rule");
    world.database.time.step(TimeDelta::seconds(5));
    assert_eq!(notifier.run_once().await, 1);

    let delivery = world.delivery_to(run, "grey@example.com").await;
    assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::LinkOnly)));
    let proof = proof(&world, &delivery).await;
    let decisions: Vec<_> =
        proof.attempts.iter().map(|attempt| attempt.decision.as_ref().expect("a decision")).collect();
    assert_eq!((decisions[0].audience, decisions[1].audience), (Audience::Full, Audience::LinkOnly));
    assert!(decisions.iter().all(|decision| decision.content.is_some()));
    assert_ne!(decisions[0].content, decisions[1].content, "two messages, two hashes");
    let record = decisions[1].record.as_ref().expect("a record");
    assert_eq!(record.standing, Some(Standing::Member));
    assert_eq!((record.connections[0].access, record.connections[0].rule), (None, rule));
    assert!(decisions[1].reason.contains("May not view the results of Flights"));
    let outcomes: Vec<_> = proof.attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("retry"), Some("sent")]);
}

#[tokio::test]
async fn the_hash_is_that_of_the_bytes_handed_over() {
    let world = World::new().await;
    let run = world.run(world.task(world.members(&["member@example.com"]).await).await).await;
    world.outbox().run_once().await;
    let delivery = world.delivery_to(run, "member@example.com").await;
    let kept = world.store().outbox_mail_get(&world.scope, world.creator, delivery.id).await.expect("a look");
    let (_, source) = kept.expect("a mail");
    let proof = proof(&world, &delivery).await;
    let decision = proof.attempts[0].decision.as_ref().expect("a decision");
    let (sha256, bytes) = decision.content.clone().expect("a hash");
    assert_eq!((sha256.as_slice(), bytes as usize), (Sha256::digest(&source).as_slice(), source.len()));
    assert!(proof.is_in_outbox);
    assert_eq!(proof.creator_id, Some(world.creator));
}

#[tokio::test]
async fn what_is_sent_again_goes_the_same_way_and_past_the_same_look() {
    let world = World::new().await;
    let run = world.run(world.task(world.members(&["member@example.com"]).await).await).await;
    let notifier = world.outbox();
    notifier.run_once().await;
    let first = world.delivery_to(run, "member@example.com").await;
    let again = async || {
        let id =
            world.store().delivery_send_again(&world.scope, first.id, world.creator).await.expect("queued");
        assert_eq!(notifier.run_once().await, 1);
        world.store().delivery_proof(&world.scope, id).await.expect("a look").expect("a delivery")
    };
    let second = again().await;
    assert_eq!(second.state, DeliveryState::Sent);
    assert_ne!(second.provider_id, first.provider_id, "a message of its own");
    let (repeated, asker) = second.repeats.expect("what it repeats");
    assert_eq!((repeated, asker.id), (first.id, world.creator));

    let policy = AudiencePolicy { members: Audience::Withheld, outsiders: Audience::Withheld };
    world.store().audience_policy_put(&world.scope, &policy).await.expect("a policy");
    let third = again().await;
    assert_eq!((third.state, third.reason.as_deref()), (DeliveryState::Withheld, Some("not_allowed")));
    assert!(third.attempts[0].started_at.is_none(), "nothing left");
    assert!(third.attempts[0].decision.as_ref().is_some_and(|decision| decision.content.is_none()));
    let unfinished =
        world.store().delivery_send_again(&world.scope, first.id, world.creator).await.expect("queued");
    let refused = world.store().delivery_send_again(&world.scope, unfinished, world.creator).await;
    assert!(matches!(refused, Err(store::Error::Conflict(store::Conflict::DeliveryUnfinished))));
}

/// With the queries alone looked at, the thread has no data, and all of it goes to everybody.
#[tokio::test]
async fn an_answer_without_a_result_is_held_to_what_its_thread_was_given() {
    let world = World::new().await;
    let task = world.task(world.members(&["grey@example.com"]).await).await;
    let notifier = world.outbox();
    for most in [Audience::LinkOnly, Audience::Withheld] {
        let rule = ConnectionAudience { members: Some(most), ..ConnectionAudience::default() };
        world.store().connection_audience_put(&world.scope, world.connection, &rule).await.expect("a rule");
        let run = world.claim(task, None).await;
        let read = [world.connection];
        world.store().connection_read_put(&run.scope, &run.lease, run.thread_id, &read).await.expect("kept");
        let answer = Answer { headline: "The last pay run was in May.".into(), ..Answer::default() };
        world.store().run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await.expect("an end");
        notifier.run_once().await;
        let delivery = world.delivery_to(run.lease.run_id, "grey@example.com").await;
        assert_eq!(delivery.audience, Some(most));
        let proof = proof(&world, &delivery).await;
        let decision = proof.attempts[0].decision.as_ref().expect("a decision");
        assert!(decision.reason.contains("Flights"), "{}", decision.reason);
        let record = decision.record.as_ref().expect("a record");
        let [used] = &record.connections[..] else { panic!("{record:?}") };
        assert_eq!((used.id, used.name.as_str()), (world.connection, "Flights"));
        world.database.time.step(TimeDelta::days(1));
    }
}
