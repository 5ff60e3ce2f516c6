//! Being let onto a connection: how many queries run on it at once is bounded, over all processes.

use std::{pin::Pin, time::Duration};

use domain::run::RunReason;
use store::ConnectionSlot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::Failure,
    journal::{Journal, Reachable},
};

/// How long a query waits for others on its connection to end. After that the run is tried again later, and its worker is free.
const PATIENCE: Duration = Duration::from_mins(1);

/// The right to run one query on a connection.
pub(crate) struct Admission {
    slot: Option<ConnectionSlot>,
    /// How long the turn may still take.
    pub(crate) time_left: Duration,
}

impl Admission {
    /// Waits until one more query may run on a connection, at most until the turn's time is over.
    pub(crate) async fn of(
        journal: &Journal,
        reachable: &Reachable,
        time_left: Duration,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let asked = Instant::now();
        let slot = journal.slot(reachable, PATIENCE.min(time_left), cancel).await?;
        Ok(Self { slot, time_left: time_left.saturating_sub(asked.elapsed()) })
    }

    /// Runs the query, and gives the right back. Boxed: a turn that waits for its model need not have room for a query.
    pub(crate) async fn run<T>(
        self,
        query: Pin<Box<impl Future<Output = Result<T, warehouse::Error>>>>,
    ) -> Result<Result<T, warehouse::Error>, Failure> {
        let Some(slot) = self.slot else { return Ok(query.await) };
        let answer = tokio::select! {
            answer = query => Ok(answer),
            () = slot.lost() => Err(Failure::new(
                RunReason::ConnectionBusy,
                "The query was given up: its place on the connection could not be held.",
            )),
        };
        if let Err(error) = slot.give_back().await {
            tracing::warn!(%error, "a slot of a connection was not given back: its lease will run out");
        }
        answer
    }
}
