//! Statements that try to write, to read what is not theirs, or to stall: none has an effect, though the role is the
//! owner of everything.

use std::time::Instant;

use warehouse::{ConnectionSpec, Error};

use crate::support::{postgres, query, rows, server};

pub(crate) const ATTACKS: &[&str] = &[
    // Changing data.
    "DELETE FROM precious",
    "UPDATE precious SET name = 'x'",
    "INSERT INTO precious VALUES (1000, 'x')",
    "MERGE INTO precious p USING precious q ON p.id = q.id WHEN MATCHED THEN DELETE",
    "TRUNCATE precious",
    "DROP TABLE precious",
    "ALTER TABLE precious ADD COLUMN x int",
    "CREATE TABLE copy AS SELECT * FROM precious",
    "CREATE TABLE t (a int)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION dblink",
    "CREATE ROLE evil SUPERUSER",
    "CREATE INDEX ON precious (name)",
    "COMMENT ON TABLE precious IS 'x'",
    "GRANT ALL ON precious TO PUBLIC",
    "REVOKE ALL ON precious FROM reader",
    "SELECT * INTO copy FROM precious",
    "SELECT 1 AS a INTO TEMP copy",
    "WITH gone AS (DELETE FROM precious RETURNING *) SELECT * FROM gone",
    "WITH gone AS (UPDATE precious SET name = 'x' RETURNING *) SELECT count(*) FROM gone",
    "WITH gone AS (INSERT INTO precious VALUES (1000, 'x') RETURNING *) SELECT 1",
    "SELECT * FROM (WITH gone AS (DELETE FROM precious RETURNING *) SELECT * FROM gone) q",
    "SELECT (WITH gone AS (DELETE FROM precious RETURNING *) SELECT count(*) FROM gone)",
    "SELECT 1 UNION (WITH gone AS (DELETE FROM precious RETURNING id) SELECT id FROM gone)",
    "WITH a AS (WITH b AS (DELETE FROM precious RETURNING *) SELECT * FROM b) SELECT * FROM a",
    "SELECT * FROM precious FOR UPDATE",
    "SELECT * FROM precious FOR SHARE",
    "SELECT * FROM precious FOR NO KEY UPDATE NOWAIT",
    "SELECT * FROM (SELECT * FROM precious FOR UPDATE) q",
    "WITH a AS (SELECT * FROM precious FOR KEY SHARE) SELECT * FROM a",
    "LOCK TABLE precious",
    // Several statements, transactions, settings.
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM precious",
    "SELECT 1;; DROP TABLE precious",
    "COMMIT; DELETE FROM precious",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "PREPARE TRANSACTION 'a'",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET statement_timeout = 0",
    "SET LOCAL transaction_read_only = off",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "RESET ALL",
    "SHOW ALL",
    "SHOW server_version",
    "DISCARD ALL",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT set_config('statement_timeout', '0', false)",
    "SELECT pg_catalog.set_config('a.b', 'c', true)",
    "SELECT current_setting('data_directory')",
    // Other commands.
    "COPY precious TO '/tmp/stolen'",
    "COPY (SELECT 1) TO PROGRAM 'touch /tmp/stolen'",
    "COPY precious FROM '/etc/passwd'",
    "COPY precious TO STDOUT",
    "DO $$ BEGIN DELETE FROM precious; END $$",
    "CALL erase()",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM precious",
    "PREPARE p AS DELETE FROM precious",
    "EXECUTE p",
    "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH ALL FROM c",
    "CLOSE ALL",
    "LISTEN x",
    "NOTIFY x, 'y'",
    "UNLISTEN *",
    "LOAD 'plpgsql'",
    "VACUUM precious",
    "ANALYZE precious",
    "CHECKPOINT",
    "CLUSTER precious",
    "REINDEX TABLE precious",
    "REFRESH MATERIALIZED VIEW v",
    "ALTER SYSTEM SET fsync = off",
    "SECURITY LABEL ON TABLE precious IS 'x'",
    // Functions with effects, or that reach outside.
    "SELECT pg_sleep(60)",
    "SELECT pg_sleep_for('1 minute')",
    "SELECT pg_sleep_until(now() + interval '1 minute')",
    "SELECT pg_catalog.pg_sleep(60)",
    "SELECT \"pg_sleep\"(60)",
    "SELECT \"pg_catalog\".\"pg_sleep\"(60)",
    "SELECT PG_SLEEP(60)",
    "SELECT U&\"pg\\005fsleep\"(60)",
    "SELECT pg_sleep /* comment */ (60)",
    "SELECT pg_sleep -- comment\n (60)",
    "SELECT * FROM pg_sleep(60)",
    "SELECT * FROM ROWS FROM (pg_sleep(60), generate_series(1, 2))",
    "SELECT * FROM precious, LATERAL pg_sleep(id)",
    "SELECT 1 WHERE pg_sleep(60) IS NULL",
    "SELECT 1 ORDER BY pg_sleep(60)",
    "SELECT 1 GROUP BY pg_sleep(60)",
    "SELECT 1 HAVING pg_sleep(60) IS NULL",
    "SELECT 1 LIMIT (SELECT 1 FROM pg_sleep(60))",
    "SELECT 1 OFFSET (SELECT 1 FROM pg_sleep(60))",
    "SELECT count(*) FILTER (WHERE pg_sleep(60) IS NULL) FROM precious",
    "SELECT sum(id) OVER (PARTITION BY pg_sleep(60)) FROM precious",
    "SELECT sum(id) OVER w FROM precious WINDOW w AS (ORDER BY pg_sleep(60))",
    "SELECT CASE WHEN pg_sleep(60) IS NULL THEN 1 END",
    "SELECT coalesce(pg_sleep(60)::text, 'x')",
    "SELECT ARRAY[pg_sleep(60)]",
    "SELECT ARRAY(SELECT pg_sleep(60))",
    "SELECT ROW(pg_sleep(60))",
    "SELECT (ARRAY[1])[(SELECT 1 FROM pg_sleep(60))]",
    "SELECT DISTINCT ON (pg_sleep(60)) 1",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (SELECT 1.0 FROM pg_sleep(60)))",
    "SELECT * FROM precious JOIN airlines ON pg_sleep(60) IS NULL",
    "SELECT * FROM precious TABLESAMPLE SYSTEM ((SELECT 1 FROM pg_sleep(60)))",
    "VALUES (pg_sleep(60))",
    "SELECT GREATEST(1, (SELECT 1 FROM pg_sleep(60)))",
    "SELECT 1 IN (SELECT 1 FROM pg_sleep(60))",
    "SELECT 1 = ANY (SELECT 1 FROM pg_sleep(60))",
    "SELECT string_agg('a', 'b' ORDER BY pg_sleep(60))",
    "SELECT generate_series(1, (SELECT 1 FROM pg_sleep(60)))",
    "SELECT (60::float8).pg_sleep",
    "SELECT (SELECT 60::float8).pg_sleep",
    "SELECT (p).erase_row FROM precious p",
    "SELECT erase_row(p) FROM precious p",
    "SELECT erase()",
    "SELECT public.erase()",
    "SELECT public.lower('x')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_create(0)",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/stolen')",
    "SELECT lo_unlink(1)",
    "SELECT lo_get(1)",
    "SELECT loread(1, 1)",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT pg_file_write('/tmp/stolen', 'x', false)",
    "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_promote()",
    "SELECT pg_notify('x', 'y')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock(1)",
    "SELECT pg_export_snapshot()",
    "SELECT pg_logical_emit_message(true, 'a', 'b')",
    "SELECT pg_create_physical_replication_slot('x')",
    "SELECT pg_stat_reset()",
    "SELECT nextval('counter')",
    "SELECT setval('counter', 1)",
    "SELECT currval('counter')",
    "SELECT lastval()",
    "SELECT txid_current()",
    "SELECT pg_current_xact_id()",
    "SELECT query_to_xml('DELETE FROM precious', true, true, '')",
    "SELECT table_to_xml('secrets', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT cursor_to_xml('c', 1, true, true, '')",
    "SELECT ts_stat('DELETE FROM precious')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT 1')",
    "SELECT dblink('host=localhost', 'DELETE FROM precious')",
    "SELECT * FROM dblink('host=localhost', 'SELECT 1') AS t(a int)",
    "SELECT dblink_exec('DELETE FROM precious')",
    "SELECT crosstab('SELECT 1')",
    "SELECT connectby('a', 'b', 'c', 'd', 1)",
    "SELECT xpath('/a', '<a/>')",
    "SELECT xmlparse(document '<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>')",
    "SELECT has_table_privilege('secrets', 'SELECT')",
    "SELECT to_regclass('secrets')",
    "SELECT pg_get_viewdef('on_time')",
    "SELECT version()",
    "SELECT current_user",
    "SELECT session_user",
    "SELECT current_catalog",
    "SELECT current_schema()",
    "SELECT inet_server_addr()",
    "SELECT pg_backend_pid()",
    "SELECT pg_postmaster_start_time()",
    "SELECT row_security_active('precious')",
    // Types and operators.
    "SELECT 'secrets'::regclass",
    "SELECT 'erase'::regproc",
    "SELECT 'pg_authid'::pg_catalog.regclass",
    "SELECT CAST('secrets' AS regclass)",
    "SELECT regclass 'secrets'",
    "SELECT '{secrets}'::regclass[]",
    "SELECT '{secrets}'::_regclass",
    "SELECT 'postgres'::regrole::oid",
    "SELECT '<a/>'::xml",
    "SELECT 'c'::refcursor",
    "SELECT '1'::xid",
    "SELECT '(0,1)'::tid",
    "SELECT '0/0'::pg_lsn",
    "SELECT 1 OPERATOR(public.###) 2",
    "SELECT 1 ### 2",
    "SELECT * FROM precious ORDER BY id USING OPERATOR(public.###)",
    "SELECT 1 WHERE 1 OPERATOR(public.###) ANY (SELECT 1)",
    // Catalogs and other databases.
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_catalog.pg_authid",
    "SELECT * FROM \"pg_shadow\"",
    "SELECT * FROM pg_class",
    "SELECT * FROM pg_stat_activity",
    "SELECT * FROM pg_settings",
    "SELECT * FROM pg_largeobject",
    "SELECT * FROM pg_toast.pg_toast_1262",
    "SELECT * FROM pg_temp.t",
    "SELECT * FROM information_schema.user_mapping_options",
    "SELECT * FROM information_schema.role_table_grants",
    "SELECT * FROM other.public.precious",
    "TABLE pg_authid",
    "SELECT * FROM precious WHERE EXISTS (SELECT FROM pg_authid)",
    "WITH a AS (SELECT * FROM pg_authid) SELECT 1",
    "SELECT pg_class.oid FROM precious AS pg_class",
    // Forms that are not needed.
    "SELECT $1",
    "SELECT JSON_OBJECT('a': 1)",
    "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a int PATH '$'))",
    "SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b int)",
    "SELECT xmlelement(name a)",
    "SELECT '1'::precious.id%TYPE",
    "SELECT p.pg_relation_size FROM precious p",
    // What is no statement.
    "",
    "   ",
    "-- nothing",
    ";",
    "\u{0}SELECT 1",
    "SELECT 'unclosed",
    "SELECT 1) UNION (SELECT 2",
    "SELECT ARRAY[1]) AS q; DELETE FROM precious --",
];

/// What attacks try to change, in one text.
pub(crate) const STATE: &str = "SELECT (SELECT count(*) || md5(string_agg(p::text, ',' ORDER BY id)) FROM precious p)
    || (SELECT last_value || is_called::text FROM counter)
    || (SELECT string_agg(relname || relkind::text, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    || (SELECT count(*) FROM pg_largeobject_metadata) || (SELECT count(*) FROM pg_roles)
    || (SELECT count(*) FROM pg_replication_slots) || (SELECT count(*) FROM pg_proc)
    || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attack_has_an_effect() {
    let (warehouse, _) = postgres().await;
    let server = server().await;
    let spec = ConnectionSpec::Postgres(server.spec("tidings"));
    let owner = server.owner().await;
    assert!(ATTACKS.len() >= 150, "{}", ATTACKS.len());
    let before: String = owner.query_one(STATE, &[]).await.expect("a state").get(0);
    let started = Instant::now();
    for sql in ATTACKS {
        match query(&warehouse, &spec, sql).await {
            Ok(table) => panic!("{sql} was answered: {:?}", rows(&table)),
            Err(Error::Refused { .. } | Error::Sql { .. }) => {}
            Err(other) => panic!("{sql}: {other:?}"),
        }
    }
    assert!(started.elapsed().as_secs() < 50, "one of them slept");
    let after: String = owner.query_one(STATE, &[]).await.expect("a state").get(0);
    assert_eq!(after, before);
    assert!(!std::path::Path::new("/tmp/stolen").exists());
}

/// What gets past the guard (here a view that calls a function) still runs in a read-only transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transaction_is_a_second_wall() {
    let (warehouse, _) = postgres().await;
    let server = server().await;
    let owner = server.owner().await;
    owner
        .batch_execute(
            "CREATE SCHEMA traps; CREATE VIEW traps.trap AS SELECT public.erase() AS n;
             CREATE VIEW traps.writer AS SELECT pg_catalog.set_config('transaction_read_only', 'off', false) AS a, public.erase() AS b;
             CREATE VIEW traps.sleeper AS SELECT 1 AS n FROM pg_catalog.pg_sleep(60)",
        )
        .await
        .expect("traps");
    let spec = ConnectionSpec::Postgres(server.spec("tidings"));
    let error = query(&warehouse, &spec, "SELECT * FROM traps.trap").await.expect_err("it writes");
    assert_eq!(error.to_string(), "refused: the statement would change data");
    query(&warehouse, &spec, "SELECT * FROM traps.writer").await.expect_err("it writes");
    let limits = warehouse::QueryLimits { timeout: std::time::Duration::from_secs(1), ..Default::default() };
    let cancel = tokio_util::sync::CancellationToken::new();
    let error =
        warehouse.query(&spec, "SELECT * FROM traps.sleeper", limits, &cancel).await.expect_err("it sleeps");
    assert_eq!(error.code(), "timeout");
    let count: i64 = owner.query_one("SELECT count(*) FROM precious", &[]).await.expect("a count").get(0);
    assert_eq!(count, 100);
    owner.batch_execute("DROP SCHEMA traps CASCADE").await.expect("traps are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_name_the_construct() {
    let (warehouse, spec) = postgres().await;
    for (sql, word) in [
        ("DELETE FROM precious", "DELETE"),
        ("UPDATE precious SET name = 'x'", "UPDATE"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("SELECT pg_sleep(60)", "pg_sleep()"),
        ("SELECT lo_from_bytea(0, 'x')", "lo_from_bytea()"),
        ("WITH x AS (DELETE FROM precious RETURNING *) SELECT * FROM x", "DELETE"),
        ("SELECT * INTO t FROM precious", "SELECT INTO"),
        ("SELECT * FROM precious FOR UPDATE", "FOR UPDATE"),
        ("SELECT 'x'::regclass", "regclass"),
        ("SELECT * FROM pg_authid", "pg_authid"),
        ("SET TRANSACTION READ WRITE", "SET"),
    ] {
        let error = query(&warehouse, &spec, sql).await.expect_err("refused");
        assert_eq!(error.code(), "refused", "{sql}: {error:?}");
        assert!(error.to_string().contains(word), "{sql}: {error}");
        assert!(error.hint().is_some());
        assert!(!error.is_retryable());
    }
}

/// Deep and long statements end in an answer or an error, not in a crash of this process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_statements_do_no_harm() {
    let (warehouse, spec) = postgres().await;
    for sql in [
        format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT 1{}", " + 1".repeat(20_000)),
        format!("SELECT {}1", "- ".repeat(40_000)),
        format!("SELECT {}true", "NOT ".repeat(20_000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT ARRAY{}1{}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("SELECT {}1{}", "abs(".repeat(15_000), ")".repeat(15_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(5_000)),
        format!("SELECT * FROM airlines WHERE carrier IN ({}'x')", "'x',".repeat(20_000)),
        format!("SELECT 'x{}'", "x".repeat(200_000)),
    ] {
        let answer = query(&warehouse, &spec, &sql).await;
        assert!(
            !matches!(answer, Err(Error::Unreachable { .. } | Error::Worker { .. })),
            "{}…: {answer:?}",
            &sql[..40]
        );
    }
    query(&warehouse, &spec, "SELECT 1").await.expect("all is well");
}
