-- The store's own statements, run by the server for pgbench: each `@name(arguments);` below is a statement as the store prepares
-- it, with these arguments for its parameters. What Rust does between them is done here by cheaper means: the next window is a
-- day later, ids grow, all tasks are alike.
CREATE SCHEMA yardstick;

-- As many ids as wanted, growing as ids that begin with the time do.
CREATE FUNCTION yardstick.ids(many bigint) RETURNS uuid[] LANGUAGE plpgsql AS $body$
DECLARE
    v_head text := lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7000';
    v_tail bigint := -9223372036854775808 + floor(random() * 4611686018427387904)::bigint;
BEGIN
    RETURN ARRAY(SELECT (v_head || to_hex(v_tail + n))::uuid FROM generate_series(1, many) AS n);
END $body$;

CREATE FUNCTION yardstick.runs(
    v_workspaces uuid[], v_runs uuid[], v_tasks uuid[], v_creators uuid[], v_dates date[], v_opens timestamptz[],
    v_closes timestamptz[], v_starts bool[], v_now timestamptz
) RETURNS TABLE (run_id uuid, lease_token uuid) LANGUAGE plpgsql AS $body$
#variable_conflict use_column
DECLARE
    v_many int := cardinality(v_runs);
BEGIN
    RETURN QUERY @runs(v_workspaces, v_runs, v_tasks, v_creators, v_dates, v_opens, v_closes,
        array_fill('queued'::text, ARRAY[v_many]), array_fill(NULL::text, ARRAY[v_many]), array_fill(false, ARRAY[v_many]),
        v_closes, v_starts, v_now, (v_now + interval '1 minute'), 'pgbench');
END $body$;

CREATE FUNCTION yardstick.due_start(
    v_from timestamptz, v_batch bigint, OUT watermark timestamptz, OUT claimed int, OUT workspace_ids uuid[], OUT run_ids uuid[],
    OUT tokens uuid[]
) LANGUAGE plpgsql AS $body$
DECLARE
    v_now timestamptz := instant(NULL);
    v_workspaces uuid[]; v_tasks uuid[]; v_due timestamptz[]; v_dates date[]; v_opens timestamptz[]; v_closes timestamptz[];
    v_creators uuid[]; v_mine uuid[]; v_runs uuid[]; v_starts bool[];
    v_many int;
    v_taken bigint;
    v_read bigint;
BEGIN
    claimed := 0;
    workspace_ids := '{}'; run_ids := '{}'; tokens := '{}';
    watermark := v_from;
    IF NOT (@alone()) THEN
        RETURN;
    END IF;
    SELECT array_agg(workspace_id), array_agg(task_id), array_agg(due_at), array_agg(occurrence_date), array_agg(opens_at),
        array_agg(closes_at)
    INTO v_workspaces, v_tasks, v_due, v_dates, v_opens, v_closes
    FROM (@due(v_now, v_from, v_batch)) AS due;
    v_many := coalesce(cardinality(v_tasks), 0);
    watermark := CASE WHEN v_many >= v_batch THEN v_due[v_many] ELSE v_now - interval '5 seconds' END;
    IF v_many = 0 THEN
        RETURN;
    END IF;
    PERFORM set_config('plan_cache_mode', 'force_custom_plan', true);
    SELECT array_agg(task.workspace_id), array_agg(task.id), array_agg(task.creator_id), array_agg(due.due_at + interval '1 day'),
        array_agg(due.date), array_agg(due.opens_at), array_agg(due.closes_at), sum(cardinality(task."taken!")),
        sum(task.grace_seconds + length(task.title) + length(task.prompt)
            + cardinality(task."connection_ids!")) + count(task.schedule) + count(task.expires_at)
    INTO v_workspaces, v_tasks, v_creators, v_due, v_dates, v_opens, v_closes, v_taken, v_read
    FROM (@tasks(v_workspaces, v_tasks, v_dates, true)) AS task
    JOIN unnest(v_workspaces, v_tasks, v_due, v_dates, v_opens, v_closes)
        AS due (workspace_id, task_id, due_at, date, opens_at, closes_at)
        ON due.workspace_id = task.workspace_id AND due.task_id = task.id;
    SELECT count(*) INTO v_many FROM (@unfinished(v_workspaces, v_tasks)) AS unfinished;
    IF v_many > 0 OR v_taken > 0 THEN
        RAISE EXCEPTION 'a task that is due is running, or has its run';
    END IF;
    v_many := cardinality(v_tasks);
    v_mine := ARRAY(SELECT DISTINCT unnest(v_workspaces) ORDER BY 1);
    SELECT coalesce(array_agg("workspace_id!"), '{}') INTO v_mine FROM (@turns(v_mine)) AS mine;
    IF EXISTS (@used_up(v_mine)) THEN
        RAISE EXCEPTION 'a workspace has no credits left';
    END IF;
    SELECT coalesce(array_agg(id), '{}') INTO v_mine FROM (@rooms(v_mine)) AS room WHERE "free!" > 0;
    SELECT array_agg(workspace_id = ANY (v_mine) ORDER BY place) INTO v_starts
    FROM unnest(v_workspaces) WITH ORDINALITY AS made (workspace_id, place);
    v_runs := yardstick.ids(v_many);
    SELECT coalesce(array_agg(run.workspace_id), '{}'), coalesce(array_agg(queued.run_id), '{}'),
        coalesce(array_agg(queued.lease_token), '{}')
    INTO workspace_ids, run_ids, tokens
    FROM yardstick.runs(v_workspaces, v_runs, v_tasks, v_creators, v_dates, v_opens, v_closes, v_starts, v_now) AS queued
    JOIN unnest(v_workspaces, v_runs) AS run (workspace_id, run_id) ON run.run_id = queued.run_id
    WHERE queued.lease_token IS NOT NULL;
    claimed := cardinality(run_ids);
    SELECT array_agg(date + 1), array_agg(opened + interval '1 day'), array_agg(closed + interval '1 day')
    INTO v_dates, v_opens, v_closes FROM unnest(v_dates, v_opens, v_closes) AS fired (date, opened, closed);
    @next(v_workspaces, v_tasks, v_due, v_dates, v_opens, v_closes);
END $body$;

CREATE FUNCTION yardstick.ended(v_workspaces uuid[], v_runs uuid[], v_now timestamptz)
RETURNS TABLE (
    place bigint, is_scheduled bool, is_backtest bool, task_id uuid, thread_id uuid, turn_no int, test_to uuid, has_turn bool,
    notification jsonb, was_failing bool, was_skipping_stale bool, has_webhooks bool
) LANGUAGE plpgsql AS $body$
#variable_conflict use_column
DECLARE
    v_many int := cardinality(v_runs);
    v_nothing text[] := array_fill(NULL::text, ARRAY[v_many]);
    v_zeros bigint[] := array_fill(0::bigint, ARRAY[v_many]);
BEGIN
    RETURN QUERY @ended(v_workspaces, v_runs, array_fill('succeeded'::text, ARRAY[v_many]), v_nothing, v_nothing,
        array_fill('answered'::text, ARRAY[v_many]), array_fill('idle'::text, ARRAY[v_many]), v_nothing,
        array_fill('Nothing unusual yesterday.'::text, ARRAY[v_many]), array_fill('{answer}'::text, ARRAY[v_many]), v_zeros, v_zeros,
        array_fill(0::float8, ARRAY[v_many]), array_fill(0, ARRAY[v_many]), v_zeros, v_now, 1);
END $body$;

CREATE FUNCTION yardstick.run_succeed_all(v_workspaces uuid[], v_runs uuid[], v_tokens uuid[]) RETURNS void
LANGUAGE plpgsql AS $body$
DECLARE
    v_now timestamptz := instant(NULL);
    v_tasks uuid[]; v_threads uuid[]; v_turns int[]; v_users uuid[]; v_csv bool[]; v_ids uuid[]; v_words text[];
    v_held record;
BEGIN
    IF cardinality(v_runs) = 0 THEN
        RETURN;
    END IF;
    PERFORM set_config('plan_cache_mode', 'force_custom_plan', true);
    WITH taken AS (@off(v_workspaces, v_runs, v_tokens))
    SELECT array_agg(workspace_id), array_agg(run_id) INTO v_workspaces, v_runs FROM taken;
    SELECT array_agg(v_workspaces[place]), array_agg(v_runs[place]), array_agg(task_id), array_agg(thread_id), array_agg(turn_no),
        array_agg((notification -> 'userIds' ->> 0)::uuid), array_agg(false),
        array_agg('{"thread":"' || thread_id::text || '"}')
    INTO v_workspaces, v_runs, v_tasks, v_threads, v_turns, v_users, v_csv, v_words
    FROM yardstick.ended(v_workspaces, v_runs, v_now) AS ended;
    v_ids := yardstick.ids(cardinality(v_runs));
    @deliver(v_workspaces, v_tasks, v_runs, v_threads, v_turns, v_users, v_csv, v_csv, v_ids, v_ids, v_ids, v_ids, v_now, 'answer') INTO v_held;
    PERFORM count(*) FROM (@tell('tidings_thread', v_words)) AS told;
END $body$;
