//! A turn in the database, written under the lease of its run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{
    ConnectionId, ResultId,
    access::ConnectionAccess,
    condition::Condition,
    credit_cap::CapStanding,
    run::{RunReason, RunTrigger, Usage},
    step::StepBody,
    table::Table,
    task::plain_prompt,
};
use serde::Deserialize;
use store::{
    ClaimedRun, Clearance, Connection, ConnectionSlot, NamedRecipient, Recipient, SlotAnswer, Store,
    TaskMethod, TurnOpening, VerifiedQuestion,
};
use tokio_util::sync::CancellationToken;
use warehouse::{ConnectionSpec, QueryLimits};

use super::{FinishedStep, KnownChart, KnownResult, NewChart, NewResult, Opening, PastTurn, Reachable};
use crate::{
    failure::Failure,
    limits::{Budget, Limits},
    model::{ContextConnection, TurnContext},
    tools::{self, PastAnswer, PreviousResult, PreviousThread},
};

/// How many rows of an earlier thread's result a model is shown.
const PREVIOUS_ROWS: u32 = 20;
/// How many past answers a search finds.
const PAST_ANSWERS: u32 = 5;
/// How many channels whose names begin alike are looked at for one name.
const CHANNELS_LOOKED_AT: u32 = 100;

#[derive(Clone)]
pub(crate) struct DatabaseJournal {
    store: Store,
    run: Arc<ClaimedRun>,
    /// Whether the run's thread is there: the first step makes it.
    has_thread: Arc<AtomicBool>,
}

/// A connection's own limits, as stored; absent ones are the turn's.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConnectionLimits {
    timeout_seconds: Option<u64>,
    rows: Option<usize>,
    bytes: Option<usize>,
}

impl DatabaseJournal {
    pub(crate) fn new(store: Store, run: Arc<ClaimedRun>) -> Self {
        Self { store, has_thread: Arc::new(run.has_thread.into()), run }
    }

    /// What the turn has used by its steps, less what the run has recorded already: attempts that ended in a crash or were
    /// handed back are in it.
    pub(crate) async fn unrecorded_usage(&self) -> Result<Usage, store::Error> {
        let ClaimedRun { scope, lease, thread_id, turn_no, .. } = &*self.run;
        let mut budget = Budget::new(Limits::default());
        for step in
            self.store.step_list(scope, *thread_id, 0).await?.iter().filter(|step| step.turn_no == *turn_no)
        {
            budget.count(&step.body, Duration::ZERO);
        }
        for result in
            self.store.result_list(scope, *thread_id).await?.iter().filter(|each| each.turn_no == *turn_no)
        {
            budget.count_result(&result.sql, result.row_count);
        }
        let used = budget.usage();
        let recorded =
            self.store.run_get(scope, lease.run_id).await?.map(|run| run.usage).unwrap_or_default();
        Ok(Usage {
            tokens_in: used.tokens_in.saturating_sub(recorded.tokens_in),
            tokens_out: used.tokens_out.saturating_sub(recorded.tokens_out),
            credits: (used.credits - recorded.credits).max(0.0),
            queries: used.queries.saturating_sub(recorded.queries),
            rows: used.rows.saturating_sub(recorded.rows),
        })
    }

    pub(super) async fn open(&self) -> Result<Opening, Failure> {
        let turn_no = &self.run.turn_no;
        let TurnOpening {
            terms,
            clearance,
            own_model,
            connections,
            has_method,
            has_verified,
            turns,
            steps,
            results,
            charts,
        } = self.store.turn_open(&self.run).await?;
        let past = turns
            .into_iter()
            .filter(|turn| turn.turn_no < *turn_no)
            .map(|turn| PastTurn {
                prompt: plain_prompt(&turn.prompt),
                steps: steps
                    .iter()
                    .filter(|step| step.turn_no == turn.turn_no)
                    .map(|step| step.body.clone())
                    .collect(),
                answer: turn.answer,
            })
            .collect();
        let steps = steps
            .into_iter()
            .filter(|step| step.turn_no == *turn_no)
            .map(|step| FinishedStep {
                body: step.body,
                elapsed: Duration::from_millis(step.elapsed_ms.into()),
            })
            .collect();
        Ok(Opening {
            freshness: terms.freshness,
            clearance: Some(clearance),
            context: self.context(&connections, terms.condition)?,
            workspace_id: Some(self.run.lease.workspace_id),
            own_model,
            has_method,
            has_verified,
            past,
            turn_no: *turn_no,
            prompt: plain_prompt(&self.run.prompt),
            steps,
            results: results.into_iter().map(known_result).collect(),
            charts: charts.into_iter().map(known_chart).collect(),
        })
    }

    /// The circumstances of the turn. The connections that the run names must be there, and its creator must be allowed to
    /// query each now; where it names none, they are all that its creator may query.
    fn context(
        &self,
        connections: &[Connection],
        condition: Option<Condition>,
    ) -> Result<TurnContext, Failure> {
        let named = &self.run.connection_ids;
        for id in named {
            let found = connections.iter().find(|connection| connection.id == *id);
            let Some(connection) = found.filter(|connection| connection.deleted_at.is_none()) else {
                return Err(Failure::new(
                    RunReason::ConnectionDeleted,
                    "A connection that the question names has been deleted.",
                ));
            };
            if connection.access < Some(ConnectionAccess::Query) {
                return Err(Failure::new(
                    RunReason::AccessLost,
                    format!("The connection {} may no longer be queried.", connection.name),
                ));
            }
        }
        let mut offered = Vec::with_capacity(connections.len());
        for connection in connections {
            match context_connection(connection, !named.is_empty()) {
                Ok(connection) => offered.push(connection),
                // One whose settings are broken stands in the way where it was named, and nowhere else.
                Err(failure) if !named.is_empty() => return Err(failure),
                Err(_) => {}
            }
        }
        Ok(TurnContext {
            now: self.run.as_of,
            timezone: self.run.timezone.clone(),
            is_task: self.run.trigger != RunTrigger::Thread,
            condition,
            connections: offered,
        })
    }

    pub(super) async fn check(&self) -> Result<(), Failure> {
        Ok(self.store.run_check(&self.run.scope, &self.run.lease).await?)
    }

    pub(super) async fn append(&self, body: &StepBody, elapsed: Duration) -> Result<(), Failure> {
        let ClaimedRun { scope, lease, thread_id, turn_no, .. } = &*self.run;
        let milliseconds = milliseconds(elapsed);
        let step = if self.has_thread.load(Ordering::Relaxed) {
            self.store.step_append(scope, lease, *thread_id, *turn_no, body, milliseconds).await?
        } else {
            self.store.step_begin(&self.run, body, milliseconds).await?
        };
        self.has_thread.store(true, Ordering::Relaxed);
        tracing::debug!(seq = step.seq, "step recorded");
        Ok(())
    }

    pub(super) async fn result_of_call(&self, call_id: &str) -> Result<Option<KnownResult>, Failure> {
        let ClaimedRun { scope, thread_id, turn_no, .. } = &*self.run;
        let stored = self.store.result_by_call(scope, *thread_id, *turn_no, call_id).await?;
        Ok(stored.map(known_result))
    }

    pub(super) async fn store_result(
        &self,
        call_id: &str,
        result: &NewResult,
    ) -> Result<KnownResult, Failure> {
        let ClaimedRun { scope, lease, thread_id, turn_no, .. } = &*self.run;
        let new = store::NewResult {
            thread_id: *thread_id,
            turn_no: *turn_no,
            call_id,
            connection_id: result.connection_id,
            sql: &result.sql,
            table: &result.table,
            elapsed_ms: milliseconds(result.elapsed),
        };
        Ok(known_result(self.store.result_store(scope, lease, &new).await?))
    }

    pub(super) async fn store_chart(&self, call_id: &str, chart: &NewChart) -> Result<KnownChart, Failure> {
        let ClaimedRun { scope, lease, thread_id, turn_no, .. } = &*self.run;
        let new = store::NewChart {
            thread_id: *thread_id,
            turn_no: *turn_no,
            call_id,
            result_id: chart.result_id,
            title: &chart.title,
            alt: &chart.prepared.alt,
            spec: &chart.spec,
            vega: &chart.prepared.vega,
            svg: &chart.drawn.svg,
            png: &chart.drawn.png,
            width: chart.prepared.width,
            height: chart.prepared.height,
        };
        Ok(known_chart(self.store.chart_store(scope, lease, &new).await?))
    }

    pub(super) async fn table(&self, result: &KnownResult) -> Result<Arc<Table>, Failure> {
        let table = self.store.result_table(&self.run.scope, result.id).await?;
        table.map(Arc::new).ok_or(Failure::Store(store::Error::NotFound))
    }

    pub(super) async fn connection(&self, id: ConnectionId) -> Result<Option<Reachable>, Failure> {
        let ClaimedRun { scope, creator_id, .. } = &*self.run;
        let found = self.store.connection_get(scope, id, Some(*creator_id)).await?;
        let Some(connection) = found.filter(|connection| {
            connection.deleted_at.is_none() && connection.access >= Some(ConnectionAccess::Query)
        }) else {
            return Ok(None);
        };
        let password = self.store.connection_secret(scope, id).await?;
        let spec = ConnectionSpec::from_details(&connection.engine, &connection.details, password)
            .map_err(|error| Failure::new(RunReason::ConnectionFailed, error.to_string()))?;
        let limits = Some(limits(&connection));
        let concurrent_queries = connection.concurrent_queries();
        Ok(Some(Reachable { id, name: connection.name, spec, limits, concurrent_queries }))
    }

    pub(super) async fn clearance(&self) -> Result<Clearance, Failure> {
        Ok(self.store.credit_clearance(&self.run).await?)
    }

    pub(super) async fn tell_cap(&self, standing: &CapStanding) {
        if let Err(error) = self.store.credit_cap_tell(&self.run, standing).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "nobody was told of a cap");
        }
    }

    pub(super) async fn slot(
        &self,
        reachable: &Reachable,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> Result<ConnectionSlot, Failure> {
        let Reachable { id, name, concurrent_queries, .. } = reachable;
        let asked =
            self.store.connection_slot(&self.run.scope, *id, *concurrent_queries, patience, cancel).await?;
        match asked {
            SlotAnswer::Taken(slot) => Ok(slot),
            SlotAnswer::Busy => Err(Failure::new(
                RunReason::ConnectionBusy,
                format!(
                    "The connection {name} was busy: {concurrent_queries} queries may run on it at once, and none of them \
                     ended within {} s.",
                    patience.as_secs()
                ),
            )),
            SlotAnswer::Cancelled => {
                // The lease knows why; one that may be lost has no other word.
                self.check().await?;
                Err(Failure::LeaseLost)
            }
        }
    }

    pub(super) async fn note_read(&self, connection_ids: &[ConnectionId]) -> Result<(), Failure> {
        let ClaimedRun { scope, lease, thread_id, .. } = &*self.run;
        Ok(self.store.connection_read_put(scope, lease, *thread_id, connection_ids).await?)
    }

    pub(super) async fn previous_threads(&self, limit: usize) -> Result<Vec<PreviousThread>, Failure> {
        let readable = self.readable_threads(limit).await?;
        let used: Vec<ConnectionId> = readable.iter().flat_map(|(_, used)| used.iter().copied()).collect();
        self.note_read(&used).await?;
        Ok(readable.into_iter().map(|(thread, _)| previous_thread(thread)).collect())
    }

    /// Earlier threads of the task of which the turn's creator may see all that they used, each with that: an answer may tell of
    /// more than the results that it shows.
    async fn readable_threads(
        &self,
        limit: usize,
    ) -> Result<Vec<(store::PreviousThread, Vec<ConnectionId>)>, Failure> {
        let ClaimedRun { scope, task_id, thread_id, creator_id, .. } = &*self.run;
        let Some(task_id) = task_id else { return Ok(Vec::new()) };
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let threads =
            self.store.task_previous_threads(scope, *task_id, *thread_id, limit, PREVIOUS_ROWS).await?;
        let mut readable = Vec::with_capacity(threads.len());
        for thread in threads {
            let used = self.store.thread_connections_used(scope, thread.thread_id).await?;
            let denied = self
                .store
                .connections_denied(scope, *creator_id, &used, ConnectionAccess::ViewResults)
                .await?;
            if denied.is_empty() {
                readable.push((thread, used));
            }
        }
        Ok(readable)
    }

    pub(super) async fn previous_result(&self, id: ResultId) -> Result<Option<KnownResult>, Failure> {
        let readable = self.readable_threads(tools::THREADS_MAX).await?;
        if !readable.iter().any(|(thread, _)| thread.results.iter().any(|result| result.id == id)) {
            return Ok(None);
        }
        let Some(result) = self.store.result_get(&self.run.scope, id).await? else { return Ok(None) };
        self.note_read(&[result.connection_id]).await?;
        Ok(Some(known_result(result)))
    }

    pub(super) async fn past_answers(&self, text: &str) -> Result<Vec<PastAnswer>, Failure> {
        let ClaimedRun { scope, creator_id, thread_id, .. } = &*self.run;
        let found = self.store.past_answers(scope, *creator_id, text, PAST_ANSWERS).await?;
        let mut told = Vec::with_capacity(found.len());
        let mut used_by_told = Vec::new();
        for past in found.into_iter().filter(|past| past.thread_id != *thread_id) {
            let used = self.store.thread_connections_used(scope, past.thread_id).await?;
            let denied = self
                .store
                .connections_denied(scope, *creator_id, &used, ConnectionAccess::ViewResults)
                .await?;
            if denied.is_empty() {
                let store::PastAnswer { thread_id, question, headline, sql } = past;
                told.push(PastAnswer { thread_id, question, headline, sql });
                used_by_told.extend(used);
            }
        }
        self.note_read(&used_by_told).await?;
        Ok(told)
    }

    pub(super) async fn verified_questions(
        &self,
        connection_ids: &[ConnectionId],
    ) -> Result<Vec<VerifiedQuestion>, Failure> {
        let ClaimedRun { scope, creator_id, .. } = &*self.run;
        Ok(self.store.verified_question_list(scope, *creator_id, Some(connection_ids)).await?)
    }

    pub(super) async fn recipients_named(&self, name: &str) -> Result<Vec<NamedRecipient>, Failure> {
        let ClaimedRun { scope, creator_id, .. } = &*self.run;
        if name.eq_ignore_ascii_case("me") {
            let me = self.store.member_get(scope, *creator_id).await?;
            let recipient = Recipient::User(*creator_id);
            return Ok(me.map(|me| NamedRecipient { recipient, name: me.name }).into_iter().collect());
        }
        Ok(self.store.recipients_named(scope, name).await?)
    }

    pub(super) async fn channel_named(&self, name: &str) -> Result<Option<(String, String)>, Failure> {
        let found = self.store.slack_channel_search(&self.run.scope, name, CHANNELS_LOOKED_AT).await?;
        let found = found.into_iter().find(|channel| channel.name.eq_ignore_ascii_case(name));
        Ok(found.map(|channel| (channel.id, channel.name)))
    }

    pub(super) async fn task_method(&self) -> Result<Option<TaskMethod>, Failure> {
        let Some(task_id) = self.run.task_id else { return Ok(None) };
        Ok(self.store.task_method_get(&self.run.scope, task_id).await?)
    }

    pub(super) async fn show(&self, text: &str) {
        let told = self.store.thread_delta_tell(self.run.thread_id, self.run.turn_no, text).await;
        if let Err(error) = told {
            tracing::debug!(%error, "text could not be shown while it was written");
        }
    }
}

fn context_connection(connection: &Connection, is_named: bool) -> Result<ContextConnection, Failure> {
    let dialect = ConnectionSpec::from_details(&connection.engine, &connection.details, None)
        .map_err(|error| Failure::new(RunReason::ConnectionFailed, error.to_string()))?
        .dialect();
    Ok(ContextConnection {
        id: connection.id,
        name: connection.name.clone(),
        engine: connection.engine.clone(),
        dialect: dialect.as_str().to_owned(),
        is_named,
    })
}

fn limits(connection: &Connection) -> QueryLimits {
    let own = ConnectionLimits::deserialize(&connection.limits).unwrap_or_default();
    QueryLimits {
        timeout: own.timeout_seconds.map_or(Duration::MAX, Duration::from_secs),
        rows: own.rows.unwrap_or(usize::MAX),
        bytes: own.bytes.unwrap_or(usize::MAX),
    }
}

fn known_result(stored: store::StoredResult) -> KnownResult {
    KnownResult {
        id: stored.id,
        handle: stored.handle,
        turn_no: stored.turn_no,
        connection_id: stored.connection_id,
        sql: stored.sql,
        row_count: stored.row_count,
        elapsed: Duration::from_millis(stored.elapsed_ms.into()),
    }
}

fn known_chart(stored: store::StoredChart) -> KnownChart {
    KnownChart { id: stored.id, handle: stored.handle, title: stored.title, alt: stored.alt }
}

fn previous_thread(thread: store::PreviousThread) -> PreviousThread {
    let answer = thread.answer;
    PreviousThread {
        thread_id: thread.thread_id,
        asked_at: thread.as_of,
        question: plain_prompt(&thread.prompt),
        sql: thread.results.iter().map(|result| result.sql.clone()).collect(),
        headline: answer.fill(&answer.headline),
        body: answer.fill(&answer.body),
        results: thread
            .results
            .into_iter()
            .map(|result| PreviousResult {
                result: result.id,
                sql: result.sql,
                row_count: result.row_count,
                columns: result.columns,
                rows: result.rows,
            })
            .collect(),
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
