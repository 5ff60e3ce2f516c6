//! G12. One effect for one key: callers race with the same key over two servers, which are killed in the middle of their
//! work and started again. A caller that gets no answer, or is told that the first one is still being worked on, asks the other
//! server, as it would in earnest. What was done is then counted through the API.
//!
//! The database is slow to keep answers, so that many kills fall between an effect and its answer.
//!
//! Switched off by hand, in the short form: the note of a key's effect (`note_effect` doing nothing): 3 keys of 60 with two
//! effects.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    report::{Report, Size},
    stage::{
        PATIENCE, Stage,
        client::{self, Client},
        model, pause, population, words,
    },
};

const CALLERS: usize = 10;
/// Keys whose callers race at the same time.
const KEYS_AT_ONCE: usize = 6;
/// PostgreSQL's clock runs this much faster, so that a request whose server died is taken for dead sooner.
const HASTE: f64 = 5.0;

/// Keeping an answer takes a quarter of a second.
const SLOW_ANSWERS: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.25); RETURN new; END $$;
    CREATE TRIGGER slow BEFORE UPDATE OF response_status ON idempotency_key FOR EACH ROW EXECUTE FUNCTION slow();";

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Task,
    Run,
    Thread,
}

/// What all callers share.
struct Race {
    client: Client,
    servers: RwLock<[String; 2]>,
    token: String,
    /// The task that is run.
    task: String,
    asked_again: AtomicUsize,
}

#[test]
fn g12_one_effect_for_one_key() {
    let size = Size::of_this_run();
    let mut report = Report::new("G12", "one effect for one idempotency key", size);
    let (keys, kills) = (size.count(60, 1_000), size.count(6, 60));

    let mut stage = Stage::new(0, Box::new(model::answers_at_once))
        // The links in answers are the same, whichever server gives them.
        .with("TIDINGS_PUBLIC_URL", "https://tidings.example")
        .with("TIDINGS_REQUESTS_PER_MINUTE", "1000000")
        .with("TIDINGS_RUNS_PER_MINUTE", "1000000");
    let population = stage.populate(1, 1, population::no_data());
    let home = population.homes[0].clone();
    let now = stage.postgres.now();
    stage.postgres.set_clock(now, HASTE);
    let admin = stage.block_on(async {
        let store = stage.store().await;
        client::person(&store, &home.scope, home.admin, stage.postgres.now()).await
    });
    stage.disturb(SLOW_ANSWERS);
    let mut servers = [stage.serve(&[]), stage.serve(&[])];
    let client = Client::new();
    let base = servers[0].1.clone();
    let task = stage.block_on(client.list(&base, &admin.token, "/tasks")).remove(0);
    let race = Arc::new(Race {
        client,
        servers: RwLock::new(servers.each_ref().map(|(_, base)| base.clone())),
        token: admin.token.clone(),
        task: task["id"].as_str().expect("an id").to_owned(),
        asked_again: AtomicUsize::new(0),
    });

    let done = Arc::new(AtomicUsize::new(0));
    let racing = stage.spawn(run_all(Arc::clone(&race), keys, Arc::clone(&done)));
    let mut random = StdRng::seed_from_u64(12);
    for kill in 0..kills {
        let deadline = Instant::now() + PATIENCE;
        // Spread over the work, each at a random moment of some request.
        while done.load(Ordering::Relaxed) < keys * kill / kills {
            assert!(Instant::now() < deadline, "the callers get no further");
            pause(Duration::from_millis(5));
        }
        pause(Duration::from_millis(random.random_range(0..100)));
        let victim = random.random_range(0..2);
        servers[victim].0.kill();
        servers[victim] = stage.serve(&[]);
        let base = servers[victim].1.clone();
        race.servers.write().unwrap_or_else(PoisonError::into_inner)[victim] = base;
    }
    let answers = stage.block_on(racing).expect("the callers");

    let base = race.servers.read().unwrap_or_else(PoisonError::into_inner)[0].clone();
    let (tasks, threads) = stage.block_on(async {
        let tasks = race.client.list(&base, &admin.token, "/tasks").await;
        (tasks, race.client.list(&base, &admin.token, "/threads").await)
    });
    let effects = Effects::count(&race.task, &tasks, &threads);
    let (mut lost, mut twice, mut unequal) = (Vec::new(), Vec::new(), Vec::new());
    for (number, answers) in &answers {
        let word = word(*number);
        let made = match deed(*number) {
            // Each run has a thread of its own, which its answer names.
            Deed::Run => effects.runs.get(answers[0]["threadId"].as_str().unwrap_or_default()),
            Deed::Task | Deed::Thread => effects.made.get(&word),
        };
        match made.copied().unwrap_or(0) {
            0 => lost.push(word.clone()),
            1 => {}
            _ => twice.push(word.clone()),
        }
        if answers.iter().any(|answer| answer != &answers[0]) {
            unequal.push(format!("{word}: {answers:?}"));
        }
    }
    let runs_asked = answers.iter().filter(|(number, _)| deed(*number) == Deed::Run).count();
    if effects.runs.len() > runs_asked {
        twice.push(format!("{} runs for {runs_asked} keys", effects.runs.len()));
    }
    report.did(keys, "keys");
    report.did(CALLERS, "callers each");
    report.did(kills, "kills of servers");
    report.must_be_none(&lost, "without effect");
    report.must_be_none(&twice, "with two effects");
    report.must_be_none(&unequal, "keys with unequal answers");
    report.saw(race.asked_again.load(Ordering::Relaxed), "requests repeated");
    report.finish();
}

fn deed(number: usize) -> Deed {
    [Deed::Task, Deed::Run, Deed::Thread][number % 3]
}

/// What marks a key's task or question, in letters.
fn word(number: usize) -> String {
    format!("deed {}.", words(number))
}

/// All callers of all keys, some keys at a time. Answers what each caller was told.
async fn run_all(race: Arc<Race>, keys: usize, done: Arc<AtomicUsize>) -> Vec<(usize, Vec<Value>)> {
    let at_once = Arc::new(Semaphore::new(KEYS_AT_ONCE));
    let mut racing = JoinSet::new();
    for number in 0..keys {
        let permit = Arc::clone(&at_once).acquire_owned().await.expect("a permit");
        let (race, done) = (Arc::clone(&race), Arc::clone(&done));
        racing.spawn(async move {
            let mut callers = JoinSet::new();
            for caller in 0..CALLERS {
                let race = Arc::clone(&race);
                callers.spawn(async move { call(&race, number, caller).await });
            }
            let answers = callers.join_all().await;
            done.fetch_add(1, Ordering::Relaxed);
            drop(permit);
            (number, answers)
        });
    }
    racing.join_all().await
}

/// One caller, until it is answered.
async fn call(race: &Race, number: usize, caller: usize) -> Value {
    let word = word(number);
    let (path, body) = match deed(number) {
        Deed::Task => (
            "/tasks".to_owned(),
            json!({
                "title": word, "prompt": "Which airline leads?",
                "schedule": {"cadence": "daily", "windowStart": "09:00", "timezone": "UTC"},
            }),
        ),
        Deed::Run => (format!("/tasks/{}/run", race.task), json!({})),
        Deed::Thread => ("/threads".to_owned(), json!({ "prompt": word })),
    };
    let deadline = Instant::now() + PATIENCE;
    let mut turn = caller;
    loop {
        let base = race.servers.read().unwrap_or_else(PoisonError::into_inner)[turn % 2].clone();
        let sent = race.client.send(&base, &race.token, ("POST", &path), Some(&body), Some(&word)).await;
        let told = match sent {
            Ok(answer) if (200..300).contains(&answer.status) => return answer.body,
            Ok(answer) => {
                let may_ask_again = answer.status == 503
                    || (answer.status == 409
                        && ["still_in_progress", "request_replaced"]
                            .contains(&answer.body["reason"].as_str().unwrap_or_default()));
                assert!(may_ask_again, "{word}: {} {}", answer.status, answer.body);
                answer.body.to_string()
            }
            Err(error) => error.to_string(),
        };
        assert!(Instant::now() < deadline, "{word} is never answered: {told}");
        race.asked_again.fetch_add(1, Ordering::Relaxed);
        turn += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What there is, by what marks it.
struct Effects {
    /// Tasks and threads, by their titles.
    made: BTreeMap<String, usize>,
    /// Runs of the task, by their threads.
    runs: BTreeMap<String, usize>,
}

impl Effects {
    fn count(task: &str, tasks: &[Value], threads: &[Value]) -> Self {
        let mut effects = Self { made: BTreeMap::new(), runs: BTreeMap::new() };
        let of_run = |thread: &&Value| thread["taskId"] == task;
        for thing in tasks.iter().chain(threads.iter().filter(|thread| !of_run(thread))) {
            *effects.made.entry(thing["title"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        for thread in threads.iter().filter(of_run) {
            let id = thread["threadId"].as_str().unwrap_or_default().to_owned();
            *effects.runs.entry(id).or_default() += 1;
        }
        effects
    }
}
