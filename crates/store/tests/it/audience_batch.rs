//! What is looked up for many messages together is what it would be for each alone.

use domain::{
    ConnectionId, UserId,
    access::{ConnectionAccess, Role},
    audience::{AudiencePolicy, ConnectionAudience, DataBehind, Standing, Viewer},
    delivery::Audience,
    table::Table,
};
use store::{ClaimedRun, Grant, MessageReader, NewResult, Scope, Subject};
use testkit::{World, world};

/// A run of `user`'s whose queries ran on these connections.
async fn run_on(world: &World, scope: &Scope, user: UserId, connections: &[ConnectionId]) -> ClaimedRun {
    let task = world.task_of(scope, user, |_| ()).await;
    world.store().task_run(scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    for (number, connection) in connections.iter().enumerate() {
        let result = NewResult {
            thread_id: run.thread_id,
            turn_no: run.turn_no,
            call_id: &format!("call-{number}"),
            connection_id: *connection,
            sql: "select 1",
            table: &Table::default(),
            elapsed_ms: 1,
        };
        world.store().result_store(&run.scope, &run.lease, &result).await.expect("a result");
    }
    run
}

fn grant(subject: Subject, access: ConnectionAccess) -> Grant {
    Grant { subject, label: String::new(), access }
}

/// A workspace with three connections: the first is its admin's alone, the second is tightened and open to `members[0]` and a
/// group of `members[1]`, the third is sensitive and open to everybody. Of its members one is a guest, and one deactivated.
async fn furnish(
    world: &World,
    scope: &Scope,
    admin: UserId,
    name: &str,
) -> (Vec<ConnectionId>, Vec<UserId>) {
    let store = world.store();
    let mut connections = Vec::new();
    for number in ["c", "a", "B"] {
        connections.push(world::connection(store, scope, admin, &format!("{number}-{name}")).await);
    }
    let mut members = vec![admin];
    for (number, role) in
        [Role::Member, Role::Explorer, Role::Guest, Role::Editor, Role::Member].into_iter().enumerate()
    {
        let email = format!("{name}{number}@{name}.test");
        let user = store::NewUser { email, name: name.into(), password_hash: None, timezone: "UTC".into() };
        let user = store.user_create(&user).await.expect("a user");
        store.member_add(scope, user, role).await.expect("a member");
        members.push(user);
    }
    let group = store.group_create(scope, "Growth", &members[2..4]).await.expect("a group");
    let some = [
        grant(Subject::User(members[1]), ConnectionAccess::Query),
        grant(Subject::Group(group), ConnectionAccess::ViewResults),
        grant(Subject::User(members[2]), ConnectionAccess::Manage),
    ];
    store.grant_put(scope, connections[1], &some).await.expect("grants");
    let all = [grant(Subject::Workspace, ConnectionAccess::ViewResults)];
    store.grant_put(scope, connections[2], &all).await.expect("grants");
    let tight = ConnectionAudience { members: Some(Audience::LinkOnly), ..ConnectionAudience::default() };
    store.connection_audience_put(scope, connections[1], &tight).await.expect("a rule");
    let sensitive = ConnectionAudience { is_sensitive: true, ..ConnectionAudience::default() };
    store.connection_audience_put(scope, connections[2], &sensitive).await.expect("a rule");
    store.member_deactivate(scope, members[5]).await.expect("a deactivation");
    (connections, members)
}

/// Without the workspace in the join of rights to members, the readers of one workspace get rights of the other's.
#[tokio::test]
async fn what_is_looked_up_for_many_is_what_would_be_for_each_alone() {
    let world = World::new().await;
    let store = world.store();
    let (other_scope, other_admin) = world::workspace(store, "beta").await;
    let (here, our) = furnish(&world, &world.scope, world.user, "acme").await;
    let (there, their) = furnish(&world, &other_scope, other_admin, "beta").await;
    // Somebody is a member of both, as an admin there.
    store.member_add(&other_scope, our[1], Role::Admin).await.expect("a member");
    let policy = AudiencePolicy { members: Audience::Withheld, outsiders: Audience::Withheld };
    store.audience_policy_put(&other_scope, &policy).await.expect("a policy");

    let mut runs = Vec::new();
    for (scope, admin, connections, members) in
        [(&world.scope, world.user, &here, &our), (&other_scope, other_admin, &there, &their)]
    {
        let twice = [connections[1], connections[1], connections[2]];
        for (creator, used) in [(admin, &[][..]), (members[4], connections), (admin, &twice)] {
            runs.push((creator, run_on(&world, scope, creator, used).await));
        }
    }
    let mut readers = Vec::new();
    for (creator_id, run) in &runs {
        for user_id in our.iter().chain(&their) {
            readers.push(MessageReader {
                scope: run.scope,
                thread_id: run.thread_id,
                creator_id: *creator_id,
                user_id: *user_id,
            });
        }
    }
    let together = store.audience_of_readers(&readers).await.expect("facts");
    assert_eq!(together.len(), readers.len());
    let (mut standings, mut rights) = (Vec::new(), 0);
    for (reader, facts) in readers.iter().zip(&together) {
        let used = store.thread_connections_used(&reader.scope, reader.thread_id).await.expect("ids");
        let alone = store
            .audience_facts(&reader.scope, reader.creator_id, &used, &[reader.user_id])
            .await
            .expect("facts");
        assert_eq!(*facts.data, alone.data, "{reader:?}");
        let expected = alone.viewer(reader.user_id);
        assert_eq!(padded(&facts.viewer, &facts.data), padded(&expected, &facts.data), "{reader:?}");
        standings.push(facts.viewer.standing);
        rights += facts.viewer.access.iter().flatten().count();
    }
    for standing in [Standing::Creator, Standing::Member, Standing::Guest, Standing::Gone] {
        assert!(standings.contains(&standing), "{standing:?} is not among the readers");
    }
    assert!(rights > 20, "{rights} rights were looked at");
    assert_eq!(store.audience_of_readers(&[]).await.expect("nothing"), []);
}

/// Rights that are missing at a viewer's end are none.
fn padded(viewer: &Viewer, data: &DataBehind) -> Viewer {
    let mut viewer = viewer.clone();
    viewer.access.resize(data.connections.len(), None);
    viewer
}
