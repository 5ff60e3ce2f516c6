-- Answers to repeat when a request comes again, and the record of every change.
CREATE TABLE idempotency_key (
    workspace_id uuid NOT NULL,
    user_id uuid NOT NULL,
    key text NOT NULL CONSTRAINT idempotency_key_length CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method, path and body.
    request_hash bytea NOT NULL,
    -- Null while the first request is being worked on.
    response_status smallint,
    response_body bytea,
    created_at timestamptz NOT NULL,
    -- A request unanswered by then is taken for dead.
    locked_until timestamptz NOT NULL,
    CONSTRAINT idempotency_key_pk PRIMARY KEY (workspace_id, user_id, key),
    CONSTRAINT idempotency_key_response_whole CHECK ((response_status IS NULL) = (response_body IS NULL)),
    CONSTRAINT idempotency_key_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX idempotency_key_created_at_idx ON idempotency_key (created_at);

CREATE TABLE audit_log (
    workspace_id uuid NOT NULL CONSTRAINT audit_log_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    actor_kind text NOT NULL CONSTRAINT audit_log_actor_kind_word CHECK (actor_kind IN ('user', 'operator', 'system')),
    actor_id uuid,
    -- `task.create`, `connection.grant`: subject and verb.
    action text NOT NULL,
    subject_id uuid NOT NULL,
    details jsonb NOT NULL,
    CONSTRAINT audit_log_pk PRIMARY KEY (workspace_id, id)
);
