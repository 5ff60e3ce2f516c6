//! What readers got, held against what was promised. Reads the mail server's, Slack's and the model's log, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use crate::stage::model::Asked;

/// A question, and where its answer is awaited.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Its word.
    pub(crate) word: String,
    /// Readers' addresses, and channels by their ids.
    pub(crate) places: Vec<String>,
}

/// A message that readers got.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// When the mail server or Slack took it.
    pub(crate) at: Instant,
    /// Where it stands: an address, or a channel's id.
    pub(crate) place: String,
    /// What makes it one message to a reader: a mail's Message-ID, a Slack message's timestamp.
    pub(crate) id: String,
    /// What it says.
    pub(crate) text: String,
}

/// What became of the occurrences.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Answers that did not come where they were awaited.
    pub(crate) lost: Vec<String>,
    /// Answers that came more than once to one place, under more than one id; or where nobody awaited them.
    pub(crate) twice: Vec<String>,
    /// Questions that one place has another answer to than the other: a reply of its own, or another worker's.
    pub(crate) parted: Vec<String>,
    /// Mails that came again, the same to the byte and under the same Message-ID: sends whose outcome nobody knew.
    pub(crate) sent_again: usize,
    /// Messages that are no answer: notices of failures, mostly.
    pub(crate) notices: Vec<String>,
}

/// Where an answer says that it comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// The question's word.
    pub(crate) question: String,
    /// The worker that asked the model.
    pub(crate) worker: String,
    /// The model's reply.
    pub(crate) reply: String,
}

impl Origin {
    /// Reads the mark that the model left in an answer (see [`crate::stage::model::mark`]).
    pub(crate) fn of(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("Marked ")?;
        let mut words = rest.split_whitespace();
        let question = words.next()?.to_owned();
        let worker = words.nth(1)?.to_owned();
        let reply = words.nth(1)?.to_owned();
        Some(Self { question, worker, reply })
    }
}

/// What came of one question.
#[derive(Default)]
struct Answers<'a> {
    /// The messages that tell its answer, by their places.
    ids: BTreeMap<&'a str, BTreeSet<&'a str>>,
    origins: BTreeSet<Origin>,
}

/// Looks at all messages.
pub(crate) fn check(questions: &[Question], told: &[Told]) -> Effects {
    let mut effects = Effects::default();
    let mut answers: BTreeMap<String, Answers<'_>> = BTreeMap::new();
    for message in told {
        let Some(origin) = Origin::of(&message.text) else {
            effects.notices.push(message.text.chars().take(120).collect());
            continue;
        };
        let of_question = answers.entry(origin.question.clone()).or_default();
        of_question.origins.insert(origin);
        if !of_question.ids.entry(&message.place).or_default().insert(&message.id) {
            effects.sent_again += 1;
        }
    }
    for question in questions {
        let Answers { mut ids, origins } = answers.remove(&question.word).unwrap_or_default();
        for place in &question.places {
            match ids.remove(place.as_str()).map_or(0, |ids| ids.len()) {
                0 => effects.lost.push(format!("{} to {place}", question.word)),
                1 => {}
                times => effects.twice.push(format!("{} to {place} {times} times", question.word)),
            }
        }
        let strays = ids.into_keys().map(|place| format!("{} to {place} as well", question.word));
        effects.twice.extend(strays);
        if origins.len() > 1 {
            effects.parted.push(question.word.clone());
        }
    }
    effects
}

/// Answers by a worker that had lost the run, where workers were only ever killed: another asked the model after it, which it
/// does only when it finds no reply recorded.
pub(crate) fn stale_answers(told: &[Told], asked: &[Asked]) -> Vec<String> {
    let mut last_asked: BTreeMap<&str, &str> = BTreeMap::new();
    for asked in asked {
        last_asked.insert(&asked.question, &asked.worker);
    }
    let origins: BTreeSet<Origin> = told.iter().filter_map(|message| Origin::of(&message.text)).collect();
    let mut stale = Vec::new();
    for origin in origins {
        let last = last_asked.get(origin.question.as_str()).copied().unwrap_or_default();
        if last != origin.worker {
            stale.push(format!("{} by {}, asked last by {last}", origin.question, origin.worker));
        }
    }
    stale
}
