-- A recipient may be quiet about a task for a while: the row that means "no messages of this task to this person" ends by itself.
ALTER TABLE task_unsubscription ADD COLUMN until timestamptz;
CREATE INDEX task_unsubscription_until_idx ON task_unsubscription (until) WHERE until IS NOT NULL;
GRANT UPDATE (until), DELETE ON task_unsubscription TO tidings_worker;
