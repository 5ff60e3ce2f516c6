-- Workspaces and the people in them. A person exists once and may be a member of several workspaces.
CREATE TABLE workspace (
    id uuid CONSTRAINT workspace_pk PRIMARY KEY,
    name text NOT NULL CONSTRAINT workspace_name_length CHECK (length(name) BETWEEN 1 AND 200),
    slug text NOT NULL CONSTRAINT workspace_slug_unique UNIQUE
        CONSTRAINT workspace_slug_form CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    -- An occurrence whose window closed less than this long ago still runs, late.
    grace_seconds integer NOT NULL DEFAULT 21600
        CONSTRAINT workspace_grace_range CHECK (grace_seconds BETWEEN 0 AND 604800),
    -- The most runs of this workspace that are under way at once.
    max_concurrent_runs integer NOT NULL DEFAULT 20
        CONSTRAINT workspace_max_concurrent_runs_positive CHECK (max_concurrent_runs > 0),
    may_never_expire boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);

CREATE TABLE app_user (
    id uuid CONSTRAINT app_user_pk PRIMARY KEY,
    email text NOT NULL CONSTRAINT app_user_email_unique UNIQUE
        CONSTRAINT app_user_email_lower CHECK (email = lower(email) AND email LIKE '_%@_%'),
    name text NOT NULL,
    -- argon2id in PHC form; null for who signs in by link only.
    password_hash text,
    timezone text NOT NULL DEFAULT 'UTC',
    created_at timestamptz NOT NULL
);

CREATE TABLE member (
    workspace_id uuid NOT NULL CONSTRAINT member_workspace_fk REFERENCES workspace (id),
    user_id uuid NOT NULL CONSTRAINT member_user_fk REFERENCES app_user (id),
    role text NOT NULL
        CONSTRAINT member_role_word CHECK (role IN ('guest', 'member', 'explorer', 'editor', 'manager', 'admin')),
    created_at timestamptz NOT NULL,
    deactivated_at timestamptz,
    CONSTRAINT member_pk PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX member_user_idx ON member (user_id);

CREATE TABLE member_group (
    workspace_id uuid NOT NULL CONSTRAINT member_group_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    name text NOT NULL CONSTRAINT member_group_name_length CHECK (length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL,
    CONSTRAINT member_group_pk PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX member_group_name_unique ON member_group (workspace_id, lower(name));

CREATE TABLE group_member (
    workspace_id uuid NOT NULL,
    group_id uuid NOT NULL,
    user_id uuid NOT NULL,
    CONSTRAINT group_member_pk PRIMARY KEY (workspace_id, group_id, user_id),
    CONSTRAINT group_member_group_fk FOREIGN KEY (workspace_id, group_id)
        REFERENCES member_group (workspace_id, id) ON DELETE CASCADE,
    CONSTRAINT group_member_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX group_member_member_idx ON group_member (workspace_id, user_id);

-- By what way a member wants to be told. No row: by email.
CREATE TABLE notification_preference (
    workspace_id uuid NOT NULL,
    user_id uuid NOT NULL,
    email boolean NOT NULL,
    slack_dm boolean NOT NULL,
    CONSTRAINT notification_preference_pk PRIMARY KEY (workspace_id, user_id),
    CONSTRAINT notification_preference_member_fk FOREIGN KEY (workspace_id, user_id)
        REFERENCES member (workspace_id, user_id)
);
