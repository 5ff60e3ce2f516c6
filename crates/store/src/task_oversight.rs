//! Tasks as admins see them: that they exist, how they stand, what they cost. Neither title nor prompt.

use chrono::{DateTime, Utc};
use domain::{TaskId, UserId, run::RunStatus, task::TaskStatus};

use crate::{
    Result, Scope, Store,
    error::{optional_word, word},
    page::{Page, Paged},
};

/// A task without what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskOversight {
    /// Its id.
    pub id: TaskId,
    /// Whose it is.
    pub creator_id: UserId,
    /// Their name.
    pub creator_name: String,
    /// Whether it fires.
    pub status: TaskStatus,
    /// Why it does not, where there is more to say.
    pub status_reason: Option<String>,
    /// When its next window opens.
    pub next_opens_at: Option<DateTime<Utc>>,
    /// How its newest run stands.
    pub last_run_status: Option<RunStatus>,
    /// When that ended.
    pub last_run_finished_at: Option<DateTime<Utc>>,
    /// How often it ran.
    pub runs: u64,
    /// What all its runs cost, in credits.
    pub credits: f64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The tasks of a workspace, newest first, for its admins.
    pub async fn task_oversight_list(&self, scope: &Scope, page: &Page) -> Result<Paged<TaskOversight>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT task.id AS "id!", task.creator_id AS "creator_id!", app_user.name, task.status AS "status!",
                   task.status_reason, task.opens_at, task.last_run_status, task.last_run_finished_at,
                   task.created_at AS "created_at!", spent.runs AS "runs!", spent.credits AS "credits!"
               FROM task_overview AS task
               JOIN app_user ON app_user.id = task.creator_id
               CROSS JOIN LATERAL (
                   SELECT count(*) AS runs, coalesce(sum(credits), 0) AS credits FROM run
                   WHERE run.workspace_id = task.workspace_id AND run.task_id = task.id) AS spent
               WHERE task.workspace_id = $1 AND ($2::uuid IS NULL OR task.id < $2)
               ORDER BY task.id DESC LIMIT $3"#,
            tx.workspace_id(),
            page.after_id(),
            page.rows_to_fetch()
        )
        .fetch_all(tx.db())
        .await?;
        let tasks = rows
            .into_iter()
            .map(|row| {
                Ok(TaskOversight {
                    id: row.id.into(),
                    creator_id: row.creator_id.into(),
                    creator_name: row.name,
                    status: word("task", "status", row.id, &row.status)?,
                    status_reason: row.status_reason,
                    next_opens_at: row.opens_at,
                    last_run_status: optional_word("run", "status", row.id, row.last_run_status.as_deref())?,
                    last_run_finished_at: row.last_run_finished_at,
                    runs: row.runs.unsigned_abs(),
                    credits: row.credits,
                    created_at: row.created_at,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(page.cut(tasks, |task| (String::new(), task.id.as_uuid())))
    }
}
