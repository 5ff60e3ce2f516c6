-- One index less for every run. The runs of a task are found through the one that makes occurrences unique: with the run's id in
-- it, the newest are known without a look at the others' rows.
ALTER TABLE run DROP CONSTRAINT run_occurrence_unique;
ALTER TABLE run ADD CONSTRAINT run_occurrence_unique UNIQUE (workspace_id, task_id, occurrence_date) INCLUDE (id);
DROP INDEX run_task_idx;

-- A run that is put back for fresh data has no thread any more to take along: that is made with its first step.
REVOKE DELETE ON thread, turn FROM tidings_app;
