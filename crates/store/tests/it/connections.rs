//! Data sources, their secrets, and grants.

use chrono::TimeDelta;
use domain::access::{ConnectionAccess, Role};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use store::{Conflict, ConnectionChange, ConnectionTest, Error, Grant, NewConnection, Page, Subject};
use testkit::{World, world};

fn postgres(name: &str) -> NewConnection {
    NewConnection {
        name: name.into(),
        engine: "postgres".into(),
        description: "Orders".into(),
        details: json!({ "hostname": "db.test" }),
        secret: Some(SecretString::from(r#"{"password":"canary-7f3a"}"#)),
        limits: json!({}),
        freshness: None,
    }
}

#[tokio::test]
async fn a_secret_comes_back_and_lies_nowhere_in_the_clear() {
    let world = World::new().await;
    let made =
        world.store().connection_create(&world.scope, world.user, &postgres("Shop")).await.expect("made");
    assert_eq!((made.access, made.version), (Some(ConnectionAccess::Manage), 1));
    let secret =
        world.store().connection_secret(&world.scope, made.id).await.expect("opened").expect("a secret");
    assert_eq!(secret.expose_secret(), r#"{"password":"canary-7f3a"}"#);
    assert_eq!(
        world.number("SELECT count(*) FROM connection WHERE connection::text LIKE '%canary%'").await,
        0
    );
    assert_eq!(world.number("SELECT count(*) FROM audit_log WHERE audit_log::text LIKE '%canary%'").await, 0);
    // Moved to another row it does not open.
    let thief = world::connection(world.store(), &world.scope, world.user, "Thief").await;
    let moved = format!(
        "UPDATE connection SET (secret, secret_key_id) = (SELECT secret, secret_key_id FROM connection WHERE id = '{}')
         WHERE id = '{thief}'",
        made.id
    );
    world.execute(&moved).await;
    assert!(matches!(world.store().connection_secret(&world.scope, thief).await, Err(Error::Vault(_))));
}

#[tokio::test]
async fn a_name_is_taken_regardless_of_case_until_its_connection_is_deleted() {
    let world = World::new().await;
    let taken = world.store().connection_create(&world.scope, world.user, &postgres("FLIGHTS")).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::ConnectionNameTaken))));
    world.store().connection_delete(&world.scope, world.connection).await.expect("a deletion");
    world
        .store()
        .connection_create(&world.scope, world.user, &postgres("FLIGHTS"))
        .await
        .expect("the name is free");
    let deleted = world.store().connection_get(&world.scope, world.connection, None).await.expect("a read");
    assert!(deleted.expect("it still has a name").deleted_at.is_some());
    let secret = world.store().connection_secret(&world.scope, world.connection).await;
    assert!(matches!(secret, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name_and_a_lost_update_is_refused() {
    let world = World::new().await;
    let store = world.store();
    let made = store.connection_create(&world.scope, world.user, &postgres("Shop")).await.expect("made");
    let renamed = ConnectionChange { name: Some("Store".into()), ..ConnectionChange::default() };
    store.connection_update(&world.scope, made.id, &renamed, Some(1)).await.expect("a change");
    let lost = store.connection_update(&world.scope, made.id, &renamed, Some(1)).await;
    assert!(matches!(lost, Err(Error::Conflict(Conflict::VersionMismatch))));
    let read =
        store.connection_get(&world.scope, made.id, Some(world.user)).await.expect("a read").expect("it");
    assert_eq!((read.name.as_str(), read.description.as_str(), read.version), ("Store", "Orders", 2));
    assert!(store.connection_secret(&world.scope, made.id).await.expect("opened").is_some());
    let test = ConnectionTest {
        ok: true,
        at: world.database.time.now(),
        message: "fine".into(),
        tables: Some(5),
        freshness: None,
    };
    store.connection_tested(&world.scope, made.id, &test).await.expect("stored");
    let read = store.connection_get(&world.scope, made.id, None).await.expect("a read").expect("it");
    assert_eq!((read.last_test, read.access), (Some(test), None));
}

#[tokio::test]
async fn the_best_of_all_grants_counts() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Editor).await;
    let id = world.connection;
    let access = async || store.connection_access(&world.scope, erin, id).await.expect("a look-up");
    assert_eq!(access().await, None);
    let group = store.group_create(&world.scope, "Growth", &[erin]).await.expect("a group");
    let grant = |subject, access| Grant { subject, label: String::new(), access };
    let everyone = grant(Subject::Workspace, ConnectionAccess::ViewResults);
    store.grant_put(&world.scope, id, std::slice::from_ref(&everyone)).await.expect("granted");
    assert_eq!(access().await, Some(ConnectionAccess::ViewResults));
    let of_group = grant(Subject::Group(group), ConnectionAccess::Manage);
    let of_user = grant(Subject::User(erin), ConnectionAccess::Query);
    store.grant_put(&world.scope, id, &[everyone, of_group, of_user.clone()]).await.expect("granted");
    assert_eq!(access().await, Some(ConnectionAccess::Manage));
    let listed = store.grant_list(&world.scope, id).await.expect("grants");
    let labels: Vec<_> = listed.iter().map(|grant| grant.label.as_str()).collect();
    assert_eq!(labels, ["Everyone in the workspace", "Growth", "erin"]);
    store.group_delete(&world.scope, group).await.expect("a deletion");
    assert_eq!(access().await, Some(ConnectionAccess::Query), "the group's grant went with it");
    let denied = store
        .connections_denied(&world.scope, erin, &[id], ConnectionAccess::Manage)
        .await
        .expect("a look-up");
    assert_eq!(denied, [id]);
    store.grant_put(&world.scope, id, &[]).await.expect("taken away");
    assert_eq!(access().await, None);
    let admin = store.connection_access(&world.scope, world.user, id).await.expect("a look-up");
    assert_eq!(admin, Some(ConnectionAccess::Manage), "an admin manages every connection");
    let (_, stranger) = world::workspace(store, "beta").await;
    let foreign =
        store.grant_put(&world.scope, id, &[Grant { subject: Subject::User(stranger), ..of_user }]).await;
    assert!(matches!(foreign, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn one_lists_what_one_may_use() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Editor).await;
    world.step(TimeDelta::seconds(1));
    let second = world::connection(store, &world.scope, world.user, "airports").await;
    let listed = store.connection_list(&world.scope, world.user, &Page::first(1)).await.expect("connections");
    assert_eq!(listed.values[0].id, second);
    let rest = store
        .connection_list(&world.scope, world.user, &Page::after(1, listed.next))
        .await
        .expect("connections");
    assert_eq!((rest.values[0].id, rest.next), (world.connection, None));
    assert!(
        store
            .connection_list(&world.scope, erin, &Page::first(9))
            .await
            .expect("connections")
            .values
            .is_empty()
    );
    let view =
        Grant { subject: Subject::User(erin), label: String::new(), access: ConnectionAccess::ViewResults };
    store.grant_put(&world.scope, second, &[view]).await.expect("granted");
    assert_eq!(
        store.connection_list(&world.scope, erin, &Page::first(9)).await.expect("connections").values.len(),
        1
    );
    assert!(store.connection_queryable(&world.scope, erin).await.expect("connections").is_empty());
}
