//! G21. Nothing of a deactivated creator's, and nothing of a deleted task's, starts after the API has answered: no question to
//! the model, no mail, no message in Slack. People's tasks run, each told by mail and in a Slack channel, and at random moments
//! an admin deactivates their creators, or they delete them themselves. Half of the recipients' servers refuse the first attempt
//! for now, or lose its answer, and so does Slack with half of the posts, so that there is a second one to hold back.
//!
//! What had begun before is let go on, and is seen a moment later: a question counts as started after when it comes in more
//! than [`Pace::on_its_way`] after the answer, and a mail when it was taken more than [`Pace::mail_on_its_way`] after it; the
//! attempt was committed before. A Slack message may take [`REST`] longer: so long it waits for its channel.
//!
//! Seen with the mechanism switched off by hand (`delivery_attempt_start` without `refusal`, and `unknown` messages left alone
//! by the deactivation): in the short form 6 of 40 races have a
//! mail after it, all to a server that took the first one and did not say so.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use domain::access::{ConnectionAccess, Role};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use store::{Grant, Subject};
use testkit::slack::{Chaos, Fault};
use tokio::task::JoinSet;

use crate::{
    checker::{Origin, Told},
    report::{Report, Size},
    stage::{
        Stage,
        client::{self, Client, Person},
        model::{self, Asked},
        population::CHANNELS,
        slack::{Place, SlackServer},
        words,
    },
};

/// How long things take, and may take.
struct Pace {
    /// The longest that the model thinks: so late may come what was started too late.
    thinks: Duration,
    /// The latest that a race is over after its start: in the middle of the turn, or between the two attempts of its mail.
    over_after: [Duration; 2],
    /// How long a question to the model may be on its way.
    on_its_way: Duration,
    /// How long a mail may be on its way: connecting, greeting, its text, and the sync of the log.
    mail_on_its_way: Duration,
}

/// For a machine that does other things by the way: all is slow.
const SLOW: Pace = Pace {
    thinks: Duration::from_millis(2_400),
    over_after: [Duration::from_secs(5), Duration::from_secs(10)],
    on_its_way: Duration::from_secs(1),
    mail_on_its_way: Duration::from_secs(4),
};
const FAST: Pace = Pace {
    thinks: Duration::from_millis(100),
    over_after: [Duration::from_secs(1), Duration::from_secs(5)],
    on_its_way: Duration::from_millis(250),
    mail_on_its_way: Duration::from_secs(2),
};
/// How long a channel rests after a message, and how long it may take to look at the channel before one.
const REST: Duration = Duration::from_secs(2);
/// Races at the same time.
const AT_ONCE: usize = 16;

/// One race: who runs what, and how it is stopped.
struct Race {
    number: usize,
    admin: Person,
    creator: Person,
    task: String,
    is_deletion: bool,
    /// After how long.
    after: Duration,
}

#[test]
fn g21_nothing_starts_after_a_deactivation() {
    let size = Size::of_this_run();
    let mut report = Report::new("G21", "nothing starts after a deactivation or a deletion", size);
    let (races, pace) = (size.count(40, 500), size.pick(SLOW, FAST));

    let mut stage = Stage::new(0, Box::new(two_steps))
        .with("TIDINGS_REQUESTS_PER_MINUTE", "1000000")
        .with("TIDINGS_RUNS_PER_MINUTE", "1000000");
    let slack = SlackServer::start(&mut stage);
    let places = slack.places(&stage, 0, size.pick(1, 4), CHANNELS);
    slack.fake.misbehave(Some(Chaos {
        seed: 21,
        share: 0.5,
        faults: vec![Fault::InternalError, Fault::RequestDropped],
        methods: vec!["chat.postMessage".to_owned()],
        teams: Vec::new(),
    }));
    stage.model.think(pace.thinks);
    let client = Client::new();
    let (_server, base) = stage.serve(&[]);
    let races = stage.block_on(prepare(&stage, &places, (&client, &base), races, &pace));
    stage.start_workers(2);

    let over = stage.block_on(run_all(client, base, races));
    stage.settle(|_| true);

    let mut late_questions = Vec::new();
    let asked = stage.model.asked();
    for asked in &asked {
        let Some(over) = over.get(&asked.question) else { continue };
        let late = asked.at.saturating_duration_since(*over);
        if late > pace.on_its_way {
            late_questions.push(format!("{} {} ms late", asked.question, late.as_millis()));
        }
    }
    let (mails, late_mails) = answers(&stage.mail.told(), &over, pace.mail_on_its_way);
    let (posts, late_posts) = answers(&slack.told(), &over, pace.mail_on_its_way + REST);
    report.did(over.len(), "races");
    report.must_be_none(&late_questions, "steps started after");
    report.must_be_none(&late_mails, "mails sent after");
    report.must_be_none(&late_posts, "Slack messages posted after");
    report.saw(asked.len(), "steps");
    report.saw(mails, "mails");
    report.saw(posts, "Slack messages");
    // A race that one side wins every time shows nothing.
    report.must_reach(asked.len() as f64 / over.len() as f64, 0.2, "steps a race");
    report.must_reach(2.9 - asked.len() as f64 / over.len() as f64, 0.0, "steps held back a race");
    report.must_reach(mails as f64, 1.0, "mails in time");
    report.must_reach(posts as f64, 1.0, "Slack messages in time");
    report.finish();
}

/// How many of the messages are answers, and which of them came longer than `on_its_way` after their race was over.
fn answers(told: &[Told], over: &BTreeMap<String, Instant>, on_its_way: Duration) -> (usize, Vec<String>) {
    let (mut count, mut late) = (0, Vec::new());
    for message in told {
        let Some(Origin { question, .. }) = Origin::of(&message.text) else { continue };
        count += 1;
        let Some(over) = over.get(&question) else { continue };
        let after = message.at.saturating_duration_since(*over);
        if after > on_its_way {
            late.push(format!("{question} to {} {:.1} s late", message.place, after.as_secs_f64()));
        }
    }
    (count, late)
}

/// A model that looks something up twice before it answers.
fn two_steps(asked: &Asked) -> (&'static str, Value) {
    if asked.replies_seen < 2 {
        return ("previous_threads", json!({ "limit": asked.replies_seen + 1 }));
    }
    model::answers_at_once(asked)
}

async fn prepare(
    stage: &Stage,
    places: &[Place],
    (client, base): (&Client, &str),
    races: usize,
    pace: &Pace,
) -> Vec<Race> {
    let store = stage.store().await;
    let now = stage.postgres.now();
    let mut admins = Vec::new();
    for Place { home, .. } in places {
        admins.push(client::person(&store, &home.scope, home.admin, now).await);
        let everyone =
            Grant { subject: Subject::Workspace, label: String::new(), access: ConnectionAccess::Query };
        store.grant_put(&home.scope, home.connection, &[everyone]).await.expect("a grant");
    }
    let mut random = StdRng::seed_from_u64(21);
    let mut prepared = Vec::new();
    for number in 0..races {
        let word = words(number);
        let Place { home, channels, .. } = &places[number % places.len()];
        let channel = &channels[number / places.len() % channels.len()];
        let creator =
            client::member(&store, &home.scope, &format!("c{word}@people.example"), Role::Editor).await;
        let creator = client::person(&store, &home.scope, creator, now).await;
        // The recipient's name is what the mail server behaves by.
        let server = ["grey", "lost", "plain", "plain"][number % 4];
        let reader =
            client::member(&store, &home.scope, &format!("{server}.{word}@mail.example"), Role::Member).await;
        let body = json!({
            "title": "Race", "prompt": format!("Which airline leads? Word: q{word} ."),
            "schedule": {"cadence": "daily", "windowStart": "09:00", "timezone": "UTC"},
            "notification": {"userIds": [reader], "slackChannels": [{"id": channel, "name": "room"}]},
        });
        let made = client.send(base, &creator.token, ("POST", "/tasks"), Some(&body), None).await;
        let made = made.expect("an answer");
        assert_eq!(made.status, 201, "{}", made.body);
        prepared.push(Race {
            number,
            admin: admins[number % places.len()].clone(),
            creator,
            task: made.body["id"].as_str().expect("an id").to_owned(),
            is_deletion: number % 3 == 2,
            // Some in the middle of the turn, some between the two attempts of its mail.
            after: random.random_range(Duration::ZERO..pace.over_after[number % 8 / 4]),
        });
    }
    store.close().await;
    prepared
}

/// All races, some at a time. Answers by their questions when each was over.
async fn run_all(client: Client, base: String, races: Vec<Race>) -> BTreeMap<String, Instant> {
    let mut running = JoinSet::new();
    let mut over = BTreeMap::new();
    for race in races {
        if running.len() >= AT_ONCE
            && let Some(ended) = running.join_next().await
        {
            over.extend([ended.expect("a race")]);
        }
        running.spawn(run(client.clone(), base.clone(), race));
    }
    over.extend(running.join_all().await);
    over
}

async fn run(client: Client, base: String, race: Race) -> (String, Instant) {
    let token = &race.creator.token;
    let start = format!("/tasks/{}/run", race.task);
    let started =
        client.send(&base, token, ("POST", &start), Some(&json!({})), None).await.expect("an answer");
    assert_eq!(started.status, 202, "{}", started.body);
    tokio::time::sleep(race.after).await;
    let stopped = if race.is_deletion {
        client.send(&base, token, ("DELETE", &format!("/tasks/{}", race.task)), None, None).await
    } else {
        let path = format!("/users/{}/deactivate", race.creator.id);
        client.send(&base, &race.admin.token, ("POST", &path), None, None).await
    };
    let over = Instant::now();
    let stopped = stopped.expect("an answer");
    assert!((200..300).contains(&stopped.status), "{} {}", stopped.status, stopped.body);
    (format!("q{}", words(race.number)), over)
}
