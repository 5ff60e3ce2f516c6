//! Runs that end together.

use chrono::TimeDelta;
use domain::{
    answer::Answer,
    run::{RunReason, RunStatus, Usage},
};
use store::{AfterFailure, Error, RunAnswer};
use testkit::World;

/// One is lost, one was asked to stop, two are held: the two end with their messages, and what the others wrote is nothing.
#[tokio::test]
async fn one_lost_lease_does_not_spoil_the_others_of_its_group() {
    let world = World::new().await;
    for _ in 0..4 {
        world.task(|_| ()).await;
    }
    world.set("2026-03-02T09:00:00Z");
    world.store().due_claim(500, None).await.expect("a claim");
    let claimed = world.claim().await;
    assert_eq!(claimed.len(), 4);
    let (lost, stopped) = (claimed[1].lease, claimed[2].lease);
    world.store().run_release(&[lost]).await.expect("handed back");
    let fresh = world.claim_one().await;
    world.store().run_cancel(&world.scope, stopped.run_id).await.expect("asked to stop");
    world.step(TimeDelta::seconds(1));

    let answer = Answer { headline: "United leads".into(), ..Answer::default() };
    let usage = Usage { tokens_in: 7, ..Usage::default() };
    let group: Vec<_> =
        claimed.iter().map(|run| RunAnswer { lease: run.lease, answer: answer.clone(), usage }).collect();
    let outcomes = world.store().run_succeed_all(&group).await.expect("a group");
    assert!(outcomes[0].is_ok() && outcomes[3].is_ok(), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(Error::LeaseLost)), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(Error::RunStopped(RunReason::CancelledByUser))), "{outcomes:?}");

    let mut statuses = Vec::new();
    for run in &claimed {
        let run_id = run.lease.run_id;
        let stored = world.store().run_get(&world.scope, run_id).await.expect("a look").expect("a run");
        let messages = world.store().delivery_list(&world.scope, run_id).await.expect("messages");
        statuses.push((stored.status, stored.usage.tokens_in, messages.len()));
    }
    let (ended, untouched) = ((RunStatus::Succeeded, 7, 1), (RunStatus::Running, 0, 0));
    assert_eq!(statuses, [ended, untouched, untouched, ended]);
    // Nothing ends twice, and the fresh holder of the lost one goes on.
    let again = world.store().run_succeed_all(&group[..1]).await.expect("a group");
    assert!(matches!(again[..], [Err(Error::LeaseLost)]), "{again:?}");
    world.succeed(&fresh).await;
}

/// What a provider says is kept but for what PostgreSQL cannot hold.
///
/// Without `without_nul` the failure of a run that is tried again would not be recorded.
#[tokio::test]
async fn a_nul_in_a_failures_message_does_not_keep_it_from_being_recorded() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.set("2026-03-02T09:00:00Z");
    world.store().due_claim(10, None).await.expect("an occurrence");
    let run = world.claim_one().await;
    let (reason, usage) = (RunReason::ModelUnavailable, Usage::default());
    let after = world.store().run_fail(&run.scope, &run.lease, reason, "it said \0 and left", &usage).await;
    assert!(matches!(after, Ok(AfterFailure::RetryAt(_))), "{after:?}");
    assert_eq!(world.fates(task.id).await, ["03-02 waiting model_unavailable"]);
    let stored = world.store().run_get(&world.scope, run.lease.run_id).await.expect("a look").expect("a run");
    let message = stored.message.expect("a message");
    assert!(message.starts_with("it said ") && message.ends_with(" and left"), "{message}");
}
