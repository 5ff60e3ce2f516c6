//! G5. Clocks that are wrong: workers five minutes ahead of PostgreSQL's clock and five minutes behind it, on either side of a
//! window's opening. Nothing starts early, and nothing twice, whatever they think of each other's leases.
//! Every second occurrence is told in a Slack channel as well as by mail; Slack's clock is PostgreSQL's.
//!
//! Switched off by hand: the database's clock (`Time::given` answering this machine's): 17 of 100 early, 34 lost.

use std::time::Duration;

use chrono::TimeDelta;

use crate::{
    checker,
    report::{Report, Size},
    stage::{
        Stage, model, population,
        postgres::{fake_time, libfaketime},
    },
};

/// How wrong the clocks are, in minutes; one is right.
const SKEWS: [i64; 5] = [5, -5, 0, 5, -5];

#[test]
fn g5_clocks_that_are_wrong_start_nothing_early_or_twice() {
    let size = Size::of_this_run();
    let mut report =
        Report::new("G5", "clocks five minutes ahead and behind: nothing early, nothing twice", size);
    let (tasks, kills) = (size.count(100, 2_000), size.count(4, 40));

    let mut stage =
        Stage::new(0, Box::new(model::answers_at_once)).with("TIDINGS_AGENT_CONCURRENCY", "4").with_slack();
    let population = stage.populate(tasks, 4, population::no_data());
    stage.model.think(Duration::from_millis(200));
    stage.postgres.set_clock(population.opens_at - TimeDelta::seconds(8), 1.0);
    for skew in SKEWS {
        let ahead = stage.postgres.ahead() + TimeDelta::minutes(skew);
        stage.start_worker(&[
            ("LD_PRELOAD", libfaketime()),
            ("FAKETIME", fake_time(ahead, 1.0)),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]);
    }
    // Whoever takes up what a killed worker held has to judge whether its lease has passed.
    for kill in 0..kills {
        let after = population.deliveries() * (kill + 1) / (kills + 2);
        let patience = Duration::from_secs(20);
        stage.wait_while_alive(patience, Stage::told_count, |stage| stage.told_count() >= after);
        stage.kill_worker(kill % SKEWS.len());
    }
    stage.settle(|stage| stage.have_all_come(&population.questions));

    let (told, asked) = (stage.told(), stage.model.asked());
    let effects = checker::check(&population.questions, &told);
    let opened = stage.postgres.clock.moment(population.opens_at);
    let starts = asked.iter().map(|asked| (asked.at, format!("{} by {}", asked.question, asked.worker)));
    let messages = told.iter().map(|message| (message.at, format!("{} to {}", message.id, message.place)));
    let early: Vec<String> = starts
        .chain(messages)
        .filter(|(at, _)| *at < opened)
        .map(|(at, what)| format!("{what}, {:?} before", opened - at))
        .collect();
    report.did(tasks, "occurrences");
    report.did(population.told_in_slack(), "of them told in Slack as well");
    report.did(SKEWS.iter().filter(|skew| **skew != 0).count(), "of 5 workers with clocks 5 minutes wrong");
    report.did(kills, "kills");
    report.must_be_none(&early, "early");
    report.must_be_none(&effects.twice, "twice");
    report.must_be_none(&effects.parted, "parted between mail and Slack");
    report.must_be_none(&checker::stale_answers(&told, &asked), "stale answers");
    report.must_be_none(&effects.lost, "lost");
    report.saw(effects.sent_again, "mails sent again under their Message-ID");
    report.saw(asked.len().saturating_sub(tasks), "model calls repeated");
    report.finish();
}
