//! What came of tasks' conditions, run by run.

use chrono::{DateTime, Utc};
use domain::{TaskId, check::Check};

use crate::{Result, Scope, Store, error::json};

/// What came of a condition in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastCheck {
    /// When.
    pub checked_at: DateTime<Utc>,
    /// What came of it.
    pub check: Check,
}

impl Store {
    /// What came of a task's condition after an instant, oldest first, at most the newest `limit`; tests left out.
    pub async fn check_list(
        &self,
        scope: &Scope,
        task_id: TaskId,
        after: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<PastCheck>> {
        let mut tx = self.begin(scope).await?;
        let rows = sqlx::query!(
            r#"SELECT run_id, checked_at, outcome AS "outcome!: serde_json::Value" FROM (
                   SELECT run_id, checked_at, outcome FROM run_check
                   WHERE workspace_id = $1 AND task_id = $2 AND checked_at > $3 AND is_history
                   ORDER BY checked_at DESC, run_id DESC LIMIT $4) AS latest
               ORDER BY checked_at, run_id"#,
            tx.workspace_id(),
            task_id.as_uuid(),
            after,
            i64::from(limit)
        )
        .fetch_all(tx.db())
        .await?;
        rows.into_iter()
            .map(|row| {
                let check = json("run_check", "outcome", row.run_id, row.outcome)?;
                Ok(PastCheck { checked_at: row.checked_at, check })
            })
            .collect()
    }
}
