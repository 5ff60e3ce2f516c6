//! What has been said in the turn so far: the question, and which calls were already made and answered.

use domain::step::ToolCall;
use serde_json::Value;

use super::clarify;
use crate::model::{Message, TurnContext};

/// A turn as the analyst sees it.
pub(super) struct Conversation<'a> {
    /// The circumstances.
    pub context: Option<&'a TurnContext>,
    /// What people asked in this thread, oldest first; the last is to be answered. Where a choice was made in a few words, what
    /// was chosen.
    pub questions: Vec<String>,
    /// Whether the last question is one of those that the answer before it offered to choose from.
    pub is_choice: bool,
    /// The calls of this turn with their outputs.
    calls: Vec<(&'a ToolCall, Option<&'a Value>)>,
    /// Whether this is the last step, for an answer only.
    pub is_last: bool,
}

impl<'a> Conversation<'a> {
    /// Reads messages.
    pub(super) fn read(messages: &'a [Message], is_last: bool) -> Self {
        let mut conversation =
            Self { context: None, questions: Vec::new(), is_choice: false, calls: Vec::new(), is_last };
        for message in messages {
            match message {
                Message::Context(context) => conversation.context = Some(context),
                Message::User { text } => {
                    let offered = conversation.choices();
                    let chosen = clarify::chosen(&offered, text);
                    conversation.is_choice = chosen.is_some();
                    conversation.questions.push(chosen.unwrap_or(text).clone());
                    conversation.calls.clear();
                }
                Message::Assistant { tool_calls, .. } => {
                    conversation.calls.extend(tool_calls.iter().map(|call| (call, None)));
                }
                Message::Tool { call_id, output, .. } => {
                    // The latest call of this id, should ids come twice in a thread.
                    let call = conversation.calls.iter_mut().rev().find(|(call, _)| call.id == *call_id);
                    if let Some((_, answered)) = call {
                        *answered = Some(output);
                    }
                }
                Message::Notice { .. } => {}
            }
        }
        conversation
    }

    /// What the last answer among the calls offered to choose from.
    fn choices(&self) -> Vec<String> {
        let answer = self.calls.iter().rev().find(|(call, _)| call.name == "answer");
        let choices = answer.and_then(|(call, _)| call.arguments.get("choices")?.as_array());
        choices.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The output of a call made before in this turn, if it was.
    pub(super) fn output(&self, name: &str, arguments: &Value) -> Option<&'a Value> {
        self.calls
            .iter()
            .find(|(call, output)| call.name == name && call.arguments == *arguments && output.is_some())
            .and_then(|(_, output)| *output)
    }

    /// How many calls this turn has seen.
    pub(super) fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// How many answers were sent back to be mended.
    pub(super) fn rejected_answers(&self) -> usize {
        self.calls.iter().filter(|(call, _)| call.name == "answer").count()
    }
}

/// Whether an output tells of a failure; its message if so.
pub(super) fn failure(output: &Value) -> Option<&str> {
    output.get("error").map(|error| error.get("message").and_then(Value::as_str).unwrap_or("no reason given"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_made_in_words_is_remembered_by_what_follows() {
        let question = |text: &str| Message::User { text: text.into() };
        let answer = |id: &str, choices: Value| {
            let arguments = json!({ "headline": "", "choices": choices });
            let call = ToolCall { id: id.into(), name: "answer".into(), arguments };
            Message::Assistant { text: String::new(), tool_calls: vec![call] }
        };
        let chosen = "average arr delay by carrier";
        let mut messages = vec![
            question("average delay by carrier"),
            answer("b1", json!(["average dep delay by carrier", chosen])),
            question("the second"),
        ];
        let conversation = Conversation::read(&messages, false);
        assert!(conversation.is_choice);
        assert_eq!(conversation.questions, ["average delay by carrier", chosen]);

        messages.extend([answer("b2", json!([])), question("And by month?")]);
        let conversation = Conversation::read(&messages, false);
        assert!(!conversation.is_choice);
        assert_eq!(conversation.questions, ["average delay by carrier", chosen, "And by month?"]);
    }
}
