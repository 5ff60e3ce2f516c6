-- Whose addresses a workspace's mail may go to. Recipients are members in any case; a workspace may narrow that to addresses of
-- domains that it names, so that a member's private address is never sent the company's figures. No row, or no domain: every
-- member's address.
CREATE TABLE mail_policy (
    workspace_id uuid NOT NULL CONSTRAINT mail_policy_workspace_fk REFERENCES workspace (id),
    -- In lower case, without the `@`.
    domains text[] NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT mail_policy_pk PRIMARY KEY (workspace_id),
    CONSTRAINT mail_policy_domains_few CHECK (cardinality(domains) <= 100)
);

ALTER TABLE mail_policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_policy FORCE ROW LEVEL SECURITY;
CREATE POLICY mail_policy_in_workspace ON mail_policy TO tidings_app USING (workspace_id = current_workspace())
    WITH CHECK (workspace_id = current_workspace());
-- Looked at for all messages of a batch at once, whatever their workspaces.
CREATE POLICY mail_policy_across_workspaces ON mail_policy TO tidings_worker USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON mail_policy TO tidings_app;
GRANT SELECT ON mail_policy TO tidings_worker;
