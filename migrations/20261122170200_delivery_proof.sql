-- What can be shown of a delivery afterwards: for each attempt, how much its recipient was found to be allowed, by what rights
-- and policy, and which bytes were made of it. And who asked for a delivery to be sent again.
CREATE TABLE delivery_decision (
    workspace_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    -- The attempt that it was made for, whether or not that began.
    attempt integer NOT NULL,
    decided_at timestamptz NOT NULL,
    audience text NOT NULL CONSTRAINT delivery_decision_audience_word CHECK (audience IN ('full', 'link_only', 'withheld')),
    reason text NOT NULL,
    -- What was looked at; null where nothing was, as for word to a task's creator.
    record jsonb,
    content_sha256 bytea CONSTRAINT delivery_decision_content_sha256_length CHECK (length(content_sha256) = 32),
    content_bytes integer,
    -- The message, where it is kept: the requests to Slack. Mails that are kept lie in outbox_mail.
    content jsonb,
    CONSTRAINT delivery_decision_pk PRIMARY KEY (workspace_id, delivery_id, attempt),
    CONSTRAINT delivery_decision_content_whole CHECK ((content_sha256 IS NULL) = (content_bytes IS NULL)),
    CONSTRAINT delivery_decision_delivery_fk FOREIGN KEY (workspace_id, delivery_id) REFERENCES delivery (workspace_id, id)
);
ALTER TABLE delivery_decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE delivery_decision FORCE ROW LEVEL SECURITY;
CREATE POLICY delivery_decision_in_workspace ON delivery_decision TO tidings_app
    USING (workspace_id = current_workspace()) WITH CHECK (workspace_id = current_workspace());
-- Attempts of several workspaces begin in one transaction.
CREATE POLICY delivery_decision_across_workspaces ON delivery_decision TO tidings_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON delivery_decision TO tidings_app, tidings_worker;

ALTER TABLE delivery
    -- The delivery that this one repeats, at somebody's request.
    ADD COLUMN repeats uuid,
    ADD COLUMN requested_by uuid,
    ADD CONSTRAINT delivery_repeats_whole CHECK ((repeats IS NULL) = (requested_by IS NULL)),
    ADD CONSTRAINT delivery_repeats_fk FOREIGN KEY (workspace_id, repeats) REFERENCES delivery (workspace_id, id),
    ADD CONSTRAINT delivery_requested_by_fk FOREIGN KEY (workspace_id, requested_by)
        REFERENCES member (workspace_id, user_id);
CREATE INDEX delivery_repeats_idx ON delivery (workspace_id, repeats) WHERE repeats IS NOT NULL;
CREATE INDEX delivery_requested_by_idx ON delivery (workspace_id, requested_by) WHERE requested_by IS NOT NULL;
-- One message of a kind per run and recipient, but for what somebody asked to be sent again.
DROP INDEX delivery_recipient_unique;
CREATE UNIQUE INDEX delivery_recipient_unique
    ON delivery (workspace_id, run_id, kind, channel, user_id, slack_channel_id) NULLS NOT DISTINCT
    WHERE run_id IS NOT NULL AND repeats IS NULL;
