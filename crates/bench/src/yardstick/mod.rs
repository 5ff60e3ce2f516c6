//! Others that do the same or less, side by side with Tidings.

pub(crate) mod graphile;
pub(crate) mod list;
pub(crate) mod pgbench;
