//! A task's condition at the end of its run: evaluated by code on the rows that are stored with the thread.

use domain::{
    TaskId,
    check::{self, Check, CheckedRows, History, Verdict},
    condition::Condition,
    run::RunTrigger,
};
use store::{ClaimedRun, NewCheck, PastValues, Store};

use crate::{figures, turn::Ended};

/// Evaluates a condition on what a turn ended with: beside what earlier runs of the task found, or in a backtest its earlier
/// occurrences.
pub(crate) async fn evaluate(
    store: &Store,
    run: &ClaimedRun,
    task_id: TaskId,
    condition: &Condition,
    ended: &Ended,
) -> Result<NewCheck, store::Error> {
    let ClaimedRun { scope, lease, trigger, thread_id, .. } = run;
    let without = |why: &str| NewCheck { check: Check::not_evaluated(why.to_owned()), rows_digest: None };
    if let Some(limit) = &ended.limit {
        return Ok(without(&format!("{limit} was reached before there was an answer")));
    }
    let Some(checked) = &ended.answer.checked else {
        return Ok(without("the answer rests on no result"));
    };
    let Some(table) = store.result_table(scope, checked.id).await? else {
        return Ok(without("its result is gone"));
    };
    let rows = CheckedRows {
        id: checked.id,
        handle: &checked.handle,
        table: &table,
        column: checked.column.as_deref(),
    };
    let measure = match check::measure(condition, &rows) {
        Ok(measure) => measure,
        Err(why) => return Ok(without(&why)),
    };
    let column = measure.column.as_deref();
    let history = match trigger {
        _ if !condition.needs_history() => History::default(),
        RunTrigger::Backtest => store.backtest_history(scope, lease.run_id, column).await?,
        RunTrigger::Schedule
        | RunTrigger::Manual
        | RunTrigger::Test
        | RunTrigger::Retry
        | RunTrigger::Thread => {
            let PastValues { history, connection_ids } = store.check_history(scope, task_id, column).await?;
            // The answer says what it was held against: that is data of theirs.
            store.connection_read_put(scope, lease, *thread_id, &connection_ids).await?;
            history
        }
    };
    Ok(NewCheck { check: check::judge(condition, &measure, &history), rows_digest: measure.digest })
}

/// Has an answer say why it is sent, or why not.
pub(crate) fn tell(ended: &mut Ended, check: &Check, trigger: RunTrigger) {
    let sentence = &check.sentence;
    let why = match (check.verdict, trigger) {
        (Verdict::Holds, RunTrigger::Test) => {
            format!("A test: on schedule it would be sent, because {sentence}.")
        }
        (Verdict::Holds, RunTrigger::Backtest) => format!("It would have been sent, because {sentence}."),
        (Verdict::Holds, _) => format!("Sent because {sentence}."),
        (Verdict::DoesNotHold, RunTrigger::Test) => {
            format!("A test: on schedule nothing would be sent, because {sentence}.")
        }
        (Verdict::DoesNotHold, RunTrigger::Backtest) => {
            format!("Nothing would have been sent, because {sentence}.")
        }
        (Verdict::DoesNotHold, _) => format!("Nothing was sent, because {sentence}."),
        (Verdict::First, RunTrigger::Backtest) => {
            format!("It would have been sent, because it is the first of this backtest: {sentence}.")
        }
        (Verdict::First, _) => format!("Sent because this is the first run that counts: {sentence}."),
        (Verdict::NotEvaluated, _) => {
            let caveat = format!("Sent though its condition could not be evaluated: {sentence}.");
            return ended.answer.caveats.push(figures::none_in(&caveat));
        }
    };
    ended.answer.why = Some(why);
}

/// Has an answer say first of all that its data is not fresh.
pub(crate) fn tell_stale(ended: &mut Ended, stale: &str) {
    let stale = figures::none_in(stale);
    ended.answer.caveats.insert(0, stale.clone());
    ended.answer.stale = Some(stale);
}
