//! Text from data and models, made harmless for a mail reader.

/// The invisible space put into whatever a mail client would turn into a link by itself.
const BREAK: char = '\u{200b}';

/// `text` without control and direction-changing characters, and with addresses broken up so that no mail client makes
/// a link of them: `https:` and `//` part company, and so do `evil` and `.com`. Reads the same. Line breaks stay.
pub(crate) fn inert(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut characters = text.chars().filter(|&character| !is_hidden(character)).peekable();
    let mut before: Option<char> = None;
    while let Some(character) = characters.next() {
        let after = characters.peek().copied();
        let joins_a_host = is_dot(character)
            && before.is_some_and(char::is_alphanumeric)
            && after.is_some_and(|next| next.is_alphabetic() || next == BREAK);
        if joins_a_host || character == '@' {
            safe.push(BREAK);
        }
        safe.push(character);
        if character == ':'
            && after.is_some_and(|next| !next.is_whitespace())
            && before.is_some_and(char::is_alphabetic)
        {
            safe.push(BREAK);
        }
        before = Some(character);
    }
    safe
}

/// The end of a line so far, of which the next part may make an address: each part is harmless only by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seam {
    /// The last two characters, the last one second.
    last: [Option<char>; 2],
}

impl Seam {
    /// Goes on with `part`, which has passed through [`inert`], and breaks it off the line before where the two would join.
    pub(crate) fn join(&mut self, part: &mut String) {
        let mut characters = part.chars();
        let (Some(first), second) = (characters.next(), characters.next()) else { return };
        let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        let joins = match (self.last, first) {
            ([before, Some(dot)], first) if is_dot(dot) => is_word(before) && first.is_alphabetic(),
            ([before, Some(':')], first) => before.is_some_and(char::is_alphabetic) && !first.is_whitespace(),
            ([_, before], dot) if is_dot(dot) => is_word(before) && second.is_some_and(char::is_alphabetic),
            ([_, before], ':') => {
                before.is_some_and(char::is_alphabetic) && second.is_some_and(|next| !next.is_whitespace())
            }
            _ => false,
        };
        if joins {
            part.insert(0, BREAK);
        }
        for character in part.chars() {
            self.last = [self.last[1], Some(character)];
        }
    }
}

/// `text` on one line: as [`inert`], with every run of white space a single space.
pub(crate) fn inert_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    inert(&line)
}

/// Escapes a value for HTML text and for attributes in either kind of quotes. Characters that XML forbids are dropped:
/// MJML's reader refuses a whole template for one of them.
pub(crate) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len() + 16);
    for character in value.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if character.is_control() && !matches!(character, '\n' | '\t') => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

/// At most `limit` characters of `text`, with an ellipsis in place of the rest.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(limit.saturating_sub(1)).collect();
    clipped.truncate(clipped.trim_end().len());
    clipped.push('…');
    clipped
}

/// What parts the names of a host: the full stop, and those of East Asian scripts that browsers take for it.
const fn is_dot(character: char) -> bool {
    matches!(character, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

/// Control characters other than line breaks and tabs; characters that turn the direction of reading around; tags and
/// other invisible carriers of text.
fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{ad}'
        | '\u{180e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        _ => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_broken_up_and_still_read_the_same() {
        for address in
            ["https://evil.example/a", "www.evil.example", "evil.com", "me@evil.com", "mailto:me@evil.com"]
        {
            let safe = inert(address);
            assert_eq!(safe.replace(BREAK, ""), address);
            for linkable in ["://", "mailto:m", "www.evil", "evil.com", "evil.example", "e@"] {
                assert!(!safe.contains(linkable), "{safe:?} holds {linkable:?}");
            }
        }
    }

    #[test]
    fn numbers_times_and_prose_stay_untouched() {
        for text in ["58,665.50 at 12:30: fine. Yes", "3.5% of 1.2", "a/b//c", "1:1", "line\nline"] {
            assert_eq!(inert(text), text);
        }
    }

    #[test]
    fn hidden_characters_are_dropped() {
        assert_eq!(inert("a\u{202e}b\u{0}c\u{7}\rd"), "abcd");
        assert_eq!(inert_line(" a\r\n b\tc "), "a b c");
        for hidden in
            ["evil.\u{2060}example", "evil\u{ad}.example", "evil\u{3002}example", "evil\u{ff0e}example"]
        {
            assert!(inert(hidden).contains(BREAK), "{hidden:?}");
        }
    }

    #[test]
    fn clipping_counts_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöü ß", 4), "äöü…");
    }
}
