//! Answers as a tree of our own, so that what a message can hold is what this file names: no links, no pictures, no HTML.

use domain::answer::{Answer, Piece};
use pulldown_cmark::{Alignment, Event, Options, Parser, Tag, TextMergeStream};

use super::inert::{Seam, inert};

/// How deep lists and quotes may nest, and how deep bold, italic and crossed out; what is deeper joins the level above.
const DEPTH_MAX: usize = 6;

/// A part of a text, stacked from top to bottom.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Running text.
    Paragraph(Vec<Inline>),
    /// A heading of level 1 to 6.
    Heading(u8, Vec<Inline>),
    /// Points, numbered from `first` where it is given.
    List {
        /// The number of the first point.
        first: Option<u64>,
        /// What each point holds.
        items: Vec<Vec<Block>>,
    },
    /// A quotation.
    Quote(Vec<Block>),
    /// Text in fixed width, line breaks kept.
    Code(Vec<Inline>),
    /// A table.
    Table {
        /// For each column, whether it is flush right.
        flush_right: Vec<bool>,
        /// The cells of its head.
        head: Vec<Vec<Inline>>,
        /// The cells of its rows.
        rows: Vec<Vec<Vec<Inline>>>,
    },
    /// A line across.
    Rule,
}

/// A part of a line. Every text in it has passed through [`inert`].
#[derive(Clone, Debug, PartialEq)]
pub enum Inline {
    /// Prose.
    Text(String),
    /// A number, date or name that was looked for in the data.
    Figure {
        /// As shown: `58,665`.
        text: String,
        /// Whether it was found there.
        checked: bool,
    },
    /// Bold.
    Strong(Vec<Inline>),
    /// Italic.
    Emphasis(Vec<Inline>),
    /// Crossed out.
    Struck(Vec<Inline>),
    /// In fixed width.
    Code(Vec<Inline>),
    /// The end of a line.
    Break,
}

/// The blocks of `markdown`, a text of `answer`, with figures filled in.
pub fn blocks(answer: &Answer, markdown: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut builder = Builder { answer, open: vec![Open::new(Kind::Root)] };
    for event in TextMergeStream::new(Parser::new_ext(markdown, options)) {
        builder.take(event);
    }
    builder.finish()
}

/// One line of `text`, a text of `answer`, with figures filled in: its markdown's marks are read, its blocks joined.
pub fn line(answer: &Answer, text: &str) -> Vec<Inline> {
    let mut joined = Vec::new();
    for block in blocks(answer, text) {
        append_line(&mut joined, block);
    }
    joined
}

fn append_line(line: &mut Vec<Inline>, block: Block) {
    let mut append = |inlines: Vec<Inline>| {
        if !line.is_empty() {
            line.push(Inline::Text(" ".to_owned()));
        }
        line.extend(inlines.into_iter().map(|inline| match inline {
            Inline::Break => Inline::Text(" ".to_owned()),
            other => other,
        }));
    };
    match block {
        Block::Paragraph(inlines) | Block::Heading(_, inlines) | Block::Code(inlines) => append(inlines),
        Block::List { items, .. } => items.into_iter().flatten().for_each(|block| append_line(line, block)),
        Block::Quote(blocks) => blocks.into_iter().for_each(|block| append_line(line, block)),
        Block::Table { head, rows, .. } => {
            head.into_iter().chain(rows.into_iter().flatten()).for_each(append);
        }
        Block::Rule => {}
    }
}

/// The words of a line, without any marks.
pub fn words(inlines: &[Inline]) -> String {
    let mut words = String::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Figure { text, .. } => words.push_str(text),
            Inline::Strong(inner) | Inline::Emphasis(inner) | Inline::Struck(inner) | Inline::Code(inner) => {
                words.push_str(&self::words(inner));
            }
            Inline::Break => words.push(' '),
        }
    }
    words
}

/// What is being read: a stack of these, the innermost last.
struct Open {
    kind: Kind,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    items: Vec<Vec<Block>>,
    cells: Vec<Vec<Inline>>,
    head: Vec<Vec<Inline>>,
    rows: Vec<Vec<Vec<Inline>>>,
}

enum Kind {
    Root,
    Paragraph,
    Heading(u8),
    List(Option<u64>),
    Item,
    Quote,
    Code,
    Table(Vec<bool>),
    Row {
        is_head: bool,
    },
    Cell,
    Strong,
    Emphasis,
    Struck,
    /// A link, a picture, HTML, or what nests too deep: only its content counts.
    Transparent,
}

impl Open {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            blocks: Vec::new(),
            inlines: Vec::new(),
            items: Vec::new(),
            cells: Vec::new(),
            head: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Text straight inside a block that holds blocks (a tight list's) becomes a paragraph.
    fn wrap_inlines(&mut self) {
        if !self.inlines.is_empty() {
            self.blocks.push(Block::Paragraph(std::mem::take(&mut self.inlines)));
        }
    }
}

struct Builder<'a> {
    answer: &'a Answer,
    open: Vec<Open>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => {
                let kind = self.kind_of(&tag);
                self.open.push(Open::new(kind));
            }
            Event::End(_) => self.close(),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                let inlines = self.filled(&text);
                self.top().inlines.extend(inlines);
            }
            Event::Code(text) => {
                let inlines = self.filled(&text);
                self.top().inlines.push(Inline::Code(inlines));
            }
            Event::SoftBreak => self.top().inlines.push(Inline::Text(" ".to_owned())),
            Event::HardBreak => self.top().inlines.push(Inline::Break),
            Event::Rule => {
                let top = self.top();
                top.wrap_inlines();
                top.blocks.push(Block::Rule);
            }
            // Not read with the options chosen.
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn kind_of(&self, tag: &Tag<'_>) -> Kind {
        let depth_of = |nests: fn(&Kind) -> bool| self.open.iter().filter(|open| nests(&open.kind)).count();
        let is_deep = depth_of(|kind| matches!(kind, Kind::List(_) | Kind::Quote)) >= DEPTH_MAX;
        let is_deep_in_line =
            depth_of(|kind| matches!(kind, Kind::Strong | Kind::Emphasis | Kind::Struck)) >= DEPTH_MAX;
        match tag {
            Tag::Paragraph => Kind::Paragraph,
            Tag::Heading { level, .. } => Kind::Heading(*level as u8),
            Tag::List(_) | Tag::BlockQuote(_) if is_deep => Kind::Transparent,
            Tag::Strong | Tag::Emphasis | Tag::Strikethrough if is_deep_in_line => Kind::Transparent,
            Tag::List(first) => Kind::List(*first),
            Tag::Item if !self.open.last().is_some_and(|open| matches!(open.kind, Kind::List(_))) => {
                Kind::Transparent
            }
            Tag::Item => Kind::Item,
            Tag::BlockQuote(_) => Kind::Quote,
            Tag::CodeBlock(_) => Kind::Code,
            Tag::Table(alignments) => {
                Kind::Table(alignments.iter().map(|alignment| *alignment == Alignment::Right).collect())
            }
            Tag::TableHead => Kind::Row { is_head: true },
            Tag::TableRow => Kind::Row { is_head: false },
            Tag::TableCell => Kind::Cell,
            Tag::Strong => Kind::Strong,
            Tag::Emphasis => Kind::Emphasis,
            Tag::Strikethrough => Kind::Struck,
            _ => Kind::Transparent,
        }
    }

    fn close(&mut self) {
        let Some(mut closed) = self.open.pop() else { return };
        if matches!(closed.kind, Kind::Item | Kind::Quote) {
            closed.wrap_inlines();
        }
        let inlines = closed.inlines;
        let parent = self.top();
        let block = match closed.kind {
            Kind::Paragraph => Block::Paragraph(inlines),
            Kind::Heading(level) => Block::Heading(level, inlines),
            Kind::List(first) => Block::List { first, items: closed.items },
            Kind::Quote => Block::Quote(closed.blocks),
            Kind::Code => Block::Code(inlines),
            Kind::Table(flush_right) => Block::Table { flush_right, head: closed.head, rows: closed.rows },
            Kind::Item => return parent.items.push(closed.blocks),
            Kind::Row { is_head: true } => return parent.head = closed.cells,
            Kind::Row { is_head: false } => return parent.rows.push(closed.cells),
            Kind::Cell => return parent.cells.push(inlines),
            Kind::Strong => return parent.inlines.push(Inline::Strong(inlines)),
            Kind::Emphasis => return parent.inlines.push(Inline::Emphasis(inlines)),
            Kind::Struck => return parent.inlines.push(Inline::Struck(inlines)),
            Kind::Root | Kind::Transparent => {
                parent.inlines.extend(inlines);
                if !closed.blocks.is_empty() || !closed.items.is_empty() {
                    parent.wrap_inlines();
                    parent.blocks.extend(closed.blocks);
                    parent.blocks.extend(closed.items.into_iter().flatten());
                }
                return;
            }
        };
        parent.wrap_inlines();
        parent.blocks.push(block);
    }

    fn finish(mut self) -> Vec<Block> {
        while self.open.len() > 1 {
            self.close();
        }
        let root = self.top();
        root.wrap_inlines();
        let mut blocks = std::mem::take(&mut root.blocks);
        blocks.iter_mut().for_each(seal_block);
        blocks
    }

    fn filled(&self, text: &str) -> Vec<Inline> {
        self.answer
            .pieces(text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => Inline::Text(inert(text)),
                Piece::Figure(figure) => {
                    Inline::Figure { text: inert(&figure.text), checked: figure.checked }
                }
            })
            .collect()
    }

    fn top(&mut self) -> &mut Open {
        if self.open.is_empty() {
            self.open.push(Open::new(Kind::Root));
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }
}

/// Breaks up addresses that only come about where parts of a line meet: `[https:](x)//evil.example`, `evil**.**example`.
fn seal_block(block: &mut Block) {
    match block {
        Block::Paragraph(inlines) | Block::Heading(_, inlines) | Block::Code(inlines) => {
            seal(inlines, &mut Seam::default());
        }
        Block::List { items, .. } => items.iter_mut().flatten().for_each(seal_block),
        Block::Quote(blocks) => blocks.iter_mut().for_each(seal_block),
        Block::Table { head, rows, .. } => {
            let cells = head.iter_mut().chain(rows.iter_mut().flatten());
            cells.for_each(|cell| seal(cell, &mut Seam::default()));
        }
        Block::Rule => {}
    }
}

fn seal(inlines: &mut [Inline], seam: &mut Seam) {
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Figure { text, .. } => seam.join(text),
            Inline::Strong(inner) | Inline::Emphasis(inner) | Inline::Struck(inner) | Inline::Code(inner) => {
                seal(inner, seam);
            }
            Inline::Break => *seam = Seam::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::answer::Figure;

    use super::*;

    fn answer() -> Answer {
        let figure = |id: &str, text: &str, checked| Figure {
            id: id.into(),
            text: text.into(),
            checked,
            expression: None,
            cells: vec![],
        };
        Answer {
            figures: vec![figure("f1", "58,665", true), figure("f2", "**4**", false)],
            ..Answer::default()
        }
    }

    fn text(text: &str) -> Inline {
        Inline::Text(text.into())
    }

    #[test]
    fn figures_stand_where_they_were_written_and_are_never_read_as_markdown() {
        let read = blocks(&answer(), "United: **{{f1}}** and `{{f2}}` {{f9}}");
        let expected = vec![Block::Paragraph(vec![
            text("United: "),
            Inline::Strong(vec![Inline::Figure { text: "58,665".into(), checked: true }]),
            text(" and "),
            Inline::Code(vec![Inline::Figure { text: "**4**".into(), checked: false }]),
            text(" {{f9}}"),
        ])];
        assert_eq!(read, expected);
    }

    #[test]
    fn links_pictures_and_html_leave_only_their_words() {
        let read = blocks(
            &answer(),
            "[click](https://evil.example/x) ![pic](http://e.example/p.png) <b onclick=x>hi</b>",
        );
        assert_eq!(words(&line(&answer(), "[click](https://evil.example/x)")), "click");
        let [Block::Paragraph(inlines)] = &read[..] else { panic!("{read:?}") };
        assert_eq!(words(inlines), "click pic <b onclick=x>hi</b>");
    }

    /// Seen to fail without `seal_block`: each read as an address again.
    #[test]
    fn parts_of_a_line_make_no_address_where_they_meet() {
        for text in [
            "[https:](x)//evil",
            "[evil](x).example",
            "evil**.**example",
            "evil.*example*",
            "h**ttps:**//evil",
            "javascript`:`alert",
            "![mailto](x):me",
        ] {
            let words = words(&line(&answer(), text));
            for address in ["://", ":/", "evil.example", "evil.e", "l.example", "t:alert", "o:me"] {
                assert!(!words.contains(address), "{text:?} became {words:?}");
            }
        }
        assert_eq!(
            words(&line(&answer(), "**Note:** it fell **3**.5 at **12**:30.")),
            "Note: it fell 3.5 at 12:30."
        );
    }

    #[test]
    fn lists_tables_quotes_and_code_are_kept() {
        let read =
            blocks(&answer(), "3. a\n4. b\n\n> q\n\n```\nx\n```\n\n|n|v|\n|-|-:|\n|u|{{f1}}|\n\n---\n# h");
        let kinds: Vec<_> = read.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 6);
        assert!(matches!(&read[0], Block::List { first: Some(3), items } if items.len() == 2));
        assert!(matches!(&read[1], Block::Quote(inner) if inner.len() == 1));
        assert!(matches!(&read[3], Block::Table { flush_right, head, rows }
            if flush_right == &[false, true] && head.len() == 2 && rows.len() == 1));
        assert!(matches!(&read[5], Block::Heading(1, _)));
    }

    #[test]
    fn deep_nesting_is_flattened_and_nothing_is_lost() {
        let deep = format!("{}deep", "> ".repeat(5_000));
        assert_eq!(words(&line(&answer(), &deep)), "deep");
        let stars = format!("{}x{}", "*a ".repeat(3_000), "*".repeat(3_000));
        assert!(words(&line(&answer(), &stars)).contains('x'));
    }
}
