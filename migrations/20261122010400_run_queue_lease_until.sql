-- Counting a workspace's leased runs could also go through this index, whole, and did where the planner took the queue for
-- empty. With a condition of its own it serves the search for leases that passed, and nothing else.
DROP INDEX run_queue_lease_until_idx;
CREATE INDEX run_queue_lease_until_idx ON run_queue (lease_until) WHERE lease_until IS NOT NULL;
