//! What a turn does next, read from its recorded steps alone.

use std::collections::HashSet;

use domain::step::{StepBody, ToolCall};

use super::Turn;
use crate::{prompt, tools::ANSWER};

/// What the recorded steps call for.
pub(super) enum Next {
    /// A reply.
    Reply,
    /// The output of this call.
    Call(ToolCall),
    /// The end: this `answer` was taken.
    Accepted(ToolCall),
    /// A word to a model that called nothing.
    Nudge,
    /// The end: a model that was told to call `answer` has spoken instead.
    Spoken(String),
}

impl Turn<'_> {
    /// What the recorded steps call for next.
    pub(super) fn next(&self) -> Next {
        let mut answered = HashSet::new();
        let mut was_nudged = false;
        for step in self.steps.iter().rev() {
            match &step.body {
                StepBody::Notice { text } => was_nudged |= text == prompt::CALL_ANSWER,
                StepBody::Tool { call_id, .. } => {
                    answered.insert(call_id.as_str());
                }
                StepBody::Model { text, tool_calls, .. } => {
                    return self.after_reply(text, tool_calls, &answered, was_nudged);
                }
            }
        }
        Next::Reply
    }

    fn after_reply(
        &self,
        text: &str,
        calls: &[ToolCall],
        answered: &HashSet<&str>,
        was_nudged: bool,
    ) -> Next {
        let accepted = calls.iter().find(|call| {
            call.name == ANSWER
                && self.steps.iter().any(|step| {
                    matches!(&step.body, StepBody::Tool { call_id, is_error: false, .. } if *call_id == call.id)
                })
        });
        if let Some(call) = accepted {
            return Next::Accepted(call.clone());
        }
        if let Some(call) = calls.iter().find(|call| !answered.contains(call.id.as_str())) {
            return Next::Call(call.clone());
        }
        if !calls.is_empty() || was_nudged {
            return Next::Reply;
        }
        let nudges = self.notices(prompt::CALL_ANSWER);
        let is_last = self.was_last_called();
        if text.trim().is_empty() || (nudges == 0 && !is_last) {
            Next::Nudge
        } else {
            Next::Spoken(text.to_owned())
        }
    }

    fn notices(&self, wanted: &str) -> usize {
        self.steps
            .iter()
            .filter(|step| matches!(&step.body, StepBody::Notice { text } if text == wanted))
            .count()
    }

    pub(super) fn was_last_called(&self) -> bool {
        self.notices(prompt::LAST_CALL) > 0
    }
}
