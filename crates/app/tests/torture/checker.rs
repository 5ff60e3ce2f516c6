//! What readers got, held against what was promised. Reads the mail server's and the model's log, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::stage::{mail::Mail, model::Asked};

/// What became of the occurrences.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Questions whose answer reached nobody.
    pub(crate) lost: Vec<String>,
    /// Questions whose answer was delivered more than once: under more than one Message-ID.
    pub(crate) twice: Vec<String>,
    /// Mails that came again, the same to the byte and under the same Message-ID: sends whose outcome nobody knew.
    pub(crate) sent_again: usize,
    /// Mails that are no answer: notices of failures, mostly.
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

/// Looks at all mails.
pub(crate) fn check(questions: &[String], mails: &[Mail]) -> Effects {
    let mut effects = Effects::default();
    let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for mail in mails {
        let Some(origin) = Origin::of(&mail.text) else {
            effects.notices.push(mail.text.chars().take(120).collect());
            continue;
        };
        ids.entry(origin.question).or_default().insert(&mail.message_id);
        if !seen.insert((&mail.message_id, &mail.to)) {
            effects.sent_again += 1;
        }
    }
    for question in questions {
        match ids.get(question).map_or(0, BTreeSet::len) {
            0 => effects.lost.push(question.clone()),
            1 => {}
            _ => effects.twice.push(question.clone()),
        }
    }
    effects
}

/// Answers by a worker that had lost the run, where workers were only ever killed: another asked the model after it, which it
/// does only when it finds no reply recorded.
pub(crate) fn stale_answers(mails: &[Mail], asked: &[Asked]) -> Vec<String> {
    let mut last_asked: BTreeMap<&str, &str> = BTreeMap::new();
    for asked in asked {
        last_asked.insert(&asked.question, &asked.worker);
    }
    let origins: BTreeSet<Origin> = mails.iter().filter_map(|mail| Origin::of(&mail.text)).collect();
    let mut stale = Vec::new();
    for origin in origins {
        let last = last_asked.get(origin.question.as_str()).copied().unwrap_or_default();
        if last != origin.worker {
            stale.push(format!("{} by {}, asked last by {last}", origin.question, origin.worker));
        }
    }
    stale
}
