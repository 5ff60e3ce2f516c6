//! Answers: a headline and a body in markdown whose every numeral is a figure.
//!
//! In `headline` and `body` a figure stands as `{{f1}}`; whoever renders replaces it by the figure's text. Everything else
//! in them is untrusted prose: markdown with no HTML, links only as text.

use serde::{Deserialize, Serialize};

use crate::{
    id::{ChartId, ResultId, VerifiedQuestionId},
    table::Cell,
    words,
};

/// The end of a turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    /// One sentence that says the finding.
    pub headline: String,
    /// Markdown.
    pub body: String,
    /// The figures that `headline`, `body` and `caveats` refer to.
    pub figures: Vec<Figure>,
    /// Results to show, in order.
    pub results: Vec<ShownResult>,
    /// Charts to show, in order.
    pub charts: Vec<ShownChart>,
    /// What the reader should know: assumptions, truncation, staleness.
    pub caveats: Vec<String>,
    /// Checked figures over all figures, 0 to 1; 1 where there are none.
    pub checked_share: f64,
    /// Who answered: `builtin`, or provider and model.
    pub model: String,
    /// The result and column that the task's condition is about, as the agent named them and code found them. The condition
    /// itself was evaluated on them by code: see a run's `check`.
    pub checked: Option<CheckedResult>,
    /// Why it was sent, where the task has a condition: `Revenue 412 is below 500.`
    pub why: Option<String>,
    /// Where the answer asks back: the questions to choose from, each in full. Empty otherwise, and for tasks.
    pub choices: Vec<String>,
    /// What is to be said at its top where the data was not fresh. It is the first caveat, too.
    pub stale: Option<String>,
    /// The verified question whose query it rests on, found by code. Its sentence is a caveat, too.
    pub verified: Option<VerifiedUse>,
    /// What came of the query that is pinned for the task, where one is.
    pub method: Option<MethodCheck>,
}

words! {
    /// How a task's pinned query and the agent's own agree.
    MethodOutcome("method outcome") {
        /// They come to the same rows.
        Same = "same",
        /// They do not.
        Changed = "changed",
        /// The pinned one could not be replayed.
        NotReplayed = "not_replayed",
        /// There was nothing to hold it against, or not all of it was at hand.
        NotCompared = "not_compared",
    }
}

/// A task's pinned query, held against the query behind the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MethodCheck {
    /// How they agree.
    pub outcome: MethodOutcome,
    /// The same in words of ours, with the reason where it was not replayed. A caveat, too, unless they agree.
    pub sentence: String,
    /// What the data source said where it was not replayed, for those who may open the thread. It may quote data.
    #[serde(default)]
    pub detail: Option<String>,
    /// The result of the pinned query; absent where it was not replayed.
    pub pinned: Option<ResultId>,
    /// The result behind the answer that it was held against; absent where the turn has none.
    pub own: Option<ResultId>,
}

/// A verified question whose query an answer shows the result of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VerifiedUse {
    /// The verified question.
    pub id: VerifiedQuestionId,
    /// As it was verified.
    pub question: String,
    /// Who verified it, by name.
    pub by: String,
    /// `Uses the verified query of Ann Example for “How many flights?”.`
    pub sentence: String,
}

/// A number, date or name in an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// `f1`, `f2`, ...
    pub id: String,
    /// As shown: `58,665`, `12.4%`.
    pub text: String,
    /// Whether it was found in the turn's results.
    pub checked: bool,
    /// The expression that it was written as (`r1[0].flights`), absent for a numeral found in prose.
    pub expression: Option<String>,
    /// The cells that it comes from; empty when unchecked.
    pub cells: Vec<CellRef>,
}

/// A cell of a stored result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CellRef {
    /// The result.
    pub result_id: ResultId,
    /// Its handle in the thread: `r1`.
    pub handle: String,
    /// Row, from 0; absent where a whole column was used.
    pub row: Option<u64>,
    /// Column name; absent where rows were counted.
    pub column: Option<String>,
    /// The value in it, absent with `row`.
    pub value: Option<Cell>,
}

/// A result that an answer shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShownResult {
    /// The result.
    pub id: ResultId,
    /// Its handle in the thread: `r1`.
    pub handle: String,
}

/// A result that a condition is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckedResult {
    /// The result.
    pub id: ResultId,
    /// Its handle in the thread: `r1`.
    pub handle: String,
    /// The column; absent where none was named.
    pub column: Option<String>,
}

/// A chart that an answer shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShownChart {
    /// The chart.
    pub id: ChartId,
    /// Its handle in the thread: `c1`.
    pub handle: String,
    /// Its title.
    pub title: String,
    /// What it shows, in words, for those who cannot see it.
    pub alt: String,
}

/// A piece of a text with figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// Prose.
    Text(&'a str),
    /// A figure.
    Figure(&'a Figure),
}

impl Answer {
    /// Splits a text of this answer at its figures. A marker of no known figure stays prose.
    pub fn pieces<'a>(&'a self, text: &'a str) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut searched = 0;
        while let Some(open) = rest[searched..].find("{{").map(|found| searched + found) {
            let Some(close) = rest[open..].find("}}").map(|found| open + found) else { break };
            if let Some(figure) = self.figures.iter().find(|figure| figure.id == rest[open + 2..close]) {
                if open > 0 {
                    pieces.push(Piece::Text(&rest[..open]));
                }
                pieces.push(Piece::Figure(figure));
                rest = &rest[close + 2..];
                searched = 0;
            } else {
                searched = open + 2;
            }
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest));
        }
        pieces
    }

    /// A text of this answer with each figure's text in place.
    pub fn fill(&self, text: &str) -> String {
        self.pieces(text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Figure(figure) => &figure.text,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(id: &str, text: &str) -> Figure {
        Figure { id: id.into(), text: text.into(), checked: true, expression: None, cells: vec![] }
    }

    #[test]
    fn figures_are_filled_in_and_unknown_markers_stay() {
        let answer =
            Answer { figures: vec![figure("f1", "58,665"), figure("f2", "12%")], ..Answer::default() };
        assert_eq!(
            answer.fill("United: {{f1}} ({{f2}} up), {{f9}} {{ and {{f2}}"),
            "United: 58,665 (12% up), {{f9}} {{ and 12%"
        );
        assert_eq!(answer.fill("{{f1}}"), "58,665");
        assert_eq!(answer.fill(""), "");
    }
}
