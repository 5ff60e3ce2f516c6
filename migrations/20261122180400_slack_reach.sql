-- Who can be reached by a direct message in Slack is asked where runs end, across workspaces.
CREATE POLICY slack_user_across_workspaces ON slack_user TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT (workspace_id, team_id, user_id) ON slack_user TO tidings_worker;

-- What stands between a member and a direct message in Slack; null where nothing does.
CREATE FUNCTION slack_obstacle(workspace uuid, member uuid) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN NOT EXISTS (SELECT FROM slack_installation
        WHERE slack_installation.workspace_id = workspace AND state = 'active') THEN 'slack_not_connected'
    WHEN NOT EXISTS (SELECT FROM slack_installation
        JOIN slack_user ON slack_user.workspace_id = slack_installation.workspace_id
            AND slack_user.team_id = slack_installation.team_id AND slack_user.user_id = member
        WHERE slack_installation.workspace_id = workspace AND slack_installation.state = 'active') THEN 'slack_not_linked'
END;
