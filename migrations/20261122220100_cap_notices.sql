-- Word that a cap on credits is near or reached.
ALTER TABLE notice DROP CONSTRAINT notice_kind_word;
ALTER TABLE notice ADD CONSTRAINT notice_kind_word CHECK (kind IN
    ('failure', 'recovery', 'still_running', 'stale_data', 'expiring', 'expired', 'delivery_failure', 'delivery_recovery',
     'destination_paused', 'group_without_members', 'webhook_off', 'slack_ended', 'cap_near', 'cap_reached'));
