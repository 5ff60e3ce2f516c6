-- Places that messages do not reach: an address, a Slack channel, a person's messages in Slack. A row is there from the first
-- message that is given up until one arrives. A place that rots is paused, with its reason; the tasks that name it go on.
CREATE TABLE destination (
    workspace_id uuid NOT NULL CONSTRAINT destination_workspace_fk REFERENCES workspace (id),
    id uuid NOT NULL,
    channel text NOT NULL CONSTRAINT destination_channel_word CHECK (channel IN ('email', 'slack_channel', 'slack_dm')),
    -- The address in lower case, the channel's id, the member's id.
    target text NOT NULL,
    -- The member that it belongs to; null for a Slack channel.
    user_id uuid,
    label text NOT NULL,
    -- Messages given up in a row, and how many of them for a reason that lies with the place.
    failures integer NOT NULL,
    faults integer NOT NULL,
    reason text NOT NULL,
    message text,
    failing_since timestamptz NOT NULL,
    paused_at timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT destination_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT destination_target_unique UNIQUE (workspace_id, channel, target)
);

-- Whom a streak of failures concerns: the creators of the tasks whose messages were lost.
CREATE TABLE destination_creator (
    workspace_id uuid NOT NULL,
    destination_id uuid NOT NULL,
    user_id uuid NOT NULL,
    task_id uuid NOT NULL,
    -- Whether they were told of this one, and not of another one that failed by the same cause.
    is_told boolean NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT destination_creator_pk PRIMARY KEY (workspace_id, destination_id, user_id),
    CONSTRAINT destination_creator_destination_fk FOREIGN KEY (workspace_id, destination_id)
        REFERENCES destination (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX destination_creator_user_idx ON destination_creator (workspace_id, user_id);

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['destination', 'destination_creator'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
        -- Runs end, and leave messages, across workspaces.
        EXECUTE format('CREATE POLICY %I ON %I TO tidings_worker USING (true) WITH CHECK (true)',
            tenanted || '_across_workspaces', tenanted);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tidings_app', tenanted);
    END LOOP;
END $$;
GRANT SELECT, UPDATE, DELETE ON destination TO tidings_worker;
GRANT SELECT, INSERT ON destination_creator TO tidings_worker;
-- A dead address that is to be tried again is no longer suppressed.
GRANT DELETE ON mail_suppression TO tidings_app;
