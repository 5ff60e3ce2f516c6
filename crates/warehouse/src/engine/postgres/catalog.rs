//! What tables a PostgreSQL database has, and what they hold.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use domain::table::{Cell, ColumnType, Table};

use super::{query::run, session::Session, sql_error, values::reading};
use crate::{
    Catalog, CatalogColumn, CatalogTable, ColumnDescription, ColumnReference, Error, PostgresSpec,
    QueryLimits, TableDescription, WarehouseOptions, cells,
};

/// How long reading a catalog may take.
const CATALOG_TIMEOUT: Duration = Duration::from_secs(30);
/// How long reading samples, and then the ends of columns, may take.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(20);
/// More columns than these are not listed.
const MOST_COLUMNS: usize = 20_000;
/// How many rows of a table are looked at for samples.
const SAMPLED_ROWS: usize = 20_000;
/// What a catalog or samples may weigh.
const MOST_BYTES: usize = 32 << 20;
/// How many samples a column has.
const SAMPLES: usize = 12;

const COLUMNS_SQL: &str = "
SELECT CASE WHEN pg_catalog.pg_table_is_visible(t.oid) THEN pg_catalog.quote_ident(t.relname)
            ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname) END AS table_name,
       pg_catalog.obj_description(t.oid, 'pg_class') AS table_comment,
       CASE WHEN t.relkind IN ('r', 'm', 'p') THEN
            CASE WHEN t.reltuples >= 0 AND t.relkind <> 'p' THEN t.reltuples::pg_catalog.int8
                 ELSE nullif(pg_catalog.pg_stat_get_live_tuples(t.oid), 0) END
       END AS row_estimate,
       a.attname::pg_catalog.text AS column_name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS native_type,
       a.atttypid AS type_oid,
       pg_catalog.col_description(t.oid, a.attnum) AS column_comment,
       NOT a.attnotnull AS nullable,
       EXISTS (SELECT FROM pg_catalog.pg_index i
               WHERE i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS primary_key,
       f.table_name AS far_table,
       f.column_name AS far_column
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN LATERAL (
    SELECT CASE WHEN pg_catalog.pg_table_is_visible(r.oid) THEN pg_catalog.quote_ident(r.relname)
                ELSE pg_catalog.quote_ident(rn.nspname) || '.' || pg_catalog.quote_ident(r.relname) END AS table_name,
           ra.attname::pg_catalog.text AS column_name
    FROM pg_catalog.pg_constraint c
    JOIN LATERAL unnest(c.conkey, c.confkey) AS pair(near, far) ON pair.near = a.attnum
    JOIN pg_catalog.pg_class r ON r.oid = c.confrelid
    JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
    JOIN pg_catalog.pg_attribute ra ON ra.attrelid = r.oid AND ra.attnum = pair.far
    WHERE c.conrelid = t.oid AND c.contype = 'f'
    ORDER BY c.conname LIMIT 1
) f ON true
WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND NOT t.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND n.nspname NOT LIKE 'pg\\_temp\\_%' AND n.nspname NOT LIKE 'pg\\_toast\\_temp\\_%'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_column_privilege(t.oid, a.attnum, 'SELECT')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY n.nspname, t.relname, a.attnum";

/// The tables and views that the role may read.
pub(crate) async fn catalog(options: &WarehouseOptions, spec: &PostgresSpec) -> Result<Catalog, Error> {
    let session = open(options, spec, CATALOG_TIMEOUT).await?;
    within(CATALOG_TIMEOUT, read_catalog(&session)).await
}

async fn open(options: &WarehouseOptions, spec: &PostgresSpec, timeout: Duration) -> Result<Session, Error> {
    Session::open(options, spec, timeout, MOST_BYTES as u64 * 2).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        // Nobody else cancels these statements: it was the server's own time limit.
        Ok(Err(Error::Cancelled)) | Err(_) => Err(Error::Timeout { limit }),
        Ok(answer) => answer,
    }
}

async fn read_catalog(session: &Session) -> Result<Catalog, Error> {
    let rows = session.client.query(COLUMNS_SQL, &[]).await.map_err(|error| sql_error(&error, 0))?;
    let mut catalog = Catalog::default();
    if rows.len() > MOST_COLUMNS {
        catalog.problems.push(format!("{} columns: only the first {MOST_COLUMNS} are listed", rows.len()));
    }
    // A type's oid is enough to know how it is read, but the driver knows types only by a prepared statement's columns:
    // each table is looked at once, in one statement that returns nothing.
    for row in rows.iter().take(MOST_COLUMNS) {
        let table: String = row.get("table_name");
        let column = CatalogColumn {
            name: row.get("column_name"),
            kind: ColumnType::Text,
            native_type: row.get("native_type"),
            comment: row.get("column_comment"),
            nullable: row.get("nullable"),
            primary_key: row.get("primary_key"),
            references: match (row.get("far_table"), row.get("far_column")) {
                (Some(table), Some(column)) => Some(ColumnReference { table, column }),
                _ => None,
            },
        };
        if catalog.tables.last().is_none_or(|last| last.table != table) {
            catalog.tables.push(CatalogTable {
                table,
                comment: row.get("table_comment"),
                row_estimate: row
                    .get::<_, Option<i64>>("row_estimate")
                    .and_then(|rows| u64::try_from(rows).ok()),
                columns: Vec::new(),
            });
        }
        if let Some(last) = catalog.tables.last_mut() {
            last.columns.push(column);
        }
    }
    let mut kinds = Kinds { session, known: HashMap::new() };
    for table in &mut catalog.tables {
        for column in &mut table.columns {
            column.kind = kinds.of(&column.native_type).await?;
        }
    }
    Ok(catalog)
}

/// What cells the database's types become, by their name.
struct Kinds<'session> {
    session: &'session Session,
    known: HashMap<String, ColumnType>,
}

impl Kinds<'_> {
    async fn of(&mut self, native_type: &str) -> Result<ColumnType, Error> {
        if let Some(kind) = self.known.get(native_type) {
            return Ok(*kind);
        }
        // `format_type` writes names so that they can stand in a statement.
        let statement = format!("SELECT NULL::{native_type}");
        let prepared = self.session.client.prepare(&statement).await.map_err(|error| sql_error(&error, 0))?;
        let kind =
            prepared.columns().first().map_or(ColumnType::Text, |column| reading(column.type_()).kind());
        self.known.insert(native_type.to_owned(), kind);
        Ok(kind)
    }
}

/// What a connection test tells besides the number of tables.
pub(crate) async fn describe_connection(
    options: &WarehouseOptions,
    spec: &PostgresSpec,
    catalog: &Catalog,
) -> Result<String, Error> {
    const SQL: &str = "
        SELECT current_setting('server_version'),
               (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
               OR EXISTS (SELECT FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
                          WHERE t.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%'
                            AND n.nspname <> 'information_schema'
                            AND pg_catalog.has_table_privilege(t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))";
    let session = open(options, spec, CATALOG_TIMEOUT).await?;
    let row = within(CATALOG_TIMEOUT, async {
        session.client.query_one(SQL, &[]).await.map_err(|error| sql_error(&error, 0))
    })
    .await?;
    let (version, may_write): (String, Option<bool>) = (row.get(0), row.get(1));
    let count = catalog.tables.len();
    let mut message =
        format!("PostgreSQL {version}: {count} {} can be read.", if count == 1 { "table" } else { "tables" });
    if may_write == Some(true) {
        message.push_str(
            " The role may also write; Tidings never does, but a role with SELECT only is one wall more.",
        );
    }
    for problem in &catalog.problems {
        message.push(' ');
        message.push_str(problem);
        message.push('.');
    }
    Ok(message)
}

/// What a table holds, from a sample of its rows and the ends of its columns.
pub(crate) async fn describe(
    options: &WarehouseOptions,
    spec: &PostgresSpec,
    table: &CatalogTable,
) -> Result<TableDescription, Error> {
    let session = open(options, spec, DESCRIBE_TIMEOUT).await?;
    let sample = within(DESCRIBE_TIMEOUT, read_sample(&session, table)).await?;
    drop(session);
    // The whole table is read for these: where that takes too long, the sample's ends must do.
    let session = open(options, spec, DESCRIBE_TIMEOUT).await?;
    let ends = match within(DESCRIBE_TIMEOUT, read_ends(&session, table)).await {
        Ok(ends) => ends,
        Err(Error::Timeout { .. } | Error::Sql { .. }) => {
            session.cancel();
            HashMap::new()
        }
        Err(error) => return Err(error),
    };
    let columns = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| describe_column(column, &sample, index, table.row_estimate, &ends))
        .collect();
    Ok(TableDescription {
        table: table.table.clone(),
        comment: table.comment.clone(),
        row_estimate: table.row_estimate,
        columns,
    })
}

fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn read_sample(session: &Session, table: &CatalogTable) -> Result<Table, Error> {
    let columns: Vec<String> = table.columns.iter().map(|column| quote_name(&column.name)).collect();
    let columns = columns.join(", ");
    let name = &table.table;
    let limits = QueryLimits { timeout: DESCRIBE_TIMEOUT, rows: SAMPLED_ROWS, bytes: MOST_BYTES };
    let whole = format!("SELECT {columns} FROM {name} LIMIT {SAMPLED_ROWS}");
    let rows = table.row_estimate.unwrap_or_default();
    if rows <= SAMPLED_ROWS as u64 {
        return run(session, &whole, limits).await;
    }
    // Every row with the same chance where the table is small enough to be read, else whole pages.
    let method = if rows <= 5_000_000 { "BERNOULLI" } else { "SYSTEM" };
    let percent = (SAMPLED_ROWS as f64 * 105.0 / rows as f64).clamp(0.000_1, 100.0);
    let sampled = format!(
        "SELECT {columns} FROM {name} TABLESAMPLE {method} ({percent}) REPEATABLE (1) LIMIT {SAMPLED_ROWS}"
    );
    session.client.batch_execute("SAVEPOINT sample").await.map_err(|error| sql_error(&error, 0))?;
    match run(session, &sampled, limits).await {
        // Foreign tables have no samples.
        Err(Error::Sql { .. }) => {
            session
                .client
                .batch_execute("ROLLBACK TO SAVEPOINT sample")
                .await
                .map_err(|error| sql_error(&error, 0))?;
            run(session, &whole, limits).await
        }
        answer => answer,
    }
}

/// The least and greatest values of the numeric and temporal columns, by column.
async fn read_ends(session: &Session, table: &CatalogTable) -> Result<HashMap<String, (Cell, Cell)>, Error> {
    let columns: Vec<&CatalogColumn> =
        table.columns.iter().filter(|column| column.kind.is_numeric() || column.kind.is_temporal()).collect();
    if columns.is_empty() {
        return Ok(HashMap::new());
    }
    let ends: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = quote_name(&column.name);
            format!("min({name}), max({name})")
        })
        .collect();
    let statement = format!("SELECT {} FROM {}", ends.join(", "), table.table);
    let limits = QueryLimits { timeout: DESCRIBE_TIMEOUT, rows: 1, bytes: MOST_BYTES };
    let answer = run(session, &statement, limits).await?;
    let mut cells = answer.rows.into_iter().flatten();
    let mut by_name = HashMap::new();
    for column in columns {
        if let (Some(min), Some(max)) = (cells.next(), cells.next()) {
            by_name.insert(column.name.clone(), (min, max));
        }
    }
    Ok(by_name)
}

fn describe_column(
    column: &CatalogColumn,
    sample: &Table,
    index: usize,
    row_estimate: Option<u64>,
    ends: &HashMap<String, (Cell, Cell)>,
) -> ColumnDescription {
    let mut counts: HashMap<String, (usize, &Cell)> = HashMap::new();
    let mut present = 0;
    for cell in sample.rows.iter().filter_map(|row| row.get(index)).filter(|cell| !cell.is_null()) {
        present += 1;
        counts.entry(cell.to_plain()).or_insert((0, cell)).0 += 1;
    }
    let once = counts.values().filter(|(count, _)| *count == 1).count();
    let distinct = counts.len();
    let distinct_estimate = estimate_distinct(distinct, once, present, row_estimate);
    let mut frequent: Vec<(String, (usize, &Cell))> = counts.into_iter().collect();
    frequent.sort_by(|(left_text, (left, _)), (right_text, (right, _))| {
        right.cmp(left).then_with(|| left_text.cmp(right_text))
    });
    let seen: HashSet<&str> = frequent.iter().map(|(text, _)| text.as_str()).collect();
    let (min, max) = match ends.get(&column.name) {
        Some((min, max)) => (Some(min.clone()), Some(max.clone())),
        // Texts are ordered by the server in its own way: the sample's ends say enough.
        None if column.kind == ColumnType::Text => {
            let text = |end: Option<&&str>| end.map(|text| cells::cut_sample(Cell::Text((*text).to_owned())));
            (text(seen.iter().min()), text(seen.iter().max()))
        }
        None => (None, None),
    };
    ColumnDescription {
        column: column.clone(),
        samples: frequent
            .iter()
            .take(SAMPLES)
            .map(|(_, (_, cell))| cells::cut_sample((*cell).clone()))
            .collect(),
        distinct_estimate: Some(distinct_estimate),
        min: min.filter(|cell| !cell.is_null()),
        max: max.filter(|cell| !cell.is_null()),
    }
}

/// How many distinct values a whole column has, from those of a sample (the estimator of Haas and Stokes that
/// PostgreSQL's own ANALYZE uses).
fn estimate_distinct(distinct: usize, once: usize, sampled: usize, rows: Option<u64>) -> u64 {
    let seen = distinct as u64;
    let Some(rows) = rows.filter(|rows| *rows > sampled as u64 && sampled > 0 && once > 0) else {
        return seen;
    };
    let (distinct, once, sampled, rows) = (distinct as f64, once as f64, sampled as f64, rows as f64);
    let estimate = sampled * distinct / (sampled - once + once * sampled / rows);
    estimate.clamp(distinct, rows).round() as u64
}
