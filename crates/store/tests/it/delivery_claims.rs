//! Which messages a claim answers, and in which order.

use chrono::TimeDelta;
use domain::{
    access::Role,
    delivery::{Channel, Way},
};
use store::NewUser;
use testkit::{
    World,
    world::{self, claim_deliveries},
};

use crate::deliveries::answered;

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
