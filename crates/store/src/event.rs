//! Word between processes that something changed for someone who waits: `LISTEN` and `NOTIFY`.
//!
//! Word may be lost (a connection breaks, nobody listens): whoever waits for it looks at the tables as well. `NOTIFY` makes
//! commits wait for one another, so only what a person waits for is told.

use std::time::Duration;

use domain::ThreadId;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{Result, Store, Tx};

/// Work that a person waits for can be claimed.
pub(crate) const RUN_CHANNEL: &str = "tidings_run";
/// On the run's channel: not a new run, but one that shall stop.
const STOP: &str = "stop";
/// Something of a thread can be read, or text of it streams in.
pub(crate) const THREAD_CHANNEL: &str = "tidings_thread";
/// `NOTIFY` takes less than 8,000 bytes; room is left for what surrounds the text and for escapes.
const DELTA_BYTES_MAX: usize = 3_000;
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// Events that a slow reader may be behind before it is told that it missed some.
const BACKLOG: usize = 1_024;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A run can be claimed.
    RunReady,
    /// A run was asked to stop: whoever holds runs sees which at the next heartbeat, and may have one at once.
    RunStopAsked,
    /// A step, an answer or a status of this thread can be read.
    ThreadChanged(ThreadId),
    /// Text of the model's reply, in order, kept nowhere.
    ThreadDelta {
        /// The thread.
        thread_id: ThreadId,
        /// The turn.
        turn_no: u32,
        /// The text.
        text: String,
    },
    /// Word may have been lost: look at the tables.
    Reconnected,
}

#[derive(Serialize, Deserialize)]
struct ThreadWord {
    thread: ThreadId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Everyone in this process who listens, over one connection to the database.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Event>);

impl Events {
    /// Hears everything told from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

impl Store {
    /// Listens until `shutdown`, connecting again whenever the connection breaks.
    pub fn events(&self, shutdown: CancellationToken) -> Events {
        let (sender, _) = broadcast::channel(BACKLOG);
        let events = Events(sender.clone());
        let store = self.clone();
        tokio::spawn(async move {
            let listening = async {
                loop {
                    if let Err(error) = store.listen(&sender).await {
                        tracing::warn!(%error, "listening for events was interrupted");
                    }
                    tokio::time::sleep(RECONNECT_AFTER).await;
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = listening => {}
            }
        });
        events
    }

    async fn listen(&self, sender: &broadcast::Sender<Event>) -> Result<()> {
        let mut listener = PgListener::connect_with(&self.worker).await?;
        listener.listen_all([RUN_CHANNEL, THREAD_CHANNEL]).await?;
        // No receiver is no error: nobody waits for anything.
        let _ = sender.send(Event::Reconnected);
        loop {
            let Some(word) = listener.try_recv().await? else {
                let _ = sender.send(Event::Reconnected);
                continue;
            };
            let event = match word.channel() {
                RUN_CHANNEL if word.payload() == STOP => Some(Event::RunStopAsked),
                RUN_CHANNEL => Some(Event::RunReady),
                _ => thread_event(word.payload()),
            };
            if let Some(event) = event {
                let _ = sender.send(event);
            }
        }
    }

    /// Streams text of a reply to whoever watches the thread.
    pub async fn thread_delta_tell(&self, thread_id: ThreadId, turn_no: u32, text: &str) -> Result<()> {
        let mut rest = text;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.floor_char_boundary(DELTA_BYTES_MAX));
            rest = later;
            let word = ThreadWord { thread: thread_id, turn: Some(turn_no), text: Some(now.to_owned()) };
            sqlx::query!("SELECT pg_notify($1, $2)", THREAD_CHANNEL, payload(&word))
                .fetch_one(&self.worker)
                .await?;
        }
        Ok(())
    }
}

/// Tells, when the transaction commits, that a run can be claimed.
pub(crate) async fn tell_run_ready(tx: &mut Tx) -> Result<()> {
    sqlx::query!("SELECT pg_notify($1, '')", RUN_CHANNEL).fetch_one(tx.db()).await?;
    Ok(())
}

/// Tells, when the transaction commits, that a run shall stop.
pub(crate) async fn tell_run_stop(tx: &mut Tx) -> Result<()> {
    sqlx::query!("SELECT pg_notify($1, $2)", RUN_CHANNEL, STOP).fetch_one(tx.db()).await?;
    Ok(())
}

/// Tells, when the transaction commits, that something of a thread can be read.
pub(crate) async fn tell_thread_changed(tx: &mut Tx, thread_id: ThreadId) -> Result<()> {
    sqlx::query!("SELECT pg_notify($1, $2)", THREAD_CHANNEL, thread_changed(thread_id))
        .fetch_one(tx.db())
        .await?;
    Ok(())
}

/// The word on [`THREAD_CHANNEL`] that something of a thread can be read.
pub(crate) fn thread_changed(thread_id: ThreadId) -> String {
    payload(&ThreadWord { thread: thread_id, turn: None, text: None })
}

/// Tells, when the transaction commits, that something of each of these threads can be read.
pub(crate) async fn tell_threads_changed(tx: &mut Tx, thread_ids: &[ThreadId]) -> Result<()> {
    if thread_ids.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = thread_ids.iter().copied().map(thread_changed).collect();
    sqlx::query!("SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word", THREAD_CHANNEL, &words)
        .fetch_all(tx.db())
        .await?;
    Ok(())
}

fn payload(word: &ThreadWord) -> String {
    serde_json::to_string(word).expect("an id and texts serialise to JSON")
}

fn thread_event(payload: &str) -> Option<Event> {
    let word: ThreadWord = serde_json::from_str(payload).ok()?;
    Some(match (word.turn, word.text) {
        (Some(turn_no), Some(text)) => Event::ThreadDelta { thread_id: word.thread, turn_no, text },
        _ => Event::ThreadChanged(word.thread),
    })
}
