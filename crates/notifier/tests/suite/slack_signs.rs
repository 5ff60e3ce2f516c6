//! Signs on messages, while Slack wants few of them or is slow: no question waits for one.

use std::time::Duration;

use chrono::TimeDelta;
use store::SLACK_EVENT_REST;
use testkit::slack::{Chaos, Fault};
use tokio_util::sync::CancellationToken;

use crate::slack_inbox::{Stage, inbox_with};

/// Slack wants no sign for half a minute: the question is done all the same, and the reply below it starts its turn.
#[tokio::test]
async fn signs_that_slack_limits_are_left_out_or_late_and_hold_up_no_question() {
    let stage = Stage::new().await;
    let mention = format!("<@{}> first?", stage.bot);
    stage.fake.script("reactions.add", [Some(Fault::Limited { retry_after_seconds: 30 })]);
    let root = stage.said("app_mention", &stage.channel, &stage.creator, &mention, None).await;
    stage.work().await;
    assert_eq!((stage.turns().await, stage.outcomes("asked").await), (1, 1));
    let direct = stage.fake.direct_message(&stage.erin);
    stage.said("message", &direct, &stage.erin, "How many?", None).await;
    stage.work().await;
    assert_eq!(stage.outcomes("asked").await, 2);
    let signs =
        |stage: &Stage| stage.fake.calls().iter().filter(|call| call.method == "reactions.add").count();
    assert_eq!(signs(&stage), 1, "none before Slack wants it");

    for run in stage.world.claim().await {
        stage.world.succeed(&run).await;
    }
    stage.post_replies().await;
    stage.inbox.run_once().await;
    let reply = stage.said("message", &stage.channel, &stage.creator, "second?", Some(&root)).await;
    stage.work().await;
    assert_eq!((stage.turns().await, stage.outcomes("asked").await), (3, 3));
    assert!(stage.reactions(&stage.channel, &root).is_empty());
    stage.world.step(TimeDelta::seconds(31));
    stage.inbox.run_once().await;
    assert_eq!(stage.reactions(&stage.channel, &root), ["white_check_mark"], "late");
    assert!(stage.reactions(&stage.channel, &reply).is_empty(), "left out");
}

/// More questions than are worked on at once, and Slack answers no call for a sign: each is asked all the same.
#[tokio::test]
async fn slack_that_takes_no_sign_for_minutes_holds_up_nobody() {
    let stage = Stage::new().await;
    // None of these is answered while the test lasts.
    stage.fake.misbehave(Some(Chaos {
        seed: 1,
        share: 1.0,
        faults: vec![Fault::Slow { milliseconds: 3_600_000 }],
        methods: vec!["reactions.add".into(), "reactions.remove".into()],
        teams: vec![],
    }));
    let direct = stage.fake.direct_message(&stage.creator);
    for number in 0..40 {
        stage.said("message", &direct, &stage.creator, &format!("Question {number}?"), None).await;
    }
    stage.world.step(SLACK_EVENT_REST);
    // As patient as its calls are: only what does not wait for signs is in time.
    let inbox = inbox_with(stage.store(), &stage.fake, Duration::from_hours(1));
    let working = tokio::spawn(inbox.run(CancellationToken::new()));
    let all_asked = async {
        while stage.turns().await < 40 {
            tokio::task::yield_now().await;
        }
    };
    // Eight at a time, each for a minute, would take five.
    tokio::time::timeout(Duration::from_mins(2), all_asked).await.expect("questions wait for no sign");
    working.abort();
}
