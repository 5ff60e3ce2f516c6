//! G8. Slack's limits are kept: no post before a `Retry-After` is over, never more than one message a second in a channel, and
//! one workspace's backlog does not delay another's.
//!
//! A limited workspace gets 429 on a third of its posts, each with `Retry-After: 2`, while its channels are given far more than
//! a message a second takes away. Meanwhile another workspace has its usual few deliveries; how long each waits from the
//! model's answer to the message is compared with the same deliveries while nothing else goes on.
//!
//! Switched off by hand, in the short form, both: the hold for `Retry-After` (`slack_post_end` told of none) and the channel's
//! second of rest: 3 posts before `Retry-After` was over, in Slack's log when the run was broken off after six minutes beside much
//! other work. No second message within a second was seen there: each took longer than that.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use testkit::slack::{Call, Chaos, Fault};

use crate::{
    checker::{self, Origin, Question},
    report::{Report, Size},
    stage::{
        Stage, model,
        slack::{Place, SlackServer, next_window},
    },
};

const WORKERS: usize = 2;
/// What `Retry-After` says.
const RETRY_AFTER_SECONDS: u32 = 2;
/// A call that left before its workspace heard of the limit may arrive this much later: a busy machine takes its time to
/// write down what a sender heard. A sender that does not heed the limit sends on until it ends.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(1);
/// Nothing comes any more.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn g8_slacks_limits_are_kept() {
    let size = Size::of_this_run();
    let mut report = Report::new("G8", "Slack's limits are kept, and one workspace delays no other", size);
    let (limited_workspaces, limits, usual) = (size.pick(2, 10), size.count(20, 1_000), size.pick(12, 100));
    let backlog = limits * 3;
    // What the p95 delay of another workspace may differ by and count as unchanged: a notifier's own rhythm. In the short form
    // that is the slowest of a dozen, on a machine that does other things by the way; a backlog that is waited for takes half a
    // minute.
    let same_seconds = size.pick(8.0, 2.0);

    let mut stage = Stage::new(0, Box::new(model::answers_at_once)).with("TIDINGS_AGENT_CONCURRENCY", "4");
    let slack = SlackServer::start(&mut stage);
    let limited = slack.places(&stage, 0, limited_workspaces, 2);
    let other = slack.places(&stage, limited_workspaces, 1, 12);
    let first = next_window(stage.postgres.now());
    let (second, third) = (first + TimeDelta::hours(1), first + TimeDelta::hours(2));
    let alone = SlackServer::tasks(&stage, &other, usual, "alone", first);
    let crowd = SlackServer::tasks(&stage, &limited, backlog, "crowd", second);
    let beside = SlackServer::tasks(&stage, &other, usual, "beside", third);
    slack.fake.misbehave(Some(Chaos {
        seed: 8,
        share: 0.34,
        faults: vec![Fault::Limited { retry_after_seconds: RETRY_AFTER_SECONDS }],
        methods: vec!["chat.postMessage".to_owned()],
        teams: limited.iter().map(|place| place.team.clone()).collect(),
    }));

    stage.postgres.set_clock(first - TimeDelta::seconds(2), 1.0);
    stage.start_workers(WORKERS);
    let missing = |questions: &[Question]| checker::check(questions, &slack.told()).lost;
    // Messages are counted before they are read: that is asked for many times a second.
    let posted_to = |places: &[Place]| {
        let is_there = |call: &Call| places.iter().any(|place| call.team.as_ref() == Some(&place.team));
        slack
            .fake
            .call_count_of(|call| call.method == "chat.postMessage" && call.outcome == "ok" && is_there(call))
    };
    let have_come = |questions: &[Question], places: &[Place], posts: usize| {
        posted_to(places) >= posts && missing(questions).is_empty()
    };
    stage.wait_while_alive(PATIENCE, |_| slack.fake.call_count(), |_| have_come(&alone, &other, usual));
    let alone_delays = delays(&stage, &alone);

    stage.postgres.set_clock(second - TimeDelta::seconds(2), 1.0);
    // The backlog stands once its runs are over: then it is Slack alone that holds it.
    stage.wait_while_alive(
        PATIENCE,
        |stage| stage.model.asked_count(),
        |stage| {
            let asked = stage.model.asked();
            let asked: HashSet<&str> = asked.iter().map(|asked| asked.question.as_str()).collect();
            crowd.iter().all(|question| asked.contains(question.word.as_str()))
        },
    );
    let left = missing(&crowd).len();
    stage.postgres.set_clock(third - TimeDelta::seconds(2), 1.0);
    stage.wait_while_alive(PATIENCE, |_| slack.fake.call_count(), |_| have_come(&beside, &other, 2 * usual));
    let beside_delays = delays(&stage, &beside);
    stage.wait_while_alive(PATIENCE, |_| slack.fake.call_count(), |_| have_come(&crowd, &limited, backlog));

    let posts = slack.calls("chat.postMessage");
    let limits_given = posts.iter().filter(|call| call.fault.is_some()).count();
    let early: Vec<String> = posts.iter().filter(|call| is_early(call)).map(describe).collect();
    let too_fast: Vec<String> =
        posts.iter().filter(|call| is_refused_by_channel(call)).map(describe).collect();
    let (before, after) = (p95(&alone_delays), p95(&beside_delays));
    report.did(limits_given, &format!("429s with `Retry-After: {RETRY_AFTER_SECONDS}`"));
    report.did(backlog, "deliveries in the backlog");
    report.did(left, "of them waiting as the other workspace's came due");
    report.must_be_none(&early, "posts before `Retry-After` was over");
    report.must_be_none(&too_fast, "second messages within a second in a channel");
    report.must_be_none(&missing(&crowd), "of the backlog lost");
    report.must_be_none(&missing(&[alone, beside].concat()), "of the other workspace's lost");
    report.saw(format!("{before:.2}"), "s p95 delay of the other workspace alone");
    report.saw(format!("{after:.2}"), "s p95 delay beside the backlog");
    let slower = if after > before + same_seconds {
        vec![format!("{after:.2} s after {before:.2} s")]
    } else {
        vec![]
    };
    report.must_be_none(&slower, "delays of another workspace");
    report.finish();
}

/// From the model's answer to the message, in seconds, of each question that arrived.
fn delays(stage: &Stage, questions: &[Question]) -> Vec<f64> {
    let asked: HashMap<String, Instant> =
        stage.model.asked().into_iter().map(|asked| (asked.question, asked.at)).collect();
    let mut delays = Vec::new();
    for message in stage.told() {
        let Some(Origin { question, .. }) = Origin::of(&message.text) else { continue };
        if let Some(asked_at) = asked.get(&question)
            && questions.iter().any(|one| one.word == question)
        {
            delays.push(message.at.saturating_duration_since(*asked_at).as_secs_f64());
        }
    }
    delays
}

fn p95(delays: &[f64]) -> f64 {
    let mut sorted = delays.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
}

/// Whether a call came while its workspace had to wait, and could have known.
fn is_early(call: &Call) -> bool {
    call.told_to_wait_at.is_some_and(|told_at| call.at - told_at > UNDER_WAY)
}

/// Whether it was the channel's second within a second.
fn is_refused_by_channel(call: &Call) -> bool {
    call.outcome == "ratelimited" && call.fault.is_none() && call.told_to_wait_at.is_none()
}

fn describe(call: &Call) -> String {
    format!("{:?} at {} in {:?}", call.outcome, call.at, call.channel)
}
