//! A week without news: word that a task with a condition is alive, and how its checks came out.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    message::Message,
    render::{
        inert::{clip, inert_line},
        markdown::{Block, Inline},
    },
};

/// The longest sentence of a check, in characters.
const SENTENCE_MAX: usize = 300;
/// The most checks that are told of.
pub const CHECKS_MAX: u32 = 10;

/// A week in which nothing was sent.
#[derive(Clone, Debug)]
pub struct NoNews<'a> {
    /// The task's title.
    pub task_title: &'a str,
    /// What did not hold, as it goes on after "only when"; none where the task has no condition any more.
    pub condition: Option<String>,
    /// When the condition was checked and what came of it, oldest first; none for a reader who may not see figures.
    pub checks: Option<Vec<(DateTime<Utc>, String)>>,
    /// When the week ended.
    pub at: DateTime<Utc>,
    /// The task's zone.
    pub zone: Tz,
    /// Where to look, for whoever may.
    pub task_url: Option<String>,
    /// Where one says that one wants no more of these.
    pub unsubscribe_url: Option<String>,
    /// Why the reader gets it, in a sentence.
    pub because: String,
}

impl NoNews<'_> {
    /// The word as a message.
    pub fn message(&self) -> Message {
        let title = clip(&inert_line(self.task_title), 150);
        let local = self.at.with_timezone(&self.zone);
        Message {
            headline: vec![Inline::Text(format!("No news from “{title}” for a week."))],
            title,
            date: local.format("%a %-d %b %Y").to_string(),
            banner: None,
            body: self.body(),
            pictures: Vec::new(),
            pictures_left_out: 0,
            table: None,
            notes: Vec::new(),
            provenance: vec![format!("{} ({})", local.format("%a %-d %b %Y, %H:%M"), self.zone)],
            action: self.task_url.clone().map(|url| ("Open the task".to_owned(), url)),
            because: inert_line(&self.because),
            unsubscribe_url: self.unsubscribe_url.clone(),
        }
    }

    fn body(&self) -> Vec<Block> {
        let when = match &self.condition {
            Some(condition) => {
                format!("It is sent only when {}.", clip(&inert_line(condition), SENTENCE_MAX))
            }
            None => "It is sent only when its condition holds.".to_owned(),
        };
        let Some(checks) = self.checks.as_ref().filter(|checks| !checks.is_empty()) else {
            return vec![paragraph(format!("{when} When it ran, that was not so."))];
        };
        let items = checks
            .iter()
            .map(|(at, sentence)| {
                let day = at.with_timezone(&self.zone).format("%a %-d %b");
                vec![paragraph(format!("{day}: {}.", clip(&inert_line(sentence), SENTENCE_MAX)))]
            })
            .collect();
        vec![
            // Runs of the week that failed or were skipped have none.
            paragraph(format!("{when} Its latest checks said:")),
            Block::List { first: None, items },
        ]
    }
}

fn paragraph(text: String) -> Block {
    Block::Paragraph(vec![Inline::Text(text)])
}
