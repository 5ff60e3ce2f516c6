-- Freshness: how a connection's is known, and what a task does about data that is too old.
ALTER TABLE connection
    -- `domain::freshness::FreshnessCheck`; null: it counts as fresh.
    ADD COLUMN freshness jsonb;
ALTER TABLE task
    -- `domain::freshness::FreshnessGate`; null: it does not wait.
    ADD COLUMN freshness jsonb,
    -- Whether the last occurrence was skipped for stale data, so that a streak of them is told once.
    ADD COLUMN skipping_stale boolean NOT NULL DEFAULT false;
