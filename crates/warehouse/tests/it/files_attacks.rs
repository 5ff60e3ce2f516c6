//! Statements that try to write, to read what is not theirs, or to stall: none has an effect.

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use domain::table::Table;
use warehouse::Error;

use crate::support::{Place, rows};

/// `{outside}` is a file that the connection may not read, `{inside}` one that is its own, `{new}` a name that is free.
pub(crate) const ATTACKS: &[&str] = &[
    // Changing data.
    "DELETE FROM orders",
    "UPDATE orders SET total = 0",
    "INSERT INTO orders VALUES (3, 1)",
    "DROP VIEW orders",
    "DROP TABLE orders",
    "TRUNCATE orders",
    "CREATE TABLE copy AS SELECT * FROM orders",
    "CREATE OR REPLACE VIEW orders AS SELECT 1",
    "CREATE TEMP TABLE t (a INT)",
    "CREATE SEQUENCE s",
    "CREATE MACRO m(a) AS a",
    "CREATE TYPE t AS ENUM ('a')",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE SCHEMA s",
    "CREATE INDEX i ON orders (id)",
    "ALTER TABLE orders ADD COLUMN x INT",
    "ALTER VIEW orders RENAME TO other",
    "COMMENT ON VIEW orders IS 'x'",
    "MERGE INTO orders USING orders o ON true WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
    "WITH x AS (INSERT INTO orders VALUES (1, 1) RETURNING *) SELECT * FROM x",
    // Several statements.
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1;; DROP VIEW orders",
    "SELECT 1 /* ; */; COPY orders TO '{new}'",
    "; SELECT * FROM read_text('{outside}')",
    "BEGIN; SELECT 1",
    "COMMIT",
    "ROLLBACK",
    // Settings and the engine itself.
    "SET enable_external_access = true",
    "SET GLOBAL lock_configuration = false",
    "RESET lock_configuration",
    "SET memory_limit = '100GB'",
    "SET VARIABLE x = 1",
    "PRAGMA enable_external_access",
    "PRAGMA database_list",
    "PRAGMA version",
    "CALL pragma_version()",
    "CALL duckdb_settings()",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL sqlite",
    "UPDATE EXTENSIONS",
    "ATTACH '{inside}' AS other",
    "ATTACH '{new}.db' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH memory",
    "USE memory.main",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM orders",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "EXPORT DATABASE '{new}'",
    "IMPORT DATABASE '{new}'",
    "COPY orders TO '{new}'",
    "COPY (SELECT 1) TO '{new}' (FORMAT csv)",
    "COPY orders FROM '{outside}'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "COPY FROM DATABASE memory TO other",
    // Reading files.
    "SELECT * FROM read_text('{outside}')",
    "SELECT * FROM read_blob('{outside}')",
    "SELECT * FROM read_csv('{outside}')",
    "SELECT * FROM read_csv_auto('{outside}')",
    "SELECT * FROM read_json('{outside}')",
    "SELECT * FROM read_ndjson('{outside}')",
    "SELECT * FROM read_json_objects('{outside}')",
    "SELECT * FROM read_parquet('{outside}')",
    "SELECT * FROM parquet_scan('{outside}')",
    "SELECT * FROM parquet_metadata('{outside}')",
    "SELECT * FROM parquet_schema('{outside}')",
    "SELECT * FROM read_duckdb('{outside}')",
    "SELECT * FROM sniff_csv('{outside}')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM glob('{outside}')",
    "SELECT * FROM '{outside}'",
    "SELECT * FROM \"{outside}\"",
    "FROM '{outside}'",
    "TABLE '{outside}'",
    "DESCRIBE '{outside}'",
    "SUMMARIZE '{outside}'",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'https://example.com/x.csv'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
    "SELECT * FROM read_csv('{inside}')",
    "SELECT * FROM main.read_text('{outside}')",
    "SELECT * FROM \"read_text\"('{outside}')",
    "SELECT * FROM READ_TEXT('{outside}')",
    "SELECT * FROM system.main.read_text('{outside}')",
    "SELECT * FROM orders, read_text('{outside}')",
    "SELECT * FROM orders WHERE id IN (SELECT size FROM read_text('{outside}'))",
    "SELECT (SELECT content FROM read_text('{outside}'))",
    "SELECT EXISTS (FROM read_text('{outside}'))",
    "SELECT [x FOR x IN (SELECT content FROM read_text('{outside}'))]",
    "WITH a AS (SELECT * FROM read_text('{outside}')) SELECT * FROM a",
    "WITH RECURSIVE a AS (SELECT 1 AS i UNION ALL SELECT size FROM read_text('{outside}'), a) SELECT * FROM a",
    "SELECT * FROM orders UNION ALL SELECT size, 1 FROM read_text('{outside}')",
    "SELECT * FROM orders ORDER BY (SELECT content FROM read_text('{outside}'))",
    "SELECT * FROM orders LIMIT (SELECT size FROM read_text('{outside}'))",
    "SELECT count(*) FILTER (WHERE (SELECT true FROM read_text('{outside}'))) FROM orders",
    "SELECT sum(total) OVER (ORDER BY (SELECT size FROM read_text('{outside}'))) FROM orders",
    "SELECT CASE WHEN true THEN (SELECT content FROM read_text('{outside}')) END",
    "SELECT list_transform([1], x -> (SELECT size FROM read_text('{outside}')))",
    "FROM (PIVOT orders ON total USING sum(id)) JOIN read_text('{outside}') ON true",
    "SELECT * FROM (SELECT * FROM read_text('{outside}')) AS \"{outside}\"",
    "WITH \"{outside}\" AS (SELECT 1) SELECT * FROM \"{outside}\"",
    "SELECT * FROM (WITH \"{outside}\" AS (SELECT 1) SELECT 1), '{outside}'",
    "SELECT * FROM query('SELECT * FROM read_text(''{outside}'')')",
    "SELECT * FROM query_table('{outside}')",
    "SELECT * FROM query_table(['orders', '{outside}'])",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "PRAGMA json_execute_serialized_sql('{}')",
    "SELECT * FROM seq_scan('orders')",
    "SELECT * FROM parquet_bloom_probe('{outside}', 'a', 1)",
    // What the engine knows of its surroundings.
    "SELECT getenv('PATH')",
    "SELECT current_setting('allowed_paths')",
    "SELECT getvariable('x')",
    "SELECT version()",
    "SELECT current_database()",
    "SELECT current_query()",
    "SELECT json_serialize_sql('SELECT 1')",
    "SELECT nextval('s')",
    "SELECT txid_current()",
    "SELECT write_log('x')",
    "SELECT error('x')",
    "SELECT sleep_ms(60000)",
    "SELECT pg_sleep(60)",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_functions()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM duckdb_external_file_cache()",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "SELECT * FROM pragma_table_info('orders')",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM pragma_storage_info('orders')",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM pg_class",
    "SELECT * FROM information_schema.views",
    "SELECT * FROM information_schema.\"VIEWS\"",
    "SELECT * FROM system.information_schema.tables",
    "SELECT * FROM temp.information_schema.tables",
    "SELECT * FROM duckdb_views",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM test_all_types()",
    "SHOW DATABASES",
    "SHOW ALL TABLES",
    "SHOW VARIABLES",
    "SHOW memory_limit",
    "SELECT * FROM (SHOW DATABASES)",
    "SELECT * FROM (DESCRIBE SELECT * FROM read_text('{outside}'))",
    "SELECT * FROM (SUMMARIZE SELECT * FROM read_text('{outside}'))",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM checkpoint()",
    "CALL force_checkpoint()",
    // Parameters, other schemas, other catalogs.
    "SELECT ?",
    "SELECT $1",
    "SELECT $name",
    "SELECT * FROM other.orders",
    "SELECT * FROM system.main.orders",
    "SELECT * FROM temp.orders",
    "SELECT * FROM nothing",
    "SELECT * FROM orders AT (VERSION => 1)",
    "SELECT other.lower('x')",
    // What is no statement.
    "",
    "   ",
    "-- nothing",
    ";",
    "\u{0}SELECT 1",
    "SELECT 'unclosed",
    "SELECT 1) UNION (SELECT 2",
    "SELECT 1 FROM orders) AS q; DELETE FROM orders --",
];

pub(crate) fn state(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let metadata = entry.metadata().expect("its state");
        if metadata.is_dir() {
            files.extend(state(&entry.path()));
        } else {
            let path = entry.path().to_string_lossy().into_owned();
            files.insert(path, (metadata.len(), metadata.modified().expect("its age")));
        }
    }
    files
}

pub(crate) fn place() -> Place {
    let place = Place::new();
    place.write("allowed/orders.csv", "id,total\n1,10\n2,20\n");
    place.write("outside/secret.csv", "word\nxyzzy\n");
    place
}

/// An attack with the paths of a place.
pub(crate) fn placed(place: &Place, attack: &str) -> String {
    let at = |path: &str| place.root().join(path).to_string_lossy().into_owned();
    attack
        .replace("{outside}", &at("outside/secret.csv"))
        .replace("{inside}", &at("allowed/orders.csv"))
        .replace("{new}", &at("outside/new"))
}

fn holds_secret(table: &Table) -> bool {
    rows(table).iter().flatten().any(|cell| cell.contains("xyzzy") || cell.contains("root:"))
}

#[tokio::test]
async fn no_attack_has_an_effect() {
    let place = place();
    place.warehouse.catalog(&place.files()).await.expect("copies are made");
    let before = state(&place.root());
    assert!(ATTACKS.len() >= 150, "{}", ATTACKS.len());
    for attack in ATTACKS {
        let sql = placed(&place, attack);
        match place.query(&sql).await {
            Ok(table) => panic!("{sql} was answered: {:?} (secret: {})", rows(&table), holds_secret(&table)),
            Err(Error::Refused { .. } | Error::Sql { .. }) => {}
            Err(other) => panic!("{sql}: {other:?}"),
        }
    }
    let unused: Vec<_> = state(&place.root()).into_keys().filter(|path| !before.contains_key(path)).collect();
    assert_eq!(unused, Vec::<String>::new(), "a file appeared");
    let originals = |files: BTreeMap<String, (u64, SystemTime)>| -> Vec<_> {
        files.into_iter().filter(|(path, _)| !path.contains("files-cache")).collect()
    };
    assert_eq!(originals(state(&place.root())), originals(before), "a file changed");
    assert_eq!(rows(&place.query("SELECT sum(total) AS t FROM orders").await.expect("rows")), [["30"]]);
}

#[tokio::test]
async fn refusals_name_the_construct() {
    let place = place();
    for (sql, word) in [
        ("DELETE FROM orders", "DELETE"),
        ("UPDATE orders SET total = 0", "UPDATE"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("SELECT pg_sleep(60)", "pg_sleep()"),
        ("SELECT * FROM read_text('/etc/passwd')", "read_text()"),
        ("SELECT * FROM '/etc/passwd'", "/etc/passwd"),
        ("ATTACH 'x'", "ATTACH"),
        ("SELECT ?", "parameter"),
    ] {
        let error = place.query(sql).await.expect_err("refused");
        assert_eq!(error.code(), "refused", "{sql}: {error:?}");
        assert!(error.to_string().contains(word), "{sql}: {error}");
        assert!(error.hint().is_some());
        assert!(!error.is_retryable());
    }
}

/// Deep and long statements end in an answer or an error, not in a crash of this process.
#[tokio::test]
async fn deep_statements_do_no_harm() {
    let place = place();
    for sql in [
        format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT 1{}", " + 1".repeat(20_000)),
        format!("SELECT {}1", "- ".repeat(40_000)),
        format!("SELECT {}true", "NOT ".repeat(20_000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT {}1{}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("SELECT * FROM orders WHERE id IN ({}1)", "1,".repeat(40_000)),
        format!("SELECT 'x{}'", "x".repeat(200_000)),
    ] {
        let answer = place.query(&sql).await;
        assert!(
            !matches!(answer, Err(Error::Unreachable { .. } | Error::Cancelled)),
            "{}…: {answer:?}",
            &sql[..40]
        );
    }
    place.query("SELECT 1").await.expect("all is well");
}
