//! Stored results of a thread's queries, by the page and as CSV.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use domain::{
    ResultId, ThreadId,
    table::{Cell, Column, Truncation},
};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use store::StoredResult;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    csv,
    error::StoreResult,
    extract::{Path, Query},
    routes::threads::readable,
};

/// How many rows a page has unless said otherwise.
const LIMIT_DEFAULT: i64 = 100;
/// The most rows of a page.
const LIMIT_MAX: u64 = 1_000;
/// How many rows a download reads at once.
const ROWS_AT_ONCE: u64 = 5_000;

/// Rows of a result.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultPage {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// How many rows are stored in all.
    row_count: u64,
    /// The limit that cut the result when it was queried.
    #[schema(required)]
    truncated: Option<Truncation>,
    offset: u64,
}

/// Which rows.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ResultQuery {
    /// The first row, from 0.
    #[param(minimum = 0)]
    offset: Option<i64>,
    /// 1 to 1,000, 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// `csv` downloads all rows, as `Accept: text/csv` does.
    #[param(inline)]
    format: Option<ResultFormat>,
}

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResultFormat {
    Json,
    Csv,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(result_get))
}

/// Rows of a result: a page as JSON, or all as CSV, with cells that a spreadsheet would run defused.
#[utoipa::path(get, path = "/threads/{id}/results/{rid}", tag = "threads",
    params(("id" = Uuid, Path), ("rid" = Uuid, Path), ResultQuery),
    responses((status = 200, content((ResultPage = "application/json"), (String = "text/csv")))))]
pub(crate) async fn result_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path((id, result_id)): Path<(ThreadId, ResultId)>,
    Query(query): Query<ResultQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let offset = u64::try_from(query.offset.unwrap_or(0))
        .map_err(|_| Error::field("offset", "must not be negative"))?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    let limit = u64::try_from(limit).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    let limit =
        limit.ok_or_else(|| Error::field("limit", format!("must be a number from 1 to {LIMIT_MAX}")))?;
    readable(&state, &caller, id).await?;
    let result = state.store.result_get(&caller.scope, result_id).await.or_refused("result")?;
    let result = result.filter(|result| result.thread_id == id).ok_or(Error::NotFound("result"))?;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_csv = match query.format {
        Some(format) => format == ResultFormat::Csv,
        None => accepted.contains("text/csv"),
    };
    if is_csv {
        return Ok(csv_download(state, caller, &result));
    }
    let rows = state.store.result_rows(&caller.scope, result_id, offset, limit).await.or_refused("result")?;
    let page = ResultPage {
        columns: result.columns,
        rows,
        row_count: result.row_count,
        truncated: result.truncated,
        offset,
    };
    Ok(axum::Json(page).into_response())
}

/// All rows as a file, streamed: a result may be larger than a request's memory should be.
fn csv_download(state: ApiState, caller: Caller, result: &StoredResult) -> Response {
    let (id, row_count) = (result.id, result.row_count);
    let disposition = format!("attachment; filename=\"{}.csv\"", result.handle);
    let head = csv::header(&result.columns);
    let rows = stream::try_unfold(0, move |offset| {
        let (state, caller) = (state.clone(), caller.clone());
        async move {
            if offset >= row_count {
                return Ok(None);
            }
            let rows = state.store.result_rows(&caller.scope, id, offset, ROWS_AT_ONCE).await?;
            let text: String = rows.iter().map(|row| csv::line(row)).collect();
            // Without rows there is no end to reach: stop.
            let next = if rows.is_empty() { row_count } else { offset + rows.len() as u64 };
            Ok::<_, store::Error>(Some((text, next)))
        }
    });
    let body = Body::from_stream(stream::once(async { Ok(head) }).chain(rows));
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, body).into_response()
}
