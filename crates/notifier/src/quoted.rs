//! A text in quoted-printable (RFC 2045, 6.7) that is encoded once for all who read it: only what is each reader's own is put in
//! between. Around that the lines end softly, which a reader's mail program undoes.

use lettre::message::{Body, header::ContentTransferEncoding};

use crate::email::{ANYBODYS_ID, ANYBODYS_LINK};

/// A soft end of a line: no end of a line in the text.
const SOFT: &[u8] = b"=\r\n";
/// The longest line, without its end.
const LINE_MAX: usize = 76;

/// A text for nobody in particular.
pub(crate) struct Quoted {
    /// What comes before the first place.
    start: Vec<u8>,
    /// Each place that holds what is the reader's own, and what comes behind it.
    rest: Vec<(Own, Vec<u8>)>,
}

/// What is a reader's own.
#[derive(Clone, Copy, Debug)]
enum Own {
    Id,
    Link,
}

impl Quoted {
    /// Encodes a text in which [`ANYBODYS_ID`] and [`ANYBODYS_LINK`] stand for what is each reader's own.
    pub(crate) fn of(text: &str) -> Self {
        let mut quoted = Self { start: Vec::new(), rest: Vec::new() };
        let mut remaining = text;
        while let Some((at, own)) = next_place(remaining) {
            quoted.push(encode(&remaining[..at]));
            quoted.rest.push((own, Vec::new()));
            remaining = &remaining[at + own.stand_in().len()..];
        }
        quoted.push(encode(remaining));
        quoted
    }

    fn push(&mut self, encoded: Vec<u8>) {
        match self.rest.last_mut() {
            Some((_, behind)) => *behind = encoded,
            None => self.start = encoded,
        }
    }

    /// The text with a reader's own in its places.
    pub(crate) fn with(&self, id: &str, link: &str) -> Vec<u8> {
        let (id, link) = (encode(id), encode(link));
        let shared: usize = self.rest.iter().map(|(_, behind)| behind.len() + 200).sum();
        let mut whole = Vec::with_capacity(self.start.len() + shared);
        whole.extend_from_slice(&self.start);
        for (own, behind) in &self.rest {
            end_softly(&mut whole);
            whole.extend_from_slice(match own {
                Own::Id => &id,
                Own::Link => &link,
            });
            end_softly(&mut whole);
            whole.extend_from_slice(behind);
        }
        whole
    }
}

impl Own {
    const fn stand_in(self) -> &'static str {
        match self {
            Self::Id => ANYBODYS_ID,
            Self::Link => ANYBODYS_LINK,
        }
    }
}

fn next_place(text: &str) -> Option<(usize, Own)> {
    let places = [Own::Id, Own::Link].map(|own| text.find(own.stand_in()).map(|at| (at, own)));
    places.into_iter().flatten().min_by_key(|(at, _)| *at)
}

fn encode(text: &str) -> Vec<u8> {
    let encoded = Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable);
    encoded.expect("quoted-printable takes any text").into_vec()
}

/// Ends the last line softly. Where that has no room for the sign, its last character goes to a line of its own.
fn end_softly(encoded: &mut Vec<u8>) {
    let start = encoded.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = &encoded[start..];
    if line.len() >= LINE_MAX {
        let is_escape = line[line.len() - 3] == b'=';
        let last = encoded.len() - if is_escape { 3 } else { 1 };
        encoded.splice(last..last, SOFT.iter().copied());
    }
    encoded.extend_from_slice(SOFT);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Undoes quoted-printable, and demands that its lines are short enough.
    fn decoded(encoded: &[u8]) -> String {
        let text = std::str::from_utf8(encoded).expect("ASCII");
        let mut bytes = Vec::new();
        let lines: Vec<&str> = text.split("\r\n").collect();
        for (number, line) in lines.iter().enumerate() {
            assert!(line.len() <= LINE_MAX, "{} in a line: {line}", line.len());
            let is_soft = line.ends_with('=');
            let mut rest = line.strip_suffix('=').unwrap_or(line).as_bytes();
            while let [first, behind @ ..] = rest {
                rest = behind;
                if *first == b'=' {
                    let code = std::str::from_utf8(&rest[..2]).expect("two digits");
                    bytes.push(u8::from_str_radix(code, 16).expect("two digits"));
                    rest = &rest[2..];
                } else {
                    bytes.push(*first);
                }
            }
            if !is_soft && number + 1 < lines.len() {
                bytes.extend_from_slice(b"\r\n");
            }
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    /// Without the room for the sign, lines of 77 characters are found.
    #[test]
    fn what_is_put_in_between_reads_as_if_it_had_been_there() {
        for padding in 0..160 {
            for filling in ["x", "é", "=", " "] {
                let before = filling.repeat(padding);
                let text = format!(
                    "{before}{ANYBODYS_LINK}\n{before}{ANYBODYS_ID}{ANYBODYS_ID} behind \n{before}{ANYBODYS_LINK}"
                );
                let link = "https://tidings.example.com/unsubscribe/019aa1b2-0000-7000-8000-00000000000a?a=b&amp;c=d";
                let encoded = Quoted::of(&text).with("id@mail.example", link);
                let wanted = text.replace(ANYBODYS_LINK, link).replace(ANYBODYS_ID, "id@mail.example");
                assert_eq!(decoded(&encoded), wanted.replace('\n', "\r\n"), "{padding} of `{filling}`");
            }
        }
    }

    #[test]
    fn a_text_without_places_is_as_it_was() {
        assert_eq!(Quoted::of("Grüße").with("id", "link"), encode("Grüße"));
        assert!(Quoted::of("").with("id", "link").is_empty());
    }
}
