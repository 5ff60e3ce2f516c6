//! What all messages about one answer have in common: read from the database once and printed once, however many recipients
//! there are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use domain::{RunId, ThreadId, WorkspaceId, delivery::DeliveryKind};
use store::ClaimedDelivery;
use tokio::sync::OnceCell;

use crate::{
    compose::{Attachment, Source},
    email::Printed,
    message::{Excerpt, Message, Picture},
};

/// So many answers are remembered before those are dropped that no message is being made of any more.
const REMEMBERED: usize = 256;

/// One answer's share. A finished turn never changes, so nothing here grows old.
#[derive(Default)]
pub(crate) struct Shared {
    /// The answer and its thread; none of a turn that ended without one.
    pub(crate) source: OnceCell<Option<Source>>,
    /// The tables that are shown.
    pub(crate) excerpts: OnceCell<Vec<Excerpt>>,
    /// The charts.
    pub(crate) pictures: OnceCell<Vec<Picture>>,
    /// The file that goes along with messages that want it.
    pub(crate) attachment: OnceCell<Attachment>,
    /// Whether the run came after its window.
    pub(crate) is_late: OnceCell<bool>,
    /// Its messages, without their recipients' own links.
    pub(crate) messages: Messages,
    /// The same, printed.
    pub(crate) printed: Printed,
}

/// What tells one message about an answer from another, but for the recipients' own links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wording {
    /// Whether it shows everything.
    pub(crate) is_full: bool,
    /// Why its readers get it.
    pub(crate) because: String,
}

/// Messages about one answer, each composed once.
#[derive(Default)]
pub(crate) struct Messages(Mutex<Vec<(Wording, Arc<Message>)>>);

impl Messages {
    /// The message so worded, if it was composed.
    pub(crate) fn find(&self, wording: &Wording) -> Option<Arc<Message>> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = messages.iter().find(|(kept, _)| kept == wording);
        found.map(|(_, message)| Arc::clone(message))
    }

    /// Keeps a message for the next reader. Where two composed it at once, both are right.
    pub(crate) fn keep(&self, wording: Wording, message: Message) -> Arc<Message> {
        let message = Arc::new(message);
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push((wording, Arc::clone(&message)));
        message
    }
}

/// Which messages share: those of one run and one kind, with or without the file.
type Key = (WorkspaceId, (ThreadId, u32), Option<RunId>, DeliveryKind, bool);

/// The answers that messages are being made of. Each goes with its last message.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<Key, Weak<Shared>>>);

impl Answers {
    /// What the messages about the answer of `delivery` share.
    pub(crate) fn of(&self, delivery: &ClaimedDelivery) -> Arc<Shared> {
        let Some(turn) = delivery.thread_id.zip(delivery.turn_no) else { return Arc::default() };
        let workspace_id = delivery.lease.workspace_id;
        let key = (workspace_id, turn, delivery.run_id, delivery.kind, delivery.attach_csv);
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = answers.get(&key).and_then(Weak::upgrade) {
            return shared;
        }
        if answers.len() >= REMEMBERED {
            answers.retain(|_, shared| shared.strong_count() > 0);
        }
        let shared = Arc::default();
        answers.insert(key, Arc::downgrade(&shared));
        shared
    }
}
