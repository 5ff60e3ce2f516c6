-- Backtests: a task run as of its last occurrences, one after the other, to see what it would have sent and what that costs.
-- Nothing of one is sent, and nothing of it counts as a run of the task: its threads and runs bear a word of their own.
CREATE TABLE backtest (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    task_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    -- Null while occurrences are under way or to come.
    finished_at timestamptz,
    CONSTRAINT backtest_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT backtest_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id)
);
CREATE INDEX backtest_task_idx ON backtest (workspace_id, task_id, id);
CREATE UNIQUE INDEX backtest_unfinished_unique ON backtest (workspace_id, task_id) WHERE finished_at IS NULL;

CREATE TABLE backtest_occurrence (
    workspace_id uuid NOT NULL,
    backtest_id uuid NOT NULL,
    -- From 0, the oldest occurrence first: the order in which they run.
    position integer NOT NULL,
    occurrence_date date NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    -- Null until it begins, and for ever where the backtest ends before it.
    run_id uuid,
    CONSTRAINT backtest_occurrence_pk PRIMARY KEY (workspace_id, backtest_id, position),
    CONSTRAINT backtest_occurrence_backtest_fk FOREIGN KEY (workspace_id, backtest_id)
        REFERENCES backtest (workspace_id, id),
    CONSTRAINT backtest_occurrence_run_fk FOREIGN KEY (workspace_id, run_id) REFERENCES run (workspace_id, id)
);
CREATE UNIQUE INDEX backtest_occurrence_run_unique ON backtest_occurrence (workspace_id, run_id);

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['backtest', 'backtest_occurrence'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
        -- One run's end begins the next, in the transaction that ends runs of all workspaces.
        EXECUTE format('CREATE POLICY %I ON %I TO tidings_worker USING (true) WITH CHECK (true)',
            tenanted || '_across_workspaces', tenanted);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO tidings_app', tenanted);
        EXECUTE format('GRANT SELECT, UPDATE ON %I TO tidings_worker', tenanted);
    END LOOP;
END $$;

ALTER TABLE run DROP CONSTRAINT run_trigger_word;
ALTER TABLE run ADD CONSTRAINT run_trigger_word
    CHECK (trigger IN ('schedule', 'manual', 'test', 'retry', 'thread', 'backtest'));
ALTER TABLE thread DROP CONSTRAINT thread_source_word;
ALTER TABLE thread ADD CONSTRAINT thread_source_word
    CHECK (source IN ('page', 'api', 'task', 'slack', 'backtest'));

-- A task's last run and thread are not of a backtest. The newest run is known by an index alone; only where that is a
-- backtest's are the others looked at.
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
    WHERE run.workspace_id = task.workspace_id AND run.task_id = task.id
    ORDER BY run.id DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT run.id, run.status, run.finished_at, run.thread_id FROM run
    WHERE newest.trigger = 'backtest' AND run.workspace_id = task.workspace_id AND run.task_id = task.id
        AND run.trigger <> 'backtest'
    ORDER BY run.id DESC LIMIT 1
) AS before ON true
WHERE task.deleted_at IS NULL;
