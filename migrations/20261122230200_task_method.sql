-- The query that a task's creator has accepted for its headline. Later runs replay it with its period moved, and say when it
-- comes to other rows than the query which the agent chose that day.
CREATE TABLE task_method (
    workspace_id uuid NOT NULL,
    task_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    -- As it ran, with the question that it answered, and when and where that was asked.
    sql text NOT NULL,
    question text NOT NULL,
    as_of timestamptz NOT NULL,
    timezone text NOT NULL,
    thread_id uuid NOT NULL,
    turn_no integer NOT NULL,
    pinned_at timestamptz NOT NULL,
    CONSTRAINT task_method_pk PRIMARY KEY (workspace_id, task_id),
    CONSTRAINT task_method_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id),
    CONSTRAINT task_method_connection_fk FOREIGN KEY (workspace_id, connection_id)
        REFERENCES connection (workspace_id, id),
    CONSTRAINT task_method_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no)
);
CREATE INDEX task_method_connection_idx ON task_method (workspace_id, connection_id);
CREATE INDEX task_method_turn_idx ON task_method (workspace_id, thread_id, turn_no);

ALTER TABLE task_method ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_method FORCE ROW LEVEL SECURITY;
CREATE POLICY task_method_in_workspace ON task_method TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
GRANT SELECT, INSERT, UPDATE, DELETE ON task_method TO tidings_app;
