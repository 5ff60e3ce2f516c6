//! What a workspace says about its mail: the domains that may be written to.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ApiState, Error, Result, auth::Caller, error::StoreResult, extract::Json};

/// The most domains.
const DOMAINS_MAX: usize = 100;
/// The longest name in the DNS, in characters.
const DOMAIN_MAX: usize = 253;

/// Whom mail may reach.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MailSettings {
    /// The domains whose addresses may be mailed, each by its name as it stands after the `@`, up to 100 of them. Members with
    /// addresses elsewhere get nothing by mail. None: every member may be mailed.
    #[schema(max_items = 100, example = json!(["example.com"]))]
    domains: Vec<String>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(mail_settings_get, mail_settings_replace))
}

/// Whom mail may reach. For admins.
#[utoipa::path(get, path = "/mail-settings", tag = "workspace", responses((status = 200, body = MailSettings)))]
pub(crate) async fn mail_settings_get(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<MailSettings>> {
    caller.require_admin()?;
    let domains = state.store.mail_domains(&caller.scope).await.or_refused("workspace")?;
    Ok(axum::Json(MailSettings { domains }))
}

/// Say whom mail may reach. What is on its way already heeds it as well. For admins.
#[utoipa::path(put, path = "/mail-settings", tag = "workspace", request_body = MailSettings,
    responses((status = 200, body = MailSettings)))]
pub(crate) async fn mail_settings_replace(
    State(state): State<ApiState>,
    caller: Caller,
    Json(settings): Json<MailSettings>,
) -> Result<axum::Json<MailSettings>> {
    caller.require_admin()?;
    let mut domains: Vec<String> =
        settings.domains.iter().map(|domain| domain.trim().trim_start_matches('@').to_lowercase()).collect();
    domains.sort_unstable();
    domains.dedup();
    if domains.len() > DOMAINS_MAX {
        return Err(Error::field("domains", format!("must be at most {DOMAINS_MAX}")));
    }
    if let Some(domain) = domains.iter().find(|domain| !is_domain(domain)) {
        return Err(Error::field("domains", format!("`{domain}` is no domain such as `example.com`")));
    }
    state.store.mail_domains_set(&caller.scope, &domains).await.or_refused("workspace")?;
    Ok(axum::Json(MailSettings { domains }))
}

/// Labels of letters, digits and dashes, at least two of them. Letters beyond ASCII are those of a mail address as it is
/// written.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|character| character.is_alphanumeric() || character == '-')
    };
    text.len() <= DOMAIN_MAX && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::is_domain;

    #[test]
    fn domains_are_names_of_labels() {
        for domain in ["example.com", "a.b-c.example", "münchen.example"] {
            assert!(is_domain(domain), "{domain}");
        }
        for text in ["", "example", "a@b.example", ".example", "a..example", "-a.example", "a .example"] {
            assert!(!is_domain(text), "{text}");
        }
    }
}
