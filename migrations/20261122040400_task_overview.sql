-- A task with its condition and its freshness gate: the same view with two columns more at its end.
CREATE OR REPLACE VIEW task_overview WITH (security_invoker = true) AS
SELECT task.workspace_id, task.id, task.creator_id, task.title, task.prompt, task.schedule, task.notification, task.status,
    task.status_reason, task.expires_at, task.version, task.created_at, task.updated_at,
    task_due.due_at, task_due.occurrence_date, task_due.opens_at, task_due.closes_at,
    last_run.id AS last_run_id, last_run.status AS last_run_status, last_run.finished_at AS last_run_finished_at,
    last_run.thread_id AS last_run_thread_id,
    (SELECT thread.id FROM thread WHERE thread.workspace_id = task.workspace_id AND thread.task_id = task.id
        ORDER BY thread.id DESC LIMIT 1) AS latest_thread_id,
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
    SELECT run.id, run.status, run.finished_at, run.thread_id FROM run
    WHERE run.workspace_id = task.workspace_id AND run.task_id = task.id
    ORDER BY run.id DESC LIMIT 1
) AS last_run ON true
WHERE task.deleted_at IS NULL;
