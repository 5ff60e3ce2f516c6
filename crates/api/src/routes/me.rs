//! One's own account.

use axum::extract::State;
use chrono_tz::Tz;
use domain::{TaskId, UserId, WorkspaceId, access::Role, invalid::Issues};
use serde::{Deserialize, Serialize};
use store::NotificationPreference;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiState, Error, Result, auth::Caller, error::StoreResult, extract::Json};

/// The longest name, in characters.
const NAME_MAX: usize = 100;
/// The most tasks that one may be quiet about.
const QUIET_TASKS_MAX: usize = 1_000;

/// Who is signed in, where, and what is switched on there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) role: Role,
    /// An IANA time zone: the one in which the page shows times and new tasks are scheduled.
    pub(crate) timezone: String,
    pub(crate) workspace: Workspace,
    pub(crate) features: Features,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workspace {
    pub(crate) id: WorkspaceId,
    pub(crate) name: String,
}

/// What is switched on in this workspace and on this server.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Features {
    /// Mails are kept for the page's Outbox instead of being sent.
    pub(crate) outbox: bool,
    /// Slack is installed.
    pub(crate) slack: bool,
    /// Who answers questions: `builtin`, or provider and model, such as `openai:gpt-5`.
    pub(crate) model: String,
    /// Tasks may be saved without an expiration.
    pub(crate) may_never_expire: bool,
}

/// Changes to one's own account. What is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MePatch {
    /// 1 to 100 characters.
    name: Option<String>,
    /// An IANA time zone.
    timezone: Option<String>,
}

/// By what ways one wants to be told, and of which tasks not at all.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationPreferences {
    /// By email.
    email: bool,
    /// By a direct message in Slack.
    slack_dm: bool,
    /// Tasks whose messages one does not want.
    quiet_task_ids: Vec<TaskId>,
}

/// The same, as one wants it from now on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NotificationPreferencesRequest {
    /// By email.
    email: bool,
    /// By a direct message in Slack.
    slack_dm: bool,
    /// Tasks whose messages one does not want: these and no others. Left out, they stay as they are.
    quiet_task_ids: Option<Vec<TaskId>>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(me_get, me_update))
        .routes(routes!(notification_preferences_get, notification_preferences_replace))
}

/// Who is signed in.
#[utoipa::path(get, path = "/me", tag = "me", responses((status = 200, body = Me)))]
pub(crate) async fn me_get(State(state): State<ApiState>, caller: Caller) -> Result<axum::Json<Me>> {
    describe(&state, &caller).await.map(axum::Json)
}

/// Change one's name or time zone.
#[utoipa::path(patch, path = "/me", tag = "me", request_body = Option<MePatch>, responses((status = 200, body = Me)))]
pub(crate) async fn me_update(
    State(state): State<ApiState>,
    caller: Caller,
    Json(patch): Json<MePatch>,
) -> Result<axum::Json<Me>> {
    let mut issues = Issues::default();
    let name = patch.name.as_deref().map(str::trim);
    if let Some(name) = name {
        let length = name.chars().count();
        issues.require(
            (1..=NAME_MAX).contains(&length),
            "name",
            &format!("must have 1 to {NAME_MAX} characters"),
        );
        issues.require(
            !name.chars().any(char::is_control),
            "name",
            "must be one line without control characters",
        );
    }
    if let Some(zone) = &patch.timezone {
        issues.require(
            zone.parse::<Tz>().is_ok(),
            "timezone",
            "is not an IANA time zone such as `Europe/Berlin`",
        );
    }
    issues.into_result()?;
    let timezone = patch.timezone.as_deref();
    state
        .store
        .member_update_profile(&caller.scope, caller.user_id, name, timezone)
        .await
        .or_refused("user")?;
    let mut changed = (*caller).clone();
    changed.name = name.map_or(changed.name, str::to_owned);
    changed.timezone = patch.timezone.unwrap_or(changed.timezone);
    describe(&state, &changed).await.map(axum::Json)
}

/// By what ways one is told.
#[utoipa::path(get, path = "/me/notification-preferences", tag = "me",
    responses((status = 200, body = NotificationPreferences)))]
pub(crate) async fn notification_preferences_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<NotificationPreferences>> {
    let preference = state.store.preference_get(&caller.scope, caller.user_id).await.or_refused("user")?;
    Ok(axum::Json(NotificationPreferences {
        email: preference.email,
        slack_dm: preference.slack_dm,
        quiet_task_ids: preference.quiet_task_ids,
    }))
}

/// Replace them.
#[utoipa::path(put, path = "/me/notification-preferences", tag = "me", request_body = NotificationPreferencesRequest,
    responses((status = 200, body = NotificationPreferences)))]
pub(crate) async fn notification_preferences_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Json(preferences): Json<NotificationPreferencesRequest>,
) -> Result<axum::Json<NotificationPreferences>> {
    let NotificationPreferencesRequest { email, slack_dm, quiet_task_ids } = preferences;
    let (store, scope, user_id) = (&state.store, &caller.scope, caller.user_id);
    let saved = match quiet_task_ids {
        None => store.preference_ways_put(scope, user_id, email, slack_dm).await,
        Some(quiet_task_ids) => {
            if quiet_task_ids.len() > QUIET_TASKS_MAX {
                return Err(Error::field("quietTaskIds", format!("at most {QUIET_TASKS_MAX} tasks")));
            }
            let preference = NotificationPreference { email, slack_dm, quiet_task_ids };
            store.preference_put(scope, user_id, &preference).await
        }
    };
    saved.or_refused("user")?;
    notification_preferences_get(State(state), caller).await
}

/// A caller as `GET /me` shows them.
pub(crate) async fn describe(state: &ApiState, caller: &store::Caller) -> Result<Me> {
    let workspace = state.store.workspace_get(&caller.scope).await.or_refused("workspace")?;
    let own_model = state.store.workspace_model_view(&caller.scope).await.or_refused("workspace")?;
    Ok(Me {
        id: caller.user_id,
        name: caller.name.clone(),
        email: caller.email.clone(),
        role: caller.role,
        timezone: caller.timezone.clone(),
        workspace: Workspace { id: workspace.id, name: workspace.name },
        features: Features {
            outbox: state.options.has_outbox,
            slack: state.store.slack_installation_get(&caller.scope).await.or_refused("workspace")?.is_some(),
            model: own_model
                .map_or_else(|| state.options.model.clone(), |own| format!("openai:{}", own.name)),
            may_never_expire: workspace.settings.may_never_expire,
        },
    })
}
