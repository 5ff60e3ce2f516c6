//! Deliveries: who may see how much, what it looks like, and how it gets there.
//!
//! A finished run has left one delivery row per recipient. [`Notifier`] claims rows, composes a message from what is stored
//! ([`message`], [`notice`]), renders it ([`render`]), builds a mail ([`email`]) and hands it to a [`Transport`], or speaks to
//! Slack ([`mod@slack`]). An attempt is committed before any byte leaves; whatever happens after that is written down as the
//! attempt's outcome.

mod audience;
mod compose;
pub mod csv;
mod deliver;
pub mod dkim;
pub mod email;
mod gather;
mod held;
pub mod message;
pub mod no_news;
pub mod notice;
mod outcome;
mod quoted;
pub mod render;
mod room;
mod shared;
pub mod slack;
pub mod slack_inbox;
pub mod transport;
pub mod webhook;

use std::{
    error::Error as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use crate::{room::FILES_BYTES, slack::Slack};
use domain::delivery::{DeliveryState, Way};
use rand::rngs::StdRng;
use store::{
    ClaimedDelivery, DeliveryLease, DeliveryObstacles, Event, Events, MessageReader, NewAttempt, Store,
};
use tokio::{
    sync::{
        Semaphore,
        broadcast::{self, error::RecvError},
    },
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
pub use transport::{Smtp, Transport};

use crate::{audience::Readers, email::Sender, gather::Gather, room::Room, shared::Answers};

/// How often dead notifiers' deliveries are looked for.
const RESCUE_EVERY: Duration = Duration::from_secs(15);
/// How many of them are taken at a time.
const RESCUE_BATCH: u32 = 100;

/// Between two looks at the queue that word of a run's end brings about: on a busy server there is word hundreds of times a second.
const LOOK_REST: Duration = Duration::from_millis(25);

/// Of what may be under way at once, one in so many may wait for room for a file: with those that have it, too few to keep the
/// queue from being looked at.
const FILE_LINE_SHARE: usize = 4;

/// What a notifier works with.
pub struct NotifierOptions {
    /// The database.
    pub store: Store,
    /// The way out.
    pub transport: Transport,
    /// What links begin with: `https://tidings.example.com`.
    pub public_url: String,
    /// Who sends.
    pub mail_from: Sender,
    /// How Slack is reached; `None` where no app is set up.
    pub slack: Option<Slack>,
    /// Tells of runs that end while someone waits, whose messages then go at once; `None` leaves them to the next look.
    pub events: Option<Events>,
    /// Draws the waits before retries.
    pub random: StdRng,
    /// The name of this process in the rows that it holds.
    pub worker: String,
    /// The most deliveries of each way under way at once, so that one slow recipient holds up nobody.
    pub parallel: u32,
    /// How often the queue is looked at while nothing is under way.
    pub poll: Duration,
    /// How much memory the messages that bring a file along may take together, in bytes.
    pub files_bytes: usize,
    /// How long what was decided for a mail holds while it waits for a place at its server; it is decided anew after that.
    pub fresh_for: Duration,
}

impl NotifierOptions {
    /// The usual options.
    pub fn new(
        store: Store,
        transport: Transport,
        public_url: String,
        mail_from: Sender,
        random: StdRng,
    ) -> Self {
        Self {
            store,
            transport,
            public_url,
            mail_from,
            slack: None,
            events: None,
            random,
            worker: format!("notifier-{}", std::process::id()),
            parallel: 128,
            poll: Duration::from_millis(250),
            files_bytes: FILES_BYTES,
            fresh_for: Duration::from_secs(1),
        }
    }
}

/// What goes by one way has places of its own: an outage of one way delays nothing that goes by the other.
struct Lane {
    way: Way,
    under_way: JoinSet<()>,
    /// Whether the last look left something waiting, as far as is known.
    is_more_waiting: bool,
}

impl Lane {
    fn new(way: Way) -> Self {
        Self { way, under_way: JoinSet::new(), is_more_waiting: true }
    }
}

/// Sends what is due.
pub struct Notifier {
    store: Store,
    transport: Transport,
    public_url: String,
    mail_from: Sender,
    slack: Option<Slack>,
    slack_members: ::slack::MemberCache,
    events: Option<Events>,
    random: Mutex<StdRng>,
    worker: String,
    parallel: u32,
    poll: Duration,
    fresh_for: Duration,
    answers: Answers,
    files: Room,
    /// The places in the line for that room.
    file_line: Semaphore,
    obstacles: Gather<DeliveryLease, DeliveryObstacles>,
    readers: Readers,
    attempts: Gather<NewAttempt, Option<u32>>,
    sent: Gather<(DeliveryLease, String), bool>,
}

impl Notifier {
    /// A notifier that does nothing until it is run.
    pub fn new(options: NotifierOptions) -> Self {
        let gathered = || options.store.clone();
        let (for_obstacles, for_readers) = (gathered(), gathered());
        let (for_attempts, for_sent) = (gathered(), gathered());
        Self {
            answers: Answers::default(),
            files: Room::new(options.files_bytes),
            file_line: Semaphore::new((options.parallel as usize / FILE_LINE_SHARE).max(1)),
            obstacles: Gather::new(move |leases: Vec<DeliveryLease>| {
                let store = for_obstacles.clone();
                async move { store.delivery_obstacles(&leases).await }
            }),
            readers: Gather::new(move |readers: Vec<MessageReader>| {
                let store = for_readers.clone();
                async move { store.audience_of_readers(&readers).await }
            }),
            attempts: Gather::new(move |attempts: Vec<NewAttempt>| {
                let store = for_attempts.clone();
                async move { store.delivery_attempts_start(&attempts).await }
            }),
            sent: Gather::new(move |sent: Vec<(DeliveryLease, String)>| {
                let store = for_sent.clone();
                async move { store.delivery_sent(&sent).await }
            }),
            store: options.store,
            transport: options.transport,
            public_url: options.public_url.trim_end_matches('/').to_owned(),
            mail_from: options.mail_from,
            slack: options.slack,
            slack_members: ::slack::MemberCache::default(),
            events: options.events,
            random: Mutex::new(options.random),
            worker: options.worker,
            parallel: options.parallel.max(1),
            poll: options.poll,
            fresh_for: options.fresh_for,
        }
    }

    /// Delivers until `stopping` is cancelled; then finishes what is under way and claims nothing more.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let notifier = Arc::new(self);
        let (mut mail, mut slack) = (Lane::new(Way::Mail), Lane::new(Way::Slack));
        let mut polls = tokio::time::interval(notifier.poll);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = notifier.events.as_ref().map(Events::subscribe);
        let mut rescues = tokio::time::interval(RESCUE_EVERY);
        rescues.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked_at = Instant::now();
        loop {
            let mut is_news = false;
            tokio::select! {
                () = stopping.cancelled() => break,
                _ = polls.tick() => is_news = true,
                () = something_ended(&mut heard) => {
                    let rest = LOOK_REST.saturating_sub(looked_at.elapsed());
                    is_news = rest.is_zero();
                    if !is_news {
                        polls.reset_after(rest);
                    }
                }
                _ = rescues.tick() => notifier.rescue().await,
                Some(ended) = mail.under_way.join_next() => log_panic(&ended),
                Some(ended) = slack.under_way.join_next() => log_panic(&ended),
            }
            if is_news {
                looked_at = Instant::now();
                (mail.is_more_waiting, slack.is_more_waiting) = (true, true);
            }
            tokio::join!(notifier.fill(&mut mail), notifier.fill(&mut slack));
        }
        for Lane { mut under_way, .. } in [mail, slack] {
            while let Some(ended) = under_way.join_next().await {
                log_panic(&ended);
            }
        }
        Ok(())
    }

    /// Takes over what dead notifiers held, delivers all that is due now, and answers how many deliveries it tried.
    pub async fn run_once(self: &Arc<Self>) -> u32 {
        self.rescue().await;
        let (mut mail, mut slack) = (Lane::new(Way::Mail), Lane::new(Way::Slack));
        let mut tried = 0;
        loop {
            let is_for_all = mail.is_more_waiting && slack.is_more_waiting;
            let claimed = self.fill(&mut mail).await + self.fill(&mut slack).await;
            tried += claimed;
            // Where one ended there is a free place, and only there.
            tokio::select! {
                Some(ended) = mail.under_way.join_next() => {
                    log_panic(&ended);
                    mail.is_more_waiting = true;
                }
                Some(ended) = slack.under_way.join_next() => {
                    log_panic(&ended);
                    slack.is_more_waiting = true;
                }
                else => {
                    if is_for_all && claimed == 0 {
                        return tried;
                    }
                    // The last ones may have left something to send.
                    (mail.is_more_waiting, slack.is_more_waiting) = (true, true);
                }
            }
        }
    }

    /// Claims what waits for a lane's free places and sets it going. Answers how much that was.
    async fn fill(self: &Arc<Self>, lane: &mut Lane) -> u32 {
        let free = self.free(lane.under_way.len());
        if !lane.is_more_waiting || free == 0 {
            return 0;
        }
        let claimed = self.claim(lane.way, free).await;
        let number = claimed.len() as u32;
        lane.is_more_waiting = number == free;
        for delivery in claimed {
            let notifier = Arc::clone(self);
            lane.under_way.spawn(async move { notifier.deliver_and_tell(&delivery).await });
        }
        number
    }

    /// How many deliveries of a way to claim while `under_way` are: none until a quarter of the room is free, so that a claim
    /// is worth its price and nobody waits for the slowest.
    fn free(&self, under_way: usize) -> u32 {
        let free = self.parallel.saturating_sub(under_way as u32);
        if free * 4 < self.parallel { 0 } else { free }
    }

    /// A failing database is as good as an empty queue: the next look may find it mended.
    async fn claim(&self, way: Way, limit: u32) -> Vec<ClaimedDelivery> {
        self.store.delivery_claim(&self.worker, way, limit).await.unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                way = way.as_str(),
                "deliveries could not be claimed"
            );
            Vec::new()
        })
    }

    async fn rescue(&self) {
        match self.store.delivery_rescue(RESCUE_BATCH).await {
            Ok(0) => {}
            Ok(rescued) => tracing::warn!(rescued, "took deliveries from a notifier that vanished"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "dead notifiers could not be looked for"
                );
            }
        }
    }

    async fn deliver_and_tell(&self, delivery: &ClaimedDelivery) {
        let span = tracing::info_span!(
            "delivery",
            delivery_id = %delivery.lease.delivery_id,
            workspace_id = %delivery.lease.workspace_id,
            run_id = delivery.run_id.map(tracing::field::display),
            kind = delivery.kind.as_str(),
            attempt = delivery.attempts + 1,
        );
        match self.deliver(delivery).instrument(span.clone()).await {
            Ok(state) => {
                let _entered = span.enter();
                let labels = [("kind", delivery.kind.as_str()), ("state", state.as_str())];
                metrics::counter!("tidings_deliveries_total", &labels).increment(1);
                if state == DeliveryState::Sent {
                    tracing::info!("sent");
                } else {
                    tracing::warn!(state = state.as_str(), "not sent");
                }
            }
            Err(deliver::Error::PutOff) => {}
            Err(error) => {
                let _entered = span.enter();
                let source = error.source().map(ToString::to_string);
                tracing::warn!(%error, source, "put down without an outcome; it is taken up again");
            }
        }
    }

    fn random(&self) -> MutexGuard<'_, StdRng> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for word that a run may have ended that someone waits for.
async fn something_ended(heard: &mut Option<broadcast::Receiver<Event>>) {
    loop {
        let Some(receiver) = heard else { return std::future::pending().await };
        match receiver.recv().await {
            Ok(Event::ThreadChanged(_) | Event::Reconnected) | Err(RecvError::Lagged(_)) => return,
            Ok(Event::RunReady | Event::RunStopAsked | Event::ThreadDelta { .. }) => {}
            Err(RecvError::Closed) => *heard = None,
        }
    }
}

/// A delivery whose task panicked keeps its lease until it runs out, and is rescued then.
fn log_panic(ended: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a delivery ended in a panic");
    }
}
