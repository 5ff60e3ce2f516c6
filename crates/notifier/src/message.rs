//! What a delivery says, before anybody decides how it looks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    answer::Answer,
    table::{Cell, Column, Truncation},
};

use crate::render::{
    inert::{clip, inert_line},
    markdown::{self, Block, Inline},
};

/// The most rows of a table in a message.
pub const TABLE_ROWS_MAX: usize = 20;
/// The most charts in a message; the rest are a click away.
pub const PICTURES_MAX: usize = 8;
/// The most caveats in a message.
const NOTES_MAX: usize = 12;
/// The longest sentence of ours that quotes names of the data, in characters.
const WORD_MAX: usize = 600;
/// The longest title, in characters.
const TITLE_MAX: usize = 150;
/// What is said of stale data to whoever may not see a figure.
const NOT_FRESH: &str = "The data was not fresh.";
/// The headline of whoever may not see a figure, where nothing tells which words of the answer's own come from data.
const UNTOLD: &str = "What was found is in the thread.";
/// What stands for a figure where the reader may not see it.
const HIDDEN_FIGURE: &str = "…";

/// An answer as it is stored, with all that a message about it may need.
#[derive(Clone, Debug)]
pub struct Report {
    /// The task's title, or the thread's.
    pub title: String,
    /// The answer.
    pub answer: Answer,
    /// The instant as of which it was asked: its day names the message.
    pub asked_at: DateTime<Utc>,
    /// When its data was read.
    pub as_of: DateTime<Utc>,
    /// The zone in which the reader thinks of the task.
    pub zone: Tz,
    /// The results that the answer shows, in its order.
    pub results: Vec<Excerpt>,
    /// The charts that it shows, in its order.
    pub pictures: Vec<Picture>,
    /// Where the thread is.
    pub thread_url: String,
    /// Where one says that one wants no more of these.
    pub unsubscribe_url: Option<String>,
    /// Why the reader gets it, in a sentence.
    pub because: String,
}

/// The beginning of a stored result.
#[derive(Clone, Debug, PartialEq)]
pub struct Excerpt {
    /// Its handle in the thread: `r1`.
    pub handle: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its first rows: [`TABLE_ROWS_MAX`] are enough.
    pub rows: Vec<Vec<Cell>>,
    /// How many rows it has in all.
    pub row_count: u64,
    /// Why rows are missing at its end, if they are.
    pub truncated: Option<Truncation>,
}

/// A chart as a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Its title.
    pub title: String,
    /// What it shows, in words.
    pub alt: String,
    /// Its width on the page, in CSS pixels; the PNG has twice as many.
    pub width: u32,
    /// The PNG file: one for all messages that show it.
    pub png: Arc<[u8]>,
}

/// A message, ready to be rendered. All text in it is harmless: see [`crate::render`].
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The task's title.
    pub title: String,
    /// The date that tells this message from the last one: `Sat 21 Nov 2026`.
    pub date: String,
    /// What must be known before anything else is read: that the data is not fresh.
    pub banner: Option<Vec<Inline>>,
    /// One sentence that says the finding.
    pub headline: Vec<Inline>,
    /// The answer.
    pub body: Vec<Block>,
    /// Its charts.
    pub pictures: Vec<Picture>,
    /// How many charts were left out.
    pub pictures_left_out: usize,
    /// The first result that the answer shows.
    pub table: Option<Excerpt>,
    /// What the reader should know, one line each.
    pub notes: Vec<Vec<Inline>>,
    /// How fresh and how well founded it is, one line each.
    pub provenance: Vec<String>,
    /// What to press: a label and where it leads.
    pub action: Option<(String, String)>,
    /// Why the reader gets this.
    pub because: String,
    /// Where one says that one wants no more of these.
    pub unsubscribe_url: Option<String>,
}

impl Message {
    /// All of a report.
    pub fn full(report: Report) -> Self {
        let answer = &report.answer;
        let caveats: Vec<_> =
            answer.caveats.iter().filter(|caveat| Some(*caveat) != answer.stale.as_ref()).collect();
        let mut notes: Vec<_> =
            caveats.iter().take(NOTES_MAX).map(|caveat| markdown::line(answer, caveat)).collect();
        if caveats.len() > NOTES_MAX {
            let left_out = format!("And {} more in the thread.", caveats.len() - NOTES_MAX);
            notes.push(vec![Inline::Text(left_out)]);
        }
        if let Some(why) = &answer.why {
            notes.insert(0, vec![Inline::Text(clip(&inert_line(why), WORD_MAX))]);
        }
        notes.extend(report.results.iter().filter_map(truncation_note).map(|note| vec![Inline::Text(note)]));
        // A question back is asked in a conversation: who answers by reply sees what there is to choose from.
        let choices = answer.choices.iter().map(|choice| {
            vec![Inline::Text(clip(&inert_line(&format!("You could reply: {choice}")), WORD_MAX))]
        });
        notes.splice(0..0, choices);
        let mut provenance = vec![as_of_line(&report)];
        provenance.extend(checked_line(answer));
        let pictures_left_out = report.pictures.len().saturating_sub(PICTURES_MAX);
        let pictures = report.pictures.into_iter().take(PICTURES_MAX).map(|picture| Picture {
            title: inert_line(&picture.title),
            alt: inert_line(&picture.alt),
            ..picture
        });
        Self {
            title: title(&report.title),
            date: date(report.asked_at, report.zone),
            banner: answer.stale.as_ref().map(|stale| vec![Inline::Text(clip(&inert_line(stale), WORD_MAX))]),
            headline: markdown::line(answer, &answer.headline),
            body: markdown::blocks(answer, &answer.body),
            pictures: pictures.collect(),
            pictures_left_out,
            table: report.results.into_iter().find(|result| !result.rows.is_empty()),
            notes,
            provenance,
            action: Some(("Open the thread".to_owned(), report.thread_url)),
            because: inert_line(&report.because),
            unsubscribe_url: report.unsubscribe_url,
        }
    }

    /// What a recipient without rights on the data may see of a report: its title, its headline without figures, that its data
    /// was not fresh, and the link. Of an answer that rests on no result, as one from samples of a table, not the headline either:
    /// its words may be the data.
    pub fn link_only(report: Report) -> Self {
        let answer = &report.answer;
        let rests_on_results =
            !answer.results.is_empty() || answer.figures.iter().any(|figure| figure.checked);
        let headline = if rests_on_results {
            without_figures(&markdown::line(answer, &answer.headline))
        } else {
            UNTOLD.to_owned()
        };
        Self {
            title: title(&report.title),
            date: date(report.asked_at, report.zone),
            // How old it was would be a figure.
            banner: report.answer.stale.as_ref().map(|_| vec![Inline::Text(NOT_FRESH.to_owned())]),
            headline: vec![Inline::Text(headline)],
            body: Vec::new(),
            pictures: Vec::new(),
            pictures_left_out: 0,
            table: None,
            notes: vec![vec![Inline::Text(
                "Figures, charts and tables are shown only to those who may see the data behind them."
                    .to_owned(),
            )]],
            provenance: vec![as_of_line(&report)],
            action: Some(("Open the thread".to_owned(), report.thread_url)),
            because: inert_line(&report.because),
            unsubscribe_url: report.unsubscribe_url,
        }
    }

    /// Adds something that the reader should know.
    pub fn add_note(&mut self, note: &str) {
        self.notes.push(vec![Inline::Text(inert_line(note))]);
    }

    /// The line in the reader's list of mails: the title, and the date at its end.
    pub fn subject(&self) -> String {
        format!("{} – {}", self.title, self.date)
    }

    /// Whether a figure in it is unchecked, so that the mark needs to be explained.
    pub fn has_unchecked_figures(&self) -> bool {
        fn in_line(inlines: &[Inline]) -> bool {
            inlines.iter().any(|inline| match inline {
                Inline::Figure { checked, .. } => !checked,
                Inline::Strong(inner)
                | Inline::Emphasis(inner)
                | Inline::Struck(inner)
                | Inline::Code(inner) => in_line(inner),
                Inline::Text(_) | Inline::Break => false,
            })
        }
        fn in_block(block: &Block) -> bool {
            match block {
                Block::Paragraph(inlines) | Block::Heading(_, inlines) | Block::Code(inlines) => {
                    in_line(inlines)
                }
                Block::List { items, .. } => items.iter().flatten().any(in_block),
                Block::Quote(blocks) => blocks.iter().any(in_block),
                Block::Table { head, rows, .. } => {
                    head.iter().chain(rows.iter().flatten()).any(|cell| in_line(cell))
                }
                Block::Rule => false,
            }
        }
        in_line(&self.headline)
            || self.body.iter().any(in_block)
            || self.notes.iter().any(|note| in_line(note))
    }
}

fn title(title: &str) -> String {
    clip(&inert_line(title), TITLE_MAX)
}

fn date(instant: DateTime<Utc>, zone: Tz) -> String {
    instant.with_timezone(&zone).format("%a %-d %b %Y").to_string()
}

fn as_of_line(report: &Report) -> String {
    let local = report.as_of.with_timezone(&report.zone);
    format!("Data as of {} ({})", local.format("%a %-d %b %Y, %H:%M"), report.zone)
}

fn checked_line(answer: &Answer) -> Option<String> {
    let all = answer.figures.len();
    let checked = answer.figures.iter().filter(|figure| figure.checked).count();
    match (all, checked) {
        (0, _) => None,
        (1, 1) => Some("Its one figure was checked against the data".to_owned()),
        _ if all == checked => Some(format!("All {all} figures were checked against the data")),
        _ => {
            let percent = (answer.checked_share * 100.0).floor();
            Some(format!(
                "{checked} of {all} figures ({percent}%) were found in the data; the others are marked"
            ))
        }
    }
}

fn truncation_note(result: &Excerpt) -> Option<String> {
    let limit = match result.truncated? {
        Truncation::Rows => "rows",
        Truncation::Bytes => "size",
    };
    let rows = result.row_count;
    Some(format!(
        "Result {} was cut at the limit on {limit}, after {rows} rows: totals over it may be too low.",
        inert_line(&result.handle)
    ))
}

/// The words of a line with a mark for each figure, and for each digit that slipped past the figures.
fn without_figures(inlines: &[Inline]) -> String {
    let mut words = String::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) => append_without_digits(&mut words, text),
            Inline::Figure { .. } => words.push_str(HIDDEN_FIGURE),
            Inline::Strong(inner) | Inline::Emphasis(inner) | Inline::Struck(inner) | Inline::Code(inner) => {
                words.push_str(&without_figures(inner));
            }
            Inline::Break => words.push(' '),
        }
    }
    words
}

fn append_without_digits(words: &mut String, text: &str) {
    let mut is_in_number = false;
    for character in text.chars() {
        if character.is_numeric() {
            if !is_in_number {
                words.push_str(HIDDEN_FIGURE);
            }
            is_in_number = true;
        } else if !(is_in_number && matches!(character, '.' | ',' | '%')) {
            is_in_number = false;
            words.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::answer::{Figure, ShownResult};

    use super::*;

    fn figure(id: &str, text: &str, checked: bool) -> Figure {
        Figure { id: id.into(), text: text.into(), checked, expression: None, cells: vec![] }
    }

    fn report(headline: &str) -> Report {
        Report {
            title: "Weekly\r\nBcc: evil@example.com".into(),
            answer: Answer {
                headline: headline.into(),
                body: "**{{f1}}** flights, {{f2}} late".into(),
                figures: vec![figure("f1", "58,665", true), figure("f2", "12", false)],
                checked_share: 0.5,
                ..Answer::default()
            },
            asked_at: "2026-03-01T23:10:00Z".parse().expect("an instant"),
            as_of: "2026-03-01T23:30:00Z".parse().expect("an instant"),
            zone: chrono_tz::Europe::Paris,
            results: vec![],
            pictures: vec![],
            thread_url: "https://tidings.example/threads/1".into(),
            unsubscribe_url: None,
            because: "Because.".into(),
        }
    }

    #[test]
    fn the_date_is_the_tasks_own_and_ends_the_subject() {
        let message = Message::full(report("x"));
        assert!(message.subject().ends_with(" – Mon 2 Mar 2026"), "{}", message.subject());
        assert!(!message.subject().contains(['\r', '\n']));
        assert_eq!(message.provenance[0], "Data as of Mon 2 Mar 2026, 00:30 (Europe/Paris)");
        assert_eq!(
            message.provenance[1],
            "1 of 2 figures (50%) were found in the data; the others are marked"
        );
        assert!(message.has_unchecked_figures());
    }

    #[test]
    fn a_link_only_message_has_no_figure_of_any_kind() {
        let message = Message::link_only(report("**United** leads with {{f1}}, 12.5% of ½ and 3 more"));
        assert_eq!(markdown::words(&message.headline), "United leads with …, … of … and … more");
        assert!(message.body.is_empty() && message.table.is_none() && message.pictures.is_empty());
        assert_eq!(message.provenance.len(), 1);
        assert!(!message.has_unchecked_figures());
        assert_eq!(message.banner, None);
    }

    /// With the headline shown, whoever may not see the data reads which departments there are.
    #[test]
    fn a_link_only_message_has_no_headline_that_may_be_the_data() {
        let mut report = report("Sales and Support are in it, {{f2}} in all");
        report.answer.figures = vec![figure("f2", "two", false)];
        let message = Message::link_only(report.clone());
        assert_eq!(markdown::words(&message.headline), "What was found is in the thread.");
        let id = "0190a000-0000-7000-8000-000000000001".parse().expect("an id");
        report.answer.results = vec![ShownResult { id, handle: "r1".into() }];
        let message = Message::link_only(report);
        assert_eq!(markdown::words(&message.headline), "Sales and Support are in it, … in all");
    }

    /// Fails where a link-only message has no banner, or the one that names how old the data is.
    #[test]
    fn a_link_only_message_says_that_its_data_was_not_fresh_and_not_how_old_it_was() {
        let mut report = report("United leads");
        report.answer.stale = Some("The newest flight is of Thu 19 Nov 2026, 23:59.".into());
        let banner = Message::link_only(report).banner.expect("a banner");
        assert_eq!(markdown::words(&banner), "The data was not fresh.");
    }

    /// Fails where what is beyond the most caveats of a message is left out without a word.
    #[test]
    fn caveats_that_are_left_out_are_counted() {
        let notes = |count: usize| {
            let mut report = report("United leads");
            report.answer.caveats = (0..count).map(|number| format!("Caveat {number}.")).collect();
            let notes = Message::full(report).notes;
            notes.iter().map(|note| markdown::words(note)).collect::<Vec<_>>()
        };
        let all = notes(NOTES_MAX);
        assert_eq!((all.len(), all[NOTES_MAX - 1].as_str()), (NOTES_MAX, "Caveat 11."));
        let some = notes(20);
        assert_eq!((some.len(), some[NOTES_MAX].as_str()), (NOTES_MAX + 1, "And 8 more in the thread."));
    }
}
