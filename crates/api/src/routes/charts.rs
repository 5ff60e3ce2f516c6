//! Charts of a thread: the compiled picture for the page, and rendered.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use domain::{ChartId, ThreadId};
use serde::Serialize;
use store::StoredChart;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result, auth::Caller, error::StoreResult, extract::Path, routes::threads::readable,
};

/// What a picture may do when it is opened on its own: nothing but show itself.
const SVG_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// A chart, ready for a Vega runtime.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chart {
    /// Compiled Vega with its data. Draw it with the interpreter; it needs no `eval`.
    #[schema(value_type = Object)]
    vega: serde_json::Value,
    /// In CSS pixels.
    width: u32,
    /// In CSS pixels.
    height: u32,
    title: String,
    /// What it shows, in words.
    alt: String,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(chart_get))
}

/// A chart. `.svg` or `.png` after the id answers it rendered, the PNG at twice its size.
#[utoipa::path(get, path = "/threads/{id}/charts/{cid}", tag = "threads",
    params(("id" = Uuid, Path), ("cid" = String, Path, description = "The chart's id, or that with `.svg` or `.png`.")),
    responses((status = 200,
        content((Chart = "application/json"), (String = "image/svg+xml"), (String = "image/png")))))]
pub(crate) async fn chart_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path((id, name)): Path<(ThreadId, String)>,
) -> Result<Response> {
    const MISSING: Error = Error::NotFound("chart");
    readable(&state, &caller, id).await?;
    let (chart_id, ending) =
        name.split_once('.').map_or((name.as_str(), None), |(id, ending)| (id, Some(ending)));
    let chart_id: ChartId = chart_id.parse().map_err(|_| MISSING)?;
    let chart = state.store.chart_get(&caller.scope, chart_id).await.or_refused("chart")?;
    let chart = chart.filter(|chart| chart.thread_id == id).ok_or(MISSING)?;
    match ending {
        None => {
            let vega =
                state.store.chart_vega(&caller.scope, chart_id).await.or_refused("chart")?.ok_or(MISSING)?;
            let StoredChart { width, height, title, alt, .. } = chart;
            Ok(axum::Json(Chart { vega, width, height, title, alt }).into_response())
        }
        Some("svg") => {
            let svg =
                state.store.chart_svg(&caller.scope, chart_id).await.or_refused("chart")?.ok_or(MISSING)?;
            let headers =
                [(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, SVG_POLICY)];
            Ok((headers, svg).into_response())
        }
        Some("png") => {
            let png =
                state.store.chart_png(&caller.scope, chart_id).await.or_refused("chart")?.ok_or(MISSING)?;
            Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
        }
        Some(_) => Err(MISSING),
    }
}
