-- The second wall between workspaces. `tidings_app` sees the rows of the workspace that its transaction names, and none
-- without a name. `tidings_worker` works across workspaces, but only where work knows no workspace yet: signing in, and the
-- queues. FORCE binds the owner of the tables too.
DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY[
        'member', 'member_group', 'group_member', 'notification_preference', 'session', 'sign_in_link', 'api_token',
        'connection', 'connection_grant', 'task', 'task_connection', 'task_due', 'task_unsubscription', 'thread',
        'thread_connection', 'turn', 'step', 'result', 'result_chunk', 'chart', 'run', 'run_queue', 'delivery',
        'delivery_attempt', 'mail_suppression', 'outbox_mail', 'idempotency_key', 'audit_log'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
    END LOOP;
    -- The tables that work across workspaces touches.
    FOREACH tenanted IN ARRAY ARRAY[
        'member', 'member_group', 'group_member', 'notification_preference', 'session', 'sign_in_link', 'api_token',
        'task', 'task_connection', 'task_due', 'task_unsubscription', 'thread', 'thread_connection', 'turn', 'run',
        'run_queue', 'delivery', 'delivery_attempt', 'mail_suppression', 'idempotency_key', 'audit_log'
    ] LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO tidings_worker USING (true) WITH CHECK (true)',
            tenanted || '_across_workspaces', tenanted);
    END LOOP;
END $$;

ALTER TABLE workspace ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace_own ON workspace TO tidings_app USING (id = current_workspace());
CREATE POLICY workspace_across_workspaces ON workspace TO tidings_worker USING (true) WITH CHECK (true);

-- A person is seen from the workspaces that they are a member of.
ALTER TABLE app_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE app_user FORCE ROW LEVEL SECURITY;
CREATE POLICY app_user_in_workspace ON app_user TO tidings_app USING (
    EXISTS (SELECT FROM member WHERE member.workspace_id = current_workspace() AND member.user_id = app_user.id));
CREATE POLICY app_user_across_workspaces ON app_user TO tidings_worker USING (true) WITH CHECK (true);

GRANT SELECT, UPDATE ON workspace TO tidings_app;
GRANT SELECT (id, email, name, timezone, created_at), UPDATE (name, timezone) ON app_user TO tidings_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    member, member_group, group_member, notification_preference, session, api_token, connection, connection_grant, task,
    task_connection, task_due, task_unsubscription, thread, thread_connection, turn, run, run_queue, delivery,
    delivery_attempt, mail_suppression, idempotency_key
    TO tidings_app;
-- What happened is appended to and read, never changed.
GRANT SELECT, INSERT ON step, result, result_chunk, chart, outbox_mail TO tidings_app;
GRANT INSERT ON audit_log TO tidings_app;
GRANT SELECT ON connection_access, task_overview, run_overview TO tidings_app;

GRANT SELECT, INSERT, UPDATE ON workspace, app_user, member, session, sign_in_link, api_token TO tidings_worker;
GRANT SELECT ON member_group, group_member, notification_preference, task_connection, task_unsubscription, mail_suppression
    TO tidings_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON task_due, run_queue TO tidings_worker;
GRANT SELECT, INSERT, UPDATE ON thread, thread_connection, turn, run, delivery, delivery_attempt TO tidings_worker;
GRANT SELECT, UPDATE ON task TO tidings_worker;
GRANT SELECT, INSERT, DELETE ON sign_in_attempt TO tidings_worker;
GRANT DELETE ON session, sign_in_link TO tidings_worker;
GRANT SELECT, DELETE ON idempotency_key TO tidings_worker;
GRANT INSERT ON audit_log, task_unsubscription TO tidings_worker;
