-- The inbox was claimed by age alone: where hundreds spoke to us in one workspace, and Slack took notes to them at its own pace, the
-- questions of all others waited behind them. Workspaces take turns now: the index of what waits goes from workspace to workspace,
-- and finds in each what is due.
DROP INDEX slack_event_ready_idx;
CREATE INDEX slack_event_ready_idx ON slack_event (workspace_id, available_at) WHERE state = 'pending';
