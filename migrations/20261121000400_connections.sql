-- Data sources, their sealed secrets, and who may do what with them. A deleted connection keeps its row: threads and tasks
-- that used it still name it.
CREATE TABLE connection (
    workspace_id uuid NOT NULL CONSTRAINT connection_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    name text NOT NULL CONSTRAINT connection_name_length CHECK (length(name) BETWEEN 1 AND 200),
    engine text NOT NULL,
    description text NOT NULL DEFAULT '',
    -- What is no secret: host, port, database, user, path.
    details jsonb NOT NULL,
    -- AES-256-GCM over a JSON object of the secret details; bound to this row.
    secret bytea,
    secret_key_id text,
    -- Limits on time, rows, bytes and concurrent queries; absent ones are the defaults.
    limits jsonb NOT NULL DEFAULT '{}',
    last_test jsonb,
    created_by uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT connection_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT connection_secret_key CHECK ((secret IS NULL) = (secret_key_id IS NULL)),
    CONSTRAINT connection_created_by_fk FOREIGN KEY (workspace_id, created_by) REFERENCES member (workspace_id, user_id)
);
CREATE UNIQUE INDEX connection_name_unique ON connection (workspace_id, lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX connection_created_by_idx ON connection (workspace_id, created_by);

-- One subject per row: a user, a group, or (both null) the whole workspace.
CREATE TABLE connection_grant (
    workspace_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    user_id uuid,
    group_id uuid,
    access text NOT NULL CONSTRAINT connection_grant_access_word CHECK (access IN ('view_results', 'query', 'manage')),
    CONSTRAINT connection_grant_one_subject CHECK (user_id IS NULL OR group_id IS NULL),
    CONSTRAINT connection_grant_subject_unique UNIQUE NULLS NOT DISTINCT (workspace_id, connection_id, user_id, group_id),
    CONSTRAINT connection_grant_connection_fk FOREIGN KEY (workspace_id, connection_id)
        REFERENCES connection (workspace_id, id),
    CONSTRAINT connection_grant_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id),
    CONSTRAINT connection_grant_group_fk FOREIGN KEY (workspace_id, group_id)
        REFERENCES member_group (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX connection_grant_member_idx ON connection_grant (workspace_id, user_id);
CREATE INDEX connection_grant_group_idx ON connection_grant (workspace_id, group_id);
