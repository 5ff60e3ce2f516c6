//! Transactions that know their workspace and their instant.

use chrono::{DateTime, Utc};
use domain::WorkspaceId;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row as _, pool::PoolConnection};
use uuid::Uuid;

use crate::{IdempotencyHold, Result, Scope, Store, error::is_broken};

/// A transaction, and the one instant as of which all of it happens.
pub(crate) struct Tx {
    connection: Opened,
    workspace_id: Uuid,
    /// The database's clock at the transaction's start.
    pub(crate) now: DateTime<Utc>,
    /// The idempotency key for which all of it happens.
    hold: Option<IdempotencyHold>,
}

impl Tx {
    /// The connection to run statements on.
    pub(crate) fn db(&mut self) -> &mut PgConnection {
        self.connection.get()
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
        sqlx::raw_sql("SET LOCAL plan_cache_mode = force_custom_plan").execute(self.db()).await?;
        Ok(())
    }

    /// The idempotency key for which all of it happens, if it does for one.
    pub(crate) const fn hold(&self) -> Option<IdempotencyHold> {
        self.hold
    }

    /// Makes all of it so.
    pub(crate) async fn commit(mut self) -> Result<()> {
        sqlx::raw_sql("COMMIT").execute(self.db()).await?;
        self.connection.is_over = true;
        Ok(())
    }
}

/// A connection with a transaction that is rolled back unless it is over. The caller may go at any moment, as when a client
/// hangs up, even while the answer to `BEGIN` is on its way: what was asked before the `ROLLBACK` is always answered first.
///
/// sqlx's own transactions take a round trip for `BEGIN` alone; ours begin, learn their instant and name their workspace in one.
struct Opened {
    /// There until it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    is_over: bool,
}

impl Opened {
    fn get(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("a transaction has its connection until it is dropped")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.is_over {
            return;
        }
        tokio::spawn(async move {
            // One that cannot roll back is given to nobody else.
            if sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.is_err() {
                let _ = connection.close().await;
            }
        });
    }
}

/// Begins a transaction by `BEGIN` and a `SELECT` of its instant. On a connection that broke while it lay in the pool nothing
/// has begun: another is taken, up to as many as lie there.
async fn begin(pool: &PgPool, statements: String) -> Result<(Opened, DateTime<Utc>)> {
    let mut others = pool.options().get_max_connections();
    loop {
        let mut opened = Opened { connection: Some(pool.acquire().await?), is_over: false };
        match sqlx::raw_sql(AssertSqlSafe(statements.clone())).fetch_one(opened.get()).await {
            Err(error) if others > 0 && is_broken(&error) => others -= 1,
            row => return Ok((opened, row?.try_get("now")?)),
        }
    }
}

impl Store {
    /// A transaction that sees one workspace.
    pub(crate) async fn begin(&self, scope: &Scope) -> Result<Tx> {
        let workspace_id = scope.workspace_id().as_uuid();
        let statements = format!(
            "BEGIN; SELECT set_config('tidings.workspace_id', '{workspace_id}', true), {} AS now",
            self.instant()
        );
        let (connection, now) = begin(&self.app, statements).await?;
        Ok(Tx { connection, workspace_id, now, hold: scope.hold() })
    }

    /// A transaction over the queues of all workspaces.
    pub(crate) async fn begin_across(&self) -> Result<Tx> {
        let (connection, now) =
            begin(&self.worker, format!("BEGIN; SELECT {} AS now", self.instant())).await?;
        Ok(Tx { connection, workspace_id: Uuid::nil(), now, hold: None })
    }

    /// The instant that SQL's `instant($1)` answers, as an expression without parameters.
    fn instant(&self) -> String {
        match self.time.given() {
            None => "instant(NULL)".to_owned(),
            Some(now) => format!("instant('{}')", now.to_rfc3339()),
        }
    }
}
