//! Who may write, who stops, and who hands back.

use std::{sync::Arc, time::Duration};

use agent::{
    model::ModelError,
    scripted::{Scripted, calling},
};
use chrono::TimeDelta;
use domain::run::{RunReason, RunStatus};
use store::Event;
use tokio_util::sync::CancellationToken;

use crate::{
    limits::Silent,
    support::{Bench, PER_CARRIER, good_answer, one_by_one},
};

/// Runs a future on a thread of its own, from inside a scripted reply.
fn meanwhile<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let handle = tokio::runtime::Handle::current();
    std::thread::scope(|threads| threads.spawn(|| handle.block_on(future)).join().expect("done"))
}

/// The lease passes to another while a reply is awaited: the first worker writes nothing any more.
///
/// With the lease not named by `step_append`, this fails: the stale reply is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_writes_nothing() {
    let bench = Arc::new(Bench::new().await);
    let started = bench.ask("How many?").await;
    let (inner, sql) = (bench.clone(), bench.sql(PER_CARRIER));
    let stale = Scripted::by(move |_, before| {
        if before == 1 {
            meanwhile(async {
                inner.world.step(TimeDelta::seconds(61));
                // The database may still hold the lock of the worker's last look at its lease.
                while inner.world.store().run_rescue(100).await.expect("a rescue") == 0 {}
                let fresh = Scripted::new(one_by_one(vec![inner.sql(PER_CARRIER), good_answer()]));
                inner.agent(Arc::new(fresh)).run_once().await.expect("a run");
            });
        }
        Ok(calling(std::slice::from_ref(&sql)))
    });
    bench.agent(Arc::new(stale)).run_once().await.expect("a run");
    assert_eq!(bench.steps(&started).await.len(), 4, "two replies, two outputs");
    let answer = bench.answer(&started).await;
    assert_eq!(answer.fill(&answer.headline), "United Air Lines Inc. flew most: 60 flights.");
    assert_eq!(bench.run(&started).await.status, RunStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_turn_stops_before_its_next_step() {
    let bench = Arc::new(Bench::new().await);
    let started = bench.ask("How many?").await;
    let (inner, sql) = (bench.clone(), bench.sql(PER_CARRIER));
    let model = Arc::new(Scripted::by(move |_, before| {
        if before == 1 {
            meanwhile(async {
                inner.world.store().run_cancel(&inner.world.scope, started.run_id).await.expect("cancelled");
            });
        }
        Ok(calling(std::slice::from_ref(&sql)))
    }));
    bench.agent(model.clone()).run_once().await.expect("a run");
    assert_eq!(model.calls(), 2);
    assert_eq!(bench.steps(&started).await.len(), 2, "the reply that came after it is not recorded");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Cancelled, Some(RunReason::CancelledByUser)));
    assert_eq!(run.usage.queries, 1);
}

/// Waits for a run's end by word of the database.
async fn ended(bench: &Bench, run: &store::StartedRun, events: &store::Events) -> store::Run {
    let mut events = events.subscribe();
    tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let now = bench.run(run).await;
            if now.status.is_final() {
                return now;
            }
            while !matches!(events.recv().await.expect("events"), Event::ThreadChanged(_)) {}
        }
    })
    .await
    .expect("an end in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_wakes_works_and_stops_a_silent_model_when_told() {
    let bench = Arc::new(Bench::new().await);
    let shutdown = CancellationToken::new();
    let events = bench.world.store().events(shutdown.clone());
    let silent = Arc::new(Silent::default());
    let agent = bench.agent(silent.clone());
    let working = tokio::spawn({
        let (events, shutdown) = (events.clone(), shutdown.clone());
        async move { agent.run(&events, shutdown).await }
    });
    let started = bench.ask("How many?").await;
    silent.asked.notified().await;
    bench.world.store().run_cancel(&bench.world.scope, started.run_id).await.expect("cancelled");
    let run = ended(&bench, &started, &events).await;
    assert_eq!((run.status, run.reason), (RunStatus::Cancelled, Some(RunReason::CancelledByUser)));
    shutdown.cancel();
    working.await.expect("the worker ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_hands_the_turn_back_at_its_next_step() {
    let bench = Arc::new(Bench::new().await);
    let shutdown = CancellationToken::new();
    let events = bench.world.store().events(shutdown.clone());
    let (sql, signal) = (bench.sql(PER_CARRIER), shutdown.clone());
    let first = Arc::new(Scripted::by(move |_, _| {
        signal.cancel();
        Ok(calling(std::slice::from_ref(&sql)))
    }));
    let started = bench.ask("How many?").await;
    bench.agent(first.clone()).run(&events, shutdown).await;
    assert_eq!(first.calls(), 1);
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.attempt), (RunStatus::Queued, 0), "handed back, and not counted");
    assert_eq!(bench.steps(&started).await.len(), 1, "the reply is kept");

    let second = Arc::new(Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()])));
    bench.agent(second.clone()).run_once().await.expect("a run");
    assert_eq!(second.calls(), 1, "only the answer was still to come");
    assert_eq!(bench.run(&started).await.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn a_transient_failure_waits_inside_the_window_and_succeeds_later() {
    let bench = Bench::new().await;
    let connection = bench.world.connection;
    let task = bench.world.task(|task| task.context.connection_ids = vec![connection]).await;
    bench.world.set("2026-03-02T09:00:00Z");
    bench.world.store().due_claim(10, None).await.expect("an occurrence");
    let failing =
        Scripted::by(|_, _| Err(ModelError::Unavailable { message: "503".into(), retry_after: None }));
    bench.agent(Arc::new(failing)).run_once().await.expect("a run");
    assert_eq!(bench.world.fates(task.id).await, ["03-02 waiting model_unavailable"]);
    bench.world.step(TimeDelta::seconds(30));
    let model = Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()]));
    bench.agent(Arc::new(model)).run_once().await.expect("a run");
    assert_eq!(bench.world.fates(task.id).await, ["03-02 succeeded"]);
}

#[tokio::test]
async fn a_question_whose_model_is_away_fails_with_a_sentence() {
    let bench = Bench::new().await;
    let started = bench.ask("How many?").await;
    let failing = Scripted::by(|_, _| Err(ModelError::Refused { message: "401: wrong key".into() }));
    bench.agent(Arc::new(failing)).run_once().await.expect("a run");
    let run = bench.run(&started).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::ModelUnavailable)));
    assert_eq!(run.message.as_deref(), Some("The model's provider refused: 401: wrong key"));
}

/// PostgreSQL ends the connections that wait for a table, in the middle of a step of the turn that somebody waits for.
///
/// Where such a turn counts as failed, it ends here with "Something went wrong on our side."; where its lease is not let go of,
/// nothing is rescued.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_connection_breaks_goes_on_from_its_last_step() {
    let bench = Arc::new(Bench::new().await);
    let started = bench.ask("How many?").await;
    let (inner, sql) = (bench.clone(), bench.sql(PER_CARRIER));
    let locked = Arc::new(tokio::sync::Mutex::new(None));
    let holder = Arc::clone(&locked);
    let cut_off = Scripted::by(move |_, before| {
        if before == 1 {
            meanwhile(async {
                let mut other = inner.world.superuser().await;
                testkit::execute(&mut other, "BEGIN; LOCK TABLE step IN EXCLUSIVE MODE").await;
                *holder.lock().await = Some(other);
            });
        }
        Ok(calling(std::slice::from_ref(&sql)))
    });
    let agent = bench.agent(Arc::new(cut_off));
    let cutting = async {
        let cut = "SELECT count(*) FROM (
                       SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock') AS cut";
        while bench.world.number(cut).await == 0 {}
        *locked.lock().await = None;
    };
    let (worked, ()) = tokio::join!(agent.run_once(), cutting);
    worked.expect("a run");
    assert_eq!(bench.run(&started).await.status, RunStatus::Running);
    assert_eq!(bench.world.store().run_rescue(100).await.expect("a rescue"), 1, "at once, not a lease later");
    let fresh = Arc::new(Scripted::new(one_by_one(vec![bench.sql(PER_CARRIER), good_answer()])));
    bench.agent(fresh.clone()).run_once().await.expect("a run");
    assert_eq!(fresh.calls(), 1, "only the answer was still to come");
    assert_eq!(bench.run(&started).await.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn a_panic_ends_its_own_run_and_no_other() {
    let bench = Bench::new().await;
    let (broken, sound) = (bench.ask("Panic!").await, bench.ask("How many?").await);
    let (sql, answer) = (bench.sql(PER_CARRIER), good_answer());
    let model = Scripted::by(move |request, _| {
        let conversation = format!("{:?}", request.messages);
        assert!(!conversation.contains("Panic!"), "a defect");
        let call = if conversation.contains("rowCount") { &answer } else { &sql };
        Ok(calling(std::slice::from_ref(call)))
    });
    assert_eq!(bench.agent(Arc::new(model)).run_once().await.expect("runs"), 2);
    let run = bench.run(&broken).await;
    assert_eq!((run.status, run.reason), (RunStatus::Failed, Some(RunReason::Internal)));
    assert_eq!(bench.run(&sound).await.status, RunStatus::Succeeded);
}
