//! G10. Forged or replayed requests in Slack's name: none is accepted.
//!
//! Each is a request that was signed rightly and then changed: a byte of its body, its time, its signature, the secret, or the
//! time that it is sent at. Requests that are not changed are accepted all along, or the row would show nothing.
//!
//! Switched off by hand, in the short form: the comparison of the signature (`slack::signature::verify` taking any): 395 of 500
//! accepted. The window of five minutes there: 71 accepted, the replays and those from the future.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock, clock::SystemClock};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use testkit::slack::Courier;

use crate::{
    report::{Report, Size},
    stage::{Stage, model, slack::SlackServer, words},
};

const TIMESTAMP: &str = "X-Slack-Request-Timestamp";
const SIGNATURE: &str = "X-Slack-Signature";
/// An unchanged request among so many changed ones.
const CONTROL_EVERY: usize = 100;

/// A clock that is off.
struct OffBy(TimeDelta);

impl Clock for OffBy {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }
}

/// A request.
#[derive(Clone, Debug)]
struct Request {
    body: Vec<u8>,
    timestamp: String,
    signature: String,
}

impl Request {
    fn signed_by(courier: &Courier, body: &[u8]) -> Self {
        let [(_, timestamp), (_, signature)] = courier.headers(body);
        Self { body: body.to_vec(), timestamp, signature }
    }

    /// Sends it; answers the status.
    fn send(&self, url: &str, content_type: &str) -> u16 {
        let sent = ureq::post(url)
            .config()
            .http_status_as_error(false)
            .build()
            .header("Content-Type", content_type)
            .header(TIMESTAMP, &self.timestamp)
            .header(SIGNATURE, &self.signature)
            .send(&self.body[..]);
        sent.expect("an answer").status().as_u16()
    }
}

#[test]
fn g10_forged_and_replayed_requests_are_refused() {
    let size = Size::of_this_run();
    let mut report = Report::new("G10", "forged or replayed requests in Slack's name are refused", size);
    let mutations = size.count(500, 10_000);

    let mut stage = Stage::new(0, Box::new(model::answers_at_once));
    let slack = SlackServer::start(&mut stage);
    let place = slack.places(&stage, 0, 1, 1).remove(0);
    let (_server, base) = stage.serve(&[]);
    let secret = slack.fake.app().signing_secret;
    let ours = slack.courier();
    let events = (format!("{base}/slack/events"), "application/json");
    let interactions = (format!("{base}/slack/interactions"), "application/x-www-form-urlencoded");

    let mut random = StdRng::seed_from_u64(10);
    let (mut accepted, mut refused_controls, mut controls) = (Vec::new(), Vec::new(), 0);
    for number in 0..mutations {
        let is_event = number % 2 == 0;
        let (url, content_type) = if is_event { &events } else { &interactions };
        let word = words(number);
        let body = if is_event {
            let event = json!({ "type": "message", "channel": place.channels[0], "channel_type": "channel",
                "user": place.user, "text": format!("Word: {word} ."), "ts": format!("{}.000100", 1_700_000_000 + number) });
            slack.fake.event_body(&place.team, &event)
        } else {
            let payload = json!({ "type": "view_closed", "team": { "id": place.team }, "user": { "id": place.user }, "word": word });
            url::form_urlencoded::Serializer::new(String::new())
                .append_pair("payload", &payload.to_string())
                .finish()
                .into_bytes()
        };
        let right = Request::signed_by(&ours, &body);
        if number % CONTROL_EVERY < 2 {
            controls += 1;
            let status = right.send(url, content_type);
            if status != 200 {
                refused_controls.push(format!("{word}: {status}"));
            }
        }
        let (how, forged) = mutated(&right, &secret, &mut random);
        let status = forged.send(url, content_type);
        if status < 400 {
            accepted.push(format!("{how}: {status}"));
        } else if status >= 500 {
            accepted.push(format!("{how}: a failure, {status}"));
        }
    }
    report.did(mutations, "mutations of signed requests");
    report.did(controls, "unchanged ones among them");
    report.must_be_none(&accepted, "accepted");
    report.must_be_none(&refused_controls, "unchanged ones refused");
    report.finish();
}

/// One change to a request, and what it was.
fn mutated(right: &Request, secret: &str, random: &mut StdRng) -> (&'static str, Request) {
    let mut forged = right.clone();
    let how = match random.random_range(0..14) {
        0 => {
            let position = random.random_range(0..forged.body.len());
            forged.body[position] ^= 1 << random.random_range(0..7);
            "a bit of the body"
        }
        1 => {
            forged.body.push(b' ');
            "a blank after the body"
        }
        2 => {
            forged.body.truncate(random.random_range(0..right.body.len()));
            "the body cut"
        }
        3 => {
            let position = random.random_range(0..=forged.body.len());
            forged.body.insert(position, b'x');
            "a byte put into the body"
        }
        4 => {
            let seconds: i64 = right.timestamp.parse().expect("seconds");
            let by = random.random_range(1..300);
            forged.timestamp = (seconds + if random.random() { by } else { -by }).to_string();
            "another time within the window"
        }
        5 => {
            forged.timestamp = format!("0{}", right.timestamp);
            "a zero before the time"
        }
        6 => {
            forged.timestamp = format!("{}.0", right.timestamp);
            "decimals behind the time"
        }
        7 => {
            let position = random.random_range(3..forged.signature.len());
            let digit = if &right.signature[position..=position] == "0" { "1" } else { "0" };
            forged.signature.replace_range(position..=position, digit);
            "a digit of the signature"
        }
        8 => {
            forged.signature.truncate(random.random_range(0..right.signature.len()));
            "the signature cut"
        }
        9 => {
            // A signature without letters is the same in capitals.
            forged.signature = format!("V0={}", right.signature[3..].to_uppercase());
            "the signature in capitals"
        }
        10 => {
            forged.signature = right.signature.replacen("v0", "v1", 1);
            "another version"
        }
        11 => {
            let other = Courier::new(format!("{secret}x"), Arc::new(SystemClock));
            forged = Request::signed_by(&other, &right.body);
            "another secret"
        }
        12 => {
            // Signed rightly, and kept: a replay.
            let age = TimeDelta::seconds(random.random_range(302..100_000));
            forged = Request::signed_by(&Courier::new(secret, Arc::new(OffBy(-age))), &right.body);
            "a replay after the window"
        }
        _ => {
            let ahead = TimeDelta::seconds(random.random_range(400..100_000));
            forged = Request::signed_by(&Courier::new(secret, Arc::new(OffBy(ahead))), &right.body);
            "from the future"
        }
    };
    (how, forged)
}
