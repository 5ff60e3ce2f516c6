//! What readers think of an answer.

use crate::words;

/// The longest reason, in characters.
pub const REASON_MAX: usize = 1_000;

words! {
    /// Whether an answer helped.
    Rating("rating") {
        /// It did.
        Up = "up",
        /// It did not.
        Down = "down",
    }
}
