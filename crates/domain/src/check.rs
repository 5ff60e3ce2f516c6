//! Checks: a condition, evaluated on the rows of a run's result.

use serde::{Deserialize, Serialize};

use crate::{id::ResultId, words};

words! {
    /// What a check came to.
    Verdict("verdict") {
        /// The condition holds: the answer is sent.
        Holds = "holds",
        /// It does not: nothing is sent.
        DoesNotHold = "does_not_hold",
        /// There is nothing yet to compare with: the answer is sent, and says so.
        First = "first",
        /// It could not be evaluated: the answer is sent, and says why.
        NotEvaluated = "not_evaluated",
    }
}

impl Verdict {
    /// Whether the answer is sent. Silence takes a condition that was evaluated and does not hold.
    pub const fn sends(self) -> bool {
        !matches!(self, Self::DoesNotHold)
    }
}

/// What came of a task's condition in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What it came to.
    pub verdict: Verdict,
    /// It in words: `612 rows, which is not below 500`. No capital, no full stop.
    pub sentence: String,
    /// What was looked at: `the rows of r1`, `revenue in the first row of r1`. Null where nothing was found.
    pub compared: Option<String>,
    /// The number that was looked at: of rows, or a cell's value. Null where there was none.
    pub value: Option<f64>,
    /// The last finished run's number, where the condition is about it.
    pub previous: Option<f64>,
    /// The result that was looked at.
    pub result_id: Option<ResultId>,
    /// Its handle in the run's thread: `r1`.
    pub handle: Option<String>,
    /// The column that was looked at.
    pub column: Option<String>,
}
