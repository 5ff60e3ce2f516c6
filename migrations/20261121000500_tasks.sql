-- Saved questions, and when each fires next.
CREATE TABLE task (
    workspace_id uuid NOT NULL CONSTRAINT task_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    creator_id uuid NOT NULL,
    title text NOT NULL,
    prompt text NOT NULL,
    -- As written: wall clock and zone. Instants are derived, never stored in its place.
    schedule jsonb NOT NULL,
    -- Channels, users and groups, read and written as one.
    notification jsonb NOT NULL,
    status text NOT NULL CONSTRAINT task_status_word CHECK (status IN ('active', 'paused', 'expired', 'cancelled')),
    status_reason text,
    expires_at timestamptz,
    -- Occurrences are those whose window opens after this: the moment of creation, of the last edit of the schedule, or of
    -- resuming.
    schedule_since timestamptz NOT NULL,
    -- When the creator was told that the expiration is near; null again once it is moved.
    expiry_warned_at timestamptz,
    -- Whether the last finished run failed, so that a streak of failures is told once.
    failing boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT task_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT task_creator_fk FOREIGN KEY (workspace_id, creator_id) REFERENCES member (workspace_id, user_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX task_creator_idx ON task (workspace_id, creator_id, id);
CREATE INDEX task_expires_at_idx ON task (expires_at)
    WHERE status IN ('active', 'paused') AND deleted_at IS NULL AND expires_at IS NOT NULL;

-- The connections of a task's context, in the writer's order. A deleted one stays, to be flagged.
CREATE TABLE task_connection (
    workspace_id uuid NOT NULL,
    task_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    position integer NOT NULL,
    CONSTRAINT task_connection_pk PRIMARY KEY (workspace_id, task_id, connection_id),
    CONSTRAINT task_connection_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id),
    CONSTRAINT task_connection_connection_fk FOREIGN KEY (workspace_id, connection_id)
        REFERENCES connection (workspace_id, id)
);
CREATE INDEX task_connection_connection_idx ON task_connection (workspace_id, connection_id);

-- The next occurrence of each task that has one. Narrow, apart from the wide task row, and advanced in the very claim that
-- turns it into a run: measured at half again the throughput of a column in `task`.
CREATE TABLE task_due (
    workspace_id uuid NOT NULL,
    task_id uuid NOT NULL,
    -- The window's opening plus the task's own offset in it.
    due_at timestamptz NOT NULL,
    occurrence_date date NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    CONSTRAINT task_due_pk PRIMARY KEY (workspace_id, task_id),
    CONSTRAINT task_due_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX task_due_due_at_idx ON task_due (due_at);

-- A member who does not want a task's messages.
CREATE TABLE task_unsubscription (
    workspace_id uuid NOT NULL,
    task_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT task_unsubscription_pk PRIMARY KEY (workspace_id, task_id, user_id),
    CONSTRAINT task_unsubscription_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id),
    CONSTRAINT task_unsubscription_member_fk FOREIGN KEY (workspace_id, user_id)
        REFERENCES member (workspace_id, user_id)
);
CREATE INDEX task_unsubscription_member_idx ON task_unsubscription (workspace_id, user_id);
