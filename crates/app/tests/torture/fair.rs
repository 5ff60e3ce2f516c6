//! fair. A workspace with thousands of due tasks does not delay another's one.
//!
//! A crowd comes due in one instant: tasks of a single workspace, over a model that thinks for long about each, so that their turns
//! hold every place of every worker. Meanwhile single tasks, each of a workspace of its own, come due one by one, at the
//! offsets that their ids give them; the first of them in the very second in which the crowd does. What is measured is how long
//! each waits from the instant at which it is due, by PostgreSQL's clock, to the model's first request about it, beyond what
//! a task of the same workspace waited while the workers had nothing else to do.
//!
//! The crowd's turns, PostgreSQL and the model share the machine with whatever else it does. So a reader goes along that asks
//! PostgreSQL for a row ten times a second: how long that takes is what the machine adds at each step of a start. A single task
//! that waits for a turn of the crowd's waits a third of the model's longest thought; where the machine alone may add as much,
//! nothing is told apart, and the row says that it does not judge.
//!
//! Switched off by hand, in the short form: a worker's reserve of places (`reserve_of` answering none): seven of eight delayed
//! by 16 to 20 s.
//!
//! In the short form the crowd's first turns outlast the row. In the full form they end all the time, and what is left of the
//! crowd competes for each place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::schedule::start_offset;
use store::Scope;
use tokio::task::JoinHandle;

use crate::{
    checker::Question,
    report::{Report, Size},
    stage::{
        Stage, model,
        population::{self, Home, Plan, Population},
        words,
    },
};

const WORKERS: usize = 2;
/// Before a window opens PostgreSQL is started with its clock, and workers start, or reach it again.
const LEAD: TimeDelta = TimeDelta::seconds(5);
/// Nothing comes any more.
const PATIENCE: Duration = Duration::from_mins(1);
/// How the words of the crowd's questions begin, and no others.
const CROWD: &str = "q";
/// Between two reads of a row.
const READ_EVERY: Duration = Duration::from_millis(100);
/// Steps of a start that each may wait for the machine as long as the read of a row does: a tick's look, the claim, the worker's
/// claim, the opening of the turn, the request.
const STEPS: u32 = 5;

/// A task that is alone in its workspace.
struct Single {
    question: String,
    due_at: DateTime<Utc>,
}

#[test]
fn fair_a_crowd_delays_nobody_else() {
    let size = Size::of_this_run();
    let mut report = Report::new("fair", "a workspace's thousands of due tasks delay no other's one", size);
    let (crowd, others) = (size.count(300, 5_000), size.count(8, 100));
    let (alone_over, beside_over) = size.pick(
        (TimeDelta::seconds(3), TimeDelta::seconds(5)),
        (TimeDelta::seconds(30), TimeDelta::minutes(5)),
    );
    let thinks = Duration::from_secs(size.pick(60, 30));
    // In the short form other tests run by the way.
    let promised = Duration::from_secs(size.pick(5, 1));

    let mut stage = Stage::new(0, Box::new(model::answers_at_once));
    let population = stage.block_on(crowd_of(&stage, crowd));
    let second = population.opens_at;
    let first = second - TimeDelta::hours(1);
    let homes = stage.block_on(homes(&stage, others));
    let alone = stage.block_on(singles(&stage, &homes, "alone", first, alone_over));
    let beside = stage.block_on(singles(&stage, &homes, "beside", second, beside_over));
    stage.model.think_about(CROWD, thinks);

    stage.postgres.set_clock(first - LEAD, 1.0);
    stage.start_workers(WORKERS);
    wait_for(&mut stage, &alone);
    stage.postgres.set_clock(second - LEAD, 1.0);
    let reader = Reader::start(&stage, population.homes[0].scope);
    wait_for(&mut stage, &beside);
    let reads = reader.stop();

    let (alone_delays, beside_delays) = (delays(&stage, &alone), delays(&stage, &beside));
    let asked = stage.model.asked();
    let of_crowd = asked.iter().filter(|asked| asked.question.starts_with(CROWD)).count();
    let never: Vec<&str> = alone
        .iter()
        .zip(&alone_delays)
        .chain(beside.iter().zip(&beside_delays))
        .filter(|(_, delay)| delay.is_none())
        .map(|(single, _)| single.question.as_str())
        .collect();
    let pairs = alone_delays.iter().zip(&beside_delays).zip(&beside);
    let added: Vec<(Duration, &str)> = pairs
        .filter_map(|((alone, beside), single)| {
            Some((beside.as_ref()?.saturating_sub(*alone.as_ref()?), single.question.as_str()))
        })
        .collect();
    let read = p99(reads);
    let allowed = promised + STEPS * read;
    let is_judged = allowed < thinks / 3;
    let slow: Vec<String> = added
        .iter()
        .filter(|(added, _)| *added > allowed)
        .map(|(added, question)| format!("{question} by {:.2} s", added.as_secs_f64()))
        .collect();
    report.did(crowd, "tasks due at once in one workspace");
    report.did(others, "other workspaces with one task each, due meanwhile");
    report.did(WORKERS, "workers");
    report.did(thinks.as_secs(), "s the model's longest thought about the crowd's");
    report.must_be_none(&never, "never started");
    report.must_reach((crowd - of_crowd) as f64, 1.0, "of the crowd still waiting at the end");
    report.saw(slowest(alone_delays.iter().flatten()), "s the longest delay alone");
    report.saw(slowest(beside_delays.iter().flatten()), "s beside the crowd");
    report.saw(slowest(added.iter().map(|(added, _)| added)), "s the most that was added");
    report.saw(format!("{:.3}", read.as_secs_f64()), "s p99 of the read of a row");
    if is_judged {
        let what = format!("delayed by more than {} s and what the machine adds", promised.as_secs());
        report.must_be_none(&slow, &what);
    } else {
        report.saw(
            format!("{:.1}", allowed.as_secs_f64()),
            "s would be allowed on so busy a machine: not judged",
        );
    }
    report.finish();
}

/// A workspace and its tasks, all due in one instant. The hour before it is ahead as well, and may not come while tasks are made.
async fn crowd_of(stage: &Stage, tasks: usize) -> Population {
    let store = stage.store().await;
    let now = stage.postgres.now() + TimeDelta::hours(1);
    let plan = Plan { tasks, workspaces: 1, connection: population::no_data(), now, slack: None };
    let population = population::populate(&store, plan).await;
    store.close().await;
    population
}

/// The workspaces of the single tasks; the crowd's was the first.
async fn homes(stage: &Stage, count: usize) -> Vec<Home> {
    let store = stage.store().await;
    let mut homes = Vec::new();
    for number in 1..=count {
        homes.push(population::home(&store, number, &population::no_data()).await);
    }
    store.close().await;
    homes
}

/// A task in each workspace that comes due once, at an offset of its own within `over` of the window's opening.
async fn singles(
    stage: &Stage,
    homes: &[Home],
    beginning: &str,
    opens_at: DateTime<Utc>,
    over: TimeDelta,
) -> Vec<Single> {
    let store = stage.store_spreading(over).await;
    let mut singles = Vec::new();
    for (number, home) in homes.iter().enumerate() {
        let word = format!("{beginning}{}", words(number));
        let question = Question { word: word.clone(), places: vec![home.address.clone()] };
        let task = population::task(&store, home, &question, opens_at).await;
        singles.push(Single { question: word, due_at: opens_at + start_offset(task, over) });
    }
    store.close().await;
    singles
}

/// Waits until the model was asked about each of them.
fn wait_for(stage: &mut Stage, singles: &[Single]) {
    stage.wait_while_alive(
        PATIENCE,
        |stage| stage.model.asked().len(),
        |stage| delays(stage, singles).iter().all(Option::is_some),
    );
}

/// From due to the model's first request, of each that was asked about.
fn delays(stage: &Stage, singles: &[Single]) -> Vec<Option<Duration>> {
    let mut first: HashMap<String, Instant> = HashMap::new();
    for asked in stage.model.asked() {
        first.entry(asked.question).or_insert(asked.at);
    }
    let delay = |single: &Single| {
        let due = stage.postgres.clock.moment(single.due_at);
        first.get(&single.question).map(|at| at.saturating_duration_since(due))
    };
    singles.iter().map(delay).collect()
}

fn slowest<'a>(delays: impl Iterator<Item = &'a Duration>) -> String {
    format!("{:.2}", delays.max().copied().unwrap_or_default().as_secs_f64())
}

/// What 99 of 100 do not exceed; nothing where there are none.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

/// Reads a row again and again, and notes how long that takes.
struct Reader {
    reading: JoinHandle<()>,
    times: Arc<Mutex<Vec<Duration>>>,
}

impl Reader {
    fn start(stage: &Stage, scope: Scope) -> Self {
        let store = stage.block_on(stage.store());
        let times: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let noted = Arc::clone(&times);
        let reading = stage.spawn(async move {
            loop {
                let begun = Instant::now();
                store.workspace_get(&scope).await.expect("the workspace");
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(begun.elapsed());
                tokio::time::sleep(READ_EVERY).await;
            }
        });
        Self { reading, times }
    }

    fn stop(self) -> Vec<Duration> {
        self.reading.abort();
        std::mem::take(&mut *self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
