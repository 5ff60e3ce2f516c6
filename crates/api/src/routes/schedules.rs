//! The preview of a schedule's next windows.

use axum::extract::State;
use chrono::{DateTime, Datelike, Utc};
use domain::schedule::{Schedule, ScheduleSpec, Window};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{self, Json},
};

/// How many windows are answered unless said otherwise.
const COUNT_DEFAULT: i64 = 5;
/// The most windows of one schedule.
const COUNT_MAX: i64 = 50;
/// The most schedules of one request.
const ITEMS_MAX: usize = 1_000;
/// Beyond these years there are no time zone rules to speak of.
const YEAR_MIN: i32 = 1900;
/// See [`YEAR_MIN`].
const YEAR_MAX: i32 = 9990;

/// One schedule, or up to 1,000 under `items`.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "describes the body; the handler reads one or the other, to name the wrong field"
)]
pub(crate) enum PreviewRequest {
    /// Many.
    Many(PreviewItems),
    /// One.
    One(PreviewItem),
}

/// Many schedules.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PreviewItems {
    /// At most 1,000.
    #[schema(max_items = 1000)]
    items: Vec<PreviewItem>,
}

/// A schedule whose next windows are asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PreviewItem {
    schedule: ScheduleSpec,
    /// Windows open strictly after this; now by default.
    after: Option<DateTime<Utc>>,
    /// How many: 5 by default.
    #[schema(minimum = 1, maximum = 50)]
    count: Option<i64>,
}

/// The answer to one, or to many in their order.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PreviewAnswer {
    /// To many.
    Many(PreviewedItems),
    /// To one.
    One(Preview),
}

/// The windows of many schedules.
#[derive(Serialize, ToSchema)]
pub(crate) struct PreviewedItems {
    items: Vec<Preview>,
}

/// The next windows of a schedule.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    windows: Vec<Window>,
    /// `Every Monday, 09:00 to 11:00, Europe/Berlin`.
    schedule_in_words: String,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(schedule_preview))
}

/// The next delivery windows of a schedule, without saving anything.
#[utoipa::path(post, path = "/schedules/preview", tag = "tasks", request_body = PreviewRequest,
    responses((status = 200, body = PreviewAnswer)))]
pub(crate) async fn schedule_preview(
    State(state): State<ApiState>,
    _caller: Caller,
    Json(body): Json<Value>,
) -> Result<axum::Json<PreviewAnswer>> {
    let now = state.store.now().await.or_refused("schedule")?;
    if body.get("items").is_none() {
        let item = extract::read::<PreviewItem>(body, "")?;
        return Ok(axum::Json(PreviewAnswer::One(preview(item, "", now)?)));
    }
    let PreviewItems { items } = extract::read(body, "")?;
    if items.len() > ITEMS_MAX {
        return Err(Error::field("items", format!("at most {ITEMS_MAX} items")));
    }
    // A thousand schedules of fifty windows each take a while: off the threads that serve others.
    let previews = tokio::task::spawn_blocking(move || {
        let items = items.into_iter().enumerate();
        items.map(|(index, item)| preview(item, &format!("items[{index}]."), now)).collect::<Result<Vec<_>>>()
    });
    let items = previews.await.map_err(Error::internal)??;
    Ok(axum::Json(PreviewAnswer::Many(PreviewedItems { items })))
}

fn preview(item: PreviewItem, prefix: &str, now: DateTime<Utc>) -> Result<Preview> {
    let count = item.count.unwrap_or(COUNT_DEFAULT);
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(Error::field(
            format!("{prefix}count"),
            format!("must be a number from 1 to {COUNT_MAX}"),
        ));
    }
    let schedule = Schedule::parse(item.schedule, &format!("{prefix}schedule."))?;
    let after = item.after.unwrap_or(now);
    if !(YEAR_MIN..=YEAR_MAX).contains(&after.year()) {
        return Err(Error::field(
            format!("{prefix}after"),
            format!("must lie between the years {YEAR_MIN} and {YEAR_MAX}"),
        ));
    }
    let windows = schedule.windows_after(after).take(count as usize).collect();
    Ok(Preview { windows, schedule_in_words: schedule.in_words() })
}
