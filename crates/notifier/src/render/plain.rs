//! A message as plain text.

use super::{
    inert::clip,
    markdown::{Block, Inline},
    table::{ShortTable, short_table},
};
use crate::message::Message;

/// Where lines are wrapped, in characters.
const WIDTH: usize = 76;
/// The longest text of a cell, in characters.
const CELL_MAX: usize = 60;

/// `message` as text of lines ending in `\n`.
pub(super) fn document(message: &Message, is_cut: bool) -> String {
    let mut text = String::new();
    wrap(&mut text, &format!("{} – {}", message.title, message.date), "", "");
    text.push('\n');
    let mut headline = String::new();
    wrap(&mut headline, &line(&message.headline), "", "");
    let width = headline.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    text.push_str(&headline);
    text.push_str(&"=".repeat(width.min(WIDTH)));
    text.push_str("\n\n");
    if let Some(banner) = &message.banner {
        wrap(&mut text, &line(banner), "! ", "! ");
        text.push('\n');
    }
    blocks(&mut text, &message.body, "");
    for picture in &message.pictures {
        wrap(
            &mut text,
            &format!("[Chart: {}. {}]", picture.title.trim_end_matches('.'), picture.alt),
            "",
            "",
        );
        text.push('\n');
    }
    if let Some(excerpt) = &message.table {
        let table = short_table(excerpt);
        columns(&mut text, &table);
        text.push('\n');
    }
    if is_cut {
        wrap(
            &mut text,
            "This message was too long for a mail and was cut. The whole answer is in the thread.",
            "",
            "",
        );
        text.push('\n');
    }
    if message.pictures_left_out > 0 {
        wrap(&mut text, &format!("{} more charts are in the thread.", message.pictures_left_out), "", "");
        text.push('\n');
    }
    if message.has_unchecked_figures() {
        wrap(&mut text, "[unchecked]: this figure was not found in the data.", "", "");
        text.push('\n');
    }
    for note in &message.notes {
        wrap(&mut text, &line(note), "* ", "  ");
    }
    if !message.notes.is_empty() {
        text.push('\n');
    }
    if let Some((label, url)) = &message.action {
        text.extend([label, ": ", url, "\n\n"]);
    }
    text.push_str("-- \n");
    for line in &message.provenance {
        wrap(&mut text, line, "", "");
    }
    wrap(&mut text, &message.because, "", "");
    if let Some(url) = &message.unsubscribe_url {
        text.extend(["Unsubscribe: ", url, "\n"]);
    }
    text
}

fn blocks(text: &mut String, blocks: &[Block], indent: &str) {
    for block in blocks {
        self::block(text, block, indent);
        text.push('\n');
    }
}

fn block(text: &mut String, block: &Block, indent: &str) {
    match block {
        Block::Paragraph(inlines) => wrap(text, &line(inlines), indent, indent),
        Block::Heading(_, inlines) => {
            let heading = line(inlines);
            wrap(text, &heading, indent, indent);
            text.push_str(indent);
            text.push_str(&"-".repeat(heading.chars().count().min(WIDTH)));
            text.push('\n');
        }
        Block::List { first, items } => {
            for (position, item) in items.iter().enumerate() {
                let mark = first
                    .map_or("* ".to_owned(), |first| format!("{}. ", first.saturating_add(position as u64)));
                let inner = format!("{indent}{}", " ".repeat(mark.len()));
                let mut inside = String::new();
                for block in item {
                    self::block(&mut inside, block, &inner);
                }
                text.push_str(indent);
                text.push_str(&mark);
                text.push_str(inside.strip_prefix(&inner).unwrap_or(&inside));
                if inside.is_empty() {
                    text.push('\n');
                }
            }
        }
        Block::Quote(inner) => {
            for block in inner {
                self::block(text, block, &format!("{indent}> "));
            }
        }
        Block::Code(inlines) => {
            for code_line in line(inlines).trim_end_matches('\n').split('\n') {
                text.push_str(indent);
                text.push_str("    ");
                text.push_str(code_line);
                text.push('\n');
            }
        }
        Block::Table { flush_right, head, rows } => {
            let texts = |cells: &Vec<Vec<Inline>>| {
                cells.iter().map(|cell| clip(&line(cell).replace('\n', " "), CELL_MAX)).collect()
            };
            let table = ShortTable {
                head: texts(head),
                flush_right: flush_right.clone(),
                rows: rows.iter().map(texts).collect(),
                left_out: None,
            };
            columns(text, &table);
        }
        Block::Rule => {
            text.push_str(indent);
            text.push_str("* * *\n");
        }
    }
}

/// The words of a line, figures that were not found marked.
pub(crate) fn line(inlines: &[Inline]) -> String {
    let mut words = String::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Figure { text, checked: true } => words.push_str(text),
            Inline::Figure { text, checked: false } => {
                words.push_str(text);
                words.push_str(" [unchecked]");
            }
            Inline::Strong(inner) | Inline::Emphasis(inner) | Inline::Struck(inner) | Inline::Code(inner) => {
                words.push_str(&line(inner));
            }
            Inline::Break => words.push('\n'),
        }
    }
    words
}

/// Appends `words` in lines of at most [`WIDTH`] characters where their words allow.
fn wrap(text: &mut String, words: &str, first_indent: &str, indent: &str) {
    for (position, paragraph) in words.split('\n').enumerate() {
        let mut width = 0;
        text.push_str(if position == 0 { first_indent } else { indent });
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if width > 0 && indent.len() + width + 1 + length > WIDTH {
                text.push('\n');
                text.push_str(indent);
                width = 0;
            }
            if width > 0 {
                text.push(' ');
                width += 1;
            }
            text.push_str(word);
            width += length;
        }
        text.push('\n');
    }
}

/// Appends a table with its columns aligned.
pub(crate) fn columns(text: &mut String, table: &ShortTable) {
    let rows = || std::iter::once(&table.head).chain(&table.rows);
    let count = rows().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for (position, row) in rows().enumerate() {
        let cells: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, &width)| {
                let cell = row.get(column).map_or("", String::as_str);
                if table.flush_right.get(column).copied().unwrap_or(false) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if position == 0 {
            let lines: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            text.push_str(&lines.join("  "));
            text.push('\n');
        }
    }
    if let Some(left_out) = &table.left_out {
        text.push_str(left_out);
        text.push('\n');
    }
}
