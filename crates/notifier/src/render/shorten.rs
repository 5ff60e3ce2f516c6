//! A message cut to a length, between blocks where that is possible.

use super::{
    inert::clip,
    markdown::{Block, Inline},
};
use crate::message::Message;

/// What one table row or list item costs beside its text, in characters: mark-up counts as well.
const OVERHEAD: usize = 40;
/// The longest headline and the longest note, in characters.
const LINE_MAX: usize = 600;

/// `message` with at most `characters` of its body, and whether anything was left out.
pub(super) fn shorten(message: &Message, characters: usize) -> (Message, bool) {
    let mut left = Allowance { characters, is_cut: false };
    let mut shortened = message.clone();
    shortened.body = left.blocks(&message.body);
    let mut is_cut = left.is_cut;
    for line in std::iter::once(&mut shortened.headline).chain(&mut shortened.notes) {
        let mut left = Allowance { characters: LINE_MAX, is_cut: false };
        *line = left.inlines(line);
        is_cut |= left.is_cut;
    }
    (shortened, is_cut)
}

struct Allowance {
    characters: usize,
    is_cut: bool,
}

impl Allowance {
    /// Takes `cost`, or says that nothing more fits.
    fn pay(&mut self, cost: usize) -> bool {
        if self.characters < cost {
            self.characters = 0;
            self.is_cut = true;
            return false;
        }
        self.characters -= cost;
        true
    }

    fn blocks(&mut self, blocks: &[Block]) -> Vec<Block> {
        let mut kept = Vec::new();
        for block in blocks {
            if !self.pay(OVERHEAD) {
                break;
            }
            kept.push(self.block(block));
        }
        kept
    }

    fn block(&mut self, block: &Block) -> Block {
        match block {
            Block::Paragraph(inlines) => Block::Paragraph(self.inlines(inlines)),
            Block::Heading(level, inlines) => Block::Heading(*level, self.inlines(inlines)),
            Block::Code(inlines) => Block::Code(self.inlines(inlines)),
            Block::Quote(blocks) => Block::Quote(self.blocks(blocks)),
            Block::List { first, items } => {
                let mut kept = Vec::new();
                for item in items {
                    if !self.pay(OVERHEAD) {
                        break;
                    }
                    kept.push(self.blocks(item));
                }
                Block::List { first: *first, items: kept }
            }
            Block::Table { flush_right, head, rows } => {
                let head: Vec<_> = head.iter().map(|cell| self.cell(cell)).collect();
                let mut kept = Vec::new();
                for row in rows {
                    if self.characters == 0 {
                        self.is_cut = true;
                        break;
                    }
                    kept.push(row.iter().map(|cell| self.cell(cell)).collect());
                }
                Block::Table { flush_right: flush_right.clone(), head, rows: kept }
            }
            Block::Rule => Block::Rule,
        }
    }

    fn cell(&mut self, cell: &[Inline]) -> Vec<Inline> {
        if !self.pay(OVERHEAD) {
            return Vec::new();
        }
        self.inlines(cell)
    }

    fn inlines(&mut self, inlines: &[Inline]) -> Vec<Inline> {
        let mut kept = Vec::new();
        for inline in inlines {
            if self.characters == 0 {
                self.is_cut = true;
                break;
            }
            kept.push(match inline {
                Inline::Text(text) => {
                    let length = text.chars().count();
                    let fitting = clip(text, self.characters);
                    self.is_cut |= length > self.characters;
                    self.characters = self.characters.saturating_sub(length);
                    Inline::Text(fitting)
                }
                // A figure is kept whole or left out: half a number is a wrong number.
                Inline::Figure { text, checked } => {
                    if !self.pay(text.chars().count() + OVERHEAD) {
                        break;
                    }
                    Inline::Figure { text: text.clone(), checked: *checked }
                }
                Inline::Strong(inner) => Inline::Strong(self.inlines(inner)),
                Inline::Emphasis(inner) => Inline::Emphasis(self.inlines(inner)),
                Inline::Struck(inner) => Inline::Struck(self.inlines(inner)),
                Inline::Code(inner) => Inline::Code(self.inlines(inner)),
                Inline::Break => Inline::Break,
            });
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_halves_a_figure() {
        let line = [Inline::Text("abc".into()), Inline::Figure { text: "58,665".into(), checked: true }];
        for characters in 0..60 {
            let mut left = Allowance { characters, is_cut: false };
            let kept = left.inlines(&line);
            assert!(
                kept.iter().all(|inline| !matches!(inline, Inline::Figure { text, .. } if text != "58,665"))
            );
            assert_eq!(left.is_cut, kept.as_slice() != line);
        }
    }
}
