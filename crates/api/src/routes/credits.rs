//! Credits: what the workspace has left, who used how much, and giving it more.

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDate;
use domain::{Credits, TaskId, UserId};
use serde::{Deserialize, Serialize};
use store::CreditOverview;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Query},
    page::{self, List},
    routes::threads::Person,
};

/// The longest note, in characters.
const NOTE_MAX: usize = 500;
/// How many days of usage are told unless said otherwise.
const DAYS: i64 = 31;
/// The most days of usage that are told.
const DAYS_MAX: i64 = 366;

/// How the workspace stands. Amounts are credits, exact to six decimals.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreditBalance {
    /// Whether nothing limits it: no credits were ever granted.
    unlimited: bool,
    /// What is left; below zero by the model calls that were under way when it was used up. Null where unlimited.
    #[schema(required)]
    balance: Option<f64>,
    /// The limit: what was granted so far. Null where unlimited.
    #[schema(required)]
    granted: Option<f64>,
    /// What was used since the month began, by UTC.
    used_this_month: f64,
    /// Runs that wait for credits.
    waiting_runs: u64,
}

/// What the runs of one task, or a person's questions, used on one day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreditUsage {
    /// The day, by UTC.
    day: NaiveDate,
    /// Null for questions.
    #[schema(required)]
    task_id: Option<TaskId>,
    /// For whom they ran.
    creator: Person,
    runs: u64,
    /// Replies of models that cost something.
    replies: u64,
    credits: f64,
}

/// Where the credits of the last days went.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreditSummary {
    /// The first of these days, by UTC.
    first_day: NaiveDate,
    /// The last: today, by UTC.
    last_day: NaiveDate,
    /// What all of it cost.
    credits: f64,
    /// The days that anything was used on, oldest first.
    days: Vec<CreditDay>,
    /// Who used most, at most a hundred.
    people: Vec<CreditPerson>,
    /// How many people used any.
    people_count: u64,
    /// What cost most, at most a hundred.
    tasks: Vec<CreditTask>,
    /// How many tasks used any; each person's questions count as one.
    tasks_count: u64,
}

/// What a day cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreditDay {
    /// The day, by UTC.
    day: NaiveDate,
    credits: f64,
}

/// What one person's runs cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreditPerson {
    person: Person,
    runs: u64,
    credits: f64,
}

/// What the runs of one task cost, or one person's questions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreditTask {
    /// Null for questions.
    #[schema(required)]
    task_id: Option<TaskId>,
    /// Its title, for its creator alone; null for what is deleted, too.
    #[schema(required)]
    title: Option<String>,
    /// For whom they ran.
    creator: Person,
    runs: u64,
    credits: f64,
}

/// Credits to give.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreditGrant {
    /// How many, with at most six decimals. Below zero, so many are taken back.
    #[schema(example = 100.0)]
    amount: f64,
    /// What for, in up to 500 characters.
    #[schema(max_length = 500)]
    note: Option<String>,
}

/// Which usage.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// Cursor: what comes after it.
    after: Option<String>,
    /// 1 to 100, 25 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// The last so many days, today included: 1 to 366, 31 by default.
    #[param(minimum = 1, maximum = 366)]
    days: Option<i64>,
}

/// How far back.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SummaryQuery {
    /// The last so many days, today included: 1 to 366, 31 by default.
    #[param(minimum = 1, maximum = 366)]
    days: Option<i64>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(credit_get, credit_grant))
        .routes(routes!(credit_usage_list))
        .routes(routes!(credit_summary))
}

/// What the workspace has left, and used this month.
#[utoipa::path(get, path = "/credits", tag = "workspace", responses((status = 200, body = CreditBalance)))]
pub(crate) async fn credit_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<CreditBalance>> {
    let overview = state.store.credit_overview(&caller.scope).await.or_refused("workspace")?;
    Ok(axum::Json(overview.into()))
}

/// Grant credits. The first grant limits a workspace that was unlimited. Runs that wait for credits start at once. For admins.
#[utoipa::path(post, path = "/credits", tag = "workspace", request_body = CreditGrant,
    responses((status = 201, body = CreditBalance)))]
pub(crate) async fn credit_grant(
    State(state): State<ApiState>,
    caller: Caller,
    Json(grant): Json<CreditGrant>,
) -> Result<(StatusCode, axum::Json<CreditBalance>)> {
    caller.require_admin()?;
    let amount = Credits::granted(grant.amount).map_err(|error| Error::field("amount", error.to_string()))?;
    let note = grant.note.unwrap_or_default();
    if note.chars().count() > NOTE_MAX || note.chars().any(char::is_control) {
        return Err(Error::field("note", format!("must be one line of at most {NOTE_MAX} characters")));
    }
    let woken = state.store.credit_grant(&caller.scope, amount, note.trim()).await.or_refused("workspace")?;
    tracing::info!(credits = %amount, woken, "credits were granted");
    granted(&state, &caller).await
}

/// The answer to a grant: the balance as it is now.
pub(crate) async fn granted(
    state: &ApiState,
    caller: &Caller,
) -> Result<(StatusCode, axum::Json<CreditBalance>)> {
    let overview = state.store.credit_overview(&caller.scope).await.or_refused("workspace")?;
    Ok((StatusCode::CREATED, axum::Json(overview.into())))
}

/// What was used, by day, person and task, newest day first: all of it for admins, their own for others.
#[utoipa::path(get, path = "/credits/usage", tag = "workspace", params(UsageQuery),
    responses((status = 200, body = List<CreditUsage>)))]
pub(crate) async fn credit_usage_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<UsageQuery>,
) -> Result<axum::Json<List<CreditUsage>>> {
    let days = days(query.days)?;
    let page = page::page(query.limit, query.after.as_deref())?;
    let usage = state.store.credit_usage_list(&caller.scope, whose(&caller), days, &page).await;
    Ok(axum::Json(List::of(usage.or_refused("workspace")?, CreditUsage::from)))
}

/// Where the credits of the last days went, by day, by person and by task: all of it for admins, their own for others.
#[utoipa::path(get, path = "/credits/summary", tag = "workspace", params(SummaryQuery),
    responses((status = 200, body = CreditSummary)))]
pub(crate) async fn credit_summary(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<SummaryQuery>,
) -> Result<axum::Json<CreditSummary>> {
    let days = days(query.days)?;
    let summary = state.store.credit_summary(&caller.scope, caller.user_id, whose(&caller), days).await;
    Ok(axum::Json(summary.or_refused("workspace")?.into()))
}

fn days(asked: Option<i64>) -> Result<u32> {
    let days = asked.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Error::field("days", format!("must be a number from 1 to {DAYS_MAX}")));
    }
    Ok(days as u32)
}

/// Whose usage a caller is told: everybody's for admins, their own for others.
fn whose(caller: &Caller) -> Option<UserId> {
    if caller.require_admin().is_ok() { None } else { Some(caller.user_id) }
}

impl From<CreditOverview> for CreditBalance {
    fn from(overview: CreditOverview) -> Self {
        Self {
            unlimited: overview.pool.is_none(),
            balance: overview.pool.map(|pool| pool.balance.as_f64()),
            granted: overview.pool.map(|pool| pool.granted.as_f64()),
            used_this_month: overview.used_this_month.as_f64(),
            waiting_runs: overview.waiting_runs,
        }
    }
}

impl From<store::CreditUsage> for CreditUsage {
    fn from(usage: store::CreditUsage) -> Self {
        Self {
            day: usage.day,
            task_id: usage.task_id,
            creator: Person { id: usage.creator_id, name: usage.creator_name },
            runs: usage.runs,
            replies: usage.replies,
            credits: usage.credits.as_f64(),
        }
    }
}

impl From<store::CreditSummary> for CreditSummary {
    fn from(summary: store::CreditSummary) -> Self {
        Self {
            first_day: summary.first_day,
            last_day: summary.last_day,
            credits: summary.credits.as_f64(),
            days: summary.days.into_iter().map(CreditDay::from).collect(),
            people: summary.people.into_iter().map(CreditPerson::from).collect(),
            people_count: summary.people_count,
            tasks: summary.tasks.into_iter().map(CreditTask::from).collect(),
            tasks_count: summary.tasks_count,
        }
    }
}

impl From<store::CreditDay> for CreditDay {
    fn from(day: store::CreditDay) -> Self {
        Self { day: day.day, credits: day.credits.as_f64() }
    }
}

impl From<store::CreditPerson> for CreditPerson {
    fn from(spent: store::CreditPerson) -> Self {
        Self {
            person: Person { id: spent.user_id, name: spent.name },
            runs: spent.runs,
            credits: spent.credits.as_f64(),
        }
    }
}

impl From<store::CreditTask> for CreditTask {
    fn from(spent: store::CreditTask) -> Self {
        Self {
            task_id: spent.task_id,
            title: spent.title,
            creator: Person { id: spent.creator_id, name: spent.creator_name },
            runs: spent.runs,
            credits: spent.credits.as_f64(),
        }
    }
}
