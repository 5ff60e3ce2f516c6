//! Threads: questions, steps, results, charts, answers; and that only the holder of the lease writes.

use chrono::TimeDelta;
use domain::{
    ResultId, ThreadId,
    access::{ConnectionAccess, Role},
    answer::{Answer, Figure, ShownResult},
    audience::ConnectionAudience,
    run::{RunReason, RunStatus, Usage},
    step::{ModelProvider, StepBody, ToolCall},
    table::{Cell, Column, ColumnType, Table, Truncation},
    thread::{ThreadSource, ThreadStatus, TurnStatus},
};
use serde_json::json;
use store::{
    AfterFailure, ClaimedRun, Conflict, Error, Grant, MessageReader, NewChart, NewQuestion, NewResult, Page,
    StoredResult, Subject, ThreadFilter, ThreadRights,
};
use testkit::{World, world};

fn question(prompt: &str) -> NewQuestion {
    NewQuestion {
        prompt: prompt.into(),
        connection_ids: vec![],
        timezone: "Europe/Berlin".into(),
        source: ThreadSource::Page,
    }
}

fn notice(text: &str) -> StepBody {
    StepBody::Notice { text: text.into() }
}

fn table(rows: usize) -> Table {
    Table {
        columns: vec![Column::new("n", ColumnType::Integer), Column::new("name", ColumnType::Text)],
        rows: (0..rows).map(|n| vec![Cell::Int(n as i64), Cell::Text(format!("row {n}\0"))]).collect(),
        truncated: Some(Truncation::Rows),
    }
}

async fn store_result(world: &World, run: &ClaimedRun, call_id: &str, table: &Table) -> StoredResult {
    let result = NewResult {
        thread_id: run.thread_id,
        turn_no: run.turn_no,
        call_id,
        connection_id: world.connection,
        sql: "SELECT 1",
        table,
        elapsed_ms: 7,
    };
    world.store().result_store(&run.scope, &run.lease, &result).await.expect("a result")
}

#[tokio::test]
async fn a_question_is_asked_answered_and_followed_up() {
    let world = World::new().await;
    let store = world.store();
    let mut asked =
        question("How many in @[Flights](connection:019396f0-0000-7000-8000-000000000001)?\nPlease.");
    asked.connection_ids = vec![world.connection];
    let started = store.thread_ask(&world.scope, world.user, &asked).await.expect("asked");
    let busy = store.thread_followup(&world.scope, started.thread_id, &question("And?")).await;
    assert!(matches!(busy, Err(Error::Conflict(Conflict::ThreadBusy))));
    let run = world.claim_one().await;
    assert_eq!((run.lease.run_id, run.thread_id, run.task_id), (started.run_id, started.thread_id, None));
    assert_eq!(
        (run.timezone.as_str(), run.connection_ids.as_slice()),
        ("Europe/Berlin", &[world.connection][..])
    );
    let first =
        store.step_append(&run.scope, &run.lease, run.thread_id, 1, &notice("one"), 5).await.expect("a step");
    let second = store
        .step_append(&run.scope, &run.lease, run.thread_id, 1, &notice("two\0"), 5)
        .await
        .expect("a step");
    assert_eq!((first.seq, second.seq), (1, 2));
    let figure =
        Figure { id: "f1".into(), text: "58,665".into(), checked: true, expression: None, cells: vec![] };
    let answer = Answer { headline: "United: {{f1}}".into(), figures: vec![figure], ..Answer::default() };
    let usage = Usage { tokens_in: 10, tokens_out: 2, credits: 0.5, queries: 1, rows: 3 };
    store.run_succeed(&run.scope, &run.lease, &answer, &usage).await.expect("an end");

    let thread = store.thread_get(&world.scope, run.thread_id).await.expect("a read").expect("the thread");
    assert_eq!((thread.title.as_str(), thread.status), ("How many in Flights?", ThreadStatus::Idle));
    assert_eq!((thread.headline.as_deref(), thread.last_seq), (Some("United: 58,665"), 3));
    let turns = store.turn_list(&world.scope, run.thread_id).await.expect("turns");
    assert_eq!(
        (turns[0].status, turns[0].finished_seq, turns[0].run_id),
        (TurnStatus::Answered, Some(3), Some(started.run_id))
    );
    assert_eq!(turns[0].answer.as_ref(), Some(&answer));
    let steps = store.step_list(&world.scope, run.thread_id, 1).await.expect("steps");
    assert_eq!(steps, [second], "those after 1");
    let read = store.run_get(&world.scope, started.run_id).await.expect("a read").expect("the run");
    assert_eq!((read.status, read.usage, read.deliveries.pending), (RunStatus::Succeeded, usage, 0));

    let followed =
        store.thread_followup(&world.scope, run.thread_id, &question("And?")).await.expect("followed up");
    assert_eq!((followed.thread_id, followed.turn_no), (run.thread_id, 2));
    let run = world.claim_one().await;
    assert_eq!((run.prompt.as_str(), run.turn_no), ("And?", 2));
    let step =
        store.step_append(&run.scope, &run.lease, run.thread_id, 2, &notice("x"), 0).await.expect("a step");
    assert_eq!(step.seq, 4, "one sequence through the thread");
}

#[tokio::test]
async fn who_lost_the_lease_writes_nothing_more() {
    let world = World::new().await;
    let store = world.store();
    store.thread_ask(&world.scope, world.user, &question("Why?")).await.expect("asked");
    let stale = world.claim_one().await;
    let result = store_result(&world, &stale, "call-1", &table(1)).await;
    world.step(TimeDelta::seconds(60));
    store.run_rescue(10).await.expect("a rescue");
    let fresh = world.claim_one().await;
    let (scope, lease) = (&stale.scope, &stale.lease);
    let (thread_id, table, usage) = (stale.thread_id, table(1), Usage::default());
    let step = store.step_append(scope, lease, thread_id, 1, &notice("x"), 0).await.map(drop);
    let new = NewResult {
        thread_id,
        turn_no: 1,
        call_id: "call-2",
        connection_id: world.connection,
        sql: "SELECT 1",
        table: &table,
        elapsed_ms: 0,
    };
    let stored = store.result_store(scope, lease, &new).await.map(drop);
    let chart = NewChart {
        thread_id,
        turn_no: 1,
        call_id: "call-3",
        result_id: result.id,
        title: "t",
        alt: "a",
        spec: &json!({}),
        vega: &json!({}),
        svg: "<svg/>",
        png: b"png",
        width: 600,
        height: 300,
    };
    let drawn = store.chart_store(scope, lease, &chart).await.map(drop);
    let ended = store.run_succeed(scope, lease, &Answer::default(), &usage).await;
    let failed = store.run_fail(scope, lease, RunReason::Internal, "x", &usage).await.map(drop);
    let stopped = store.run_stop(scope, lease, &usage).await;
    let checked = store.run_check(scope, lease).await;
    for (write, outcome) in [step, stored, drawn, ended, failed, stopped, checked].into_iter().enumerate() {
        assert!(matches!(outcome, Err(Error::LeaseLost)), "write {write}: {outcome:?}");
    }
    assert_eq!(store.run_release(&[*lease]).await.expect("nothing"), 0);
    assert!(store.step_list(&world.scope, thread_id, 0).await.expect("steps").is_empty());
    // The fresh holder goes on, and the call that had finished is not stored twice.
    let again = store_result(&world, &fresh, "call-1", &table).await;
    assert_eq!(again, result);
    let drawn = store.chart_store(&fresh.scope, &fresh.lease, &chart).await.expect("a chart");
    assert_eq!(drawn.handle, "c1");
    assert_eq!(store.chart_store(&fresh.scope, &fresh.lease, &chart).await.expect("the same").id, drawn.id);
    world.succeed(&fresh).await;
    assert!(matches!(
        store.run_succeed(&fresh.scope, &fresh.lease, &Answer::default(), &usage).await,
        Err(Error::LeaseLost)
    ));
}

#[tokio::test]
async fn results_are_stored_in_chunks_and_read_in_pages() {
    let world = World::new().await;
    let store = world.store();
    store.thread_ask(&world.scope, world.user, &question("Why?")).await.expect("asked");
    let run = world.claim_one().await;
    let whole = table(2_500);
    let result = store_result(&world, &run, "call-1", &whole).await;
    assert_eq!((result.handle.as_str(), result.row_count), ("r1", 2_500));
    assert_eq!((result.truncated, result.connection_name.as_str()), (Some(Truncation::Rows), "Flights"));
    assert_eq!(world.number("SELECT count(*) FROM result_chunk").await, 3);
    for (offset, limit) in
        [(0, 10), (995, 10), (1_000, 1_000), (999, 1_002), (2_499, 10), (2_500, 10), (0, 0)]
    {
        let rows = store.result_rows(&world.scope, result.id, offset, limit).await.expect("rows");
        let end = whole.rows.len().min((offset + limit) as usize);
        assert_eq!(rows, whole.rows[(offset as usize).min(end)..end], "{limit} from {offset}");
    }
    let read = store.result_table(&world.scope, result.id).await.expect("a read").expect("the result");
    assert_eq!(read, whole);
    let empty = store_result(&world, &run, "call-2", &Table::default()).await;
    assert_eq!((empty.handle.as_str(), empty.truncated), ("r2", None));
    let listed = store.result_list(&world.scope, run.thread_id).await.expect("results");
    assert_eq!(listed.iter().map(|result| result.handle.as_str()).collect::<Vec<_>>(), ["r1", "r2"]);
    let by_call = store.result_by_call(&world.scope, run.thread_id, 1, "call-2").await.expect("a look-up");
    assert_eq!(by_call.map(|result| result.id), Some(empty.id));
    let nowhere = ResultId::new(world.database.time.now());
    assert!(store.result_table(&world.scope, nowhere).await.expect("a read").is_none());
    assert_eq!(
        store.thread_connections_used(&world.scope, run.thread_id).await.expect("ids"),
        [world.connection]
    );

    let chart = NewChart {
        thread_id: run.thread_id,
        turn_no: 1,
        call_id: "call-3",
        result_id: result.id,
        title: "Title",
        alt: "Alt",
        spec: &json!({ "mark": "bar" }),
        vega: &json!({ "marks": ["\0"] }),
        svg: "<svg/>",
        png: b"png",
        width: 600,
        height: 300,
    };
    let drawn = store.chart_store(&run.scope, &run.lease, &chart).await.expect("a chart");
    let listed = store.chart_list(&world.scope, run.thread_id).await.expect("charts");
    assert_eq!(listed, std::slice::from_ref(&drawn));
    assert_eq!(store.chart_get(&world.scope, drawn.id).await.expect("a read"), Some(drawn.clone()));
    assert_eq!(
        store.chart_vega(&world.scope, drawn.id).await.expect("a read"),
        Some(json!({ "marks": ["\0"] }))
    );
    assert_eq!(store.chart_svg(&world.scope, drawn.id).await.expect("a read").as_deref(), Some("<svg/>"));
    assert_eq!(store.chart_png(&world.scope, drawn.id).await.expect("a read").as_deref(), Some(&b"png"[..]));
}

#[tokio::test]
async fn cancelling_ends_what_waits_at_once_and_what_runs_before_its_next_step() {
    let world = World::new().await;
    let store = world.store();
    let waiting = store.thread_ask(&world.scope, world.user, &question("One?")).await.expect("asked");
    store.run_cancel(&world.scope, waiting.run_id).await.expect("cancelled");
    let again = store.run_cancel(&world.scope, waiting.run_id).await;
    assert!(matches!(again, Err(Error::Conflict(Conflict::RunFinished))));
    let read = store.run_get(&world.scope, waiting.run_id).await.expect("a read").expect("the run");
    assert_eq!((read.status, read.reason), (RunStatus::Cancelled, Some(RunReason::CancelledByUser)));
    assert_eq!(read.message.as_deref(), Some("It was cancelled."));

    let running = store.thread_ask(&world.scope, world.user, &question("Two?")).await.expect("asked");
    let run = world.claim_one().await;
    store.thread_cancel(&world.scope, running.thread_id).await.expect("asked to stop");
    let held = store.run_heartbeat(&[run.lease]).await.expect("a heartbeat");
    assert_eq!(held[0].stop, Some(RunReason::CancelledByUser));
    let step = store.step_append(&run.scope, &run.lease, run.thread_id, 1, &notice("x"), 0).await;
    assert!(matches!(step, Err(Error::RunStopped(RunReason::CancelledByUser))));
    let answered = store.run_succeed(&run.scope, &run.lease, &Answer::default(), &Usage::default()).await;
    assert!(matches!(answered, Err(Error::RunStopped(_))), "it came too late");
    let failed = store.run_fail(&run.scope, &run.lease, RunReason::Internal, "x", &Usage::default()).await;
    assert_eq!(failed.expect("an end"), AfterFailure::Ended);
    let turns = store.turn_list(&world.scope, run.thread_id).await.expect("turns");
    assert_eq!(turns[0].status, TurnStatus::Cancelled);
    let thread = store.thread_get(&world.scope, run.thread_id).await.expect("a read").expect("the thread");
    assert_eq!(thread.status, ThreadStatus::Idle);
    let idle = store.thread_cancel(&world.scope, running.thread_id).await;
    assert!(matches!(idle, Err(Error::Conflict(Conflict::RunFinished))));
}

#[tokio::test]
async fn a_question_that_fails_ends_at_once_and_may_be_asked_again() {
    let world = World::new().await;
    let store = world.store();
    let started = store.thread_ask(&world.scope, world.user, &question("One?")).await.expect("asked");
    let run = world.claim_one().await;
    let usage = Usage::default();
    let failed =
        store.run_fail(&run.scope, &run.lease, RunReason::ModelUnavailable, "no answer", &usage).await;
    assert_eq!(failed.expect("a failure"), AfterFailure::Ended, "nobody waits for hours");
    let thread =
        store.thread_get(&world.scope, started.thread_id).await.expect("a read").expect("the thread");
    assert_eq!(thread.status, ThreadStatus::Error);
    store.thread_followup(&world.scope, started.thread_id, &question("Again?")).await.expect("followed up");
}

#[tokio::test]
async fn a_run_that_was_handed_back_is_claimable_at_once_and_did_not_count() {
    let world = World::new().await;
    world.store().thread_ask(&world.scope, world.user, &question("One?")).await.expect("asked");
    let run = world.claim_one().await;
    assert_eq!(world.store().run_release(&[run.lease]).await.expect("handed back"), 1);
    let again = world.claim_one().await;
    assert_eq!((again.attempt, again.lease.run_id), (1, run.lease.run_id));
}

#[tokio::test]
async fn later_runs_see_earlier_threads_and_answers_are_found_by_their_words() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    for day in 0..3 {
        store.task_run(&world.scope, task.id, None).await.expect("a run");
        let run = world.claim_one().await;
        let result = store_result(&world, &run, "call", &table(30)).await;
        let answer = Answer {
            headline: format!("Airlines, day {day}"),
            results: vec![ShownResult { id: result.id, handle: result.handle }],
            ..Answer::default()
        };
        store.run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await.expect("an end");
        world.step(TimeDelta::days(1));
    }
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    let earlier =
        store.task_previous_threads(&world.scope, task.id, run.thread_id, 2, 20).await.expect("threads");
    let headlines: Vec<_> = earlier.iter().map(|thread| thread.answer.headline.as_str()).collect();
    assert_eq!(headlines, ["Airlines, day 2", "Airlines, day 1"]);
    let result = &earlier[0].results[0];
    assert_eq!((result.rows.len(), result.row_count, result.sql.as_str()), (20, 30, "SELECT 1"));
    let found = store.past_answers(&world.scope, world.user, "flights by airline", 5).await.expect("answers");
    assert_eq!((found.len(), found[0].sql.as_slice()), (3, &["SELECT 1".to_owned()][..]));
    assert!(
        store
            .past_answers(&world.scope, world.user, "orders; drop & | !", 5)
            .await
            .expect("answers")
            .is_empty()
    );
    let filter = ThreadFilter { task_id: Some(task.id), ..ThreadFilter::default() };
    let listed = store.thread_list(&world.scope, &filter, &Page::first(3)).await.expect("threads");
    assert_eq!((listed.values.len(), listed.values[0].id), (3, run.thread_id));
    assert!(listed.next.is_some());
}

#[tokio::test]
async fn a_test_run_is_no_earlier_run() {
    let world = World::new().await;
    let store = world.store();
    let task = world.task(|_| ()).await;
    for (headline, test_to) in [("A run", None), ("A test", Some(world.user))] {
        store.task_run(&world.scope, task.id, test_to).await.expect("a run");
        let run = world.claim_one().await;
        let answer = Answer { headline: headline.into(), ..Answer::default() };
        store.run_succeed(&run.scope, &run.lease, &answer, &Usage::default()).await.expect("an end");
        world.step(TimeDelta::days(1));
    }
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    let earlier =
        store.task_previous_threads(&world.scope, task.id, run.thread_id, 5, 20).await.expect("threads");
    let headlines: Vec<_> = earlier.iter().map(|thread| thread.answer.headline.as_str()).collect();
    assert_eq!(headlines, ["A run"]);
}

#[tokio::test]
async fn a_thread_is_its_creators_and_the_recipients_who_may_see_its_data() {
    let world = World::new().await;
    let store = world.store();
    let (erin, finn) = (world.member("erin", Role::Member).await, world.member("finn", Role::Member).await);
    let task = world.task(|spec| spec.notification.user_ids = vec![erin]).await;
    store.task_run(&world.scope, task.id, None).await.expect("a run");
    let run = world.claim_one().await;
    store_result(&world, &run, "call", &table(1)).await;
    world.succeed(&run).await;
    let rights = async |user| store.thread_rights(&world.scope, run.thread_id, user).await.expect("rights");
    assert_eq!(rights(world.user).await, ThreadRights::Creator);
    assert_eq!(rights(erin).await, ThreadRights::None, "told, but not granted");
    let everyone =
        Grant { subject: Subject::Workspace, label: String::new(), access: ConnectionAccess::ViewResults };
    store.grant_put(&world.scope, world.connection, &[everyone]).await.expect("granted");
    assert_eq!(rights(erin).await, ThreadRights::Reader);
    assert_eq!(rights(finn).await, ThreadRights::None, "granted, but not told");
    let nowhere = ThreadId::new(world.database.time.now());
    assert_eq!(store.thread_rights(&world.scope, nowhere, erin).await.expect("rights"), ThreadRights::None);
}

/// With `connection_read` taken out of the view `connection_used`, all of this is as if nothing had been read.
#[tokio::test]
async fn what_a_thread_was_given_without_a_result_counts_as_used() {
    let world = World::new().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let payroll = world::connection(store, &world.scope, world.user, "Payroll").await;
    let everyone =
        Grant { subject: Subject::Workspace, label: String::new(), access: ConnectionAccess::ViewResults };
    store.grant_put(&world.scope, world.connection, &[everyone]).await.expect("granted");
    let rule = ConnectionAudience { is_sensitive: true, ..ConnectionAudience::default() };
    store.connection_audience_put(&world.scope, payroll, &rule).await.expect("a rule");
    store.thread_ask(&world.scope, world.user, &question("Why?")).await.expect("asked");
    let run = world.claim_one().await;
    let thread_id = run.thread_id;
    store_result(&world, &run, "call-1", &table(1)).await;
    store.thread_share_put(&world.scope, thread_id, &[Subject::User(erin)]).await.expect("shared");

    let reader = MessageReader { scope: world.scope, thread_id, creator_id: world.user, user_id: erin };
    let behind = async || {
        let used = store.thread_connections_used(&world.scope, thread_id).await.expect("ids");
        let facts = store.audience_of_readers(&[reader]).await.expect("facts");
        let names: Vec<_> = facts[0].data.connections.iter().map(|used| used.name.clone()).collect();
        assert_eq!(used.len(), names.len(), "the two look-ups agree");
        names
    };
    let seen_by_erin = async || {
        let filter = ThreadFilter { readable_by: Some(erin), ..ThreadFilter::default() };
        let listed = store.thread_list(&world.scope, &filter, &Page::first(10)).await.expect("threads");
        let rights = store.thread_rights(&world.scope, thread_id, erin).await.expect("rights");
        (listed.values.len(), rights)
    };
    let is_sensitive = async || store.thread_is_sensitive(&world.scope, thread_id).await.expect("a look");
    assert_eq!(behind().await, ["Flights"]);
    assert_eq!(seen_by_erin().await, (1, ThreadRights::Reader));
    assert!(!is_sensitive().await);

    // A call that is taken up again keeps them again.
    for _ in 0..2 {
        store
            .connection_read_put(&run.scope, &run.lease, thread_id, &[payroll, world.connection, payroll])
            .await
            .expect("kept");
    }
    assert_eq!(behind().await, ["Flights", "Payroll"]);
    assert_eq!(seen_by_erin().await, (0, ThreadRights::None));
    assert!(is_sensitive().await);

    // Who lost the lease writes nothing more, and what was kept stays.
    world.step(TimeDelta::seconds(60));
    store.run_rescue(10).await.expect("a rescue");
    world.claim_one().await;
    let late = world::connection(store, &world.scope, world.user, "Late").await;
    let kept = store.connection_read_put(&run.scope, &run.lease, thread_id, &[late]).await;
    assert!(matches!(kept, Err(Error::LeaseLost)), "{kept:?}");
    assert_eq!(behind().await, ["Flights", "Payroll"]);
}

/// The part of the migration that looks back, over steps as they were recorded before it. Fails where it follows only one step
/// far what a thread was told of. (As superuser: the tables' own policies are not shown to be out of its way.)
#[tokio::test]
async fn what_older_threads_used_is_told_by_their_calls() {
    const MIGRATION: &str = include_str!("../../../../migrations/20261125000400_connections_read.sql");
    let world = World::new().await;
    let store = world.store();
    let payroll = world::connection(store, &world.scope, world.user, "Payroll").await;
    let described = |arguments: serde_json::Value| StepBody::Model {
        model: "builtin".into(),
        provider: ModelProvider::Server,
        text: String::new(),
        tool_calls: vec![ToolCall { id: "call-1".into(), name: "describe_table".into(), arguments }],
        tokens_in: 1,
        tokens_out: 1,
        credits: 0.0,
    };
    let told_of = |name: &str, list: &str, thread_id: ThreadId| StepBody::Tool {
        call_id: "call-1".into(),
        name: name.into(),
        output: json!({ list: [{ "threadId": thread_id }] }),
        is_error: false,
        result: None,
        chart: None,
    };
    let thread_with = async |body: StepBody| {
        store.thread_ask(&world.scope, world.user, &question("Why?")).await.expect("asked");
        let run = world.claim_one().await;
        store.step_append(&run.scope, &run.lease, run.thread_id, 1, &body, 1).await.expect("a step");
        run.thread_id
    };
    let first = thread_with(described(json!({ "connectionId": payroll, "table": "people" }))).await;
    let second = thread_with(told_of("search_catalog", "pastAnswers", first)).await;
    let third = thread_with(told_of("previous_threads", "threads", second)).await;
    let other = thread_with(described(json!("no JSON"))).await;
    let used = async |thread_id| store.thread_connections_used(&world.scope, thread_id).await.expect("ids");
    assert!(used(first).await.is_empty(), "the migration came before these");

    let mut owner = world.database.superuser().await;
    let (from, to) = ("ALTER TABLE step NO FORCE", "ALTER TABLE connection FORCE ROW LEVEL SECURITY;");
    let begin = MIGRATION.find(from).expect("the look back");
    let end = MIGRATION.find(to).expect("its end") + to.len();
    testkit::execute(&mut owner, &MIGRATION[begin..end]).await;
    for thread_id in [first, second, third] {
        assert_eq!(used(thread_id).await, [payroll]);
    }
    assert!(used(other).await.is_empty());
}
