//! What was asked of the fake, and what came of it: the effects that checkers read. A call is in the log, and on disk where
//! there is a file, before its caller hears of it.

use std::{fs, io::Write as _, path::Path};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Fault;

/// One call of the Web API, an upload of bytes (`upload`) or an answer to an interaction (`response_url`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// When it came.
    pub at: DateTime<Utc>,
    /// The method.
    pub method: String,
    /// The workspace of its token.
    pub team: Option<String>,
    /// The conversation that it is about, by its id.
    pub channel: Option<String>,
    /// `ok`, Slack's word for the refusal, or `ratelimited`. What was done counts, whatever the caller heard.
    pub outcome: String,
    /// The message that was posted or changed.
    pub ts: Option<String>,
    /// The thread that it was posted to.
    pub thread_ts: Option<String>,
    /// What the message carries.
    pub metadata: Option<Value>,
    /// The text of a message.
    pub text: Option<String>,
    /// What went wrong on demand.
    pub fault: Option<Fault>,
    /// What `Retry-After` said.
    pub retry_after_seconds: Option<u32>,
    /// Set on a call that came before a `Retry-After` was over: when its caller was told to wait.
    pub told_to_wait_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    calls: Vec<Call>,
    file: Option<fs::File>,
}

impl Log {
    pub(super) fn new(path: Option<&Path>) -> Self {
        let file = path.map(|path| {
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .expect("the fake's log can be written")
        });
        Self { calls: Vec::new(), file }
    }

    pub(super) fn record(&mut self, call: Call) {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&call).expect("a call is JSON");
            line.push(b'\n');
            file.write_all(&line).expect("the fake's log can be written");
        }
        self.calls.push(call);
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }
}
