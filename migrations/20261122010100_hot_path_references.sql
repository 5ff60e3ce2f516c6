-- A scheduled run used to check some twenty foreign keys, each a query and a lock of its own on the row that it names: more
-- than half of the database's time for the run. The tables that every run writes give them up. What they name cannot be
-- wrong: each id was read in the same transaction from a row that it had locked or that never goes away, and the rows that
-- are named never go away, which the roles' rights now say. What people and agents write row by row keeps its keys.
ALTER TABLE run
    DROP CONSTRAINT run_workspace_fk, DROP CONSTRAINT run_task_fk, DROP CONSTRAINT run_creator_fk,
    DROP CONSTRAINT run_turn_fk, DROP CONSTRAINT run_test_to_fk;
ALTER TABLE run_queue
    DROP CONSTRAINT run_queue_run_fk, DROP CONSTRAINT run_queue_task_fk, DROP CONSTRAINT run_queue_creator_fk;
ALTER TABLE thread
    DROP CONSTRAINT thread_workspace_fk, DROP CONSTRAINT thread_creator_fk, DROP CONSTRAINT thread_task_fk;
ALTER TABLE turn DROP CONSTRAINT turn_thread_fk;
ALTER TABLE delivery
    DROP CONSTRAINT delivery_workspace_fk, DROP CONSTRAINT delivery_task_fk, DROP CONSTRAINT delivery_run_fk,
    DROP CONSTRAINT delivery_turn_fk, DROP CONSTRAINT delivery_member_fk;
REVOKE DELETE ON member, task, connection, thread, turn, run, delivery FROM tidings_app;

-- Indexes that only served them.
DROP INDEX run_creator_idx;
DROP INDEX run_test_to_idx;
DROP INDEX run_queue_creator_idx;
DROP INDEX delivery_turn_idx;
DROP INDEX delivery_member_idx;
