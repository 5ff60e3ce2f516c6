-- Analyses: a thread has turns; a turn has steps, results and charts, all appended and never rewritten. What holds somebody's
-- data is json, not jsonb: jsonb refuses the character NUL.
CREATE TABLE thread (
    workspace_id uuid NOT NULL CONSTRAINT thread_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    creator_id uuid NOT NULL,
    task_id uuid,
    title text NOT NULL,
    source text NOT NULL CONSTRAINT thread_source_word CHECK (source IN ('page', 'api', 'task')),
    status text NOT NULL CONSTRAINT thread_status_word CHECK (status IN ('idle', 'running', 'error')),
    -- The last number given out in the thread's one sequence of events: steps and ends of turns.
    last_seq bigint NOT NULL DEFAULT 0,
    last_turn_no integer NOT NULL DEFAULT 0,
    last_result_no integer NOT NULL DEFAULT 0,
    last_chart_no integer NOT NULL DEFAULT 0,
    -- The last answer's headline with its figures filled in, for lists.
    headline text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT thread_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT thread_creator_fk FOREIGN KEY (workspace_id, creator_id) REFERENCES member (workspace_id, user_id),
    CONSTRAINT thread_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX thread_creator_idx ON thread (workspace_id, creator_id, id);
CREATE INDEX thread_task_idx ON thread (workspace_id, task_id, id) WHERE task_id IS NOT NULL;

-- The connections that a thread's prompts name, in the writer's order. Those it used are in `result`.
CREATE TABLE thread_connection (
    workspace_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    position integer NOT NULL,
    CONSTRAINT thread_connection_pk PRIMARY KEY (workspace_id, thread_id, connection_id),
    CONSTRAINT thread_connection_thread_fk FOREIGN KEY (workspace_id, thread_id) REFERENCES thread (workspace_id, id),
    CONSTRAINT thread_connection_connection_fk FOREIGN KEY (workspace_id, connection_id)
        REFERENCES connection (workspace_id, id)
);
CREATE INDEX thread_connection_connection_idx ON thread_connection (workspace_id, connection_id);

CREATE TABLE turn (
    workspace_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    turn_no integer NOT NULL,
    prompt text NOT NULL,
    status text NOT NULL
        CONSTRAINT turn_status_word CHECK (status IN ('queued', 'running', 'answered', 'failed', 'cancelled')),
    reason text,
    message text,
    -- `domain::answer::Answer`.
    answer json,
    -- The instant as of which the question is asked.
    as_of timestamptz NOT NULL,
    timezone text NOT NULL,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    -- Where the turn's end stands in the thread's sequence of events.
    finished_seq bigint,
    CONSTRAINT turn_pk PRIMARY KEY (workspace_id, thread_id, turn_no),
    CONSTRAINT turn_thread_fk FOREIGN KEY (workspace_id, thread_id) REFERENCES thread (workspace_id, id)
) WITH (fillfactor = 70);

CREATE TABLE step (
    workspace_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    seq bigint NOT NULL,
    turn_no integer NOT NULL,
    at timestamptz NOT NULL,
    elapsed_ms integer NOT NULL,
    -- `domain::step::StepBody`.
    body json NOT NULL,
    CONSTRAINT step_pk PRIMARY KEY (workspace_id, thread_id, seq),
    CONSTRAINT step_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no)
);
CREATE INDEX step_turn_idx ON step (workspace_id, thread_id, turn_no, seq);

-- What a query returned. Its rows lie in chunks beside it.
CREATE TABLE result (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    thread_id uuid NOT NULL,
    turn_no integer NOT NULL,
    -- Numbered through the whole thread, shown as `r1`.
    number integer NOT NULL,
    -- The tool call that stored it: the same call again finds it instead of storing it twice.
    call_id text NOT NULL,
    connection_id uuid NOT NULL,
    sql text NOT NULL,
    columns json NOT NULL,
    row_count bigint NOT NULL,
    truncated text CONSTRAINT result_truncated_word CHECK (truncated IN ('rows', 'bytes')),
    elapsed_ms integer NOT NULL,
    ran_at timestamptz NOT NULL,
    CONSTRAINT result_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT result_number_unique UNIQUE (workspace_id, thread_id, number),
    CONSTRAINT result_call_unique UNIQUE (workspace_id, thread_id, turn_no, call_id),
    CONSTRAINT result_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no),
    CONSTRAINT result_connection_fk FOREIGN KEY (workspace_id, connection_id) REFERENCES connection (workspace_id, id)
);
CREATE INDEX result_connection_idx ON result (workspace_id, connection_id);

-- Up to 1,000 rows of a result: a JSON array of arrays of cells, kept as text because nothing here looks inside.
CREATE TABLE result_chunk (
    workspace_id uuid NOT NULL,
    result_id uuid NOT NULL,
    chunk_no integer NOT NULL,
    rows text COMPRESSION lz4 NOT NULL,
    CONSTRAINT result_chunk_pk PRIMARY KEY (workspace_id, result_id, chunk_no),
    CONSTRAINT result_chunk_result_fk FOREIGN KEY (workspace_id, result_id) REFERENCES result (workspace_id, id)
);

CREATE TABLE chart (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    thread_id uuid NOT NULL,
    turn_no integer NOT NULL,
    -- Numbered through the whole thread, shown as `c1`.
    number integer NOT NULL,
    call_id text NOT NULL,
    result_id uuid NOT NULL,
    title text NOT NULL,
    alt text NOT NULL,
    -- As the agent wrote it: Vega-Lite without data.
    spec json NOT NULL,
    -- Compiled Vega with its data, what the page draws.
    vega json NOT NULL,
    svg text NOT NULL,
    -- At twice the size in pixels.
    png bytea NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT chart_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT chart_number_unique UNIQUE (workspace_id, thread_id, number),
    CONSTRAINT chart_call_unique UNIQUE (workspace_id, thread_id, turn_no, call_id),
    CONSTRAINT chart_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no),
    CONSTRAINT chart_result_fk FOREIGN KEY (workspace_id, result_id) REFERENCES result (workspace_id, id)
);
CREATE INDEX chart_result_idx ON chart (workspace_id, result_id);
