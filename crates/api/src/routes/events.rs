//! A thread, live: Server-Sent Events that resume without loss.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{
        IntoResponse, Sse,
        sse::{Event as SseEvent, KeepAlive},
    },
};
use domain::{ThreadId, answer::Answer, run::RunReason, thread::TurnStatus};
use serde::Serialize;
use store::{Event, ThreadRights};
use tokio::{
    sync::{broadcast, mpsc},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result,
    auth::Caller,
    extract::Path,
    routes::{
        steps::Step,
        threads::{ThreadStatus, readable},
    },
};

/// How often the tables are looked at though no word came, and whether the caller may still read.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often a quiet stream says that it is alive, so that proxies keep it open.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Events that a slow client may be behind before its stream waits for it.
const BACKLOG: usize = 64;
/// A client that takes nothing for this long loses its stream; it may come back and go on where it was.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// The event `delta`: text of the turn's reply as it comes in. Never stored, never repeated.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeltaEvent {
    turn_no: u32,
    text: String,
}

/// The event `answer`: a turn ended well.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnswerEvent {
    turn_no: u32,
    answer: Answer,
}

/// The event `status`: a turn was begun, started or ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusEvent {
    status: ThreadStatus,
    turn_no: u32,
    turn_status: TurnStatus,
    #[schema(required)]
    reason: Option<RunReason>,
    /// The reason as a sentence.
    #[schema(required)]
    message: Option<String>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(thread_events))
}

/// A thread, live: Server-Sent Events `step` (data: Step), `delta` (DeltaEvent), `answer` (AnswerEvent) and `status`
/// (StatusEvent).
///
/// The id of an event is its place in the thread's sequence. A client that comes back with `Last-Event-ID` gets
/// everything after it, so nothing is lost; without the header the stream starts at the beginning of the thread. A turn that
/// ends well sends `status` and then `answer`; only the second carries the id.
#[utoipa::path(get, path = "/threads/{id}/events", tag = "threads",
    params(("id" = Uuid, Path), ("Last-Event-ID" = Option<i64>, Header, description = "The last event that was seen.")),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(crate) async fn thread_events(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ThreadId>,
    LastEventId(seen): LastEventId,
) -> Result<impl IntoResponse> {
    readable(&state, &caller, id).await?;
    let place = state.load.stream(caller.user_id)?;
    let (sender, receiver) = mpsc::channel(BACKLOG);
    // Listening starts before the tables are read: what changes in between is heard.
    let word = state.events.subscribe();
    let mut stream = Stream { state, caller, id, sender, seen, told: BTreeMap::new() };
    tokio::spawn(async move {
        stream.run(word).await;
        drop(place);
    });
    let events =
        Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY));
    // Proxies that gather answers before they pass them on are asked not to.
    let headers = [(HeaderName::from_static("x-accel-buffering"), "no"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, events))
}

/// The last event that a client saw; 0: none. What is no number counts as none.
pub(crate) struct LastEventId(u64);

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get("last-event-id").map(HeaderValue::to_str);
        Ok(Self(header.and_then(Result::ok).and_then(|text| text.trim().parse().ok()).unwrap_or(0)))
    }
}

/// One client's stream.
struct Stream {
    state: ApiState,
    caller: Caller,
    id: ThreadId,
    sender: mpsc::Sender<Result<SseEvent, Infallible>>,
    /// The last number of the thread's sequence that was sent.
    seen: u64,
    /// The state of each turn as last told.
    told: BTreeMap<u32, TurnStatus>,
}

/// The client is gone, or may no longer read.
struct Over;

impl Stream {
    /// Sends what there is and what comes, until the client goes, the server stops, or the caller may no longer read.
    async fn run(&mut self, mut word: broadcast::Receiver<Event>) {
        let stopping = self.state.stopping.clone();
        let gone = self.sender.clone();
        tokio::select! {
            () = stopping.cancelled() => {}
            () = gone.closed() => {}
            Over = self.follow(&mut word) => {}
        }
    }

    async fn follow(&mut self, word: &mut broadcast::Receiver<Event>) -> Over {
        let mut look_at = Instant::now();
        loop {
            let sent = match tokio::time::timeout_at(look_at, word.recv()).await {
                Err(_) => {
                    look_at = Instant::now() + LOOK_EVERY;
                    self.look_and_check().await
                }
                Ok(Ok(Event::ThreadChanged(id))) if id == self.id => self.look().await,
                Ok(Ok(Event::ThreadDelta { thread_id, turn_no, text })) if thread_id == self.id => {
                    self.send("delta", None, &DeltaEvent { turn_no, text }).await
                }
                Ok(Ok(Event::Reconnected) | Err(broadcast::error::RecvError::Lagged(_))) => self.look().await,
                Ok(Ok(_)) => Ok(()),
                Ok(Err(broadcast::error::RecvError::Closed)) => return Over,
            };
            if let Err(over) = sent {
                return over;
            }
        }
    }

    async fn look_and_check(&mut self) -> Result<(), Over> {
        let turn = self.state.load.look().await;
        let store = &self.state.store;
        let scope = &self.caller.scope;
        let rights = store.thread_rights(scope, self.id, self.caller.user_id).await;
        let member = store.member_get(scope, self.caller.user_id).await;
        drop(turn);
        match (rights, member) {
            (Ok(ThreadRights::None), _) | (_, Ok(None)) => Err(Over),
            (_, Ok(Some(member))) if member.deactivated_at.is_some() => Err(Over),
            _ => self.look().await,
        }
    }

    /// Sends what is in the tables and was not sent yet. When they cannot be read, the next look tries again.
    async fn look(&mut self) -> Result<(), Over> {
        let scope = self.caller.scope;
        let turn_to_look = self.state.load.look().await;
        // Turns before steps: a turn's end is only told once all of its steps are.
        let turns = self.state.store.turn_list(&scope, self.id).await;
        let steps = self.state.store.step_list(&scope, self.id, self.seen).await;
        drop(turn_to_look);
        let (turns, steps) = match (turns, steps) {
            (Ok(turns), Ok(steps)) => (turns, steps),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(thread_id = %self.id, error = format!("{:#}", anyhow::Error::new(error)), "cannot look");
                return Ok(());
            }
        };
        let mut steps = steps.into_iter().peekable();
        for turn in turns {
            let status = turn.status;
            let is_new = self.told.insert(turn.turn_no, status) != Some(status);
            let Some(finished_seq) = turn.finished_seq else {
                if is_new {
                    self.send_status(&turn, None).await?;
                }
                continue;
            };
            while let Some(step) = steps.next_if(|step| step.seq < finished_seq) {
                self.send_step(step).await?;
            }
            if finished_seq <= self.seen {
                continue;
            }
            match &turn.answer {
                None => self.send_status(&turn, Some(finished_seq)).await?,
                Some(answer) => {
                    self.send_status(&turn, None).await?;
                    let event = AnswerEvent { turn_no: turn.turn_no, answer: answer.clone() };
                    self.send("answer", Some(finished_seq), &event).await?;
                }
            }
        }
        for step in steps {
            self.send_step(step).await?;
        }
        Ok(())
    }

    async fn send_step(&mut self, step: store::Step) -> Result<(), Over> {
        self.send("step", Some(step.seq), &Step::from(step)).await
    }

    async fn send_status(&mut self, turn: &store::Turn, seq: Option<u64>) -> Result<(), Over> {
        let turn_status = turn.status;
        let status = match turn_status {
            TurnStatus::Queued | TurnStatus::Running => ThreadStatus::Running,
            TurnStatus::Failed => ThreadStatus::Error,
            TurnStatus::Answered | TurnStatus::Cancelled => ThreadStatus::Idle,
        };
        let message = turn.message.clone().or_else(|| turn.reason.map(|reason| reason.sentence().to_owned()));
        let event = StatusEvent { status, turn_no: turn.turn_no, turn_status, reason: turn.reason, message };
        self.send("status", seq, &event).await
    }

    async fn send(&mut self, name: &str, seq: Option<u64>, data: &impl Serialize) -> Result<(), Over> {
        let event = SseEvent::default().event(name);
        let event = match seq {
            Some(seq) => event.id(seq.to_string()),
            None => event,
        };
        let Ok(event) = event.json_data(data) else { return Err(Over) };
        self.sender.send_timeout(Ok(event), STALLED_AFTER).await.map_err(|_| Over)?;
        self.seen = seq.unwrap_or(self.seen).max(self.seen);
        Ok(())
    }
}
