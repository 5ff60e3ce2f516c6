//! Saving, listing and changing tasks. When they fire: the scheduler's tests.

use chrono::TimeDelta;
use domain::{
    ConnectionId, UserId,
    access::Role,
    schedule::Schedule,
    task::{SlackChannel, TaskStatus},
};
use store::{Conflict, Error, Page, TaskFilter, TaskSort};
use testkit::{World, world};

#[tokio::test]
async fn a_task_is_read_as_it_was_written() {
    let world = World::new().await;
    let erin = world.member("erin", Role::Editor).await;
    let group = world.store().group_create(&world.scope, "Growth", &[erin]).await.expect("a group");
    let (user, connection) = (world.user, world.connection);
    let mut written = None;
    let made = world.task(|spec| {
        spec.context.connection_ids = vec![connection];
        spec.notification.user_ids = vec![user, erin];
        spec.notification.group_ids = vec![group];
        spec.notification.slack_channels = vec![SlackChannel { id: "C1".into(), name: "#growth".into() }];
        spec.notification.attach_csv = true;
        written = Some(spec.clone());
    });
    let made = made.await;
    let read = world.store().task_get(&world.scope, made.id).await.expect("a read").expect("the task");
    assert_eq!(read, made);
    assert_eq!(Some(read.spec()), written);
    assert_eq!((read.status, read.version, read.last_run), (TaskStatus::Active, 1, None));
}

#[tokio::test]
async fn references_that_lead_nowhere_are_named() {
    let world = World::new().await;
    let (_, stranger) = world::workspace(world.store(), "beta").await;
    let erin = world.member("erin", Role::Editor).await;
    let mut spec = world::task_spec(erin);
    spec.context.connection_ids = vec![world.connection, ConnectionId::new(world.database.time.now())];
    spec.notification.user_ids = vec![erin, stranger];
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    let Err(Error::Invalid(invalid)) = world.store().task_create(&world.scope, erin, &spec, &schedule).await
    else {
        panic!("a refusal was due")
    };
    let paths: Vec<_> = invalid.issues.iter().map(|issue| issue.path.as_str()).collect();
    assert_eq!(
        paths,
        ["context.connectionIds[0]", "context.connectionIds[1]", "notification.userIds[1]"],
        "a connection that one may not query is as good as none"
    );
}

#[tokio::test]
async fn a_deleted_connection_is_flagged_and_keeps_its_name() {
    let world = World::new().await;
    let connection = world.connection;
    let task = world.task(|spec| spec.context.connection_ids = vec![connection]).await;
    assert!(task.missing_connections.is_empty());
    world.store().connection_delete(&world.scope, connection).await.expect("a deletion");
    let read = world.store().task_get(&world.scope, task.id).await.expect("a read").expect("the task");
    assert_eq!(read.context.connection_ids, [connection]);
    assert_eq!(
        (read.missing_connections[0].id, read.missing_connections[0].label.as_str()),
        (connection, "Flights")
    );
    // Its creator may still change the rest.
    let schedule = Schedule::parse(read.schedule.clone(), "").expect("a schedule");
    world.store().task_update(&world.scope, task.id, &read.spec(), &schedule, None).await.expect("a change");
}

#[tokio::test]
async fn tasks_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    let erin = world.member("erin", Role::Editor).await;
    for (title, hour) in [("banana", "12:00"), ("Apple", "10:00"), ("100%_cherry", "14:00")] {
        world.step(TimeDelta::seconds(1));
        world
            .task(|spec| {
                spec.title = title.into();
                spec.schedule.window_start = hour.into();
            })
            .await;
    }
    let scope = world.store().user_scopes(erin).await.expect("scopes").remove(0);
    world.task_of(&scope, erin, |spec| spec.title = "Erin's".into()).await;
    let list = async |filter: TaskFilter, sort| {
        let mut titles = Vec::new();
        let mut page = Page::first(2);
        loop {
            let listed = world.store().task_list(&world.scope, &filter, sort, &page).await.expect("tasks");
            titles.extend(listed.values.into_iter().map(|task| task.title));
            let Some(next) = listed.next else { return titles };
            page = Page::after(2, Some(next));
        }
    };
    let mine = TaskFilter { creator_id: Some(world.user), ..TaskFilter::default() };
    assert_eq!(list(mine.clone(), TaskSort::CreatedAt).await, ["100%_cherry", "Apple", "banana"]);
    assert_eq!(list(mine.clone(), TaskSort::Title).await, ["100%_cherry", "Apple", "banana"]);
    assert_eq!(list(mine.clone(), TaskSort::NextRunAt).await, ["Apple", "banana", "100%_cherry"]);
    assert_eq!(list(TaskFilter::default(), TaskSort::Title).await.len(), 4);
    let text = |text: &str| TaskFilter { text: Some(text.into()), ..mine.clone() };
    assert_eq!(list(text("APPL"), TaskSort::Title).await, ["Apple"]);
    assert_eq!(list(text("%_c"), TaskSort::Title).await, ["100%_cherry"], "no wildcards");
    let paused = TaskFilter { status: Some(TaskStatus::Paused), ..mine };
    assert!(list(paused, TaskSort::Title).await.is_empty());
}

#[tokio::test]
async fn a_deactivated_member_saves_and_runs_nothing() {
    let world = World::new().await;
    let erin = world.member("erin", Role::Editor).await;
    let task = world.task_of(&world.scope, erin, |_| ()).await;
    world.store().member_deactivate(&world.scope, erin).await.expect("a deactivation");
    let spec = world::task_spec(erin);
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    let saved = world.store().task_create(&world.scope, erin, &spec, &schedule).await;
    assert!(matches!(saved, Err(Error::Conflict(Conflict::CreatorDeactivated))));
    let run = world.store().task_run(&world.scope, task.id, None).await;
    assert!(matches!(run, Err(Error::Conflict(Conflict::TaskCancelled))));
}

#[tokio::test]
async fn every_change_of_a_task_leaves_one_audit_row() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    let store = world.store();
    let (scope, id) = (&world.scope, task.id);
    let schedule = Schedule::parse(task.schedule.clone(), "").expect("a schedule");
    store.task_update(scope, id, &task.spec(), &schedule, None).await.expect("a change");
    store.task_pause(scope, id).await.expect("a pause");
    store.task_pause(scope, id).await.expect("pausing again changes nothing");
    store.task_resume(scope, id).await.expect("resumed");
    store.task_extend(scope, id, None).await.expect("extended");
    store.task_run(scope, id, Some(world.user)).await.expect("a test");
    store.task_delete(scope, id).await.expect("a deletion");
    // A refused change leaves none.
    assert!(matches!(store.task_delete(scope, id).await, Err(Error::NotFound)));
    for action in ["create", "update", "pause", "resume", "extend", "run", "delete"] {
        let query = format!(
            "SELECT count(*) FROM audit_log WHERE action = 'task.{action}' AND subject_id = '{id}'
               AND actor_kind = 'user' AND actor_id = '{}'",
            world.user
        );
        assert_eq!(world.number(&query).await, 1, "{action}");
    }
}

#[tokio::test]
async fn an_unreadable_row_is_an_error_that_names_its_place() {
    let world = World::new().await;
    let task = world.task(|_| ()).await;
    world.execute("UPDATE task SET schedule = '{\"cron\": \"* * * * *\"}'").await;
    let error = world.store().task_get(&world.scope, task.id).await.expect_err("an error");
    assert_eq!(error.to_string(), format!("column task.schedule of row {} cannot be read", task.id));
    let nobody = UserId::new(world.database.time.now());
    assert!(world.store().member_get(&world.scope, nobody).await.expect("a look-up").is_none());
}
