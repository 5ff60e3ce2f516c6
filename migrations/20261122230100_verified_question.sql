-- Questions whose SQL somebody who manages the data has found right. The agent looks here before it plans, and its answers say
-- when they used one. One SQL per question and connection: verifying the question again replaces it.
CREATE TABLE verified_question (
    workspace_id uuid NOT NULL,
    id uuid NOT NULL,
    connection_id uuid NOT NULL,
    question text NOT NULL,
    -- `domain::question::key`: the question without case, punctuation and filling words.
    question_key text NOT NULL,
    -- Its SHA-256 in UTF-8: 2,000 characters of Chinese are too long for an index.
    question_key_sha256 bytea NOT NULL,
    -- As it ran: taken from a stored result, never from a request.
    sql text NOT NULL,
    -- When and where it ran, from which its "last week" is reckoned.
    as_of timestamptz NOT NULL,
    timezone text NOT NULL,
    thread_id uuid NOT NULL,
    turn_no integer NOT NULL,
    verified_by uuid NOT NULL,
    verified_at timestamptz NOT NULL,
    CONSTRAINT verified_question_pk PRIMARY KEY (workspace_id, id),
    CONSTRAINT verified_question_key_unique UNIQUE (workspace_id, connection_id, question_key_sha256),
    CONSTRAINT verified_question_key_sha256_length CHECK (octet_length(question_key_sha256) = 32),
    CONSTRAINT verified_question_connection_fk FOREIGN KEY (workspace_id, connection_id)
        REFERENCES connection (workspace_id, id),
    CONSTRAINT verified_question_turn_fk FOREIGN KEY (workspace_id, thread_id, turn_no)
        REFERENCES turn (workspace_id, thread_id, turn_no),
    CONSTRAINT verified_question_member_fk FOREIGN KEY (workspace_id, verified_by)
        REFERENCES member (workspace_id, user_id)
);
CREATE INDEX verified_question_turn_idx ON verified_question (workspace_id, thread_id, turn_no);
CREATE INDEX verified_question_member_idx ON verified_question (workspace_id, verified_by);

ALTER TABLE verified_question ENABLE ROW LEVEL SECURITY;
ALTER TABLE verified_question FORCE ROW LEVEL SECURITY;
CREATE POLICY verified_question_in_workspace ON verified_question TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
GRANT SELECT, INSERT, UPDATE, DELETE ON verified_question TO tidings_app;
