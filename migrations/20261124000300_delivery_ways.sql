-- Mail and Slack are claimed apart, so that an outage of one does not delay the other: the index of what can be claimed leads with
-- the way. Under each it goes from workspace to workspace, and finds in each what is due.
CREATE FUNCTION delivery_way(channel text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE channel WHEN 'email' THEN 'mail' ELSE 'slack' END;
DROP INDEX delivery_ready_idx;
CREATE INDEX delivery_ready_idx ON delivery (delivery_way(channel), workspace_id, available_at)
    WHERE state IN ('pending', 'unknown') AND lease_token IS NULL;
