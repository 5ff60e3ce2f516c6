-- An attempt whose notifier died stayed open until the next one ended, and was then written down as having ended like that one.
-- What is open now, and not under way, is unknown.
-- FORCE binds the owner too, who migrates and is in no workspace.
ALTER TABLE delivery NO FORCE ROW LEVEL SECURITY;
ALTER TABLE delivery_attempt NO FORCE ROW LEVEL SECURITY;
UPDATE delivery_attempt SET outcome = 'unknown'
FROM delivery
WHERE delivery.workspace_id = delivery_attempt.workspace_id AND delivery.id = delivery_attempt.delivery_id
  AND delivery_attempt.outcome IS NULL
  AND (delivery_attempt.attempt < delivery.attempts OR delivery.state <> 'sending');
ALTER TABLE delivery_attempt FORCE ROW LEVEL SECURITY;
ALTER TABLE delivery FORCE ROW LEVEL SECURITY;
