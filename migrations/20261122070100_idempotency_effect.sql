-- A request with a key acts once even where its server dies between the effect and the answer: the effect's own transaction
-- notes it here, and only for whoever holds the key then. A second server finds the effect and tells of it, or none and acts.
ALTER TABLE idempotency_key
    -- Who acts for the key, drawn anew for each that is told to act. Null in rows of older versions.
    ADD COLUMN hold uuid,
    -- What was done: action, subject, details, as in the audit log. No secret.
    ADD COLUMN effect jsonb;
ALTER TABLE idempotency_key ADD CONSTRAINT idempotency_key_hold_unique UNIQUE (workspace_id, hold);
