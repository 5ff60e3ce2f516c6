-- How much of a message those see who may not view the results behind it: a workspace's policy, and what a connection takes
-- away beside it. Neither can show more than the default: members all of it, people outside a link.
ALTER TABLE workspace
    ADD COLUMN audience_members text NOT NULL DEFAULT 'full'
        CONSTRAINT workspace_audience_members_word CHECK (audience_members IN ('full', 'link_only', 'withheld')),
    ADD COLUMN audience_outsiders text NOT NULL DEFAULT 'link_only'
        CONSTRAINT workspace_audience_outsiders_word CHECK (audience_outsiders IN ('link_only', 'withheld'));
-- Null: as the workspace has it.
ALTER TABLE connection
    ADD COLUMN audience_members text
        CONSTRAINT connection_audience_members_word CHECK (audience_members IN ('full', 'link_only', 'withheld')),
    ADD COLUMN audience_outsiders text
        CONSTRAINT connection_audience_outsiders_word CHECK (audience_outsiders IN ('link_only', 'withheld')),
    -- Data of a sensitive connection is for the page alone: an answer that used it never goes into Slack.
    ADD COLUMN IF NOT EXISTS sensitive boolean NOT NULL DEFAULT false,
    -- Threads that used a connection whose credentials are not shared are their creator's alone.
    ADD COLUMN shares_credentials boolean NOT NULL DEFAULT true;

CREATE OR REPLACE VIEW thread_reader WITH (security_invoker = true) AS
SELECT reader.workspace_id, reader.thread_id, reader.user_id
FROM (
    SELECT thread_share.workspace_id, thread_share.thread_id, member.user_id
    FROM thread_share
    JOIN member ON member.workspace_id = thread_share.workspace_id AND member.deactivated_at IS NULL
    WHERE thread_share.user_id = member.user_id
        OR (thread_share.user_id IS NULL AND thread_share.group_id IS NULL)
        OR EXISTS (
            SELECT FROM group_member
            WHERE group_member.workspace_id = thread_share.workspace_id
                AND group_member.group_id = thread_share.group_id AND group_member.user_id = member.user_id)
    UNION
    SELECT delivery.workspace_id, delivery.thread_id, delivery.user_id
    FROM delivery
    WHERE delivery.thread_id IS NOT NULL AND delivery.user_id IS NOT NULL AND delivery.kind = 'answer'
) AS reader
WHERE NOT EXISTS (
    SELECT FROM result
    JOIN connection ON connection.workspace_id = result.workspace_id AND connection.id = result.connection_id
    WHERE result.workspace_id = reader.workspace_id AND result.thread_id = reader.thread_id
        AND NOT connection.shares_credentials);
