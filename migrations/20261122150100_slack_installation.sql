-- A workspace's tie with Slack: one team at a time, and a team belongs to one workspace at a time, so that what Slack sends can be
-- routed by the team alone. An ended installation keeps its row, without its secret: what was sent through it still names it.
CREATE TABLE slack_installation (
    workspace_id uuid NOT NULL CONSTRAINT slack_installation_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    team_id text NOT NULL,
    team_name text NOT NULL,
    enterprise_id text,
    app_id text NOT NULL,
    bot_user_id text NOT NULL,
    -- What was granted; what is missing is told from it.
    scopes text[] NOT NULL,
    -- AES-256-GCM over a JSON object of bot token and refresh token; bound to this row. Null once it has ended.
    secret bytea,
    secret_key_id text,
    -- Null where the app does not rotate its tokens.
    token_expires_at timestamptz,
    -- When a fresh token is to be had: at 80% of its life.
    token_refresh_at timestamptz,
    state text NOT NULL CONSTRAINT slack_installation_state_word CHECK (state IN ('active', 'ended')),
    end_reason text CONSTRAINT slack_installation_end_reason_word
        CHECK (end_reason IN ('uninstalled', 'tokens_revoked', 'disconnected', 'token_refused', 'replaced')),
    ended_at timestamptz,
    installed_by uuid NOT NULL,
    -- When the list of channels is to be read again, and when it last was, to its end.
    channels_due_at timestamptz NOT NULL,
    channels_listed_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT slack_installation_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT slack_installation_secret_key CHECK ((secret IS NULL) = (secret_key_id IS NULL)),
    CONSTRAINT slack_installation_secret_live CHECK ((state = 'active') = (secret IS NOT NULL)),
    CONSTRAINT slack_installation_ended_whole
        CHECK ((state = 'ended') = (ended_at IS NOT NULL) AND (state = 'ended') = (end_reason IS NOT NULL)),
    CONSTRAINT slack_installation_installed_by_fk FOREIGN KEY (workspace_id, installed_by)
        REFERENCES member (workspace_id, user_id)
);
CREATE UNIQUE INDEX slack_installation_live_unique ON slack_installation (workspace_id) WHERE state = 'active';
CREATE UNIQUE INDEX slack_installation_team_unique ON slack_installation (team_id) WHERE state = 'active';
CREATE INDEX slack_installation_installed_by_idx ON slack_installation (workspace_id, installed_by);
CREATE INDEX slack_installation_channels_due_idx ON slack_installation (channels_due_at) WHERE state = 'active';

-- The way through Slack's consent page and back: known by a hash, good once, for ten minutes, in the browser that began it.
CREATE TABLE slack_oauth_state (
    workspace_id uuid NOT NULL,
    state_hash bytea NOT NULL,
    purpose text NOT NULL CONSTRAINT slack_oauth_state_purpose_word CHECK (purpose IN ('install', 'link')),
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT slack_oauth_state_pk PRIMARY KEY (workspace_id, state_hash),
    CONSTRAINT slack_oauth_state_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX slack_oauth_state_member_idx ON slack_oauth_state (workspace_id, user_id);

-- Which member is which person in a Slack team. Kept by team, so that connecting the same team again finds its people.
CREATE TABLE slack_user (
    workspace_id uuid NOT NULL,
    team_id text NOT NULL,
    user_id uuid NOT NULL,
    slack_user_id text NOT NULL,
    linked_by text NOT NULL CONSTRAINT slack_user_linked_by_word CHECK (linked_by IN ('sign_in', 'email')),
    linked_at timestamptz NOT NULL,
    CONSTRAINT slack_user_pk PRIMARY KEY (workspace_id, team_id, user_id),
    CONSTRAINT slack_user_slack_id_unique UNIQUE (workspace_id, team_id, slack_user_id),
    CONSTRAINT slack_user_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX slack_user_member_idx ON slack_user (workspace_id, user_id);

-- The team's channels as last seen: listing them is slow and limited, and so is done now and then, in the background.
CREATE TABLE slack_channel (
    workspace_id uuid NOT NULL CONSTRAINT slack_channel_workspace_fk REFERENCES workspace (id),
    channel_id text NOT NULL,
    name text NOT NULL,
    is_private boolean NOT NULL,
    is_archived boolean NOT NULL,
    -- Whether our app is in it.
    is_member boolean NOT NULL,
    -- Shared with other organisations.
    is_ext_shared boolean NOT NULL,
    -- Null where nobody has looked yet.
    has_guests boolean,
    refreshed_at timestamptz NOT NULL,
    CONSTRAINT slack_channel_pk PRIMARY KEY (workspace_id, channel_id)
);
CREATE INDEX slack_channel_name_idx ON slack_channel (workspace_id, lower(name), channel_id);

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['slack_installation', 'slack_oauth_state', 'slack_user', 'slack_channel'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
    END LOOP;
END $$;
-- What Slack sends names a team and no workspace; and lists of channels fall due in any of them. The secret is not for this role.
CREATE POLICY slack_installation_across_workspaces ON slack_installation TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT (workspace_id, id, team_id, app_id, bot_user_id, state, channels_due_at), UPDATE (channels_due_at)
    ON slack_installation TO tidings_worker;
GRANT SELECT, INSERT, UPDATE ON slack_installation TO tidings_app;
GRANT SELECT, INSERT, DELETE ON slack_oauth_state TO tidings_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON slack_user, slack_channel TO tidings_app;
