//! G7. Slack: one visible message per delivery, while a fifth of Slack's answers go wrong and workers are killed.
//!
//! `chat.postMessage` has no idempotency key, so a message whose answer was lost is looked for in Slack before it is sent
//! again. The checker reads the log of a Slack that enforces the published rules, and nothing of ours.
//!
//! Switched off by hand, in the short form, the look for such a message (`slack::reconcile`). Each taken as not posted: 7 of 120
//! twice. Each taken as posted: 4 of 120 lost, in Slack's log when the run was broken off after seven minutes, for a row is
//! patient with what is missing. Before Slack dropped requests as well as answers the latter passed: what nobody knew about had
//! been posted.

use std::time::Duration;

use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use testkit::slack::{Chaos, Fault};

use crate::{
    checker,
    report::{Report, Size},
    stage::{
        Stage, model, pause,
        slack::{SlackServer, next_window},
    },
};

const WORKERS: usize = 3;
/// The next kill falls even if nothing moves for this long.
const IMPATIENCE: Duration = Duration::from_secs(5);

#[test]
fn g7_one_visible_message_per_delivery() {
    let size = Size::of_this_run();
    let mut report = Report::new("G7", "Slack: one visible message per delivery", size);
    let (deliveries, kills) = (size.count(120, 5_000), size.count(4, 100));
    let workspaces = size.pick(4, 20);

    let mut stage = Stage::new(0, Box::new(model::answers_at_once))
        .with("TIDINGS_LEASE_SECONDS", "10")
        .with("TIDINGS_AGENT_CONCURRENCY", "4");
    let slack = SlackServer::start(&mut stage);
    let places = slack.places(&stage, 0, workspaces, 12);
    let opens_at = next_window(stage.postgres.now());
    let questions = SlackServer::tasks(&stage, &places, deliveries, "q", opens_at);
    slack.fake.misbehave(Some(Chaos {
        seed: 7,
        share: 0.2,
        faults: vec![
            Fault::Limited { retry_after_seconds: 1 },
            Fault::Html { status: 503 },
            Fault::AnswerDropped,
            Fault::RequestDropped,
            Fault::Slow { milliseconds: 2_000 },
        ],
        methods: Vec::new(),
        teams: Vec::new(),
    }));
    stage.postgres.set_clock(opens_at - TimeDelta::seconds(2), 1.0);
    stage.start_workers(WORKERS);

    let mut random = StdRng::seed_from_u64(7);
    for kill in 0..kills {
        // Spread over the work, each at a random moment.
        let after = deliveries * kill / kills;
        stage.wait_while_alive(IMPATIENCE, |_| slack.effects(), |_| slack.posts() >= after);
        pause(Duration::from_millis(random.random_range(0..300)));
        stage.kill_worker(random.random_range(0..WORKERS));
    }
    stage.settle(|stage| stage.have_all_come(&questions));

    let effects = checker::check(&questions, &stage.told());
    let calls = slack.calls("chat.postMessage");
    let struck = calls.iter().filter(|call| call.fault.is_some()).count();
    report.did(deliveries, "deliveries");
    report.did(workspaces, "workspaces");
    report.did(kills, "kills");
    for (kind, times) in slack.faults() {
        report.did(times, &format!("faults `{kind}`"));
    }
    report.must_be_none(&effects.lost, "lost");
    report.must_be_none(&effects.twice, "twice");
    report.saw(calls.len(), "calls to post");
    report.saw(struck, "of them struck");
    report.saw(slack.calls("conversations.history").len(), "looks into a channel's history");
    report.finish();
}
