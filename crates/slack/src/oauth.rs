//! Installing the app (OAuth v2, with token rotation), and signing in with Slack (OpenID Connect).

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::{Client, Error, call::Nothing};

/// The operator's Slack app.
#[derive(Debug, Clone)]
pub struct App {
    /// Its public id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
}

/// What an installation or a refresh gave.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The bot's token.
    pub access_token: SecretString,
    /// With token rotation: what the next token is got for, once.
    pub refresh_token: Option<SecretString>,
    /// With token rotation: how long the token lives.
    pub expires_in: Option<Duration>,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// The bot's own user id.
    pub bot_user_id: String,
    /// The app's id.
    pub app_id: String,
    /// The Slack workspace's id.
    pub team_id: String,
    /// The Slack workspace's name.
    pub team_name: String,
    /// Who installed it. Absent on a refresh.
    pub installer_user_id: Option<String>,
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// The workspace's address.
    #[serde(default)]
    pub url: String,
    /// The workspace's name.
    #[serde(default)]
    pub team: String,
    /// The workspace's id.
    pub team_id: String,
    /// The bot's user id.
    pub user_id: String,
    /// The bot's id, which messages name.
    pub bot_id: Option<String>,
}

/// Who signed in with Slack.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OpenIdUser {
    /// The user's id.
    #[serde(rename = "https://slack.com/user_id")]
    pub user_id: String,
    /// The workspace's id.
    #[serde(rename = "https://slack.com/team_id")]
    pub team_id: String,
    /// The user's address.
    pub email: Option<String>,
    /// Whether Slack has seen the address confirmed.
    #[serde(default)]
    pub email_verified: bool,
    /// The user's name.
    #[serde(default)]
    pub name: String,
}

#[derive(Deserialize)]
struct GrantAnswer {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    expires_in: Option<u64>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    bot_user_id: String,
    #[serde(default)]
    app_id: String,
    team: Team,
    authed_user: Option<AuthedUser>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct AuthedUser {
    id: Option<String>,
}

impl From<GrantAnswer> for Grant {
    fn from(answer: GrantAnswer) -> Self {
        Self {
            access_token: answer.access_token,
            refresh_token: answer.refresh_token,
            expires_in: answer.expires_in.map(Duration::from_secs),
            scopes: answer.scope.split(',').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
            bot_user_id: answer.bot_user_id,
            app_id: answer.app_id,
            team_id: answer.team.id,
            team_name: answer.team.name,
            installer_user_id: answer.authed_user.and_then(|user| user.id),
        }
    }
}

impl Client {
    /// The page where an administrator of a Slack workspace installs the app with these bot scopes. Slack sends the
    /// browser back to `redirect_uri` with `code` and `state`.
    pub fn authorize_url(&self, client_id: &str, scopes: &[&str], state: &str, redirect_uri: &str) -> Url {
        let mut url = self.address("../oauth/v2/authorize");
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("scope", &scopes.join(","))
            .append_pair("state", state)
            .append_pair("redirect_uri", redirect_uri);
        url
    }

    /// The page where a user proves a Slack account. `team_id` keeps the choice to one workspace.
    pub fn openid_authorize_url(
        &self,
        client_id: &str,
        team_id: Option<&str>,
        state: &str,
        nonce: &str,
        redirect_uri: &str,
    ) -> Url {
        let mut url = self.address("../openid/connect/authorize");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("scope", "openid email profile")
            .append_pair("client_id", client_id)
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("redirect_uri", redirect_uri)
            .extend_pairs(team_id.map(|team_id| ("team", team_id)));
        url
    }

    /// Exchanges the code of an installation for the bot's token. A code works once and for ten minutes.
    pub async fn oauth_v2_access(&self, app: &App, code: &str, redirect_uri: &str) -> Result<Grant, Error> {
        self.oauth(app, &[("code", code), ("redirect_uri", redirect_uri)]).await
    }

    /// Exchanges a refresh token for the next pair, whose refresh token replaces it: after a short while it works no more.
    pub async fn oauth_v2_refresh(&self, app: &App, refresh_token: &SecretString) -> Result<Grant, Error> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        self.oauth(app, &form).await
    }

    async fn oauth(&self, app: &App, form: &[(&str, &str)]) -> Result<Grant, Error> {
        let method = "oauth.v2.access";
        let answer: GrantAnswer = self.call(method, self.as_app(app, method).form(form)).await?;
        Ok(answer.into())
    }

    /// Exchanges the code of a sign-in for a token that is good for [`Client::openid_connect_user_info`].
    pub async fn openid_connect_token(
        &self,
        app: &App,
        code: &str,
        redirect_uri: &str,
    ) -> Result<SecretString, Error> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: SecretString,
        }
        let method = "openid.connect.token";
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
        let answer: Answer = self.call(method, self.as_app(app, method).form(&form)).await?;
        Ok(answer.access_token)
    }

    /// Who signed in.
    pub async fn openid_connect_user_info(&self, token: &SecretString) -> Result<OpenIdUser, Error> {
        self.call_form("openid.connect.userInfo", token, &[]).await
    }

    /// Whose token it is; `invalid_auth` and its like where it is nobody's.
    pub async fn auth_test(&self, token: &SecretString) -> Result<Identity, Error> {
        self.call_form("auth.test", token, &[]).await
    }

    /// Ends a token. Ending the last token of an installation uninstalls the app.
    pub async fn auth_revoke(&self, token: &SecretString) -> Result<(), Error> {
        self.call_form::<Nothing>("auth.revoke", token, &[]).await.map(|_| ())
    }

    /// A request by the app itself, its secret in the `Authorization` header as Slack prefers.
    fn as_app(&self, app: &App, method: &str) -> reqwest::RequestBuilder {
        self.http
            .post(self.address(method))
            .basic_auth(&app.client_id, Some(app.client_secret.expose_secret()))
    }
}
