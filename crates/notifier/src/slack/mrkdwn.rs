//! The answer's tree as `mrkdwn`, Slack's own formatting, in pieces that each fit into a section.
//!
//! Whatever data and models wrote passes through [`block::inert`]: it formats nothing, calls nobody and links nowhere. The marks
//! of `mrkdwn` around it are ours.

use slack::block;

use crate::render::{
    inert::clip,
    markdown::{Block, Inline},
    plain,
    table::ShortTable,
};

/// The longest piece, in characters: what fits into a section beside another's end.
const PIECE_MAX: usize = 2_800;
/// What marks may add to a word, in characters.
const MARKS: usize = 8;
/// What stands between a mark and a letter, unseen: Slack reads marks only at a word's edge.
const EDGE: char = '\u{200b}';
/// The mark of a figure that was not found in the data.
const UNCHECKED: &str = " [unchecked]";
/// The longest text of a cell, in characters.
const CELL_MAX: usize = 60;

/// Text in `mrkdwn` whose marks are all closed, of at most [`PIECE_MAX`] characters or a little more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Whether it goes on right below the piece before it, without a gap.
    pub(super) is_tight: bool,
}

/// What stands before each line of a block.
#[derive(Clone, Default)]
struct Margin {
    is_quoted: bool,
    indent: String,
    depth: usize,
}

impl Margin {
    fn text(&self) -> String {
        // Slack reads a quotation's mark at the very beginning of a line.
        format!("{}{}", if self.is_quoted { "> " } else { "" }, self.indent)
    }
}

/// The pieces of a text.
pub(super) fn pieces(blocks: &[Block]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for block in blocks {
        append(&mut pieces, block, &Margin::default(), None);
    }
    pieces
}

/// The pieces of one line in bold.
pub(super) fn bold_line(inlines: &[Inline]) -> Vec<Piece> {
    let style = Style { is_strong: true, ..Style::default() };
    let mut pieces = Vec::new();
    append_line(&mut pieces, inlines, style, &Margin::default(), None, false);
    pieces
}

/// The pieces of points, one line each.
pub(super) fn points(lines: &[Vec<Inline>]) -> Vec<Piece> {
    let items = lines.iter().map(|line| vec![Block::Paragraph(line.clone())]).collect();
    pieces(&[Block::List { first: None, items }])
}

/// Appends a block. `mark` stands before its first line in place of its indentation's end: the point of a list.
fn append(pieces: &mut Vec<Piece>, block: &Block, margin: &Margin, mark: Option<&str>) {
    let is_tight = mark.is_some();
    match block {
        Block::Paragraph(inlines) => {
            append_line(pieces, inlines, Style::default(), margin, mark, is_tight);
        }
        Block::Heading(_, inlines) => {
            let style = Style { is_strong: true, ..Style::default() };
            append_line(pieces, inlines, style, margin, mark, is_tight);
        }
        Block::List { first, items } => append_list(pieces, *first, items, margin),
        Block::Quote(blocks) => {
            let inner = Margin { is_quoted: true, ..margin.clone() };
            for block in blocks {
                append(pieces, block, &inner, None);
            }
        }
        Block::Code(inlines) => {
            let text = plain::line(inlines);
            append_fixed_width(pieces, None, text.trim_end_matches('\n').split('\n'));
        }
        Block::Table { flush_right, head, rows } => {
            let texts = |cells: &Vec<Vec<Inline>>| -> Vec<String> {
                cells.iter().map(|cell| cell_text(cell)).collect()
            };
            let table = ShortTable {
                head: texts(head),
                flush_right: flush_right.clone(),
                rows: rows.iter().map(texts).collect(),
                left_out: None,
            };
            let mut text = String::new();
            plain::columns(&mut text, &table);
            // The head and the line below it stand above every piece.
            let end_of_head = text.match_indices('\n').nth(1).map_or(text.len(), |(at, _)| at + 1);
            let (head, rows) = text.split_at(end_of_head);
            append_fixed_width(
                pieces,
                Some(head.trim_end_matches('\n')),
                rows.trim_end_matches('\n').split('\n'),
            );
        }
        Block::Rule => pieces.push(Piece { text: "———".to_owned(), is_tight }),
    }
}

fn append_list(pieces: &mut Vec<Piece>, first: Option<u64>, items: &[Vec<Block>], margin: &Margin) {
    let inner =
        Margin { indent: format!("{}      ", margin.indent), depth: margin.depth + 1, ..margin.clone() };
    for (position, item) in items.iter().enumerate() {
        let bullet = if margin.depth.is_multiple_of(2) { "•  " } else { "◦  " };
        let mark = first.map_or_else(
            || bullet.to_owned(),
            |first| format!("{}.  ", first.saturating_add(position as u64)),
        );
        let mark = format!("{}{mark}", margin.text());
        let before = pieces.len();
        let mut blocks = item.iter();
        match blocks.next() {
            Some(block @ (Block::Paragraph(_) | Block::Heading(..))) => {
                append(pieces, block, &inner, Some(&mark));
            }
            other => {
                pieces.push(Piece { text: mark.trim_end().to_owned(), is_tight: true });
                if let Some(block) = other {
                    append(pieces, block, &inner, None);
                }
            }
        }
        for block in blocks {
            append(pieces, block, &inner, None);
        }
        // A list begins with a gap unless it stands within another, and has none inside.
        for (index, piece) in pieces.iter_mut().enumerate().skip(before) {
            piece.is_tight = margin.depth > 0 || position > 0 || index > before;
        }
    }
}

fn append_line(
    pieces: &mut Vec<Piece>,
    inlines: &[Inline],
    style: Style,
    margin: &Margin,
    mark: Option<&str>,
    is_tight: bool,
) {
    let mut words = Vec::new();
    collect_words(&mut words, inlines, style);
    let mut first_prefix = mark.map(str::to_owned);
    let mut is_first = true;
    let mut push = |words: &[Word]| {
        let margin = margin.text();
        let mut text = String::new();
        for (number, line) in words.split(|word| word.is_break).enumerate() {
            if number > 0 {
                text.push('\n');
            }
            let prefix = first_prefix.take();
            text.push_str(prefix.as_deref().unwrap_or(&margin));
            text.push_str(&marked_up(line));
        }
        pieces.push(Piece { text, is_tight: is_tight || !is_first });
        is_first = false;
    };
    let (mut begin, mut length) = (0, 0);
    for (position, word) in words.iter().enumerate() {
        let cost = word.text.chars().count() + MARKS;
        if length + cost > PIECE_MAX && position > begin {
            push(&words[begin..position]);
            (begin, length) = (position, 0);
        }
        length += cost;
    }
    push(&words[begin..]);
}

/// Text in fixed width, in as many pieces as it takes, each below `head`.
fn append_fixed_width<'a>(
    pieces: &mut Vec<Piece>,
    head: Option<&'a str>,
    lines: impl Iterator<Item = &'a str>,
) {
    let fenced = |inner: &str| format!("```\n{inner}\n```");
    // A head that leaves no room for what it is the head of stands above the first rows only.
    let is_short = |head: &&str| head.chars().count() < PIECE_MAX / 2;
    let (head, long_head) = (head.filter(is_short), head.filter(|head| !is_short(head)));
    let head = head.map(fixed_width).unwrap_or_default();
    let mut inner = head.clone();
    let mut is_first = true;
    for line in long_head.into_iter().flat_map(|head| head.split('\n')).chain(lines) {
        // A line that fits into no piece goes on in the next.
        let characters: Vec<char> = fixed_width(line).chars().collect();
        let room = PIECE_MAX.saturating_sub(head.chars().count()).max(PIECE_MAX / 4);
        for part in chunks_or_empty(&characters, room) {
            if inner.chars().count() + part.chars().count() > PIECE_MAX && inner != head {
                pieces.push(Piece { text: fenced(&inner), is_tight: !is_first });
                inner.clone_from(&head);
                is_first = false;
            }
            if !inner.is_empty() {
                inner.push('\n');
            }
            inner.push_str(&part);
        }
    }
    pieces.push(Piece { text: fenced(&inner), is_tight: !is_first });
}

fn chunks_or_empty(characters: &[char], size: usize) -> Vec<String> {
    if characters.is_empty() {
        return vec![String::new()];
    }
    characters.chunks(size).map(|chunk| chunk.iter().collect()).collect()
}

/// Text that stays as it is between fences and ends none.
fn fixed_width(text: &str) -> String {
    block::escape(text).replace('`', "`\u{2060}")
}

fn cell_text(cell: &[Inline]) -> String {
    clip(&plain::line(cell).replace('\n', " "), CELL_MAX)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent styles of a word")]
struct Style {
    is_strong: bool,
    is_emphasised: bool,
    is_struck: bool,
    is_code: bool,
}

/// What is never torn apart: a word, a figure, the end of a line.
#[derive(Clone, Debug)]
struct Word {
    /// In `mrkdwn`, harmless.
    text: String,
    style: Style,
    /// Whether white space stood before it.
    is_spaced: bool,
    is_break: bool,
}

fn collect_words(words: &mut Vec<Word>, inlines: &[Inline], style: Style) {
    let mut is_spaced = false;
    collect(words, inlines, style, &mut is_spaced);
}

fn collect(words: &mut Vec<Word>, inlines: &[Inline], style: Style, is_spaced: &mut bool) {
    for inline in inlines {
        match inline {
            Inline::Text(text) => {
                for (number, line) in text.split('\n').enumerate() {
                    if number > 0 {
                        push_break(words, is_spaced);
                    }
                    collect_text(words, line, style, is_spaced);
                }
            }
            Inline::Figure { text, checked } => {
                let (style, mark) =
                    if *checked { (style, "") } else { (Style { is_emphasised: true, ..style }, UNCHECKED) };
                let whole = format!("{}{mark}", text.replace('\n', " "));
                push_word(words, &whole, style, is_spaced);
            }
            Inline::Strong(inner) => collect(words, inner, Style { is_strong: true, ..style }, is_spaced),
            Inline::Emphasis(inner) => {
                collect(words, inner, Style { is_emphasised: true, ..style }, is_spaced);
            }
            Inline::Struck(inner) => collect(words, inner, Style { is_struck: true, ..style }, is_spaced),
            Inline::Code(inner) => collect(words, inner, Style { is_code: true, ..style }, is_spaced),
            Inline::Break => push_break(words, is_spaced),
        }
    }
}

fn collect_text(words: &mut Vec<Word>, line: &str, style: Style, is_spaced: &mut bool) {
    for (number, word) in line.split(' ').enumerate() {
        *is_spaced |= number > 0;
        if !word.is_empty() {
            push_word(words, word, style, is_spaced);
        }
    }
}

fn push_word(words: &mut Vec<Word>, text: &str, style: Style, is_spaced: &mut bool) {
    let characters: Vec<char> = text.chars().collect();
    // Escapes may make five characters of one.
    for part in characters.chunks(PIECE_MAX / 5 - MARKS) {
        let part: String = part.iter().collect();
        let text = if style.is_code { fixed_width(&part) } else { block::inert(&part) };
        words.push(Word { text, style, is_spaced: std::mem::take(is_spaced), is_break: false });
    }
}

fn push_break(words: &mut Vec<Word>, is_spaced: &mut bool) {
    *is_spaced = false;
    let style = Style::default();
    words.push(Word { text: String::new(), style, is_spaced: false, is_break: true });
}

/// One line: words of one style share their marks.
fn marked_up(words: &[Word]) -> String {
    let mut line = String::new();
    for run in words.chunk_by(|one, next| one.style == next.style) {
        let mut text = String::new();
        for word in run {
            if word.is_spaced && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        let style = run[0].style;
        if run[0].is_spaced && !line.is_empty() {
            line.push(' ');
        } else if line.ends_with(['*', '_', '~', '`'])
            || style != Style::default() && line.ends_with(|last: char| !last.is_whitespace())
        {
            line.push(EDGE);
        }
        line.push_str(&marked(&text, style));
    }
    // What would begin a quotation is text.
    if line.starts_with("&gt;") {
        line.insert(0, EDGE);
    }
    line
}

fn marked(text: &str, style: Style) -> String {
    // Slack reads no other marks around or within fixed width.
    if style.is_code {
        return format!("`{text}`");
    }
    let mut marked = text.to_owned();
    for (is_set, mark) in [(style.is_struck, '~'), (style.is_emphasised, '_'), (style.is_strong, '*')] {
        if is_set {
            marked = format!("{mark}{marked}{mark}");
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use domain::answer::{Answer, Figure};

    use super::*;
    use crate::render::markdown::blocks;

    fn answer() -> Answer {
        let figure = |id: &str, text: &str, checked| Figure {
            id: id.into(),
            text: text.into(),
            checked,
            expression: None,
            cells: vec![],
        };
        Answer {
            figures: vec![figure("f1", "58,665", true), figure("f2", "4*2*", false)],
            ..Answer::default()
        }
    }

    fn rendered(markdown: &str) -> String {
        let mut text = String::new();
        for piece in pieces(&blocks(&answer(), markdown)) {
            if !text.is_empty() {
                text.push_str(if piece.is_tight { "\n" } else { "\n\n" });
            }
            text.push_str(&piece.text);
        }
        text
    }

    #[test]
    fn each_kind_of_text_has_its_marks() {
        assert_eq!(rendered("a **b *c*** ~~d~~ `e`"), "a *b* *_c_* ~d~ `e`");
        assert_eq!(rendered("un**believ**able {{f1}}"), "un\u{200b}*believ*\u{200b}able 58,665");
        assert_eq!(rendered("{{f2}}"), "_4*\u{2060}2*\u{2060} [unchecked]_");
        assert_eq!(rendered("# Head\n\ntext  \nnext"), "*Head*\n\ntext\nnext");
        assert_eq!(
            rendered("- a\n- b\n  - c\n\nd\n\n3. e\n4. f"),
            "•  a\n•  b\n      ◦  c\n\nd\n\n3.  e\n4.  f"
        );
        assert_eq!(rendered("> a\n> b\n>\n> c"), "> a b\n\n> c");
        assert_eq!(rendered("```\nx <- `1`\n```"), "```\nx &lt;- `\u{2060}1`\u{2060}\n```");
        assert_eq!(rendered("|n|v|\n|-|-:|\n|u|{{f1}}|"), "```\nn       v\n-  ------\nu  58,665\n```");
    }

    #[test]
    fn what_data_says_calls_nobody_and_formats_nothing() {
        let text =
            rendered("&lt;!channel> <@U1> *x* @here \\*y\\* :tada: \\> quoted [z](https://evil.example)");
        for call in ["<!", "<@", "<http", "*y*", ":tada:", "evil"] {
            assert!(!text.contains(call), "{text}");
        }
        assert!(rendered("\\> not a quotation").starts_with('\u{200b}'));
    }

    #[test]
    fn long_texts_are_cut_into_pieces_that_fit_and_lose_nothing() {
        let words: Vec<String> = (0..3_000).map(|number| format!("w{number}&")).collect();
        let long =
            format!("**{}**\n\n```\n{}\n```\n\n{}", words.join(" "), words.join("\n"), "x".repeat(9_000));
        let pieces = pieces(&blocks(&answer(), &long));
        assert!(pieces.iter().all(|piece| piece.text.chars().count() <= block::SECTION_MAX));
        let all: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        let all = all.join("\n");
        for word in &words {
            assert!(all.matches(&block::escape(word)).count() >= 2, "{word} is missing");
        }
        assert_eq!(all.matches('x').count(), 9_000);
        let bold = pieces.iter().filter(|piece| piece.text.starts_with('*'));
        assert!(bold.clone().count() > 5 && bold.clone().all(|piece| piece.text.ends_with('*')));
    }
}
