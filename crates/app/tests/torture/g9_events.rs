//! G9. Slack's events: each is acknowledged at once and handled once, however often it comes.
//!
//! Each event is a mention that asks something. It comes four times under its id, as Slack repeats what it takes for lost. The
//! checker counts how often the model is asked about it, which is the effect of handling it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use testkit::slack::Attempt;
use tokio::time::MissedTickBehavior;

use crate::{
    report::{Report, Size},
    stage::{Stage, model, slack::SlackServer, words},
};

/// Deliveries of events a second.
const RATE: u32 = 200;
/// How often each comes.
const TIMES: usize = 4;
/// What 99 of 100 acknowledgements may take.
const PROMISED: Duration = Duration::from_millis(500);
/// Nothing comes of what was taken any more.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn g9_events_are_taken_at_once_and_handled_once() {
    let size = Size::of_this_run();
    let mut report = Report::new("G9", "Slack's events: taken at once, handled once", size);
    let events = size.count(200, 10_000);

    let mut stage = Stage::new(0, Box::new(model::answers_at_once)).with("TIDINGS_AGENT_CONCURRENCY", "4");
    let slack = SlackServer::start(&mut stage);
    let places = slack.places(&stage, 0, size.pick(4, 40), 6);
    let (_server, base) = stage.serve(&[]);
    let url = format!("{base}/slack/events");

    let mut parcels = Vec::new();
    let mut questions = Vec::new();
    for number in 0..events {
        let place = &places[number % places.len()];
        let channel = &place.channels[(number / places.len()) % place.channels.len()];
        let question = format!("e{}", words(number));
        let text = format!("<@{}> Which airline leads? Word: {question} .", slack.fake.bot_user(&place.team));
        let ts = slack.fake.say(channel, &place.user, &text, None);
        let event = json!({ "type": "app_mention", "user": place.user, "text": text, "ts": ts,
            "channel": channel, "event_ts": ts, "team": place.team });
        parcels.push(Arc::new(slack.fake.event_body(&place.team, event)));
        questions.push(question);
    }
    // Each four times: the second to fourth among the first of later ones.
    let mut order: Vec<(usize, usize)> =
        (0..events).flat_map(|number| (0..TIMES).map(move |time| (number, time))).collect();
    order.sort_by_key(|(number, time)| (number + time * 40, *time));
    let courier = slack.courier();
    let attempts = Arc::new(Mutex::new(Vec::<Attempt>::new()));
    stage.block_on(async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut sends = tokio::task::JoinSet::new();
        for (number, time) in order {
            ticks.tick().await;
            let (courier, url, body) = (courier.clone(), url.clone(), Arc::clone(&parcels[number]));
            let attempts = Arc::clone(&attempts);
            sends.spawn(async move {
                let retry = (time > 0).then_some((time, "http_timeout"));
                let attempt = courier.send(&url, "application/json", &body, retry).await;
                attempts.lock().expect("no panic").push(attempt);
            });
        }
        while let Some(sent) = sends.join_next().await {
            sent.expect("sent");
        }
    });
    stage.start_workers(2);
    stage.wait_while_alive(PATIENCE, |stage| (stage.model.asked().len(), slack.fake.call_count()), |_| false);

    let attempts = attempts.lock().expect("no panic");
    let refused: Vec<String> = attempts
        .iter()
        .filter(|attempt| attempt.status != Some(200))
        .map(|attempt| format!("{:?} {}", attempt.status, attempt.body))
        .collect();
    let mut took: Vec<Duration> = attempts.iter().map(|attempt| attempt.took).collect();
    took.sort();
    let p99 = took[(took.len() * 99).div_ceil(100) - 1];
    let mut asked: HashMap<String, usize> = HashMap::new();
    for request in stage.model.asked() {
        *asked.entry(request.question).or_default() += 1;
    }
    let times = |question: &String| asked.get(question).copied().unwrap_or_default();
    let unhandled: Vec<&String> = questions.iter().filter(|question| times(question) == 0).collect();
    let twice: Vec<&String> = questions.iter().filter(|question| times(question) > 1).collect();
    report.did(events, "events");
    report.did(attempts.len(), "deliveries of them");
    report.did(RATE, "a second");
    report.must_be_none(&refused, "not acknowledged");
    report.saw(p99.as_millis(), "ms p99 of the acknowledgement");
    let late = if p99 > PROMISED { vec![format!("{} ms", p99.as_millis())] } else { vec![] };
    report.must_be_none(&late, "p99 beyond 500 ms");
    report.must_be_none(&unhandled, "not handled");
    report.must_be_none(&twice, "handled twice");
    report.finish();
}
