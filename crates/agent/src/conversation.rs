//! A thread's stored steps as the messages that a model is given.

use domain::{answer::Answer, step::StepBody};
use serde_json::json;

use crate::{
    journal::{FinishedStep, Opening, PastTurn},
    model::Message,
    prompt,
};

/// Of so many of the latest turns a model sees every step; of those before only question and answer.
const WHOLE_TURNS: usize = 3;

/// The conversation up to and with the steps of this turn.
pub(crate) fn messages(opening: &Opening, steps: &[FinishedStep]) -> Vec<Message> {
    let mut messages = vec![Message::Context(opening.context.clone())];
    let first_whole = opening.past.len().saturating_sub(WHOLE_TURNS);
    for (position, turn) in opening.past.iter().enumerate() {
        messages.push(Message::User { text: turn.prompt.clone() });
        if position >= first_whole && is_complete(turn) {
            messages.extend(turn.steps.iter().map(message));
        } else if let Some(answer) = &turn.answer {
            messages.push(Message::Assistant { text: spoken(answer), tool_calls: vec![] });
        }
    }
    messages.push(Message::User { text: opening.prompt.clone() });
    messages.extend(steps.iter().map(|step| message(&step.body)));
    messages
}

/// Whether each tool call of a turn has its output: a cancelled turn may have ended between them.
fn is_complete(turn: &PastTurn) -> bool {
    let mut open = 0_usize;
    for step in &turn.steps {
        match step {
            StepBody::Model { tool_calls, .. } => open += tool_calls.len(),
            StepBody::Tool { .. } => open = open.saturating_sub(1),
            StepBody::Notice { .. } => {}
        }
    }
    open == 0 && !turn.steps.is_empty()
}

fn message(step: &StepBody) -> Message {
    match step {
        StepBody::Model { text, tool_calls, .. } => {
            Message::Assistant { text: text.clone(), tool_calls: tool_calls.clone() }
        }
        StepBody::Tool { call_id, name, output, .. } => {
            Message::Tool { call_id: call_id.clone(), name: name.clone(), output: output.clone() }
        }
        StepBody::Notice { text } => Message::Notice { text: text.clone() },
    }
}

/// An answer in words. They hold what came out of data, and so they are fenced.
fn spoken(answer: &Answer) -> String {
    let words = json!({ "headline": answer.fill(&answer.headline), "body": answer.fill(&answer.body) });
    prompt::fence("earlier answer", &words)
}
