//! Word to a task's creator about the task itself: one email that is no answer.

use chrono::{DateTime, Utc};
use domain::{DeliveryId, delivery::DeliveryKind};
use uuid::Uuid;

use crate::{Result, Tx};

/// Something to tell a task's creator.
pub(crate) struct Notice {
    workspace_id: Uuid,
    task_id: Uuid,
    kind: DeliveryKind,
    /// The run that it is about.
    pub(crate) run_id: Option<Uuid>,
    /// What there is to say beyond the kind.
    pub(crate) message: Option<String>,
}

impl Notice {
    /// A notice about a task.
    pub(crate) const fn of_task(workspace_id: Uuid, task_id: Uuid, kind: DeliveryKind) -> Self {
        Self { workspace_id, task_id, kind, run_id: None, message: None }
    }
}

/// Queues a notice, unless the creator is deactivated.
pub(crate) async fn send(tx: &mut Tx, notice: &Notice) -> Result<()> {
    let now: DateTime<Utc> = tx.now;
    sqlx::query!(
        "INSERT INTO delivery (workspace_id, id, kind, task_id, run_id, thread_id, turn_no, channel, user_id, label, state,
             message, available_at, created_at)
         SELECT task.workspace_id, $3, $4, task.id, $5, run.thread_id, run.turn_no, 'email', task.creator_id,
             app_user.name || ' <' || app_user.email || '>', 'pending', $6, $7, $7
         FROM task
         JOIN member ON member.workspace_id = task.workspace_id AND member.user_id = task.creator_id
         JOIN app_user ON app_user.id = task.creator_id
         LEFT JOIN run ON run.workspace_id = task.workspace_id AND run.id = $5
         WHERE task.workspace_id = $1 AND task.id = $2 AND member.deactivated_at IS NULL
         ON CONFLICT DO NOTHING",
        notice.workspace_id,
        notice.task_id,
        DeliveryId::new(now).as_uuid(),
        notice.kind.as_str(),
        notice.run_id,
        notice.message,
        now
    )
    .execute(tx.db())
    .await?;
    Ok(())
}
