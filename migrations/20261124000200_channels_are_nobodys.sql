-- A Slack channel in which a reply failed was noted as its asker's place, under the reply's name. A channel is nobody's.
-- FORCE binds the owner too, who migrates and is in no workspace.
ALTER TABLE destination NO FORCE ROW LEVEL SECURITY;
ALTER TABLE slack_channel NO FORCE ROW LEVEL SECURITY;
UPDATE destination SET user_id = NULL, label = coalesce('#' || (
    SELECT slack_channel.name FROM slack_channel
    WHERE slack_channel.workspace_id = destination.workspace_id AND slack_channel.channel_id = destination.target), target)
WHERE channel = 'slack_channel' AND user_id IS NOT NULL;
ALTER TABLE slack_channel FORCE ROW LEVEL SECURITY;
ALTER TABLE destination FORCE ROW LEVEL SECURITY;
