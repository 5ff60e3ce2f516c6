-- Word to a person about their task: kept for the page in any case, whatever way it also goes out by and whether it arrives.
CREATE TABLE notice (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT notice_kind_word CHECK (kind IN
        ('failure', 'recovery', 'still_running', 'stale_data', 'expiring', 'expired', 'delivery_failure',
         'delivery_recovery', 'destination_paused', 'group_without_members', 'webhook_off',
         'slack_ended')),
    task_id uuid,
    run_id uuid,
    headline text NOT NULL,
    -- What to do about it.
    advice text NOT NULL,
    details text,
    -- What it is about, where that is told only once.
    subject text,
    created_at timestamptz NOT NULL,
    read_at timestamptz,
    CONSTRAINT notice_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT notice_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id),
    CONSTRAINT notice_task_fk FOREIGN KEY (workspace_id, task_id) REFERENCES task (workspace_id, id)
);
CREATE INDEX notice_member_idx ON notice (workspace_id, user_id, id);
CREATE INDEX notice_task_idx ON notice (workspace_id, task_id);
CREATE UNIQUE INDEX notice_subject_unique ON notice (workspace_id, user_id, kind, subject) WHERE subject IS NOT NULL;

ALTER TABLE notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE notice FORCE ROW LEVEL SECURITY;
CREATE POLICY notice_in_workspace ON notice TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
CREATE POLICY notice_across_workspaces ON notice TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON notice TO tidings_app;
GRANT SELECT, INSERT ON notice TO tidings_worker;

-- A notice of a newer kind goes out with the words that it was kept with.
ALTER TABLE delivery DROP CONSTRAINT delivery_kind_word;
ALTER TABLE delivery ADD CONSTRAINT delivery_kind_word CHECK (kind IN
    ('answer', 'no_news', 'failure', 'recovery', 'still_running', 'stale_data', 'expiring', 'expired', 'reply', 'slack_ended',
     'notice'));
ALTER TABLE delivery ADD COLUMN notice_id uuid;
-- Why it goes by another way than its recipient prefers.
ALTER TABLE delivery ADD COLUMN fallback text
    CONSTRAINT delivery_fallback_word CHECK (fallback IN ('slack_not_linked', 'slack_not_connected'));
