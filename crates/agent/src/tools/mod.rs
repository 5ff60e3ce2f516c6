//! The tools that a model has: their schemas, and one door through which every call goes.
//!
//! No tool sends or shares, and no argument reaches a network address. Recipients stand only in a draft that a person reviews,
//! and only those whom the person named. What a tool answers is data for the model; a failure that the model can mend is data
//! too ([`Told`]), and any other ends the turn ([`Failure`]).

mod answer;
mod checked;
mod compare_results;
mod create_chart;
mod create_task_draft;
mod describe_table;
mod previous_threads;
mod run_sql;
mod search_catalog;

use std::{
    collections::HashMap,
    slice,
    sync::{Arc, LazyLock},
    time::Duration,
};

use domain::{ConnectionId, answer::Answer, run::RunReason, step::ToolCall, table::Table};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use warehouse::{QueryLimits, Warehouse};

pub(crate) use answer::{Repair, read_answer};
pub(crate) use previous_threads::{PreviousResult, PreviousThread, THREADS_MAX};
pub(crate) use run_sql::{replay, replay_id};
pub(crate) use search_catalog::PastAnswer;

use crate::{
    admission::Admission,
    failure::Failure,
    journal::{Journal, KnownChart, KnownResult, Reachable},
    model::{ToolSpec, TurnContext},
    verified::Verified,
};

/// The name of the tool that ends a turn.
pub(crate) const ANSWER: &str = "answer";
/// The name of the tool that drafts a task.
pub(crate) const CREATE_TASK_DRAFT: &str = "create_task_draft";

/// What stands on the desk while tools run: everything that they may touch.
pub(crate) struct Desk<'a> {
    pub(crate) journal: &'a Journal,
    pub(crate) warehouse: &'a Warehouse,
    pub(crate) charts: &'a chart::Pool,
    pub(crate) context: &'a TurnContext,
    pub(crate) prompt: &'a str,
    pub(crate) turn_no: u32,
    pub(crate) model_name: &'a str,
    pub(crate) results: &'a [KnownResult],
    pub(crate) known_charts: &'a [KnownChart],
    pub(crate) tables: &'a Tables,
    pub(crate) verified: &'a Verified,
    /// Whether a query is pinned for the turn's task.
    pub(crate) has_method: bool,
    pub(crate) query_limits: QueryLimits,
    /// How long the turn may still take.
    pub(crate) time_left: Duration,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) repair: Repair,
}

/// Stored rows that were read once in this turn.
#[derive(Default)]
pub(crate) struct Tables(std::sync::Mutex<HashMap<String, Arc<Table>>>);

impl Tables {
    pub(crate) fn keep(&self, handle: &str, table: Arc<Table>) {
        self.0.lock().expect("no holder of this lock panics").insert(handle.to_owned(), table);
    }

    fn kept(&self, handle: &str) -> Option<Arc<Table>> {
        self.0.lock().expect("no holder of this lock panics").get(handle).cloned()
    }
}

impl Desk<'_> {
    /// The rows of a stored result.
    pub(crate) async fn table(&self, result: &KnownResult) -> Result<Arc<Table>, Failure> {
        if let Some(table) = self.tables.kept(&result.handle) {
            return Ok(table);
        }
        let table = self.journal.table(result).await?;
        self.tables.keep(&result.handle, Arc::clone(&table));
        Ok(table)
    }

    /// Waits until one more query may run on a connection.
    async fn admit(&self, reachable: &Reachable) -> Result<Admission, Failure> {
        Admission::of(self.journal, reachable, self.time_left, self.cancel).await
    }

    /// What a data source's failure comes to. What an engine says of a statement may quote rows that it met, and a failed
    /// statement leaves no result that would tell where they are from.
    async fn source_failed(&self, reachable: &Reachable, error: warehouse::Error) -> Trouble {
        if matches!(error, warehouse::Error::Sql { .. })
            && let Err(failure) = self.journal.note_read(&[reachable.id]).await
        {
            return failure.into();
        }
        error.into()
    }

    /// A result by its handle.
    pub(crate) fn known_result(&self, handle: &str) -> Option<&KnownResult> {
        self.results.iter().find(|result| result.handle == handle)
    }

    fn result(&self, handle: &str) -> Result<&KnownResult, Told> {
        self.known_result(handle).ok_or_else(|| {
            let known: Vec<_> = self.results.iter().map(|result| result.handle.as_str()).collect();
            let hint = if known.is_empty() {
                "Run a query with run_sql first.".to_owned()
            } else {
                format!("There are {}.", known.join(", "))
            };
            Told::new("unknown_result", format!("there is no result `{handle}`"), hint)
        })
    }

    /// A connection that the turn's context offers and its creator may query at this moment.
    async fn connection(&self, id: &str) -> Result<Reachable, Trouble> {
        let unknown = || {
            let known: Vec<_> = self
                .context
                .connections
                .iter()
                .map(|known| format!("{} ({})", known.id, known.name))
                .collect();
            Told::new(
                "unknown_connection",
                format!("there is no connection `{id}` for this question"),
                format!("Use one of: {}.", known.join(", ")),
            )
        };
        let offered = id
            .parse::<ConnectionId>()
            .ok()
            .and_then(|id| self.context.connections.iter().find(|known| known.id == id))
            .ok_or_else(unknown)?;
        match self.journal.connection(offered.id).await? {
            Some(reachable) => Ok(reachable),
            None if offered.is_named => Err(Failure::new(
                RunReason::AccessLost,
                format!("The connection {} may no longer be queried.", offered.name),
            )
            .into()),
            None => Err(Told::new(
                "access_lost",
                format!("the connection {} may no longer be queried", offered.name),
                "Answer from other connections, or say what is missing.",
            )
            .into()),
        }
    }
}

/// What a tool call came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the model is told.
    pub(crate) output: Value,
    pub(crate) is_error: bool,
    /// What was stored.
    pub(crate) result: Option<KnownResult>,
    /// What was stored.
    pub(crate) chart: Option<KnownChart>,
    /// The turn's answer, when this was an `answer` that was taken.
    pub(crate) answer: Option<Answer>,
}

impl Outcome {
    fn told(output: Value) -> Self {
        Self { output, is_error: false, result: None, chart: None, answer: None }
    }

    pub(crate) fn failed(told: Told) -> Self {
        let Told { code, message, hint, details } = told;
        let mut error = json!({ "code": code, "message": message, "hint": hint });
        if let (Some(error), Some(details)) = (error.as_object_mut(), details) {
            error.insert("details".into(), details);
        }
        Self { output: json!({ "error": error }), is_error: true, result: None, chart: None, answer: None }
    }
}

/// A failure that the model is told of and can mend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) details: Option<Value>,
}

impl Told {
    pub(crate) fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: hint.into(), details: None }
    }
}

/// Either kind of failure.
#[derive(Debug)]
pub(crate) enum Trouble {
    Told(Told),
    Failure(Failure),
}

impl Trouble {
    /// What a data source said or is, where this is about one.
    fn of_source(&self) -> Option<&str> {
        match self {
            Self::Told(told) => Some(&told.message),
            Self::Failure(Failure::Failed {
                reason: RunReason::ConnectionFailed | RunReason::ConnectionBusy,
                message,
                ..
            }) => Some(message),
            Self::Failure(_) => None,
        }
    }
}

impl From<Told> for Trouble {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// A data source's failure: one that no other statement mends ends the attempt; any other is told.
impl From<warehouse::Error> for Trouble {
    fn from(error: warehouse::Error) -> Self {
        match &error {
            warehouse::Error::Unreachable { .. }
            | warehouse::Error::Worker { .. }
            | warehouse::Error::Authentication { .. }
            | warehouse::Error::InvalidSpec { .. } => {
                Failure::new(RunReason::ConnectionFailed, sentence(&error)).into()
            }
            _ => Told::new(error.code(), error.to_string(), error.hint().unwrap_or_default()).into(),
        }
    }
}

fn sentence(error: &warehouse::Error) -> String {
    let mut text = error.to_string();
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    text.push('.');
    text
}

/// The tools as a model is told of them. A task's run drafts no tasks; on a last call there is only `answer`.
pub(crate) fn specs(is_last_call: bool, is_task: bool) -> &'static [ToolSpec] {
    // Their schemas are the same for every turn.
    static SPECS: LazyLock<[ToolSpec; 8]> = LazyLock::new(|| {
        [
            spec::<create_task_draft::Arguments>(CREATE_TASK_DRAFT, create_task_draft::DESCRIPTION),
            spec::<search_catalog::Arguments>("search_catalog", search_catalog::DESCRIPTION),
            spec::<describe_table::Arguments>("describe_table", describe_table::DESCRIPTION),
            spec::<run_sql::Arguments>("run_sql", run_sql::DESCRIPTION),
            spec::<create_chart::Arguments>("create_chart", create_chart::DESCRIPTION),
            spec::<previous_threads::Arguments>("previous_threads", previous_threads::DESCRIPTION),
            spec::<compare_results::Arguments>("compare_results", compare_results::DESCRIPTION),
            spec::<answer::Arguments>(ANSWER, answer::DESCRIPTION),
        ]
    });
    let [_draft, of_task @ ..] = &*SPECS;
    let [.., answer] = of_task;
    match (is_last_call, is_task) {
        (true, _) => slice::from_ref(answer),
        (false, true) => of_task,
        (false, false) => &*SPECS,
    }
}

fn spec<T: JsonSchema>(name: &'static str, description: &'static str) -> ToolSpec {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut parameters = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = parameters.as_object_mut() {
        object.remove("title");
        // Some servers refuse an object without this key.
        object.entry("properties").or_insert_with(|| json!({}));
    }
    ToolSpec { name, description, parameters }
}

/// Runs one call.
pub(crate) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Failure> {
    let done = match call.name.as_str() {
        "search_catalog" => search_catalog::call(desk, call).await,
        "describe_table" => describe_table::call(desk, call).await,
        "run_sql" => run_sql::call(desk, call).await,
        "create_chart" => create_chart::call(desk, call).await,
        "previous_threads" => previous_threads::call(desk, call).await,
        "compare_results" => compare_results::call(desk, call).await,
        CREATE_TASK_DRAFT => create_task_draft::call(desk, call).await,
        ANSWER => answer::call(desk, call).await,
        other => Err(Told::new(
            "unknown_tool",
            format!("there is no tool `{}`", other.chars().take(60).collect::<String>()),
            format!(
                "There are {}.",
                specs(false, desk.context.is_task)
                    .iter()
                    .map(|tool| tool.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        )
        .into()),
    };
    match done {
        Ok(outcome) => Ok(outcome),
        Err(Trouble::Told(told)) => Ok(Outcome::failed(told)),
        Err(Trouble::Failure(failure)) => Err(failure),
    }
}

/// Reads a call's arguments, or says what is wrong with them.
fn arguments<T: DeserializeOwned>(call: &ToolCall) -> Result<T, Told> {
    let hint = || format!("Call {} again with arguments as its schema says.", call.name);
    if call.arguments.is_string() {
        return Err(Told::new("invalid_arguments", "the arguments are no valid JSON object", hint()));
    }
    serde_json::from_value(call.arguments.clone())
        .map_err(|error| Told::new("invalid_arguments", format!("the arguments are wrong: {error}"), hint()))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_closed_and_self_contained() {
        for tool in specs(false, false) {
            let schema = tool.parameters.to_string();
            assert_eq!(tool.parameters["type"], "object", "{}", tool.name);
            assert_eq!(tool.parameters["additionalProperties"], false, "{}", tool.name);
            assert!(!schema.contains("$ref"), "{schema}");
        }
        assert_eq!(specs(true, false).len(), 1);
        assert!(specs(false, true).iter().all(|tool| tool.name != CREATE_TASK_DRAFT));
    }
}
