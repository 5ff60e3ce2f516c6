//! Ends of runs, committed in groups: a transaction holds whatever gathered while the one before it was being committed. Under
//! load many runs share one wait for the disk; a run that ends alone waits for nobody.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use store::{Error, RunAnswer, Store};
use tokio::sync::oneshot;

/// The most runs of one transaction.
const GROUP_MAX: usize = 500;

/// Ends runs with their answers. Clones share their groups.
#[derive(Clone, Debug)]
pub struct Endings {
    store: Store,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Somebody is committing groups until none is left.
    is_worked: bool,
}

#[derive(Debug)]
struct Waiting {
    answered: RunAnswer,
    tell: oneshot::Sender<Result<(), Error>>,
}

impl Endings {
    /// Ends of runs in a database.
    pub fn new(store: Store) -> Self {
        Self { store, queue: Arc::default() }
    }

    /// Ends a run as [`Store::run_succeed`] does, once that is committed: `LeaseLost`, `RunStopped`. What was handed in is
    /// ended even if nobody waits for the outcome any more.
    pub async fn succeed(&self, answered: RunAnswer) -> Result<(), Error> {
        let (tell, told) = oneshot::channel();
        let is_worked = {
            let mut queue = self.queue();
            queue.waiting.push(Waiting { answered, tell });
            mem::replace(&mut queue.is_worked, true)
        };
        if !is_worked {
            tokio::spawn(Work(self.clone()).run());
        }
        // Untold only where the process ends in the middle of it: whether the run is ended nobody here knows, and so nobody
        // here may write to it any more.
        told.await.unwrap_or(Err(Error::LeaseLost))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits one group. One whose transaction fails as a whole is tried run by run, so that none spoils the others.
    async fn commit(&self, group: Vec<Waiting>) {
        let (answered, tells): (Vec<_>, Vec<_>) =
            group.into_iter().map(|run| (run.answered, run.tell)).unzip();
        let outcomes = match self.store.run_succeed_all(&answered).await {
            Ok(outcomes) => outcomes,
            Err(error) if answered.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    runs = answered.len(),
                    "a group of runs could not be ended at once"
                );
                let mut outcomes = Vec::with_capacity(answered.len());
                for run in &answered {
                    let alone = self.store.run_succeed_all(std::slice::from_ref(run)).await;
                    outcomes
                        .push(alone.and_then(|mut outcomes| outcomes.pop().unwrap_or(Err(Error::LeaseLost))));
                }
                outcomes
            }
        };
        for (tell, outcome) in tells.into_iter().zip(outcomes) {
            // Whoever no longer waits was dropped with its turn.
            let _ = tell.send(outcome);
        }
    }
}

/// The work on a queue, until it is empty. Should it be dropped before, the next run to end takes it up.
struct Work(Endings);

impl Work {
    async fn run(self) {
        while let Some(group) = self.next() {
            self.0.commit(group).await;
        }
    }

    fn next(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.0.queue();
        if queue.waiting.is_empty() {
            queue.is_worked = false;
            return None;
        }
        let most = queue.waiting.len().min(GROUP_MAX);
        Some(queue.waiting.drain(..most).collect())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // At worst two work on the queue from here on, each with groups of its own.
        self.0.queue().is_worked = false;
    }
}
