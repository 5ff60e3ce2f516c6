-- Two more kinds of word about a task: a week without news, and an occurrence skipped for stale data.
ALTER TABLE delivery DROP CONSTRAINT delivery_kind_word;
ALTER TABLE delivery ADD CONSTRAINT delivery_kind_word CHECK (kind IN
    ('answer', 'no_news', 'failure', 'recovery', 'still_running', 'stale_data', 'expiring', 'expired'));
