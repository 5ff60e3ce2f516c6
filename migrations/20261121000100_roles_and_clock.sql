-- Two roles that no one logs in as. The connecting user takes one of them on with SET ROLE, so that even a mistake in a
-- query cannot leave its workspace: row-level security binds both, and neither can bypass it.
--
-- The connecting user needs CREATEROLE (or to be a superuser, as in the private PostgreSQL) for this file only. Where an
-- operator may not grant that, both roles can be made beforehand: existing ones are kept.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_app') THEN
        CREATE ROLE tidings_app NOLOGIN NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tidings_worker') THEN
        CREATE ROLE tidings_worker NOLOGIN NOBYPASSRLS;
    END IF;
EXCEPTION
    -- Roles belong to the whole cluster: another database's migration may have made them in the meantime.
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'tidings_app', 'MEMBER') THEN
        EXECUTE format('GRANT tidings_app TO %I', current_user);
    END IF;
    IF NOT pg_has_role(current_user, 'tidings_worker', 'MEMBER') THEN
        EXECUTE format('GRANT tidings_worker TO %I', current_user);
    END IF;
END $$;

DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO tidings_app, tidings_worker', current_schema());
END $$;

-- Now. Tests hand in an instant and so step the clock; everyone else hands in null and gets the database's clock, the only
-- one that due times and leases are compared with.
CREATE FUNCTION instant(given timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(given, now());

-- The workspace that the current transaction works for; null, and so equal to none, outside of one.
CREATE FUNCTION current_workspace() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('tidings.workspace_id', true), '')::uuid;
