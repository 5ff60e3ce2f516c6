-- The newest run of a task was looked for among all of its workspace's, newest first, where the planner took few tasks for many: in
-- a workspace of 6,000 runs each task that had none cost 2 ms, and a page of tasks 300 ms. With OFFSET 0 it cannot: it reads the
-- runs of the task, from `run_occurrence_unique` alone.
CREATE OR REPLACE VIEW task_overview WITH (security_invoker = true) AS
SELECT task.workspace_id, task.id, task.creator_id, task.title, task.prompt, task.schedule, task.notification, task.status,
    task.status_reason, task.expires_at, task.version, task.created_at, task.updated_at,
    task_due.due_at, task_due.occurrence_date, task_due.opens_at, task_due.closes_at,
    CASE WHEN newest.trigger = 'backtest' THEN before.id ELSE newest.id END AS last_run_id,
    CASE WHEN newest.trigger = 'backtest' THEN before.status ELSE newest.status END AS last_run_status,
    CASE WHEN newest.trigger = 'backtest' THEN before.finished_at ELSE newest.finished_at END AS last_run_finished_at,
    CASE WHEN newest.trigger = 'backtest' THEN before.thread_id ELSE newest.thread_id END AS last_run_thread_id,
    (SELECT thread.id FROM thread WHERE thread.workspace_id = task.workspace_id AND thread.task_id = task.id
        AND thread.source <> 'backtest' ORDER BY thread.id DESC LIMIT 1) AS latest_thread_id,
    ARRAY(SELECT task_connection.connection_id FROM task_connection
        WHERE task_connection.workspace_id = task.workspace_id AND task_connection.task_id = task.id
        ORDER BY task_connection.position) AS connection_ids,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('id', connection.id, 'label', connection.name)
            ORDER BY task_connection.position), '[]')
        FROM task_connection
        JOIN connection ON connection.workspace_id = task_connection.workspace_id
            AND connection.id = task_connection.connection_id AND connection.deleted_at IS NOT NULL
        WHERE task_connection.workspace_id = task.workspace_id AND task_connection.task_id = task.id
    ) AS missing_connections,
    task.condition, task.freshness
FROM task
LEFT JOIN task_due ON task_due.workspace_id = task.workspace_id AND task_due.task_id = task.id
LEFT JOIN LATERAL (
    SELECT run.id, run.trigger, run.status, run.finished_at, run.thread_id FROM run
    WHERE run.workspace_id = task.workspace_id AND run.id = (
        SELECT id FROM (
            SELECT of_task.id FROM run AS of_task
            WHERE of_task.workspace_id = task.workspace_id AND of_task.task_id = task.id OFFSET 0) AS of_task
        ORDER BY id DESC LIMIT 1)
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT id, status, finished_at, thread_id FROM (
        SELECT run.id, run.status, run.finished_at, run.thread_id FROM run
        WHERE newest.trigger = 'backtest' AND run.workspace_id = task.workspace_id AND run.task_id = task.id
            AND run.trigger <> 'backtest' OFFSET 0) AS run
    ORDER BY id DESC LIMIT 1
) AS before ON true
WHERE task.deleted_at IS NULL;
