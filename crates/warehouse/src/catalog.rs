//! What a connection holds, and what a query answered.

use std::time::Duration;

use domain::table::{Cell, ColumnType, Table};
use serde::{Deserialize, Serialize};

/// The SQL that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// PostgreSQL's.
    Postgres,
    /// DuckDB's, over files.
    DuckDb,
}

impl Dialect {
    /// `postgres` or `duckdb`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::DuckDb => "duckdb",
        }
    }
}

/// What a connection test found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// How many tables can be queried.
    pub tables: usize,
    /// What was found, in a sentence: the server's version or the folder, and what to mend.
    pub message: String,
    /// How long it took.
    #[serde(rename = "elapsedMs", with = "milliseconds")]
    pub elapsed: Duration,
}

/// The tables of a connection, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// Its tables and views.
    pub tables: Vec<CatalogTable>,
    /// What is missing and why: files that could not be read, a folder of too many files.
    pub problems: Vec<String>,
}

impl Catalog {
    /// A table by the name to write in SQL; else regardless of quotes and case; else without the schema, if one was
    /// given. Only if no other table could be meant.
    pub fn table(&self, name: &str) -> Option<&CatalogTable> {
        if let Some(exact) = self.tables.iter().find(|table| table.table == name) {
            return Some(exact);
        }
        let wanted = bare(name);
        let only = |wanted: &str| {
            let mut matches = self.tables.iter().filter(|table| bare(&table.table) == wanted);
            matches.next().filter(|_| matches.next().is_none())
        };
        only(&wanted).or_else(|| only(wanted.rsplit_once('.')?.1))
    }
}

/// A name without its quotes, in lower case.
fn bare(name: &str) -> String {
    name.replace('"', "").to_lowercase()
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogTable {
    /// The name to write in SQL, quoted and qualified where it must be.
    pub table: String,
    /// What its owner wrote about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// About how many rows it has; exact for files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_estimate: Option<u64>,
    /// Its columns, in order.
    pub columns: Vec<CatalogColumn>,
}

impl CatalogTable {
    /// A column by name: exact, else regardless of case.
    pub fn column(&self, name: &str) -> Option<&CatalogColumn> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .or_else(|| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogColumn {
    /// Its name, unquoted.
    pub name: String,
    /// What its cells are in results.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// The engine's own word for its type.
    pub native_type: String,
    /// What its owner wrote about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether it is (part of) the primary key. For files: it is unique, never NULL and looks like a key.
    pub primary_key: bool,
    /// The column that it refers to. For files: one of the same name that is another table's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<ColumnReference>,
}

/// The far end of a foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnReference {
    /// The table, as written in SQL.
    pub table: String,
    /// Its column, unquoted.
    pub column: String,
}

/// A table with what its columns hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDescription {
    /// The name to write in SQL.
    pub table: String,
    /// What its owner wrote about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// About how many rows it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_estimate: Option<u64>,
    /// Its columns, in order.
    pub columns: Vec<ColumnDescription>,
}

/// A column with what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnDescription {
    /// The column.
    #[serde(flatten)]
    pub column: CatalogColumn,
    /// Up to 12 distinct values, the most frequent first. Long texts are cut.
    pub samples: Vec<Cell>,
    /// About how many distinct values there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct_estimate: Option<u64>,
    /// The least value, of what was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Cell>,
    /// The greatest value, of what was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Cell>,
}

/// What a query answered.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryOutput {
    /// Its rows, whole or cut at a limit.
    pub table: Table,
    /// How long it took.
    pub elapsed: Duration,
}

mod milliseconds {
    use std::time::Duration;

    use serde::Serializer;

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }
}
