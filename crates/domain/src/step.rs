//! Steps: what the agent did in a turn, in order. Appended, never rewritten.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::words;

words! {
    /// Which of the model providers that are set up gave a reply.
    #[derive(Default)]
    ModelProvider("model provider") {
        /// The one that the server's operator set up, or the built-in analyst.
        #[default]
        Server = "server",
        /// The one that the operator set up for when the first is down.
        Fallback = "fallback",
        /// The workspace's own.
        Workspace = "workspace",
    }
}

/// One call of a tool that a model asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// The model's id for the call, unique within the turn (made so by the loop).
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments as the model wrote them: an object, or a string where they were no valid JSON.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub arguments: Value,
}

/// What a step did. Stored as JSON in `step.body`, tagged by `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepBody {
    /// A reply of the model.
    #[serde(rename_all = "camelCase")]
    Model {
        /// Provider and model, such as `builtin` or `openai:gpt-5`.
        model: String,
        /// Whose provider that was. Absent in steps from before there were several: the server's.
        #[serde(default)]
        provider: ModelProvider,
        /// What it said beside its calls.
        text: String,
        /// The tools it called, to be run in this order.
        tool_calls: Vec<ToolCall>,
        /// Tokens sent.
        tokens_in: u64,
        /// Tokens received.
        tokens_out: u64,
        /// Credits charged. None for a reply of the workspace's own provider.
        credits: f64,
    },
    /// A tool's result.
    #[serde(rename_all = "camelCase")]
    Tool {
        /// The call that it answers.
        call_id: String,
        /// The tool.
        name: String,
        /// What the model is told: JSON, as the tool's own type says.
        #[cfg_attr(feature = "openapi", schema(value_type = Object))]
        output: Value,
        /// Whether `output` tells of a failure that the model can mend.
        is_error: bool,
        /// The handle of the result that it stored (`r1`), if any.
        result: Option<String>,
        /// The handle of the chart that it stored (`c1`), if any.
        chart: Option<String>,
    },
    /// A word of the loop to the model: a repair of figures, a last call for an answer.
    Notice {
        /// The word.
        text: String,
    },
}
