//! A run that a person starts, handed to a worker of the same process: it is leased in the transaction that makes it, and its
//! worker has it when that is committed, without a claim, a wait for another commit, or word through the database.
//!
//! Whoever starts a run takes one of the worker's free places first. Where there is none, as in a process without a worker, or
//! where the workspace has as many runs under way as it may, the run is queued like any other, and workers are told.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use crate::{ClaimedRun, Store};

/// Where workers and those who start runs meet. All clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Handover(Arc<Mutex<Option<Desk>>>);

#[derive(Clone, Debug)]
struct Desk {
    worker: Arc<str>,
    places: Arc<Semaphore>,
    door: mpsc::Sender<Handed>,
}

/// A run that was handed over, and its place.
#[derive(Debug)]
pub struct Handed {
    /// The run. Its worker holds it.
    pub run: ClaimedRun,
    /// An instant before its lease began.
    pub since: Instant,
    /// To be kept while the run is under way.
    pub place: OwnedSemaphorePermit,
}

/// A worker's side: runs that are handed to it.
#[derive(Debug)]
pub struct HandedRuns {
    received: mpsc::Receiver<Handed>,
}

impl Handover {
    /// Takes runs for a worker as long as one of `places` is free. A worker that comes later takes the earlier one's stead.
    pub fn open(&self, worker: &str, places: Arc<Semaphore>) -> HandedRuns {
        let (door, received) = mpsc::channel(places.available_permits().max(1));
        *self.desk() = Some(Desk { worker: worker.into(), places, door });
        HandedRuns { received }
    }

    /// A free place, if there is one. Its run will be leased for so long.
    pub(crate) fn place(&self, lease: TimeDelta) -> Option<Place> {
        let Desk { worker, places, door } = self.desk().clone()?;
        let permit = places.try_acquire_owned().ok()?;
        let door = door.try_reserve_owned().ok()?;
        Some(Place { worker, lease, since: Instant::now(), permit, door })
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Option<Desk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HandedRuns {
    /// The next run; never ends.
    pub async fn next(&mut self) -> Handed {
        match self.received.recv().await {
            Some(handed) => handed,
            None => std::future::pending().await,
        }
    }

    /// Takes no more runs. Answers those that came before and were not looked at.
    pub async fn close(mut self) -> Vec<ClaimedRun> {
        self.received.close();
        let mut left = Vec::new();
        // Whoever holds a place already may still hand over a run, and is waited for.
        while let Some(handed) = self.received.recv().await {
            left.push(handed.run);
        }
        left
    }
}

/// A place that nobody else is given. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) worker: Arc<str>,
    pub(crate) lease: TimeDelta,
    since: Instant,
    permit: OwnedSemaphorePermit,
    door: mpsc::OwnedPermit<Handed>,
}

impl Place {
    /// Hands a run over. Its lease is committed.
    pub(crate) fn give(self, run: ClaimedRun) {
        let Self { since, permit, door, .. } = self;
        door.send(Handed { run, since, place: permit });
    }
}

impl Store {
    /// Where runs are handed to a worker of this process.
    pub const fn handover(&self) -> &Handover {
        &self.handover
    }
}
