//! G1. One run per occurrence, none lost, none twice: occurrences that come due together, four workers, and all the while
//! workers are killed, PostgreSQL is killed, and connections between them are cut.
//!
//! Every second occurrence is told in a Slack channel as well as by mail. An occurrence is lost when one of the places where it
//! is awaited did not get its answer, and ran twice when a place got it under two ids, or when mail and channel got answers of
//! different replies. A mail that comes again under the same Message-ID is the same delivery, whose first send died between the
//! mail server's taking it and the record of that: it is counted apart. In Slack a second message is a second message.
//!
//! Switched off by hand, in the short form: the rescue of runs whose lease has passed (`Store::run_rescue` doing nothing): 99 of
//! 200 lost. The Message-ID made of the delivery's id (another at each attempt): 7 twice. Before a sender tried again to
//! record an outcome while PostgreSQL was away, 36 mails were sent again; after it, 7. The look for Slack messages whose outcome
//! nobody knows (`slack::reconcile` taking each as not posted): 2 of 100 in Slack twice, and no mail, for only a death around the
//! post itself leaves one behind.
//!
//! One occurrence has one run for two reasons. Off together, the locks of the claim (`FOR UPDATE SKIP LOCKED` of
//! `Store::due_claim`, and the turns that workers take in `Store::due_start`) and the constraint `run_occurrence_unique`: 153 of
//! 200 twice, many of them three times. Either of them alone off, before workers started what is due: the row passes, for the
//! other one holds.

use std::time::Duration;

use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    checker,
    report::{Report, Size},
    stage::{Stage, model, pause, population},
};

const WORKERS: usize = 4;
/// The next blow falls even if nothing moves for this long.
const IMPATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Blow {
    KillWorker,
    KillPostgres,
    CutConnections,
}

#[test]
fn g1_one_run_per_occurrence() {
    let size = Size::of_this_run();
    let mut report = Report::new("G1", "one run per occurrence, none lost, none twice", size);
    let (occurrences, kills) = (size.count(200, 10_000), size.count(8, 200));
    let (crashes, cuts) = (size.count(2, 50), size.count(4, 50));

    // Leases so short that what a dead worker held is taken up while others die.
    let mut stage = Stage::new(0, Box::new(model::answers_at_once))
        .with("TIDINGS_LEASE_SECONDS", "10")
        .with("TIDINGS_AGENT_CONCURRENCY", "4")
        .with_slack();
    let population = stage.populate(occurrences, size.pick(4, 20), population::no_data());
    stage.model.think(Duration::from_millis(60));
    stage.postgres.set_clock(population.opens_at - TimeDelta::seconds(2), 1.0);
    let (_server, _) = stage.serve(&[]);
    stage.start_workers(WORKERS);

    let mut random = StdRng::seed_from_u64(1);
    let mut blows =
        [vec![Blow::KillWorker; kills], vec![Blow::KillPostgres; crashes], vec![Blow::CutConnections; cuts]]
            .concat();
    blows.shuffle(&mut random);
    let mut revived = 0;
    for (position, blow) in blows.iter().enumerate() {
        // Spread over the work, each at a random moment.
        let after = population.deliveries() * position / blows.len();
        stage.wait_while_alive(IMPATIENCE, Stage::told_count, |stage| stage.told_count() >= after);
        pause(Duration::from_millis(random.random_range(0..150)));
        let worker = random.random_range(0..WORKERS);
        match blow {
            Blow::KillWorker => stage.kill_worker(worker),
            Blow::KillPostgres => stage.postgres.crash_and_restart(),
            Blow::CutConnections => cut(&stage, worker, &mut random),
        }
        revived += stage.revive_workers();
    }
    stage.settle(|stage| stage.have_all_come(&population.questions));

    let told = stage.told();
    let effects = checker::check(&population.questions, &told);
    let asked = stage.model.asked();
    report.did(occurrences, "occurrences");
    report.did(population.told_in_slack(), "of them told in Slack as well");
    report.did(population.homes.len(), "workspaces");
    report.did(kills, "kills of workers");
    report.did(crashes, "kills of PostgreSQL");
    report.did(cuts, "cuts");
    report.must_be_none(&effects.lost, "lost");
    report.must_be_none(&effects.twice, "twice");
    report.must_be_none(&effects.parted, "parted between mail and Slack");
    report.must_be_none(&checker::stale_answers(&told, &asked), "stale answers");
    report.must_be_none(&effects.notices, "notices of failure");
    report.saw(effects.sent_again, "mails sent again under their Message-ID");
    report.saw(asked.len().saturating_sub(occurrences), "model calls repeated");
    report.saw(revived, "workers that ended by themselves");
    report.finish();
}

/// Cuts a worker's connections: now, in the middle of an answer, or after a while of silence.
fn cut(stage: &Stage, worker: usize, random: &mut StdRng) {
    let proxy = &stage.workers[worker].proxy;
    match random.random_range(0..3) {
        0 => proxy.cut(),
        1 => proxy.cut_after(random.random_range(0..20_000)),
        _ => {
            proxy.swallow();
            pause(Duration::from_millis(random.random_range(100..1_000)));
            proxy.cut();
        }
    }
}
