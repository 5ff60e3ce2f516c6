//! The model provider that a workspace brings itself. What a person is shown of it never holds the key.

use chrono::{DateTime, Utc};
use domain::{Invalid, UserId, WorkspaceModelId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::{
    Result, Scope, Store, Tx, Vault, audit, credit_wait,
    vault::{self, Sealed},
};

/// A workspace's own provider, for whoever asks it.
#[derive(Clone, Debug)]
pub struct WorkspaceModel {
    /// New with each change.
    pub id: WorkspaceModelId,
    /// Up to and without `/chat/completions`; none: OpenAI's own.
    pub base_url: Option<String>,
    /// The model's name there.
    pub name: String,
    /// Its key, where it wants one.
    pub api_key: Option<SecretString>,
}

impl WorkspaceModel {
    pub(crate) fn open(
        vault: &Vault,
        scope: &Scope,
        id: WorkspaceModelId,
        base_url: Option<String>,
        name: String,
        sealed: Option<Sealed>,
    ) -> Result<Self, vault::Error> {
        let open = |sealed: Sealed| vault.open(scope.workspace_id(), id.as_uuid(), &sealed);
        Ok(Self { id, base_url, name, api_key: sealed.map(open).transpose()? })
    }
}

/// A workspace's own provider, as an admin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceModelView {
    /// Up to and without `/chat/completions`; none: OpenAI's own.
    pub base_url: Option<String>,
    /// The model's name there.
    pub name: String,
    /// Whether a key is kept.
    pub has_key: bool,
    /// Who changed it last.
    pub updated_by: UserId,
    /// That person's name.
    pub updated_by_name: String,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// What is to be done about the key.
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// It stays. Only where the address stays: it must not go to another by a change of the address alone.
    Keep,
    /// There is none.
    Drop,
    /// It is this.
    Set(SecretString),
}

/// A provider to be asked from now on.
#[derive(Clone, Debug)]
pub struct WorkspaceModelChange {
    /// Up to and without `/chat/completions`; none: OpenAI's own.
    pub base_url: Option<String>,
    /// The model's name there.
    pub name: String,
    /// Its key.
    pub key: KeyChange,
}

impl Store {
    /// A workspace's own provider, with its key.
    pub async fn workspace_model(&self, scope: &Scope) -> Result<Option<WorkspaceModel>> {
        let mut tx = self.begin(scope).await?;
        find(&mut tx, &self.vault, scope).await
    }

    /// A workspace's own provider, without its key.
    pub async fn workspace_model_view(&self, scope: &Scope) -> Result<Option<WorkspaceModelView>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT base_url, own.name, own.secret IS NOT NULL AS "has_key!", updated_by, own.updated_at,
                   app_user.name AS updated_by_name
               FROM workspace_model AS own JOIN app_user ON app_user.id = own.updated_by WHERE own.workspace_id = $1"#,
            tx.workspace_id()
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(row.map(|row| WorkspaceModelView {
            base_url: row.base_url,
            name: row.name,
            has_key: row.has_key,
            updated_by: row.updated_by.into(),
            updated_by_name: row.updated_by_name,
            updated_at: row.updated_at,
        }))
    }

    /// The key to use with a provider that an admin proposes: `Invalid` where one is kept and would go to another address.
    pub async fn workspace_model_key(
        &self,
        scope: &Scope,
        change: &WorkspaceModelChange,
    ) -> Result<Option<SecretString>> {
        let mut tx = self.begin(scope).await?;
        self.key(&mut tx, scope, change).await
    }

    /// Has the workspace's questions answered by a provider of its own. Runs that waited for credits need none any more, and can
    /// be claimed at once. `Invalid` where a key that is kept would go to another address.
    pub async fn workspace_model_set(
        &self,
        scope: &Scope,
        user_id: UserId,
        change: &WorkspaceModelChange,
    ) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        // As a grant of credits does, and for the same reason (`credit.rs`): no run is set to wait unseen meanwhile.
        sqlx::query!(
            "SELECT FROM credit_balance WHERE workspace_id = $1 AND shard = 0 FOR UPDATE",
            tx.workspace_id()
        )
        .execute(tx.db())
        .await?;
        let key = self.key(&mut tx, scope, change).await?;
        let id = WorkspaceModelId::new(tx.now);
        let sealed = key.map(|key| self.vault.seal(scope.workspace_id(), id.as_uuid(), &key)).transpose()?;
        let (key_id, bytes) = sealed.map(|sealed| (sealed.key_id, sealed.bytes)).unzip();
        sqlx::query!(
            "INSERT INTO workspace_model (workspace_id, id, base_url, name, secret, secret_key_id, updated_by, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT ON CONSTRAINT workspace_model_pk DO UPDATE SET id = excluded.id, base_url = excluded.base_url,
                 name = excluded.name, secret = excluded.secret, secret_key_id = excluded.secret_key_id,
                 updated_by = excluded.updated_by, updated_at = excluded.updated_at",
            tx.workspace_id(),
            id.as_uuid(),
            change.base_url,
            change.name,
            bytes,
            key_id,
            user_id.as_uuid(),
            tx.now
        )
        .execute(tx.db())
        .await?;
        let details = json!({
            "baseUrl": change.base_url,
            "model": change.name,
            "hasKey": key_id.is_some(),
            "keyChanged": !matches!(change.key, KeyChange::Keep),
        });
        audit::record(&mut tx, scope.actor(), "model.replace", id.as_uuid(), details).await?;
        credit_wait::wake(&mut tx).await?;
        tx.commit().await
    }

    /// Has the workspace's questions answered by the operator's provider again. The key is wiped.
    pub async fn workspace_model_remove(&self, scope: &Scope) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!("DELETE FROM workspace_model WHERE workspace_id = $1", tx.workspace_id())
            .execute(tx.db())
            .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        let workspace_id = tx.workspace_id();
        audit::record(&mut tx, scope.actor(), "model.remove", workspace_id, json!({})).await?;
        tx.commit().await
    }

    async fn key(
        &self,
        tx: &mut Tx,
        scope: &Scope,
        change: &WorkspaceModelChange,
    ) -> Result<Option<SecretString>> {
        match &change.key {
            KeyChange::Drop => Ok(None),
            KeyChange::Set(key) => Ok(Some(key.clone()).filter(|key| !key.expose_secret().is_empty())),
            KeyChange::Keep => {
                let Some(kept) = find(tx, &self.vault, scope).await? else { return Ok(None) };
                if kept.api_key.is_some() && kept.base_url != change.base_url {
                    return Err(Invalid::new("apiKey", "must be given again for another address").into());
                }
                Ok(kept.api_key)
            }
        }
    }
}

async fn find(tx: &mut Tx, vault: &Vault, scope: &Scope) -> Result<Option<WorkspaceModel>> {
    let row = sqlx::query!(
        "SELECT id, base_url, name, secret, secret_key_id FROM workspace_model WHERE workspace_id = $1",
        tx.workspace_id()
    )
    .fetch_optional(tx.db())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let sealed = row.secret.zip(row.secret_key_id).map(|(bytes, key_id)| Sealed { key_id, bytes });
    Ok(Some(WorkspaceModel::open(vault, scope, row.id.into(), row.base_url, row.name, sealed)?))
}
