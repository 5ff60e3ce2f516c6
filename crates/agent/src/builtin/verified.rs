//! Questions that somebody has verified the SQL of: that is run before anything is planned.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    conversation::{Conversation, failure},
    reply::Draft,
    turn::Step,
    view::View,
};
use crate::{figures, model::ContextConnection, verified::FoundQuestion};

/// What the search says of verified questions.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Found {
    verified_questions: Vec<FoundQuestion>,
}

/// The answer by a verified query, where the search found one that asks the same; `None` where there is none, or it no longer
/// runs. `Err` is the step that must be taken first.
pub(super) fn answer(
    conversation: &Conversation<'_>,
    search: &Value,
    offered: &[&ContextConnection],
) -> Result<Option<Draft>, Step> {
    let found = Found::deserialize(search).unwrap_or_default().verified_questions;
    let usable = found.into_iter().find(|found| {
        found.likeness == domain::question::Likeness::Same
            && found.unmoved.is_none()
            && offered.iter().any(|connection| connection.id == found.connection_id)
    });
    let Some(found) = usable else { return Ok(None) };
    let arguments = json!({ "connectionId": found.connection_id, "sql": found.sql });
    let Some(output) = conversation.output("run_sql", &arguments) else {
        return Err(Step::new(
            format!("{} verified the query for this question: running it.", found.verified_by),
            vec![("run_sql", arguments)],
        ));
    };
    if failure(output).is_some() {
        return Ok(None);
    }
    let mut draft = View::read(output).map(|view| compose(&view));
    if let Some(draft) = &mut draft {
        draft.simplify(conversation.rejected_answers());
    }
    Ok(draft)
}

/// What to know where there are verified questions that the search did not find the same, or could not use.
pub(super) fn caveats(search: &Value) -> Vec<String> {
    let found = Found::deserialize(search).unwrap_or_default().verified_questions;
    let Some(first) = found.first() else { return Vec::new() };
    let question = figures::none_in(&first.question);
    let told = match (&first.unmoved, first.likeness) {
        (Some(why), domain::question::Likeness::Same) => {
            format!(
                "The verified query for “{question}” was not used, since it cannot be moved to this period: {why}."
            )
        }
        (None, domain::question::Likeness::Same) => {
            format!("The verified query for “{question}” was not used, since it failed.")
        }
        (_, domain::question::Likeness::Similar) => {
            format!(
                "There is a verified query for a similar question, “{question}”; this answer does not use it."
            )
        }
    };
    vec![told]
}

/// A figure for a cell of a column that may be called anything.
fn figure(view: &View, row: usize, column: &str) -> String {
    if view.cell(row, column).is_none() {
        return "(none)".to_owned();
    }
    format!("{{{{{}[{row}][{}]|{}}}}}", view.handle, json!(column), view.format(column))
}

/// The rows of a query that somebody else wrote: told as they are, nothing read into them.
fn compose(view: &View) -> Draft {
    let names: Vec<&str> = view.columns.iter().map(|(name, _)| name.as_str()).collect();
    let told = |row: usize| -> Vec<String> {
        names
            .iter()
            .take(4)
            .map(|name| format!("{} {}", name.replace('_', " "), figure(view, row, name)))
            .collect()
    };
    let count = format!("{{{{count({})|number:0}}}}", view.handle);
    let headline = match view.row_count {
        0 => "The verified query found no rows.".to_owned(),
        1 => format!("{}.", super::words::capitalised(&told(0).join(", "))),
        _ => format!("First of {count} rows: {}.", told(0).join(", ")),
    };
    Draft { headline, results: vec![view.handle.clone()], ..Draft::default() }
}
