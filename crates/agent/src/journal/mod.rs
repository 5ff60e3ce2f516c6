//! Where a turn is recorded: in the database, or in memory for an evaluation with no workspace and no server.
//!
//! A step is appended before its effect is used. A result or chart is stored before the step that tells of it, under the id
//! of its tool call: a call that is taken up again after a crash in between finds what it stored, so that nothing is run
//! twice. What is loaded at the start is all that a turn needs to go on from its last finished step.

mod database;
mod memory;

use std::{sync::Arc, time::Duration};

use domain::{
    ChartId, ConnectionId, ResultId, WorkspaceId, answer::Answer, credit_cap::CapStanding,
    freshness::FreshnessGate, step::StepBody, table::Table,
};
use serde_json::Value;
use store::{Clearance, ConnectionSlot, NamedRecipient, TaskMethod, VerifiedQuestion, WorkspaceModel};
use tokio_util::sync::CancellationToken;
use warehouse::{ConnectionSpec, QueryLimits};

pub(crate) use database::DatabaseJournal;
pub(crate) use memory::MemoryJournal;

use crate::{
    failure::Failure,
    model::TurnContext,
    tools::{PastAnswer, PreviousThread},
};

/// Where a turn is recorded.
pub(crate) enum Journal {
    Database(Box<DatabaseJournal>),
    Memory(Box<MemoryJournal>),
}

/// All that a turn starts from, or goes on from.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// Whether its task's run waits for fresh data.
    pub(crate) freshness: Option<FreshnessGate>,
    /// How the run stands before it asks a model, found out with the rest; none once that is old.
    pub(crate) clearance: Option<Clearance>,
    pub(crate) context: TurnContext,
    /// Whose turn it is; none outside of a workspace.
    pub(crate) workspace_id: Option<WorkspaceId>,
    /// The model provider that its workspace brings itself.
    pub(crate) own_model: Option<WorkspaceModel>,
    /// Whether a query is pinned for its task.
    pub(crate) has_method: bool,
    /// Whether there are verified questions at all.
    pub(crate) has_verified: bool,
    /// Earlier turns of the thread, oldest first.
    pub(crate) past: Vec<PastTurn>,
    pub(crate) turn_no: u32,
    /// The prompt as a reader sees it.
    pub(crate) prompt: String,
    /// The finished steps of this turn.
    pub(crate) steps: Vec<FinishedStep>,
    /// All results of the thread.
    pub(crate) results: Vec<KnownResult>,
    /// All charts of the thread.
    pub(crate) charts: Vec<KnownChart>,
}

/// An earlier turn of the thread.
#[derive(Clone, Debug)]
pub(crate) struct PastTurn {
    pub(crate) prompt: String,
    pub(crate) steps: Vec<StepBody>,
    /// Its answer, if it has one.
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, Debug)]
pub(crate) struct FinishedStep {
    pub(crate) body: StepBody,
    pub(crate) elapsed: Duration,
}

/// A stored result without its rows.
#[derive(Clone, Debug)]
pub(crate) struct KnownResult {
    pub(crate) id: ResultId,
    pub(crate) handle: String,
    pub(crate) turn_no: u32,
    pub(crate) connection_id: ConnectionId,
    pub(crate) sql: String,
    pub(crate) row_count: u64,
    pub(crate) elapsed: Duration,
}

/// A stored chart without its drawing.
#[derive(Clone, Debug)]
pub(crate) struct KnownChart {
    pub(crate) id: ChartId,
    pub(crate) handle: String,
    pub(crate) title: String,
    pub(crate) alt: String,
}

/// Rows to store.
#[derive(Debug)]
pub(crate) struct NewResult {
    pub(crate) connection_id: ConnectionId,
    pub(crate) sql: String,
    pub(crate) table: Arc<Table>,
    pub(crate) elapsed: Duration,
}

/// A drawn chart to store.
#[derive(Debug)]
pub(crate) struct NewChart {
    pub(crate) result_id: ResultId,
    pub(crate) title: String,
    /// As the model wrote it.
    pub(crate) spec: Value,
    pub(crate) prepared: Arc<chart::Prepared>,
    pub(crate) drawn: chart::Rendered,
}

/// A connection that may be queried now.
pub(crate) struct Reachable {
    pub(crate) id: ConnectionId,
    pub(crate) name: String,
    pub(crate) spec: ConnectionSpec,
    /// Its own limits; the lower of each and the turn's holds.
    pub(crate) limits: Option<QueryLimits>,
    /// How many queries may run on it at once, over all processes.
    pub(crate) concurrent_queries: u32,
}

impl Reachable {
    pub(crate) fn limit(&self, of_turn: QueryLimits) -> QueryLimits {
        let Some(own) = self.limits else { return of_turn };
        QueryLimits {
            timeout: own.timeout.min(of_turn.timeout),
            rows: own.rows.min(of_turn.rows),
            bytes: own.bytes.min(of_turn.bytes),
        }
    }
}

impl Journal {
    /// Loads what the turn starts or goes on from.
    pub(crate) async fn open(&self) -> Result<Opening, Failure> {
        match self {
            Self::Database(journal) => journal.open().await,
            Self::Memory(journal) => Ok(journal.open()),
        }
    }

    /// Whether the turn shall stop before its next step.
    pub(crate) async fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Database(journal) => journal.check().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// How the run stands before it asks a model for more.
    pub(crate) async fn clearance(&self) -> Result<Clearance, Failure> {
        match self {
            Self::Database(journal) => journal.clearance().await,
            Self::Memory(_) => Ok(Clearance { is_left: true, caps: vec![] }),
        }
    }

    /// Tells people that a cap is near or reached. Lost without harm: the next turn tells it, too.
    pub(crate) async fn tell_cap(&self, standing: &CapStanding) {
        match self {
            Self::Database(journal) => journal.tell_cap(standing).await,
            Self::Memory(_) => {}
        }
    }

    /// Waits for up to `patience` until one more query may run on a connection. `None` where nothing else queries it.
    pub(crate) async fn slot(
        &self,
        reachable: &Reachable,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> Result<Option<ConnectionSlot>, Failure> {
        match self {
            Self::Database(journal) => journal.slot(reachable, patience, cancel).await.map(Some),
            Self::Memory(_) => Ok(None),
        }
    }

    /// Records a finished step.
    pub(crate) async fn append(&self, body: &StepBody, elapsed: Duration) -> Result<(), Failure> {
        let body = &without_nul(body);
        match self {
            Self::Database(journal) => journal.append(body, elapsed).await,
            Self::Memory(journal) => {
                journal.append(body, elapsed);
                Ok(())
            }
        }
    }

    /// The result that a tool call stored before a crash, if it got that far.
    pub(crate) async fn result_of_call(&self, call_id: &str) -> Result<Option<KnownResult>, Failure> {
        match self {
            Self::Database(journal) => journal.result_of_call(call_id).await,
            Self::Memory(_) => Ok(None),
        }
    }

    /// Stores the rows of a tool call under the thread's next handle.
    pub(crate) async fn store_result(
        &self,
        call_id: &str,
        result: &NewResult,
    ) -> Result<KnownResult, Failure> {
        match self {
            Self::Database(journal) => journal.store_result(call_id, result).await,
            Self::Memory(journal) => Ok(journal.store_result(result)),
        }
    }

    /// Stores the chart of a tool call under the thread's next handle.
    pub(crate) async fn store_chart(&self, call_id: &str, chart: &NewChart) -> Result<KnownChart, Failure> {
        match self {
            Self::Database(journal) => journal.store_chart(call_id, chart).await,
            Self::Memory(journal) => Ok(journal.store_chart(chart)),
        }
    }

    /// The rows of a result.
    pub(crate) async fn table(&self, result: &KnownResult) -> Result<Arc<Table>, Failure> {
        match self {
            Self::Database(journal) => journal.table(result).await,
            Self::Memory(journal) => journal.table(result),
        }
    }

    /// A connection, if the turn's creator may query it at this moment.
    pub(crate) async fn connection(&self, id: ConnectionId) -> Result<Option<Reachable>, Failure> {
        match self {
            Self::Database(journal) => journal.connection(id).await,
            Self::Memory(journal) => Ok(journal.connection(id)),
        }
    }

    /// Keeps that the thread is given data of these connections, of which it has no result: called before anything of it is
    /// handed over, for who may see the answer is decided by all connections that its thread used.
    pub(crate) async fn note_read(&self, connection_ids: &[ConnectionId]) -> Result<(), Failure> {
        match self {
            Self::Database(journal) => journal.note_read(connection_ids).await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Earlier threads of the same task, newest first. What they used counts as read.
    pub(crate) async fn previous_threads(&self, limit: usize) -> Result<Vec<PreviousThread>, Failure> {
        match self {
            Self::Database(journal) => journal.previous_threads(limit).await,
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// A result that an earlier thread of the same task showed, if its creator may see it. Its connection counts as read.
    pub(crate) async fn previous_result(&self, id: ResultId) -> Result<Option<KnownResult>, Failure> {
        match self {
            Self::Database(journal) => journal.previous_result(id).await,
            Self::Memory(_) => Ok(None),
        }
    }

    /// The creator's own earlier answers that share words with `text`. What their threads used counts as read.
    pub(crate) async fn past_answers(&self, text: &str) -> Result<Vec<PastAnswer>, Failure> {
        match self {
            Self::Database(journal) => journal.past_answers(text).await,
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// The verified questions on these connections, as far as the turn's creator may query them now.
    pub(crate) async fn verified_questions(
        &self,
        connection_ids: &[ConnectionId],
    ) -> Result<Vec<VerifiedQuestion>, Failure> {
        match self {
            Self::Database(journal) => journal.verified_questions(connection_ids).await,
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Who goes by a name, or is the turn's creator by the name of "me".
    pub(crate) async fn recipients_named(&self, name: &str) -> Result<Vec<NamedRecipient>, Failure> {
        match self {
            Self::Database(journal) => journal.recipients_named(name).await,
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// The id and name of the Slack channel of this name that the app may post in.
    pub(crate) async fn channel_named(&self, name: &str) -> Result<Option<(String, String)>, Failure> {
        match self {
            Self::Database(journal) => journal.channel_named(name).await,
            Self::Memory(_) => Ok(None),
        }
    }

    /// The query pinned for the turn's task.
    pub(crate) async fn task_method(&self) -> Result<Option<TaskMethod>, Failure> {
        match self {
            Self::Database(journal) => journal.task_method().await,
            Self::Memory(_) => Ok(None),
        }
    }

    /// Shows text that a model is writing to whoever watches. Never stored, and lost without harm.
    pub(crate) async fn show(&self, text: &str) {
        match self {
            Self::Database(journal) => journal.show(text).await,
            Self::Memory(_) => {}
        }
    }
}

/// PostgreSQL's `jsonb` cannot hold the character NUL, which data and models may.
fn without_nul(body: &StepBody) -> StepBody {
    let clean_text = |text: &str| text.replace('\0', "\u{fffd}");
    match body {
        StepBody::Model { model, provider, text, tool_calls, tokens_in, tokens_out, credits } => {
            let mut tool_calls = tool_calls.clone();
            for call in &mut tool_calls {
                call.id = clean_text(&call.id);
                call.name = clean_text(&call.name);
                clean(&mut call.arguments);
            }
            StepBody::Model {
                model: model.clone(),
                provider: *provider,
                text: clean_text(text),
                tool_calls,
                tokens_in: *tokens_in,
                tokens_out: *tokens_out,
                credits: *credits,
            }
        }
        StepBody::Tool { call_id, name, output, is_error, result, chart } => {
            let mut output = output.clone();
            clean(&mut output);
            StepBody::Tool {
                call_id: clean_text(call_id),
                name: clean_text(name),
                output,
                is_error: *is_error,
                result: result.clone(),
                chart: chart.clone(),
            }
        }
        StepBody::Notice { text } => StepBody::Notice { text: clean_text(text) },
    }
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => {
            let broken: Vec<String> = fields.keys().filter(|key| key.contains('\0')).cloned().collect();
            for key in broken {
                if let Some(value) = fields.remove(&key) {
                    fields.insert(key.replace('\0', "\u{fffd}"), value);
                }
            }
            fields.values_mut().for_each(clean);
        }
        _ => {}
    }
}
