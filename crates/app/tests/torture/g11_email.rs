//! G11. Mail: answers with many readers each, a mail server that treats a fifth of the mails badly (refused for now, hung up on
//! before or after they were accepted, slow), and workers that are killed meanwhile. Some addresses do not exist: the server
//! says so once, and is never asked again.
//!
//! A mail is lost when its reader never got that answer. Its Message-ID is stable when all copies that a reader got of an
//! answer bear the same. A copy is what came again because nobody knew whether the first one had been taken.
//!
//! Switched off by hand, in the short form: the Message-ID made of the delivery's id (another at each attempt): 32 under another
//! one. The second attempt after a send whose outcome nobody knows (`judge` calling it sent): 6 lost. The memory of a dead
//! address (`mail_suppress` not called): nothing, for its destination is paused by then. That off as well: 49 attempts at a
//! dead address.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use domain::{UserId, access::Role, schedule::Schedule, task::TaskSpec};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use store::{NewUser, Store};

use crate::{
    checker::Origin,
    report::{Report, Size},
    stage::{QUIET, Stage, model, pause, population, population::Home, words},
};

const WORKERS: usize = 3;
const FAULTS_PERCENT: u32 = 20;
/// Steps of the clock within which each dead address is tried: more than a delivery lives for.
const JUMPS_MAX: usize = 150;
/// The next blow falls even if nothing moves for this long.
const IMPATIENCE: Duration = Duration::from_secs(5);

#[test]
fn g11_no_mail_is_lost_whatever_the_mail_server_does() {
    let size = Size::of_this_run();
    let mut report = Report::new("G11", "no mail lost, one Message-ID each, none to a dead address", size);
    let (answers, readers) = (size.pick(5, 25), size.count(40, 200));
    let (dead, kills) = (size.count(8, 50), size.count(6, 100));

    let mut stage = Stage::new(0, Box::new(model::answers_at_once))
        .with_faulty_mail(FAULTS_PERCENT)
        .with("TIDINGS_LEASE_SECONDS", "10");
    let population = stage.populate(0, 1, population::no_data());
    let home = population.homes[0].clone();
    let (living, lifeless) = stage.block_on(async {
        let store = stage.store().await;
        let living = members(&store, &home, "reader", readers).await;
        let lifeless = members(&store, &home, "nobody", dead).await;
        // A run by hand, before the others: what the server says of the dead is known when those begin.
        let first = task(&store, &home, "qfirst", &lifeless, population.opens_at).await;
        store.task_run(&home.scope, first, None).await.expect("a run");
        store.close().await;
        (living, lifeless)
    });
    stage.postgres.set_clock(population.opens_at - TimeDelta::minutes(30), 1.0);
    stage.start_workers(WORKERS);
    // What was treated badly is tried again minutes later.
    let mut jumps = 0;
    while !stage.wait_while_alive(QUIET, |stage| stage.mail.refusals(), |stage| stage.mail.refusals() >= dead)
    {
        jumps += 1;
        assert!(jumps < JUMPS_MAX, "a dead address was never tried");
        stage.postgres.jump(TimeDelta::minutes(10));
    }
    stage.settle(|_| true);
    let tried_before = stage.mail.refusals();

    let questions: Vec<String> = (0..answers).map(|number| format!("q{}", words(number))).collect();
    stage.block_on(async {
        let store = stage.store().await;
        let all = [living.clone(), lifeless].concat();
        for question in &questions {
            let task = task(&store, &home, question, &all, population.opens_at).await;
            store.task_run(&home.scope, task, None).await.expect("a run");
        }
        store.close().await;
    });
    let mails = answers * readers;
    let mut random = StdRng::seed_from_u64(11);
    for blow in 0..kills {
        let after = mails * blow / kills;
        stage.wait_while_alive(IMPATIENCE, |stage| stage.mail.count(), |stage| stage.mail.count() >= after);
        pause(Duration::from_millis(random.random_range(0..150)));
        stage.kill_worker(random.random_range(0..WORKERS));
        stage.revive_workers();
    }
    stage.settle(|stage| {
        let ids: BTreeSet<String> = stage.mail.mails().into_iter().map(|mail| mail.message_id).collect();
        ids.len() >= mails
    });

    let mut ids: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut copies = 0;
    for mail in stage.mail.mails() {
        let Some(origin) = Origin::of(&mail.text) else { continue };
        let known = ids.entry((origin.question, mail.to)).or_default();
        copies += usize::from(!known.insert(mail.message_id));
    }
    let expected = questions
        .iter()
        .flat_map(|question| (0..readers).map(move |number| (question.clone(), address("reader", number))));
    let lost: Vec<String> = expected
        .filter(|mail| !ids.contains_key(mail))
        .map(|(question, to)| format!("{question} to {to}"))
        .collect();
    let changed: Vec<String> = ids
        .iter()
        .filter(|(_, ids)| ids.len() > 1)
        .map(|((question, to), ids)| format!("{question} to {to} under {ids:?}"))
        .collect();
    let again = vec!["another attempt"; stage.mail.refusals() - tried_before];
    report.did(mails, "mails");
    report.did(format!("{FAULTS_PERCENT}%"), "of them treated badly at each attempt");
    report.did(dead, "dead addresses");
    report.did(kills, "kills of workers");
    report.must_be_none(&lost, "lost");
    report.must_be_none(&changed, "under another Message-ID");
    report.must_be_none(&again, "attempts at a dead address once it was known");
    report.saw(copies, "copies under their Message-ID");
    report.finish();
}

fn address(name: &str, number: usize) -> String {
    format!("{name}-{}@readers.example", words(number))
}

async fn members(store: &Store, home: &Home, name: &str, count: usize) -> Vec<UserId> {
    let mut members = Vec::new();
    for number in 0..count {
        let user = NewUser {
            email: address(name, number),
            name: name.to_owned(),
            password_hash: None,
            timezone: "UTC".into(),
        };
        let user = store.user_create(&user).await.expect("a user");
        store.member_add(&home.scope, user, Role::Member).await.expect("a member");
        members.push(user);
    }
    members
}

async fn task(
    store: &Store,
    home: &Home,
    question: &str,
    readers: &[UserId],
    opens_at: DateTime<Utc>,
) -> domain::TaskId {
    // Its own window opens tomorrow: it runs when it is told to.
    let hour = (opens_at.hour() + 20) % 24;
    let spec: TaskSpec = serde_json::from_value(json!({
        "title": "Torture", "prompt": format!("Which airline leads? Word: {question} ."),
        "context": { "connectionIds": [home.connection] },
        "schedule": { "cadence": "daily", "windowStart": format!("{hour:02}:00"), "timezone": "UTC" },
        "notification": { "userIds": readers }, "expiresAt": opens_at + TimeDelta::days(4),
    }))
    .expect("a task");
    let schedule = Schedule::parse(spec.schedule.clone(), "").expect("a schedule");
    store.task_create(&home.scope, home.admin, &spec, &schedule).await.expect("a task").id
}
