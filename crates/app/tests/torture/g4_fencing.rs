//! G4. Fencing: workers stand still (SIGSTOP) at random moments until their leases have passed, others take over, and then
//! they go on (SIGCONT) as if nothing had happened.
//!
//! A stale write shows as an answer that names the reply of a stopped worker though another asked the same question after it:
//! the other does that only when it holds the run and finds no reply recorded. A second send shows as a mail that a woken
//! worker sent though another sent it as well, and both lived to record it. Whoever was stopped or killed within two seconds of
//! the mail server's taking its mail may not have recorded that, and another sends it again under the same Message-ID: that
//! is counted apart, and so is what was sent long before or after the standing still.
//!
//! Every second occurrence is told in a Slack channel as well, where a message once posted stays: any second one there is
//! `twice`, whoever posted it.
//!
//! A run that is first in line goes to one worker that will be stopped after the other: the fifth time it is given up, and its
//! creator is told. That is counted apart.
//!
//! Switched off by hand, in the short form: the lease token in a worker's writes (`run_queue::hold` and `take_off` looking for
//! the run alone): nothing seen in one run, for a woken worker drops its turns by its own clock first. With that off as well
//! (`lease_runs_out` never ending, `leases_lost` finding none): one stale write in the first of four runs, none in the other
//! three. The sender's own lease (`while_held` doing nothing but its work): nothing seen in one run; a worker must be stopped
//! within the milliseconds before its mail is out. So a pass of the short form says little of these.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    checker::{self, Origin, Told},
    report::{Report, Size},
    stage::{PATIENCE, Stage, mail::Mail, model, model::Asked, pause, population, words},
};

/// Where a worker has something in hand that others will do as well, and only a fence stands between it and the effect: a reply
/// that is not recorded, a delivery that is leased, one whose attempt has begun.
const POINTS: [&str; 3] = [REPLIED, "notifier::delivery_claimed", "notifier::attempt_started"];
const REPLIED: &str = "agent::model_replied";
const LEASE: Duration = Duration::from_secs(5);
/// How long a worker stands still beyond its lease, in milliseconds: it wakes before others take over, while they work, or
/// when they are done.
const OVERDUE: std::ops::Range<u64> = 100..1_500;
/// How long a woken worker goes on. Less than a lease: within it nobody can lose to it again what they took from it.
const WOKEN: Duration = Duration::from_secs(4);
/// Whoever is struck so soon before or after the mail server took its mail may not have recorded that, on a busy machine.
const UNRECORDED: Duration = Duration::from_secs(2);

/// Half of what a send whose outcome nobody knows is left alone for: one that comes later was taken up as such, rightly.
const TAKEN_UP_AFTER: Duration = Duration::from_secs(30);

/// One worker's standing still.
#[derive(Clone, Debug)]
struct Stop {
    worker: String,
    frozen_at: Instant,
    thawed_at: Instant,
    killed_at: Instant,
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
    // While workers are sent to points there must be runs left for them, however slow the machine: so few others work then.
    let others = size.pick(2, workers);

    let mut stage = Stage::new(spread_minutes, Box::new(model::answers_at_once))
        .with_slow_mail(Duration::from_millis(100))
        .with("TIDINGS_AGENT_CONCURRENCY", "4")
        .with("TIDINGS_LEASE_SECONDS", LEASE.as_secs().to_string())
        // So many workers would else want more than PostgreSQL gives, and some would stand still for want of one.
        .with("TIDINGS_DATABASE_MAX_CONNECTIONS", "10")
        .with_slack();
    // More workspaces than elsewhere: who stands still with a lock on the place of one's messages in Slack holds up only those.
    let population = stage.populate(tasks, 20, population::no_data());
    // Replies take so long that there is work in hand until the last worker is woken, in the short form too.
    stage.model.think(Duration::from_millis(size.pick(6_000, 600)));
    stage.postgres.set_clock(population.opens_at - TimeDelta::seconds(3), 1.0);
    stage.start_workers(others);
    stage.wait_while_alive(Duration::from_secs(30), |_| (), |stage| stage.told_count() > 0);

    let mut done = Vec::new();
    for _ in 0..size.count(2, 25) {
        done.extend(stop_at_points(&mut stage));
    }
    let at_points = done.len();
    stage.start_workers(workers - others);

    let mut random = StdRng::seed_from_u64(4);
    let mut struck: Vec<Struck> = Vec::new();
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
                one.thawed_at = Some(Instant::now());
                process.thaw();
            }
        }
        struck.retain(|one| {
            let Some(thawed_at) = one.thawed_at.filter(|at| at.elapsed() >= WOKEN) else { return true };
            let worker = stage.workers[one.position].process.name.clone();
            done.push(Stop { worker, frozen_at: one.frozen_at, thawed_at, killed_at: Instant::now() });
            stage.kill_worker(one.position);
            false
        });
    }
    stage.settle(|stage| stage.have_all_come(&population.questions));

    let (told, asked) = (stage.told(), stage.model.asked());
    let effects = checker::check(&population.questions, &told);
    let second = second_sends(&stage.mail.mails(), &done);
    report.did(done.len(), "workers stopped past their lease and woken");
    report.did(at_points, "of them with an effect in hand");
    report.did(tasks, "occurrences");
    report.did(population.told_in_slack(), "of them told in Slack as well");
    report.saw(taken_over(&asked, &done), "runs taken over in a model call");
    report.must_be_none(&stale_answers(&told, &asked, &done), "stale writes");
    report.must_be_none(&second, "second sends by a woken worker");
    let given_up = effects.notices.iter().filter(|notice| notice.contains("could not run")).count();
    let lost: BTreeSet<&str> = effects.lost.iter().filter_map(|lost| lost.split(' ').next()).collect();
    let lost: Vec<&str> = lost.into_iter().skip(given_up).collect();
    report.must_be_none(&lost, "lost");
    report.saw(given_up, "given up after five vanished workers, as their creators were told");
    report.must_be_none(&effects.twice, "twice");
    report.must_be_none(&effects.parted, "parted between mail and Slack");
    report.saw(
        effects.sent_again - second.len().min(effects.sent_again),
        "sends repeated by others, outcome unknown",
    );
    report.finish();
}

/// Has one worker more stop at each of the points, and wakes it when its lease has passed: the one with a reply at the moment at
/// which another has asked again and waits for its own.
fn stop_at_points(stage: &mut Stage) -> Vec<Stop> {
    let first = stage.workers.len();
    for point in POINTS {
        stage.start_worker(&[
            ("TIDINGS_AGENT_CONCURRENCY", "1".to_owned()),
            ("TIDINGS_STOP_AT", format!("{point}=1")),
        ]);
    }
    let mut struck: Vec<Struck> = Vec::new();
    let mut told = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while told.len() < POINTS.len() && Instant::now() < deadline {
        pause(Duration::from_millis(5));
        for position in first..first + POINTS.len() {
            let is_new = struck.iter().all(|one| one.position != position);
            if is_new && stage.workers[position].process.is_frozen() {
                let frozen_for = LEASE + Duration::from_millis(OVERDUE.end);
                struck.push(Struck { position, frozen_at: Instant::now(), frozen_for, thawed_at: None });
            }
        }
        for one in &mut struck {
            let process = &stage.workers[one.position].process;
            if one.thawed_at.is_none() && one.frozen_at.elapsed() >= LEASE {
                let is_due = if POINTS[one.position - first] == REPLIED {
                    is_asked_again(&stage.model.asked(), &process.name, one.frozen_at)
                } else {
                    one.frozen_at.elapsed() >= one.frozen_for
                };
                if is_due {
                    one.thawed_at = Some(Instant::now());
                    process.thaw();
                }
            }
            if let Some(thawed_at) = one.thawed_at.filter(|at| at.elapsed() >= WOKEN)
                && told.iter().all(|stop: &Stop| stop.worker != process.name)
            {
                let worker = process.name.clone();
                stage.workers[one.position].process.kill();
                told.push(Stop { worker, frozen_at: one.frozen_at, thawed_at, killed_at: Instant::now() });
            }
        }
    }
    let missing: Vec<&str> = (first..first + POINTS.len())
        .filter(|position| told.iter().all(|stop| stop.worker != stage.workers[*position].process.name))
        .map(|position| POINTS[position - first])
        .collect();
    assert!(
        missing.is_empty(),
        "no worker came to {missing:?}, or nobody took over from it; {} messages so far",
        stage.told_count()
    );
    stage.workers.truncate(first);
    told
}

/// Whether another worker has asked what `worker` asked last.
fn is_asked_again(all: &[Asked], worker: &str, frozen_at: Instant) -> bool {
    let last = all.iter().rfind(|asked| asked.worker == worker);
    last.is_some_and(|last| {
        all.iter()
            .any(|asked| asked.question == last.question && asked.worker != worker && asked.at >= frozen_at)
    })
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

/// Answers that name a reply which a stopped worker got before another asked the same question.
fn stale_answers(told: &[Told], asked: &[Asked], stops: &[Stop]) -> Vec<String> {
    let mut stale = Vec::new();
    for origin in told.iter().filter_map(|message| Origin::of(&message.text)) {
        let Some(stop) = stops.iter().find(|stop| stop.worker == origin.worker) else { continue };
        let Some(own) = asked.iter().find(|asked| words(asked.number) == origin.reply) else { continue };
        // A woken worker may take up what another left behind: then it asks again, and is the last to ask.
        let was_asked_again = asked.iter().any(|later| {
            later.question == own.question
                && later.worker != own.worker
                && later.number > own.number
                && later.at >= stop.frozen_at
        });
        if was_asked_again {
            stale.push(format!("{} by {}", origin.question, origin.worker));
        }
    }
    stale
}

/// Mails that a worker sent after it was woken and that others sent as well, though each of them lived to record it.
fn second_sends(mails: &[Mail], stops: &[Stop]) -> Vec<String> {
    let is_by = |mail: &Mail, stop: &Stop| mail.from.split('@').next() == Some(&stop.worker);
    let is_unrecorded = |mail: &Mail, stop: &Stop| {
        let struck = [stop.frozen_at, stop.killed_at].map(since_1970);
        struck.iter().any(|at| (mail.at - at).abs() < UNRECORDED.as_secs_f64())
    };
    let is_known = |mail: &Mail| !stops.iter().any(|stop| is_by(mail, stop) && is_unrecorded(mail, stop));
    let by_woken = mails.iter().filter(|mail| {
        stops.iter().any(|stop| {
            is_by(mail, stop)
                && mail.at > since_1970(stop.thawed_at)
                && is_known(mail)
                && mails.iter().any(|other| {
                    other.message_id == mail.message_id
                        && !is_by(other, stop)
                        && is_known(other)
                        && since_1970(stop.frozen_at) < other.at
                        && other.at < mail.at + TAKEN_UP_AFTER.as_secs_f64()
                })
        })
    });
    by_woken.map(|mail| format!("{} by {}", mail.message_id, mail.from)).collect()
}

/// A moment by this machine's clock, in seconds, as mails have it.
fn since_1970(at: Instant) -> f64 {
    let moment = SystemTime::now() - at.elapsed();
    moment.duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}
