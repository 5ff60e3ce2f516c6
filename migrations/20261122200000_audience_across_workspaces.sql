-- How much the recipients of a batch of messages may see is looked up for all of them together, whatever their workspaces.
-- Whoever does that learns which connections an answer rests on, what they take away and who holds which right: no query, no
-- result, no address and no secret of a connection.
CREATE POLICY result_across_workspaces ON result FOR SELECT TO tidings_worker USING (true);
CREATE POLICY connection_across_workspaces ON connection FOR SELECT TO tidings_worker USING (true);
CREATE POLICY connection_grant_across_workspaces ON connection_grant FOR SELECT TO tidings_worker USING (true);
GRANT SELECT (workspace_id, thread_id, connection_id) ON result TO tidings_worker;
GRANT SELECT (workspace_id, id, name, audience_members, audience_outsiders, sensitive, shares_credentials)
    ON connection TO tidings_worker;
GRANT SELECT ON connection_grant, connection_access TO tidings_worker;
