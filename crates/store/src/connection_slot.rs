//! How many queries run at once on a connection, over all processes.
//!
//! Whoever wants to query takes a place in the connection's line: a row under a lease. The first so many rows may query, so that
//! nobody is passed by; the others look again after a while, the sooner the nearer they are. No transaction and no connection
//! is held while waiting or querying. Places are given out under a lock of the connection's, so that a lower one never turns up
//! behind a higher one's back. What a killed process leaves behind counts until its lease has passed by the database's clock.

use std::time::Duration;

use chrono::TimeDelta;
use domain::ConnectionId;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Connection, Result, Scope, Store, Tx};

/// Queries at once on a connection that says nothing else in its `limits.concurrentQueries`.
pub const CONCURRENT_QUERIES: u32 = 4;
/// How long a slot is held without being renewed.
pub const SLOT_LEASE: TimeDelta = TimeDelta::seconds(60);
/// How long a place in the line is held without being looked after.
const WAIT_LEASE: TimeDelta = TimeDelta::seconds(15);
/// How often a slot's lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(15);
/// After how long without a renewal a holder takes its slot for lost.
const LOST_AFTER: Duration = Duration::from_secs(40);
/// How long the next in line waits before it looks again. Each one behind it waits as much longer.
const LOOK_AFTER: Duration = Duration::from_millis(25);
/// The longest that anybody waits before looking again.
const LOOK_AFTER_MAX: Duration = Duration::from_millis(500);

/// The right to run one query on a connection. Given back when it is dropped, too, if a moment later.
#[derive(Debug)]
pub struct ConnectionSlot {
    place: Place,
    lost: CancellationToken,
    renewing: JoinHandle<()>,
}

/// What came of asking for a slot.
#[derive(Debug)]
pub enum SlotAnswer {
    /// Go ahead.
    Taken(ConnectionSlot),
    /// None came free in time.
    Busy,
    /// The one who asked no longer wants it.
    Cancelled,
}

impl Connection {
    /// How many queries may run on it at once.
    pub fn concurrent_queries(&self) -> u32 {
        let own = self.limits["concurrentQueries"].as_u64();
        own.and_then(|own| u32::try_from(own).ok()).unwrap_or(CONCURRENT_QUERIES).max(1)
    }
}

impl Store {
    /// Waits in the connection's line until fewer than `limit` others are before it, for up to `patience` or until `cancel`.
    pub async fn connection_slot(
        &self,
        scope: &Scope,
        connection_id: ConnectionId,
        limit: u32,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> Result<SlotAnswer> {
        let place = Place {
            store: self.clone(),
            scope: *scope,
            connection_id,
            token: Uuid::new_v4(),
            is_left: false,
        };
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            waited = tokio::time::timeout(patience, place.wait(limit)) => Some(waited),
        };
        match outcome {
            Some(Ok(Ok(()))) => Ok(SlotAnswer::Taken(ConnectionSlot::hold(place))),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) => {
                place.leave().await?;
                Ok(SlotAnswer::Busy)
            }
            None => {
                place.leave().await?;
                Ok(SlotAnswer::Cancelled)
            }
        }
    }
}

impl ConnectionSlot {
    fn hold(place: Place) -> Self {
        let lost = CancellationToken::new();
        let renewing = tokio::spawn(renew(place.store.clone(), place.scope, place.token, lost.clone()));
        Self { place, lost, renewing }
    }

    /// Ends when the slot may be someone else's: stop the query at once.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Gives it back.
    pub async fn give_back(self) -> Result<()> {
        self.renewing.abort();
        self.place.leave().await
    }
}

/// Renews a slot's lease until it is aborted, or the slot is lost.
async fn renew(store: Store, scope: Scope, token: Uuid, lost: CancellationToken) {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let asked = Instant::now();
        match tokio::time::timeout(RENEW_EVERY, store.connection_slot_renew(&scope, token)).await {
            Ok(Ok(true)) => renewed = asked,
            Ok(Ok(false)) => break,
            Ok(Err(error)) => tracing::warn!(%error, "a slot of a connection could not be renewed"),
            Err(_) => tracing::warn!("a slot of a connection could not be renewed in time"),
        }
        if renewed.elapsed() >= LOST_AFTER {
            break;
        }
    }
    lost.cancel();
}

impl Store {
    /// Renews a held slot's lease. Answers whether it was still held.
    pub(crate) async fn connection_slot_renew(&self, scope: &Scope, token: Uuid) -> Result<bool> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE connection_slot SET lease_until = $3
             WHERE workspace_id = $1 AND token = $2 AND lease_until > $4",
            tx.workspace_id(),
            token,
            tx.now + SLOT_LEASE,
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}

/// A place in a connection's line, waiting or querying.
#[derive(Debug)]
struct Place {
    store: Store,
    scope: Scope,
    connection_id: ConnectionId,
    token: Uuid,
    is_left: bool,
}

impl Place {
    /// Takes the place, and waits until fewer than `limit` are before it.
    async fn wait(&self, limit: u32) -> Result<()> {
        let mut ahead = self.join(limit).await?;
        while ahead >= limit {
            tokio::time::sleep(self.pause(ahead - limit)).await;
            ahead = match self.look(limit).await? {
                Some(ahead) => ahead,
                // Not looked after in time, and taken for one of a process that is gone.
                None => self.join(limit).await?,
            };
        }
        Ok(())
    }

    /// Goes to the end of the line. Answers how many are before it.
    async fn join(&self, limit: u32) -> Result<u32> {
        let mut tx = self.store.begin(&self.scope).await?;
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended('tidings.connection_slot ' || $1, 0))",
            self.connection_id.to_string()
        )
        .execute(tx.db())
        .await?;
        self.remove_dead(&mut tx).await?;
        let ahead = sqlx::query_scalar!(
            r#"WITH line AS (
                   SELECT count(*) AS ahead FROM connection_slot WHERE workspace_id = $1 AND connection_id = $2
               ), joined AS (
                   INSERT INTO connection_slot (workspace_id, connection_id, token, taken_at, lease_until)
                   SELECT $1, $2, $3, CASE WHEN ahead < $4 THEN $5::timestamptz END,
                       CASE WHEN ahead < $4 THEN $6::timestamptz ELSE $7 END
                   FROM line
               )
               SELECT ahead AS "ahead!" FROM line"#,
            tx.workspace_id(),
            self.connection_id.as_uuid(),
            self.token,
            i64::from(limit),
            tx.now,
            tx.now + SLOT_LEASE,
            tx.now + WAIT_LEASE
        )
        .fetch_one(tx.db())
        .await?;
        tx.commit().await?;
        Ok(u32::try_from(ahead).unwrap_or(u32::MAX))
    }

    /// Looks how many are before it, and takes the slot when they are few enough. `None` where the place was lost.
    async fn look(&self, limit: u32) -> Result<Option<u32>> {
        let mut tx = self.store.begin(&self.scope).await?;
        self.remove_dead(&mut tx).await?;
        let ahead = sqlx::query_scalar!(
            r#"WITH line AS (
                   SELECT count(*) AS ahead FROM connection_slot AS other
                   WHERE other.workspace_id = $1 AND other.connection_id = $2 AND other.place < (
                       SELECT place FROM connection_slot WHERE workspace_id = $1 AND token = $3)
               )
               UPDATE connection_slot
               SET taken_at = CASE WHEN ahead < $4 THEN $5::timestamptz END,
                   lease_until = CASE WHEN ahead < $4 THEN $6::timestamptz ELSE $7 END
               FROM line WHERE workspace_id = $1 AND token = $3
               RETURNING ahead AS "ahead!""#,
            tx.workspace_id(),
            self.connection_id.as_uuid(),
            self.token,
            i64::from(limit),
            tx.now,
            tx.now + SLOT_LEASE,
            tx.now + WAIT_LEASE
        )
        .fetch_optional(tx.db())
        .await?;
        tx.commit().await?;
        Ok(ahead.map(|ahead| u32::try_from(ahead).unwrap_or(u32::MAX)))
    }

    /// Removes the places of processes that are gone: only what is removed counts no longer, so that a renewal that comes at the
    /// last moment is either seen or fails.
    async fn remove_dead(&self, tx: &mut Tx) -> Result<()> {
        sqlx::query!(
            "DELETE FROM connection_slot WHERE workspace_id = $1 AND connection_id = $2 AND lease_until <= $3",
            tx.workspace_id(),
            self.connection_id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }

    /// How long to wait before looking again with so many between this place and the slots. A little more or less for each, by
    /// its token, so that those who came together do not go on looking together.
    fn pause(&self, position: u32) -> Duration {
        let nearness = LOOK_AFTER.saturating_mul(position.saturating_add(1)).min(LOOK_AFTER_MAX);
        nearness.mul_f64(0.75 + f64::from(self.token.as_bytes()[0]) / 512.0)
    }

    /// Leaves the line.
    async fn leave(mut self) -> Result<()> {
        self.is_left = true;
        self.store.connection_slot_leave(&self.scope, self.token).await
    }
}

impl Drop for Place {
    /// Whoever is dropped while waiting or querying leaves the line as well, if a moment later.
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (store, scope, token) = (self.store.clone(), self.scope, self.token);
        runtime.spawn(async move {
            if let Err(error) = store.connection_slot_leave(&scope, token).await {
                tracing::warn!(%error, "a slot of a connection was not given back: its lease will run out");
            }
        });
    }
}

impl Store {
    async fn connection_slot_leave(&self, scope: &Scope, token: Uuid) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "DELETE FROM connection_slot WHERE workspace_id = $1 AND token = $2",
            tx.workspace_id(),
            token
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }
}
