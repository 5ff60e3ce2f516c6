//! A message as a mail of RFC 5322, byte for byte as it is sent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use domain::DeliveryId;
use lettre::{
    Address,
    message::{
        Attachment, Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue},
    },
};

use crate::{
    dkim::DkimKey,
    message::Message,
    quoted::Quoted,
    render::{
        self, Rendered,
        inert::{escape, inert_line},
    },
};

/// The largest attachment, in bytes: many servers refuse mails beyond 10 MB once they are encoded.
pub const ATTACHMENT_BYTES_MAX: usize = 8_000_000;

/// Why a mail could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recipient's address is none.
    #[error("the recipient's address is not a mail address")]
    Address(#[source] lettre::address::AddressError),
    /// The mail library refused a part.
    #[error("the mail could not be put together")]
    Build(#[from] lettre::error::Error),
}

/// A sender that was checked once, at start.
#[derive(Clone, Debug)]
pub struct Sender {
    mailbox: Mailbox,
    reply_to: Option<Mailbox>,
    dkim: Option<Arc<DkimKey>>,
}

impl Sender {
    /// Reads `Tidings <tidings@example.com>` or a bare address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { mailbox: text.parse().map_err(Error::Address)?, reply_to: None, dkim: None })
    }

    /// The same sender, whose answers go to another address, written as the sender's.
    pub fn with_reply_to(mut self, text: &str) -> Result<Self, Error> {
        self.reply_to = Some(text.parse().map_err(Error::Address)?);
        Ok(self)
    }

    /// The same sender, signing every mail.
    #[must_use]
    pub fn with_dkim(mut self, key: DkimKey) -> Self {
        self.dkim = Some(Arc::new(key));
        self
    }

    /// What stands after the `@`: also the domain of message ids.
    pub fn domain(&self) -> &str {
        self.mailbox.email.domain()
    }
}

/// Everything that makes one mail out of a message.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// Names the mail: its Message-ID is made of this, and so is the same at every attempt.
    pub delivery_id: DeliveryId,
    /// What the mail belongs to (`task-ID`): mails of one conversation are shown together.
    pub conversation: &'a str,
    /// Who sends it.
    pub from: &'a Sender,
    /// The recipient's address.
    pub to: &'a str,
    /// The recipient's name.
    pub to_name: &'a str,
    /// Its date.
    pub sent_at: DateTime<Utc>,
    /// What it says.
    pub message: &'a Message,
    /// A file that goes along, at most [`ATTACHMENT_BYTES_MAX`].
    pub attachment: Option<&'a CsvFile>,
}

/// A CSV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFile {
    /// Its name; letters, digits and dashes are kept.
    pub name: String,
    /// Its bytes, UTF-8.
    pub bytes: Vec<u8>,
}

/// A mail, ready for a transport.
#[derive(Clone, Debug)]
pub struct Email {
    /// `<DELIVERY@domain>`.
    pub message_id: String,
    /// The envelope's sender.
    pub from: Address,
    /// The envelope's recipient.
    pub to: Address,
    /// The subject in plain words.
    pub subject: String,
    /// The whole mail, lines ending in CRLF.
    pub source: Vec<u8>,
}

/// Messages as they were printed for one recipient, to be readdressed to others who read the same.
#[derive(Default)]
pub(crate) struct Printed(Mutex<Vec<Arc<Print>>>);

/// A message for nobody in particular, as mails carry it.
struct Print {
    message: Message,
    html: Quoted,
    text: Quoted,
    /// Its pictures in base64, in lines.
    pictures: Vec<Vec<u8>>,
}

/// What stands for a recipient's own unsubscribe link in a print: as long as any of them, so that no limit on sizes is missed.
/// Data that holds these very words shows the reader's own link in their place, which tells nobody anything.
pub(crate) const ANYBODYS_LINK: &str = "unsubscribe.00000000-0000-0000-0000-000000000000.invalid";
/// The same for the names of pictures.
pub(crate) const ANYBODYS_ID: &str = "picture.00000000-0000-0000-0000-000000000000.invalid";

impl Printed {
    /// How `message` looks. Printed now, unless it was before, for somebody else.
    fn print(&self, message: &Message) -> Arc<Print> {
        let mut message = message.clone();
        if message.unsubscribe_url.is_some() {
            message.unsubscribe_url = Some(ANYBODYS_LINK.to_owned());
        }
        // Held while it prints: those who read the same would print it again meanwhile.
        let mut prints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(print) = prints.iter().find(|print| print.message == message) {
            return Arc::clone(print);
        }
        let ids: Vec<String> =
            (1..=message.pictures.len()).map(|number| format!("chart-{number}.{ANYBODYS_ID}")).collect();
        let Rendered { html, text } = render::render(&message, &ids);
        let (html, text) = (Quoted::of(&html), Quoted::of(&text));
        let pictures = message.pictures.iter().map(|picture| base64_lines(&picture.png)).collect();
        let print = Arc::new(Print { message, html, text, pictures });
        prints.push(Arc::clone(&print));
        print
    }
}

impl Letter<'_> {
    /// Renders the message and builds the mail. The same letter makes the same bytes.
    pub fn build(self) -> Result<Email, Error> {
        self.build_with(&Printed::default())
    }

    /// The same, with what was printed before.
    pub(crate) fn build_with(self, printed: &Printed) -> Result<Email, Error> {
        let to: Address = self.to.parse().map_err(Error::Address)?;
        let domain = self.from.domain();
        let delivery_id = self.delivery_id;
        let message_id = format!("<{delivery_id}@{domain}>");
        // A message id that no mail bears. Readers gather mails by their common ancestor, sent or not, so that every mail
        // of a task joins the same conversation and none needs to know the one before it.
        let conversation = format!("<{}@{domain}>", self.conversation);
        let print = printed.print(self.message);
        let own_id = format!("{delivery_id}@{domain}");
        let own_link = self.message.unsubscribe_url.as_deref().unwrap_or_default();
        let html = print.html.with(&own_id, &escape(own_link));
        let text = print.text.with(&own_id, own_link);
        let subject = header_text(&self.message.subject());

        let mut builder = lettre::Message::builder()
            .date(SystemTime::from(self.sent_at))
            .from(self.from.mailbox.clone())
            .to(Mailbox::new(Some(header_text(self.to_name)).filter(|name| !name.is_empty()), to.clone()))
            .subject(&subject)
            .message_id(Some(message_id.clone()))
            .in_reply_to(conversation.clone())
            .references(conversation)
            .header(AutoSubmitted)
            .header(NoAutomaticReplies);
        if let Some(reply_to) = &self.from.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        if let Some(url) = &self.message.unsubscribe_url {
            builder = builder.header(ListUnsubscribe(format!("<{url}>"))).header(OneClick);
        }

        // A boundary with `=_` in it cannot occur in a quoted-printable or base64 body.
        let boundary = |kind: &str| format!("=_{kind}_{delivery_id}");
        let html = text_part(ContentType::TEXT_HTML, html);
        let mut alternative = MultiPart::alternative()
            .boundary(boundary("alternative"))
            .singlepart(text_part(ContentType::TEXT_PLAIN, text));
        if print.pictures.is_empty() {
            alternative = alternative.singlepart(html);
        } else {
            let mut related = MultiPart::related().boundary(boundary("related")).singlepart(html);
            for (position, picture) in print.pictures.iter().enumerate() {
                let number = position + 1;
                let body = Body::dangerous_pre_encoded(picture.clone(), ContentTransferEncoding::Base64);
                related = related.singlepart(
                    Attachment::new_inline_with_name(
                        format!("chart-{number}.{own_id}"),
                        format!("chart-{number}.png"),
                    )
                    .body(body, png()),
                );
            }
            alternative = alternative.multipart(related);
        }
        let body = match self.attachment {
            None => alternative,
            Some(file) => MultiPart::mixed()
                .boundary(boundary("mixed"))
                .multipart(alternative)
                .singlepart(Attachment::new(file_name(&file.name)).body(file.bytes.clone(), csv())),
        };
        let mail = builder.multipart(body)?;
        let mut source = mail.formatted();
        if let Some(dkim) = &self.from.dkim {
            let signature = dkim.header(&source, self.sent_at);
            source.splice(0..0, signature.into_bytes());
        }
        Ok(Email { message_id, from: self.from.mailbox.email.clone(), to, subject, source })
    }
}

/// Base64 in lines of 76 characters, as mails carry it.
fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let whole = STANDARD.encode(bytes).into_bytes();
    whole.chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..])
}

fn text_part(content_type: ContentType, quoted: Vec<u8>) -> SinglePart {
    let body = Body::dangerous_pre_encoded(quoted, ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(content_type).body(body)
}

fn png() -> ContentType {
    ContentType::parse("image/png").expect("a media type that is written out here")
}

fn csv() -> ContentType {
    ContentType::parse("text/csv; charset=utf-8; header=present")
        .expect("a media type that is written out here")
}

/// One line without control characters. What looks like an encoded word is broken up, so that it reaches the reader as
/// it was typed instead of being decoded into something else.
fn header_text(text: &str) -> String {
    inert_line(text).replace("=?", "=\u{200b}?")
}

/// A name that every file system takes: letters and digits of ASCII, and dashes.
pub(crate) fn file_name(name: &str) -> String {
    let mut safe = String::new();
    for character in name.chars().take(120) {
        if character.is_ascii_alphanumeric() {
            safe.push(character.to_ascii_lowercase());
        } else if !safe.is_empty() && !safe.ends_with('-') {
            safe.push('-');
        }
    }
    let safe = safe.trim_end_matches('-');
    if safe.is_empty() { "result.csv".to_owned() } else { format!("{safe}.csv") }
}

/// A header whose value never varies.
macro_rules! fixed_header {
    ($(#[$doc:meta])* $type:ident, $name:literal, $value:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        struct $type;

        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self)
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), $value.to_owned())
            }
        }
    };
}

fixed_header!(
    /// Tells other programs not to answer (RFC 3834).
    AutoSubmitted,
    "Auto-Submitted",
    "auto-generated"
);
fixed_header!(
    /// The same for Exchange.
    NoAutomaticReplies,
    "X-Auto-Response-Suppress",
    "All"
);
fixed_header!(
    /// The address in `List-Unsubscribe` takes a POST and asks nothing more (RFC 8058).
    OneClick,
    "List-Unsubscribe-Post",
    "List-Unsubscribe=One-Click"
);

#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_hold_nothing_that_a_shell_or_header_would_read() {
        assert_eq!(file_name("Weekly \"flights\"\r\nX: y/../ü"), "weekly-flights-x-y.csv");
        assert_eq!(file_name("…"), "result.csv");
    }

    #[test]
    fn header_texts_are_one_line() {
        assert_eq!(header_text("a\r\nBcc: x"), "a Bcc: x");
        assert!(!header_text("=?utf-8?q?Hello=0d=0aBcc:?=").contains("=?"));
    }
}
