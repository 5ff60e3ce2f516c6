//! G14, as `make torture ROWS=g14` runs it: every attack of these tests, and dangerous expressions woven into every place where
//! an expression can stand, on both engines; then the limits on time, rows and bytes. Prints the row's line.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use domain::table::Table;
use tokio_util::sync::CancellationToken;
use warehouse::{ConnectionSpec, Error, QueryLimits, Warehouse};

use crate::{
    files_attacks, postgres_attacks,
    support::{flights, postgres, query, rows, server},
};

/// How far over its limit a query may go.
const OVER: f64 = 1.05;
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Places for an expression, over a table.
const PLACES: &[&str] = &[
    "SELECT {it}",
    "SELECT 1 WHERE {it} IS NULL",
    "SELECT CASE WHEN {it} IS NULL THEN 1 END",
    "SELECT 1 ORDER BY {it}",
    "SELECT count(*) FILTER (WHERE {it} IS NULL) FROM {table}",
    "WITH a AS (SELECT {it} AS b) SELECT b FROM a",
    "SELECT * FROM {table} WHERE EXISTS (SELECT {it})",
    "SELECT 1 UNION ALL SELECT 1 WHERE {it} IS NOT NULL",
    "SELECT (SELECT (SELECT {it}))",
    "SELECT * FROM {table} AS a JOIN {table} AS b ON {it} IS NULL",
    "SELECT max(1) FROM {table} GROUP BY {it}",
    "SELECT sum(1) OVER (PARTITION BY {it}) FROM {table}",
];

const OF_POSTGRES: &[&str] = &[
    "pg_sleep(60)",
    "set_config('transaction_read_only', 'off', false)",
    "set_config('statement_timeout', '0', false)",
    "lo_from_bytea(0, 'x')",
    "pg_read_file('/etc/passwd')",
    "public.erase()",
    "nextval('counter')",
    "pg_terminate_backend(1)",
    "query_to_xml('DELETE FROM precious', true, true, '')",
    "(SELECT rolpassword FROM pg_authid LIMIT 1)",
    "'erase'::regproc",
];

const OF_FILES: &[&str] = &[
    "getenv('PATH')",
    "current_setting('allowed_paths')",
    "nextval('s')",
    "(SELECT max(content) FROM read_text('{outside}'))",
    "(SELECT count(*) FROM '{outside}')",
    "(SELECT count(*) FROM glob('/*'))",
    "(SELECT count(*) FROM duckdb_secrets())",
    "(SELECT count(*) FROM read_csv('{inside}'))",
    "(SELECT count(*) FROM query('SELECT 1'))",
];

/// Ways to a table that the role was not granted.
const READS: &[&str] = &[
    "SELECT * FROM secrets",
    "SELECT * FROM public.secrets",
    "TABLE secrets",
    "SELECT count(*) FROM secrets",
    "SELECT (SELECT word FROM secrets)",
    "SELECT * FROM airlines WHERE EXISTS (SELECT FROM secrets)",
    "SELECT * FROM airlines JOIN secrets ON true",
    "SELECT * FROM airlines, LATERAL (SELECT word FROM secrets) s",
    "SELECT carrier FROM airlines UNION SELECT word FROM secrets",
    "WITH s AS (SELECT word FROM secrets) SELECT * FROM s",
    "SELECT s FROM secrets s",
    "SELECT row_to_json(s) FROM secrets s",
    "SELECT array_agg(word) FROM secrets",
    "SELECT 1 WHERE 'xyzzy' IN (SELECT word FROM secrets)",
];

/// What came of a row's attacks.
#[derive(Default)]
struct Seen {
    attacks: usize,
    answered: Vec<String>,
    odd: Vec<String>,
    slow: Vec<String>,
}

impl Seen {
    async fn attack(&mut self, warehouse: &Warehouse, spec: &ConnectionSpec, sql: &str) {
        self.attacks += 1;
        let started = Instant::now();
        match query(warehouse, spec, sql).await {
            Ok(table) => self.answered.push(format!("{sql} -> {:?}", first_rows(&table))),
            Err(Error::Refused { .. } | Error::Sql { .. }) => {}
            Err(other) => self.odd.push(format!("{sql} -> {other:?}")),
        }
        if started.elapsed() > Duration::from_secs(30) {
            self.slow.push(sql.to_owned());
        }
    }
}

fn first_rows(table: &Table) -> Vec<Vec<String>> {
    rows(table).into_iter().take(3).collect()
}

fn woven(expressions: &[&str], table: &str) -> Vec<String> {
    let at = |place: &str, it: &str| place.replace("{table}", table).replace("{it}", it);
    expressions.iter().flat_map(|it| PLACES.iter().map(move |place| at(place, it))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a row of the torture: make torture ROWS=g14"]
async fn g14_attacks_on_the_guard() {
    let started = Instant::now();
    let mut seen = Seen::default();
    let mut broken = Vec::new();

    // PostgreSQL: as the owner of everything, whom no grant stops, and as one who may only read some.
    let (warehouse, reader) = postgres().await;
    let server = server().await;
    let owner = server.owner().await;
    let spec = ConnectionSpec::Postgres(server.spec("tidings"));
    let before: String = owner.query_one(postgres_attacks::STATE, &[]).await.expect("a state").get(0);
    let fixed = postgres_attacks::ATTACKS.iter().map(|sql| (*sql).to_owned());
    for sql in fixed.chain(woven(OF_POSTGRES, "precious")) {
        seen.attack(&warehouse, &spec, &sql).await;
    }
    for sql in READS {
        seen.attack(&warehouse, &reader, sql).await;
    }
    let after: String = owner.query_one(postgres_attacks::STATE, &[]).await.expect("a state").get(0);
    if after != before {
        broken.push("PostgreSQL's state changed".to_owned());
    }

    // Files.
    let place = files_attacks::place();
    place.warehouse.catalog(&place.files()).await.expect("copies are made");
    let before = originals(&place.root());
    let fixed = files_attacks::ATTACKS.iter().map(|sql| (*sql).to_owned());
    for sql in fixed.chain(woven(OF_FILES, "orders")) {
        let sql = files_attacks::placed(&place, &sql);
        seen.attack(&place.warehouse, &place.files(), &sql).await;
    }
    if originals(&place.root()) != before {
        broken.push("a file changed or appeared".to_owned());
    }

    // Limits, on both.
    let mut over = Vec::new();
    let (files, flights) = flights();
    files.catalog(&flights).await.expect("copies are made");
    for (warehouse, spec, name) in [(&warehouse, &reader, "postgres"), (&files, &flights, "files")] {
        over.extend(limits(warehouse, spec, name).await);
    }

    let Seen { attacks, answered, odd, slow } = seen;
    for (what, found) in
        [("answered", answered), ("ended oddly", odd), ("slow", slow), ("over a limit", over)]
    {
        if !found.is_empty() {
            broken.push(format!("{} {what}: {}", found.len(), found.join("; ")));
        }
    }
    let verdict = if broken.is_empty() && attacks >= 500 { "pass" } else { "FAIL" };
    println!(
        "\nG14  {verdict}  agent SQL has no side effect and reads nothing outside the grant | {attacks} attacks on two engines, \
         6 limits | {} broken | {} s",
        broken.len(),
        started.elapsed().as_secs()
    );
    assert!(broken.is_empty() && attacks >= 500, "{attacks} attacks:\n{}", broken.join("\n"));
}

/// Files of a place without the engine's own copies.
fn originals(root: &std::path::Path) -> BTreeMap<String, (u64, std::time::SystemTime)> {
    files_attacks::state(root).into_iter().filter(|(path, _)| !path.contains("files-cache")).collect()
}

/// Which limits of a connection were passed by more than a twentieth.
async fn limits(warehouse: &Warehouse, spec: &ConnectionSpec, name: &str) -> Vec<String> {
    const SLOW: &str =
        "SELECT count(*) FROM flights a, flights b, flights c WHERE a.distance < b.distance + c.distance";
    let mut over = Vec::new();
    let ask = async |sql: &str, limits: QueryLimits| {
        warehouse.query(spec, sql, limits, &CancellationToken::new()).await
    };
    let started = Instant::now();
    let slow = ask(SLOW, QueryLimits { timeout: TIME_LIMIT, ..QueryLimits::default() }).await;
    let took = started.elapsed();
    if !matches!(slow, Err(Error::Timeout { .. })) || took > TIME_LIMIT.mul_f64(OVER) {
        over.push(format!("{name}: {took:?} of {TIME_LIMIT:?}"));
    }
    let rows = ask("SELECT * FROM flights", QueryLimits { rows: 10_000, ..QueryLimits::default() }).await;
    let rows = rows.expect("rows").table.rows.len();
    if rows != 10_000 {
        over.push(format!("{name}: {rows} of 10000 rows"));
    }
    let most = 4 << 20;
    let limits = QueryLimits { rows: 1_000_000, bytes: most, ..QueryLimits::default() };
    let output = ask("SELECT * FROM flights", limits).await.expect("rows");
    let bytes = serde_json::to_vec(&output.table.rows).expect("JSON").len();
    if bytes as f64 > most as f64 * OVER {
        over.push(format!("{name}: {bytes} of {most} bytes"));
    }
    over
}
