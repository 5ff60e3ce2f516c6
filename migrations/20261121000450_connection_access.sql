-- The best right of each active member on each connection: their own grant, a group's, the workspace's, or by being an admin.
-- Runs with the rights of whoever asks, and so under their row-level security.
CREATE VIEW connection_access WITH (security_invoker = true) AS
SELECT rights.workspace_id, rights.connection_id, rights.user_id,
    (ARRAY['view_results', 'query', 'manage'])[max(rights.rank)] AS access
FROM (
    SELECT connection_grant.workspace_id, connection_grant.connection_id, member.user_id,
        array_position(ARRAY['view_results', 'query', 'manage'], connection_grant.access) AS rank
    FROM connection_grant
    JOIN member ON member.workspace_id = connection_grant.workspace_id AND member.deactivated_at IS NULL
    WHERE connection_grant.user_id = member.user_id
        OR (connection_grant.user_id IS NULL AND connection_grant.group_id IS NULL)
        OR EXISTS (
            SELECT FROM group_member
            WHERE group_member.workspace_id = connection_grant.workspace_id
                AND group_member.group_id = connection_grant.group_id AND group_member.user_id = member.user_id)
    UNION ALL
    SELECT connection.workspace_id, connection.id, member.user_id, 3
    FROM connection
    JOIN member ON member.workspace_id = connection.workspace_id
        AND member.role = 'admin' AND member.deactivated_at IS NULL
) AS rights
GROUP BY rights.workspace_id, rights.connection_id, rights.user_id;
