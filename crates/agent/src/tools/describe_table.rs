//! `describe_table`: what the columns of a table are and hold.

use domain::{ConnectionId, step::ToolCall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use warehouse::TableDescription;

use super::{Desk, Outcome, Trouble, arguments};

pub(super) const DESCRIPTION: &str = "Columns of one table: type, comment, keys, references, sample values, smallest and \
largest value. Look before you query, so that filters use values as they are spelled in the data.";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// The connection's id, as search_catalog gave it.
    connection_id: String,
    /// The table's name, as search_catalog gave it.
    table: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    connection_id: ConnectionId,
    #[serde(flatten)]
    description: &'a TableDescription,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    let Arguments { connection_id, table } = arguments(call)?;
    let reachable = desk.connection(&connection_id).await?;
    let admission = desk.admit(&reachable).await?;
    let described = admission.run(Box::pin(desk.warehouse.describe(&reachable.spec, &table))).await?;
    let description = match described {
        Ok(description) => description,
        Err(error) => return Err(desk.source_failed(&reachable, error).await),
    };
    // Its samples are data, and there is no result that would tell where they are from.
    desk.journal.note_read(&[reachable.id]).await?;
    Ok(Outcome::told(json!(Described { connection_id: reachable.id, description: &description })))
}
