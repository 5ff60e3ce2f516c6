-- Data of a sensitive connection is for the page alone: an answer that used it never goes into Slack.
ALTER TABLE connection ADD COLUMN sensitive boolean NOT NULL DEFAULT false;
