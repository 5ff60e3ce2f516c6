-- Caps on what work may cost, for a workspace, a person or a task, and what each month has used of them.
CREATE TABLE credit_cap (
    workspace_id uuid NOT NULL CONSTRAINT credit_cap_workspace_fk REFERENCES workspace (id),
    subject text NOT NULL CONSTRAINT credit_cap_subject_word CHECK (subject IN ('workspace', 'user', 'task')),
    -- The person or the task; of the workspace its own id. No reference: people and tasks are marked as gone, never deleted.
    subject_id uuid NOT NULL,
    per_run_micro bigint CONSTRAINT credit_cap_per_run_positive CHECK (per_run_micro > 0),
    per_month_micro bigint CONSTRAINT credit_cap_per_month_positive CHECK (per_month_micro > 0),
    updated_at timestamptz NOT NULL,
    CONSTRAINT credit_cap_pk PRIMARY KEY (workspace_id, subject, subject_id),
    CONSTRAINT credit_cap_caps_something CHECK (num_nonnulls(per_run_micro, per_month_micro) > 0)
);

-- What a month's debits come to for whomever there can be a cap for, each in the shards of `credit_balance`: summing the ledger
-- before each model call would cost more with every call of the month. Each debit counts for its workspace, its person and, but
-- for a question's, its task; any of the three sums reads at most as many rows as there are shards.
CREATE TABLE credit_month (
    workspace_id uuid NOT NULL,
    month date NOT NULL CONSTRAINT credit_month_first_day CHECK (extract(day FROM month) = 1),
    subject text NOT NULL CONSTRAINT credit_month_subject_word CHECK (subject IN ('workspace', 'user', 'task')),
    -- As in `credit_cap`.
    subject_id uuid NOT NULL,
    shard smallint NOT NULL CONSTRAINT credit_month_shard_range CHECK (shard BETWEEN 0 AND 15),
    amount_micro bigint NOT NULL,
    CONSTRAINT credit_month_pk PRIMARY KEY (workspace_id, month, subject, subject_id, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Whoever migrates need not be a superuser, and sees no row of a table whose policies are forced on its owner, too.
ALTER TABLE credit_entry NO FORCE ROW LEVEL SECURITY;
ALTER TABLE run NO FORCE ROW LEVEL SECURITY;
INSERT INTO credit_month (workspace_id, month, subject, subject_id, shard, amount_micro)
SELECT entry.workspace_id, (date_trunc('month', entry.at, 'UTC') AT TIME ZONE 'UTC')::date, used.subject, used.subject_id, 0,
    sum(entry.amount_micro)
FROM credit_entry AS entry
JOIN run ON run.workspace_id = entry.workspace_id AND run.id = entry.run_id
CROSS JOIN LATERAL (VALUES ('workspace', run.workspace_id), ('user', run.creator_id), ('task', run.task_id))
    AS used (subject, subject_id)
WHERE entry.kind = 'debit' AND used.subject_id IS NOT NULL
GROUP BY 1, 2, 3, 4;
ALTER TABLE credit_entry FORCE ROW LEVEL SECURITY;
ALTER TABLE run FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['credit_cap', 'credit_month'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON credit_cap TO tidings_app;
GRANT SELECT, INSERT, UPDATE ON credit_month TO tidings_app;
