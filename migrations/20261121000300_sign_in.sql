-- How people and programs prove who they are. Of every secret only its SHA-256 is stored: each has at least 244 random bits,
-- so that a slow hash would add nothing.
CREATE TABLE session (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    secret_hash bytea NOT NULL CONSTRAINT session_secret_hash_unique UNIQUE,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    -- Moves ahead while the session is used, never past `ends_at`.
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    CONSTRAINT session_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT session_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX session_member_idx ON session (workspace_id, user_id);

-- A link that signs in once.
CREATE TABLE sign_in_link (
    workspace_id uuid NOT NULL,
    user_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT sign_in_link_pk PRIMARY KEY (workspace_id, secret_hash),
    CONSTRAINT sign_in_link_secret_hash_unique UNIQUE (secret_hash),
    CONSTRAINT sign_in_link_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX sign_in_link_member_idx ON sign_in_link (workspace_id, user_id);

-- Failed and pending attempts to sign in with a password, to slow down guessing. They belong to no workspace: whoever
-- guesses need not name one, nor an address that exists.
CREATE TABLE sign_in_attempt (
    id bigint CONSTRAINT sign_in_attempt_pk PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    email text NOT NULL,
    ip text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempt_email_idx ON sign_in_attempt (email, at);
CREATE INDEX sign_in_attempt_ip_idx ON sign_in_attempt (ip, at);
CREATE INDEX sign_in_attempt_at_idx ON sign_in_attempt (at);

CREATE TABLE api_token (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    -- Whom a personal token acts as; for a workspace token, who made it.
    user_id uuid NOT NULL,
    name text NOT NULL CONSTRAINT api_token_name_length CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CONSTRAINT api_token_kind_word CHECK (kind IN ('personal', 'workspace')),
    scopes text[] NOT NULL DEFAULT '{}',
    secret_hash bytea NOT NULL CONSTRAINT api_token_secret_hash_unique UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT api_token_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT api_token_personal_expires CHECK (kind <> 'personal' OR expires_at IS NOT NULL),
    CONSTRAINT api_token_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX api_token_member_idx ON api_token (workspace_id, user_id);
