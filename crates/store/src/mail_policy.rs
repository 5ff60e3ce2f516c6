//! Whom a workspace's mail may reach: the domains that it allows, and the addresses that servers said do not exist.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use crate::{DeliveryLease, Result, Scope, Store, audit, error::without_nul};

/// What speaks against sending a message to its recipient by mail, looked up at the moment of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailObstacles {
    /// A server said that the address does not exist.
    pub is_suppressed: bool,
    /// The workspace allows other domains only.
    pub is_outside_domains: bool,
    /// The recipient wants no more of the task's messages. Notices to a creator, and tests that they asked for, come in any
    /// case.
    pub is_unwanted: bool,
}

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

    /// What speaks against each of these deliveries, in their order. One that is gone has nothing against it here: its
    /// attempt is refused.
    pub async fn mail_obstacles(&self, leases: &[DeliveryLease]) -> Result<Vec<MailObstacles>> {
        let mut tx = self.begin_across().await?;
        let workspace_ids: Vec<_> = leases.iter().map(|lease| lease.workspace_id.as_uuid()).collect();
        let ids: Vec<_> = leases.iter().map(|lease| lease.delivery_id.as_uuid()).collect();
        let rows = sqlx::query!(
            r#"SELECT delivery.id,
                   EXISTS (SELECT FROM mail_suppression AS dead WHERE dead.workspace_id = delivery.workspace_id
                       AND dead.address = lower(app_user.email)) AS "is_suppressed!",
                   coalesce(cardinality(policy.domains) > 0
                       AND NOT substring(lower(app_user.email) FROM '[^@]*$') = ANY (policy.domains), false)
                       AS "is_outside_domains!",
                   delivery.kind IN ('answer', 'no_news') AND run.trigger IS DISTINCT FROM 'test'
                       AND EXISTS (SELECT FROM task_unsubscription AS quiet
                           WHERE quiet.workspace_id = delivery.workspace_id AND quiet.task_id = delivery.task_id
                               AND quiet.user_id = delivery.user_id) AS "is_unwanted!"
               FROM unnest($1::uuid[], $2::uuid[]) AS held (workspace_id, id)
               JOIN delivery ON delivery.workspace_id = held.workspace_id AND delivery.id = held.id
               JOIN app_user ON app_user.id = delivery.user_id
               LEFT JOIN run ON run.workspace_id = delivery.workspace_id AND run.id = delivery.run_id
               LEFT JOIN mail_policy AS policy ON policy.workspace_id = delivery.workspace_id"#,
            &workspace_ids,
            &ids
        )
        .fetch_all(tx.db())
        .await?;
        let found: HashMap<Uuid, MailObstacles> = rows
            .into_iter()
            .map(|row| {
                let obstacles = MailObstacles {
                    is_suppressed: row.is_suppressed,
                    is_outside_domains: row.is_outside_domains,
                    is_unwanted: row.is_unwanted,
                };
                (row.id, obstacles)
            })
            .collect();
        Ok(ids.iter().map(|id| found.get(id).copied().unwrap_or_default()).collect())
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
