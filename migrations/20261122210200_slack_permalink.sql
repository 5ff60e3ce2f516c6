-- Where a message stands in Slack, as Slack itself says: the proof of its delivery leads there.
ALTER TABLE delivery ADD COLUMN slack_permalink text
    CONSTRAINT delivery_slack_permalink_https CHECK (slack_permalink LIKE 'https://%');
