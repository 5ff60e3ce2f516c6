//! A message as HTML for mail readers and as plain text.
//!
//! What data and models wrote reaches a page only through [`markdown`]'s tree and through `inert`: no link, no picture and
//! no HTML of theirs. The only links are the message's own, the only pictures its own parts (`cid:`).

pub(crate) mod cells;
mod html;
pub(crate) mod inert;
pub mod markdown;
pub(crate) mod plain;
mod shorten;
pub(crate) mod table;

use crate::message::Message;

/// The most bytes of HTML: Gmail cuts at 102 KB and hides what follows, the unsubscribe link among it.
pub const HTML_BYTES_MAX: usize = 100_000;

/// A message as a mail carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// A whole HTML document of at most [`HTML_BYTES_MAX`] bytes.
    pub html: String,
    /// The same in plain text, lines ending in `\n`.
    pub text: String,
}

/// Renders `message`. `content_ids` names its pictures' parts, one each.
pub fn render(message: &Message, content_ids: &[String]) -> Rendered {
    // Each round halves what is kept of the answer's text; the rest of a message is bounded by its own limits.
    let mut characters = 40_000;
    loop {
        let (shortened, is_cut) = shorten::shorten(message, characters);
        let text = plain::document(&shortened, is_cut);
        let html = html::document(&shortened, content_ids, is_cut, &text);
        if html.len() <= HTML_BYTES_MAX || characters == 0 {
            return Rendered { html, text };
        }
        characters /= 2;
    }
}
