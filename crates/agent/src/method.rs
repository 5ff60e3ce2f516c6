//! The query pinned for a task's headline: replayed with its period moved, and held against the query that the agent chose.

use std::sync::Arc;

use domain::{
    ResultId,
    answer::{Answer, MethodCheck, MethodOutcome},
    provenance,
    run::RunReason,
    step::ToolCall,
};
use store::TaskMethod;

use crate::{
    builtin::period::{Moment, moved},
    failure::Failure,
    figures,
    journal::KnownResult,
    rows::{self, Rows},
    tools::{Desk, Trouble, replay, replay_id},
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
        Err(why) => {
            note_unreplayed(answer, &why, None);
            return Ok(None);
        }
    };
    // A crash may have left the replay's own result behind.
    let left_behind = desk.journal.result_of_call(&replay_id(call)).await?.map(|result| result.id);
    let behind = behind(desk, answer, left_behind);
    let Some(first) = behind.first() else {
        note(answer, MethodOutcome::NotCompared, "no query ran for this answer", [None, None]);
        return Ok(None);
    };
    let own = behind
        .iter()
        .find(|result| result.connection_id == pinned.connection_id && result.sql.trim() == sql.trim());
    if let Some(own) = own {
        note(answer, MethodOutcome::Same, "By the pinned query.", [Some(own.id); 2]);
        return Ok(None);
    }
    let replayed = match replay(desk, call, pinned.connection_id, sql).await {
        Ok(replayed) => replayed,
        Err(Trouble::Told(told)) => {
            note_unreplayed(answer, in_words(&told.code), Some(told.message));
            return Ok(None);
        }
        Err(Trouble::Failure(Failure::Failed { reason, message, .. })) => {
            note_unreplayed(answer, of_reason(reason), Some(message));
            return Ok(None);
        }
        Err(Trouble::Failure(failure)) => return Err(failure),
    };
    let (compared, own) = hold_against(desk, &replayed, &behind).await?;
    let (outcome, sentence) = match compared {
        Rows::Same { is_cut: false } => (MethodOutcome::Same, "The pinned query comes to the same rows."),
        Rows::Same { is_cut: true } => (
            MethodOutcome::Same,
            "The pinned query comes to the same rows, as far as they were read: there are more than the limit.",
        ),
        Rows::Other => (
            MethodOutcome::Changed,
            "Method changed: the pinned query comes to other rows than the query behind this answer.",
        ),
        Rows::Cut => (
            MethodOutcome::NotCompared,
            "its rows or those behind this answer are more than the limit, and those that were read differ",
        ),
        Rows::TooMany => (MethodOutcome::NotCompared, "there are too many rows"),
    };
    note(answer, outcome, sentence, [Some(replayed.id), own.or(Some(first.id))]);
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

/// The queries that an answer rests on: those whose results it shows or takes figures from. Where it rests on a comparison, a chart or
/// nothing that it names, any query of the turn may be behind it.
fn behind<'a>(desk: &Desk<'a>, answer: &Answer, left_behind: Option<ResultId>) -> Vec<&'a KnownResult> {
    let is_named = |result: &KnownResult| {
        answer.results.iter().any(|shown| shown.id == result.id)
            || answer.figures.iter().flat_map(|figure| &figure.cells).any(|cell| cell.result_id == result.id)
    };
    let of_turn = desk.results.iter().filter(|result| result.turn_no == desk.turn_no);
    let (compared, queried): (Vec<_>, Vec<_>) = of_turn
        .filter(|result| Some(result.id) != left_behind)
        .partition(|result| provenance::is_comparison(&result.sql));
    let named: Vec<_> = queried.iter().copied().filter(|result| is_named(result)).collect();
    let is_open = named.is_empty() || !answer.charts.is_empty() || compared.into_iter().any(is_named);
    if is_open { queried } else { named }
}

/// Holds a replay against the results behind an answer until one has its rows. Answers that one, too.
async fn hold_against(
    desk: &Desk<'_>,
    replayed: &KnownResult,
    behind: &[&KnownResult],
) -> Result<(Rows, Option<ResultId>), Failure> {
    let reference = desk.table(replayed).await?;
    let mut told = Rows::Other;
    for result in behind {
        let (reference, table) = (Arc::clone(&reference), desk.table(result).await?);
        // Results of the largest size take a while, in which other turns go on.
        let compared = tokio::task::spawn_blocking(move || rows::compare(&reference, &table)).await;
        match compared.map_err(|_| {
            Failure::new(RunReason::Internal, "The comparison with the pinned query broke off.")
        })? {
            Rows::Same { is_cut } => return Ok((Rows::Same { is_cut }, Some(result.id))),
            Rows::Other => {}
            unknown @ (Rows::Cut | Rows::TooMany) => told = unknown,
        }
    }
    Ok((told, None))
}

/// Why a query was not replayed, in words that quote nobody: what a database says of a failure may hold values of its rows.
fn in_words(code: &str) -> &'static str {
    match code {
        "timeout" => "it ran longer than a query may",
        "too_large" => "its result is larger than one may be",
        "out_of_resources" => "it needs more memory than a query may use",
        "refused" => "it is no query that may be run",
        "unknown_table" => "a table is missing",
        "unknown_connection" | "access_lost" => "its connection may not be queried for this task now",
        "other_statement" => "it was pinned while this answer was written",
        _ => "it failed",
    }
}

fn of_reason(reason: RunReason) -> &'static str {
    match reason {
        RunReason::AccessLost | RunReason::ConnectionDeleted => in_words("access_lost"),
        RunReason::ConnectionBusy => "its connection was busy",
        RunReason::ConnectionFailed => "its connection could not be reached",
        _ => in_words("failed"),
    }
}

fn note_unreplayed(answer: &mut Answer, why: &str, detail: Option<String>) {
    note(answer, MethodOutcome::NotReplayed, why, [None, None]);
    if let Some(method) = &mut answer.method {
        method.detail = detail;
    }
}

/// Notes what came of it; a caveat, too, unless the queries agree. `told` is the sentence, or the reason why there is nothing to tell.
fn note(answer: &mut Answer, outcome: MethodOutcome, told: &str, [pinned, own]: [Option<ResultId>; 2]) {
    let told = figures::none_in(told);
    let sentence = match outcome {
        MethodOutcome::Same | MethodOutcome::Changed => told,
        MethodOutcome::NotReplayed => format!("The pinned query was not replayed: {told}."),
        MethodOutcome::NotCompared => format!("The pinned query was not compared: {told}."),
    };
    if outcome != MethodOutcome::Same {
        answer.caveats.push(sentence.clone());
    }
    answer.method = Some(MethodCheck { outcome, sentence, detail: None, pinned, own });
}
