//! The worker: claims runs, holds their leases, executes their turns, and hands back what it cannot finish.
//!
//! A claim is brief; the turn itself runs outside any transaction. All leases are renewed in one statement. A turn whose lease
//! could not be renewed for two thirds of its time is dropped where it stands: the next worker goes on from its last recorded
//! step, and whatever the dropped one might still write, the store refuses.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use domain::{
    condition::Condition,
    run::{RunReason, RunStatus, Usage},
    step::StepBody,
};
use fail::fail_point;
use futures::FutureExt as _;
use store::{
    AfterFailure, ClaimedRun, DueClaim, Event, Events, Handed, Places, RunAnswer, RunFailure, RunLease,
    Scope, Store,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast::error::RecvError, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use warehouse::Warehouse;

use crate::{
    condition,
    endings::Endings,
    failure::Failure,
    gate::{Gate, Passage, Stale},
    held::{Held, Turns},
    journal::{DatabaseJournal, Journal, Opening},
    limits::Limits,
    price::Prices,
    provider::Models,
    turn::{self, Ended, Runtime, Signals},
};

/// How often claims are tried when nobody calls.
const POLL: Duration = Duration::from_millis(250);
/// After word that a run somewhere shall stop: what else comes in this time is seen by the same look. Whoever deletes a thousand
/// tasks asks a thousand times.
const STOP_REST: Duration = Duration::from_millis(20);
/// How long turns may take to reach their next step when the process goes down.
const DRAIN: Duration = Duration::from_secs(10);
/// How often letting go of a run is tried, a second apart, when the database was away at its end.
const LETTING_GO: u32 = 10;

/// What a worker is made of.
#[derive(Clone)]
pub struct AgentOptions {
    /// The database.
    pub store: Store,
    /// The door to the data.
    pub warehouse: Warehouse,
    /// Draws charts.
    pub charts: chart::Pool,
    /// Who answers.
    pub models: Models,
    /// What each turn may use.
    pub limits: Limits,
    /// What model tokens cost.
    pub prices: Prices,
    /// What the worker is called, in the queue and in logs.
    pub worker: String,
    /// How many turns run at once; up to eight more where other workspaces' turns keep one from starting.
    pub concurrency: u32,
}

/// A worker. Cheap to clone.
#[derive(Clone)]
pub struct Agent {
    store: Store,
    endings: Endings,
    runtime: Runtime,
    worker: Arc<str>,
    concurrency: u32,
}

/// What a worker has in hand.
struct Hands {
    agent: Arc<Agent>,
    turns: Turns,
    /// One for each turn that may be under way; a turn keeps its own.
    places: Arc<Semaphore>,
    /// Some more, for workspaces without a turn under way here.
    reserve: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// The reserve of a worker that is set up for so many turns at once: an eighth of them, at most eight. Where it is set up for one
/// it has one, and no more.
const fn reserve_of(concurrency: u32) -> u32 {
    let eighth = concurrency / 8;
    if eighth < 8 { eighth } else { 8 }
}

/// All places that are free.
fn all_of(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    loop {
        let free = u32::try_from(places.available_permits()).unwrap_or(u32::MAX);
        // One may have been given away since they were counted.
        if let Ok(all) = Arc::clone(places).try_acquire_many_owned(free) {
            return all;
        }
    }
}

impl Hands {
    fn new(agent: &Agent, shutdown: CancellationToken) -> Self {
        Self {
            agent: Arc::new(agent.clone()),
            turns: Turns::default(),
            places: Arc::new(Semaphore::new(agent.concurrency as usize)),
            reserve: Arc::new(Semaphore::new(reserve_of(agent.concurrency) as usize)),
            shutdown,
        }
    }

    /// Executes a run whose lease was asked for at `asked`, in a place of its own.
    fn take(&mut self, run: ClaimedRun, asked: Instant, place: OwnedSemaphorePermit) {
        let lease = run.lease;
        let signals = Signals { drain: self.shutdown.clone(), ..Signals::default() };
        let (renewed, watched) = watch::channel(asked);
        let held = Held { lease, signals: signals.clone(), renewed };
        let agent = Arc::clone(&self.agent);
        self.turns.spawn(held, async move {
            let _place = place;
            tokio::select! {
                () = agent.execute(run, signals.clone()) => {}
                () = lease_runs_out(watched, agent.lease()) => {
                    signals.stop.cancel();
                    tracing::warn!(run_id = %lease.run_id, "the lease could not be renewed: the turn is dropped");
                }
            }
        });
    }
}

impl Agent {
    /// A worker. It does nothing before [`Agent::run`].
    pub fn new(options: AgentOptions) -> Self {
        let AgentOptions { store, warehouse, charts, models, limits, prices, worker, concurrency } = options;
        Self {
            endings: Endings::new(store.clone()),
            store,
            runtime: Runtime { warehouse, charts, models, limits, prices },
            worker: worker.into(),
            concurrency: concurrency.max(1),
        }
    }

    /// How often leases are renewed: four times in the length of one.
    fn heartbeat(&self) -> Duration {
        self.lease() / 4
    }

    fn lease(&self) -> Duration {
        self.store.run_lease().to_std().unwrap_or_default()
    }

    /// Works until `shutdown`, then lets each turn finish its step and hands it back.
    pub async fn run(&self, events: &Events, shutdown: CancellationToken) {
        let mut events = events.subscribe();
        let mut hands = Hands::new(self, shutdown.clone());
        let mut handed = self.store.handover().open(&self.worker, Arc::clone(&hands.places));
        let mut poll = interval(POLL);
        let mut heartbeat = interval(self.heartbeat());
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_stop_asked = false;
        loop {
            let wants_claim = tokio::select! {
                () = shutdown.cancelled() => break,
                _ = poll.tick() => true,
                _ = heartbeat.tick() => {
                    is_stop_asked = false;
                    self.renew(&hands.turns).await;
                    false
                }
                Handed { run, since, place } = handed.next() => {
                    hands.take(run, since, place);
                    false
                }
                event = events.recv() => match event {
                    Ok(Event::RunReady | Event::Reconnected) | Err(RecvError::Lagged(_)) => true,
                    Ok(Event::RunStopAsked) => {
                        if !is_stop_asked {
                            is_stop_asked = true;
                            heartbeat.reset_after(STOP_REST);
                        }
                        false
                    }
                    Ok(Event::ThreadChanged(_) | Event::ThreadDelta { .. }) => false,
                    // Polling goes on without it.
                    Err(RecvError::Closed) => {
                        tokio::time::sleep(POLL).await;
                        true
                    }
                },
                () = hands.turns.next_end(), if !hands.turns.is_empty() => true,
            };
            if wants_claim {
                self.claim(&mut hands).await;
            }
        }
        let unseen = handed.close().await;
        self.drain(hands, unseen).await;
    }

    /// Claims and executes all runs that are ready, and those that become so meanwhile. Answers how many.
    pub async fn run_once(&self) -> Result<usize, store::Error> {
        let mut executed = 0;
        loop {
            let claimed = self.store.run_claim(&self.worker, &Places::unshared(self.concurrency)).await?;
            if claimed.is_empty() {
                return Ok(executed);
            }
            executed += claimed.len();
            futures::future::join_all(claimed.into_iter().map(|run| self.execute(run, Signals::default())))
                .await;
        }
    }

    /// Claims as many runs as there are places for.
    async fn claim(&self, hands: &mut Hands) {
        // Nobody else is given these places meanwhile.
        let (mut free, mut reserve) = (all_of(&hands.places), all_of(&hands.reserve));
        let places = Places::shared(
            free.num_permits() as u32,
            reserve.num_permits() as u32,
            hands.turns.held().map(|held| held.lease.workspace_id),
        );
        let asked = Instant::now();
        for run in self.come_by(places).await {
            let Some(place) = free.split(1).or_else(|| reserve.split(1)) else { return };
            hands.take(run, asked, place);
        }
    }

    /// Runs for the places: what waits in the queue, and if there is room for more, what has just come due.
    async fn come_by(&self, mut places: Places) -> Vec<ClaimedRun> {
        let failed = |error: store::Error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "runs could not be claimed");
        };
        if places.room() == 0 {
            return vec![];
        }
        let mut claimed = match self.store.run_claim(&self.worker, &places).await {
            Ok(claimed) => claimed,
            Err(error) => {
                failed(error);
                return vec![];
            }
        };
        places.fill(&claimed);
        if places.room() > 0 {
            match self.store.due_start(&self.worker, &places).await {
                Ok((due, started)) => {
                    count(&due);
                    claimed.extend(started);
                }
                Err(error) => failed(error),
            }
        }
        claimed
    }

    /// Renews all leases, and passes on who shall stop.
    async fn renew(&self, turns: &Turns) {
        let asked = Instant::now();
        let leases: Vec<RunLease> = turns.held().map(|held| held.lease).collect();
        let still_held = match tokio::time::timeout(self.heartbeat(), self.store.run_heartbeat(&leases)).await
        {
            Ok(Ok(still_held)) => still_held,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "leases could not be renewed");
                return;
            }
            Err(_) => {
                tracing::warn!("leases could not be renewed in time");
                return;
            }
        };
        let is_to_stop: HashMap<RunLease, bool> =
            still_held.into_iter().map(|held| (held.lease, held.stop.is_some())).collect();
        for turn in turns.held() {
            match is_to_stop.get(&turn.lease) {
                Some(is_to_stop) => {
                    turn.renewed.send_replace(asked);
                    if *is_to_stop {
                        turn.signals.stop.cancel();
                    }
                }
                None => turn.signals.stop.cancel(),
            }
        }
    }

    /// Lets turns reach their next step, at which they see the shutdown themselves, and hands back those that do not in time.
    async fn drain(&self, hands: Hands, unseen: Vec<ClaimedRun>) {
        let Hands { mut turns, .. } = hands;
        let mut leases: Vec<RunLease> = unseen.into_iter().map(|run| run.lease).collect();
        let all_done = async {
            while !turns.is_empty() {
                turns.next_end().await;
            }
        };
        if tokio::time::timeout(DRAIN, all_done).await.is_err() {
            leases.extend(turns.shut_down().await);
        }
        if leases.is_empty() {
            return;
        }
        match self.store.run_release(&leases).await {
            Ok(released) => tracing::info!(released, "runs were handed back at the end"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "runs could not be handed back");
            }
        }
    }

    /// Executes a run's turn, and records how it ended.
    async fn execute(&self, run: ClaimedRun, signals: Signals) {
        let span = tracing::info_span!(
            "run",
            run_id = %run.lease.run_id,
            workspace_id = %run.lease.workspace_id,
            task_id = run.task_id.map(tracing::field::display),
            attempt = run.attempt,
            trigger = run.trigger.as_str(),
        );
        async {
            let started = Instant::now();
            let (scope, lease) = (run.scope, run.lease);
            // In a room of its own: what is handed from one future to the next has room in each of them.
            let inside = Box::pin(self.execute_inside(run, &signals));
            let executed = AssertUnwindSafe(inside).catch_unwind().await;
            let executed = if let Ok(executed) = executed {
                executed
            } else {
                tracing::error!("the turn panicked");
                let failure = RunFailure {
                    reason: RunReason::Internal,
                    message: RunReason::Internal.sentence(),
                    usage: &Usage::default(),
                    retry_after: None,
                };
                Box::pin(self.fail(&scope, &lease, failure)).await
            };
            match executed {
                Ok(outcome) => {
                    fail_point!("agent::run_ended");
                    let seconds = started.elapsed().as_secs_f64();
                    metrics::counter!("tidings_turns_total", "outcome" => outcome).increment(1);
                    metrics::histogram!("tidings_turn_seconds", "outcome" => outcome).record(seconds);
                    tracing::info!(outcome, elapsed_ms = started.elapsed().as_millis(), "the turn ended");
                }
                Err(store::Error::LeaseLost) => tracing::warn!("the lease was lost: nothing was written"),
                Err(error) => {
                    // The run goes on from its last step, here or elsewhere.
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the turn's end could not be recorded"
                    );
                    if error.is_passing() {
                        Box::pin(self.let_go(&scope, &lease)).await;
                    }
                }
            }
        }
        .instrument(span)
        .await;
    }

    /// Gives a run up for whoever comes next. Where the database stays away its lease runs out, to the same end.
    async fn let_go(&self, scope: &Scope, lease: &RunLease) {
        for _ in 0..LETTING_GO {
            match self.store.run_let_go(scope, lease).await {
                Err(error) if error.is_passing() => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => return,
            }
        }
    }

    async fn execute_inside(&self, run: ClaimedRun, signals: &Signals) -> Result<&'static str, store::Error> {
        fail_point!("agent::run_claimed");
        let run = Arc::new(run);
        let database = DatabaseJournal::new(self.store.clone(), Arc::clone(&run));
        let journal = Journal::Database(Box::new(database.clone()));
        let mut condition = None;
        let ended = match Box::pin(self.open(&journal, &run, signals)).await {
            Ok((Passage::Held, _)) => return Ok("held"),
            Ok((Passage::Skipped, _)) => return Ok("skipped"),
            Ok((Passage::Open { stale }, opening)) => {
                condition.clone_from(&opening.context.condition);
                let ended = turn::run(&journal, &self.runtime, signals, opening).await;
                match (ended, stale) {
                    (Ok(ended), Some(stale)) => Box::pin(tell_stale(&journal, ended, &stale)).await,
                    (ended, _) => ended,
                }
            }
            Err(failure) => Err(failure),
        };
        // In room of its own: a turn that waits for its model need not have room for its end.
        Box::pin(self.record_end(&run, &database, condition.as_ref(), ended)).await
    }

    /// Records how a turn ended, whichever way that was.
    async fn record_end(
        &self,
        run: &ClaimedRun,
        database: &DatabaseJournal,
        condition: Option<&Condition>,
        ended: Result<Ended, Failure>,
    ) -> Result<&'static str, store::Error> {
        let ClaimedRun { scope, lease, .. } = run;
        if matches!(ended, Err(Failure::LeaseLost)) {
            return Err(store::Error::LeaseLost);
        }
        if matches!(ended, Err(Failure::HandedBack)) {
            self.store.run_release(&[*lease]).await?;
            return Ok("handed_back");
        }
        let usage = database.unrecorded_usage().await?;
        metrics::counter!("tidings_model_tokens_total").increment(usage.tokens_in + usage.tokens_out);
        fail_point!("agent::run_ending");
        let (reason, message, retry_after) = match ended {
            Ok(ended) => match self.conclude(run, condition, ended, usage).await {
                Ok(outcome) => return Ok(outcome),
                Err(store::Error::RunStopped(_)) => {
                    self.store.run_stop(scope, lease, &usage).await?;
                    return Ok("stopped");
                }
                Err(error) => return Err(error),
            },
            Err(Failure::Stopped(_)) => {
                self.store.run_stop(scope, lease, &usage).await?;
                return Ok("stopped");
            }
            Err(Failure::Failed { reason, message, retry_after }) => (reason, message, retry_after),
            // Somebody waits for it, and no window is left to try it in again: it goes on as if its worker had died.
            Err(Failure::Store(error)) if error.is_passing() && run.occurrence.is_none() => {
                return Err(error);
            }
            Err(Failure::Store(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the turn could not be recorded");
                (RunReason::Internal, RunReason::Internal.sentence().to_owned(), None)
            }
            Err(Failure::LeaseLost | Failure::HandedBack) => return Err(store::Error::LeaseLost),
        };
        tracing::info!(reason = reason.as_str(), message, "the turn failed");
        let failure = RunFailure { reason, message: &message, usage: &usage, retry_after };
        self.fail(scope, lease, failure).await
    }

    /// Reads what the turn starts from, and lets its run through where its task's data is fresh, or it need not be.
    async fn open(
        &self,
        journal: &Journal,
        run: &ClaimedRun,
        signals: &Signals,
    ) -> Result<(Passage, Opening), Failure> {
        let opening = journal.open().await?;
        let Some(wish) = &opening.freshness else { return Ok((Passage::Open { stale: None }, opening)) };
        let gate = Gate {
            store: &self.store,
            warehouse: &self.runtime.warehouse,
            journal,
            run,
            limits: self.runtime.limits.query,
            stop: &signals.stop,
        };
        let passage = Box::pin(gate.pass(wish)).await?;
        // The look took its time: what was read before it is read again.
        let opening = if matches!(passage, Passage::Open { .. }) { journal.open().await? } else { opening };
        Ok((passage, opening))
    }

    /// Records an answer; where the task has a condition, with what came of it.
    async fn conclude(
        &self,
        run: &ClaimedRun,
        condition: Option<&Condition>,
        mut ended: Ended,
        usage: Usage,
    ) -> Result<&'static str, store::Error> {
        let ClaimedRun { scope, lease, trigger, .. } = run;
        let mut status = RunStatus::Succeeded;
        if let Some((task_id, condition)) = run.task_id.zip(condition) {
            let checked = condition::evaluate(&self.store, run, task_id, condition, &ended).await?;
            condition::tell(&mut ended, &checked.check, *trigger);
            status = self.store.run_conclude(scope, lease, &ended.answer, &usage, &checked).await?;
        } else {
            self.endings.succeed(RunAnswer { lease: *lease, answer: ended.answer, usage }).await?;
        }
        Ok(match (status, ended.limit) {
            (RunStatus::NoNews, _) => "no_news",
            (_, Some(_)) => "cut_short",
            (_, None) => "answered",
        })
    }

    async fn fail(
        &self,
        scope: &Scope,
        lease: &RunLease,
        failure: RunFailure<'_>,
    ) -> Result<&'static str, store::Error> {
        match self.store.run_fail_until(scope, lease, failure).await? {
            AfterFailure::RetryAt(_) => Ok("to_be_retried"),
            AfterFailure::WaitsForCredits => Ok("waits_for_credits"),
            AfterFailure::Ended => Ok("failed"),
        }
    }
}

/// Has an answer say that its data is not fresh. Where that is known from counts as read, like all else that an answer tells.
async fn tell_stale(journal: &Journal, mut ended: Ended, stale: &Stale) -> Result<Ended, Failure> {
    if ended.steps == 0 {
        // A turn that was cut short before anything was recorded has no thread yet: the first step makes it.
        journal.append(&StepBody::Notice { text: stale.text.clone() }, Duration::ZERO).await?;
    }
    journal.note_read(&stale.connection_ids).await?;
    condition::tell_stale(&mut ended, &stale.text);
    Ok(ended)
}

/// Counts occurrences that this worker turned into runs itself, beside those of the scheduler's ticks.
fn count(due: &DueClaim) {
    for (name, number) in [
        ("tidings_runs_queued_total", due.queued),
        ("tidings_runs_late_total", due.late),
        ("tidings_occurrences_skipped_total", due.skipped),
        ("tidings_occurrences_missed_total", due.missed),
        ("tidings_tasks_unreadable_total", due.unreadable),
    ] {
        if number > 0 {
            metrics::counter!(name).increment(number as u64);
        }
    }
}

/// Waits until a lease has not been renewed for two thirds of its time.
async fn lease_runs_out(mut renewed: watch::Receiver<Instant>, lease: Duration) {
    let patience = lease * 2 / 3;
    loop {
        let last = *renewed.borrow_and_update();
        tokio::time::sleep_until(last + patience).await;
        if *renewed.borrow() == last {
            return;
        }
    }
}
