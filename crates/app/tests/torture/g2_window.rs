//! G2. In the window: tasks that share one window all start inside it, and are delivered by its close.
//!
//! PostgreSQL's clock runs many times as fast as this machine's, so that two hours pass in minutes; the workers' clocks do
//! not, which is harder on them than an hour that is one: all of their own work takes that many times as long.
//! Every second task is told in a Slack channel as well, of a Slack whose minutes are PostgreSQL's.
//!
//! Switched off by hand, in the short form: the due time (`Store::due_claim` taking what is due within ten minutes): 14 of 100
//! started outside, 89% delivered inside. The spread's end (`start_offset` over twice the spread, 180 minutes of a window of
//! 120): 66% delivered by the close, and the row ends there, so that it sees no later start.

use std::time::Duration;

use chrono::TimeDelta;

use crate::{
    checker::{self, Told},
    report::{Report, Size},
    stage::{Stage, model, population},
};

const WORKERS: usize = 4;
/// As Tidings does when nobody says otherwise.
const SPREAD_MINUTES: i64 = 90;
/// Of all answers, by the window's close.
const DELIVERED: f64 = 99.9;

#[test]
fn g2_in_the_window() {
    let size = Size::of_this_run();
    let mut report = Report::new("G2", "started and delivered inside the window", size);
    let (tasks, rate) = (size.count(100, 10_000), size.pick(60.0, 8.0));

    // Long by PostgreSQL's clock, so that it is long enough by the workers'.
    let mut stage = Stage::new(SPREAD_MINUTES, Box::new(model::answers_at_once))
        .with("TIDINGS_LEASE_SECONDS", "600")
        .with_slack();
    let population = stage.populate(tasks, 4, population::no_data());
    stage.postgres.set_clock(population.opens_at - TimeDelta::minutes(5), rate);
    stage.start_workers(WORKERS);
    // The window's close ends it, and nothing else: before the first mail a busy machine may be long in starting workers.
    stage.wait_while_alive(Duration::MAX, Stage::told_count, |stage| {
        stage.told_count() >= population.deliveries() || stage.postgres.now() > population.closes_at
    });

    let (opens_at, closes_at) = (population.opens_at, population.closes_at);
    let is_inside = |at| (opens_at..closes_at).contains(&at);
    let asked = stage.model.asked();
    let outside: Vec<String> = asked
        .iter()
        .map(|asked| (asked, stage.postgres.clock.at(asked.at)))
        .filter(|(_, at)| !is_inside(*at))
        .map(|(asked, at)| format!("{} at {at}", asked.question))
        .collect();
    let told = stage.told();
    let came_at = |message: &Told| stage.postgres.clock.at(message.at);
    let in_time: Vec<Told> = told.iter().filter(|message| is_inside(came_at(message))).cloned().collect();
    let deliveries = population.deliveries();
    let delivered = deliveries - checker::check(&population.questions, &in_time).lost.len();
    let latest = told.iter().map(|message| came_at(message) - opens_at).max().unwrap_or_default();
    let effects = checker::check(&population.questions, &told);

    report.did(tasks, "tasks in one window of two hours");
    report.did(population.told_in_slack(), "of them told in Slack as well");
    report.did(rate, "times this machine's time");
    report.must_be_none(&outside, "started outside");
    report.must_reach(delivered as f64 * 100.0 / deliveries as f64, DELIVERED, "% delivered by the close");
    report.saw(latest.num_minutes(), "minutes after the opening came the last");
    report.must_be_none(&effects.twice, "twice");
    report.must_be_none(&effects.parted, "parted between mail and Slack");
    report.finish();
}
