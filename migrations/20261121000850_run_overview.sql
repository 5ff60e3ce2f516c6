-- A run with the states of its messages. Runs with the rights of whoever asks, and so under their row-level security.
CREATE VIEW run_overview WITH (security_invoker = true) AS
SELECT run.*, counted.*
FROM run
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE state IN ('pending', 'sending', 'unknown')) AS deliveries_pending,
        count(*) FILTER (WHERE state = 'sent') AS deliveries_sent,
        count(*) FILTER (WHERE state = 'failed') AS deliveries_failed,
        count(*) FILTER (WHERE state = 'withheld') AS deliveries_withheld,
        count(*) FILTER (WHERE state = 'suppressed') AS deliveries_suppressed
    FROM delivery
    WHERE delivery.workspace_id = run.workspace_id AND delivery.run_id = run.id AND delivery.kind = 'answer'
) AS counted;
