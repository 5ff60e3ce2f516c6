//! PostgreSQL: types, catalog, limits, connections.

use std::time::{Duration, Instant};

use domain::{
    freshness::FreshnessCheck,
    table::{Cell, ColumnType, Truncation},
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use warehouse::{ConnectionSpec, Error, ForbiddenDatabase, PostgresSpec, QueryLimits, TlsMode, Warehouse};

use crate::support::{options, postgres, query, row, rows, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn united_had_the_most_flights() {
    let (warehouse, spec) = postgres().await;
    let table = query(
        &warehouse,
        &spec,
        "SELECT a.name, count(*) AS flights FROM flights f JOIN airlines a USING (carrier)
         GROUP BY 1 ORDER BY 2 DESC LIMIT 5; -- the five largest",
    )
    .await
    .expect("an answer");
    assert_eq!(row(&table.rows[0]), ["United Air Lines Inc.", "58665"]);
    assert_eq!(table.columns[1].kind, ColumnType::Integer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_holds_what_the_role_may_read() {
    let (warehouse, spec) = postgres().await;
    let catalog = warehouse.catalog(&spec).await.expect("a catalog");
    let names: Vec<&str> = catalog.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(
        names,
        [
            "\"Odd Schema\".\"Order\"",
            "airlines",
            "airports",
            "flights",
            "on_time",
            "planes",
            "precious",
            "weather"
        ]
    );
    let flights = catalog.table("flights").expect("flights");
    assert_eq!(flights.comment.as_deref(), Some("All flights that left New York City in 2013"));
    assert_eq!(flights.row_estimate, Some(336_776));
    let carrier = flights.column("carrier").expect("carrier");
    let far = carrier.references.as_ref().expect("a reference");
    assert_eq!((far.table.as_str(), far.column.as_str()), ("airlines", "carrier"));
    let delay = flights.column("dep_delay").expect("dep_delay");
    assert_eq!((delay.kind, delay.native_type.as_str()), (ColumnType::Integer, "integer"));
    assert_eq!(delay.comment.as_deref(), Some("Minutes late at departure; negative is early"));
    assert_eq!(flights.column("time_hour").expect("time_hour").kind, ColumnType::TimestampTz);
    let key = catalog.table("airlines").expect("airlines").column("carrier").expect("carrier");
    assert!(key.primary_key && !key.nullable);
    let odd = catalog.table("Odd Schema.Order").expect("found without quotes");
    assert_eq!(odd.columns[1].name, "Quoted \"Name\"");
    assert_eq!(odd.columns[2].native_type, "\"Odd Schema\".mood".replace("\"Odd Schema\".", ""));
    warehouse.describe(&spec, "Odd Schema.Order").await.expect("a description of odd names");
    warehouse.describe(&spec, "on_time").await.expect("a description of a view");
    warehouse.describe(&spec, "public.Airlines").await.expect("a description by schema and in another case");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_description_has_samples_counts_and_ends() {
    let (warehouse, spec) = postgres().await;
    let description = warehouse.describe(&spec, "flights").await.expect("a description");
    let column = |name: &str| {
        description.columns.iter().find(|each| each.column.name == name).expect("a column").clone()
    };
    let carrier = column("carrier");
    assert_eq!(carrier.samples[0], Cell::Text("UA".to_owned()));
    assert_eq!(carrier.samples.len(), 12);
    assert!(matches!(carrier.distinct_estimate, Some(15 | 16)), "{:?}", carrier.distinct_estimate);
    let distance = column("distance");
    assert_eq!((distance.min, distance.max), (Some(Cell::Int(17)), Some(Cell::Int(4983))));
    let tailnum = column("tailnum").distinct_estimate.expect("an estimate");
    assert!((3000..6000).contains(&tailnum), "{tailnum} of 4043");
    let airlines = warehouse.describe(&spec, "airlines").await.expect("a description");
    assert_eq!(airlines.columns[0].distinct_estimate, Some(16));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_becomes_cells() {
    let (warehouse, spec) = postgres().await;
    let table = query(
        &warehouse,
        &spec,
        "SELECT true AS a, 1::int2 AS b, 9223372036854775807 AS c, 12345678901234567890.0012300::numeric AS d,
                -0.00012::numeric AS e, 'NaN'::numeric AS f, 1e-10::numeric AS g, 10000::numeric AS h, 0.1::real AS i,
                'infinity'::float8 AS j, 'é'::varchar(3) AS k, 'x'::char(3) AS l, DATE '2024-02-29' AS m,
                DATE 'infinity' AS n, TIMESTAMP '1999-12-31 23:59:59.5' AS o, TIMESTAMPTZ '2024-02-29 12:00:00+02' AS p,
                TIME '01:02:03.04' AS q, INTERVAL '1 day 2 hours' AS r, '5b6a4ce6-1b1c-4c0c-8e4a-0123456789ab'::uuid AS s,
                '{\"a\": 1}'::json AS t, '{\"a\": 1}'::jsonb AS u, ARRAY[1, 2] AS v, ROW(1, 'x') AS w,
                '\\xaabb'::bytea AS x, 'happy'::mood AS y, 3::positive AS z, int4range(1, 5) AS ab, '10.0.0.1'::inet AS ac,
                12.5::money AS ad, NULL AS ae, (1, 'z')::pair AS af, '(1,2)'::point AS ag, B'101' AS ah,
                1.10::numeric(5,2) AS ai, sum(n) AS aj, avg(n) AS ak, '12:00+02'::timetz AS al, NULL::numeric AS am,
                ARRAY['sad']::mood[] AS an, DATE '0044-03-15 BC' AS ao
         FROM generate_series(1, 3) n",
    )
    .await
    .expect("an answer");
    assert_eq!(
        row(&table.rows[0]),
        [
            "true",
            "1",
            "9223372036854775807",
            "12345678901234567890.0012300",
            "-0.00012",
            "NULL",
            "0.0000000001",
            "10000",
            "0.1",
            "NULL",
            "é",
            "x  ",
            "2024-02-29",
            "NULL",
            "1999-12-31T23:59:59.5",
            "2024-02-29T10:00:00Z",
            "01:02:03.04",
            "1 day 02:00:00",
            "5b6a4ce6-1b1c-4c0c-8e4a-0123456789ab",
            "{\"a\": 1}",
            "{\"a\": 1}",
            "[1,2]",
            "{\"f1\":1,\"f2\":\"x\"}",
            "\\xaabb",
            "happy",
            "3",
            "[1,5)",
            "10.0.0.1/32",
            "12.50",
            "NULL",
            "{\"first\":1,\"second\":\"z\"}",
            "(1,2)",
            "101",
            "1.10",
            "6",
            "2.0000000000000000",
            "12:00:00+02",
            "NULL",
            "[\"sad\"]",
            "-0043-03-15"
        ]
    );
    let kind = |name: &str| table.columns[table.column_index(name).expect("a column")].kind;
    assert_eq!(
        [kind("d"), kind("aj"), kind("i"), kind("v"), kind("y")],
        [ColumnType::Decimal, ColumnType::Integer, ColumnType::Float, ColumnType::Json, ColumnType::Text]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_analysts_write_pass() {
    let (warehouse, spec) = postgres().await;
    for sql in [
        "SELECT month, count(*) FILTER (WHERE dep_delay > 60) AS late FROM flights GROUP BY month ORDER BY month",
        "WITH daily AS (SELECT month, day, count(*) AS n FROM flights GROUP BY 1, 2) SELECT *, avg(n) OVER (ORDER BY month, day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS week FROM daily",
        "SELECT date_trunc('month', time_hour) AS month, round(avg(arr_delay), 1) AS delay FROM flights GROUP BY 1 ORDER BY 1",
        "SELECT to_char(time_hour AT TIME ZONE 'America/New_York', 'YYYY-MM') AS month, count(*) FROM flights GROUP BY 1",
        "SELECT carrier, percentile_cont(0.9) WITHIN GROUP (ORDER BY dep_delay) AS p90 FROM flights GROUP BY carrier HAVING count(*) > 1000 ORDER BY 2 DESC",
        "SELECT * FROM (SELECT origin, dest, row_number() OVER (PARTITION BY origin ORDER BY count(*) DESC) AS place FROM flights GROUP BY origin, dest) ranked WHERE place <= 3",
        "SELECT DISTINCT ON (origin) origin, dest, distance FROM flights ORDER BY origin, distance DESC NULLS LAST",
        "SELECT origin FROM flights UNION SELECT faa FROM airports EXCEPT SELECT 'JFK'",
        "SELECT a.name, l.n FROM airlines a CROSS JOIN LATERAL (SELECT count(*) AS n FROM flights f WHERE f.carrier = a.carrier) l ORDER BY l.n DESC LIMIT 3",
        "SELECT extract(dow FROM time_hour)::int AS weekday, count(*) FROM flights GROUP BY 1 ORDER BY 1",
        "SELECT CASE WHEN dep_delay > 0 THEN 'late' ELSE 'on time' END AS state, count(*) * 100.0 / sum(count(*)) OVER () AS share FROM flights GROUP BY 1",
        "SELECT carrier, corr(dep_delay, arr_delay), stddev_samp(dep_delay), regr_slope(arr_delay, dep_delay) FROM flights GROUP BY carrier",
        "SELECT string_agg(DISTINCT carrier, ', ' ORDER BY carrier) FROM flights WHERE origin = 'EWR'",
        "SELECT faa, name FROM airports WHERE name ILIKE '%county%' AND lat BETWEEN 30 AND 40 AND tzone IN ('America/New_York', 'America/Chicago')",
        "SELECT time_hour::date AS day, count(*) FROM flights WHERE time_hour >= timestamp '2013-12-24' - interval '3 days' GROUP BY 1",
        "SELECT d::date AS day, count(f.carrier) AS n FROM generate_series(date '2013-01-01', date '2013-01-03', interval '1 day') AS s(d) LEFT JOIN flights f ON f.year = 2013 AND f.month = extract(month FROM d) AND f.day = extract(day FROM d) GROUP BY 1",
        "SELECT origin, carrier, count(*), grouping(origin) FROM flights GROUP BY GROUPING SETS ((origin), (carrier), ())",
        "SELECT origin, carrier, count(*) FROM flights GROUP BY ROLLUP (origin, carrier)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n",
        "SELECT coalesce(nullif(p.manufacturer, ''), 'unknown') AS maker, count(*) FROM flights f LEFT JOIN planes p USING (tailnum) GROUP BY 1 ORDER BY 2 DESC",
        "SELECT lag(n) OVER w AS before, n, n - lag(n) OVER w AS change FROM (SELECT month, count(*) n FROM flights GROUP BY month) m WINDOW w AS (ORDER BY month)",
        "SELECT json_build_object('a', 1)->>'a' AS a, '{\"b\": [1]}'::jsonb @> '{\"b\": []}' AS c, key FROM jsonb_each_text('{\"k\": 1}')",
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_name = 'flights'",
        "SELECT EXISTS (SELECT 1 FROM flights WHERE carrier = 'XX') AS any, (SELECT max(distance) FROM flights) AS far",
        "VALUES (1, 'a'), (2, 'b')",
        "TABLE airlines",
        "SELECT count(*) FROM flights TABLESAMPLE SYSTEM (10)",
        "/* a comment */ SELECT 1 AS one -- and another",
        "SELECT current_date AS today, now() AS now, age(date '2013-03-01', date '2013-01-01')",
        "SELECT pg_catalog.lower('A') AS a, upper('b') || trim('  c ') AS d, substring('abc' from 2 for 1), position('b' in 'abc'), overlay('abc' placing 'x' from 2)",
        "SELECT unnest(array_agg(DISTINCT origin)) AS origin, (array_agg(dest))[1] FROM flights",
        "SELECT feeling, \"select\", \"Quoted \"\"Name\"\"\" FROM \"Odd Schema\".\"Order\" WHERE feeling = 'happy'::mood",
        "SELECT f.* FROM flights f JOIN airports a ON a.faa = f.dest WHERE dep_delay IS NOT NULL AND NOT (arr_delay IS NULL) ORDER BY f.month DESC, 2 LIMIT 5 OFFSET 1",
        "SELECT carrier, mode() WITHIN GROUP (ORDER BY dest), bool_or(dep_delay > 500), count(DISTINCT tailnum) FROM flights GROUP BY carrier FETCH FIRST 3 ROWS ONLY",
        "SELECT greatest(1, 2), least(1, 2), width_bucket(5, 0, 10, 5), 7 % 3, 2 ^ 3, |/ 16.0, abs(-1), div(7, 2)",
        "SELECT 'a' SIMILAR TO 'a|b', 'abc' ~ '^a', regexp_replace('abc', 'b', 'x'), split_part('a,b', ',', 2), 1 IS DISTINCT FROM 2",
    ] {
        let answer = query(&warehouse, &spec, sql).await;
        assert!(answer.is_ok(), "{sql}: {answer:?}");
        assert!(!answer.expect("an answer").rows.is_empty(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_and_bytes_are_cut_at_their_limits() {
    let (warehouse, spec) = postgres().await;
    let none = CancellationToken::new();
    let limits = QueryLimits { rows: 1000, ..QueryLimits::default() };
    let output = warehouse.query(&spec, "SELECT * FROM flights", limits, &none).await.expect("rows");
    assert_eq!((output.table.rows.len(), output.table.truncated), (1000, Some(Truncation::Rows)));
    let output =
        warehouse.query(&spec, "SELECT * FROM airlines", QueryLimits { rows: 16, ..limits }, &none).await;
    assert_eq!(output.expect("rows").table.truncated, None, "exactly as many rows as allowed are whole");
    let limits = QueryLimits { rows: 1_000_000, bytes: 1 << 20, ..limits };
    let output = warehouse.query(&spec, "SELECT * FROM flights", limits, &none).await.expect("rows");
    assert_eq!(output.table.truncated, Some(Truncation::Bytes));
    let bytes = serde_json::to_vec(&output.table.rows).expect("JSON").len();
    assert!((900_000..1_100_000).contains(&bytes), "{bytes}");
    for giant in ["SELECT repeat('x', 2000000)", "SELECT repeat('x', 500000000)"] {
        let error = warehouse.query(&spec, giant, limits, &none).await.expect_err("one giant");
        assert_eq!(error.code(), "too_large", "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_is_stopped_on_the_server_too() {
    const SLOW: &str = "SELECT count(*) FROM flights a, flights b WHERE a.distance < b.distance + 1";
    let (warehouse, spec) = postgres().await;
    let started = Instant::now();
    let limits = QueryLimits { timeout: Duration::from_secs(2), ..QueryLimits::default() };
    let error = warehouse.query(&spec, SLOW, limits, &CancellationToken::new()).await.expect_err("too slow");
    assert_eq!(error, Error::Timeout { limit: Duration::from_secs(2) });
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
    let cancel = CancellationToken::new();
    let asking = warehouse.query(&spec, SLOW, QueryLimits::default(), &cancel);
    let owner = server().await.owner().await;
    let at_work = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND state = 'active' AND query LIKE 'SELECT count(*) FROM flights a, flights b%'";
    let (answer, ()) = tokio::join!(asking, async {
        while owner.query_one(at_work, &[]).await.expect("activity").get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    });
    assert_eq!(answer.expect_err("cancelled"), Error::Cancelled);
    let started = Instant::now();
    while owner.query_one(at_work, &[]).await.expect("activity").get::<_, i64>(0) > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "the server goes on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_server_are_told_to_the_asker() {
    let (warehouse, spec) = postgres().await;
    let error = query(&warehouse, &spec, "SELECT carier FROM flights").await.expect_err("a wrong column");
    assert!(matches!(&error, Error::Sql { position: Some(8), .. }), "{error:?}");
    assert!(error.hint().expect("a hint").contains("carrier"), "{error:?}");
    let error = query(&warehouse, &spec, "SELEC 1").await.expect_err("a syntax error");
    assert!(error.to_string().contains("syntax error"), "{error}");
    let error = query(&warehouse, &spec, "SELECT * FROM secrets").await.expect_err("not granted");
    assert!(error.to_string().contains("permission denied"), "{error}");
    let error = query(&warehouse, &spec, "SELECT name::int FROM airlines").await.expect_err("a failing cast");
    assert_eq!(error.code(), "sql_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_says_what_was_found() {
    let (warehouse, spec) = postgres().await;
    let report = warehouse.test(&spec).await.expect("a report");
    assert_eq!(report.tables, 8);
    assert!(report.message.starts_with("PostgreSQL 1"), "{}", report.message);
    assert!(!report.message.contains("may also write"), "{}", report.message);
    let owner = ConnectionSpec::Postgres(server().await.spec("tidings"));
    let report = warehouse.test(&owner).await.expect("a report");
    assert!(report.message.contains("may also write"), "{}", report.message);
}

fn changed(spec: &PostgresSpec, change: impl FnOnce(&mut PostgresSpec)) -> ConnectionSpec {
    let mut spec = spec.clone();
    change(&mut spec);
    ConnectionSpec::Postgres(spec)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_details_say_which() {
    let server = server().await;
    let (warehouse, _) = postgres().await;
    let good = server.spec("reader");
    let ask = async |spec: ConnectionSpec| query(&warehouse, &spec, "SELECT 1").await.expect_err("it fails");
    let error = ask(changed(&good, |spec| spec.username = "nobody_here".to_owned())).await;
    assert_eq!(error.code(), "authentication_failed", "{error:?}");
    let error = ask(changed(&good, |spec| spec.database = "nowhere".to_owned())).await;
    assert!(error.to_string().starts_with("connectionDetails.postgres.database"), "{error}");
    let error = ask(changed(&good, |spec| spec.port = 1)).await;
    assert!(error.code() == "unreachable" && error.is_retryable(), "{error:?}");
    let error = ask(changed(&good, |spec| spec.hostname = "nowhere.invalid".to_owned())).await;
    assert_eq!(error.code(), "unreachable", "{error:?}");
    let error = ask(changed(&good, |spec| spec.tls = TlsMode::Require)).await;
    assert_eq!(error.code(), "unreachable", "this server has no TLS: {error:?}");
    let error = ask(changed(&good, |spec| spec.hostname = "/var/run/postgresql".to_owned())).await;
    assert!(error.to_string().starts_with("connectionDetails.postgres.hostname"), "{error}");
    let error = ask(changed(&good, |spec| {
        spec.username = "nobody_here".to_owned();
        spec.password = SecretString::from("canary-1".to_owned());
    }))
    .await;
    assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_cluster_is_refused_by_address_and_by_identity() {
    let server = server().await;
    let identifier: String = server
        .owner()
        .await
        .query_one("SELECT system_identifier::text FROM pg_control_system()", &[])
        .await
        .expect("an identity")
        .get(0);
    let by_name =
        ForbiddenDatabase { hostname: "localhost".to_owned(), port: server.port, system_identifier: None };
    let by_identity = ForbiddenDatabase {
        hostname: "elsewhere.invalid".to_owned(),
        port: 1,
        system_identifier: Some(identifier),
    };
    for own in [by_name, by_identity] {
        let mut options = options(&std::env::temp_dir());
        options.forbidden_databases = vec![own];
        let warehouse = Warehouse::new(options);
        let spec = ConnectionSpec::Postgres(server.spec("reader"));
        for error in [
            query(&warehouse, &spec, "SELECT 1").await.expect_err("refused"),
            warehouse.test(&spec).await.expect_err("refused"),
        ] {
            assert_eq!(error.code(), "refused", "{error:?}");
            assert!(error.to_string().contains("Tidings keeps its own data"), "{error}");
        }
    }
    let mut options = options(&std::env::temp_dir());
    options.forbidden_databases = vec![ForbiddenDatabase {
        hostname: "localhost".to_owned(),
        port: server.port.wrapping_add(1),
        system_identifier: Some("1".to_owned()),
    }];
    let answer =
        query(&Warehouse::new(options), &ConnectionSpec::Postgres(server.spec("reader")), "SELECT 1 AS n")
            .await;
    assert_eq!(rows(&answer.expect("another cluster is fine")), [["1"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_value_of_a_column_is_found() {
    let (warehouse, spec) = postgres().await;
    let newest = async |table: &str, column: &str| {
        let check = FreshnessCheck { table: table.into(), column: column.into(), max_age_minutes: 60 };
        let none = CancellationToken::new();
        let newest = warehouse.newest(&spec, &check, QueryLimits::default(), &none).await;
        newest.map(|newest| newest.map(|newest| newest.to_rfc3339()))
    };
    assert_eq!(newest("flights", "TIME_HOUR").await, Ok(Some("2014-01-01T04:00:00+00:00".to_owned())));
    assert_eq!(newest("secrets", "word").await.expect_err("out of the grant").code(), "unknown_table");
    assert_eq!(newest("Odd Schema.Order", "select").await.expect_err("a number").code(), "unfit_column");
}
