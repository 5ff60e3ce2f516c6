//! Figures: every number, date or name of an answer, tied to the cell that it comes from.
//!
//! A model writes `{{r1[0].avg_delay|number:1}}` where a figure belongs. [`resolve`] computes each from the stored
//! results, then looks for the numerals that were written as plain prose. One that is in the results becomes a figure
//! too; one that is not comes back as unfound, to be repaired once and else to be shown as unchecked.
//!
//! # Expressions
//!
//! | written | means |
//! |---|---|
//! | `r1[0].flights`, `r1[0]["total sales"]` | a cell: result, row from 0, column |
//! | `delta(a,b)` | a − b |
//! | `pct_change(a,b)` | (a − b) / \|b\|: how much `a` is above `b`; a share, so `percent` shows it |
//! | `ratio(a,b)` | a / b |
//! | `sum(r1.flights)` | the column's sum |
//! | `count(r1)` | the number of rows |
//!
//! `a` and `b` are cells or functions themselves; `a` is the newer one, or the part. Formats, after `|`: `number:N` (N
//! decimals), `percent:N` (times 100), `currency:USD`, `date`, `text`. Without one the column's type decides.

mod expression;
mod format;
mod lookup;
mod numeral;

use chrono::NaiveDate;
use domain::{
    ResultId,
    answer::{CellRef, Figure},
    table::Table,
};

pub use lookup::{Aggregates, ROWS_SHOWN, aggregates};

/// The most figures that one answer may have, those found in prose included.
pub const FIGURES_MAX: usize = 300;

/// A text in which nothing is a figure, whatever it looks like: names and words that are not of this answer's making.
pub(crate) fn none_in(text: &str) -> String {
    text.replace("{{", "{ {").replace("}}", "} }")
}

/// A result that figures may refer to.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The result.
    pub id: ResultId,
    /// Its handle in the thread: `r1`.
    pub handle: &'a str,
    /// Its rows.
    pub table: &'a Table,
    /// Whether plain numerals are looked for in it: a result of this turn, or one that the answer shows.
    pub is_searched: bool,
}

/// An answer's texts as a model wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// One sentence.
    pub headline: String,
    /// Markdown.
    pub body: String,
    /// What the reader should know.
    pub caveats: Vec<String>,
}

/// What else a numeral may stem from than a result.
#[derive(Clone, Debug, Default)]
pub struct Question<'a> {
    /// The prompt. Its dates are exempt.
    pub prompt: &'a str,
    /// The turn's statements. A number that stands in the prompt and in one of these is the question's parameter
    /// ("delayed by more than 60 minutes"), and a date in these is the period that was looked at: both are exempt.
    pub statements: Vec<&'a str>,
    /// The local date as of which the question is asked: "today" and "yesterday" are its words.
    pub today: Option<NaiveDate>,
}

/// A draft with its figures in place.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The headline, with markers `{{f1}}`.
    pub headline: String,
    /// The body, with markers.
    pub body: String,
    /// The caveats, with markers.
    pub caveats: Vec<String>,
    /// The figures, in order of appearance. Unfound numerals are among them, unchecked.
    pub figures: Vec<Figure>,
    /// The numerals that are in no result, as written.
    pub unfound: Vec<String>,
}

impl Resolved {
    /// Checked figures over all figures; 1 where there are none.
    pub fn checked_share(&self) -> f64 {
        if self.figures.is_empty() {
            return 1.0;
        }
        let checked = self.figures.iter().filter(|figure| figure.checked).count();
        checked as f64 / self.figures.len() as f64
    }
}

/// A figure that cannot be computed, told so that the model can mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{{{{{written}}}}}`: {message}")]
pub struct Error {
    /// What stood between the braces, cut to a readable length.
    pub written: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Error {
    fn new(written: &str, message: impl Into<String>) -> Self {
        const READABLE: usize = 120;
        let mut cut: String = written.chars().take(READABLE).collect();
        if cut.len() < written.len() {
            cut.push('…');
        }
        Self { written: cut, message: message.into() }
    }
}

/// Computes a draft's figures and looks for its plain numerals. Fails with everything that the model must mend.
pub fn resolve(
    draft: &Draft,
    sources: &[Source<'_>],
    question: &Question<'_>,
) -> Result<Resolved, Vec<Error>> {
    let mut resolver = Resolver {
        sources,
        finder: lookup::Finder::new(sources, question, &draft.body),
        figures: Vec::new(),
        unfound: Vec::new(),
        errors: Vec::new(),
    };
    let headline = resolver.text(&draft.headline);
    let body = resolver.text(&draft.body);
    let caveats = draft.caveats.iter().map(|caveat| resolver.text(caveat)).collect();
    if resolver.figures.len() > FIGURES_MAX {
        resolver.errors.push(Error::new(
            "",
            format!("the answer has more than {FIGURES_MAX} figures; show the rows as a result instead"),
        ));
    }
    if !resolver.errors.is_empty() {
        return Err(resolver.errors);
    }
    Ok(Resolved { headline, body, caveats, figures: resolver.figures, unfound: resolver.unfound })
}

struct Resolver<'a> {
    sources: &'a [Source<'a>],
    finder: lookup::Finder,
    figures: Vec<Figure>,
    unfound: Vec<String>,
    errors: Vec<Error>,
}

/// A text cut at its braces.
enum Part<'a> {
    Prose(&'a str),
    Expression(&'a str),
}

impl Resolver<'_> {
    /// A text with every figure replaced by its marker.
    fn text(&mut self, written: &str) -> String {
        let parts = match split(written) {
            Ok(parts) => parts,
            Err(error) => {
                self.errors.push(error);
                return String::new();
            }
        };
        let mut filled = String::with_capacity(written.len());
        let mut last_marker = 0;
        for (position, part) in parts.iter().enumerate() {
            match part {
                Part::Expression(expression) => match self.figure(expression) {
                    Ok((text, cells)) => {
                        self.place(&mut filled, text, true, Some((*expression).trim()), cells);
                    }
                    Err(error) => self.errors.push(error),
                },
                Part::Prose(prose) => {
                    let neighbours = numeral::Neighbours {
                        figure_before: position > 0,
                        figure_after: position + 1 < parts.len(),
                    };
                    if let Some(message) = numeral::meddling(prose, neighbours) {
                        self.errors.push(Error::new(prose.trim(), message));
                    }
                    self.prose(&mut filled, prose, &mut last_marker);
                }
            }
        }
        filled
    }

    fn figure(&self, written: &str) -> Result<(String, Vec<CellRef>), Error> {
        let figure = expression::parse(written).map_err(|message| Error::new(written, message))?;
        let mut cells = Vec::new();
        let value = expression::evaluate(&figure.expression, self.sources, &mut cells)
            .map_err(|message| Error::new(written, message))?;
        let text = format::format(&value, figure.format).map_err(|message| Error::new(written, message))?;
        Ok((text, cells))
    }

    fn prose(&mut self, filled: &mut String, prose: &str, last_marker: &mut u32) {
        let prose = numeral::normalise(prose);
        let mut copied = 0;
        for numeral in numeral::scan_on(&prose, last_marker) {
            if numeral.range.start < copied {
                continue;
            }
            let (range, checked, cells) = match self.finder.find(&prose, &numeral) {
                lookup::Found::Exempt => continue,
                // A name is one figure, however many numerals are in it.
                lookup::Found::Named(cell, range) if range.start >= copied => (range, true, vec![cell]),
                lookup::Found::In(cell) | lookup::Found::Named(cell, _) => (numeral.range, true, vec![cell]),
                lookup::Found::Nowhere => (numeral.range, false, vec![]),
            };
            let text = &prose[range.clone()];
            filled.push_str(&prose[copied..range.start]);
            copied = range.end;
            if !checked {
                self.unfound.push(text.to_owned());
            }
            self.place(filled, text.to_owned(), checked, None, cells);
        }
        filled.push_str(&prose[copied..]);
    }

    fn place(
        &mut self,
        filled: &mut String,
        text: String,
        checked: bool,
        expression: Option<&str>,
        cells: Vec<CellRef>,
    ) {
        let id = format!("f{}", self.figures.len() + 1);
        filled.push_str("{{");
        filled.push_str(&id);
        filled.push_str("}}");
        self.figures.push(Figure { id, text, checked, expression: expression.map(str::to_owned), cells });
    }
}

fn split(text: &str) -> Result<Vec<Part<'_>>, Error> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let Some(length) = rest[open + 2..].find("}}") else {
            return Err(Error::new(
                &rest[open + 2..],
                "the figure is not closed; write {{r1[0].column|number:1}}",
            ));
        };
        if open > 0 {
            parts.push(Part::Prose(&rest[..open]));
        }
        parts.push(Part::Expression(&rest[open + 2..open + 2 + length]));
        rest = &rest[open + 2 + length + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Prose(rest));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
