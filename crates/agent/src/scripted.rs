//! A model that replays a transcript, for tests.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use domain::step::ToolCall;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::model::{Message, Model, ModelError, ModelReply, ModelRequest};

/// What a scripted model does instead of thinking.
type Script = dyn Fn(&ModelRequest, usize) -> Result<ModelReply, ModelError> + Send + Sync;

/// A model that replays a transcript and keeps what it was asked.
pub struct Scripted {
    script: Box<Script>,
    asked: Mutex<Vec<ModelRequest>>,
    calls: AtomicUsize,
}

impl Scripted {
    /// Replays `replies`. Which one comes next is told by how many replies the conversation holds since its last question,
    /// so that a turn which is taken up again goes on where it stopped. Past the end it refuses.
    pub fn new(replies: Vec<ModelReply>) -> Self {
        Self::by(move |request, _| {
            let position = replies_so_far(request);
            replies.get(position).cloned().ok_or_else(|| ModelError::Refused {
                message: format!("the transcript has no reply {position}"),
            })
        })
    }

    /// Replies as `script` says, given the request and how often the model was asked before.
    pub fn by(
        script: impl Fn(&ModelRequest, usize) -> Result<ModelReply, ModelError> + Send + Sync + 'static,
    ) -> Self {
        Self { script: Box::new(script), asked: Mutex::default(), calls: AtomicUsize::new(0) }
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<ModelRequest> {
        self.asked.lock().expect("no holder of this lock panics").clone()
    }
}

/// How many replies a conversation holds since its last question.
pub fn replies_so_far(request: &ModelRequest) -> usize {
    let since = request.messages.iter().rev().take_while(|message| !matches!(message, Message::User { .. }));
    since.filter(|message| matches!(message, Message::Assistant { .. })).count()
}

/// A reply that calls tools.
pub fn calling(calls: &[(&str, Value)]) -> ModelReply {
    ModelReply {
        text: String::new(),
        tool_calls: calls
            .iter()
            .map(|(name, arguments)| ToolCall {
                id: String::new(),
                name: (*name).to_owned(),
                arguments: arguments.clone(),
            })
            .collect(),
        tokens_in: 100,
        tokens_out: 10,
    }
}

#[async_trait]
impl Model for Scripted {
    fn name(&self) -> String {
        "scripted".to_owned()
    }

    async fn reply(
        &self,
        request: &ModelRequest,
        deltas: &mpsc::Sender<String>,
    ) -> Result<ModelReply, ModelError> {
        let before = self.calls.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().expect("no holder of this lock panics").push(request.clone());
        let reply = (self.script)(request, before)?;
        // Nobody may be watching.
        let _ = deltas.send(reply.text.clone()).await;
        Ok(reply)
    }
}
