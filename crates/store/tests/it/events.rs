//! Word at once: who listens hears of runs, threads and live text, and is told when word may have been lost.

use std::time::Duration;

use domain::thread::ThreadSource;
use store::{Event, NewQuestion};
use testkit::World;
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

async fn next(events: &mut Receiver<Event>) -> Event {
    tokio::time::timeout(Duration::from_secs(20), events.recv())
        .await
        .expect("an event in time")
        .expect("an event")
}

/// Reads on until an event is the one looked for.
async fn until(events: &mut Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = next(events).await;
        if wanted(&event) {
            return event;
        }
    }
}

fn question() -> NewQuestion {
    NewQuestion {
        prompt: "Why?".into(),
        connection_ids: vec![],
        timezone: "UTC".into(),
        source: ThreadSource::Page,
    }
}

#[tokio::test]
async fn a_question_its_text_and_its_end_are_heard_of() {
    let world = World::new().await;
    let store = world.store();
    let mut events = store.events(CancellationToken::new()).subscribe();
    assert_eq!(next(&mut events).await, Event::Reconnected, "it listens");
    let started = store.thread_ask(&world.scope, world.user, &question()).await.expect("asked");
    assert_eq!(next(&mut events).await, Event::RunReady);
    let run = world.claim_one().await;
    assert_eq!(next(&mut events).await, Event::ThreadChanged(started.thread_id), "it has started");
    let long = "Zürich → \"€\" ".repeat(1_000);
    store.thread_delta_tell(started.thread_id, 1, &long).await.expect("told");
    let mut heard = String::new();
    while heard.len() < long.len() {
        let Event::ThreadDelta { text, .. } = next(&mut events).await else { panic!("a delta was due") };
        heard += &text;
    }
    assert_eq!(heard, long);
    store.run_cancel(&world.scope, started.run_id).await.expect("asked to stop");
    assert_eq!(next(&mut events).await, Event::RunStopAsked);
    store.run_stop(&run.scope, &run.lease, &domain::run::Usage::default()).await.expect("a stop");
    assert_eq!(next(&mut events).await, Event::ThreadChanged(started.thread_id));
}

#[tokio::test]
async fn a_broken_connection_is_made_again_and_said_to_have_been_broken() {
    let world = World::new().await;
    let store = world.store();
    let mut events = store.events(CancellationToken::new()).subscribe();
    assert_eq!(next(&mut events).await, Event::Reconnected);
    world
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%LISTEN%'",
        )
        .await;
    until(&mut events, |event| *event == Event::Reconnected).await;
    store.thread_ask(&world.scope, world.user, &question()).await.expect("asked");
    until(&mut events, |event| *event == Event::RunReady).await;
}
