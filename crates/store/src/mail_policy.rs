//! Whom a workspace's mail may reach: the domains that it allows, and the addresses that servers said do not exist.

use serde_json::json;

use crate::{Result, Scope, Store, audit, error::without_nul};

impl Store {
    /// The domains whose addresses may be mailed, in lower case and in order; none: those of every member.
    pub async fn mail_domains(&self, scope: &Scope) -> Result<Vec<String>> {
        let mut tx = self.begin(scope).await?;
        let domains =
            sqlx::query_scalar!("SELECT domains FROM mail_policy WHERE workspace_id = $1", tx.workspace_id());
        Ok(domains.fetch_optional(tx.db()).await?.unwrap_or_default())
    }

    /// Says which domains may be mailed. What is on its way already heeds it as well.
    pub async fn mail_domains_set(&self, scope: &Scope, domains: &[String]) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "INSERT INTO mail_policy (workspace_id, domains, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT (workspace_id) DO UPDATE SET domains = excluded.domains, updated_at = excluded.updated_at",
            tx.workspace_id(),
            domains,
            tx.now
        )
        .execute(tx.db())
        .await?;
        let id = tx.workspace_id();
        audit::record(&mut tx, scope.actor(), "mail.domains", id, json!({ "domains": domains })).await?;
        tx.commit().await
    }

    /// Sends nothing more to an address that a server said does not exist. Hearing it again changes nothing.
    pub async fn mail_suppress(&self, scope: &Scope, address: &str, reason: &str) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        sqlx::query!(
            "INSERT INTO mail_suppression (workspace_id, address, reason, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            tx.workspace_id(),
            address.to_lowercase(),
            without_nul(reason),
            tx.now
        )
        .execute(tx.db())
        .await?;
        tx.commit().await
    }

    /// Whether nothing is to be sent to an address.
    pub async fn mail_is_suppressed(&self, scope: &Scope, address: &str) -> Result<bool> {
        let mut tx = self.begin(scope).await?;
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM mail_suppression WHERE workspace_id = $1 AND address = $2) AS "found!""#,
            tx.workspace_id(),
            address.to_lowercase()
        );
        Ok(found.fetch_one(tx.db()).await?)
    }
}
