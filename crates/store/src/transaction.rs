//! Transactions that know their workspace and their instant.

use chrono::{DateTime, Utc};
use domain::WorkspaceId;
use sqlx::{PgConnection, PgPool, Postgres};
use uuid::Uuid;

use crate::{IdempotencyHold, Result, Scope, Store};

/// A transaction, and the one instant as of which all of it happens.
pub(crate) struct Tx {
    inner: sqlx::Transaction<'static, Postgres>,
    workspace_id: Uuid,
    /// The database's clock at the transaction's start.
    pub(crate) now: DateTime<Utc>,
    /// The idempotency key for which all of it happens.
    hold: Option<IdempotencyHold>,
}

impl Tx {
    /// The connection to run statements on.
    pub(crate) fn db(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// The workspace of the scope; nil for work across workspaces.
    pub(crate) const fn workspace_id(&self) -> Uuid {
        self.workspace_id
    }

    /// The same transaction over all workspaces, from here on working for one.
    pub(crate) fn for_workspace(mut self, workspace_id: WorkspaceId) -> Self {
        self.workspace_id = workspace_id.as_uuid();
        self
    }

    /// Plans what follows for the tables as they are now. The queue is empty at one moment and long at the next; a plan kept
    /// from the one goes through all of the queue, for each row of a batch, at the other.
    pub(crate) async fn plan_afresh(&mut self) -> Result<()> {
        sqlx::raw_sql("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *self.inner).await?;
        Ok(())
    }

    /// The idempotency key for which all of it happens, if it does for one.
    pub(crate) const fn hold(&self) -> Option<IdempotencyHold> {
        self.hold
    }

    /// Makes all of it so.
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.inner.commit().await?)
    }
}

/// A transaction whose beginning is never cut short. A caller may go at any moment, as when a client hangs up; sqlx does not
/// roll back a `BEGIN` whose answer it did not wait for, and hands the connection, open transaction and all, to the next.
async fn begin_whole(pool: &PgPool) -> Result<sqlx::Transaction<'static, Postgres>> {
    let pool = pool.clone();
    match tokio::spawn(async move { pool.begin().await }).await {
        Ok(begun) => Ok(begun?),
        // The runtime stops.
        Err(_) => Err(sqlx::Error::PoolClosed.into()),
    }
}

impl Store {
    /// A transaction that sees one workspace.
    pub(crate) async fn begin(&self, scope: &Scope) -> Result<Tx> {
        let workspace_id = scope.workspace_id().as_uuid();
        let mut inner = begin_whole(&self.app).await?;
        let row = sqlx::query!(
            r#"SELECT set_config('tidings.workspace_id', $1, true), instant($2) AS "now!""#,
            workspace_id.to_string(),
            self.time.given()
        )
        .fetch_one(&mut *inner)
        .await?;
        Ok(Tx { inner, workspace_id, now: row.now, hold: scope.hold() })
    }

    /// A transaction over the queues of all workspaces.
    pub(crate) async fn begin_across(&self) -> Result<Tx> {
        let mut inner = begin_whole(&self.worker).await?;
        let now = sqlx::query_scalar!(r#"SELECT instant($1) AS "now!""#, self.time.given());
        let now = now.fetch_one(&mut *inner).await?;
        Ok(Tx { inner, workspace_id: Uuid::nil(), now, hold: None })
    }
}
