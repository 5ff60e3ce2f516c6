-- How far a message of which nobody knows has been looked for. Slack may allow one look a minute at 15 messages: a search goes on
-- where it stopped, or it would never end in a busy channel.
ALTER TABLE slack_post
    -- The stretch of time that is looked through, in the order in which they are.
    ADD COLUMN search_window integer NOT NULL DEFAULT 0 CONSTRAINT slack_post_search_window_counts CHECK (search_window >= 0),
    -- The message that the next look begins at, by Slack's name for it; null at a stretch's beginning.
    ADD COLUMN search_ts text;
