//! A model server of our own that speaks Chat Completions. It answers at once with a question's tool calls, and logs every
//! request: when, from which worker, about what, and which steps the run had behind it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Handle};

use super::words;

/// One request to the model.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Which request this was, from 0: replies name it.
    pub(crate) number: usize,
    /// When it came in.
    pub(crate) at: Instant,
    /// The worker that sent it.
    pub(crate) worker: String,
    /// The question's word.
    pub(crate) question: String,
    /// The id of the first connection that the question may use.
    pub(crate) connection: String,
    /// The model's own earlier replies that the run had recorded by then.
    pub(crate) replies_seen: usize,
}

/// What the model does when it is asked: a tool and its arguments.
pub(crate) type Script = dyn Fn(&Asked) -> (&'static str, Value) + Send + Sync;

/// A model that reads its whole request: the tools that it calls, each with its arguments.
pub(crate) type Mind = dyn Fn(&Asked, &Value) -> Vec<(String, Value)> + Send + Sync;

/// A running model server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Model {
    port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    mind: Box<Mind>,
    log: Mutex<Vec<Asked>>,
    /// About which questions it thinks, by how their words begin, and how long at most; each request its own share.
    thinks: Mutex<(String, Duration)>,
}

impl Model {
    /// Starts one that plays `script`.
    pub(crate) fn start(runtime: &Handle, script: Box<Script>) -> Self {
        let mind = move |asked: &Asked, _: &Value| {
            let (tool, arguments) = script(asked);
            vec![(tool.to_owned(), arguments)]
        };
        Self::start_with(runtime, Box::new(mind))
    }

    /// Starts one that thinks for itself.
    pub(crate) fn start_with(runtime: &Handle, mind: Box<Mind>) -> Self {
        let inner = Arc::new(Inner { mind, log: Mutex::default(), thinks: Mutex::default() });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let routes = Router::new()
            .route("/{worker}/v1/chat/completions", post(complete))
            .with_state(Arc::clone(&inner));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { port, inner }
    }

    /// Its base URL for one worker.
    pub(crate) fn url(&self, worker: &str) -> String {
        format!("http://127.0.0.1:{}/{worker}/v1", self.port)
    }

    /// From now on each reply takes up to this long.
    pub(crate) fn think(&self, longest: Duration) {
        self.think_about("", longest);
    }

    /// From now on each reply to questions whose words begin so takes up to this long, and at least a third of it; others come
    /// at once.
    pub(crate) fn think_about(&self, beginning: &str, longest: Duration) {
        *self.inner.thinks.lock().unwrap_or_else(PoisonError::into_inner) = (beginning.to_owned(), longest);
    }

    /// How many requests there were so far.
    pub(crate) fn asked_count(&self) -> usize {
        self.inner.log.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All requests so far, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The script of a model that answers at once. The answer says which question it is about, and which worker asked and got
/// which reply, all in letters: numerals would be looked for in results.
pub(crate) fn answers_at_once(asked: &Asked) -> (&'static str, Value) {
    ("answer", json!({ "headline": mark(asked) }))
}

/// The sentence by which a mail tells where its answer comes from.
pub(crate) fn mark(asked: &Asked) -> String {
    format!("Marked {} by {} in {} indeed.", asked.question, asked.worker, words(asked.number))
}

async fn complete(
    State(model): State<Arc<Inner>>,
    Path(worker): Path<String>,
    Json(request): Json<Value>,
) -> impl IntoResponse {
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let said: Vec<&str> = messages
        .iter()
        .filter(|message| message["role"] == "user")
        .filter_map(|message| message["content"].as_str())
        .collect();
    let asked = {
        let mut log = model.log.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Asked {
            number: log.len(),
            at: Instant::now(),
            worker,
            // The last one: before it stand the earlier questions of its thread.
            question: first_word(said.iter().rev().find_map(|text| text.rsplit_once("Word: "))),
            connection: first_word(said.iter().find_map(|text| text.split_once("\"connectionId\":\""))),
            replies_seen: messages.iter().filter(|message| message["role"] == "assistant").count(),
        };
        log.push(asked.clone());
        asked
    };
    let (beginning, longest) = model.thinks.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if asked.question.starts_with(&beginning) && !longest.is_zero() {
        // Spread without a random number: consecutive requests take shares of a third, two thirds, all.
        tokio::time::sleep(longest * (asked.number as u32 % 3 + 1) / 3).await;
    }
    let calls: Vec<Value> = (model.mind)(&asked, &request)
        .into_iter()
        .enumerate()
        .map(|(index, (tool, arguments))| {
            json!({
                "index": index, "id": format!("call_{}_{index}", asked.replies_seen + 1), "type": "function",
                "function": { "name": tool, "arguments": arguments.to_string() },
            })
        })
        .collect();
    let chunks = [
        json!({ "choices": [{ "index": 0, "delta": { "role": "assistant", "tool_calls": calls }, "finish_reason": null }] }),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 100, "completion_tokens": 10 } }),
    ];
    let chunks = chunks.map(|chunk| chunk.to_string()).join("\n\ndata: ");
    let body = format!("data: {chunks}\n\ndata: [DONE]\n\n");
    ([(CONTENT_TYPE, "text/event-stream")], body)
}

/// What stands behind a mark, up to a space or a quote.
fn first_word(around_mark: Option<(&str, &str)>) -> String {
    let (_, rest) = around_mark.unwrap_or_default();
    rest.split([' ', '"', '\n']).next().unwrap_or_default().to_owned()
}
