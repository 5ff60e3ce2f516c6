//! A task's draft from a conversation: what was asked last, when and to whom it shall go.

use std::borrow::Cow;

use domain::task_draft::TaskDraft;
use serde_json::{Value, json};

use super::{
    calendar::{self, When},
    catalog::Grain,
    conversation::{Conversation, failure},
    draft_phrase::{self, Rhythm, Wish},
    reply::Draft,
    turn::{Step, effective_question},
    words,
};
use crate::{
    model::{ToolSpec, TurnContext},
    tools::CREATE_TASK_DRAFT,
};

/// The longest title that is made from a question, in characters.
const TITLE_MAX: usize = 80;

/// The step towards a draft, where the last question wishes for one and drafts are to be had.
pub(super) fn step(conversation: &Conversation<'_>, tools: &[ToolSpec]) -> Option<Step> {
    let context = conversation.context.filter(|context| !context.is_task)?;
    let (last, before) = conversation.questions.split_last()?;
    let wish = draft_phrase::read(last)?;
    let is_offered = tools.iter().any(|tool| tool.name == CREATE_TASK_DRAFT);
    if !is_offered && !conversation.is_last {
        return None;
    }
    let asked = wish.question.clone().unwrap_or_else(|| effective_question(&questions(before), context));
    if asked.trim().is_empty() {
        return Some(Step::answer(Draft::refusal(
            "I do not know yet what the task shall ask.",
            "Ask the question first, or write it with the wish: “How many orders were there last week? Run this every Monday.”",
        )));
    }
    let arguments = arguments(&asked, &wish, context);
    let Some(output) = conversation.output(CREATE_TASK_DRAFT, &arguments) else {
        return Some(Step::new("Drafting the task.", vec![(CREATE_TASK_DRAFT, arguments)]));
    };
    Some(Step::answer(told(output)))
}

/// The questions of a thread without wishes for a task; of a wish that holds a question of its own, that.
fn questions(questions: &[String]) -> Vec<String> {
    questions
        .iter()
        .filter_map(|question| match draft_phrase::read(question) {
            None => Some(question.clone()),
            Some(wish) => wish.question,
        })
        .collect()
}

/// The questions of a thread as they are to be answered: as they stand where they hold nothing but wishes, as a task's may.
pub(super) fn asked(all: &[String]) -> Vec<String> {
    let asked = questions(all);
    if asked.is_empty() { all.to_vec() } else { asked }
}

fn arguments(asked: &str, wish: &Wish, context: &TurnContext) -> Value {
    let mut notes = wish.notes.clone();
    let rhythm = wish.rhythm.as_ref().map_or_else(
        || {
            notes.push("You did not say how often: the draft goes by the period of the question.".to_owned());
            Cow::Owned(fitting(asked, context))
        },
        Cow::Borrowed,
    );
    let mut arguments = json!({ "title": title(asked), "prompt": asked, "hour": wish.hour.unwrap_or(9) });
    match &*rhythm {
        Rhythm::Daily => arguments["cadence"] = json!("daily"),
        Rhythm::Weekly(days) => {
            arguments["cadence"] = json!("weekly");
            arguments["weekdays"] = json!(days);
        }
        Rhythm::Monthly(day) => {
            arguments["cadence"] = json!("monthly");
            arguments["dayOfMonth"] = json!(day);
        }
        Rhythm::MonthlyBy(n, weekday) => {
            arguments["cadence"] = json!("monthly");
            arguments["nthWeekday"] = json!({ "n": n, "weekday": weekday });
        }
    }
    if let Some(timezone) = &wish.timezone {
        arguments["timezone"] = json!(timezone);
    }
    if !wish.recipients.is_empty() {
        arguments["recipients"] = json!(wish.recipients);
    }
    arguments["notes"] = json!(notes);
    arguments
}

/// How often a question is sensibly asked: as often as its period is over.
fn fitting(asked: &str, context: &TurnContext) -> Rhythm {
    let zone = context.timezone.parse().unwrap_or(chrono_tz::Tz::UTC);
    let today = context.now.with_timezone(&zone).date_naive();
    let units =
        calendar::find(&words::tokenise(asked), today).into_iter().filter_map(|mention| match mention.when {
            When::Range(range) if range.is_relative => range.unit,
            _ => None,
        });
    match units.min() {
        Some(Grain::Hour | Grain::Day) => Rhythm::Daily,
        Some(Grain::Month | Grain::Quarter | Grain::Year) => Rhythm::Monthly(1),
        Some(Grain::Week) | None => Rhythm::Weekly(vec!["mon"]),
    }
}

/// The question as a title: its first sentence, cut at a word.
fn title(asked: &str) -> String {
    let sentence = asked.trim().trim_end_matches(['?', '.', '!', ' ']);
    if sentence.chars().count() <= TITLE_MAX {
        return words::capitalised(sentence);
    }
    let cut: String = sentence.chars().take(TITLE_MAX).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", words::capitalised(cut))
}

fn told(output: &Value) -> Draft {
    if let Some(reason) = failure(output) {
        return Draft::refusal("I could not draft the task.", reason);
    }
    let draft = output.get("draft").and_then(|draft| serde_json::from_value::<TaskDraft>(draft.clone()).ok());
    let Some(draft) = draft else { return Draft::refusal("I could not draft the task.", "") };
    let mut lines = Vec::new();
    if !draft.recipients.is_empty() {
        lines.push(format!("It would be sent to {}.", draft.recipients.join(", ")));
    }
    lines.extend(
        draft.unresolved.iter().map(|missing| format!("I could not find {}: {}", missing.name, missing.why)),
    );
    lines.push("Nothing is saved yet. Review the task, change what you like, and save it.".to_owned());
    Draft::refusal("Here is the task as I understood it, for you to review.", &lines.join("\n\n"))
}
