-- What was sent to Slack, message by message and file by file. Slack's `chat.postMessage` has no idempotency key: a message
-- whose answer was lost is looked for in Slack before anything is sent again, and what was found is not sent twice.

-- The messages that a delivery is posted as: the first one, and the replies below it that its answer goes on in. A row without
-- `ts` is one that may or may not have reached Slack.
CREATE TABLE slack_post (
    workspace_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    -- From 0, in the order in which they are posted.
    part integer NOT NULL CONSTRAINT slack_post_part_counts CHECK (part >= 0),
    channel_id text NOT NULL,
    started_at timestamptz NOT NULL,
    -- Slack's name of the message within its channel.
    ts text,
    posted_at timestamptz,
    CONSTRAINT slack_post_pk PRIMARY KEY (workspace_id, delivery_id, part),
    CONSTRAINT slack_post_delivery_fk FOREIGN KEY (workspace_id, delivery_id) REFERENCES delivery (workspace_id, id),
    CONSTRAINT slack_post_whole CHECK ((ts IS NULL) = (posted_at IS NULL))
);

-- Files handed to Slack. A file gets its id at the first of three calls and is there for all to see only after the third.
CREATE TABLE slack_upload (
    workspace_id uuid NOT NULL CONSTRAINT slack_upload_workspace_fk REFERENCES workspace (id),
    -- What it is: `chart ID`, uploaded once for all messages that show it, or `csv DELIVERY`.
    content text NOT NULL,
    -- The Slack workspace that has it.
    team_id text NOT NULL,
    file_id text NOT NULL,
    started_at timestamptz NOT NULL,
    -- Null until the third call is known to have succeeded.
    completed_at timestamptz,
    CONSTRAINT slack_upload_pk PRIMARY KEY (workspace_id, content)
);

-- The channel of direct messages with a person, which Slack gives out on request and does not change.
CREATE TABLE slack_dm (
    workspace_id uuid NOT NULL CONSTRAINT slack_dm_workspace_fk REFERENCES workspace (id),
    team_id text NOT NULL,
    slack_user_id text NOT NULL,
    channel_id text NOT NULL,
    CONSTRAINT slack_dm_pk PRIMARY KEY (workspace_id, team_id, slack_user_id)
);

-- How fast a workspace may speak to Slack, kept by all notifiers together: a row for each conversation and for each method.
CREATE TABLE slack_lane (
    workspace_id uuid NOT NULL CONSTRAINT slack_lane_workspace_fk REFERENCES workspace (id),
    -- `channel C0123`, `person U0123` or `method chat.postMessage`.
    lane text NOT NULL,
    -- Nothing is sent before this: the last message was less than a second ago, or Slack said to wait.
    free_at timestamptz NOT NULL,
    -- The first instant that nobody has been promised.
    line_ends_at timestamptz NOT NULL,
    -- The delivery that is sending in this channel now, by its lease.
    holder uuid,
    held_until timestamptz NOT NULL,
    -- When the channel was last found to exist, not archived, with our app in it.
    checked_at timestamptz,
    -- Whether people from outside the company were in it then.
    is_shared boolean NOT NULL DEFAULT false,
    CONSTRAINT slack_lane_pk PRIMARY KEY (workspace_id, lane)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The instant that a delivery to Slack was promised when its channel was busy. Its `available_at` is the same, so that it is
-- not claimed before.
ALTER TABLE delivery ADD COLUMN slack_turn_at timestamptz;

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['slack_post', 'slack_upload', 'slack_dm', 'slack_lane'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON slack_post, slack_upload, slack_dm, slack_lane TO tidings_app;
