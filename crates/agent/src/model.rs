//! What a model is to the loop: messages in, text and tool calls out.
//!
//! Implementations: [`crate::builtin`] (the analyst that ships in the binary), [`crate::openai`] (any server that speaks
//! Chat Completions) and `crate::scripted` (replays a transcript, for tests).

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{ConnectionId, condition::Condition, step::ToolCall};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

/// Anyone who can carry on a conversation with tools.
#[async_trait]
pub trait Model: Send + Sync {
    /// Who answers, as shown and stored: `builtin`, `openai:gpt-5`.
    fn name(&self) -> String;

    /// One reply. Text is also sent to `deltas` as it comes in; a closed receiver is no error.
    async fn reply(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError>;
}

/// What a model is given. Thousands of runs hold one while they wait: what is the same for all is shared.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// Our rules for it. Holds nothing that came from a database, a file or a message.
    pub system: &'static str,
    /// The conversation so far, oldest first. Starts with a `Context`, then the thread's turns.
    pub messages: Vec<Message>,
    /// The tools it may call.
    pub tools: &'static [ToolSpec],
    /// The most tokens that the reply may have.
    pub max_tokens_out: u32,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Where and when the turn takes place. Given to a remote model as fenced text.
    Context(TurnContext),
    /// What a person asked, mentions replaced by their labels.
    User {
        /// The question.
        text: String,
    },
    /// What the model replied.
    Assistant {
        /// Its text.
        text: String,
        /// The tools it called.
        tool_calls: Vec<ToolCall>,
    },
    /// What a tool answered. Data, never instructions.
    Tool {
        /// The call that it answers.
        call_id: String,
        /// The tool.
        name: String,
        /// Its output: JSON, `{"error":{"code","message","hint"}}` on failure.
        output: Value,
    },
    /// A word of the loop: a list of numerals to repair, a last call for an answer.
    Notice {
        /// The word.
        text: String,
    },
}

/// The circumstances of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnContext {
    /// The instant as of which the question is asked: a scheduled run's window opening, else now.
    pub now: DateTime<Utc>,
    /// The zone in which "yesterday" is meant.
    pub timezone: String,
    /// Whether nobody is there to be asked back (a task's run).
    pub is_task: bool,
    /// What must hold for the task's answer to be sent. The agent names the result and column that it is about.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// The connections that may be used, those of the task's or question's context first.
    pub connections: Vec<ContextConnection>,
}

/// A connection that a turn may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextConnection {
    /// Its id, for tool arguments.
    pub id: ConnectionId,
    /// Its name.
    pub name: String,
    /// `postgres` or `files`.
    pub engine: String,
    /// The SQL that it speaks: `postgres` or `duckdb`.
    pub dialect: String,
    /// Whether the question or task names it; if any does, the others are not offered.
    pub is_named: bool,
}

/// A tool as a model is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Its name.
    pub name: &'static str,
    /// What it does and when to use it.
    pub description: &'static str,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// What a model replied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelReply {
    /// Text beside the calls.
    pub text: String,
    /// Tools to run, in this order.
    pub tool_calls: Vec<ToolCall>,
    /// Tokens sent, as the provider counts; estimated where it does not say.
    pub tokens_in: u64,
    /// Tokens received.
    pub tokens_out: u64,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Trying again later may help: a time-out, a lost or cut stream, 5xx, 429 without a time.
    #[error("the model's provider is unavailable: {message}")]
    Unavailable {
        /// What happened, without secrets.
        message: String,
        /// When the provider says to come back.
        retry_after: Option<Duration>,
    },
    /// It is there, and wants to be asked later: 429 with a time.
    #[error("the model's provider is busy: {message}")]
    Busy {
        /// What it said, without secrets.
        message: String,
        /// When it says to come back.
        retry_after: Duration,
    },
    /// This conversation will be refused again: it is too long, or its content is not wanted.
    #[error("the model's provider refused: {message}")]
    Refused {
        /// What it said, without secrets.
        message: String,
    },
    /// It lets us in no more: a wrong key, an account without money, an unknown model. Another provider may.
    #[error("the model's provider refused: {message}")]
    Denied {
        /// What it said, without secrets.
        message: String,
    },
}

impl ModelError {
    /// What happened or what the provider said, without secrets.
    pub fn message(&self) -> &str {
        match self {
            Self::Unavailable { message, .. }
            | Self::Busy { message, .. }
            | Self::Refused { message }
            | Self::Denied { message } => message,
        }
    }
}
