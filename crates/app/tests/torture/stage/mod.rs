//! The stage of a row: a PostgreSQL, a model, a mail server, a Slack where the row wants one, and workers between them. Each can
//! be watched, and PostgreSQL and the workers can be killed.

pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod mail;
pub(crate) mod model;
pub(crate) mod population;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod slack;

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use store::NewConnection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::{
    mail::MailServer,
    model::{Mind, Model, Script},
    population::{Plan, Population},
    postgres::Postgres,
    process::{Process, Slot},
    proxy::Proxy,
    slack::SlackServer,
};
use crate::checker::{self, Question, Told};

/// The name of Tidings' database.
const DATABASE: &str = "tidings";
/// How long anything may take to come about before the row fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A stage. Everything on it ends when it is dropped, or when the thread ends that made it.
pub(crate) struct Stage {
    // In the order in which they end.
    pub(crate) workers: Vec<Slot>,
    pub(crate) postgres: Postgres,
    pub(crate) mail: MailServer,
    pub(crate) model: Model,
    /// Once it is started.
    pub(crate) slack: Option<SlackServer>,
    /// Settings of all processes, beside those that wire them up.
    pub(crate) variables: Vec<(String, String)>,
    spread_minutes: i64,
    numbers: AtomicUsize,
    runtime: Runtime,
    folder: TempDir,
}

impl Stage {
    /// A stage without workers, on this machine's clock, with an empty and migrated database. Tasks start spread over
    /// `spread_minutes` of their window.
    pub(crate) fn new(spread_minutes: i64, script: Box<Script>) -> Self {
        let folder = tempfile::Builder::new().prefix("tidings-torture-").tempdir().expect("a folder");
        // Run as root, PostgreSQL is another user's.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        fs::create_dir(folder.path().join("data")).expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let postgres = Postgres::start(folder.path(), "postgres", &["checkpoint_timeout=1h"]);
        let made = Command::new(store::postgres_binaries().expect("PostgreSQL").join("psql"))
            .args([
                "--quiet",
                "--no-psqlrc",
                &postgres.url("postgres"),
                "-c",
                &format!("CREATE DATABASE {DATABASE}"),
            ])
            .status()
            .expect("psql runs");
        assert!(made.success(), "the database is made");
        runtime.block_on(store::migrate(&postgres.url(DATABASE))).expect("the migrations run");
        let variables = vec![("TIDINGS_SPREAD_MINUTES".to_owned(), spread_minutes.to_string())];
        Self {
            workers: Vec::new(),
            postgres,
            mail: MailServer::start(folder.path(), Duration::ZERO),
            model: Model::start(runtime.handle(), script),
            slack: None,
            variables,
            spread_minutes,
            numbers: AtomicUsize::new(0),
            runtime,
            folder,
        }
    }

    /// A setting of all processes that are started from now on.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// With a Slack.
    pub(crate) fn with_slack(mut self) -> Self {
        SlackServer::start(&mut self);
        self
    }

    /// With a mail server that takes twice `pause` over a mail, so that sends can be struck in their middle.
    pub(crate) fn with_slow_mail(mut self, pause: Duration) -> Self {
        self.mail = MailServer::start(self.folder.path(), pause);
        self
    }

    /// With a mail server that treats `faults` of a hundred mails badly.
    pub(crate) fn with_faulty_mail(mut self, faults: u32) -> Self {
        self.mail = MailServer::start_with(self.folder.path(), Duration::ZERO, faults);
        self
    }

    /// With a model that reads whole requests instead of playing the script.
    pub(crate) fn with_mind(mut self, mind: Box<Mind>) -> Self {
        self.model = Model::start_with(self.runtime.handle(), mind);
        self
    }

    /// With a mail server that keeps mails whole: their headers and all of their parts.
    pub(crate) fn with_whole_mails(mut self) -> Self {
        self.mail = MailServer::start_whole(self.folder.path());
        self
    }

    /// Makes `tasks` tasks over `connection` in `workspaces` workspaces, all with the same window two hours ahead at most. Where
    /// there is a Slack, every second one is told there as well.
    pub(crate) fn populate(&self, tasks: usize, workspaces: usize, connection: NewConnection) -> Population {
        self.block_on(async {
            let store = self.store().await;
            let (now, slack) = (self.postgres.now(), self.slack.as_ref());
            let plan = Plan { tasks, workspaces, connection, now, slack };
            let population = population::populate(&store, plan).await;
            store.close().await;
            population
        })
    }

    /// A store on the stage's database, for preparations.
    pub(crate) async fn store(&self) -> store::Store {
        self.store_spreading(TimeDelta::minutes(self.spread_minutes)).await
    }

    /// One whose tasks start spread over so much of their window, whatever the workers' settings say.
    pub(crate) async fn store_spreading(&self, spread: TimeDelta) -> store::Store {
        population::store(&self.postgres.url(DATABASE), spread).await
    }

    /// Runs preparations.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Runs a statement as superuser: to make the database slow or strange, never to look at what Tidings did.
    pub(crate) fn disturb(&self, statement: &str) {
        let done = Command::new(store::postgres_binaries().expect("PostgreSQL").join("psql"))
            .args([
                "--quiet",
                "--no-psqlrc",
                "-v",
                "ON_ERROR_STOP=1",
                &self.postgres.url(DATABASE),
                "-c",
                statement,
            ])
            .status()
            .expect("psql runs");
        assert!(done.success(), "{statement}");
    }

    /// Starts work beside the row.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work)
    }

    /// Starts `count` workers.
    pub(crate) fn start_workers(&mut self, count: usize) {
        for _ in 0..count {
            let slot = Slot::start(self, &[]);
            self.workers.push(slot);
        }
    }

    /// Starts one worker with further settings.
    pub(crate) fn start_worker(&mut self, variables: &[(&str, String)]) {
        let slot = Slot::start(self, variables);
        self.workers.push(slot);
    }

    /// Kills a worker and starts another in its place.
    pub(crate) fn kill_worker(&mut self, position: usize) {
        let mut workers = std::mem::take(&mut self.workers);
        workers[position].kill_and_restart(self);
        self.workers = workers;
    }

    /// Starts those workers again that have ended by themselves, as a supervisor would. Answers how many.
    pub(crate) fn revive_workers(&mut self) -> usize {
        let mut workers = std::mem::take(&mut self.workers);
        let revived = workers.iter_mut().filter_map(|slot| slot.revive(self).then_some(())).count();
        self.workers = workers;
        revived
    }

    /// Starts `tidings serve` and waits until it is ready. Answers it and the address of its API.
    pub(crate) fn serve(&self, variables: &[(&str, String)]) -> (Process, String) {
        self.listen("serve", variables)
    }

    /// The same for any command that serves the API: `serve`, `up`.
    pub(crate) fn listen(&self, command: &str, variables: &[(&str, String)]) -> (Process, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let name = format!("s{}", words(self.next_number()));
            let port = free_port();
            let mut variables: Vec<_> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            variables.push(("TIDINGS_LISTEN".to_owned(), format!("127.0.0.1:{port}")));
            let command = process::command(self, command, &name, &self.proxy(), &variables);
            let mut process = process::start(self, command, name);
            let base = format!("http://127.0.0.1:{port}");
            wait_until("the API is ready", || {
                let ready = ureq::get(format!("{base}/readyz")).call();
                process.has_ended() || ready.is_ok_and(|answer| answer.status().is_success())
            });
            // Somebody else may have taken the port in between.
            if !process.has_ended() {
                return (process, base);
            }
            assert!(Instant::now() < deadline, "{} ends before it is ready", process.name);
        }
    }

    /// Waits until `is_so`, which is asked again and again; workers that end meanwhile are started again. Answers whether it
    /// came about while something went on: `mark` must change at least every `patience`.
    pub(crate) fn wait_while_alive<M: PartialEq>(
        &mut self,
        patience: Duration,
        mark: impl Fn(&Self) -> M,
        is_so: impl Fn(&Self) -> bool,
    ) -> bool {
        let mut last = (mark(self), Instant::now());
        loop {
            if is_so(self) {
                return true;
            }
            let now = mark(self);
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() >= patience {
                return false;
            }
            self.revive_workers();
            pause(Duration::from_millis(20));
        }
    }

    /// All messages that readers got so far, by mail and in Slack.
    pub(crate) fn told(&self) -> Vec<Told> {
        let mut told = self.mail.told();
        told.extend(self.slack.iter().flat_map(SlackServer::told));
        told
    }

    /// How many messages readers got so far.
    pub(crate) fn told_count(&self) -> usize {
        self.mail.count() + self.slack.as_ref().map_or(0, SlackServer::posts)
    }

    /// Whether each answer has come where it is awaited.
    pub(crate) fn have_all_come(&self, questions: &[Question]) -> bool {
        let deliveries = questions.iter().map(|question| question.places.len()).sum();
        self.told_count() >= deliveries && checker::check(questions, &self.told()).lost.is_empty()
    }

    /// Moves PostgreSQL's clock ahead, and with it Slack's, so that leases, retries and the waits after a send whose outcome
    /// nobody knows run out, until twice in a row nothing comes of it. While not all has come it is more patient: what is
    /// missing may be lost, or the machine may be busy, and what is only slow must not lose its lease again and again.
    pub(crate) fn settle(&mut self, have_all_come: impl Fn(&Self) -> bool) {
        let mut unchanged = 0;
        self.wait_for_quiet(&have_all_come);
        while unchanged < if have_all_come(self) { 2 } else { 10 } {
            let before = self.effects();
            self.postgres.jump(TimeDelta::minutes(10));
            self.wait_for_quiet(&have_all_come);
            unchanged = if self.effects() == before { unchanged + 1 } else { 0 };
        }
    }

    /// Waits until nothing is under way: no request to the model, no mail, no call to Slack.
    fn wait_for_quiet(&mut self, have_all_come: impl Fn(&Self) -> bool) {
        if self.wait_while_alive(patience(), Self::effects, have_all_come) {
            self.wait_while_alive(QUIET, Self::effects, |_| false);
        }
    }

    /// What came of anything so far, counted. Signs on Slack messages, which come when there is room, are none.
    fn effects(&self) -> (usize, usize, usize) {
        let in_slack = self.slack.as_ref().map_or(0, SlackServer::effects);
        (self.mail.count(), in_slack, self.model.asked_count())
    }

    /// A new proxy before PostgreSQL.
    pub(crate) fn proxy(&self) -> Proxy {
        Proxy::start(self.runtime.handle(), self.postgres.port)
    }

    /// Where everything of the stage is: the logs of its processes, their data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn next_number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("the processes' logs are kept in {}", self.folder.path().display());
        }
    }
}

/// Longer than any worker waits before it looks for work again, and to reach PostgreSQL again after a restart.
pub(crate) const QUIET: Duration = Duration::from_secs(4);

/// How long nothing must come before a clock jumps ahead, which takes the lease of whatever is under way, while something is
/// missing: it may be under way still, and on a machine that has ten times as much to do as it can, each step takes that much
/// longer.
fn patience() -> Duration {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default();
    let processors = thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    QUIET.mul_f64((load / processors).clamp(2.0, 10.0))
}

/// A number in letters alone: 0 is `a`, 25 is `z`, 26 is `ba`.
pub(crate) fn words(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    if number < 26 { letter.to_string() } else { format!("{}{letter}", words(number / 26)) }
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits until `is_so`, which is asked again and again.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came about: {what}");
        pause(Duration::from_millis(5));
    }
}

/// Between two looks at something that tells nobody when it changes, or before a blow that is to fall at a random moment.
pub(crate) fn pause(length: Duration) {
    thread::sleep(length);
}
