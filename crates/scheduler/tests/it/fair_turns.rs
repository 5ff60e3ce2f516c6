//! Workspaces take turns: what one has waiting does not decide how soon another is served.
//!
//! Each test was seen to fail with its mechanism off, which it names.

use std::collections::BTreeMap;

use domain::{WorkspaceId, answer::Answer, run::Usage};
use store::{ClaimedRun, Places, RunAnswer};
use testkit::{World, world};

/// A world with `workspaces` further workspaces, and in each of them `runs` runs that wait, those of one workspace after those of
/// the other.
async fn crowded(workspaces: usize, runs: usize) -> World {
    let world = World::new().await;
    for number in 0..workspaces {
        let (scope, user) = world::workspace(world.store(), &format!("w{number}")).await;
        let task = world.task_of(&scope, user, |_| ()).await;
        for _ in 0..runs {
            world.step(chrono::TimeDelta::milliseconds(1));
            world.store().task_run(&scope, task.id, None).await.expect("a run");
        }
    }
    world
}

async fn claim_and_end(world: &World, limit: u32) -> Vec<ClaimedRun> {
    let claimed = world.store().run_claim("test", &Places::unshared(limit)).await.expect("a claim");
    let answered: Vec<_> = claimed
        .iter()
        .map(|run| RunAnswer { lease: run.lease, answer: Answer::default(), usage: Usage::default() })
        .collect();
    for outcome in world.store().run_succeed_all(&answered).await.expect("a group") {
        outcome.expect("an end");
    }
    claimed
}

fn served(claims: &[Vec<ClaimedRun>]) -> BTreeMap<WorkspaceId, usize> {
    let mut served = BTreeMap::new();
    for run in claims.iter().flatten() {
        *served.entry(run.lease.workspace_id).or_default() += 1;
    }
    served
}

/// One claim takes one run of each of four workspaces, though those of the first have waited longest: where little waits.
///
/// With a run's place in its own workspace left out of the order of turns, one workspace gets all four.
#[tokio::test]
async fn a_claim_takes_from_all_workspaces_where_little_waits() {
    let world = crowded(4, 8).await;
    let claimed = claim_and_end(&world, 4).await;
    assert_eq!(served(&[claimed]).into_values().collect::<Vec<_>>(), [1, 1, 1, 1]);
}

/// The same where more waits than one claim looks at.
///
/// With neither shares of a claim nor rounds, one workspace gets all four.
#[tokio::test]
async fn a_claim_takes_from_all_workspaces_of_a_backlog() {
    let world = crowded(4, 50).await;
    let claimed = claim_and_end(&world, 4).await;
    assert_eq!(served(&[claimed]).into_values().collect::<Vec<_>>(), [1, 1, 1, 1]);
}

/// Claims that take fewer runs than there are workspaces go on where the last one ended: after six claims of two, each of six
/// workspaces was served twice.
///
/// With the last workspace forgotten between claims, two of them get four each and two of them nothing.
#[tokio::test]
async fn claims_go_on_behind_the_workspace_that_was_served_last() {
    for runs in [4, 40] {
        let world = crowded(6, runs).await;
        let mut claims = Vec::new();
        for _ in 0..6 {
            claims.push(claim_and_end(&world, 2).await);
        }
        let served: Vec<_> = served(&claims).into_values().collect();
        assert_eq!(served, [2; 6], "{runs} runs wait in each workspace");
    }
}

/// A worker whose turns of a hundred workspaces take all its places but one in reserve, and a backlog of all of them: one claim
/// finds the run of the one workspace that has nothing under way, though it is the last of them all.
///
/// With the places looked at only after a slice was cut, the claim gives up before it comes there.
#[tokio::test]
async fn one_claim_finds_the_workspace_that_has_nothing_under_way() {
    let world = crowded(101, 4).await;
    let mut places = Places::shared(100, 1, []);
    places.fill(&world.store().run_claim("test", &Places::unshared(100)).await.expect("a claim"));
    let claimed = world.store().run_claim("test", &places).await.expect("a claim");
    assert_eq!(claimed.len(), 1);
    places.fill(&claimed);
    assert!(world.store().run_claim("test", &places).await.expect("a claim").is_empty(), "nobody else may");
    assert_eq!(world.number("SELECT count(*) FROM run_queue WHERE lease_token IS NULL").await, 303);
}
