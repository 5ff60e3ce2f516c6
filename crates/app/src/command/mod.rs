//! The subcommands of an operator, a file each.

#[cfg(feature = "bench")]
pub(crate) mod bench;
pub(crate) mod credits;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod schedule;
pub(crate) mod token;
pub(crate) mod user;
