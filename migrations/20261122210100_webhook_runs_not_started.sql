-- Webhooks are told of runs that never started, too: skipped on purpose, or missed.
ALTER TABLE webhook_endpoint DROP CONSTRAINT webhook_endpoint_events_words;
ALTER TABLE webhook_endpoint ADD CONSTRAINT webhook_endpoint_events_words CHECK (cardinality(events) > 0 AND events <@
    ARRAY['run.finished', 'run.failed', 'run.skipped', 'run.missed', 'delivery.failed', 'task.paused', 'task.expired']);
ALTER TABLE webhook_message DROP CONSTRAINT webhook_message_event_word;
ALTER TABLE webhook_message ADD CONSTRAINT webhook_message_event_word CHECK (event IN
    ('run.finished', 'run.failed', 'run.skipped', 'run.missed', 'delivery.failed', 'task.paused', 'task.expired', 'test'));
