//! The query pinned for a task's headline: replayed with its period moved, and held against the query that the agent chose.

use domain::{
    answer::{Answer, MethodCheck, MethodOutcome},
    step::ToolCall,
};
use store::TaskMethod;

use crate::{
    builtin::period::{Moment, moved},
    eval::score::same_rows,
    failure::Failure,
    figures,
    journal::KnownResult,
    tools::{Desk, Trouble, replay},
};

/// Replays a task's pinned query, if it has one, and notes in the answer what came of it. Answers the result that was stored.
/// What keeps the query from running does not keep the answer from its readers: it is said.
pub(crate) async fn check(
    desk: &Desk<'_>,
    call: &ToolCall,
    answer: &mut Answer,
) -> Result<Option<KnownResult>, Failure> {
    if !desk.has_method {
        return Ok(None);
    }
    let Some(pinned) = desk.journal.task_method().await? else { return Ok(None) };
    let sql = match sql_now(desk, &pinned) {
        Ok(sql) => sql,
        Err(why) => return not_replayed(answer, &why),
    };
    let shown: Vec<&KnownResult> = answer
        .results
        .iter()
        .filter_map(|shown| desk.known_result(&shown.handle))
        .filter(|result| result.turn_no == desk.turn_no)
        .collect();
    let own = shown
        .iter()
        .find(|result| result.connection_id == pinned.connection_id && result.sql.trim() == sql.trim());
    if let Some(own) = own {
        answer.method = Some(MethodCheck {
            outcome: MethodOutcome::Same,
            sentence: "By the pinned query.".into(),
            pinned: Some(own.id),
            own: Some(own.id),
        });
        return Ok(None);
    }
    let replayed = match replay(desk, call, pinned.connection_id, sql).await {
        Ok(replayed) => replayed,
        Err(Trouble::Told(told)) => return not_replayed(answer, &told.message),
        Err(Trouble::Failure(Failure::Failed { message, .. })) => return not_replayed(answer, &message),
        Err(Trouble::Failure(failure)) => return Err(failure),
    };
    let reference = desk.table(&replayed).await?;
    let mut same = None;
    for result in &shown {
        if same_rows(&reference, &*desk.table(result).await?) {
            same = Some(result.id);
            break;
        }
    }
    let own = same.or(shown.first().map(|result| result.id));
    let (outcome, sentence) = match same {
        Some(_) => (MethodOutcome::Same, "The pinned query comes to the same rows."),
        None => (
            MethodOutcome::Changed,
            "Method changed: the pinned query comes to other rows than the query behind this answer.",
        ),
    };
    if outcome == MethodOutcome::Changed {
        answer.caveats.push(sentence.to_owned());
    }
    answer.method =
        Some(MethodCheck { outcome, sentence: sentence.to_owned(), pinned: Some(replayed.id), own });
    Ok(Some(replayed))
}

fn sql_now(desk: &Desk<'_>, pinned: &TaskMethod) -> Result<String, String> {
    if pinned.question != desk.prompt {
        return Err("the question was changed since it was pinned".to_owned());
    }
    let then = Moment::new(pinned.as_of, &pinned.timezone);
    let now = Moment::new(desk.context.now, &desk.context.timezone);
    moved(&pinned.question, &pinned.sql, then, now).map_err(|unmoved| unmoved.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "the answer of every way out of `check`")]
fn not_replayed(answer: &mut Answer, why: &str) -> Result<Option<KnownResult>, Failure> {
    // A database may have said why.
    let why = figures::none_in(why.trim_end_matches('.'));
    let sentence = format!("The pinned query was not replayed: {why}.");
    answer.caveats.push(sentence.clone());
    answer.method =
        Some(MethodCheck { outcome: MethodOutcome::NotReplayed, sentence, pinned: None, own: None });
    Ok(None)
}
