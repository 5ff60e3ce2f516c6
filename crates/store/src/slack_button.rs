//! What the buttons of a message in Slack do: a recipient has rest from a task for a while, or for good.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{DeliveryId, TaskId, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::{Result, Scope, Store, audit};

/// The delivery whose button was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PressedDelivery {
    /// Its task; none for a message about none.
    pub task_id: Option<TaskId>,
    /// What the task is called.
    pub task_title: Option<String>,
    /// Its recipient; none for a channel.
    pub user_id: Option<UserId>,
    /// Unsubscribes its recipient: [`Store::unsubscribe`].
    pub unsubscribe_token: Uuid,
}

impl Store {
    /// The delivery whose button was pressed.
    pub async fn pressed_delivery_get(
        &self,
        scope: &Scope,
        id: DeliveryId,
    ) -> Result<Option<PressedDelivery>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query!(
            r#"SELECT task_id, task.title AS "title?", user_id, unsubscribe_token FROM delivery
               LEFT JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
               WHERE delivery.workspace_id = $1 AND delivery.id = $2"#,
            tx.workspace_id(),
            id.as_uuid()
        )
        .fetch_optional(tx.db())
        .await?;
        Ok(row.map(|row| PressedDelivery {
            task_id: row.task_id.map(TaskId::from),
            task_title: row.title,
            user_id: row.user_id.map(UserId::from),
            unsubscribe_token: row.unsubscribe_token,
        }))
    }

    /// Sends a member nothing more of a task for `rest`. Who has unsubscribed for good stays so. Answers until when; `None` where it
    /// is for good.
    pub async fn task_snooze(
        &self,
        scope: &Scope,
        task_id: TaskId,
        user_id: UserId,
        rest: TimeDelta,
    ) -> Result<Option<DateTime<Utc>>> {
        let mut tx = self.begin(scope).await?;
        let until = sqlx::query_scalar!(
            "INSERT INTO task_unsubscription (workspace_id, task_id, user_id, created_at, until)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (workspace_id, task_id, user_id) DO UPDATE
             SET until = CASE WHEN task_unsubscription.until IS NULL THEN NULL ELSE excluded.until END
             RETURNING until",
            tx.workspace_id(),
            task_id.as_uuid(),
            user_id.as_uuid(),
            tx.now,
            tx.now + rest
        )
        .fetch_one(tx.db())
        .await?;
        let details = json!({ "userId": user_id, "until": until });
        audit::record(&mut tx, scope.actor(), "task.snooze", task_id.as_uuid(), details).await?;
        tx.commit().await?;
        Ok(until)
    }

    /// Ends every rest that is over. Answers how many were.
    pub async fn task_snooze_end(&self) -> Result<u64> {
        let done =
            sqlx::query!("DELETE FROM task_unsubscription WHERE until <= instant($1)", self.time.given());
        Ok(done.execute(&self.worker).await?.rows_affected())
    }
}
