//! What a delivery says in Slack, as it is kept with it: the words and blocks of each of its messages.

use serde_json::{Value, json};
use slack::block::Block;
use store::{ContentMark, DeliveryLease, SlackPost};

use super::{call::Line, layout::Part, outcome::Stop, parts::FILE_NOTE_PART};
use crate::audience;

/// The messages of a delivery in their order: what was posted, and what is to be. Pictures are left out: a block names its file
/// only once Slack has it.
pub(super) struct Said(Vec<Value>);

impl Said {
    /// What is to be posted as `parts`; of what is there already, by `posts`, what it was posted as, by `kept`.
    pub(super) fn of(parts: &[Part], kept: &[Value], posts: &[SlackPost]) -> Self {
        let messages = parts.iter().enumerate().map(|(number, part)| match kept.get(number) {
            Some(as_posted) if is_there(posts, number) => as_posted.clone(),
            _ => shown(part),
        });
        Self(messages.collect())
    }

    /// What names it, and keeps it.
    pub(super) fn mark(&self) -> ContentMark {
        let messages = Value::Array(self.0.clone());
        audience::mark(messages.to_string().as_bytes(), Some(messages))
    }

    /// Writes down that message number `number` is another one than was planned, or one more.
    pub(super) async fn put(
        &mut self,
        line: &Line<'_>,
        lease: &DeliveryLease,
        number: u32,
        part: &Part,
    ) -> Result<(), Stop> {
        match self.0.get_mut(number as usize) {
            Some(planned) => *planned = shown(part),
            None => self.0.push(shown(part)),
        }
        Ok(line.store.delivery_content_put(line.scope, lease, &self.mark()).await?)
    }
}

/// Whether a delivery's message of this number is in Slack, as far as is known.
pub(super) fn is_there(posts: &[SlackPost], number: usize) -> bool {
    posts.iter().any(|post| post.part as usize == number && post.ts.is_some())
}

/// The replies that an answer goes on in, as it was cut when its first message was posted; none where that is not kept.
pub(super) fn replies(kept: &[Value], posts: &[SlackPost]) -> Option<Vec<Part>> {
    // What is said of a file comes behind all of them, and may be kept as the last.
    let end = if is_there(posts, FILE_NOTE_PART as usize) {
        posts.iter().filter(|post| post.part < FILE_NOTE_PART).count()
    } else {
        kept.len()
    };
    kept.get(1..end)?.iter().map(reply).collect()
}

/// A message of sections alone, as it is kept.
fn reply(kept: &Value) -> Option<Part> {
    let sections = kept["blocks"].as_array()?.iter().map(|block| {
        let text = block["text"]["text"].as_str().filter(|_| block["type"] == "section");
        text.map(Block::section)
    });
    Some(Part { text: kept["text"].as_str()?.to_owned(), blocks: sections.collect::<Option<_>>()? })
}

fn shown(part: &Part) -> Value {
    json!({ "text": part.text, "blocks": part.blocks })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use store::SlackSearch;

    use super::*;

    fn part(text: &str) -> Part {
        Part { text: text.to_owned(), blocks: Vec::new() }
    }

    fn post(part: u32, ts: Option<&str>) -> SlackPost {
        SlackPost {
            part,
            channel_id: "C1".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            age: TimeDelta::zero(),
            ts: ts.map(str::to_owned),
            search: SlackSearch::default(),
        }
    }

    #[test]
    fn what_is_there_is_kept_as_it_was_posted() {
        let planned = [part("first"), part("second"), part("third")];
        let kept = [shown(&part("plainer")), shown(&part("lost"))];
        let said = Said::of(&planned, &kept, &[post(0, Some("1.0")), post(1, None), post(2, Some("2.0"))]);
        let words: Vec<_> = said.0.iter().map(|message| message["text"].as_str().expect("a text")).collect();
        assert_eq!(words, ["plainer", "second", "third"], "nothing is kept of the third, which is there");
    }

    #[test]
    fn replies_are_read_as_they_were_cut() {
        let first = Part { text: "first".into(), blocks: vec![Block::header("Flights"), Block::Divider] };
        let second = Part { text: "second".into(), blocks: vec![Block::section("*a*"), Block::section("b")] };
        let messages = [first, second.clone(), part("plain")];
        let kept: Vec<Value> = messages.iter().map(shown).collect();
        let posts = [post(0, Some("1.0"))];
        assert_eq!(replies(&kept, &posts), Some(vec![second.clone(), part("plain")]));
        assert_eq!(replies(&kept[..1], &posts), Some(Vec::new()), "a short answer");
        assert_eq!(replies(&[], &posts), None, "nothing is kept");
        assert_eq!(replies(&[kept[0].clone(), kept[0].clone()], &posts), None, "no reply has a header");
        // The last is what is said of its file.
        let posts = [0, 1, FILE_NOTE_PART].map(|number| post(number, Some("1.0")));
        assert_eq!(replies(&kept, &posts), Some(vec![second]));
    }
}
