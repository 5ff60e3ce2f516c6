//! Many lives in one database, under one clock: after every step, each must look as the reference says.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use chrono::{DateTime, Utc};
use domain::{TaskId, UserId};
use scheduler::{Scheduler, SchedulerOptions};
use store::{Places, Scope, Store};
use testkit::{TestDatabase, database_with, execute, task_lines};

use super::{
    life::Life,
    story::{Step, Story},
};

/// As many as ever tick at once.
const SCHEDULERS: usize = 3;
/// Connections that people and workers use at once.
const HANDS: usize = 4;

/// Where a life left the rules.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) story: Story,
    pub(super) step: usize,
    /// What the rules say and what was found.
    pub(super) difference: String,
}

/// Leads all stories through one fresh world. They share its clock, its schedulers and nothing else: each has a workspace and
/// a member of its own. A life that leaves the rules is told, and not looked at any more.
pub(super) async fn live(stories: Vec<Story>) -> Vec<Failure> {
    let Some(first) = stories.first() else { return vec![] };
    let (starts_at, spread) = (first.starts_at, first.spread);
    let beats: Vec<_> = first.steps.iter().map(|step| (step.advance, step.schedulers)).collect();
    let database = database_with(|options| {
        options.spread = spread;
        options.app_connections = HANDS as u32 + 1;
    });
    let database = database.await;
    let store = &database.store;
    database.time.set(starts_at);
    let mut lives = begin(&database, stories).await;
    let mut superuser = database.superuser().await;
    let schedulers: Vec<_> = (0..SCHEDULERS)
        .map(|_| Arc::new(Scheduler::new(store.clone(), SchedulerOptions::default())))
        .collect();
    let mut swept_at = [None; SCHEDULERS];
    let mut failures = Vec::new();
    let mut compared_at = starts_at;

    for (number, (advance, ticking)) in beats.into_iter().enumerate() {
        database.time.step(advance);
        let now = database.time.now();
        let acted = each(lives, store, move |mut life, store| async move {
            let deeds = life.story.steps[number].deeds.clone();
            let outcome = life.act(&store, &deeds, now).await;
            (life, outcome)
        });
        lives = keep(acted.await, number, &mut failures);

        let sweeps =
            swept_at[..ticking].iter_mut().map(|swept_at| sweeps(swept_at, now)).fold(false, |a, b| a | b);
        // Before the schedulers come, workers with room start what is due themselves.
        let started = if ticking > 0 { start_due(&database, &lives, number).await } else { vec![] };
        let ticks: Vec<_> = schedulers[..ticking]
            .iter()
            .map(|scheduler| {
                let scheduler = Arc::clone(scheduler);
                tokio::spawn(async move { scheduler.tick().await.expect("a tick") })
            })
            .collect();
        for tick in ticks {
            tick.await.expect("a scheduler");
        }
        if ticking > 0 {
            for life in &mut lives {
                life.reference.tick(sweeps, now);
            }
        }

        let claimed = claim(&database, &lives, number, started).await;
        lives = keep(hand_out(lives, claimed, number, now), number, &mut failures);
        let worked = each(lives, store, move |mut life, store| async move {
            let step: Step = life.story.steps[number].clone();
            let mut outcome = life.act(&store, &step.meanwhile, now).await;
            if outcome.is_ok() {
                outcome = life.work(&store, &step, now).await;
            }
            (life, outcome)
        });
        lives = keep(worked.await, number, &mut failures);

        // What had ended before was compared when it ended; at the very end all of it is, again.
        let is_last = lives.first().is_some_and(|life| life.story.steps.len() == number + 1);
        let from = if is_last { starts_at } else { compared_at };
        lives = keep(compare(&mut superuser, lives, from).await, number, &mut failures);
        compared_at = now;
    }
    drop(superuser);
    drop(schedulers);
    database.remove().await;
    failures
}

/// Whether a scheduler sweeps in this tick: every 30 seconds.
fn sweeps(swept_at: &mut Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let is_due = swept_at.is_none_or(|at| now - at >= SchedulerOptions::default().sweep_every);
    if is_due {
        *swept_at = Some(now);
    }
    is_due
}

/// A workspace, a member and a task for each story.
async fn begin(database: &TestDatabase, stories: Vec<Story>) -> Vec<Life> {
    let store = &database.store;
    let mut members = String::new();
    let mut begun: Vec<(Scope, UserId, Story)> = Vec::new();
    for (number, story) in stories.into_iter().enumerate() {
        let slug = format!("w{number}");
        let scope = store.workspace_create(&slug, &slug).await.expect("a workspace");
        let user = UserId::new(story.starts_at);
        let (workspace, grace) = (scope.workspace_id(), story.grace.num_seconds());
        write!(
            members,
            "INSERT INTO app_user (id, email, name, created_at) VALUES ('{user}', '{slug}@acme.test', '{slug}', now());
             INSERT INTO member (workspace_id, user_id, role, created_at) VALUES ('{workspace}', '{user}', 'admin', now());
             UPDATE workspace SET grace_seconds = {grace}, max_concurrent_runs = 100 WHERE id = '{workspace}';"
        )
        .expect("a text");
        begun.push((scope, user, story));
    }
    let mut superuser = database.superuser().await;
    execute(&mut superuser, &members).await;
    let lives = each(begun, store, |(scope, user, story), store| async move {
        Life::begin(&store, scope, user, story).await
    });
    let (lives, renames): (Vec<_>, Vec<_>) = lives.await.into_iter().unzip();
    // Past the foreign keys, which know no such change.
    execute(&mut superuser, &format!("SET session_replication_role = replica; {}", renames.concat())).await;
    // As autovacuum would in time.
    execute(&mut superuser, "ANALYZE").await;
    lives
}

/// Does the same to all, a few at a time.
async fn each<T, U, F>(values: Vec<T>, store: &Store, act: impl Fn(T, Store) -> F) -> Vec<U>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Future<Output = U> + Send + 'static,
{
    let mut hands: Vec<Vec<F>> = (0..HANDS).map(|_| Vec::new()).collect();
    for (number, value) in values.into_iter().enumerate() {
        hands[number % HANDS].push(act(value, store.clone()));
    }
    let hands: Vec<_> = hands
        .into_iter()
        .map(|futures| {
            tokio::spawn(async move {
                let mut done = Vec::with_capacity(futures.len());
                for future in futures {
                    done.push(future.await);
                }
                done
            })
        })
        .collect();
    let mut done = Vec::new();
    for hand in hands {
        done.extend(hand.await.expect("a hand"));
    }
    done
}

/// Lets a worker start all that is due of those lives in whose stories one claims now. The due rows of the others are locked
/// meanwhile, as if other schedulers were looking at them.
async fn start_due(database: &TestDatabase, lives: &[Life], step: usize) -> Vec<store::ClaimedRun> {
    let other = lock_others(database, lives, step, "task_due").await;
    let (_, started) = database.store.due_start("worker", &Places::unshared(100_000)).await.expect("a start");
    let_go(other).await;
    started
}

/// Lets a worker claim all runs of those lives in whose stories one does so now, beside those it has `started`. The queue rows
/// of the others are locked meanwhile, as if other workers were looking at them.
async fn claim(
    database: &TestDatabase,
    lives: &[Life],
    step: usize,
    started: Vec<store::ClaimedRun>,
) -> HashMap<TaskId, Vec<store::ClaimedRun>> {
    let other = lock_others(database, lives, step, "run_queue").await;
    let claimed = database.store.run_claim("worker", &Places::unshared(100_000)).await.expect("a claim");
    let_go(other).await;
    let mut by_task: HashMap<TaskId, Vec<_>> = HashMap::new();
    for run in started.into_iter().chain(claimed) {
        by_task.entry(run.task_id.expect("a run of a task")).or_default().push(run);
    }
    by_task
}

/// Locks the rows of a table that belong to lives whose stories have no worker claim now.
async fn lock_others(
    database: &TestDatabase,
    lives: &[Life],
    step: usize,
    table: &str,
) -> testkit::Superuser {
    let claiming = lives.iter().filter(|life| life.story.steps[step].claims);
    let claiming: Vec<_> = claiming.map(|life| life.workspace().to_string()).collect();
    let mut other = database.superuser().await;
    let lock = format!(
        "BEGIN; SELECT FROM {table} WHERE workspace_id <> ALL ('{{{}}}') FOR UPDATE",
        claiming.join(",")
    );
    execute(&mut other, &lock).await;
    other
}

async fn let_go(mut other: testkit::Superuser) {
    execute(&mut other, "ROLLBACK").await;
}

fn hand_out(
    lives: Vec<Life>,
    mut claimed: HashMap<TaskId, Vec<store::ClaimedRun>>,
    step: usize,
    now: DateTime<Utc>,
) -> Vec<(Life, Result<(), String>)> {
    lives
        .into_iter()
        .map(|mut life| {
            let runs = claimed.remove(&life.task).unwrap_or_default();
            let outcome = if life.story.steps[step].claims { life.claimed(runs, now) } else { Ok(()) };
            (life, outcome)
        })
        .collect()
}

/// Compares all lives with the database, as far as anything was unfinished at `from` or came to be after it.
async fn compare(
    superuser: &mut testkit::Superuser,
    lives: Vec<Life>,
    from: DateTime<Utc>,
) -> Vec<(Life, Result<(), String>)> {
    let query = format!(
        "SELECT id AS task_id, concat('task ', status, CASE WHEN deleted_at IS NOT NULL THEN ' deleted' END) AS line FROM task
         UNION ALL
         SELECT task_id, concat_ws(' ', 'next', occurrence_date, extract(epoch FROM opens_at)::bigint, 'due',
             (extract(epoch FROM due_at) * 1000)::bigint) FROM task_due
         UNION ALL
         SELECT task_id, concat_ws(' ', 'run', coalesce(occurrence_date::text, trigger), extract(epoch FROM opens_at)::bigint,
             status, CASE WHEN status NOT IN ('queued', 'running') THEN reason END,
             CASE WHEN status IN ('waiting', 'skipped') AND reason = 'stale_data' THEN message END,
             CASE WHEN late THEN 'late' END, 'attempt', attempt) FROM run
         WHERE finished_at IS NULL OR finished_at >= '{from}'
         UNION ALL
         SELECT task_id, concat_ws(' ', 'told', kind, CASE WHEN kind IN ('still_running', 'stale_data') THEN details END, state)
         FROM delivery WHERE coalesce(finished_at, created_at) >= '{from}'
         UNION ALL
         SELECT task.id, 'credits ' || (sum(amount_micro) / 1000000)::bigint
         FROM credit_balance JOIN task ON task.workspace_id = credit_balance.workspace_id GROUP BY task.id"
    );
    let mut found: HashMap<TaskId, Vec<String>> = HashMap::new();
    for (task, line) in task_lines(superuser, &query).await {
        found.entry(task).or_default().push(line);
    }
    lives
        .into_iter()
        .map(|life| {
            let mut found = found.remove(&life.task).unwrap_or_default();
            found.sort();
            let expected = life.reference.lines(from);
            let outcome = if expected == found { Ok(()) } else { Err(difference(&expected, &found)) };
            (life, outcome)
        })
        .collect()
}

/// The lines that only one side has.
fn difference(expected: &[String], found: &[String]) -> String {
    let mut text = String::new();
    let mut rest = found.to_vec();
    for line in expected {
        match rest.iter().position(|other| other == line) {
            Some(place) => drop(rest.remove(place)),
            None => write!(text, "\n    the rules say  {line}").expect("a text"),
        }
    }
    for line in rest {
        write!(text, "\n    there was      {line}").expect("a text");
    }
    text
}

/// The lives that still follow the rules; the others join the failures.
fn keep(lives: Vec<(Life, Result<(), String>)>, step: usize, failures: &mut Vec<Failure>) -> Vec<Life> {
    let mut kept = Vec::with_capacity(lives.len());
    for (life, outcome) in lives {
        match outcome {
            Ok(()) => kept.push(life),
            Err(difference) => failures.push(Failure { story: life.story, step, difference }),
        }
    }
    kept
}
