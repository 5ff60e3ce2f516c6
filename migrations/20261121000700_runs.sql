-- Work for the agent. `run` is the record that stays; `run_queue` holds the unfinished ones only, so that claims,
-- heartbeats and rescues touch a small table, and `run` (no index on its state, half empty pages) is updated in place.
CREATE TABLE run (
    workspace_id uuid NOT NULL CONSTRAINT run_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    -- Null for a question typed into a thread.
    task_id uuid,
    creator_id uuid NOT NULL,
    trigger text NOT NULL
        CONSTRAINT run_trigger_word CHECK (trigger IN ('schedule', 'manual', 'test', 'retry', 'thread')),
    occurrence_date date,
    opens_at timestamptz,
    closes_at timestamptz,
    status text NOT NULL CONSTRAINT run_status_word CHECK (status IN
        ('queued', 'waiting', 'running', 'succeeded', 'no_news', 'failed', 'skipped', 'missed', 'cancelled')),
    reason text,
    message text,
    -- Started after its window had closed.
    late boolean NOT NULL DEFAULT false,
    attempt integer NOT NULL DEFAULT 0,
    -- Null until the run first starts, and for ever when it never does.
    thread_id uuid,
    turn_no integer,
    -- The only one told of a test.
    test_to uuid,
    tokens_in bigint NOT NULL DEFAULT 0,
    tokens_out bigint NOT NULL DEFAULT 0,
    credits double precision NOT NULL DEFAULT 0,
    queries integer NOT NULL DEFAULT 0,
    rows bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT run_pk PRIMARY KEY (workspace_id, id),
    -- The identity of an occurrence: nothing can run it twice.
    CONSTRAINT run_occurrence_unique UNIQUE (workspace_id, task_id, occurrence_date),
    CONSTRAINT run_occurrence_whole CHECK (num_nulls(occurrence_date, opens_at, closes_at) IN (0, 3)),
    CONSTRAINT run_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id),
    CONSTRAINT run_creator_fk FOREIGN KEY (workspace_id, creator_id) REFERENCES member (workspace_id, user_id),
    CONSTRAINT run_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no),
    CONSTRAINT run_test_to_fk FOREIGN KEY (workspace_id, test_to) REFERENCES member (workspace_id, user_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX run_task_idx ON run (workspace_id, task_id, id) WHERE task_id IS NOT NULL;
CREATE INDEX run_turn_idx ON run (workspace_id, thread_id, turn_no) WHERE thread_id IS NOT NULL;
CREATE INDEX run_creator_idx ON run (workspace_id, creator_id);
CREATE INDEX run_test_to_idx ON run (workspace_id, test_to) WHERE test_to IS NOT NULL;

CREATE TABLE run_queue (
    workspace_id uuid NOT NULL,
    run_id uuid NOT NULL,
    task_id uuid,
    creator_id uuid NOT NULL,
    -- A person waits for it: before scheduled work of the same workspace.
    urgent boolean NOT NULL,
    -- "Send a test to me only": does not stand in the way of the task's next occurrence.
    test boolean NOT NULL,
    -- Not to be claimed before this.
    available_at timestamptz NOT NULL,
    -- Not to be started or retried after this; null where there is no window.
    deadline_at timestamptz,
    lease_token uuid,
    lease_until timestamptz,
    worker text,
    -- How often its worker vanished.
    rescues integer NOT NULL DEFAULT 0,
    -- Set when it shall stop before its next step: a `run.reason`.
    stop_reason text,
    CONSTRAINT run_queue_pk PRIMARY KEY (workspace_id, run_id),
    CONSTRAINT run_queue_lease_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CONSTRAINT run_queue_run_fk FOREIGN KEY (workspace_id, run_id) REFERENCES run (workspace_id, id),
    CONSTRAINT run_queue_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id),
    CONSTRAINT run_queue_creator_fk FOREIGN KEY (workspace_id, creator_id) REFERENCES member (workspace_id, user_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX run_queue_ready_idx ON run_queue (workspace_id, urgent DESC, available_at) WHERE lease_token IS NULL;
CREATE INDEX run_queue_leased_idx ON run_queue (workspace_id) WHERE lease_token IS NOT NULL;
CREATE INDEX run_queue_lease_until_idx ON run_queue (lease_until) WHERE lease_token IS NOT NULL;
CREATE INDEX run_queue_deadline_idx ON run_queue (deadline_at) WHERE lease_token IS NULL AND deadline_at IS NOT NULL;
CREATE INDEX run_queue_task_idx ON run_queue (workspace_id, task_id);
CREATE INDEX run_queue_creator_idx ON run_queue (workspace_id, creator_id);
