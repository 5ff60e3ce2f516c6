//! The door to the customers' data.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Catalog, CatalogTable, ConnectionSpec, Error, QueryLimits, QueryOutput, TableDescription, TestReport,
    WarehouseOptions,
    cache::Cache,
    engine::{files::Files, postgres},
    spec::SpecKey,
};

/// How many catalogs, and how many descriptions, are remembered.
const MOST_REMEMBERED: usize = 500;

/// Reads customers' data. Cheap to clone; clones share limits and the catalog cache.
#[derive(Clone)]
pub struct Warehouse {
    shared: Arc<Shared>,
}

struct Shared {
    options: Arc<WarehouseOptions>,
    files: Files,
    catalogs: Cache<SpecKey, Arc<Catalog>>,
    descriptions: Cache<(SpecKey, String), Arc<TableDescription>>,
}

impl Warehouse {
    /// A warehouse. Nothing is opened or started until it is asked.
    pub fn new(options: WarehouseOptions) -> Self {
        let options = Arc::new(options);
        let lifetime = options.catalog_lifetime;
        Self {
            shared: Arc::new(Shared {
                files: Files::new(Arc::clone(&options)),
                catalogs: Cache::new(lifetime, MOST_REMEMBERED),
                descriptions: Cache::new(lifetime, MOST_REMEMBERED),
                options,
            }),
        }
    }

    /// Whether the connection works, past all caches.
    ///
    /// # Errors
    /// As [`Warehouse::catalog`].
    pub async fn test(&self, spec: &ConnectionSpec) -> Result<TestReport, Error> {
        let started = Instant::now();
        self.forget(spec);
        let catalog = self.catalog(spec).await?;
        let message = match spec {
            ConnectionSpec::Postgres(spec) => {
                postgres::describe_connection(&self.shared.options, spec, &catalog).await?
            }
            ConnectionSpec::Files(spec) => self.shared.files.describe_connection(spec, &catalog)?,
        };
        Ok(TestReport { tables: catalog.tables.len(), message, elapsed: started.elapsed() })
    }

    /// The tables that can be queried, remembered for a short time.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`], [`Error::Unreachable`], [`Error::Authentication`], [`Error::Refused`] for a forbidden
    /// database, [`Error::Timeout`], [`Error::Worker`].
    pub async fn catalog(&self, spec: &ConnectionSpec) -> Result<Arc<Catalog>, Error> {
        let shared = &self.shared;
        let read = async {
            let catalog = match spec {
                ConnectionSpec::Postgres(spec) => postgres::catalog(&shared.options, spec).await?,
                ConnectionSpec::Files(spec) => shared.files.catalog(spec).await?,
            };
            Ok(Arc::new(catalog))
        };
        shared.catalogs.get_or_read(spec.cache_key(), read).await
    }

    /// The catalog, if it is remembered: nothing is asked of the connection.
    pub fn known_catalog(&self, spec: &ConnectionSpec) -> Option<Arc<Catalog>> {
        self.shared.catalogs.known(&spec.cache_key())
    }

    /// What a table of the catalog holds, remembered for a short time. `table` is its name as in the catalog.
    ///
    /// # Errors
    /// As [`Warehouse::catalog`], and [`Error::UnknownTable`].
    pub async fn describe(&self, spec: &ConnectionSpec, table: &str) -> Result<Arc<TableDescription>, Error> {
        let catalog = self.catalog(spec).await?;
        let table = find_table(&catalog, table)?;
        let shared = &self.shared;
        let read = async {
            let description = match spec {
                ConnectionSpec::Postgres(spec) => postgres::describe(&shared.options, spec, table).await?,
                ConnectionSpec::Files(spec) => shared.files.describe(spec, table).await?,
            };
            Ok(Arc::new(description))
        };
        shared.descriptions.get_or_read((spec.cache_key(), table.table.clone()), read).await
    }

    /// The rows that one read-only statement returns. Cancelling stops it in the engine, too.
    ///
    /// # Errors
    /// As [`Warehouse::catalog`], and [`Error::Refused`], [`Error::Sql`], [`Error::Timeout`], [`Error::Cancelled`],
    /// [`Error::TooLarge`], [`Error::OutOfResources`].
    pub async fn query(
        &self,
        spec: &ConnectionSpec,
        sql: &str,
        limits: QueryLimits,
        cancel: &CancellationToken,
    ) -> Result<QueryOutput, Error> {
        let started = Instant::now();
        let table = match spec {
            ConnectionSpec::Postgres(spec) => {
                postgres::query(&self.shared.options, spec, sql, limits, cancel).await?
            }
            ConnectionSpec::Files(spec) => self.shared.files.query(spec, sql, limits, cancel).await?,
        };
        Ok(QueryOutput { table, elapsed: started.elapsed() })
    }

    /// Forgets what is remembered of a connection: its settings or files changed.
    pub fn forget(&self, spec: &ConnectionSpec) {
        let key = spec.cache_key();
        self.shared.catalogs.forget(|each| *each == key);
        self.shared.descriptions.forget(|(each, _)| *each == key);
    }
}

pub(crate) fn find_table<'catalog>(
    catalog: &'catalog Catalog,
    name: &str,
) -> Result<&'catalog CatalogTable, Error> {
    catalog.table(name).ok_or_else(|| {
        let names: Vec<&str> = catalog.tables.iter().take(40).map(|table| table.table.as_str()).collect();
        Error::UnknownTable {
            table: name.to_owned(),
            hint: Some(format!("The tables are: {}.", names.join(", "))),
        }
    })
}
