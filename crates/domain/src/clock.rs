//! Time as a parameter.

use chrono::{DateTime, Utc};

/// Where "now" comes from. Due times and leases are compared with the database's clock only (see `store`); this one is
/// for what has no database at hand.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
        Utc::now()
    }
}
