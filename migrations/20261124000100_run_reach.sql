-- A run whose answer did not arrive read as answered where nothing was even tried: at a place that is paused, or an address that
-- is known to be dead. And one whose message was sent again, and arrived, read as failed for good. What counts now is whether
-- each recipient got the answer by each way.
DROP VIEW run_overview;
CREATE VIEW run_overview WITH (security_invoker = true) AS
SELECT run.*, counted.*
FROM run
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE state IN ('pending', 'sending', 'unknown')) AS deliveries_pending,
        count(*) FILTER (WHERE state = 'sent') AS deliveries_sent,
        -- What another message to the same recipient made good is not counted.
        count(*) FILTER (WHERE is_lost AND NOT has_arrived) AS deliveries_failed,
        count(*) FILTER (WHERE state = 'withheld') AS deliveries_withheld,
        count(*) FILTER (WHERE state = 'suppressed' AND NOT is_lost) AS deliveries_suppressed
    FROM (
        SELECT state,
            state = 'failed' OR state = 'suppressed'
                AND coalesce(reason, '') IN ('address_dead', 'address_suppressed', 'destination_paused') AS is_lost,
            bool_or(state = 'sent') OVER (PARTITION BY channel, user_id, slack_channel_id) AS has_arrived
        FROM delivery
        WHERE delivery.workspace_id = run.workspace_id AND delivery.run_id = run.id AND delivery.kind = 'answer'
    ) AS message
) AS counted;
GRANT SELECT ON run_overview TO tidings_app;

-- It held no repeats, so that nothing found all messages of a run by it. Each repeat stands for itself.
DROP INDEX delivery_recipient_unique;
CREATE UNIQUE INDEX delivery_recipient_unique ON delivery (workspace_id, run_id, kind, channel, user_id, slack_channel_id,
    (CASE WHEN repeats IS NOT NULL THEN id END)) NULLS NOT DISTINCT
    WHERE run_id IS NOT NULL;
