-- A model provider that a workspace brings itself: its address, the model's name, and its key, sealed like the passwords of data
-- sources. No row: the operator's provider answers. A workspace with a row pays its provider and not in credits.
CREATE TABLE workspace_model (
    workspace_id uuid NOT NULL CONSTRAINT workspace_model_workspace_fk REFERENCES workspace (id),
    -- New with each change: what the sealed key is bound to, and how a worker sees that it knows an older one.
    id uuid NOT NULL,
    -- Up to and without `/chat/completions`. Null: OpenAI's own.
    base_url text CONSTRAINT workspace_model_base_url_length CHECK (length(base_url) BETWEEN 1 AND 2000),
    name text NOT NULL CONSTRAINT workspace_model_name_length CHECK (length(name) BETWEEN 1 AND 200),
    secret bytea,
    secret_key_id text,
    updated_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT workspace_model_pk PRIMARY KEY (workspace_id),
    CONSTRAINT workspace_model_secret_whole CHECK ((secret IS NULL) = (secret_key_id IS NULL)),
    CONSTRAINT workspace_model_updated_by_fk FOREIGN KEY (workspace_id, updated_by) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX workspace_model_updated_by_idx ON workspace_model (workspace_id, updated_by);

ALTER TABLE workspace_model ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace_model FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace_model_in_workspace ON workspace_model TO tidings_app USING (workspace_id = current_workspace())
    WITH CHECK (workspace_id = current_workspace());
-- Claims ask of many workspaces at once whether they need credits; nothing else of a row is for them.
CREATE POLICY workspace_model_across_workspaces ON workspace_model FOR SELECT TO tidings_worker USING (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON workspace_model TO tidings_app;
GRANT SELECT (workspace_id) ON workspace_model TO tidings_worker;
