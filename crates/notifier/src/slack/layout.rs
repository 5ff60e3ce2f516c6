//! A message as Slack shows it: one message with everything that fits, and replies below it for the rest of a long answer.

use domain::DeliveryId;
use slack::block::{
    self, Align, BLOCKS_CHARACTERS_SAFE, BLOCKS_MAX, Block, Button, ButtonStyle, Cell, Column, PlainText,
    SECTION_MAX,
};
use url::Url;

use super::mrkdwn::{self, Piece};
use crate::{
    message::{Message, Picture},
    render::{
        inert::clip,
        markdown::{Inline, words},
        plain,
        table::short_table,
    },
};

/// Opens the thread; Slack tells of the click all the same.
pub const ACTION_OPEN: &str = "tidings_open";
/// Sends nothing of the task for a while.
pub const ACTION_SNOOZE: &str = "tidings_snooze";
/// Sends the reader nothing more of the task.
pub const ACTION_UNSUBSCRIBE: &str = "tidings_unsubscribe";

/// The longest text of a notification, in characters.
const NOTIFICATION_MAX: usize = 1_000;
/// The most characters of notes in the first message.
const NOTES_MAX: usize = SECTION_MAX;
/// What a message keeps free for its own words between the parts, in characters.
const RESERVE: usize = 400;
/// The longest title and the longest description of a picture, in characters.
const PICTURE_TITLE_MAX: usize = 150;
const PICTURE_ALT_MAX: usize = 500;

/// What one message of Slack's says.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What notifications say, in `mrkdwn`, escaped.
    pub text: String,
    /// What is shown.
    pub blocks: Vec<Block>,
}

/// What a message offers to press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buttons {
    /// What they are about.
    pub delivery_id: DeliveryId,
    /// Whether the reader may have rest from the task for a week: only where the message goes to one person.
    pub has_snooze: bool,
    /// Whether the reader may be sent nothing more of it: only where the message goes to one person.
    pub has_unsubscribe: bool,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// On its own, below its title.
    Message,
    /// Below a question in a conversation.
    Reply,
}

/// `message` as the messages that it is posted as: how many these are depends on nothing but `message` and `form`. `files`
/// holds Slack's id of each picture's file; a picture without one is described in words.
pub fn parts(message: &Message, form: Form, buttons: Buttons, files: &[Option<String>]) -> Vec<Part> {
    let top = top(message, form);
    let (table, bottom) = (table(message), bottom(message, buttons));
    // Counted with each picture in its longer form, so that a failing upload moves no text to another message.
    let pictures_cost: usize =
        message.pictures.iter().map(|picture| picture_words(picture).chars().count()).sum();
    let fixed_cost = cost(&top) + cost(&table) + cost(&bottom) + pictures_cost + RESERVE;
    let fixed_blocks = top.len() + table.len() + bottom.len() + message.pictures.len() + 2;
    let characters = BLOCKS_CHARACTERS_SAFE.saturating_sub(fixed_cost);

    let mut answer = mrkdwn::bold_line(&message.headline);
    answer.extend(mrkdwn::pieces(&message.body));
    let mut answer = Sections::of(answer);
    let mut notes = Sections::of(mrkdwn::points(&message.notes));
    let first_notes = notes.take(NOTES_MAX.min(characters / 2), 1);
    let first_answer = answer.take(characters - cost(&first_notes), BLOCKS_MAX - fixed_blocks);

    let mut blocks = top;
    blocks.extend(first_answer);
    if !answer.is_empty() || !notes.is_empty() {
        blocks.push(Block::context("_The answer goes on in the replies to this message._"));
    }
    for (position, picture) in message.pictures.iter().enumerate() {
        let file = files.get(position).and_then(Option::as_ref);
        blocks.push(file.map_or_else(|| Block::section(picture_words(picture)), |file| image(picture, file)));
    }
    blocks.extend(table);
    blocks.extend(first_notes);
    blocks.extend(bottom);
    let mut parts = vec![Part { text: notification(message), blocks }];

    let mut rest = answer;
    rest.append(notes);
    while !rest.is_empty() {
        let text = format!("{} – part {}", block::inert(&message.title), parts.len() + 1);
        parts.push(Part { text, blocks: rest.take(BLOCKS_CHARACTERS_SAFE - RESERVE, BLOCKS_MAX) });
    }
    parts
}

/// What is posted where Slack refuses the blocks: the finding, that the data was not fresh where it was not, and where the rest is.
pub fn plain_text(message: &Message) -> Part {
    let mut lines = vec![format!("*{}*", block::inert(&message.title))];
    lines.extend(message.banner.as_deref().map(banner_line));
    lines.push(block::inert(&short_headline(message)));
    lines.extend(linked(message).map(|(label, url)| block::link(&url, label)));
    Part { text: lines.join("\n"), blocks: Vec::new() }
}

/// What is posted below a message whose file Slack does not take.
pub(super) fn file_left_out(message: &Message) -> Part {
    let from = linked(message).map_or_else(
        || "Download it from the thread.".to_owned(),
        |(_, url)| format!("{}.", block::link(&url, "Download it from the thread")),
    );
    Part { text: format!("The CSV file could not be attached. {from}"), blocks: Vec::new() }
}

/// What stands above the answer.
fn top(message: &Message, form: Form) -> Vec<Block> {
    let mut blocks = Vec::new();
    if form == Form::Message {
        blocks.push(Block::header(if message.title.is_empty() { "Tidings" } else { &message.title }));
    }
    if let Some(banner) = &message.banner {
        blocks.push(Block::section(banner_line(banner)));
    }
    blocks
}

fn banner_line(banner: &[Inline]) -> String {
    format!("⚠️ *{}*", block::inert(&words(banner)))
}

/// What stands below the answer: where it comes from, and what to press.
fn bottom(message: &Message, buttons: Buttons) -> Vec<Block> {
    let mut lines = message.provenance.clone();
    if message.has_unchecked_figures() {
        lines.push("[unchecked]: this figure was not found in the data".to_owned());
    }
    lines.push(message.because.clone());
    let lines: Vec<String> =
        lines.iter().filter(|line| !line.is_empty()).map(|line| block::inert(line)).collect();
    let mut blocks = vec![Block::context(clip(&lines.join("  ·  "), block::CONTEXT_TEXT_MAX))];
    let value = buttons.delivery_id.to_string();
    let mut elements = Vec::new();
    if let Some((label, url)) = linked(message) {
        let mut open = Button::link(label, ACTION_OPEN, &url);
        (open.value, open.style) = (Some(value.clone()), Some(ButtonStyle::Primary));
        elements.push(open);
    }
    if buttons.has_snooze {
        elements.push(Button::action("Snooze", ACTION_SNOOZE, Some(value.clone())));
    }
    if buttons.has_unsubscribe {
        elements.push(Button::action("Unsubscribe", ACTION_UNSUBSCRIBE, Some(value)));
    }
    if !elements.is_empty() {
        blocks.push(Block::Actions { elements });
    }
    blocks
}

/// The table, and how much of it was left out.
fn table(message: &Message) -> Vec<Block> {
    let mut blocks = Vec::new();
    if message.pictures_left_out > 0 {
        blocks.push(Block::context(format!("{} more charts are in the thread.", message.pictures_left_out)));
    }
    let Some(excerpt) = &message.table else { return blocks };
    let table = short_table(excerpt);
    let row = |cells: &Vec<String>| cells.iter().map(Cell::new).collect::<Vec<_>>();
    let rows = std::iter::once(&table.head).chain(&table.rows).map(row).collect();
    let column = |&flush_right: &bool| Column {
        align: if flush_right { Align::Right } else { Align::Left },
        is_wrapped: false,
    };
    blocks.push(Block::Table { rows, column_settings: table.flush_right.iter().map(column).collect() });
    if let Some(left_out) = &table.left_out {
        blocks.push(Block::context(block::inert(left_out)));
    }
    blocks
}

fn image(picture: &Picture, file: &str) -> Block {
    Block::Image {
        slack_file: slack::block::SlackFile { id: file.to_owned() },
        // Slack refuses an empty text.
        alt_text: if picture.alt.is_empty() {
            "A chart".to_owned()
        } else {
            clip(&picture.alt, PICTURE_ALT_MAX)
        },
        title: Some(clip(&picture.title, PICTURE_TITLE_MAX))
            .filter(|title| !title.is_empty())
            .map(PlainText::new),
    }
}

fn picture_words(picture: &Picture) -> String {
    let title = block::inert(&clip(picture.title.trim_end_matches('.'), PICTURE_TITLE_MAX));
    format!("_Chart: {title}._ {}", block::inert(&clip(&picture.alt, PICTURE_ALT_MAX)))
}

fn notification(message: &Message) -> String {
    block::inert(&format!("{}: {}", message.title, short_headline(message)))
}

fn short_headline(message: &Message) -> String {
    clip(&headline_words(&message.headline), NOTIFICATION_MAX)
}

fn headline_words(headline: &[Inline]) -> String {
    plain::line(headline).replace('\n', " ")
}

/// What the first button opens; none whose address is none.
fn linked(message: &Message) -> Option<(&str, Url)> {
    let (label, url) = message.action.as_ref()?;
    Some((label, url.parse().ok()?))
}

fn cost(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::characters).sum()
}

/// Text that fills sections one after another.
struct Sections(std::collections::VecDeque<Piece>);

impl Sections {
    fn of(pieces: Vec<Piece>) -> Self {
        Self(pieces.into())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The next sections: at most so many, of at most so many characters together.
    fn take(&mut self, characters: usize, sections: usize) -> Vec<Block> {
        let mut taken: Vec<String> = Vec::new();
        let mut left = characters;
        while let Some(piece) = self.0.front() {
            let length = piece.text.chars().count() + 2;
            if length > left {
                break;
            }
            let is_full = taken.len() >= sections;
            match taken.last_mut() {
                Some(section) if section.chars().count() + length <= SECTION_MAX => {
                    section.push_str(if piece.is_tight { "\n" } else { "\n\n" });
                    section.push_str(&piece.text);
                }
                _ if is_full => break,
                _ => taken.push(piece.text.clone()),
            }
            left -= length;
            self.0.pop_front();
        }
        taken.into_iter().map(Block::section).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::markdown::Block as Text;

    fn message(body: &str, notes: usize) -> Message {
        let paragraph = |text: &str| Text::Paragraph(vec![Inline::Text(text.to_owned())]);
        Message {
            title: "Flights <!here>".into(),
            date: "Mon 2 Mar 2026".into(),
            banner: None,
            headline: vec![Inline::Text("United leads".into())],
            body: body.split('\n').map(paragraph).collect(),
            pictures: vec![],
            pictures_left_out: 0,
            table: None,
            notes: (0..notes)
                .map(|number| vec![Inline::Text(format!("note{number} {}", "n".repeat(900)))])
                .collect(),
            provenance: vec!["Data as of Mon 2 Mar 2026".into()],
            action: Some(("Open the thread".into(), "https://tidings.example/threads/1".into())),
            because: "Because.".into(),
            unsubscribe_url: None,
        }
    }

    fn buttons() -> Buttons {
        let delivery_id = "019aa1b2-0000-7000-8000-000000000001".parse().expect("an id");
        Buttons { delivery_id, has_snooze: true, has_unsubscribe: false }
    }

    fn shown(parts: &[Part]) -> String {
        serde_json::to_string(&parts.iter().map(|part| &part.blocks).collect::<Vec<_>>()).expect("JSON")
    }

    #[test]
    fn a_long_answer_goes_on_in_replies_and_nothing_is_lost() {
        let paragraphs: Vec<String> =
            (0..120).map(|number| format!("p{number}. {}", "word ".repeat(120))).collect();
        let message = message(&paragraphs.join("\n"), 12);
        let parts = parts(&message, Form::Message, buttons(), &[]);
        assert!(parts.len() > 5, "{} parts", parts.len());
        for part in &parts {
            assert!(part.blocks.len() <= BLOCKS_MAX && cost(&part.blocks) <= BLOCKS_CHARACTERS_SAFE);
            assert!(!part.text.is_empty() && part.text.chars().count() <= block::TEXT_ADVISED);
            for block in &part.blocks {
                let is_long =
                    matches!(block, Block::Section { text, .. } if text.text.chars().count() > SECTION_MAX);
                assert!(!is_long);
            }
        }
        let all = shown(&parts);
        for number in 0..120 {
            assert_eq!(all.matches(&format!("p{number}. ")).count(), 1, "paragraph {number}");
        }
        for number in 0..12 {
            assert_eq!(all.matches(&format!("note{number} ")).count(), 1, "note {number}");
        }
        assert!(all.contains("goes on in the replies"));
    }

    #[test]
    fn an_upload_that_failed_moves_no_text_to_another_message() {
        let mut message = message(&"word ".repeat(1_800), 4);
        let picture = Picture {
            title: "t".repeat(200),
            alt: "a".repeat(900),
            width: 600,
            png: std::sync::Arc::default(),
        };
        message.pictures = vec![picture; 8];
        let files: Vec<_> = (0..8).map(|number| Some(format!("F{number}"))).collect();
        let with = parts(&message, Form::Message, buttons(), &files);
        let without = parts(&message, Form::Message, buttons(), &[]);
        assert_eq!(with.len(), without.len());
        assert_eq!(with[1..], without[1..]);
        for part in with.iter().chain(&without) {
            assert!(cost(&part.blocks) <= BLOCKS_CHARACTERS_SAFE && part.blocks.len() <= BLOCKS_MAX);
        }
    }

    #[test]
    fn a_short_answer_is_one_message_with_its_buttons() {
        let parts = parts(&message("Fine.", 0), Form::Message, buttons(), &[]);
        let [part] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!(part.text, "Flights &lt;!here&gt;:\u{2060} United leads");
        let Some(Block::Actions { elements }) = part.blocks.last() else { panic!("{part:?}") };
        let ids: Vec<_> = elements.iter().map(|button| button.action_id.as_str()).collect();
        assert_eq!(ids, [ACTION_OPEN, ACTION_SNOOZE]);
        assert!(matches!(&part.blocks[0], Block::Header { text } if text.text == "Flights <!here>"));
        let reply = super::parts(&message("Fine.", 0), Form::Reply, buttons(), &[]);
        assert!(!matches!(reply[0].blocks[0], Block::Header { .. }));
    }

    #[test]
    fn the_plain_text_is_the_finding_and_the_link() {
        assert_eq!(
            plain_text(&message("Fine.", 0)).text,
            "*Flights &lt;!here&gt;*\nUnited leads\n<https://tidings.example/threads/1|Open the thread>"
        );
    }

    /// Fails where a message that goes in a plainer form says nothing of stale data.
    #[test]
    fn the_plain_text_says_that_the_data_was_not_fresh() {
        let mut message = message("Fine.", 0);
        message.banner = Some(vec![Inline::Text("Data as of <Friday>.".into())]);
        let text = plain_text(&message).text;
        assert!(
            text.starts_with("*Flights &lt;!here&gt;*\n⚠️ *Data as of &lt;Friday&gt;.*\nUnited leads\n"),
            "{text}"
        );
    }
}
