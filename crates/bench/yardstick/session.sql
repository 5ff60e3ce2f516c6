-- Who asks, as the store finds out: under a role that sees all sessions.
CREATE SCHEMA yardstick;
GRANT USAGE ON SCHEMA yardstick TO tidings_app;

CREATE FUNCTION yardstick.session(v_number bigint, OUT workspace_id text, OUT user_id text)
LANGUAGE plpgsql SECURITY DEFINER AS $body$
#variable_conflict use_column
BEGIN
    SELECT found.workspace_id, found.user_id INTO workspace_id, user_id
    FROM (@session(sha256(('session-' || v_number)::bytea), NULL::timestamptz, 60)) AS found;
END $body$;
