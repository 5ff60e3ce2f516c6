//! G4. Fencing: workers stand still (SIGSTOP) at random moments until their leases have passed, others take over, and then
//! they go on (SIGCONT) as if nothing had happened.
//!
//! A stale write shows as an answer that names the reply of a worker whose run another had taken up meanwhile: the other
//! asked the model itself, which it does only when it finds no reply recorded. A second send shows as a mail that a woken
//! worker sent though another sent it as well. What a worker had sent before it stood still, and could not record, is sent
//! again by another under the same Message-ID: that is counted apart.
//!
//! Seen to fail: 9 second sends by woken workers in the short form. A sender counted its lease from the answer to its attempt's
//! commit, so that one that stood still while it waited for that answer took the lease for fresh; now it counts from before
//! the question. The lease token in a worker's writes was switched off in that run too (`run_queue::hold` answering yes) and
//! no stale write was seen: workers woke when others had finished. Since then they wake at random moments of a takeover.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    checker::{self, Origin},
    report::{Report, Size},
    stage::{Stage, mail::Mail, model, model::Asked, pause, population},
};

const LEASE: Duration = Duration::from_secs(5);
/// How long a worker stands still beyond its lease, in milliseconds: it wakes before others take over, while they work, or
/// when they are done.
const OVERDUE: std::ops::Range<u64> = 100..1_500;
/// How long a woken worker goes on. Less than a lease: within it nobody can lose to it again what they took from it.
const WOKEN: Duration = Duration::from_millis(2_500);

/// One worker's standing still.
#[derive(Clone, Debug)]
struct Stop {
    worker: String,
    frozen_at: Instant,
    /// By this machine's clock, in seconds since 1970, as mails have it.
    thawed_at: f64,
}

/// A worker that stands still, or goes on after it.
struct Struck {
    position: usize,
    frozen_at: Instant,
    frozen_for: Duration,
    thawed_at: Option<Instant>,
}

#[test]
fn g4_a_worker_that_stood_still_writes_and_sends_nothing() {
    let size = Size::of_this_run();
    let mut report = Report::new("G4", "a worker that stood still past its lease changes nothing", size);
    let (stops, tasks) = (size.count(12, 1_000), size.count(250, 8_000));
    let (workers, spread_minutes) = (size.pick(5, 16), size.count(0, 14) as i64);

    let mut stage = Stage::new(spread_minutes, Box::new(model::answers_at_once))
        .with_slow_mail(Duration::from_millis(100))
        .with("TIDINGS_AGENT_CONCURRENCY", "4")
        .with("TIDINGS_LEASE_SECONDS", LEASE.as_secs().to_string());
    let population = stage.populate(tasks, 4, population::no_data());
    stage.model.think(Duration::from_millis(600));
    stage.postgres.set_clock(population.opens_at - TimeDelta::seconds(3), 1.0);
    stage.start_workers(workers);
    stage.wait_while_alive(Duration::from_secs(30), |_| (), |stage| stage.mail.count() > 0);

    let mut random = StdRng::seed_from_u64(4);
    let mut struck: Vec<Struck> = Vec::new();
    let mut told: Vec<Stop> = Vec::new();
    // So many stand still at a time that others are left to take over.
    let at_once = workers / 2;
    let mut begun = 0;
    while begun < stops || !struck.is_empty() {
        pause(Duration::from_millis(random.random_range(20..200)));
        if begun < stops && struck.len() < at_once {
            let free: Vec<usize> =
                (0..workers).filter(|position| struck.iter().all(|one| one.position != *position)).collect();
            let position = free[random.random_range(0..free.len())];
            stage.workers[position].process.freeze();
            let frozen_for = LEASE + Duration::from_millis(random.random_range(OVERDUE));
            struck.push(Struck { position, frozen_at: Instant::now(), frozen_for, thawed_at: None });
            begun += 1;
        }
        for one in &mut struck {
            let process = &stage.workers[one.position].process;
            if one.thawed_at.is_none() && one.frozen_at.elapsed() >= one.frozen_for {
                let thawed_at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
                let worker = process.name.clone();
                told.push(Stop { worker, frozen_at: one.frozen_at, thawed_at: thawed_at.as_secs_f64() });
                process.thaw();
                one.thawed_at = Some(Instant::now());
            }
        }
        let is_over = |one: &Struck| one.thawed_at.is_some_and(|at| at.elapsed() >= WOKEN);
        while let Some(over) = struck.iter().position(is_over) {
            stage.kill_worker(struck.swap_remove(over).position);
        }
    }
    stage.settle(tasks);

    let (mails, asked) = (stage.mail.mails(), stage.model.asked());
    let effects = checker::check(&population.questions, &mails);
    let second = second_sends(&mails, &told);
    report.did(told.len(), "workers stopped past their lease and woken");
    report.did(tasks, "occurrences");
    report.saw(taken_over(&asked, &told), "runs taken over in a model call");
    report.must_be_none(&stale_answers(&mails, &asked, &told), "stale writes");
    report.must_be_none(&second, "second sends by a woken worker");
    report.must_be_none(&effects.lost, "lost");
    report.must_be_none(&effects.twice, "twice");
    report.saw(
        effects.sent_again - second.len().min(effects.sent_again),
        "sends repeated by others, outcome unknown",
    );
    report.finish();
}

/// Whether another worker asked the model about `question` from the moment on at which `stop` began.
fn was_taken_over(question: &str, asked: &[Asked], stop: &Stop) -> bool {
    asked
        .iter()
        .any(|asked| asked.question == question && asked.worker != stop.worker && asked.at >= stop.frozen_at)
}

fn taken_over(all: &[Asked], stops: &[Stop]) -> usize {
    let by_stopped = all.iter().filter(|asked| {
        let stop = stops.iter().find(|stop| stop.worker == asked.worker && asked.at < stop.frozen_at);
        stop.is_some_and(|stop| was_taken_over(&asked.question, all, stop))
    });
    by_stopped.count()
}

fn stale_answers(mails: &[Mail], asked: &[Asked], stops: &[Stop]) -> Vec<String> {
    let mut stale = Vec::new();
    for origin in mails.iter().filter_map(|mail| Origin::of(&mail.text)) {
        let stop = stops.iter().find(|stop| stop.worker == origin.worker);
        if stop.is_some_and(|stop| was_taken_over(&origin.question, asked, stop)) {
            stale.push(format!("{} by {}", origin.question, origin.worker));
        }
    }
    stale
}

/// Mails that a worker sent after it was woken and that others sent as well.
fn second_sends(mails: &[Mail], stops: &[Stop]) -> Vec<String> {
    let is_by = |mail: &Mail, stop: &Stop| mail.from.split('@').next() == Some(&stop.worker);
    let by_woken = mails.iter().filter(|mail| {
        stops.iter().any(|stop| {
            is_by(mail, stop)
                && mail.at > stop.thawed_at
                && mails.iter().any(|other| other.message_id == mail.message_id && !is_by(other, stop))
        })
    });
    by_woken.map(|mail| format!("{} by {}", mail.message_id, mail.from)).collect()
}
