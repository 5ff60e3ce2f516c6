//! Who answers a workspace's questions: the server's model, or one that the workspace brings itself. For admins.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use domain::{UserId, invalid::Issues};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::{KeyChange, WorkspaceModelChange, WorkspaceModelView};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Result, auth::Caller, error::StoreResult, extract::Json, model_probe::ProposedModel, outbound,
};

/// The longest name of a model, in characters.
const NAME_MAX: usize = 200;
/// The longest key, in characters.
const KEY_MAX: usize = 1_000;

/// Who answers the workspace's questions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelSettings {
    server: ServerModel,
    /// The provider that the workspace brings itself. Where there is one, it alone answers.
    #[schema(required)]
    own: Option<OwnModel>,
}

/// What the server's operator set up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerModel {
    /// `builtin`, or provider and model, such as `openai:gpt-5`.
    model: String,
    /// Who answers while that one is down.
    #[schema(required)]
    fallback: Option<String>,
}

/// A workspace's own provider. Its key is shown to nobody.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnModel {
    /// Up to and without `/chat/completions`; null: OpenAI's own.
    #[schema(required)]
    base_url: Option<String>,
    model: String,
    /// Whether a key is kept.
    has_key: bool,
    updated_by: UserId,
    updated_by_name: String,
    updated_at: DateTime<Utc>,
}

/// A provider that speaks OpenAI Chat Completions.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModelRequest {
    /// Up to and without `/chat/completions`: an https address that is reached from the open internet, of at most 2,000
    /// characters. Absent or null: OpenAI's own.
    #[schema(example = "https://models.example.com/v1")]
    base_url: Option<String>,
    /// The model's name there, 1 to 200 characters.
    #[schema(example = "some-model")]
    model: String,
    /// The key. Absent or null: the one that is kept, which stays with its address; empty: none.
    api_key: Option<String>,
}

/// How a try went.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelTestOutcome {
    ok: bool,
    /// What it said, where it said something.
    #[schema(required)]
    said: Option<String>,
    /// Why it did not.
    #[schema(required)]
    message: Option<String>,
    elapsed_ms: i64,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(model_get, model_replace, model_remove)).routes(routes!(model_test))
}

/// Who answers the workspace's questions. For admins.
#[utoipa::path(get, path = "/model", tag = "workspace", responses((status = 200, body = ModelSettings)))]
pub(crate) async fn model_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<ModelSettings>> {
    caller.require_admin()?;
    let own = state.store.workspace_model_view(&caller.scope).await.or_refused("workspace")?;
    Ok(axum::Json(ModelSettings {
        server: ServerModel {
            model: state.options.model.clone(),
            fallback: state.options.fallback_model.clone(),
        },
        own: own.map(OwnModel::from),
    }))
}

/// Have the workspace's questions answered by a provider of its own. Turns that are under way go on with the one that they
/// began with. For admins.
#[utoipa::path(put, path = "/model", tag = "workspace", request_body = ModelRequest,
    responses((status = 200, body = ModelSettings)))]
pub(crate) async fn model_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<ModelRequest>,
) -> Result<axum::Json<ModelSettings>> {
    caller.require_admin()?;
    let change = request.checked(&state)?;
    state.store.workspace_model_set(&caller.scope, caller.user_id, &change).await.or_refused("workspace")?;
    model_get(State(state), caller).await
}

/// Have the workspace's questions answered by the server's model again. The key is wiped. For admins.
#[utoipa::path(delete, path = "/model", tag = "workspace", responses((status = 204, description = "It is.")))]
pub(crate) async fn model_remove(State(state): State<ApiState>, caller: Caller) -> Result<StatusCode> {
    caller.require_admin()?;
    state.store.workspace_model_remove(&caller.scope).await.or_refused("workspace")?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask a provider for one word, before it is saved. It counts as a question of the caller's minute. For admins.
#[utoipa::path(post, path = "/model/test", tag = "workspace", request_body = ModelRequest,
    responses((status = 200, body = ModelTestOutcome)))]
pub(crate) async fn model_test(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<ModelRequest>,
) -> Result<axum::Json<ModelTestOutcome>> {
    caller.require_admin()?;
    let change = request.checked(&state)?;
    let api_key = state.store.workspace_model_key(&caller.scope, &change).await.or_refused("workspace")?;
    let started_at = state.now();
    state.limits.take_run(caller.user_id, started_at)?;
    let WorkspaceModelChange { base_url, name, .. } = change;
    let said = state.model_probe.ask(ProposedModel { base_url, name, api_key }).await;
    Ok(axum::Json(ModelTestOutcome {
        ok: said.is_ok(),
        elapsed_ms: (state.now() - started_at).num_milliseconds(),
        message: said.as_ref().err().cloned(),
        said: said.ok(),
    }))
}

impl ModelRequest {
    fn checked(self, state: &ApiState) -> Result<WorkspaceModelChange> {
        let base_url = self.base_url.map(|url| url.trim().trim_end_matches('/').to_owned());
        let base_url = base_url.filter(|url| !url.is_empty());
        let name = self.model.trim().to_owned();
        let mut issues = Issues::default();
        if let Some(url) = &base_url {
            let example = "https://models.example.com/v1";
            outbound::check_url(&mut issues, "baseUrl", url, example, &state.options.model_addresses);
            issues.require(!url.contains(['?', '#']), "baseUrl", "must end with its path");
        }
        issues.require(
            (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control),
            "model",
            &format!("must be one line of 1 to {NAME_MAX} characters"),
        );
        if let Some(key) = &self.api_key {
            let is_sendable = key.chars().all(|character| character.is_ascii_graphic());
            issues.require(
                key.len() <= KEY_MAX && is_sendable,
                "apiKey",
                &format!("must be at most {KEY_MAX} characters of ASCII without blanks"),
            );
        }
        issues.into_result()?;
        let key = match self.api_key {
            None => KeyChange::Keep,
            Some(key) if key.is_empty() => KeyChange::Drop,
            Some(key) => KeyChange::Set(SecretString::from(key)),
        };
        Ok(WorkspaceModelChange { base_url, name, key })
    }
}

impl From<WorkspaceModelView> for OwnModel {
    fn from(own: WorkspaceModelView) -> Self {
        let WorkspaceModelView { base_url, name, has_key, updated_by, updated_by_name, updated_at } = own;
        Self { base_url, model: name, has_key, updated_by, updated_by_name, updated_at }
    }
}
