//! Data sources. Who may do what with them: `grant.rs`.

use chrono::{DateTime, Utc};
use domain::{
    ConnectionId, UserId,
    access::ConnectionAccess,
    freshness::{FreshnessCheck, FreshnessLook},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Conflict, Error, Result, Scope, Store, Tx, audit,
    error::{json, one_row, optional_word, to_json},
    page::{Page, Paged},
    vault::Sealed,
};

/// A data source to make.
#[derive(Clone, Debug)]
pub struct NewConnection {
    /// As shown, unique in the workspace regardless of case.
    pub name: String,
    /// `postgres` or `files`.
    pub engine: String,
    /// For people and for the agent.
    pub description: String,
    /// What is no secret: a JSON object of the engine's own shape.
    pub details: Value,
    /// What is secret: the password, bare.
    pub secret: Option<SecretString>,
    /// Limits on time, rows, bytes and concurrent queries; absent ones are the defaults.
    pub limits: Value,
    /// How its freshness is known.
    pub freshness: Option<FreshnessCheck>,
}

/// What to change of a data source; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct ConnectionChange {
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// What is no secret.
    pub details: Option<Value>,
    /// What is secret.
    pub secret: Option<SecretString>,
    /// Limits.
    pub limits: Option<Value>,
    /// How its freshness is known; `Some(None)` ends that.
    pub freshness: Option<Option<FreshnessCheck>>,
    /// Whether its data stays out of Slack.
    pub sensitive: Option<bool>,
}

/// A data source, without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// As shown.
    pub name: String,
    /// `postgres` or `files`.
    pub engine: String,
    /// For people and for the agent.
    pub description: String,
    /// What is no secret.
    pub details: Value,
    /// Limits.
    pub limits: Value,
    /// How its freshness is known.
    pub freshness: Option<FreshnessCheck>,
    /// Whether its data stays out of Slack: no question asked there is answered there with it.
    pub sensitive: bool,
    /// How the last test went.
    pub last_test: Option<ConnectionTest>,
    /// What the user of the question may do with it; `None` where no user was named or they may do nothing.
    pub access: Option<ConnectionAccess>,
    /// Who made it.
    pub created_by: UserId,
    /// Counts its changes: the ETag.
    pub version: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// How a test of a connection went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionTest {
    /// Whether it answered.
    pub ok: bool,
    /// When.
    pub at: DateTime<Utc>,
    /// What it said, without secrets.
    pub message: String,
    /// How many tables it has, where it answered.
    pub tables: Option<u32>,
    /// How fresh its data was, where it has a check for that and answered.
    #[serde(default)]
    pub freshness: Option<FreshnessLook>,
}

pub(crate) struct ConnectionRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) engine: String,
    pub(crate) description: String,
    pub(crate) details: Value,
    pub(crate) limits: Value,
    pub(crate) freshness: Option<Value>,
    pub(crate) sensitive: bool,
    pub(crate) last_test: Option<Value>,
    pub(crate) access: Option<String>,
    pub(crate) created_by: Uuid,
    pub(crate) version: i32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
}

impl TryFrom<ConnectionRow> for Connection {
    type Error = Error;

    fn try_from(row: ConnectionRow) -> Result<Self> {
        Ok(Self {
            last_test: row.last_test.map(|test| json("connection", "last_test", row.id, test)).transpose()?,
            freshness: row
                .freshness
                .map(|check| json("connection", "freshness", row.id, check))
                .transpose()?,
            access: optional_word("connection_access", "access", row.id, row.access.as_deref())?,
            id: row.id.into(),
            name: row.name,
            engine: row.engine,
            description: row.description,
            details: row.details,
            limits: row.limits,
            sensitive: row.sensitive,
            created_by: row.created_by.into(),
            version: row.version.unsigned_abs(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
        })
    }
}

impl Store {
    /// Makes a data source that its creator manages. `Conflict::ConnectionNameTaken`.
    pub async fn connection_create(
        &self,
        scope: &Scope,
        creator_id: UserId,
        connection: &NewConnection,
    ) -> Result<Connection> {
        let mut tx = self.begin(scope).await?;
        let id = ConnectionId::new(tx.now);
        let sealed = self.seal(scope, id, connection.secret.as_ref())?;
        sqlx::query!(
            "INSERT INTO connection (workspace_id, id, name, engine, description, details, secret, secret_key_id, limits,
                 created_by, created_at, updated_at, freshness)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)",
            tx.workspace_id(),
            id.as_uuid(),
            connection.name,
            connection.engine,
            connection.description,
            connection.details,
            sealed.as_ref().map(|sealed| sealed.bytes.as_slice()),
            sealed.as_ref().map(|sealed| sealed.key_id.as_str()),
            connection.limits,
            creator_id.as_uuid(),
            tx.now,
            connection.freshness.as_ref().map(to_json)
        )
        .execute(tx.db())
        .await?;
        sqlx::query!(
            "INSERT INTO connection_grant (workspace_id, connection_id, user_id, access) VALUES ($1, $2, $3, 'manage')",
            tx.workspace_id(),
            id.as_uuid(),
            creator_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "name": connection.name, "engine": connection.engine });
        audit::record(&mut tx, scope.actor(), "connection.create", id.as_uuid(), details).await?;
        let made = find(&mut tx, id, Some(creator_id)).await?.ok_or(Error::NotFound)?;
        tx.commit().await?;
        Ok(made)
    }

    /// One data source, deleted or not, with what `user_id` may do with it.
    pub async fn connection_get(
        &self,
        scope: &Scope,
        id: ConnectionId,
        user_id: Option<UserId>,
    ) -> Result<Option<Connection>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, id, user_id).await
    }

    /// The data sources that a user may do anything with, by name; deleted ones left out.
    pub async fn connection_list(
        &self,
        scope: &Scope,
        user_id: UserId,
        page: &Page,
    ) -> Result<Paged<Connection>> {
        connection_list(&mut self.begin(scope).await?, user_id, page).await
    }

    /// The data sources that a user may query, by name; deleted ones left out.
    pub async fn connection_queryable(&self, scope: &Scope, user_id: UserId) -> Result<Vec<Connection>> {
        queryable(&mut self.begin(scope).await?, user_id).await
    }

    /// The secret of a data source, to connect with it.
    pub async fn connection_secret(&self, scope: &Scope, id: ConnectionId) -> Result<Option<SecretString>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            "SELECT secret, secret_key_id FROM connection WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        let (Some(bytes), Some(key_id)) = (row.secret, row.secret_key_id) else { return Ok(None) };
        Ok(Some(self.vault.open(scope.workspace_id(), id.as_uuid(), &Sealed { key_id, bytes })?))
    }

    /// Changes a data source. `expected` is the version that the change was made from, where the caller names one:
    /// `Conflict::VersionMismatch`, `Conflict::ConnectionNameTaken`.
    pub async fn connection_update(
        &self,
        scope: &Scope,
        id: ConnectionId,
        change: &ConnectionChange,
        expected: Option<u32>,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let version = sqlx::query_scalar!(
            "SELECT version FROM connection WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE",
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::NotFound)?;
        if expected.is_some_and(|expected| expected != version.unsigned_abs()) {
            return Err(Conflict::VersionMismatch.into());
        }
        let sealed = self.seal(scope, id, change.secret.as_ref())?;
        sqlx::query!(
            "UPDATE connection SET name = coalesce($3, name), description = coalesce($4, description),
                 details = coalesce($5, details), secret = coalesce($6, secret),
                 secret_key_id = coalesce($7, secret_key_id), limits = coalesce($8, limits),
                 freshness = CASE WHEN $10 THEN $11 ELSE freshness END, sensitive = coalesce($12, sensitive), version = version + 1, updated_at = $9
             WHERE workspace_id = $1 AND id = $2",
            tx.workspace_id(),
            id.as_uuid(),
            change.name,
            change.description,
            change.details,
            sealed.as_ref().map(|sealed| sealed.bytes.as_slice()),
            sealed.as_ref().map(|sealed| sealed.key_id.as_str()),
            change.limits,
            tx.now,
            change.freshness.is_some(),
            change.freshness.as_ref().and_then(Option::as_ref).map(to_json),
            change.sensitive
        )
        .execute(tx.db())
        .await?;
        let details = json!({ "name": change.name, "secretChanged": change.secret.is_some(), "sensitive": change.sensitive });
        audit::record(&mut tx, scope.actor(), "connection.update", id.as_uuid(), details).await?;
        tx.commit().await
    }

    /// Stores how a test went.
    pub async fn connection_tested(
        &self,
        scope: &Scope,
        id: ConnectionId,
        test: &ConnectionTest,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE connection SET last_test = $3 WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
            tx.workspace_id(),
            id.as_uuid(),
            to_json(test)
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        tx.commit().await
    }

    /// Deletes a data source: its secret is wiped at once, its name is free, and tasks and threads keep naming it.
    pub async fn connection_delete(&self, scope: &Scope, id: ConnectionId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "UPDATE connection SET deleted_at = $3, secret = NULL, secret_key_id = NULL, version = version + 1
             WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL",
            tx.workspace_id(),
            id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "connection.delete", id.as_uuid(), json!({})).await?;
        tx.commit().await
    }

    fn seal(&self, scope: &Scope, id: ConnectionId, secret: Option<&SecretString>) -> Result<Option<Sealed>> {
        let Some(secret) = secret.filter(|secret| !secret.expose_secret().is_empty()) else {
            return Ok(None);
        };
        Ok(Some(self.vault.seal(scope.workspace_id(), id.as_uuid(), secret)?))
    }
}

/// The data sources that a user may do anything with, by name; deleted ones left out.
pub(crate) async fn connection_list(tx: &mut Tx, user_id: UserId, page: &Page) -> Result<Paged<Connection>> {
    let rows = sqlx::query_as!(
        ConnectionRow,
        r#"SELECT connection.id, name, engine, description, details, limits, freshness, sensitive, last_test, access.access, created_by,
               version, created_at, updated_at, deleted_at
           FROM connection
           JOIN connection_access AS access ON access.workspace_id = connection.workspace_id
             AND access.connection_id = connection.id AND access.user_id = $2
           WHERE connection.workspace_id = $1 AND deleted_at IS NULL
             AND ($3::text IS NULL OR (lower(name), connection.id) > ($3, $4))
           ORDER BY lower(name), connection.id LIMIT $5"#,
        tx.workspace_id(),
        user_id.as_uuid(),
        page.after.as_ref().map(|cursor| cursor.key.as_str()),
        page.after_id(),
        page.rows_to_fetch()
    )
    .fetch_all(tx.db())
    .await?;
    let connections = rows.into_iter().map(Connection::try_from).collect::<Result<Vec<_>>>()?;
    Ok(page.cut(connections, |connection| (connection.name.to_lowercase(), connection.id.as_uuid())))
}

/// The data sources that a user may query.
pub(crate) async fn queryable(tx: &mut Tx, user_id: UserId) -> Result<Vec<Connection>> {
    let mut connections = connection_list(tx, user_id, &Page::first(1_000)).await?.values;
    connections.retain(|connection| connection.access >= Some(ConnectionAccess::Query));
    Ok(connections)
}

/// One data source, deleted or not, with what `user_id` may do with it.
pub(crate) async fn find(
    tx: &mut Tx,
    id: ConnectionId,
    user_id: Option<UserId>,
) -> Result<Option<Connection>> {
    let row = sqlx::query_as!(
        ConnectionRow,
        r#"SELECT connection.id, name, engine, description, details, limits, freshness, sensitive, last_test,
               (SELECT access.access FROM connection_access AS access WHERE access.workspace_id = $1
                  AND access.connection_id = $2 AND access.user_id = $3) AS access,
               created_by, version, created_at, updated_at, deleted_at
           FROM connection WHERE workspace_id = $1 AND id = $2"#,
        tx.workspace_id(),
        id.as_uuid(),
        user_id.map(UserId::as_uuid)
    )
    .fetch_optional(tx.db())
    .await?;
    row.map(Connection::try_from).transpose()
}
