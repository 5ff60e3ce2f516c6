//! Users, members, groups, preferences, workspaces.

use domain::{TaskId, access::Role};
use store::{Conflict, Error, MemberFilter, NewUser, NotificationPreference, Page};
use testkit::{World, world};

#[tokio::test]
async fn an_address_belongs_to_one_person_whatever_its_case() {
    let world = World::new().await;
    let twin = NewUser {
        email: " Admin@ACME.test".into(),
        name: "Twin".into(),
        password_hash: None,
        timezone: "UTC".into(),
    };
    let taken = world.store().user_create(&twin).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::EmailTaken))));
    let found = world.store().user_by_email("ADMIN@acme.test").await.expect("a look-up").expect("the user");
    assert_eq!(found.id, world.user);
    let again = world.store().member_add(&world.scope, world.user, Role::Guest).await;
    assert!(matches!(again, Err(Error::Conflict(Conflict::AlreadyMember))));
    let slug = world.store().workspace_create("Acme", "acme").await;
    assert!(matches!(slug, Err(Error::Conflict(Conflict::SlugTaken))));
}

#[tokio::test]
async fn members_are_listed_page_by_page_by_name() {
    let world = World::new().await;
    for name in ["bert", "Anna", "carl"] {
        world.member(name, Role::Editor).await;
    }
    let mut seen = Vec::new();
    let mut page = Page::first(2);
    loop {
        let filter = MemberFilter::default();
        let listed = world.store().member_list(&world.scope, &filter, &page).await.expect("members");
        seen.extend(listed.values.into_iter().map(|member| member.name));
        match listed.next {
            Some(next) => page = Page::after(2, Some(next)),
            None => break,
        }
    }
    assert_eq!(seen, ["admin", "Anna", "bert", "carl"]);
}

#[tokio::test]
async fn a_member_of_one_workspace_is_nobody_in_another() {
    let world = World::new().await;
    let (_, stranger) = world::workspace(world.store(), "beta").await;
    assert_eq!(world.store().member_get(&world.scope, stranger).await.expect("a look-up"), None);
    let renamed = world.store().member_update_profile(&world.scope, stranger, Some("Mallory"), None).await;
    assert!(matches!(renamed, Err(Error::NotFound)));
    let grouped = world.store().group_create(&world.scope, "Growth", &[stranger]).await;
    assert!(matches!(grouped, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_profile_changes_and_a_role_too() {
    let world = World::new().await;
    let erin = world.member("erin", Role::Guest).await;
    world
        .store()
        .member_update_profile(&world.scope, erin, None, Some("Europe/Berlin"))
        .await
        .expect("a change");
    world.store().member_set_role(&world.scope, erin, Role::Manager).await.expect("a change");
    let read = world.store().member_get(&world.scope, erin).await.expect("a read").expect("the member");
    assert_eq!(
        (read.name.as_str(), read.timezone.as_str(), read.role),
        ("erin", "Europe/Berlin", Role::Manager)
    );
    assert_eq!(
        world.number("SELECT count(*) FROM audit_log WHERE action IN ('user.update', 'member.role')").await,
        2
    );
}

#[tokio::test]
async fn groups_are_made_changed_and_deleted() {
    let world = World::new().await;
    let (erin, finn) = (world.member("erin", Role::Editor).await, world.member("finn", Role::Editor).await);
    let store = world.store();
    let growth = store.group_create(&world.scope, "Growth", &[erin]).await.expect("a group");
    let taken = store.group_create(&world.scope, "GROWTH", &[]).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::GroupNameTaken))));
    store.group_update(&world.scope, growth, Some("Growth team"), &[finn], &[erin]).await.expect("a change");
    let read = store.group_get(&world.scope, growth).await.expect("a read").expect("the group");
    assert_eq!((read.name.as_str(), read.member_ids), ("Growth team", vec![finn]));
    let filter = MemberFilter { group_id: Some(growth), ..MemberFilter::default() };
    let listed = store.member_list(&world.scope, &filter, &Page::first(9)).await.expect("members");
    assert_eq!(listed.values.len(), 1);
    store.group_delete(&world.scope, growth).await.expect("a deletion");
    assert!(store.group_list(&world.scope, &Page::first(9)).await.expect("groups").values.is_empty());
    assert!(matches!(store.group_delete(&world.scope, growth).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn preferences_are_by_email_until_they_are_changed() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let read = world.store().preference_get(&world.scope, world.user).await.expect("a read");
    assert_eq!(read, NotificationPreference { email: true, slack_dm: false, quiet_task_ids: vec![] });
    let wish = NotificationPreference {
        email: false,
        slack_dm: true,
        quiet_task_ids: vec![task.id, TaskId::new(world.database.time.now())],
    };
    world.store().preference_put(&world.scope, world.user, &wish).await.expect("a change");
    let read = world.store().preference_get(&world.scope, world.user).await.expect("a read");
    assert_eq!(read.quiet_task_ids, [task.id], "a task that does not exist is left out");
    assert!(!read.email && read.slack_dm);
    world.store().preference_ways_put(&world.scope, world.user, true, false).await.expect("a change");
    let read = world.store().preference_get(&world.scope, world.user).await.expect("a read");
    assert_eq!((read.email, read.slack_dm), (true, false));
    assert_eq!(read.quiet_task_ids, [task.id], "left as they are");
    world
        .store()
        .preference_put(&world.scope, world.user, &NotificationPreference { quiet_task_ids: vec![], ..wish })
        .await
        .expect("a change");
    let read = world.store().preference_get(&world.scope, world.user).await.expect("a read");
    assert!(read.quiet_task_ids.is_empty());
}

#[tokio::test]
async fn an_operator_finds_workspaces_and_scopes() {
    let world = World::new().await;
    let listed = world.store().workspace_list().await.expect("workspaces");
    assert_eq!(listed.len(), 1);
    let scope = world.store().scope_for_operator(listed[0].id).await.expect("a scope");
    assert_eq!(scope.workspace_id(), world.scope.workspace_id());
    let nowhere = domain::WorkspaceId::new(world.database.time.now());
    assert!(matches!(world.store().scope_for_operator(nowhere).await, Err(Error::NotFound)));
    let (major, text) = store::server_version(&world.database.url).await.expect("a version");
    assert!(major >= 15 && text.starts_with(&major.to_string()), "{major} {text}");
}
