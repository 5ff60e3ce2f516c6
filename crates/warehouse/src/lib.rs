//! The customers' data: engines, the SQL guard, limits, and the catalog of what there is to ask.
//!
//! [`Warehouse`] is the door. It takes a [`ConnectionSpec`] (what to reach and as whom) and answers what tables there
//! are ([`Catalog`]), what a table holds ([`TableDescription`]) and what a read-only statement returns
//! ([`QueryOutput`]). A statement passes, in this order: a parser of the engine's own grammar with an allow-list
//! (`guard`), the engine's read-only mode and sandbox, limits on time, rows and bytes, and cancellation.
//!
//! Files (CSV, Parquet, JSON) are queried by DuckDB in a child process of the same binary that can be killed; a binary
//! that uses this crate starts [`worker_main`] when it is called with [`WORKER_ARGUMENT`].

mod cache;
mod catalog;
mod cells;
mod engine;
mod error;
mod freshness;
mod guard;
mod options;
mod spec;
mod warehouse;
mod worker;

pub use catalog::{
    Catalog, CatalogColumn, CatalogTable, ColumnDescription, ColumnReference, Dialect, QueryOutput,
    TableDescription, TestReport,
};
pub use error::{Error, ErrorCode};
pub use options::{
    ForbiddenDatabase, QueryLimits, WORKER_ARGUMENT, WarehouseOptions, WorkerCommand, is_worker,
};
pub use spec::{ConnectionSpec, FilesSpec, PostgresSpec, TlsMode};
pub use warehouse::Warehouse;
pub use worker::worker_main;
