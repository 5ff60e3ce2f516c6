//! Recipients who do not want a task's messages.

use chrono::{DateTime, Utc};
use domain::{TaskId, UserId};
use uuid::Uuid;

use crate::{Actor, Error, Result, Scope, Store, Tx, audit};

/// What an unsubscribe link is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscription {
    /// The task, by name.
    pub task_title: String,
    /// Who, by address.
    pub email: String,
    /// Their zone.
    pub timezone: String,
    /// Whether they are unsubscribed already, for good.
    pub is_done: bool,
    /// Until when they have rest from it; none where they have none, or have it for good.
    pub until: Option<DateTime<Utc>>,
}

/// A task whose messages a member does not want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietTask {
    /// The task.
    pub id: TaskId,
    /// Its title, for those who know it.
    pub title: String,
    /// Until when; none where it is for good.
    pub until: Option<DateTime<Utc>>,
}

impl Store {
    /// Tasks whose messages a member does not want, by title. The title is told to those who know it: its creator, and whom
    /// messages of it went to.
    pub async fn quiet_task_list(&self, scope: &Scope, user_id: UserId) -> Result<Vec<QuietTask>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT task.id, CASE WHEN task.creator_id = $2 OR EXISTS (SELECT FROM delivery
                   WHERE delivery.workspace_id = $1 AND delivery.task_id = task.id AND delivery.user_id = $2)
                   THEN task.title ELSE 'A task of somebody else' END AS "title!", quiet.until
               FROM task_unsubscription AS quiet
               JOIN task ON task.workspace_id = quiet.workspace_id AND task.id = quiet.task_id
               WHERE quiet.workspace_id = $1 AND quiet.user_id = $2 AND task.deleted_at IS NULL
               ORDER BY 2, task.id"#,
            tx.workspace_id(),
            user_id.as_uuid()
        )
        .fetch_all(tx.db())
        .await?;
        let quiet =
            rows.into_iter().map(|row| QuietTask { id: row.id.into(), title: row.title, until: row.until });
        Ok(quiet.collect())
    }

    /// Has a member told nothing more of a task. `NotFound` unless it is theirs, or they got messages of it.
    pub async fn quiet_task_add(&self, scope: &Scope, user_id: UserId, task_id: TaskId) -> Result<()> {
        let mut tx = self.begin(scope).await?;
        let known = sqlx::query_scalar!(
            "SELECT id FROM task WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL
               AND (creator_id = $3 OR EXISTS (SELECT FROM delivery
                   WHERE delivery.workspace_id = $1 AND delivery.task_id = $2 AND delivery.user_id = $3))",
            tx.workspace_id(),
            task_id.as_uuid(),
            user_id.as_uuid()
        );
        known.fetch_optional(tx.db()).await?.ok_or(Error::NotFound)?;
        if keep_quiet(&mut tx, task_id.as_uuid(), user_id.as_uuid()).await? {
            let details = serde_json::json!({});
            audit::record(&mut tx, scope.actor(), "task.unsubscribe", task_id.as_uuid(), details).await?;
        }
        tx.commit().await
    }

    /// Has a member told of a task again. Answers whether they were not.
    pub async fn quiet_task_remove(&self, scope: &Scope, user_id: UserId, task_id: TaskId) -> Result<bool> {
        let mut tx = self.begin(scope).await?;
        let done = sqlx::query!(
            "DELETE FROM task_unsubscription WHERE workspace_id = $1 AND task_id = $2 AND user_id = $3",
            tx.workspace_id(),
            task_id.as_uuid(),
            user_id.as_uuid()
        )
        .execute(tx.db())
        .await?;
        let was_quiet = done.rows_affected() == 1;
        if was_quiet {
            let details = serde_json::json!({});
            audit::record(&mut tx, scope.actor(), "task.subscribe", task_id.as_uuid(), details).await?;
        }
        tx.commit().await?;
        Ok(was_quiet)
    }

    /// What an unsubscribe link is about; `None` for a token that is none. Changes nothing.
    pub async fn unsubscription_get(&self, token: Uuid) -> Result<Option<Unsubscription>> {
        let row = sqlx::query!(
            r#"SELECT task.title, app_user.email, app_user.timezone,
                   quiet.user_id IS NOT NULL AND quiet.until IS NULL AS "is_done!", quiet.until AS "until?"
               FROM delivery
               JOIN task ON task.workspace_id = delivery.workspace_id AND task.id = delivery.task_id
               JOIN app_user ON app_user.id = delivery.user_id
               LEFT JOIN task_unsubscription AS quiet ON quiet.workspace_id = delivery.workspace_id
                   AND quiet.task_id = delivery.task_id AND quiet.user_id = delivery.user_id
               WHERE delivery.unsubscribe_token = $1"#,
            token
        )
        .fetch_optional(&self.worker)
        .await?;
        Ok(row.map(|row| Unsubscription {
            task_title: row.title,
            email: row.email,
            timezone: row.timezone,
            is_done: row.is_done,
            until: row.until,
        }))
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
        if keep_quiet(&mut tx, found.task_id, found.user_id).await? {
            let actor = Actor::User(found.user_id.into());
            audit::record(&mut tx, actor, "task.unsubscribe", found.task_id, serde_json::json!({})).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Notes that somebody does not want a task's messages. Answers whether that is new.
async fn keep_quiet(tx: &mut Tx, task_id: Uuid, user_id: Uuid) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO task_unsubscription (workspace_id, task_id, user_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (workspace_id, task_id, user_id) DO UPDATE SET until = NULL
         WHERE task_unsubscription.until IS NOT NULL",
        tx.workspace_id(),
        task_id,
        user_id,
        tx.now
    )
    .execute(tx.db())
    .await?;
    Ok(done.rows_affected() == 1)
}
