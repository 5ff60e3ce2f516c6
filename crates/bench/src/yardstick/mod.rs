//! Others that do the same or less, side by side with Tidings.

pub(crate) mod graphile;
pub(crate) mod pgbench;
