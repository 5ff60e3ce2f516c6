//! Events as they happen: a row for each endpoint that wants one, in the transaction that makes it true.

use chrono::{DateTime, Utc};
use domain::{
    TaskId, UserId, WebhookEndpointId, WebhookMessageId, WorkspaceId,
    run::RunStatus,
    webhook::{LIFETIME, WebhookBody, WebhookDelivery, WebhookEvent, WebhookRun, WebhookTask, WebhookTest},
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Result, Tx,
    error::{if_readable, optional_word, word},
};

/// Tells that runs of tasks have ended, with an answer or without, or will never start. Cancelled ones are not told of, nor
/// what is no run.
pub(crate) async fn runs_ended(tx: &mut Tx, runs: &[(Uuid, Uuid)]) -> Result<()> {
    if runs.is_empty() {
        return Ok(());
    }
    let (workspace_ids, run_ids): (Vec<_>, Vec<_>) = runs.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"SELECT run.workspace_id, run.id, run.task_id AS "task_id!", run.thread_id, run.trigger, run.status, run.reason,
               run.occurrence_date, run.started_at, run.finished_at AS "finished_at!", endpoint.id AS endpoint_id
           FROM unnest($1::uuid[], $2::uuid[]) AS ended (workspace_id, id)
           JOIN run ON run.workspace_id = ended.workspace_id AND run.id = ended.id
           JOIN webhook_endpoint AS endpoint ON endpoint.workspace_id = run.workspace_id AND endpoint.off_reason IS NULL
           WHERE run.task_id IS NOT NULL AND run.finished_at IS NOT NULL
             AND CASE run.status WHEN 'succeeded' THEN 'run.finished' WHEN 'no_news' THEN 'run.finished'
                     WHEN 'failed' THEN 'run.failed' WHEN 'skipped' THEN 'run.skipped' WHEN 'missed' THEN 'run.missed'
                     END = ANY (endpoint.events)
           ORDER BY run.id, endpoint.id"#,
        &workspace_ids,
        &run_ids
    )
    .fetch_all(tx.db())
    .await?;
    for row in rows {
        let read = (
            if_readable(word("run", "status", row.id, &row.status)),
            if_readable(word("run", "trigger", row.id, &row.trigger)),
            if_readable(optional_word("run", "reason", row.id, row.reason.as_deref())),
        );
        // Runs of many workspaces end together.
        let (Some(status), Some(trigger), Some(reason)) = read else { continue };
        let data = WebhookRun {
            workspace_id: row.workspace_id.into(),
            run_id: row.id.into(),
            task_id: row.task_id.into(),
            thread_id: row.thread_id.map(Into::into),
            trigger,
            status,
            reason,
            occurrence: row.occurrence_date,
            started_at: row.started_at,
            finished_at: row.finished_at,
        };
        let event = match status {
            RunStatus::Succeeded | RunStatus::NoNews => WebhookEvent::RunFinished,
            RunStatus::Failed => WebhookEvent::RunFailed,
            RunStatus::Skipped => WebhookEvent::RunSkipped,
            RunStatus::Missed => WebhookEvent::RunMissed,
            RunStatus::Queued | RunStatus::Waiting | RunStatus::Running | RunStatus::Cancelled => continue,
        };
        insert(tx, row.workspace_id, row.endpoint_id, event, data).await?;
    }
    Ok(())
}

/// Tells that a delivery was given up.
pub(crate) async fn delivery_failed(tx: &mut Tx, delivery_id: Uuid) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT delivery.kind, delivery.channel, delivery.user_id, delivery.slack_channel_id, delivery.task_id,
               delivery.run_id, delivery.reason AS "reason!", delivery.attempts, endpoint.id AS endpoint_id
           FROM delivery
           JOIN webhook_endpoint AS endpoint ON endpoint.workspace_id = delivery.workspace_id
               AND endpoint.off_reason IS NULL AND 'delivery.failed' = ANY (endpoint.events)
           WHERE delivery.workspace_id = $1 AND delivery.id = $2 AND delivery.reason IS NOT NULL"#,
        tx.workspace_id(),
        delivery_id
    )
    .fetch_all(tx.db())
    .await?;
    let workspace_id = tx.workspace_id();
    for row in rows {
        let data = WebhookDelivery {
            workspace_id: workspace_id.into(),
            delivery_id: delivery_id.into(),
            kind: word("delivery", "kind", delivery_id, &row.kind)?,
            channel: word("delivery", "channel", delivery_id, &row.channel)?,
            user_id: row.user_id.map(Into::into),
            slack_channel_id: row.slack_channel_id,
            task_id: row.task_id.map(Into::into),
            run_id: row.run_id.map(Into::into),
            reason: row.reason,
            attempts: row.attempts.unsigned_abs(),
        };
        insert(tx, workspace_id, row.endpoint_id, WebhookEvent::DeliveryFailed, data).await?;
    }
    Ok(())
}

/// Tells that a task fires no more.
pub(crate) async fn task_stopped(
    tx: &mut Tx,
    workspace_id: Uuid,
    task_id: TaskId,
    event: WebhookEvent,
) -> Result<()> {
    let rows = sqlx::query!(
        "SELECT task.creator_id, endpoint.id AS endpoint_id FROM task
         JOIN webhook_endpoint AS endpoint ON endpoint.workspace_id = task.workspace_id AND endpoint.off_reason IS NULL
             AND $3 = ANY (endpoint.events)
         WHERE task.workspace_id = $1 AND task.id = $2",
        workspace_id,
        task_id.as_uuid(),
        event.as_str()
    )
    .fetch_all(tx.db())
    .await?;
    for row in rows {
        let creator_id = row.creator_id.into();
        let data = WebhookTask { workspace_id: workspace_id.into(), task_id, creator_id };
        insert(tx, workspace_id, row.endpoint_id, event, data).await?;
    }
    Ok(())
}

/// A test event for one endpoint, to be tried once.
pub(crate) async fn test(
    tx: &mut Tx,
    endpoint_id: WebhookEndpointId,
    user_id: UserId,
) -> Result<WebhookMessageId> {
    let workspace_id = tx.workspace_id();
    let data = WebhookTest { workspace_id: WorkspaceId::from(workspace_id), user_id };
    insert(tx, workspace_id, endpoint_id.as_uuid(), WebhookEvent::Test, data).await
}

async fn insert<Data: Serialize>(
    tx: &mut Tx,
    workspace_id: Uuid,
    endpoint_id: Uuid,
    event: WebhookEvent,
    data: Data,
) -> Result<WebhookMessageId> {
    let now: DateTime<Utc> = tx.now;
    let id = WebhookMessageId::new(now);
    let body = WebhookBody { event, timestamp: now, data };
    let tries_until = if event == WebhookEvent::Test { now } else { now + LIFETIME };
    sqlx::query!(
        "INSERT INTO webhook_message (workspace_id, id, endpoint_id, event, payload, state, tries_until, available_at,
             created_at)
         VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $7)",
        workspace_id,
        id.as_uuid(),
        endpoint_id,
        event.as_str(),
        crate::error::to_json_text(&body),
        tries_until,
        now
    )
    .execute(tx.db())
    .await?;
    Ok(id)
}
