//! Block Kit: the parts that our messages are made of, their published limits, and how text from data is made harmless.
//!
//! The types do not enforce the limits: whoever composes a message counts, with the constants below, and splits.

use serde::Serialize;
use url::Url;

/// Blocks in one message.
pub const BLOCKS_MAX: usize = 50;
/// Characters of a header.
pub const HEADER_MAX: usize = 150;
/// Characters of a section's text.
pub const SECTION_MAX: usize = 3_000;
/// Texts in a context line.
pub const CONTEXT_ELEMENTS_MAX: usize = 10;
/// Characters of one text in a context line.
pub const CONTEXT_TEXT_MAX: usize = 3_000;
/// Buttons in a row.
pub const ACTIONS_MAX: usize = 25;
/// Characters on a button.
pub const BUTTON_TEXT_MAX: usize = 75;
/// Characters of a button's value.
pub const BUTTON_VALUE_MAX: usize = 2_000;
/// Characters of a button's address.
pub const BUTTON_URL_MAX: usize = 3_000;
/// Characters of an action's or block's id.
pub const ID_MAX: usize = 255;
/// Characters of an image's alternative text, and of its title.
pub const ALT_TEXT_MAX: usize = 2_000;
/// Rows of a table, its head included.
pub const TABLE_ROWS_MAX: usize = 100;
/// Columns of a table.
pub const TABLE_COLUMNS_MAX: usize = 20;
/// Characters in all cells of a message's table together. A message has one table at most.
pub const TABLE_CHARACTERS_MAX: usize = 10_000;
/// Characters in a message's blocks together that are safe. Slack publishes no figure; `msg_blocks_too_long` has been
/// seen from about 13,100 on.
pub const BLOCKS_CHARACTERS_SAFE: usize = 12_000;
/// Characters of a message's `text`. Slack cuts, or refuses with `msg_too_long`, what is longer.
pub const TEXT_MAX: usize = 40_000;
/// Characters of a message's `text` that Slack advises.
pub const TEXT_ADVISED: usize = 4_000;

/// One part of a message, from top to bottom.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// A title in large letters.
    Header {
        /// At most [`HEADER_MAX`] characters.
        text: PlainText,
    },
    /// A paragraph or several.
    Section {
        /// At most [`SECTION_MAX`] characters.
        text: Mrkdwn,
        /// Whether the text is shown whole at first, rather than folded behind "see more".
        expand: bool,
    },
    /// A picture that was uploaded and completed.
    Image {
        /// The picture.
        slack_file: SlackFile,
        /// What it shows, for those who cannot see it.
        alt_text: String,
        /// A line above it.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<PlainText>,
    },
    /// A table; one a message.
    Table {
        /// Rows of cells, the head first. At most [`TABLE_ROWS_MAX`] of [`TABLE_COLUMNS_MAX`].
        rows: Vec<Vec<Cell>>,
        /// How each column is shown, in their order.
        column_settings: Vec<Column>,
    },
    /// A line of small print.
    Context {
        /// At most [`CONTEXT_ELEMENTS_MAX`].
        elements: Vec<Mrkdwn>,
    },
    /// A row of buttons.
    Actions {
        /// At most [`ACTIONS_MAX`].
        elements: Vec<Button>,
    },
    /// A line across.
    Divider,
}

/// Text without any formatting; shown as it is, emoji codes included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "plain_text")]
pub struct PlainText {
    /// The text, not escaped.
    pub text: String,
    emoji: bool,
}

/// Text with Slack's formatting. Addresses and names in it stay text unless it links them itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "mrkdwn")]
pub struct Mrkdwn {
    /// The text, in which what came from data was escaped.
    pub text: String,
    verbatim: bool,
}

/// A file of Slack's, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlackFile {
    /// The file's id.
    pub id: String,
}

/// A cell of a table: text without any formatting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "raw_text")]
pub struct Cell {
    /// The text, not escaped, and not empty.
    pub text: String,
}

/// How a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Column {
    /// To which side.
    pub align: Align,
    /// Whether long cells take several lines.
    pub is_wrapped: bool,
}

/// To which side a column's cells are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    /// Text.
    Left,
    /// Marks.
    Center,
    /// Numbers.
    Right,
}

/// A button. One with an address opens it, and Slack tells us of the click all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "button")]
pub struct Button {
    /// At most [`BUTTON_TEXT_MAX`] characters.
    pub text: PlainText,
    /// What the interaction is told by; unique in its row.
    pub action_id: String,
    /// What the interaction carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it stands out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<ButtonStyle>,
}

/// How a button stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ButtonStyle {
    /// The main thing to do.
    Primary,
    /// Something that takes away.
    Danger,
}

impl Block {
    /// A title. Cut to the limit with an ellipsis.
    pub fn header(text: &str) -> Self {
        Self::Header { text: PlainText::new(cut(text, HEADER_MAX)) }
    }

    /// A paragraph in `mrkdwn`, shown whole.
    pub fn section(mrkdwn: impl Into<String>) -> Self {
        Self::Section { text: Mrkdwn::new(mrkdwn), expand: true }
    }

    /// A picture by the id of its file.
    pub fn image(file_id: impl Into<String>, alt_text: &str) -> Self {
        let slack_file = SlackFile { id: file_id.into() };
        Self::Image { slack_file, alt_text: cut(alt_text, ALT_TEXT_MAX), title: None }
    }

    /// A line of small print in `mrkdwn`.
    pub fn context(mrkdwn: impl Into<String>) -> Self {
        Self::Context { elements: vec![Mrkdwn::new(mrkdwn)] }
    }

    /// How many characters of text the block shows or carries, as far as Slack is known to count them.
    pub fn characters(&self) -> usize {
        let count = |text: &str| text.chars().count();
        match self {
            Self::Header { text } => count(&text.text),
            Self::Section { text, .. } => count(&text.text),
            Self::Image { alt_text, title, .. } => {
                count(alt_text) + title.as_ref().map_or(0, |title| count(&title.text))
            }
            Self::Table { rows, .. } => rows.iter().flatten().map(|cell| count(&cell.text)).sum(),
            Self::Context { elements } => elements.iter().map(|element| count(&element.text)).sum(),
            Self::Actions { elements } => elements.iter().map(|button| count(&button.text.text)).sum(),
            Self::Divider => 0,
        }
    }
}

impl PlainText {
    /// Text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), emoji: false }
    }
}

impl Mrkdwn {
    /// Text that was escaped where it came from data.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), verbatim: true }
    }
}

impl Cell {
    /// A cell. Slack refuses an empty one, so a blank stands for it.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text: if text.is_empty() { " ".to_owned() } else { text } }
    }
}

impl Button {
    /// A button that opens an address.
    pub fn link(text: &str, action_id: &str, url: &Url) -> Self {
        Self { url: Some(url.to_string()), ..Self::action(text, action_id, None) }
    }

    /// A button that tells us of its click.
    pub fn action(text: &str, action_id: &str, value: Option<String>) -> Self {
        let text = PlainText::new(cut(text, BUTTON_TEXT_MAX));
        Self { text, action_id: action_id.to_owned(), value, url: None, style: None }
    }
}

/// Text from data as text: `&`, `<` and `>` are the only characters that open Slack's control sequences, so `<!channel>`,
/// `<@U…>` and `<https://…|label>` are shown as they are written and call or link nobody.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// As [`escape`], and without formatting either: Slack knows no escape for `*`, `_`, `~` and the backtick, nor for the
/// colon of an emoji's code, so an invisible word joiner after each keeps them from meaning anything.
pub fn inert(text: &str) -> String {
    let mut inert = String::with_capacity(text.len());
    for character in escape(text).chars() {
        inert.push(character);
        if matches!(character, '*' | '_' | '~' | '`' | ':') {
            inert.push('\u{2060}');
        }
    }
    inert
}

/// A link in `mrkdwn`. The label is escaped here.
pub fn link(url: &Url, label: &str) -> String {
    // An address holds no `<` or `>` of its own; a bar would end it.
    let address = escape(url.as_str()).replace('|', "%7C");
    // A label stands in one line, and nothing in it may look like the end of the link.
    let label = inert(label).replace(['\n', '\r'], " ").replace('|', "\u{2758}");
    format!("<{address}|{label}>")
}

/// A text of at most so many characters; a longer one ends with an ellipsis.
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_written_as_slack_reads_them() {
        let url: Url = "https://tidings.example/threads/1".parse().expect("an address");
        let blocks = [
            Block::header("Orders"),
            Block::section("*12* orders"),
            Block::image("F1", "A line"),
            Block::Table {
                rows: vec![vec![Cell::new("day"), Cell::new("")]],
                column_settings: vec![Column { align: Align::Right, is_wrapped: false }],
            },
            Block::context("as of 08:00"),
            Block::Actions { elements: vec![Button::link("Open", "open", &url)] },
            Block::Divider,
        ];
        assert_eq!(
            json!(blocks),
            json!([
                { "type": "header", "text": { "type": "plain_text", "text": "Orders", "emoji": false } },
                { "type": "section", "expand": true,
                  "text": { "type": "mrkdwn", "text": "*12* orders", "verbatim": true } },
                { "type": "image", "slack_file": { "id": "F1" }, "alt_text": "A line" },
                { "type": "table",
                  "rows": [[{ "type": "raw_text", "text": "day" }, { "type": "raw_text", "text": " " }]],
                  "column_settings": [{ "align": "right", "is_wrapped": false }] },
                { "type": "context",
                  "elements": [{ "type": "mrkdwn", "text": "as of 08:00", "verbatim": true }] },
                { "type": "actions", "elements": [{ "type": "button", "action_id": "open",
                  "text": { "type": "plain_text", "text": "Open", "emoji": false },
                  "url": "https://tidings.example/threads/1" }] },
                { "type": "divider" },
            ])
        );
    }

    #[test]
    fn data_calls_nobody_and_links_nowhere() {
        assert_eq!(escape("<!channel> & <@U1>"), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
        assert_eq!(inert("*a* :x:"), "*\u{2060}a*\u{2060} :\u{2060}x:\u{2060}");
        let url: Url = "https://tidings.example/?a=1&b=|".parse().expect("an address");
        assert_eq!(link(&url, "a|b>\nc"), "<https://tidings.example/?a=1&amp;b=%7C|a\u{2758}b&gt; c>");
    }

    #[test]
    fn a_long_header_ends_with_an_ellipsis() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
