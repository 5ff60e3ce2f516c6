//! `create_chart`: a Vega-Lite spec over a stored result.

use std::sync::Arc;

use domain::step::ToolCall;
use fail::fail_point;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Desk, Outcome, Told, Trouble, arguments};
use crate::journal::NewChart;

pub(super) const DESCRIPTION: &str = "Draw one result with a Vega-Lite spec (mark, encoding, optionally transform, layer \
or facet) without data, size, colours or config: those are filled in by code. Answers a chart handle (c1, c2, ...), or \
an error that says what to mend. At most 5,000 rows.";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// The result's handle, such as r1.
    result: String,
    /// What the chart shows, in a few words.
    title: String,
    /// Vega-Lite without `data`; fields are the result's column names.
    spec: Map<String, Value>,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    let Arguments { result, title, spec } = arguments(call)?;
    let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(150).collect();
    if title.is_empty() {
        return Err(Told::new(
            "invalid_arguments",
            "the title is empty",
            "Say in a few words what it shows.",
        )
        .into());
    }
    let result = desk.result(&result)?;
    let table = desk.table(result).await?;
    let options = chart::Options {
        title: title.clone(),
        timezone: desk.context.timezone.parse().unwrap_or_default(),
        ..chart::Options::default()
    };
    let spec = Value::Object(spec);
    let prepared = desk.charts.prepare(spec.clone(), table, options).await.map_err(|error| told(&error))?;
    let prepared = Arc::new(prepared);
    let drawn = desk.charts.render(Arc::clone(&prepared)).await.map_err(|error| told(&error))?;
    let new = NewChart { result_id: result.id, title, spec, prepared, drawn };
    let chart = desk.journal.store_chart(&call.id, &new).await?;
    fail_point!("agent::chart_stored");
    let output = json!({ "chart": chart.handle, "alt": chart.alt });
    Ok(Outcome { chart: Some(chart), ..Outcome::told(output) })
}

fn told(error: &chart::Error) -> Told {
    Told::new(error.code(), error.to_string(), error.hint())
}
