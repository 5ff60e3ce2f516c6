-- What readers think of an answer: whether it helped, and why. One opinion per person and answer, which they may change or take
-- back; those who manage the data that it used read it.
CREATE TABLE answer_feedback (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    thread_id uuid NOT NULL,
    turn_no integer NOT NULL,
    user_id uuid NOT NULL,
    rating text NOT NULL CONSTRAINT answer_feedback_rating_word CHECK (rating IN ('up', 'down')),
    -- In the reader's words; empty where they gave none.
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT answer_feedback_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT answer_feedback_person_unique UNIQUE (workspace_id, thread_id, turn_no, user_id),
    CONSTRAINT answer_feedback_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no),
    CONSTRAINT answer_feedback_member_fk FOREIGN KEY (workspace_id, user_id) REFERENCES member (workspace_id, user_id)
);
CREATE INDEX answer_feedback_member_idx ON answer_feedback (workspace_id, user_id);

ALTER TABLE answer_feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE answer_feedback FORCE ROW LEVEL SECURITY;
CREATE POLICY answer_feedback_in_workspace ON answer_feedback TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
GRANT SELECT, INSERT, UPDATE, DELETE ON answer_feedback TO tidings_app;
