//! A stream of Chat Completions chunks as one reply.

use std::{pin::Pin, time::Duration};

use async_openai::error::OpenAIError;
use domain::step::ToolCall;
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::unavailable;
use crate::model::{ModelError, ModelReply};

/// The most bytes of one reply, text and calls together: no provider's limit is near it.
const BYTES_MAX: usize = 4 << 20;
/// The most calls of one reply that are put together, of which far fewer are run.
const CALLS_MAX: usize = 128;
/// The most tokens that a reply counts as: a user's server may say what it likes.
const TOKENS_MAX: u64 = 10_000_000;

/// A chunk, as far as it matters. Fields that a server leaves out or sets to null are absent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Debug, Deserialize)]
struct CallPart {
    index: Option<usize>,
    id: Option<String>,
    function: Option<FunctionPart>,
}

#[derive(Debug, Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// A tool call while it comes in.
#[derive(Debug, Default)]
struct OpenCall {
    index: Option<usize>,
    id: String,
    name: String,
    arguments: String,
}

/// Reads a stream to its end. `shown` makes a provider's words fit to be shown.
pub(super) async fn read(
    mut stream: Pin<Box<dyn Stream<Item = Result<Chunk, OpenAIError>> + Send>>,
    idle: Duration,
    deltas: &mpsc::Sender<String>,
    describe: &(dyn Fn(OpenAIError) -> ModelError + Sync),
    shown: &(dyn Fn(&str) -> String + Sync),
) -> Result<ModelReply, ModelError> {
    let mut reply = ModelReply::default();
    let mut calls: Vec<OpenCall> = Vec::new();
    let mut finish_reason = None;
    let mut bytes = 0;
    loop {
        let next = tokio::time::timeout(idle, stream.next()).await;
        let next = next.map_err(|_| unavailable(format!("nothing came in for {} s", idle.as_secs())))?;
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(describe)?;
        if let Some(error) = chunk.error {
            let message = error.get("message").and_then(Value::as_str).unwrap_or("it failed while replying");
            return Err(unavailable(shown(message)));
        }
        if let Some(usage) = chunk.usage {
            reply.tokens_in = usage.prompt_tokens.min(TOKENS_MAX);
            reply.tokens_out = usage.completion_tokens.min(TOKENS_MAX);
        }
        for choice in chunk.choices {
            if let Some(delta) = choice.delta {
                bytes += take(delta, &mut reply, &mut calls, deltas).await;
            }
            finish_reason = choice.finish_reason.or(finish_reason);
        }
        if bytes > BYTES_MAX || calls.len() > CALLS_MAX {
            return Err(ModelError::Refused { message: "its reply is longer than any limit allows".into() });
        }
    }
    match finish_reason.as_deref() {
        None => return Err(unavailable("the stream ended before the reply was complete".into())),
        Some("content_filter") => {
            return Err(ModelError::Refused { message: "its content filter stopped the reply".into() });
        }
        Some(_) => {}
    }
    reply.tool_calls = calls.into_iter().filter(|call| !call.name.is_empty()).map(finished).collect();
    Ok(reply)
}

/// Takes a chunk's part of the reply in, and answers how many bytes it had.
async fn take(
    delta: Delta,
    reply: &mut ModelReply,
    calls: &mut Vec<OpenCall>,
    deltas: &mpsc::Sender<String>,
) -> usize {
    let mut bytes = 0;
    if let Some(content) = delta.content.filter(|content| !content.is_empty()) {
        bytes += content.len();
        reply.text.push_str(&content);
        // Nobody may be watching.
        let _ = deltas.send(content).await;
    }
    for part in delta.tool_calls.unwrap_or_default() {
        if calls.len() > CALLS_MAX {
            break;
        }
        let call = open_call(calls, &part);
        if let Some(id) = part.id {
            bytes += id.len();
            call.id = id;
        }
        if let Some(function) = part.function {
            if let Some(name) = function.name {
                bytes += name.len();
                // Some servers repeat the whole name with each part.
                if call.name != name {
                    call.name.push_str(&name);
                }
            }
            if let Some(arguments) = function.arguments {
                bytes += arguments.len();
                call.arguments.push_str(&arguments);
            }
        }
    }
    bytes
}

/// The call that a part belongs to. Some servers give every call the same index, or none: then a new id is a new call.
fn open_call<'a>(calls: &'a mut Vec<OpenCall>, part: &CallPart) -> &'a mut OpenCall {
    let is_other = |call: &OpenCall| {
        part.id.as_ref().is_some_and(|id| !id.is_empty() && !call.id.is_empty() && *id != call.id)
    };
    let position = match part.index {
        Some(index) => calls.iter().rposition(|call| call.index == Some(index) && !is_other(call)),
        None => calls.len().checked_sub(1).filter(|last| !is_other(&calls[*last])),
    };
    let position = position.unwrap_or_else(|| {
        calls.push(OpenCall { index: part.index, ..OpenCall::default() });
        calls.len() - 1
    });
    &mut calls[position]
}

fn finished(call: OpenCall) -> ToolCall {
    let OpenCall { id, name, arguments, .. } = call;
    let arguments = if arguments.trim().is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        match serde_json::from_str(&arguments) {
            Ok(object @ Value::Object(_)) => object,
            _ => Value::String(arguments),
        }
    };
    ToolCall { id, name, arguments }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn read_chunks(chunks: Vec<Value>) -> Result<ModelReply, ModelError> {
        let (deltas, _watched) = mpsc::channel(100);
        let chunks = chunks.into_iter().map(|chunk| Ok(serde_json::from_value(chunk).expect("a chunk")));
        let describe = |_| unavailable(String::new());
        let shown = |text: &str| text.replace("sk-canary", "[key]");
        read(Box::pin(futures::stream::iter(chunks)), Duration::from_secs(1), &deltas, &describe, &shown)
            .await
    }

    fn delta(delta: &Value) -> Value {
        json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
    }

    fn finish(reason: &str) -> Value {
        json!({ "choices": [{ "delta": {}, "finish_reason": reason }] })
    }

    fn part(index: Option<usize>, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
        delta(
            &json!({ "tool_calls": [{ "index": index, "id": id, "function": { "name": name, "arguments": arguments } }] }),
        )
    }

    #[tokio::test]
    async fn parts_are_put_together() {
        let reply = read_chunks(vec![
            delta(&json!({ "role": "assistant", "content": "Let me " })),
            delta(&json!({ "content": "look." })),
            part(Some(0), Some("a"), Some("run_sql"), "{\"sql\":"),
            part(Some(0), None, None, "\"SELECT 1\"}"),
            part(Some(1), Some("b"), Some("answer"), ""),
            finish("tool_calls"),
            json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 5 } }),
        ])
        .await
        .expect("a reply");
        assert_eq!(reply.text, "Let me look.");
        assert_eq!((reply.tokens_in, reply.tokens_out), (7, 5));
        assert_eq!(reply.tool_calls[0].arguments, json!({ "sql": "SELECT 1" }));
        assert_eq!((reply.tool_calls[1].id.as_str(), &reply.tool_calls[1].arguments), ("b", &json!({})));
    }

    #[tokio::test]
    async fn calls_without_an_index_are_told_apart_by_id() {
        for index in [None, Some(0)] {
            let reply = read_chunks(vec![
                part(index, Some("a"), Some("run_sql"), "{}"),
                part(index, Some("b"), Some("answer"), "{}"),
                finish("stop"),
            ])
            .await
            .expect("a reply");
            let names: Vec<_> = reply.tool_calls.iter().map(|call| call.name.as_str()).collect();
            assert_eq!(names, ["run_sql", "answer"]);
        }
    }

    #[tokio::test]
    async fn a_stream_without_an_end_was_cut() {
        let error = read_chunks(vec![delta(&json!({ "content": "All is w" }))]).await.expect_err("a failure");
        assert!(matches!(error, ModelError::Unavailable { .. }), "{error}");
        let error = read_chunks(vec![json!({ "error": { "message": "sk-canary is overloaded" } })])
            .await
            .expect_err("a failure");
        assert!(
            error.to_string().ends_with(": [key] is overloaded"),
            "its words are made fit to be shown: {error}"
        );
        let error = read_chunks(vec![finish("content_filter")]).await.expect_err("a failure");
        assert!(matches!(error, ModelError::Refused { .. }));
    }

    /// Without a limit on calls 20,000 of them would be put together, each of which is looked for among all others.
    #[tokio::test]
    async fn a_flood_of_calls_or_ids_is_refused_and_tokens_are_kept_in_bounds() {
        let nameless: Vec<Value> = (0..20_000).map(|index| json!({ "index": index })).collect();
        let long_id = "x".repeat(BYTES_MAX / 2);
        let longer = |id: &str| part(Some(0), Some(id), None, "");
        let floods = [
            vec![delta(&json!({ "tool_calls": nameless }))],
            vec![longer(&long_id), longer(&long_id), longer(&long_id)],
        ];
        for flood in floods {
            let error = read_chunks([flood, vec![finish("stop")]].concat()).await.expect_err("a refusal");
            assert!(matches!(error, ModelError::Refused { .. }), "{error}");
        }
        let usage =
            json!({ "choices": [], "usage": { "prompt_tokens": u64::MAX, "completion_tokens": u64::MAX } });
        let reply = read_chunks(vec![finish("stop"), usage]).await.expect("a reply");
        assert_eq!((reply.tokens_in, reply.tokens_out), (TOKENS_MAX, TOKENS_MAX));
    }

    #[tokio::test]
    async fn arguments_that_are_no_object_stay_text() {
        for arguments in ["{\"sql\": ", "[1]", "\"text\"", "null"] {
            let reply =
                read_chunks(vec![part(Some(0), Some("a"), Some("run_sql"), arguments), finish("length")])
                    .await
                    .expect("a reply");
            assert_eq!(reply.tool_calls[0].arguments, json!(arguments));
        }
    }

    #[tokio::test]
    async fn silence_is_not_waited_for() {
        let (deltas, _watched) = mpsc::channel(1);
        let silent = Box::pin(futures::stream::pending());
        let describe = |_| unavailable(String::new());
        let error = read(silent, Duration::from_millis(20), &deltas, &describe, &str::to_owned).await;
        assert!(error.expect_err("a failure").to_string().contains("nothing came in"));
    }
}
