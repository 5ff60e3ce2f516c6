//! Transactions that know their workspace and their instant.

use chrono::{DateTime, Utc};
use domain::WorkspaceId;
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use crate::{Result, Scope, Store};

/// A transaction, and the one instant as of which all of it happens.
pub(crate) struct Tx {
    inner: sqlx::Transaction<'static, Postgres>,
    workspace_id: Uuid,
    /// The database's clock at the transaction's start.
    pub(crate) now: DateTime<Utc>,
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

    /// Makes all of it so.
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.inner.commit().await?)
    }
}

impl Store {
    /// A transaction that sees one workspace.
    pub(crate) async fn begin(&self, scope: &Scope) -> Result<Tx> {
        let workspace_id = scope.workspace_id().as_uuid();
        let mut inner = self.app.begin().await?;
        let row = sqlx::query!(
            r#"SELECT set_config('tidings.workspace_id', $1, true), instant($2) AS "now!""#,
            workspace_id.to_string(),
            self.time.given()
        )
        .fetch_one(&mut *inner)
        .await?;
        Ok(Tx { inner, workspace_id, now: row.now })
    }

    /// A transaction over the queues of all workspaces.
    pub(crate) async fn begin_across(&self) -> Result<Tx> {
        let mut inner = self.worker.begin().await?;
        let now = sqlx::query_scalar!(r#"SELECT instant($1) AS "now!""#, self.time.given());
        let now = now.fetch_one(&mut *inner).await?;
        Ok(Tx { inner, workspace_id: Uuid::nil(), now })
    }
}
