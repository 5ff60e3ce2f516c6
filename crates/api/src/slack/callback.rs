//! The way back from Slack's consent page, for an admin who connects the workspace, and for a member who says who they are.
//!
//! The state that comes back is good once, for ten minutes, in the session that set out. Whatever happens, the browser is sent
//! on to the page, which says it in words.

use axum::{extract::State, response::Redirect};
use domain::slack::{SlackLinkedBy, SlackOauthPurpose};
use secrecy::SecretString;
use serde::Deserialize;
use store::{Conflict, NewSlackInstallation, Via};

use crate::{
    ApiState, Error,
    auth::Caller,
    extract::Query,
    slack::{self, SlackOptions},
};

/// What Slack adds to our address.
#[derive(Deserialize)]
pub(crate) struct Returned {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
}

/// How it went, as the page's address tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Nobody is signed in, or the state is unknown, used, too old or another session's.
    Expired,
    /// Said no at Slack's page.
    Denied,
    /// Is no admin any more.
    NotAdmin,
    /// The team is connected with another workspace.
    TeamTaken,
    /// The workspace is connected with another team.
    OtherTeam,
    /// The Slack user is another member's.
    UserTaken,
    /// Slack is not connected any more.
    NotConnected,
    /// Slack wants to be asked later.
    Busy,
    /// Slack did not do it.
    Refused,
    /// A defect, or a part that is down.
    Failed,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::NotAdmin => "not_admin",
            Self::TeamTaken => "team_taken",
            Self::OtherTeam => "other_team",
            Self::UserTaken => "user_taken",
            Self::NotConnected => "not_connected",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// `GET /slack/oauth/callback`.
pub(crate) async fn callback(
    State(state): State<ApiState>,
    caller: Option<Caller>,
    Query(returned): Query<Returned>,
) -> Redirect {
    let (page, outcome) = finish(&state, caller, returned).await;
    Redirect::to(&format!("{page}?slack={}", outcome.word()))
}

/// Which page to go on to, and how it went.
async fn finish(state: &ApiState, caller: Option<Caller>, returned: Returned) -> (&'static str, Outcome) {
    const ADMIN: &str = "/admin/slack";
    const SETTINGS: &str = "/settings";
    let (Some(caller), Some(options)) = (caller, &state.options.slack) else {
        return (SETTINGS, Outcome::Expired);
    };
    let Via::Session(session_id) = caller.via else { return (SETTINGS, Outcome::Expired) };
    let secret = SecretString::from(returned.state);
    let purpose = match state.store.slack_oauth_finish(&caller.scope, session_id, &secret).await {
        Ok(Some(purpose)) => purpose,
        Ok(None) => return (SETTINGS, Outcome::Expired),
        Err(error) => return (SETTINGS, failed(&error)),
    };
    let page = match purpose {
        SlackOauthPurpose::Install => ADMIN,
        SlackOauthPurpose::Link => SETTINGS,
    };
    let (None, Some(code)) = (&returned.error, returned.code) else { return (page, Outcome::Denied) };
    let outcome = match purpose {
        SlackOauthPurpose::Install => install(state, options, &caller, &code).await,
        SlackOauthPurpose::Link => link(state, options, &caller, &code).await,
    };
    (page, outcome)
}

async fn install(state: &ApiState, options: &SlackOptions, caller: &Caller, code: &str) -> Outcome {
    if !caller.role.is_admin() {
        return Outcome::NotAdmin;
    }
    let redirect_uri = slack::redirect_uri(state);
    let exchange = options.client.oauth_v2_access(&options.app, code, &redirect_uri);
    let grant = match asked(state, caller, slack::ACCESS, exchange).await {
        Ok(grant) => grant,
        Err(outcome) => return outcome,
    };
    let installation = NewSlackInstallation {
        team_id: grant.team_id.clone(),
        team_name: grant.team_name.clone(),
        enterprise_id: None,
        app_id: grant.app_id.clone(),
        bot_user_id: grant.bot_user_id.clone(),
        scopes: grant.scopes.clone(),
        tokens: slack::pair(grant),
        installed_by: caller.user_id,
    };
    // A token that is not kept is not revoked either: it may be the one that another workspace works with.
    match state.store.slack_installation_put(&caller.scope, &installation).await {
        Ok(_) => Outcome::Done,
        Err(error) => failed(&error),
    }
}

async fn link(state: &ApiState, options: &SlackOptions, caller: &Caller, code: &str) -> Outcome {
    let redirect_uri = slack::redirect_uri(state);
    let exchange = options.client.openid_connect_token(&options.app, code, &redirect_uri);
    let token = match asked(state, caller, slack::SIGN_IN, exchange).await {
        Ok(token) => token,
        Err(outcome) => return outcome,
    };
    let look = options.client.openid_connect_user_info(&token);
    let user = match asked(state, caller, slack::SIGNED_IN_USER, look).await {
        Ok(user) => user,
        Err(outcome) => return outcome,
    };
    match state.store.slack_installation_get(&caller.scope).await {
        Ok(Some(installation)) if installation.team_id == user.team_id => {}
        Ok(Some(_)) => return Outcome::OtherTeam,
        Ok(None) => return Outcome::NotConnected,
        Err(error) => return failed(&error),
    }
    let (member, by) = (caller.user_id, SlackLinkedBy::SignIn);
    let linked = state.store.slack_user_link(&caller.scope, member, &user.team_id, &user.user_id, by);
    match linked.await {
        Ok(()) => Outcome::Done,
        Err(error) => failed(&error),
    }
}

/// What Slack answers when it is the turn of a call; or how it went where there is no answer.
async fn asked<T>(
    state: &ApiState,
    caller: &Caller,
    method: slack::Method,
    call: impl Future<Output = Result<T, ::slack::Error>>,
) -> Result<T, Outcome> {
    match slack::call(state, &caller.scope, method, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if error.hold().is_some() => Err(Outcome::Busy),
        Ok(Err(error)) => Err(refused(&error)),
        Err(Error::Unavailable(_)) => Err(Outcome::Busy),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "Slack could not be asked for its consent"
            );
            Err(Outcome::Failed)
        }
    }
}

fn refused(error: &::slack::Error) -> Outcome {
    tracing::warn!(%error, "Slack did not finish a consent");
    Outcome::Refused
}

fn failed(error: &store::Error) -> Outcome {
    match error {
        store::Error::Conflict(Conflict::SlackTeamTaken) => Outcome::TeamTaken,
        store::Error::Conflict(Conflict::SlackOtherTeam) => Outcome::OtherTeam,
        store::Error::Conflict(Conflict::SlackUserTaken) => Outcome::UserTaken,
        store::Error::NotFound => Outcome::NotConnected,
        error => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a consent at Slack could not be finished"
            );
            Outcome::Failed
        }
    }
}
