-- With whom a thread is shared: one subject per row: a user, a group, or (both null) the whole workspace. It takes the right
-- to see the results of every connection that the thread used as well to open it.
CREATE TABLE thread_share (
    workspace_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    user_id uuid,
    group_id uuid,
    CONSTRAINT thread_share_one_subject CHECK (user_id IS NULL OR group_id IS NULL),
    CONSTRAINT thread_share_subject_unique UNIQUE NULLS NOT DISTINCT (workspace_id, thread_id, user_id, group_id),
    CONSTRAINT thread_share_thread_fk FOREIGN KEY (workspace_id, thread_id) REFERENCES thread (workspace_id, id),
    CONSTRAINT thread_share_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id),
    CONSTRAINT thread_share_group_fk FOREIGN KEY (workspace_id, group_id)
        REFERENCES member_group (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX thread_share_member_idx ON thread_share (workspace_id, user_id);
CREATE INDEX thread_share_group_idx ON thread_share (workspace_id, group_id);

-- Who reads a thread besides its creator: those whom it is shared with, and those whom its answer was sent to. Runs with the
-- rights of whoever asks, and so under their row-level security.
CREATE VIEW thread_reader WITH (security_invoker = true) AS
SELECT thread_share.workspace_id, thread_share.thread_id, member.user_id
FROM thread_share
JOIN member ON member.workspace_id = thread_share.workspace_id AND member.deactivated_at IS NULL
WHERE thread_share.user_id = member.user_id
    OR (thread_share.user_id IS NULL AND thread_share.group_id IS NULL)
    OR EXISTS (
        SELECT FROM group_member
        WHERE group_member.workspace_id = thread_share.workspace_id
            AND group_member.group_id = thread_share.group_id AND group_member.user_id = member.user_id)
UNION
SELECT delivery.workspace_id, delivery.thread_id, delivery.user_id
FROM delivery
WHERE delivery.thread_id IS NOT NULL AND delivery.user_id IS NOT NULL AND delivery.kind = 'answer';

ALTER TABLE thread_share ENABLE ROW LEVEL SECURITY;
ALTER TABLE thread_share FORCE ROW LEVEL SECURITY;
CREATE POLICY thread_share_in_workspace ON thread_share TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
GRANT SELECT, INSERT, DELETE ON thread_share TO tidings_app;
GRANT SELECT ON thread_reader TO tidings_app;
