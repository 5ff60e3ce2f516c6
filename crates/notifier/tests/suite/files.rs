//! Files that mails bring along, and the memory that they take.

use chrono::TimeDelta;
use notifier::Notifier;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    delivery::{accepted, part, text},
    support::SmtpServer,
    world::World,
};

#[tokio::test]
async fn a_csv_file_goes_along_where_it_was_asked_for_and_fits() {
    let world = World::new().await;
    let server = SmtpServer::start(&[]);
    let mut notification = world.members(&["ada@example.com"]).await;
    notification.attach_csv = true;
    let task = world.task(notification).await;
    for (rows, padding, goes_along) in [(2_500, 0, true), (2_500, 4_000, false)] {
        let run = world.claim(task, None).await;
        world.answer(&run, rows, padding).await;
        world.notifier(&server).run_once().await;
        let accepted = server.event("accepted");
        let mail = &accepted["mail"];
        let html = text(mail, "text/html");
        assert!(html.contains(&format!("and {} more rows", rows - 20)), "{html}");
        let csv = part(mail, "text/csv");
        assert_eq!(csv.is_some(), goes_along);
        assert_eq!(html.contains("too large to go along"), !goes_along);
        let Some(csv) = csv else { continue };
        assert_eq!(csv["fileName"], "airlines-with-the-most-flights.csv");
        let file = csv["text"].as_str().expect("a text");
        assert_eq!(file.lines().count(), 2_501);
        assert!(file.starts_with("airline,flights") && file.contains("Airline 2499,56166"));
    }
}

/// Fails where nothing waits for room: both are held by their server at once.
#[tokio::test(flavor = "multi_thread")]
async fn mails_with_files_take_turns_where_memory_is_short_and_hold_up_no_others() {
    let world = World::new().await;
    let mut server = SmtpServer::start(&[]);
    let mut notification = world.members(&["held1@example.com", "held2@example.com"]).await;
    notification.attach_csv = true;
    let with_file = world.run(world.task(notification).await).await;
    let others: Vec<String> = (0..8).map(|number| format!("reader{number}@example.com")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    world.run(world.task(world.members(&others).await).await).await;

    let mut options = world.options(&server);
    options.files_bytes = 1;
    let stopping = CancellationToken::new();
    let running = tokio::spawn(Notifier::new(options).run(stopping.clone()));
    let mut events = Vec::new();
    let held = |events: &[Value]| events.iter().filter(|event| event["event"] == "held").count();
    // All were claimed together, those with a file first: once the others are through, both would be at the server.
    while held(&events) == 0 || others.iter().any(|email| !accepted(&events).contains_key(*email)) {
        events.push(tokio::task::block_in_place(|| server.next_event()));
    }
    assert_eq!(held(&events), 1, "the other one waits");
    let begun = world.deliveries(with_file).await.iter().filter(|delivery| delivery.attempts > 0).count();
    assert_eq!(begun, 1, "and nothing of it is made yet");
    server.release();
    while ["held1@example.com", "held2@example.com"].iter().any(|to| !accepted(&events).contains_key(*to)) {
        events.push(tokio::task::block_in_place(|| server.next_event()));
    }
    stopping.cancel();
    running.await.expect("no panic").expect("no failure");
    let mails = events.iter().filter(|event| event["event"] == "accepted");
    assert_eq!(mails.filter(|event| part(&event["mail"], "text/csv").is_some()).count(), 2);
}

/// Fails where those who wait for room keep their places: they occupy all of them, and the small one is never claimed.
#[tokio::test(flavor = "multi_thread")]
async fn more_mails_with_files_than_places_hold_up_no_others() {
    let world = World::new().await;
    let mut server = SmtpServer::start(&[]);
    let readers: Vec<String> = (0..6).map(|number| format!("held{number}@example.com")).collect();
    let readers: Vec<&str> = readers.iter().map(String::as_str).collect();
    let mut notification = world.members(&readers).await;
    notification.attach_csv = true;
    world.run(world.task(notification).await).await;
    // Behind them in the queue.
    world.database.time.step(TimeDelta::seconds(1));
    world.run(world.task(world.members(&["small@example.com"]).await).await).await;

    let mut options = world.options(&server);
    (options.files_bytes, options.parallel) = (1, 4);
    let stopping = CancellationToken::new();
    let running = tokio::spawn(Notifier::new(options).run(stopping.clone()));
    let mut events = Vec::new();
    while !accepted(&events).contains_key("small@example.com") {
        events.push(tokio::task::block_in_place(|| server.next_event()));
    }
    assert!(readers.iter().all(|reader| !accepted(&events).contains_key(*reader)), "they wait for the first");
    server.release();
    while readers.iter().any(|reader| !accepted(&events).contains_key(*reader)) {
        // What was put back is due again after a while.
        world.database.time.step(TimeDelta::seconds(5));
        events.push(tokio::task::block_in_place(|| server.next_event()));
    }
    stopping.cancel();
    running.await.expect("no panic").expect("no failure");
    assert!(accepted(&events).values().all(|mails| mails.len() == 1), "{:?}", accepted(&events));
}
