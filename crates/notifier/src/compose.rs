//! From stored rows to what a delivery says.

mod notices;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::{
    ConnectionId, ResultId, UserId,
    answer::Answer,
    audience::Decision,
    delivery::{Audience, DeliveryKind},
    run::RunReason,
};
use store::{ClaimedDelivery, DeliveryUser, Store, StoredResult, Thread, Turn};

use crate::{
    audience::{self, ChannelPeople, Readers},
    csv,
    email::{ATTACHMENT_BYTES_MAX, CsvFile},
    gather,
    message::{Excerpt, Message, PICTURES_MAX, Picture, Report, TABLE_ROWS_MAX},
    notice::{self, Details, Event},
    render::inert::clip,
    shared::{Shared, Wording},
};

/// How many rows are read at a time for an attachment.
const CSV_ROWS_AT_A_TIME: u64 = 5_000;
/// The longest name of a person that a message shows, in characters.
const NAME_MAX: usize = 100;

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What it was about is gone.
    #[error("{0}")]
    Gone(&'static str),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The same, for many at once.
    #[error(transparent)]
    Gathered(#[from] gather::Error),
}

/// Whom a delivery is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader<'a> {
    /// One person.
    Person(&'a DeliveryUser),
    /// Everybody in a Slack channel.
    Channel(&'a ChannelPeople),
}

impl Reader<'_> {
    fn is(&self, user_id: UserId) -> bool {
        matches!(self, Self::Person(user) if user.id == user_id)
    }
}

/// What a delivery says to its recipient.
pub(crate) struct Composed {
    /// What it says.
    pub(crate) message: Message,
    /// How much of everything that is, and why; none for word to one person in which no data can be.
    pub(crate) decision: Option<Decision>,
    /// What goes along.
    pub(crate) attachment: Option<Arc<CsvFile>>,
    /// What the mail belongs to: those of one task are read together.
    pub(crate) conversation: String,
}

/// Composes what deliveries say.
pub(crate) struct Composer<'a> {
    pub(crate) store: &'a Store,
    /// Tells what decides how much a person sees.
    pub(crate) readers: &'a Readers,
    /// What links begin with, without a slash at its end.
    pub(crate) public_url: &'a str,
    pub(crate) delivery: &'a ClaimedDelivery,
    /// What the messages about one answer have in common.
    pub(crate) shared: &'a Shared,
}

/// An answer, and where it stands.
pub(crate) struct Source {
    thread: Thread,
    turn: Turn,
    answer: Answer,
    /// The turn's results, and those of earlier ones that it shows or takes figures from, without rows.
    results: Vec<StoredResult>,
}

/// What becomes of the wish for a CSV file.
pub(crate) enum Attachment {
    File(Arc<CsvFile>),
    TooLarge,
    /// Nobody asked, or there is no table.
    None,
}

impl Attachment {
    fn file(&self) -> Option<Arc<CsvFile>> {
        match self {
            Self::File(file) => Some(Arc::clone(file)),
            Self::TooLarge | Self::None => None,
        }
    }
}

impl Composer<'_> {
    /// What the delivery says to `reader`.
    pub(crate) async fn compose(&self, reader: Reader<'_>) -> Result<Composed, Error> {
        match self.delivery.kind {
            DeliveryKind::Answer | DeliveryKind::Reply => self.answer(reader).await,
            DeliveryKind::Failure => self.failure_notice(reader).await,
            DeliveryKind::Recovery => self.notice(Event::Recovered, Details::None).await,
            DeliveryKind::StillRunning => {
                // All that the queue has to say of it is the day.
                let day = self.delivery.details.as_deref().and_then(|day| day.parse().ok());
                self.notice(Event::StillRunning(day), Details::None).await
            }
            DeliveryKind::NoNews => self.no_news(reader).await,
            DeliveryKind::StaleData => self.stale_notice(reader).await,
            DeliveryKind::Expiring => self.notice(Event::Expiring, Details::None).await,
            DeliveryKind::Expired => self.notice(Event::Expired, Details::None).await,
            DeliveryKind::Notice => self.kept_notice(reader).await,
            DeliveryKind::SlackEnded => self.slack_ended().await,
        }
    }

    async fn answer(&self, reader: Reader<'_>) -> Result<Composed, Error> {
        let source = self.shared.source.get_or_try_init(|| self.source()).await?;
        let Some(source) = source else { return self.without_answer(reader).await };
        let conversation = match self.delivery.task_id {
            Some(task_id) => format!("task-{task_id}"),
            None => format!("thread-{}", source.thread.id),
        };
        let decision = self.audience(reader, &source.thread).await?;
        if self.is_kept_out_of_slack(&source.thread).await? {
            return Ok(self.kept_out_of_slack(&source.thread, decision).await?);
        }
        let is_full = decision.audience == Audience::Full;
        let wording = Wording { is_full, because: because(&source.thread, reader) };
        let message = if let Some(message) = self.shared.messages.find(&wording) {
            message
        } else {
            let message = self.message(source, &wording).await?;
            self.shared.messages.keep(wording, message)
        };
        let mut message = Message::clone(&message);
        message.unsubscribe_url = self.delivery.task_id.map(|_| self.unsubscribe_url());
        let attachment = if is_full { self.attachment(source).await?.file() } else { None };
        Ok(Composed { message, decision: Some(decision), attachment, conversation })
    }

    /// What is said to all who are told so much for the same reason: without the link that each has of their own.
    async fn message(&self, source: &Source, wording: &Wording) -> Result<Message, Error> {
        let because = wording.because.clone();
        if !wording.is_full {
            return Ok(Message::link_only(self.report(source, because, Vec::new(), Vec::new())));
        }
        let excerpts = self.shared.excerpts.get_or_try_init(|| self.excerpts(source)).await?;
        let pictures = self.shared.pictures.get_or_try_init(|| self.pictures(&source.answer)).await?;
        let mut message = Message::full(self.report(source, because, excerpts.clone(), pictures.clone()));
        if *self.shared.is_late.get_or_try_init(|| self.is_late()).await? {
            message
                .add_note("This message is late: its delivery window had closed before the run could start.");
        }
        if matches!(self.attachment(source).await?, Attachment::TooLarge) {
            message
                .add_note("The table is too large to go along as a CSV file. Download it from the thread.");
        }
        Ok(message)
    }

    async fn attachment(&self, source: &Source) -> Result<&Attachment, store::Error> {
        self.shared.attachment.get_or_try_init(|| self.csv_file(source)).await
    }

    /// Whether it answers a question from Slack with data that stays out of Slack: then not even the headline is said there.
    async fn is_kept_out_of_slack(&self, thread: &Thread) -> Result<bool, store::Error> {
        let (store, scope) = (self.store, &self.delivery.scope);
        Ok(self.delivery.kind == DeliveryKind::Reply && store.thread_is_sensitive(scope, thread.id).await?)
    }

    /// The link alone. Nobody sees more of it, whatever their rights are.
    async fn kept_out_of_slack(&self, thread: &Thread, decision: Decision) -> Result<Composed, store::Error> {
        let url = format!("{}/threads/{}", self.public_url, thread.id);
        let reason = match decision.audience {
            Audience::Full => "It uses data that stays out of Slack.".to_owned(),
            Audience::LinkOnly | Audience::Withheld => decision.reason,
        };
        let audience = decision.audience.tighter(Audience::LinkOnly);
        Ok(Composed {
            message: notice::kept_out_of_slack(&thread.title, url, self.happened_at().await?),
            decision: Some(Decision { audience, reason, ..decision }),
            attachment: None,
            conversation: format!("thread-{}", thread.id),
        })
    }

    /// When what it tells of happened. A message that is sent again tells of the same, and not of the day when somebody asked.
    async fn happened_at(&self) -> Result<DateTime<Utc>, store::Error> {
        let (scope, id) = (&self.delivery.scope, self.delivery.lease.delivery_id);
        self.store.delivery_first_queued_at(scope, id).await
    }

    async fn is_late(&self) -> Result<bool, store::Error> {
        let Some(run_id) = self.delivery.run_id else { return Ok(false) };
        let run = self.store.run_get(&self.delivery.scope, run_id).await?;
        Ok(run.is_some_and(|run| run.late))
    }

    /// What is read where a question was asked whose turn ended without an answer. Others read it in a channel, who see no more of
    /// it than they would of an answer; and what the error says, which may name people and machines, is the asker's alone.
    async fn without_answer(&self, reader: Reader<'_>) -> Result<Composed, Error> {
        let scope = &self.delivery.scope;
        let (thread_id, run_id) =
            self.delivery.thread_id.zip(self.delivery.run_id).ok_or(Error::Gone("the answer is gone"))?;
        let thread =
            self.store.thread_get(scope, thread_id).await?.ok_or(Error::Gone("the thread is gone"))?;
        if self.is_kept_out_of_slack(&thread).await? {
            let decision = self.audience(reader, &thread).await?;
            return Ok(self.kept_out_of_slack(&thread, decision).await?);
        }
        let decision = match reader {
            Reader::Person(_) => None,
            Reader::Channel(_) => Some(self.audience(reader, &thread).await?),
        };
        let run = self.store.run_get(scope, run_id).await?.ok_or(Error::Gone("the run is gone"))?;
        let is_full = decision.as_ref().is_none_or(|decision| decision.audience == Audience::Full);
        let reason = run.reason.unwrap_or(RunReason::Internal);
        let why = is_full.then(|| notice::Why {
            reason,
            details: run.message.as_deref().filter(|_| reader.is(thread.creator_id)),
        });
        let url = format!("{}/threads/{thread_id}", self.public_url);
        Ok(Composed {
            message: notice::no_answer(&thread.title, why, url, self.happened_at().await?),
            decision,
            attachment: None,
            conversation: format!("thread-{thread_id}"),
        })
    }

    /// Whether a file goes along with all of the message.
    pub(crate) async fn brings_file(&self) -> Result<bool, Error> {
        if !self.delivery.attach_csv {
            return Ok(false);
        }
        let source = match self.shared.source.get_or_try_init(|| self.source()).await {
            Ok(source) => source,
            Err(Error::Gone(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some(source) = source else { return Ok(false) };
        Ok(self.attachment(source).await?.file().is_some())
    }

    /// The answer; none where the turn ended without one, and whoever asked in a conversation is to hear of it.
    async fn source(&self) -> Result<Option<Source>, Error> {
        const GONE: Error = Error::Gone("the answer is gone");
        let scope = &self.delivery.scope;
        let (thread_id, turn_no) = self.delivery.thread_id.zip(self.delivery.turn_no).ok_or(GONE)?;
        let thread = self.store.thread_get(scope, thread_id).await?.ok_or(GONE)?;
        let turns = self.store.turn_list(scope, thread_id).await?;
        let turn = turns.into_iter().find(|turn| turn.turn_no == turn_no).ok_or(GONE)?;
        let Some(answer) = turn.answer.clone() else {
            return if self.delivery.kind == DeliveryKind::Reply { Ok(None) } else { Err(GONE) };
        };
        let mut results = self.store.result_list(scope, thread_id).await?;
        results.retain(|result| result.turn_no == turn_no || rests_on(&answer, result.id));
        Ok(Some(Source { thread, turn, answer, results }))
    }

    /// How much `reader` may see now of what rests on `thread`'s data.
    async fn audience(&self, reader: Reader<'_>, thread: &Thread) -> Result<Decision, Error> {
        let scope = &self.delivery.scope;
        match reader {
            Reader::Person(user) => {
                Ok(audience::of_person(self.readers, scope, thread, user.id, self.delivery.channel).await?)
            }
            Reader::Channel(_) => {
                let used = self.store.thread_connections_used(scope, thread.id).await?;
                Ok(self.audience_over(reader, thread.creator_id, &used).await?)
            }
        }
    }

    /// How much `reader` may see now of what rests on these connections and is told by `creator_id`.
    async fn audience_over(
        &self,
        reader: Reader<'_>,
        creator_id: UserId,
        used: &[ConnectionId],
    ) -> Result<Decision, store::Error> {
        let (store, scope) = (self.store, &self.delivery.scope);
        match reader {
            Reader::Person(user) => {
                let channel = self.delivery.channel;
                audience::of_person_over(store, scope, creator_id, used, user.id, channel).await
            }
            Reader::Channel(there) => audience::of_slack_channel(store, scope, creator_id, used, there).await,
        }
    }

    fn report(
        &self,
        source: &Source,
        because: String,
        results: Vec<Excerpt>,
        pictures: Vec<Picture>,
    ) -> Report {
        let turn = &source.turn;
        // What was read first is the stalest.
        let read_at = source.results.iter().map(|result| result.ran_at).min();
        Report {
            title: source.thread.task_title.clone().unwrap_or_else(|| source.thread.title.clone()),
            answer: source.answer.clone(),
            asked_at: turn.as_of,
            as_of: read_at.or(turn.finished_at).unwrap_or(turn.as_of),
            zone: zone(&turn.timezone),
            results,
            pictures,
            thread_url: format!("{}/threads/{}", self.public_url, source.thread.id),
            unsubscribe_url: None,
            because,
        }
    }

    /// The shown results in the answer's order, rows only of the first that has any; then those that were cut and that its
    /// figures may rest on.
    async fn excerpts(&self, source: &Source) -> Result<Vec<Excerpt>, store::Error> {
        let shown: Vec<&StoredResult> = shown_results(source).collect();
        let cut =
            source.results.iter().filter(|result| result.truncated.is_some() && !shown.contains(result));
        let mut excerpts = Vec::new();
        let mut has_rows = false;
        for result in shown.iter().copied().chain(cut) {
            let is_shown = shown.iter().any(|other| other.id == result.id);
            let rows = if is_shown && !has_rows && result.row_count > 0 {
                has_rows = true;
                self.store.result_rows(&self.delivery.scope, result.id, 0, TABLE_ROWS_MAX as u64).await?
            } else {
                Vec::new()
            };
            excerpts.push(Excerpt {
                handle: result.handle.clone(),
                columns: result.columns.clone(),
                rows,
                row_count: result.row_count,
                truncated: result.truncated,
            });
        }
        Ok(excerpts)
    }

    async fn pictures(&self, answer: &Answer) -> Result<Vec<Picture>, store::Error> {
        let scope = &self.delivery.scope;
        let mut pictures = Vec::new();
        for shown in &answer.charts {
            let Some(chart) = self.store.chart_get(scope, shown.id).await? else { continue };
            // Only what is sent is read; the rest is counted.
            let png = if pictures.len() < PICTURES_MAX {
                self.store.chart_png(scope, shown.id).await?.unwrap_or_default()
            } else {
                Vec::new()
            };
            pictures.push(Picture {
                title: chart.title,
                alt: chart.alt,
                width: chart.width,
                png: png.into(),
            });
        }
        Ok(pictures)
    }

    async fn csv_file(&self, source: &Source) -> Result<Attachment, store::Error> {
        let Some(result) = shown_results(source).next().filter(|_| self.delivery.attach_csv) else {
            return Ok(Attachment::None);
        };
        let Ok(mut writer) = csv::Writer::new(&result.columns, ATTACHMENT_BYTES_MAX) else {
            return Ok(Attachment::TooLarge);
        };
        let mut offset = 0;
        while offset < result.row_count {
            let rows =
                self.store.result_rows(&self.delivery.scope, result.id, offset, CSV_ROWS_AT_A_TIME).await?;
            for row in &rows {
                if writer.row(&result.columns, row).is_err() {
                    return Ok(Attachment::TooLarge);
                }
            }
            offset += CSV_ROWS_AT_A_TIME;
        }
        let name = source.thread.title.clone();
        Ok(Attachment::File(Arc::new(CsvFile { name, bytes: writer.into_bytes() })))
    }

    fn unsubscribe_url(&self) -> String {
        format!("{}/unsubscribe/{}", self.public_url, self.delivery.unsubscribe_token)
    }
}

/// Why `reader` gets a message about a thread.
fn because(thread: &Thread, reader: Reader<'_>) -> String {
    let is_of_task = thread.task_id.is_some();
    if reader.is(thread.creator_id) {
        let why = if is_of_task { "the task is yours" } else { "you asked" };
        return format!("You get this because {why}.");
    }
    let creator = clip(&thread.creator_name, NAME_MAX);
    if !is_of_task {
        return format!("{creator} asked this in Slack.");
    }
    if matches!(reader, Reader::Channel(_)) {
        return format!("{creator} has this sent here by Tidings.");
    }
    format!("You get this because {creator} chose you as a recipient in Tidings.")
}

/// Whether an answer shows a result, or takes a figure from it.
fn rests_on(answer: &Answer, id: ResultId) -> bool {
    answer.results.iter().any(|shown| shown.id == id)
        || answer.figures.iter().flat_map(|figure| &figure.cells).any(|cell| cell.result_id == id)
}

fn shown_results(source: &Source) -> impl Iterator<Item = &StoredResult> {
    source
        .answer
        .results
        .iter()
        .filter_map(|shown| source.results.iter().find(|result| result.id == shown.id))
}

/// A zone by its name. Stored names were checked; one that has left the database of zones since reads as UTC.
fn zone(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}
