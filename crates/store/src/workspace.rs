//! Workspaces.

use chrono::{DateTime, Utc};
use domain::{WorkspaceId, workspace::WorkspaceSettings};
use serde_json::json;

use crate::{Actor, Error, Result, Scope, Store, audit, error::one_row};

/// A tenant and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// As shown.
    pub name: String,
    /// As written in commands: lower-case letters, digits, hyphens.
    pub slug: String,
    /// How its tasks run.
    pub settings: WorkspaceSettings,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

struct WorkspaceRow {
    id: uuid::Uuid,
    name: String,
    slug: String,
    grace_seconds: i32,
    max_concurrent_runs: i32,
    may_never_expire: bool,
    created_at: DateTime<Utc>,
}

impl From<WorkspaceRow> for Workspace {
    fn from(row: WorkspaceRow) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            slug: row.slug,
            settings: WorkspaceSettings {
                grace_seconds: row.grace_seconds.unsigned_abs(),
                max_concurrent_runs: row.max_concurrent_runs.unsigned_abs(),
                may_never_expire: row.may_never_expire,
            },
            created_at: row.created_at,
        }
    }
}

impl Store {
    /// Makes a workspace with the default settings. `Conflict::SlugTaken`.
    pub async fn workspace_create(&self, name: &str, slug: &str) -> Result<Scope> {
        let mut tx = self.begin_across().await?;
        let id = WorkspaceId::new(tx.now);
        sqlx::query!(
            "INSERT INTO workspace (id, name, slug, created_at) VALUES ($1, $2, $3, $4)",
            id.as_uuid(),
            name,
            slug,
            tx.now
        )
        .execute(tx.db())
        .await?;
        let mut tx = tx.for_workspace(id);
        audit::record(
            &mut tx,
            Actor::Operator,
            "workspace.create",
            id.as_uuid(),
            json!({ "name": name, "slug": slug }),
        )
        .await?;
        tx.commit().await?;
        Ok(Scope::new(id, Actor::Operator))
    }

    /// The workspace of a scope.
    pub async fn workspace_get(&self, scope: &Scope) -> Result<Workspace> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            WorkspaceRow,
            "SELECT id, name, slug, grace_seconds, max_concurrent_runs, may_never_expire, created_at
             FROM workspace WHERE id = $1",
            tx.workspace_id()
        )
        .fetch_optional(tx.db())
        .await?;
        row.map(Workspace::from).ok_or(Error::NotFound)
    }

    /// All workspaces, oldest first. For operators.
    pub async fn workspace_list(&self) -> Result<Vec<Workspace>> {
        let rows = sqlx::query_as!(
            WorkspaceRow,
            "SELECT id, name, slug, grace_seconds, max_concurrent_runs, may_never_expire, created_at
             FROM workspace ORDER BY id"
        )
        .fetch_all(&self.worker)
        .await?;
        Ok(rows.into_iter().map(Workspace::from).collect())
    }

    /// Replaces how the workspace's tasks run. Schedulers and workers read it each time they look, so that it holds from their
    /// next look on.
    pub async fn workspace_settings_put(&self, scope: &Scope, settings: &WorkspaceSettings) -> Result<()> {
        settings.check()?;
        let mut tx = self.begin(scope).await?;
        let id = tx.workspace_id();
        let done = sqlx::query!(
            "UPDATE workspace SET grace_seconds = $2, max_concurrent_runs = $3, may_never_expire = $4 WHERE id = $1",
            id,
            settings.grace_seconds as i32,
            settings.max_concurrent_runs as i32,
            settings.may_never_expire
        )
        .execute(tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        audit::record(&mut tx, scope.actor(), "workspace.settings", id, json!(settings)).await?;
        tx.commit().await
    }

    /// A scope for an operator's command. Nothing that a request carries may lead here.
    pub async fn scope_for_operator(&self, workspace_id: WorkspaceId) -> Result<Scope> {
        let found = sqlx::query_scalar!("SELECT id FROM workspace WHERE id = $1", workspace_id.as_uuid())
            .fetch_optional(&self.worker)
            .await?;
        found.map(|_| Scope::new(workspace_id, Actor::Operator)).ok_or(Error::NotFound)
    }
}
