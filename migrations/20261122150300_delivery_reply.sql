-- Answers go back into the Slack thread that asked, and admins are told when Slack is gone.
ALTER TABLE delivery DROP CONSTRAINT delivery_kind_word;
ALTER TABLE delivery ADD CONSTRAINT delivery_kind_word CHECK (kind IN
    ('answer', 'no_news', 'reply', 'failure', 'recovery', 'still_running', 'stale_data', 'expiring', 'expired',
     'slack_ended'));
-- The message that a reply goes below, in the conversation `slack_channel_id`, a direct one or not.
ALTER TABLE delivery ADD COLUMN slack_thread_ts text;
ALTER TABLE delivery ADD CONSTRAINT delivery_reply_place
    CHECK (kind <> 'reply' OR (slack_thread_ts IS NOT NULL AND slack_channel_id IS NOT NULL));
