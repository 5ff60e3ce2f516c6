-- Webhooks: a workspace's addresses that are told of runs, deliveries and tasks, signed as Standard Webhooks says. An event
-- is a row for each endpoint that wants it, written in the transaction that makes it true, and sent from there.
CREATE TABLE webhook_endpoint (
    workspace_id uuid NOT NULL CONSTRAINT webhook_endpoint_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    url text NOT NULL CONSTRAINT webhook_endpoint_url_length CHECK (length(url) BETWEEN 1 AND 2000),
    description text NOT NULL,
    events text[] NOT NULL CONSTRAINT webhook_endpoint_events_words CHECK (cardinality(events) > 0 AND events <@
        ARRAY['run.finished', 'run.failed', 'delivery.failed', 'task.paused', 'task.expired']),
    -- Null while it is sent to.
    off_reason text CONSTRAINT webhook_endpoint_off_reason_word CHECK (off_reason IN ('by_admin', 'failing', 'gone')),
    off_at timestamptz,
    -- The first attempt that failed since one went well.
    failing_since timestamptz,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT webhook_endpoint_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT webhook_endpoint_off_whole CHECK ((off_reason IS NULL) = (off_at IS NULL)),
    CONSTRAINT webhook_endpoint_creator_fk FOREIGN KEY (workspace_id, created_by)
        REFERENCES member (workspace_id, user_id)
);
CREATE INDEX webhook_endpoint_creator_idx ON webhook_endpoint (workspace_id, created_by);

-- What an endpoint's messages are signed with: the newest, and older ones until their end, so that a receiver can change over.
CREATE TABLE webhook_secret (
    workspace_id uuid NOT NULL,
    -- What the sealed secret is bound to.
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    secret bytea NOT NULL,
    secret_key_id text NOT NULL,
    created_at timestamptz NOT NULL,
    ends_at timestamptz,
    CONSTRAINT webhook_secret_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT webhook_secret_endpoint_fk FOREIGN KEY (workspace_id, endpoint_id)
        REFERENCES webhook_endpoint (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_secret_endpoint_idx ON webhook_secret (workspace_id, endpoint_id, id);

CREATE TABLE webhook_message (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event text NOT NULL CONSTRAINT webhook_message_event_word CHECK (event IN
        ('run.finished', 'run.failed', 'delivery.failed', 'task.paused', 'task.expired', 'test')),
    -- The body, byte for byte the same at every attempt.
    payload text NOT NULL,
    state text NOT NULL CONSTRAINT webhook_message_state_word CHECK (state IN ('pending', 'sending', 'sent', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    -- Nothing is tried after this, unless an admin asks for it.
    tries_until timestamptz NOT NULL,
    available_at timestamptz NOT NULL,
    lease_token uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT webhook_message_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT webhook_message_lease_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CONSTRAINT webhook_message_endpoint_fk FOREIGN KEY (workspace_id, endpoint_id)
        REFERENCES webhook_endpoint (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX webhook_message_endpoint_idx ON webhook_message (workspace_id, endpoint_id, id);
CREATE INDEX webhook_message_ready_idx ON webhook_message (workspace_id, endpoint_id, available_at)
    WHERE state = 'pending';
CREATE INDEX webhook_message_lease_until_idx ON webhook_message (lease_until) WHERE lease_token IS NOT NULL;
CREATE INDEX webhook_message_finished_idx ON webhook_message (finished_at) WHERE finished_at IS NOT NULL;

-- Written before any byte leaves.
CREATE TABLE webhook_attempt (
    workspace_id uuid NOT NULL,
    message_id uuid NOT NULL,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- Null where no answer came.
    status_code integer,
    -- The answer's beginning, or why there was none.
    answer text,
    CONSTRAINT webhook_attempt_pk PRIMARY KEY (workspace_id, message_id, attempt),
    CONSTRAINT webhook_attempt_message_fk FOREIGN KEY (workspace_id, message_id)
        REFERENCES webhook_message (workspace_id, id) ON DELETE CASCADE
);

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['webhook_endpoint', 'webhook_secret', 'webhook_message', 'webhook_attempt'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tidings_app', tenanted);
    END LOOP;
    -- The queue is worked across workspaces, and runs end there.
    FOREACH tenanted IN ARRAY ARRAY['webhook_endpoint', 'webhook_message', 'webhook_attempt'] LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO tidings_worker USING (true) WITH CHECK (true)',
            tenanted || '_across_workspaces', tenanted);
    END LOOP;
END $$;
GRANT SELECT ON webhook_endpoint TO tidings_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_message TO tidings_worker;
GRANT SELECT, INSERT ON webhook_attempt TO tidings_worker;

-- An event goes through a queue of its own, not as a message to a person.
ALTER TABLE delivery DROP CONSTRAINT delivery_channel_word;
ALTER TABLE delivery ADD CONSTRAINT delivery_channel_word CHECK (channel IN ('email', 'slack_channel', 'slack_dm'));
