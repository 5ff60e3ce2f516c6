-- What a run leaves behind, in one statement: the next due instant, the run, its thread and turn with the answer, and one
-- message to the creator. Written as somebody would who keeps these records from the handler of another queue.
WITH fired AS (
    UPDATE task_due
    SET due_at = due_at + interval '1 day', occurrence_date = occurrence_date + 1,
        opens_at = opens_at + interval '1 day', closes_at = closes_at + interval '1 day'
    WHERE workspace_id = $1 AND task_id = $2
    RETURNING workspace_id, task_id, occurrence_date - 1 AS date, opens_at - interval '1 day' AS opens_at,
        closes_at - interval '1 day' AS closes_at
), made AS (
    SELECT fired.*, task.creator_id, task.title, task.prompt, task.schedule ->> 'timezone' AS timezone,
        gen_random_uuid() AS run_id, gen_random_uuid() AS thread_id
    FROM fired JOIN task ON task.workspace_id = fired.workspace_id AND task.id = fired.task_id
), new_thread AS (
    INSERT INTO thread (workspace_id, id, creator_id, task_id, title, source, status, last_seq, last_turn_no, headline,
        created_at, updated_at)
    SELECT workspace_id, thread_id, creator_id, task_id, title, 'task', 'idle', 1, 1, 'Nothing unusual yesterday.', now(), now()
    FROM made
), new_turn AS (
    INSERT INTO turn (workspace_id, thread_id, turn_no, prompt, status, answer, as_of, timezone, created_at, started_at,
        finished_at, finished_seq, run_id)
    SELECT workspace_id, thread_id, 1, prompt, 'answered',
        '{"headline":"Nothing unusual yesterday.","body":"All regions were on time.","checkedShare":1,"model":"bench"}',
        opens_at, timezone, now(), now(), now(), 1, run_id
    FROM made
), new_run AS (
    INSERT INTO run (workspace_id, id, task_id, creator_id, trigger, occurrence_date, opens_at, closes_at, status, attempt,
        thread_id, turn_no, created_at, started_at, finished_at)
    SELECT workspace_id, run_id, task_id, creator_id, 'schedule', date, opens_at, closes_at, 'succeeded', 1, thread_id, 1,
        now(), now(), now()
    FROM made
)
INSERT INTO delivery (workspace_id, id, kind, task_id, run_id, thread_id, turn_no, channel, user_id, label, state,
    available_at, created_at)
SELECT made.workspace_id, gen_random_uuid(), 'answer', made.task_id, made.run_id, made.thread_id, 1, 'email', made.creator_id,
    app_user.name || ' <' || app_user.email || '>', 'pending', now(), now()
FROM made JOIN app_user ON app_user.id = made.creator_id
