-- Messages: one row per recipient, so that one bad address never delays or repeats another's message.
CREATE TABLE delivery (
    workspace_id uuid NOT NULL CONSTRAINT delivery_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    -- The answer itself, or word to the creator about the task.
    kind text NOT NULL CONSTRAINT delivery_kind_word
        CHECK (kind IN ('answer', 'failure', 'recovery', 'still_running', 'expiring', 'expired')),
    task_id uuid,
    run_id uuid,
    thread_id uuid,
    turn_no integer,
    channel text NOT NULL CONSTRAINT delivery_channel_word
        CHECK (channel IN ('email', 'slack_channel', 'slack_dm', 'webhook')),
    user_id uuid,
    slack_channel_id text,
    -- Whom it goes to, as shown.
    label text NOT NULL,
    attach_csv boolean NOT NULL DEFAULT false,
    state text NOT NULL CONSTRAINT delivery_state_word
        CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'withheld', 'suppressed')),
    reason text,
    message text,
    audience text CONSTRAINT delivery_audience_word CHECK (audience IN ('full', 'link_only', 'withheld')),
    audience_reason text,
    attempts integer NOT NULL DEFAULT 0,
    provider_id text,
    -- Works in an unsubscribe link and nowhere else.
    unsubscribe_token uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT delivery_unsubscribe_token_unique UNIQUE,
    available_at timestamptz NOT NULL,
    lease_token uuid,
    lease_until timestamptz,
    worker text,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT delivery_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT delivery_lease_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CONSTRAINT delivery_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id),
    CONSTRAINT delivery_run_fk FOREIGN KEY (workspace_id, run_id) REFERENCES run (workspace_id, id),
    CONSTRAINT delivery_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no),
    CONSTRAINT delivery_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- One message of a kind per run and recipient.
CREATE UNIQUE INDEX delivery_recipient_unique
    ON delivery (workspace_id, run_id, kind, channel, user_id, slack_channel_id) NULLS NOT DISTINCT
    WHERE run_id IS NOT NULL;
CREATE INDEX delivery_unfinished_idx ON delivery (available_at) WHERE state IN ('pending', 'sending', 'unknown');
CREATE INDEX delivery_task_idx ON delivery (workspace_id, task_id, id);
CREATE INDEX delivery_turn_idx ON delivery (workspace_id, thread_id, turn_no);
CREATE INDEX delivery_member_idx ON delivery (workspace_id, user_id);

-- Written before any byte leaves.
CREATE TABLE delivery_attempt (
    workspace_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- Null while nobody knows.
    outcome text,
    message text,
    CONSTRAINT delivery_attempt_pk PRIMARY KEY (workspace_id, delivery_id, attempt),
    CONSTRAINT delivery_attempt_delivery_fk FOREIGN KEY (workspace_id, delivery_id) REFERENCES delivery (workspace_id, id)
);

-- Addresses that a server said do not exist.
CREATE TABLE mail_suppression (
    workspace_id uuid NOT NULL CONSTRAINT mail_suppression_workspace_fk REFERENCES workspace (id),
    address text NOT NULL CONSTRAINT mail_suppression_address_lower CHECK (address = lower(address)),
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT mail_suppression_pk PRIMARY KEY (workspace_id, address)
);

-- What the dev transport "sent", byte for byte.
CREATE TABLE outbox_mail (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    sender text NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    source bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT outbox_mail_pk PRIMARY KEY (workspace_id, id),
    -- A mail has its delivery's id: stored once, whatever is retried.
    CONSTRAINT outbox_mail_delivery_fk FOREIGN KEY (workspace_id, id) REFERENCES delivery (workspace_id, id)
);
CREATE INDEX outbox_mail_recipient_idx ON outbox_mail (workspace_id, recipient, id);
