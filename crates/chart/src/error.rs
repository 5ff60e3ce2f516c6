//! Why there is no chart.

use crate::MAX_ROWS;

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec leaves the allowed subset, or does not suit the columns.
    #[error("{problem} (at `{at}`)")]
    Spec {
        /// Where in the spec: `encoding.x.field`.
        at: String,
        /// What is wrong.
        problem: String,
        /// How to mend it: allowed values, the columns there are.
        hint: String,
    },
    /// The result has no rows.
    #[error("the result has no rows, so there is nothing to draw")]
    NoRows,
    /// The result has more rows than a chart may bind.
    #[error("the result has {rows} rows; a chart takes at most {MAX_ROWS}")]
    TooManyRows {
        /// How many it has.
        rows: usize,
    },
    /// The spec is valid, but nothing of it could be drawn.
    #[error("the chart came out empty: {message}")]
    Empty {
        /// What is known about the reason.
        message: String,
    },
    /// Drawing took longer or more memory than it may.
    #[error("drawing the chart exceeded the limit of {limit}")]
    TooExpensive {
        /// The limit: `3 seconds`.
        limit: &'static str,
    },
    /// Vega or the rasteriser failed.
    #[error("the chart could not be drawn: {message}")]
    Engine {
        /// What it said.
        message: String,
    },
}

impl Error {
    pub(crate) fn spec(at: impl Into<String>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Spec { at: at.into(), problem: problem.into(), hint: hint.into() }
    }

    /// A stable word for the failure, for a tool's `error.code`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Spec { .. } => "chart_spec_invalid",
            Self::NoRows => "chart_without_rows",
            Self::TooManyRows { .. } => "chart_too_many_rows",
            Self::Empty { .. } => "chart_empty",
            Self::TooExpensive { .. } => "chart_too_expensive",
            Self::Engine { .. } => "chart_failed",
        }
    }

    /// How to mend it, for a tool's `error.hint`.
    pub fn hint(&self) -> String {
        match self {
            Self::Spec { hint, .. } => hint.clone(),
            Self::NoRows => "Answer without a chart and say that no rows match.".to_owned(),
            Self::TooManyRows { .. } => format!(
                "Aggregate or filter in SQL until at most {MAX_ROWS} rows are left, for example by grouping by day or \
                 by keeping the top 20."
            ),
            Self::Empty { .. } => {
                "Check that the encoded columns hold values, and that scales and filters leave some of them."
                    .to_owned()
            }
            Self::TooExpensive { .. } => "Use fewer rows or a simpler chart.".to_owned(),
            Self::Engine { .. } => "Use a simpler chart.".to_owned(),
        }
    }
}
