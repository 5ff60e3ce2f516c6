//! The connections whose data a thread was given without a result of its own: kept, for who may see it is decided by all that it
//! used.

use domain::{ConnectionId, ThreadId};
use uuid::Uuid;

use crate::{Result, RunLease, Scope, Store, run_queue};

impl Store {
    /// Keeps that a thread is given data of these connections: called before it is, so that no crash comes in between. Once
    /// kept, they stay. `LeaseLost`, `RunStopped`.
    pub async fn connection_read_put(
        &self,
        scope: &Scope,
        lease: &RunLease,
        thread_id: ThreadId,
        ids: &[ConnectionId],
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let mut tx = self.begin(scope).await?;
        run_queue::hold(&mut tx, lease).await?;
        sqlx::query!(
            "INSERT INTO connection_read (workspace_id, thread_id, connection_id)
             SELECT $1, $2, given.connection_id FROM unnest($3::uuid[]) AS given (connection_id) ON CONFLICT DO NOTHING",
            tx.workspace_id(),
            thread_id.as_uuid(),
            &ids
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }
}
