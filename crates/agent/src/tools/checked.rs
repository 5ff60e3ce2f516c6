//! Which result and column a task's condition is about: named by the agent, found by code.

use domain::{
    answer::{CheckedResult, ShownResult},
    condition::Condition,
    table::Table,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Desk, Repair, Told, Trouble};

/// What the condition is to be evaluated on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CheckArgument {
    /// Handle of the result, such as r1.
    result: String,
    /// Name of the numeric column, where the condition is about a value.
    #[serde(default)]
    column: Option<String>,
}

/// What a task's condition is about: what the agent names, if it is there; else the first shown result that has the column
/// which the condition pins, or the first. None without a condition or a result.
pub(super) async fn find(
    desk: &Desk<'_>,
    argument: Option<&CheckArgument>,
    shown: &[ShownResult],
) -> Result<Option<CheckedResult>, Trouble> {
    let Some(condition) = &desk.context.condition else { return Ok(None) };
    if let Some(argument) = argument {
        match named(desk, condition, argument).await {
            // At the last, what is named wrongly is no reason to have no answer: the rule decides.
            Err(Trouble::Told(_)) if desk.repair == Repair::Done => {}
            named => return named.map(Some),
        }
    }
    let mut first = None;
    for shown in shown {
        let known = desk.result(&shown.handle)?;
        let checked = CheckedResult { id: known.id, handle: known.handle.clone(), column: None };
        let Some(pinned) = condition.column() else { return Ok(Some(checked)) };
        if desk.table(known).await?.column_index(pinned).is_some() {
            return Ok(Some(checked));
        }
        first = first.or(Some(checked));
    }
    Ok(first)
}

async fn named(
    desk: &Desk<'_>,
    condition: &Condition,
    argument: &CheckArgument,
) -> Result<CheckedResult, Trouble> {
    let known = desk.result(&argument.result)?;
    let table = desk.table(known).await?;
    let wanted = condition.column().or(argument.column.as_deref()).filter(|_| condition.needs_value());
    let column = wanted.map(|wanted| numeric_column(&table, &known.handle, wanted)).transpose()?;
    Ok(CheckedResult { id: known.id, handle: known.handle.clone(), column })
}

fn numeric_column(table: &Table, handle: &str, wanted: &str) -> Result<String, Told> {
    let found = table.column_index(wanted).map(|index| &table.columns[index]);
    if let Some(column) = found.filter(|column| column.kind.is_numeric()) {
        return Ok(column.name.clone());
    }
    let problem = if found.is_some() { "holds no numbers" } else { "is not there" };
    let numeric: Vec<_> = table
        .columns
        .iter()
        .filter(|column| column.kind.is_numeric())
        .map(|column| column.name.as_str())
        .collect();
    Err(Told::new(
        "unfit_check",
        format!("the condition is about the column `{wanted}`, which {problem} in {handle}"),
        format!(
            "Name in `check` a result that has this column with numbers; where none has, query it under that name. The \
             columns of {handle} with numbers: {}.",
            numeric.join(", ")
        ),
    ))
}
