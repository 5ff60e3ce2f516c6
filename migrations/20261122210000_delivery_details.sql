-- What a message has to say beyond its kind stands apart from why its last attempt went as it did, so that a retry loses nothing
-- of it: a notice of a skipped run named no day any more once a server had put it off.
ALTER TABLE delivery ADD COLUMN details text;
-- The table's owner is held to its policies, and is in neither role: with them on, the change would see no row.
ALTER TABLE delivery NO FORCE ROW LEVEL SECURITY;
-- Nothing was tried yet, or the first try went well: what is there is what it has to say.
UPDATE delivery SET details = message, message = NULL
    WHERE kind IN ('still_running', 'slack_ended') AND message IS NOT NULL
      AND (attempts = 0 OR (attempts = 1 AND state = 'sent'));
ALTER TABLE delivery FORCE ROW LEVEL SECURITY;
