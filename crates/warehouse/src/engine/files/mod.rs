//! Files in a folder as tables, queried by DuckDB in a worker.

mod copies;
mod folder;

use std::{sync::Arc, time::Duration};

use domain::table::Table;
use tokio_util::sync::CancellationToken;

use self::copies::Copies;
use crate::{
    Catalog, CatalogTable, Error, FilesSpec, QueryLimits, TableDescription, WarehouseOptions,
    worker::{
        Pool,
        protocol::{Cost, DescribeRequest, FileTable, QueryRequest, Reply, Request, TablesRequest},
    },
};

/// How long a catalog or a description may take.
const CATALOG_TIMEOUT: Duration = Duration::from_mins(2);

/// The `files` engine.
pub(crate) struct Files {
    options: Arc<WarehouseOptions>,
    pool: Arc<Pool>,
    copies: Arc<Copies>,
}

impl Files {
    pub(crate) fn new(options: Arc<WarehouseOptions>) -> Self {
        let pool = Arc::new(Pool::new(options.worker.clone(), options.workers));
        let copies = Arc::new(Copies::new(Arc::clone(&options), Arc::clone(&pool)));
        Self { options, pool, copies }
    }

    /// What a connection test tells besides the number of tables.
    pub(crate) fn describe_connection(&self, spec: &FilesSpec, catalog: &Catalog) -> Result<String, Error> {
        let folder = folder::resolve(&self.options, spec)?;
        let place = match spec {
            FilesSpec::Folder(_) => format!("in {}", folder.display()),
            FilesSpec::Upload(_) => "uploaded".to_owned(),
        };
        let count = catalog.tables.len();
        let mut message = format!("{count} {} {place}.", if count == 1 { "table" } else { "tables" });
        if count == 0 {
            message.push_str(" CSV, Parquet and JSON files directly in the folder are tables.");
        }
        for problem in &catalog.problems {
            message.push(' ');
            message.push_str(problem);
            message.push('.');
        }
        Ok(message)
    }

    pub(crate) async fn catalog(&self, spec: &FilesSpec) -> Result<Catalog, Error> {
        let (tables, mut problems) = self.tables(spec).await?;
        let request = Request::Catalog(TablesRequest { tables, cost: self.cost(CATALOG_TIMEOUT) });
        match self.pool.ask_for_one(&request, &CancellationToken::new()).await? {
            Reply::Tables { tables, problems: more } => {
                problems.extend(more);
                Ok(Catalog { tables, problems })
            }
            _ => Err(Error::Worker { message: "the engine gave no catalog".to_owned() }),
        }
    }

    pub(crate) async fn describe(
        &self,
        spec: &FilesSpec,
        table: &CatalogTable,
    ) -> Result<TableDescription, Error> {
        let (tables, _) = self.tables(spec).await?;
        let name = unquoted(&table.table);
        let file = tables
            .into_iter()
            .find(|file| file.name == name)
            .ok_or_else(|| Error::UnknownTable { table: table.table.clone(), hint: None })?;
        let request = Request::Describe(DescribeRequest {
            file,
            table: table.clone(),
            cost: self.cost(CATALOG_TIMEOUT),
        });
        match self.pool.ask_for_one(&request, &CancellationToken::new()).await? {
            Reply::Description(description) => Ok(*description),
            _ => Err(Error::Worker { message: "the engine gave no description".to_owned() }),
        }
    }

    pub(crate) async fn query(
        &self,
        spec: &FilesSpec,
        sql: &str,
        limits: QueryLimits,
        cancel: &CancellationToken,
    ) -> Result<Table, Error> {
        let started = tokio::time::Instant::now();
        let timed_out = Error::Timeout { limit: limits.timeout };
        let (tables, _) = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Error::Cancelled),
            tables = self.tables(spec) => tables?,
            () = tokio::time::sleep(limits.timeout) => return Err(timed_out),
        };
        let remaining = limits.timeout.saturating_sub(started.elapsed());
        let request = Request::Query(QueryRequest {
            tables,
            sql: sql.to_owned(),
            rows: limits.rows,
            bytes: limits.bytes,
            cost: self.cost(remaining),
        });
        match self.pool.ask_for_rows(&request, cancel).await {
            Err(Error::Timeout { .. }) => Err(timed_out),
            answer => answer,
        }
    }

    /// The connection's tables, each with a Parquet file, and what is wrong with other files.
    async fn tables(&self, spec: &FilesSpec) -> Result<(Vec<FileTable>, Vec<String>), Error> {
        let folder = folder::resolve(&self.options, spec)?;
        let (sources, mut problems) = folder::list(&folder)?;
        let mut tables = Vec::new();
        for source in sources {
            let parquet = match source.format {
                None => source.path,
                Some(format) => match self.copies.copy_of(&source, format).await {
                    Ok((copy, problem)) => {
                        problems.extend(problem.map(|problem| format!("{}: {problem}", source.name)));
                        copy
                    }
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(error) => {
                        problems.push(format!("{}: {error}", source.name));
                        continue;
                    }
                },
            };
            tables.push(FileTable { name: source.name, parquet });
        }
        Ok((tables, problems))
    }

    fn cost(&self, timeout: Duration) -> Cost {
        Cost { memory_bytes: self.options.worker_memory_bytes, threads: 2, timeout }
    }
}

/// A name as it was before it was quoted.
fn unquoted(written: &str) -> String {
    match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) => inside.replace("\"\"", "\""),
        None => written.to_owned(),
    }
}
