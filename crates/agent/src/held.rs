//! The turns that a worker has under way, each with the lease that it is executed by.

use std::{collections::HashMap, future::Future};

use store::RunLease;
use tokio::{
    sync::watch,
    task::{self, JoinSet},
    time::Instant,
};

use crate::turn::Signals;

/// A turn that this worker executes.
pub(crate) struct Held {
    pub(crate) lease: RunLease,
    pub(crate) signals: Signals,
    /// When the last renewal that went through was asked for.
    pub(crate) renewed: watch::Sender<Instant>,
}

/// Turns under way. A lease is kept by its turn's task, and goes with it, however that ends: one that was kept on would be
/// renewed for ever, and its run never rescued.
#[derive(Default)]
pub(crate) struct Turns {
    tasks: JoinSet<()>,
    held: HashMap<task::Id, Held>,
}

impl Turns {
    /// Executes a turn.
    pub(crate) fn spawn(&mut self, held: Held, turn: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(turn).id();
        self.held.insert(id, held);
    }

    /// Whether none is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Those under way.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// Waits for one to end, and lets go of its lease; at once where none is under way. The lease of one that died is not
    /// handed back: the run is rescued when it has run out, and such rescues are counted.
    pub(crate) async fn next_end(&mut self) {
        let Some(ended) = self.tasks.join_next_with_id().await else { return };
        match ended {
            Ok((id, ())) => drop(self.held.remove(&id)),
            Err(error) => {
                let held = self.held.remove(&error.id());
                let run_id = held.map(|held| tracing::field::display(held.lease.run_id));
                tracing::error!(run_id, %error, "a turn's task died: its run is rescued when its lease has run out");
            }
        }
    }

    /// Drops those under way where they stand. Answers their leases.
    pub(crate) async fn shut_down(mut self) -> Vec<RunLease> {
        self.tasks.shutdown().await;
        self.held.into_values().map(|held| held.lease).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::{RunId, WorkspaceId};
    use uuid::Uuid;

    use super::*;

    fn held() -> Held {
        let (workspace_id, run_id) = (WorkspaceId::from(Uuid::from_u128(1)), RunId::from(Uuid::from_u128(2)));
        let lease = RunLease { workspace_id, run_id, token: Uuid::from_u128(3) };
        Held { lease, signals: Signals::default(), renewed: watch::channel(Instant::now()).0 }
    }

    #[tokio::test]
    async fn a_turn_that_dies_holds_its_lease_no_longer() {
        let mut turns = Turns::default();
        turns.spawn(held(), async { panic!("outside of all that catches it") });
        turns.next_end().await;
        assert_eq!((turns.held().count(), turns.is_empty()), (0, true));
    }

    #[tokio::test]
    async fn only_the_leases_of_turns_under_way_are_held_and_handed_back() {
        let mut turns = Turns::default();
        turns.spawn(held(), async {});
        let mut waits = held();
        waits.lease.token = Uuid::from_u128(4);
        let lease = waits.lease;
        turns.spawn(waits, std::future::pending());
        turns.next_end().await;
        assert_eq!(turns.held().map(|held| held.lease).collect::<Vec<_>>(), [lease]);
        assert_eq!(turns.shut_down().await, [lease]);
    }
}
