//! How new the data of a connection is.

use chrono::{DateTime, Utc};
use domain::freshness::{FreshnessCheck, instant_of};
use tokio_util::sync::CancellationToken;

use crate::{CatalogTable, ConnectionSpec, Error, QueryLimits, Warehouse, warehouse::find_table};

impl Warehouse {
    /// The newest value of the column that a freshness check names; `None` where the table has none. The statement passes
    /// the guard and the limits as any other.
    ///
    /// # Errors
    /// As [`Warehouse::query`], and [`Error::UnknownTable`], [`Error::UnfitColumn`].
    pub async fn newest(
        &self,
        spec: &ConnectionSpec,
        check: &FreshnessCheck,
        limits: QueryLimits,
        cancel: &CancellationToken,
    ) -> Result<Option<DateTime<Utc>>, Error> {
        let catalog = self.catalog(spec).await?;
        let sql = statement(find_table(&catalog, &check.table)?, &check.column)?;
        let table = self.query(spec, &sql, limits, cancel).await?.table;
        let cell = table.rows.first().and_then(|row| row.first());
        let column = table.columns.first();
        Ok(cell.zip(column).and_then(|(cell, column)| instant_of(cell, column.kind)))
    }
}

/// The one query of a look. Both dialects write it the same way.
fn statement(table: &CatalogTable, column: &str) -> Result<String, Error> {
    let unfit = |problem: &str| {
        let fitting: Vec<_> = table
            .columns
            .iter()
            .filter(|known| known.kind.is_temporal())
            .map(|known| known.name.as_str())
            .collect();
        let hint = match fitting.as_slice() {
            [] => "It has no column of dates or timestamps.".to_owned(),
            some => format!("Its columns of dates and timestamps are: {}.", some.join(", ")),
        };
        Error::UnfitColumn {
            table: table.table.clone(),
            column: column.to_owned(),
            problem: problem.to_owned(),
            hint: Some(hint),
        }
    };
    let found = table.column(column).ok_or_else(|| unfit("is not there"))?;
    if !found.kind.is_temporal() {
        return Err(unfit("holds no dates or timestamps"));
    }
    let quoted = found.name.replace('"', "\"\"");
    Ok(format!("SELECT max(\"{quoted}\") AS newest FROM {}", table.table))
}
