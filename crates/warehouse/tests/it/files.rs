//! Files as tables: types, names, catalog, limits.

use std::time::{Duration, Instant};

use domain::{
    freshness::FreshnessCheck,
    table::{Cell, ColumnType, Truncation},
};
use tokio_util::sync::CancellationToken;
use warehouse::{ConnectionSpec, Error, QueryLimits};

use crate::support::{Place, flights, query, row, rows};

#[tokio::test]
async fn united_had_the_most_flights() {
    let (warehouse, spec) = flights();
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
    assert_eq!(table.rows.len(), 5);
}

#[tokio::test]
async fn the_catalog_knows_rows_types_keys_and_references() {
    let (warehouse, spec) = flights();
    let catalog = warehouse.catalog(&spec).await.expect("a catalog");
    let names: Vec<&str> = catalog.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(names, ["airlines", "airports", "flights", "planes", "weather"]);
    assert_eq!(catalog.problems, Vec::<String>::new());
    let flights = catalog.table("flights").expect("flights");
    assert_eq!(flights.row_estimate, Some(336_776));
    let reference = |column: &str| {
        let reference = flights.column(column).expect("a column").references.clone();
        reference.map(|far| format!("{}.{}", far.table, far.column))
    };
    assert_eq!(reference("carrier").as_deref(), Some("airlines.carrier"));
    assert_eq!(reference("tailnum").as_deref(), Some("planes.tailnum"));
    assert_eq!(reference("origin").as_deref(), Some("airports.faa"));
    assert_eq!(reference("dest").as_deref(), Some("airports.faa"));
    assert_eq!(reference("distance"), None);
    assert!(catalog.table("airlines").expect("airlines").column("carrier").expect("carrier").primary_key);
    assert!(!flights.column("year").expect("year").primary_key);
}

#[tokio::test]
async fn a_description_has_samples_counts_and_ends() {
    let (warehouse, spec) = flights();
    let description = warehouse.describe(&spec, "flights").await.expect("a description");
    let column = |name: &str| {
        description.columns.iter().find(|each| each.column.name == name).expect("a column").clone()
    };
    let carrier = column("carrier");
    assert_eq!(carrier.samples[0], Cell::Text("UA".to_owned()));
    assert_eq!(carrier.samples.len(), 12);
    assert_eq!(carrier.distinct_estimate, Some(16));
    let distance = column("distance");
    assert_eq!((distance.min, distance.max), (Some(Cell::Int(17)), Some(Cell::Int(4983))));
    let error = warehouse.describe(&spec, "flghts").await.expect_err("no such table");
    assert_eq!(error.code(), "unknown_table");
    assert!(error.hint().expect("a hint").contains("flights"));
}

#[tokio::test]
async fn every_type_becomes_cells() {
    let place = Place::new();
    place.write("allowed/one.csv", "n\n1\n");
    let table = place
        .query(
            "SELECT true AS a, 1::TINYINT AS b, 9223372036854775807 AS c, 170141183460469231731687303715884105727 AS d,
                    sum(n) AS e, 1.50::DECIMAL(10,2) AS f, 0.1::FLOAT AS g, 'nan'::DOUBLE AS h, 'é' AS i,
                    DATE '2024-02-29' AS j, TIMESTAMP '2024-02-29 12:00:00.5' AS k,
                    TIMESTAMPTZ '2024-02-29 12:00:00+02' AS l, TIME '01:02:03' AS m, INTERVAL '1 day 2 hours' AS n,
                    [1, 2] AS o, {'x': 1, 'y': 'z'} AS p, MAP {'k': 1} AS q, '\\xAA'::BLOB AS r,
                    'b'::ENUM('a', 'b') AS s, '5b6a4ce6-1b1c-4c0c-8e4a-0123456789ab'::UUID AS t,
                    '{\"deep\": [1]}'::JSON AS u, NULL AS v, 1::UBIGINT AS w, [DATE '2024-01-01'] AS x, '101'::BIT AS y
             FROM one",
        )
        .await
        .expect("an answer");
    let kinds: Vec<ColumnType> = table.columns.iter().map(|column| column.kind).collect();
    assert_eq!(
        kinds,
        [
            ColumnType::Boolean,
            ColumnType::Integer,
            ColumnType::Integer,
            ColumnType::Decimal,
            ColumnType::Integer,
            ColumnType::Decimal,
            ColumnType::Float,
            ColumnType::Float,
            ColumnType::Text,
            ColumnType::Date,
            ColumnType::Timestamp,
            ColumnType::TimestampTz,
            ColumnType::Time,
            ColumnType::Text,
            ColumnType::Json,
            ColumnType::Json,
            ColumnType::Json,
            ColumnType::Text,
            ColumnType::Text,
            ColumnType::Text,
            ColumnType::Json,
            ColumnType::Integer,
            ColumnType::Integer,
            ColumnType::Json,
            ColumnType::Text
        ]
    );
    assert_eq!(
        row(&table.rows[0]),
        [
            "true",
            "1",
            "9223372036854775807",
            "170141183460469231731687303715884105727",
            "1",
            "1.50",
            "0.10000000149011612",
            "NULL",
            "é",
            "2024-02-29",
            "2024-02-29T12:00:00.5",
            "2024-02-29T10:00:00Z",
            "01:02:03",
            "1 day 02:00:00",
            "[1,2]",
            "{\"x\":1,\"y\":\"z\"}",
            "{\"k\":1}",
            "\\xAA",
            "b",
            "5b6a4ce6-1b1c-4c0c-8e4a-0123456789ab",
            "{\"deep\": [1]}",
            "NULL",
            "1",
            "[\"2024-01-01\"]",
            "101"
        ]
    );
}

#[tokio::test]
async fn statements_that_analysts_write_pass() {
    let (warehouse, spec) = flights();
    for sql in [
        "SELECT month, count(*) FILTER (WHERE dep_delay > 60) AS late FROM flights GROUP BY month ORDER BY month",
        "WITH daily AS (SELECT month, day, count(*) AS n FROM flights GROUP BY ALL) SELECT *, avg(n) OVER (ORDER BY month, day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS week FROM daily",
        "SELECT date_trunc('month', time_hour) AS month, round(avg(arr_delay), 1) AS delay FROM flights GROUP BY 1 ORDER BY 1",
        "SELECT strftime(time_hour, '%Y-%m') AS month, count(*) FROM flights GROUP BY 1",
        "SELECT carrier, quantile_cont(dep_delay, 0.9) AS p90, median(dep_delay) FROM flights GROUP BY carrier HAVING count(*) > 1000 ORDER BY 2 DESC",
        "SELECT * FROM (SELECT origin, dest, row_number() OVER (PARTITION BY origin ORDER BY count(*) DESC) AS place FROM flights GROUP BY origin, dest) WHERE place <= 3",
        "SELECT origin, dest, count(*) AS n FROM flights GROUP BY origin, dest QUALIFY rank() OVER (PARTITION BY origin ORDER BY n DESC) <= 3",
        "SELECT origin FROM flights UNION SELECT faa FROM airports EXCEPT SELECT 'JFK'",
        "SELECT a.name, l.n FROM airports a, LATERAL (SELECT count(*) AS n FROM flights f WHERE f.dest = a.faa) l ORDER BY l.n DESC LIMIT 3",
        "SELECT extract(dow FROM time_hour) AS weekday, count(*) FROM flights GROUP BY 1 ORDER BY 1",
        "SELECT CASE WHEN dep_delay > 0 THEN 'late' ELSE 'on time' END AS state, count(*) * 100.0 / sum(count(*)) OVER () AS share FROM flights GROUP BY 1",
        "SELECT carrier, corr(dep_delay, arr_delay), stddev(dep_delay), regr_slope(arr_delay, dep_delay) FROM flights GROUP BY carrier",
        "SELECT string_agg(DISTINCT carrier, ', ' ORDER BY carrier) FROM flights WHERE origin = 'EWR'",
        "FROM flights SELECT month, count(*) GROUP BY month ORDER BY month LIMIT 3 OFFSET 2",
        "SELECT * EXCLUDE (dst, tzone) FROM airports WHERE regexp_matches(name, '^[A-C]') AND lat BETWEEN 30 AND 40",
        "SELECT time_hour::DATE AS day, count(*) FROM flights WHERE time_hour >= TIMESTAMP '2013-12-24' - INTERVAL 3 DAY GROUP BY 1",
        "SELECT d::DATE AS day, count(f.carrier) AS n FROM generate_series(TIMESTAMP '2013-01-01', TIMESTAMP '2013-01-07', INTERVAL 1 DAY) AS s(d) LEFT JOIN flights f ON f.time_hour::DATE = d::DATE GROUP BY 1",
        "SELECT origin, carrier, count(*) FROM flights GROUP BY GROUPING SETS ((origin), (carrier), ())",
        "SELECT origin, carrier, count(*) FROM flights GROUP BY ROLLUP (origin, carrier) ORDER BY grouping(origin)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT i FROM n",
        "FROM flights PIVOT (count(*) FOR origin IN ('EWR', 'JFK', 'LGA') GROUP BY month) ORDER BY month",
        "SELECT list_transform(list(DISTINCT origin ORDER BY origin), x -> lower(x)) AS origins FROM flights",
        "SELECT max_by(name, lat), arg_min(name, lat) FROM airports",
        "SELECT coalesce(nullif(p.manufacturer, ''), 'unknown') AS maker, count(*) FROM flights f LEFT JOIN planes p USING (tailnum) GROUP BY 1 ORDER BY 2 DESC",
        "SELECT lag(n) OVER w AS before, n, n - lag(n) OVER w AS change FROM (SELECT month, count(*) n FROM flights GROUP BY month) WINDOW w AS (ORDER BY month)",
        "SUMMARIZE flights",
        "DESCRIBE airlines",
        "SHOW TABLES",
        "SELECT table_name, column_name FROM information_schema.columns",
        "SELECT EXISTS (SELECT 1 FROM flights WHERE carrier = 'XX') AS any, (SELECT max(distance) FROM flights) AS far",
        "SELECT f.* FROM flights f SEMI JOIN airlines a USING (carrier) LIMIT 1",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT count(*) FROM flights USING SAMPLE 10%",
        "/* a comment */ SELECT 1 AS one -- and another",
        "SELECT datediff('day', DATE '2013-01-01', DATE '2013-03-01'), age(DATE '2013-03-01', DATE '2013-01-01'), dayname(DATE '2013-01-01')",
        "SELECT \"year\", flights.\"month\" FROM main.flights LIMIT 1",
    ] {
        let answer = query(&warehouse, &spec, sql).await;
        assert!(answer.is_ok(), "{sql}: {answer:?}");
        assert!(!answer.expect("an answer").rows.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn order_survives() {
    let (warehouse, spec) = flights();
    let table =
        query(&warehouse, &spec, "SELECT faa FROM airports ORDER BY lat DESC").await.expect("an answer");
    let limited = query(&warehouse, &spec, "SELECT faa FROM airports ORDER BY lat DESC LIMIT 100").await;
    assert_eq!(rows(&table)[..100], rows(&limited.expect("an answer")));
}

#[tokio::test]
async fn repeated_and_empty_names_are_told_apart() {
    let (warehouse, spec) = flights();
    let table =
        query(&warehouse, &spec, "SELECT 1 AS a, 2 AS a, a.name, b.name FROM airlines a, airlines b LIMIT 1")
            .await
            .expect("an answer");
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "a_2", "name", "name_2"]);
}

#[tokio::test]
async fn rows_and_bytes_are_cut_at_their_limits() {
    let (warehouse, spec) = flights();
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

    let error =
        warehouse.query(&spec, "SELECT repeat('x', 2000000)", limits, &none).await.expect_err("one giant");
    assert_eq!(error.code(), "too_large");
}

#[tokio::test]
async fn a_slow_statement_is_stopped_at_its_limit() {
    const SLOW: &str =
        "SELECT count(*) FROM flights a, flights b, flights c WHERE a.distance < b.distance + c.distance";
    let (warehouse, spec) = flights();
    warehouse.catalog(&spec).await.expect("copies are made");
    let started = Instant::now();
    let limits = QueryLimits { timeout: Duration::from_secs(2), ..QueryLimits::default() };
    let error = warehouse.query(&spec, SLOW, limits, &CancellationToken::new()).await.expect_err("too slow");
    assert_eq!(error, Error::Timeout { limit: Duration::from_secs(2) });
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn too_much_memory_is_an_error_and_not_a_crash() {
    let place = Place::with(|options| options.worker_memory_bytes = 100 << 20);
    let error = place
        .query("SELECT count(DISTINCT x) FROM (SELECT i::VARCHAR || repeat('x', 100) AS x FROM range(50000000) t(i))")
        .await
        .expect_err("too much");
    assert_eq!(error, Error::OutOfResources { resource: "memory".to_owned() });
}

#[tokio::test]
async fn errors_of_the_engine_are_told_to_the_asker() {
    let (warehouse, spec) = flights();
    let error = query(&warehouse, &spec, "SELECT carier FROM flights").await.expect_err("a wrong column");
    assert_eq!(error.code(), "sql_error");
    assert!(error.to_string().contains("carier"), "{error}");
    assert!(error.hint().expect("candidates").contains("carrier"), "{error:?}");
    let error = query(&warehouse, &spec, "SELEC 1").await.expect_err("a syntax error");
    assert!(matches!(error, Error::Sql { position: Some(1), .. }), "{error:?}");
    let error =
        query(&warehouse, &spec, "SELECT name::INTEGER FROM airlines").await.expect_err("a failing cast");
    assert_eq!(error.code(), "sql_error", "{error:?}");
}

#[tokio::test]
async fn a_test_says_what_was_found() {
    let place = Place::new();
    place.write("allowed/orders.csv", "id,total\n1,9.50\n2,\n");
    let report = place.warehouse.test(&place.files()).await.expect("a report");
    assert_eq!(report.tables, 1);
    assert!(report.message.starts_with("1 table in "), "{}", report.message);
    let details = serde_json::json!({"files": {"path": place.root().join("outside")}});
    let spec = ConnectionSpec::from_details("files", &details, None).expect("a spec");
    let error = place.warehouse.test(&spec).await.expect_err("outside");
    assert!(error.to_string().starts_with("connectionDetails.files.path is not inside"), "{error}");
}

#[tokio::test]
async fn the_newest_value_of_a_column_is_found_and_followed() {
    let place = Place::new();
    place.write(
        "allowed/loads.csv",
        "n,day,\"Loaded \"\"at\"\"\"\n1,2026-03-01,2026-03-01T07:30:00Z\n2,2026-02-01,\n",
    );
    place.write("allowed/none.csv", "n,day\n1,\n");
    let newest = async |table: &str, column: &str| {
        let check = FreshnessCheck { table: table.into(), column: column.into(), max_age_minutes: 60 };
        let none = CancellationToken::new();
        let newest = place.warehouse.newest(&place.files(), &check, QueryLimits::default(), &none).await;
        newest.map(|newest| newest.map(|newest| newest.to_rfc3339()))
    };
    let at = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(newest("loads", "day").await, at("2026-03-01T00:00:00+00:00"));
    assert_eq!(newest("LOADS", "Loaded \"at\"").await, at("2026-03-01T07:30:00+00:00"));
    assert_eq!(newest("loads", "n").await.expect_err("a number").code(), "unfit_column");
    let error = newest("loads", "gone").await.expect_err("no such column");
    assert!(error.hint().expect("a hint").contains("day"), "{error}");
    assert_eq!(newest("gone", "day").await.expect_err("no such table").code(), "unknown_table");
    // A statement hidden in a name is a name.
    assert_eq!(
        newest("loads; DROP TABLE loads", "day").await.expect_err("no such table").code(),
        "unknown_table"
    );
    place.write("allowed/loads.csv", "n,day,\"Loaded \"\"at\"\"\"\n1,2026-03-02,2026-03-02T07:30:00Z\n");
    assert_eq!(newest("loads", "day").await, at("2026-03-02T00:00:00+00:00"), "a change is seen at once");
}
