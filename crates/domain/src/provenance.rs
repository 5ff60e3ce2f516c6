//! Which stored results come of a query, and which of holding two others against each other.

/// How the "SQL" of a comparison begins: comments that say what was compared. No query of its own ran, so none can be run again.
pub const COMPARED: &str = "-- Compared by compare_results; no query of its own ran.";

/// Whether the SQL of a stored result only says what was compared.
pub fn is_comparison(sql: &str) -> bool {
    sql.trim_start().starts_with(COMPARED)
}
