-- What a thread used was told by its results alone. But data also reaches it without one: as samples of a table, as an earlier
-- answer, as what a database says of a statement that failed. Who may see a message or a thread is decided by all connections
-- that it used, so that these are kept, too.
CREATE TABLE connection_read (
    workspace_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    -- Whose data the thread was given without a result of its own.
    connection_id uuid NOT NULL,
    CONSTRAINT connection_read_pk PRIMARY KEY (workspace_id, thread_id, connection_id),
    CONSTRAINT connection_read_thread_fk FOREIGN KEY (workspace_id, thread_id) REFERENCES thread (workspace_id, id),
    CONSTRAINT connection_read_connection_fk FOREIGN KEY (workspace_id, connection_id)
        REFERENCES connection (workspace_id, id)
);
CREATE INDEX connection_read_connection_idx ON connection_read (workspace_id, connection_id);

-- The connections that a thread used: the one place that tells, and it may name one more than once. A view, so that a result
-- counts whoever has stored it; UNION ALL, so that what asks about one thread reads no other's rows.
CREATE VIEW connection_used WITH (security_invoker = true) AS
SELECT workspace_id, thread_id, connection_id FROM result
UNION ALL
SELECT workspace_id, thread_id, connection_id FROM connection_read;

-- Threads from before: what their calls asked a connection for, and what they were told of other threads, which may have been
-- told of others in turn. Rather a connection too many than one too few: a call that gave nothing counts, too.
-- Whoever migrates need not be a superuser, and sees no row of a table whose policies are forced on its owner, too.
ALTER TABLE step NO FORCE ROW LEVEL SECURITY;
ALTER TABLE result NO FORCE ROW LEVEL SECURITY;
ALTER TABLE connection NO FORCE ROW LEVEL SECURITY;
INSERT INTO connection_read (workspace_id, thread_id, connection_id)
WITH RECURSIVE asked AS (
    SELECT step.workspace_id, step.thread_id, connection.id AS connection_id
    FROM step
    CROSS JOIN LATERAL json_array_elements(
        CASE WHEN json_typeof(step.body -> 'toolCalls') = 'array' THEN step.body -> 'toolCalls' ELSE '[]'::json END) AS call (made)
    JOIN connection ON connection.workspace_id = step.workspace_id
        AND connection.id::text = lower(call.made -> 'arguments' ->> 'connectionId')
    WHERE step.body ->> 'kind' = 'model' AND call.made ->> 'name' IN ('describe_table', 'run_sql')
), told AS (
    SELECT DISTINCT step.workspace_id, step.thread_id, earlier.told ->> 'threadId' AS of_thread
    FROM step
    CROSS JOIN LATERAL (
        SELECT step.body -> 'output' -> CASE step.body ->> 'name' WHEN 'search_catalog' THEN 'pastAnswers' ELSE 'threads' END AS list
    ) AS output
    CROSS JOIN LATERAL json_array_elements(
        CASE WHEN json_typeof(output.list) = 'array' THEN output.list ELSE '[]'::json END) AS earlier (told)
    WHERE step.body ->> 'kind' = 'tool' AND step.body ->> 'name' IN ('search_catalog', 'previous_threads')
), used (workspace_id, thread_id, connection_id) AS (
    SELECT workspace_id, thread_id, connection_id FROM result
    UNION
    SELECT workspace_id, thread_id, connection_id FROM asked
    UNION
    SELECT told.workspace_id, told.thread_id, used.connection_id
    FROM used
    JOIN told ON told.workspace_id = used.workspace_id AND told.of_thread = used.thread_id::text
)
SELECT workspace_id, thread_id, connection_id FROM used
EXCEPT
SELECT workspace_id, thread_id, connection_id FROM result;
ALTER TABLE step FORCE ROW LEVEL SECURITY;
ALTER TABLE result FORCE ROW LEVEL SECURITY;
ALTER TABLE connection FORCE ROW LEVEL SECURITY;

ALTER TABLE connection_read ENABLE ROW LEVEL SECURITY;
ALTER TABLE connection_read FORCE ROW LEVEL SECURITY;
CREATE POLICY connection_read_in_workspace ON connection_read TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
-- What recipients may see is looked up for messages of several workspaces together, as of `result`.
CREATE POLICY connection_read_across_workspaces ON connection_read FOR SELECT TO tidings_worker USING (true);
-- It is appended to and read, never changed.
GRANT SELECT, INSERT ON connection_read TO tidings_app;
GRANT SELECT ON connection_read TO tidings_worker;
GRANT SELECT ON connection_used TO tidings_app, tidings_worker;

CREATE OR REPLACE VIEW thread_reader WITH (security_invoker = true) AS
SELECT reader.workspace_id, reader.thread_id, reader.user_id
FROM (
    SELECT thread_share.workspace_id, thread_share.thread_id, member.user_id
    FROM thread_share
    JOIN member ON member.workspace_id = thread_share.workspace_id AND member.deactivated_at IS NULL
    WHERE thread_share.user_id = member.user_id
        OR (thread_share.user_id IS NULL AND thread_share.group_id IS NULL)
        OR EXISTS (
            SELECT FROM group_member
            WHERE group_member.workspace_id = thread_share.workspace_id
                AND group_member.group_id = thread_share.group_id AND group_member.user_id = member.user_id)
    UNION
    SELECT delivery.workspace_id, delivery.thread_id, delivery.user_id
    FROM delivery
    WHERE delivery.thread_id IS NOT NULL AND delivery.user_id IS NOT NULL AND delivery.kind = 'answer'
) AS reader
WHERE NOT EXISTS (
    SELECT FROM connection_used AS used
    JOIN connection ON connection.workspace_id = used.workspace_id AND connection.id = used.connection_id
    WHERE used.workspace_id = reader.workspace_id AND used.thread_id = reader.thread_id
        AND NOT connection.shares_credentials);
