//! What PostgreSQL itself says that statements cost: `pg_stat_statements`, switched on for the connections that are measured.

use sqlx::PgConnection;

use crate::server::{Database, execute};

/// What the statements of a database have cost since the last look.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(crate) struct Cost {
    /// Planning and execution.
    pub(crate) milliseconds: f64,
    /// Pages looked at, in memory or not.
    pub(crate) buffers: i64,
    /// How many statements there were, beginnings and ends of transactions among them.
    pub(crate) statements: i64,
}

/// Counts the statements of connections that are opened to the database from now on.
pub(crate) async fn switch_on(connection: &mut PgConnection, database: &Database) -> anyhow::Result<()> {
    execute(connection, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
    let name = &database.name;
    execute(
        connection,
        &format!(
            "ALTER DATABASE {name} SET pg_stat_statements.track = 'top';
             ALTER DATABASE {name} SET pg_stat_statements.track_planning = on"
        ),
    )
    .await?;
    cost_since(connection).await?;
    Ok(())
}

/// Counts no longer, for connections that are opened from now on.
pub(crate) async fn switch_off(connection: &mut PgConnection, database: &Database) -> anyhow::Result<()> {
    execute(connection, &format!("ALTER DATABASE {} RESET ALL", database.name)).await
}

/// What was counted since the last call, and starts anew.
pub(crate) async fn cost_since(connection: &mut PgConnection) -> anyhow::Result<Cost> {
    let cost = sqlx::query_as(
        "SELECT coalesce(sum(total_plan_time + total_exec_time), 0)::float8 AS milliseconds,
             coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint AS buffers,
             coalesce(sum(calls), 0)::bigint AS statements
         FROM pg_stat_statements
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_one(&mut *connection)
    .await?;
    execute(connection, "SELECT pg_stat_statements_reset()").await?;
    Ok(cost)
}
