-- A claim finds what is new by time, and so need not walk the dead index entries of all that was claimed before: those cannot
-- be removed while any session holds an old snapshot. Only a backlog is looked for workspace by workspace.
ALTER TABLE run_queue ADD COLUMN listed_at timestamptz;
ALTER TABLE run_queue NO FORCE ROW LEVEL SECURITY;
UPDATE run_queue SET listed_at = available_at;
ALTER TABLE run_queue FORCE ROW LEVEL SECURITY;
-- When the run last became one that nobody holds, or will: `available_at`, or the moment of its release or rescue.
ALTER TABLE run_queue ALTER COLUMN listed_at SET NOT NULL;
CREATE INDEX run_queue_listed_idx ON run_queue (listed_at) WHERE lease_token IS NULL;
