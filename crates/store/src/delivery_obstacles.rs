//! What speaks against sending a message, looked up at the moment of sending: what its recipient wants, and where mail may go, may
//! have changed since it was queued. One that is sent again was never looked at by the end of a run.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{DeliveryLease, Result, Store};

/// Why a recipient does not want a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// They want no messages of the task, for a while or for good.
    Unsubscribed,
    /// They want to be told by no way.
    NotWanted,
}

impl Unwanted {
    /// The reason that the delivery ends with: a code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::NotWanted => "not_wanted",
        }
    }
}

/// What speaks against sending a message to the person that it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryObstacles {
    /// Against mail: a server said that the address does not exist.
    pub is_suppressed: bool,
    /// Against mail: the workspace allows other domains only.
    pub is_outside_domains: bool,
    /// Against any way: the recipient does not want it. Notices to a creator, and tests that they asked for, come in any case.
    pub unwanted: Option<Unwanted>,
}

impl Store {
    /// What speaks against each of these deliveries, in their order. One that is gone, or goes to no person, has nothing against
    /// it here: the attempt of the one is refused, and the other is everybody's.
    pub async fn delivery_obstacles(&self, leases: &[DeliveryLease]) -> Result<Vec<DeliveryObstacles>> {
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
                   delivery.kind IN ('answer', 'no_news') AND run.trigger IS DISTINCT FROM 'test' AS "may_be_unwanted!",
                   EXISTS (SELECT FROM task_unsubscription AS quiet
                       WHERE quiet.workspace_id = delivery.workspace_id AND quiet.task_id = delivery.task_id
                           AND quiet.user_id = delivery.user_id) AS "is_unsubscribed!",
                   NOT coalesce(preference.email OR preference.slack_dm, true) AS "wants_no_way!"
               FROM unnest($1::uuid[], $2::uuid[]) AS held (workspace_id, id)
               JOIN delivery ON delivery.workspace_id = held.workspace_id AND delivery.id = held.id
               JOIN app_user ON app_user.id = delivery.user_id
               LEFT JOIN run ON run.workspace_id = delivery.workspace_id AND run.id = delivery.run_id
               LEFT JOIN mail_policy AS policy ON policy.workspace_id = delivery.workspace_id
               LEFT JOIN notification_preference AS preference ON preference.workspace_id = delivery.workspace_id
                   AND preference.user_id = delivery.user_id"#,
            &workspace_ids,
            &ids
        )
        .fetch_all(tx.db())
        .await?;
        let found: HashMap<Uuid, DeliveryObstacles> = rows
            .into_iter()
            .map(|row| {
                let unwanted = match (row.may_be_unwanted, row.is_unsubscribed, row.wants_no_way) {
                    (true, true, _) => Some(Unwanted::Unsubscribed),
                    (true, false, true) => Some(Unwanted::NotWanted),
                    (false, ..) | (true, false, false) => None,
                };
                let obstacles = DeliveryObstacles {
                    is_suppressed: row.is_suppressed,
                    is_outside_domains: row.is_outside_domains,
                    unwanted,
                };
                (row.id, obstacles)
            })
            .collect();
        Ok(ids.iter().map(|id| found.get(id).copied().unwrap_or_default()).collect())
    }
}
