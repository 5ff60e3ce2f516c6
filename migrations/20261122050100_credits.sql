-- What agent work costs a workspace. Amounts are whole millionths of a credit, so that any number of debits adds up exactly;
-- `run.credits` and a step's own figure stay as they are, for reading.
--
-- The ledger says what was granted and what each reply of a model cost. It is appended to, never changed.
CREATE TABLE credit_entry (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL CONSTRAINT credit_entry_kind_word CHECK (kind IN ('grant', 'debit')),
    -- Of a debit, what it cost; of a grant, what was given, or, negative, taken back.
    amount_micro bigint NOT NULL CONSTRAINT credit_entry_amount_nonzero CHECK (amount_micro <> 0),
    -- Whether it moved the balance: a debit of an unlimited workspace has none to move.
    moves_balance boolean NOT NULL,
    run_id uuid,
    -- What for: of a debit the model's name, of a grant the words of who gave it.
    purpose text NOT NULL CONSTRAINT credit_entry_purpose_length CHECK (length(purpose) <= 500),
    actor_kind text NOT NULL
        CONSTRAINT credit_entry_actor_kind_word CHECK (actor_kind IN ('user', 'operator', 'system')),
    actor_id uuid,
    CONSTRAINT credit_entry_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT credit_entry_debit_whole CHECK ((kind = 'debit') = (run_id IS NOT NULL)),
    CONSTRAINT credit_entry_debit_positive CHECK (kind = 'grant' OR amount_micro > 0),
    -- None to `workspace`: every debit would lock its one row.
    CONSTRAINT credit_entry_run_fk FOREIGN KEY (workspace_id, run_id) REFERENCES run (workspace_id, id)
);
CREATE INDEX credit_entry_run_idx ON credit_entry (workspace_id, run_id);
CREATE INDEX credit_entry_at_idx ON credit_entry (workspace_id, at);

-- What is left, in shards: the balance is their sum, and any of them may be below zero. A run's debits go to one shard, so that
-- the steps of a busy workspace do not wait for one another's commit. A workspace without rows here is unlimited.
CREATE TABLE credit_balance (
    workspace_id uuid NOT NULL CONSTRAINT credit_balance_workspace_fk REFERENCES workspace (id),
    shard smallint NOT NULL CONSTRAINT credit_balance_shard_range CHECK (shard BETWEEN 0 AND 15),
    amount_micro bigint NOT NULL,
    CONSTRAINT credit_balance_pk PRIMARY KEY (workspace_id, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

DO $$
DECLARE
    tenanted text;
BEGIN
    FOREACH tenanted IN ARRAY ARRAY['credit_entry', 'credit_balance'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenanted);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenanted);
        EXECUTE format(
            'CREATE POLICY %I ON %I TO tidings_app USING (workspace_id = current_workspace())
                WITH CHECK (workspace_id = current_workspace())',
            tenanted || '_in_workspace', tenanted);
    END LOOP;
END $$;
-- Claims look whether anything is left.
CREATE POLICY credit_balance_across_workspaces ON credit_balance TO tidings_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON credit_entry TO tidings_app;
GRANT SELECT, INSERT, UPDATE ON credit_balance TO tidings_app;
-- UPDATE only to lock a row for share.
GRANT SELECT, UPDATE ON credit_balance TO tidings_worker;
