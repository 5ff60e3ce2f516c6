-- What came from Slack and waits to be worked on: inserted by its id within the time that Slack waits for an answer, so that the
-- same event delivered again changes nothing. What has been done keeps its id for a while, and loses its text at once.
CREATE TABLE slack_event (
    workspace_id uuid NOT NULL CONSTRAINT slack_event_workspace_fk REFERENCES workspace (id),
    event_id text NOT NULL,
    -- `turn_ended` is our own word that a turn asked in Slack has ended.
    kind text NOT NULL CONSTRAINT slack_event_kind_word CHECK (kind IN ('event', 'interaction', 'turn_ended')),
    -- As it came; json, not jsonb, which refuses the character NUL. Null once done.
    payload json,
    -- The conversation that it belongs to, whose events are worked one at a time, by `order_ts`; null for what needs no order.
    order_key text,
    order_ts numeric,
    state text NOT NULL CONSTRAINT slack_event_state_word CHECK (state IN ('pending', 'done', 'failed')),
    -- What became of it, for operators: a code.
    outcome text,
    attempts integer NOT NULL DEFAULT 0,
    available_at timestamptz NOT NULL,
    lease_token uuid,
    lease_until timestamptz,
    worker text,
    received_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT slack_event_pk PRIMARY KEY (workspace_id, event_id),
    CONSTRAINT slack_event_lease_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CONSTRAINT slack_event_order_whole CHECK ((order_key IS NULL) = (order_ts IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX slack_event_ready_idx ON slack_event (available_at) WHERE state = 'pending';
CREATE INDEX slack_event_order_idx ON slack_event (workspace_id, order_key, order_ts) WHERE state = 'pending';
CREATE INDEX slack_event_finished_idx ON slack_event (finished_at) WHERE finished_at IS NOT NULL;

-- Which thread of ours a thread of Slack's is about: replies below a message that we posted, or that asked us, go there.
CREATE TABLE slack_thread (
    workspace_id uuid NOT NULL,
    channel_id text NOT NULL,
    -- The message that everything below replies to.
    root_ts text NOT NULL,
    thread_id uuid NOT NULL,
    -- The delivery that posted the root; null where a person did, asking.
    delivery_id uuid,
    created_at timestamptz NOT NULL,
    CONSTRAINT slack_thread_pk PRIMARY KEY (workspace_id, channel_id, root_ts),
    CONSTRAINT slack_thread_thread_fk FOREIGN KEY (workspace_id, thread_id) REFERENCES thread (workspace_id, id),
    CONSTRAINT slack_thread_delivery_fk FOREIGN KEY (workspace_id, delivery_id) REFERENCES delivery (workspace_id, id)
);
CREATE INDEX slack_thread_thread_idx ON slack_thread (workspace_id, thread_id);
CREATE INDEX slack_thread_delivery_idx ON slack_thread (workspace_id, delivery_id);

-- Turns that were asked in Slack, and by which message: made with the turn, so that no message asks twice.
CREATE TABLE slack_turn (
    workspace_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    turn_no integer NOT NULL,
    channel_id text NOT NULL,
    root_ts text NOT NULL,
    message_ts text NOT NULL,
    slack_user_id text NOT NULL,
    is_dm boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT slack_turn_pk PRIMARY KEY (workspace_id, thread_id, turn_no),
    CONSTRAINT slack_turn_message_unique UNIQUE (workspace_id, channel_id, message_ts),
    CONSTRAINT slack_turn_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no)
);

-- Who was told what in passing, and where: each is said once per person and thread.
CREATE TABLE slack_note (
    workspace_id uuid NOT NULL CONSTRAINT slack_note_workspace_fk REFERENCES workspace (id),
    channel_id text NOT NULL,
    root_ts text NOT NULL,
    slack_user_id text NOT NULL,
    kind text NOT NULL
        CONSTRAINT slack_note_kind_word CHECK (kind IN ('not_creator', 'not_linked', 'not_allowed', 'sensitive')),
    created_at timestamptz NOT NULL,
    CONSTRAINT slack_note_pk PRIMARY KEY (workspace_id, channel_id, root_ts, slack_user_id, kind)
);

ALTER TABLE thread DROP CONSTRAINT thread_source_word;
ALTER TABLE thread ADD CONSTRAINT thread_source_word CHECK (source IN ('page', 'api', 'task', 'slack'));

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['slack_event', 'slack_thread', 'slack_turn', 'slack_note'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
    END LOOP;
    -- The inbox is a queue over all workspaces; turns end in one transaction whichever workspace they are of.
    FOREACH tenanted IN ARRAY ARRAY['slack_event', 'slack_turn'] LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO tidings_worker USING (true) WITH CHECK (true)',
            tenanted || '_across_workspaces', tenanted);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON slack_event TO tidings_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON slack_event TO tidings_worker;
GRANT SELECT, INSERT ON slack_thread TO tidings_app;
GRANT SELECT, INSERT ON slack_turn TO tidings_app;
GRANT SELECT ON slack_turn TO tidings_worker;
GRANT SELECT, INSERT, DELETE ON slack_note TO tidings_app;
