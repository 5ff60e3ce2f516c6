-- Conditions: when a task's answer is sent, and what came of it in each run. A run that sends nothing keeps its numbers here.
ALTER TABLE task
    -- `domain::condition::Condition`; null: always.
    ADD COLUMN condition jsonb,
    -- When what the condition looks at last changed: the condition, the question or its connections; null: never. Earlier
    -- values are of something else, and no history.
    ADD COLUMN checked_since timestamptz;

-- Apart from `run`: few runs have one, and `run` is written often.
CREATE TABLE run_check (
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    task_id uuid NOT NULL,
    -- Whether later checks compare with it: a test is no history.
    is_history boolean NOT NULL,
    -- Whether its answer was sent.
    sent boolean NOT NULL,
    -- The name of the column that was looked at, lower case; null where rows were.
    column_name text,
    value double precision,
    -- SHA-256 over the rows in whatever order, where the condition is about them.
    rows_digest bytea,
    -- `domain::check::Check`. Holds names of columns, and so is json: jsonb refuses the character NUL.
    outcome json NOT NULL,
    checked_at timestamptz NOT NULL,
    CONSTRAINT run_check_pk PRIMARY KEY (workspace_id, run_id),
    CONSTRAINT run_check_run_fk FOREIGN KEY (workspace_id, run_id) REFERENCES run (workspace_id, id),
    CONSTRAINT run_check_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id)
);
CREATE INDEX run_check_task_idx ON run_check (workspace_id, task_id, checked_at);

ALTER TABLE run_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_check FORCE ROW LEVEL SECURITY;
CREATE POLICY run_check_in_workspace ON run_check TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
GRANT SELECT, INSERT ON run_check TO tidings_app;
