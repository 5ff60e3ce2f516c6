-- Deliveries are claimed in rounds over the workspaces, so that one workspace's backlog does not delay another's message: the
-- index leads with the workspace, and holds only what can be claimed.
DROP INDEX delivery_unfinished_idx;
CREATE INDEX delivery_ready_idx ON delivery (workspace_id, available_at)
    WHERE state IN ('pending', 'unknown') AND lease_token IS NULL;
CREATE INDEX delivery_lease_until_idx ON delivery (lease_until) WHERE lease_token IS NOT NULL;
