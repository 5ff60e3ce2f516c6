//! Caps on what work may cost, and what a task will cost before it is saved.

use axum::extract::State;
use domain::{
    Credits, TaskId, UserId,
    credit_cap::CreditCaps,
    invalid::Issues,
    schedule::{Schedule, ScheduleSpec},
    task::{PROMPT_MAX, plain_prompt},
};
use serde::{Deserialize, Serialize};
use store::{CapOf, CreditCap, PastCost};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Json, Path},
    routes::threads::Person,
};

/// An estimate counts the runs of so many days.
const MONTH_DAYS: i64 = 30;
/// Replies of the shortest turn: look for the table, describe it, query, answer; and the most that a prompt is taken for.
const REPLIES_MIN: usize = 4;
const REPLIES_MAX: usize = 10;

/// The caps that an admin sets. A task's own are part of the task.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CapList {
    /// Whether caps hold: not while the workspace's own model answers, which costs no credits.
    are_held: bool,
    /// Of all work of the workspace.
    workspace: Cap,
    /// Of members that have caps of their own, by name.
    users: Vec<UserCap>,
}

/// Caps, and what is used of them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cap {
    caps: CreditCaps,
    /// What was used since the month began, by UTC.
    used_this_month: f64,
}

/// A member's caps.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserCap {
    user: Person,
    caps: CreditCaps,
    /// What was used for them since the month began, by UTC.
    used_this_month: f64,
}

/// A task whose cost is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EstimateRequest {
    /// The task, where it is there already: its past runs tell most.
    task_id: Option<TaskId>,
    /// The question.
    prompt: String,
    schedule: ScheduleSpec,
}

/// What an estimate rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EstimateBasis {
    /// The last ten answered runs of the task.
    PastRuns,
    /// The steps that the question takes, at what replies have cost here.
    Plan,
}

/// What a task will cost, about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Estimate {
    /// A run, in credits.
    per_run: f64,
    /// The runs of the next 30 days, in credits.
    per_month: f64,
    /// How many these are.
    runs_per_month: u32,
    basis: EstimateBasis,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(cap_list))
        .routes(routes!(cap_workspace_set))
        .routes(routes!(cap_user_set))
        .routes(routes!(credit_estimate))
}

/// The caps of the workspace, and of its members: of all to admins, their own to others.
#[utoipa::path(get, path = "/credits/caps", tag = "workspace", responses((status = 200, body = CapList)))]
pub(crate) async fn cap_list(State(state): State<ApiState>, caller: Caller) -> Result<axum::Json<CapList>> {
    list(&state, &caller).await
}

async fn list(state: &ApiState, caller: &Caller) -> Result<axum::Json<CapList>> {
    let user_id = if caller.require_admin().is_ok() { None } else { Some(caller.user_id) };
    let all = state.store.credit_cap_list(&caller.scope, user_id).await.or_refused("cap")?;
    let mut list = CapList {
        are_held: !has_own_model(state, caller).await?,
        workspace: Cap { caps: CreditCaps::default(), used_this_month: 0.0 },
        users: vec![],
    };
    for CreditCap { user, caps, used } in all {
        let used_this_month = used.as_f64();
        match user {
            None => list.workspace = Cap { caps, used_this_month },
            Some((id, name)) => list.users.push(UserCap { user: Person { id, name }, caps, used_this_month }),
        }
    }
    Ok(axum::Json(list))
}

async fn has_own_model(state: &ApiState, caller: &Caller) -> Result<bool> {
    Ok(state.store.workspace_model_view(&caller.scope).await.or_refused("workspace")?.is_some())
}

/// Set the workspace's caps, both; what is absent is no cap. For admins.
#[utoipa::path(put, path = "/credits/caps/workspace", tag = "workspace", request_body = CreditCaps,
    responses((status = 200, body = CapList)))]
pub(crate) async fn cap_workspace_set(
    State(state): State<ApiState>,
    caller: Caller,
    Json(caps): Json<CreditCaps>,
) -> Result<axum::Json<CapList>> {
    set(&state, &caller, CapOf::Workspace, &caps).await
}

/// Set a member's caps, both; what is absent is no cap. They hold for all that runs for the member. For admins.
#[utoipa::path(put, path = "/credits/caps/users/{id}", tag = "workspace", request_body = CreditCaps,
    params(("id" = Uuid, Path)), responses((status = 200, body = CapList)))]
pub(crate) async fn cap_user_set(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<UserId>,
    Json(caps): Json<CreditCaps>,
) -> Result<axum::Json<CapList>> {
    set(&state, &caller, CapOf::User(id), &caps).await
}

async fn set(state: &ApiState, caller: &Caller, of: CapOf, caps: &CreditCaps) -> Result<axum::Json<CapList>> {
    caller.require_admin()?;
    let mut issues = Issues::default();
    caps.check("", &mut issues);
    issues.into_result()?;
    state.store.credit_cap_set(&caller.scope, of, caps).await.or_refused("user")?;
    list(state, caller).await
}

/// What a task will cost, without saving anything: nothing where the workspace's own model answers.
#[utoipa::path(post, path = "/credits/estimate", tag = "tasks", request_body = EstimateRequest,
    responses((status = 200, body = Estimate)))]
pub(crate) async fn credit_estimate(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<EstimateRequest>,
) -> Result<axum::Json<Estimate>> {
    if request.prompt.chars().count() > PROMPT_MAX {
        return Err(Error::field("prompt", format!("must have at most {PROMPT_MAX} characters")));
    }
    let schedule = Schedule::parse(request.schedule, "schedule.")?;
    if let Some(id) = request.task_id {
        let task = state.store.task_get(&caller.scope, id).await.or_refused("task")?;
        task.filter(|task| task.creator_id == caller.user_id).ok_or(Error::NotFound("task"))?;
    }
    let past = state.store.credit_past(&caller.scope, request.task_id).await.or_refused("task")?;
    let now = state.store.now().await.or_refused("task")?;
    let until = now + chrono::TimeDelta::days(MONTH_DAYS);
    let runs = schedule.windows_after(now).take_while(|window| window.opens_at <= until).count();
    let (mut per_run, basis) = cost_of_run(past, &request.prompt, state.options.reply_cost);
    // Whatever runs have cost before.
    if has_own_model(&state, &caller).await? {
        per_run = Credits::default();
    }
    let per_month = Credits::from_micros(per_run.as_micros().saturating_mul(runs as i64));
    Ok(axum::Json(Estimate {
        per_run: per_run.as_f64(),
        per_month: per_month.as_f64(),
        runs_per_month: runs as u32,
        basis,
    }))
}

fn cost_of_run(past: PastCost, prompt: &str, typical_reply: Credits) -> (Credits, EstimateBasis) {
    if let Some(per_run) = past.per_run {
        return (per_run, EstimateBasis::PastRuns);
    }
    let per_reply = past.per_reply.unwrap_or(typical_reply).as_micros();
    (Credits::from_micros(per_reply.saturating_mul(planned_replies(prompt) as i64)), EstimateBasis::Plan)
}

/// How often a model will be asked: once more for each further thing that the prompt wants to know.
fn planned_replies(prompt: &str) -> usize {
    let prompt = plain_prompt(prompt).to_lowercase();
    let sentences =
        prompt.split(['.', '?', '!', ';', '\n']).filter(|part| part.split_whitespace().count() > 2).count();
    let comparisons = ["compared", "versus", " vs", "why", "chart", "trend"]
        .iter()
        .filter(|word| prompt.contains(**word))
        .count();
    (REPLIES_MIN + sentences.saturating_sub(1) + comparisons).min(REPLIES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_question_takes_more_replies_up_to_a_bound() {
        assert_eq!(planned_replies("How many flights?"), 4);
        assert_eq!(
            planned_replies("Revenue last week, compared with the week before. Why did it change?"),
            7
        );
        assert_eq!(planned_replies(&"And then how many of those? ".repeat(50)), 10);
    }

    #[test]
    fn past_runs_tell_more_than_a_plan() {
        let credits = Credits::from_micros;
        let known = PastCost { per_run: Some(credits(5)), per_reply: Some(credits(2)) };
        assert_eq!(
            cost_of_run(known, "How many flights?", credits(9)),
            (credits(5), EstimateBasis::PastRuns)
        );
        let new = PastCost { per_run: None, ..known };
        assert_eq!(cost_of_run(new, "How many flights?", credits(9)), (credits(8), EstimateBasis::Plan));
        let nothing = PastCost::default();
        assert_eq!(cost_of_run(nothing, "How many flights?", credits(9)), (credits(36), EstimateBasis::Plan));
    }
}
