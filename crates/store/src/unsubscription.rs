//! Recipients who do not want a task's messages.

use uuid::Uuid;

use crate::{Actor, Result, Store, audit};

/// What an unsubscribe link is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscription {
    /// The task, by name.
    pub task_title: String,
    /// Who, by address.
    pub email: String,
    /// Whether they are unsubscribed already.
    pub is_done: bool,
}

impl Store {
    /// What an unsubscribe link is about; `None` for a token that is none. Changes nothing.
    pub async fn unsubscription_get(&self, token: Uuid) -> Result<Option<Unsubscription>> {
        let row = sqlx::query!(
            r#"SELECT task.title, app_user.email, EXISTS (
                   SELECT FROM task_unsubscription AS quiet WHERE quiet.workspace_id = delivery.workspace_id
                     AND quiet.task_id = delivery.task_id AND quiet.user_id = delivery.user_id) AS "is_done!"
               FROM delivery
               JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
               JOIN app_user ON app_user.id = delivery.user_id
               WHERE delivery.unsubscribe_token = $1"#,
            token
        )
        .fetch_optional(&self.worker)
        .await?;
        Ok(row.map(|row| Unsubscription { task_title: row.title, email: row.email, is_done: row.is_done }))
    }

    /// Unsubscribes a recipient from a task by the token of any of its messages; `false` for a token that is none. Doing it
    /// again changes nothing.
    pub async fn unsubscribe(&self, token: Uuid) -> Result<bool> {
        let mut tx = self.begin_across().await?;
        let found = sqlx::query!(
            r#"SELECT workspace_id, task_id AS "task_id!", user_id AS "user_id!" FROM delivery
               WHERE unsubscribe_token = $1 AND task_id IS NOT NULL AND user_id IS NOT NULL"#,
            token
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(found) = found else { return Ok(false) };
        let mut tx = tx.for_workspace(found.workspace_id.into());
        let done = sqlx::query!(
            "INSERT INTO task_unsubscription (workspace_id, task_id, user_id, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (workspace_id, task_id, user_id) DO UPDATE SET until = NULL
             WHERE task_unsubscription.until IS NOT NULL",
            found.workspace_id,
            found.task_id,
            found.user_id,
            tx.now
        )
        .execute(tx.db())
        .await?;
        if done.rows_affected() == 1 {
            let actor = Actor::User(found.user_id.into());
            audit::record(&mut tx, actor, "task.unsubscribe", found.task_id, serde_json::json!({})).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
