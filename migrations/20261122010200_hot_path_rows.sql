-- Fewer and smaller writes per run. Row-level security binds the owner of the tables too, who rewrites them here.
ALTER TABLE run NO FORCE ROW LEVEL SECURITY;
ALTER TABLE turn NO FORCE ROW LEVEL SECURITY;
ALTER TABLE thread NO FORCE ROW LEVEL SECURITY;
ALTER TABLE thread_connection NO FORCE ROW LEVEL SECURITY;

-- A turn names the run that executes it, where every run had an index entry to be found by its turn.
ALTER TABLE turn ADD COLUMN run_id uuid;
UPDATE turn SET run_id = (
    SELECT run.id FROM run
    WHERE run.workspace_id = turn.workspace_id AND run.thread_id = turn.thread_id AND run.turn_no = turn.turn_no
    ORDER BY run.id DESC LIMIT 1);
DROP INDEX run_turn_idx;

-- The connections that a thread's prompts name lie in its own row: they are read and written with it.
ALTER TABLE thread ADD COLUMN connection_ids uuid[] NOT NULL DEFAULT '{}';
UPDATE thread SET connection_ids = ARRAY(
    SELECT connection_id FROM thread_connection
    WHERE thread_connection.workspace_id = thread.workspace_id AND thread_connection.thread_id = thread.id
    ORDER BY position, connection_id);
DROP TABLE thread_connection;

ALTER TABLE run FORCE ROW LEVEL SECURITY;
ALTER TABLE turn FORCE ROW LEVEL SECURITY;
ALTER TABLE thread FORCE ROW LEVEL SECURITY;

-- Room for the second version of each row in its own page, so that no index learns of it.
ALTER TABLE thread SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE turn SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- What is large is compressed by the cheaper method.
ALTER TABLE turn ALTER COLUMN answer SET COMPRESSION lz4, ALTER COLUMN prompt SET COMPRESSION lz4;
ALTER TABLE step ALTER COLUMN body SET COMPRESSION lz4;
