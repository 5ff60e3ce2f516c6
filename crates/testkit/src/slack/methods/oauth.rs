//! OAuth v2 with token rotation, and signing in with Slack.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::{
    Inner,
    call::{Answer, Arguments, Caller, Refusal, Scene},
    world::{APP_ID, CODE_LIFE, Code, LIVE_TOKENS_MAX, REFRESH_GRACE, RefreshToken, TOKEN_LIFE, Token},
};

/// What an authorization page was asked.
#[derive(Clone, Debug)]
pub(in super::super) struct Authorization {
    pub(in super::super) scopes: BTreeSet<String>,
    pub(in super::super) redirect_uri: String,
    pub(in super::super) state: String,
    pub(in super::super) is_sign_in: bool,
}

impl Inner {
    /// Reads the query of an authorization page, or says what is wrong with it.
    pub(in super::super) fn authorization(
        &self,
        query: &str,
        is_sign_in: bool,
    ) -> Result<Authorization, String> {
        let mut arguments = Arguments::default();
        arguments.add_form(query.as_bytes());
        let part = |name: &str| arguments.text(name).ok_or_else(|| format!("{name} is missing"));
        if part("client_id")? != self.app.client_id {
            return Err("invalid_client_id".to_owned());
        }
        if is_sign_in && part("response_type")? != "code" {
            return Err("invalid_response_type".to_owned());
        }
        let scopes = part("scope")?;
        let scopes = scopes.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        let (redirect_uri, state) = (part("redirect_uri")?, part("state")?);
        Ok(Authorization { scopes, redirect_uri, state, is_sign_in })
    }

    /// Someone of a workspace allows it. Answers where the browser is sent.
    pub(in super::super) fn allow(
        &mut self,
        authorization: Authorization,
        team: &str,
        user: &str,
        now: DateTime<Utc>,
    ) -> url::Url {
        let code = self.secret("code");
        let mut url: url::Url = authorization.redirect_uri.parse().expect("an address to return to");
        url.query_pairs_mut().append_pair("code", &code).append_pair("state", &authorization.state);
        let made = Code {
            team: team.to_owned(),
            user: user.to_owned(),
            scopes: authorization.scopes,
            redirect_uri: authorization.redirect_uri,
            made_at: now,
            is_sign_in: authorization.is_sign_in,
        };
        self.world.codes.insert(code, made);
        url
    }

    /// Gives a bot's token with these scopes, and with rotation what the next is got for.
    pub(in super::super) fn grant(
        &mut self,
        team: &str,
        scopes: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> (String, Option<String>) {
        let rotates = self.app.rotates_tokens;
        let access = self.secret(if rotates { "xoxe.xoxb-1" } else { "xoxb" });
        let token = Token {
            number: self.last_secret,
            team: team.to_owned(),
            person: None,
            scopes: scopes.clone(),
            expires_at: rotates.then(|| now + TOKEN_LIFE),
            is_revoked: false,
        };
        self.world.tokens.insert(access.clone(), token);
        let refresh = rotates.then(|| self.secret("xoxe-1"));
        if let Some(refresh) = &refresh {
            let token = RefreshToken { team: team.to_owned(), scopes: scopes.clone(), used_at: None };
            self.world.refresh_tokens.insert(refresh.clone(), token);
        }
        (access, refresh)
    }

    /// Ends all tokens of a workspace, and tells the app twice, in no particular order.
    pub(in super::super) fn uninstall(&mut self, team: &str) {
        for token in self.world.tokens.values_mut().filter(|token| token.team == team) {
            token.is_revoked = true;
        }
        self.world.refresh_tokens.retain(|_, token| token.team != team);
        let bot = self.world.teams[team].bot_user_id.clone();
        self.emit(team, &json!({ "type": "tokens_revoked", "tokens": { "oauth": [], "bot": [bot] } }));
        self.emit(team, &json!({ "type": "app_uninstalled" }));
    }
}

impl Scene<'_> {
    /// The two methods that are called before there is a token. `basic` is the `Authorization` header.
    pub(in super::super) fn act_as_app(&mut self, method: &str, basic: Option<&str>) -> Answer {
        let (id, secret) = self.credentials(basic)?;
        if id != self.app().client_id {
            return Err(Refusal::new("invalid_client_id"));
        }
        if secret != self.app().client_secret {
            return Err(Refusal::new("bad_client_secret"));
        }
        match method {
            "oauth.v2.access" if self.arguments.text("grant_type").as_deref() == Some("refresh_token") => {
                self.refresh()
            }
            "oauth.v2.access" => self.access(),
            _ => self.openid_token(),
        }
    }

    /// The workspace that a call without a token is to have one for, by the code or the refresh token that it brings.
    pub(in super::super) fn team_of_grant(&self) -> Option<String> {
        let world = &self.inner.world;
        let code = self.arguments.text("code").and_then(|code| world.codes.get(&code));
        let refresh = self.arguments.text("refresh_token");
        let refresh = refresh.and_then(|refresh| world.refresh_tokens.get(&refresh));
        code.map(|code| code.team.clone()).or_else(|| refresh.map(|refresh| refresh.team.clone()))
    }

    fn credentials(&self, basic: Option<&str>) -> Result<(String, String), Refusal> {
        if let Some(basic) = basic.and_then(|header| header.strip_prefix("Basic ")) {
            let decoded = BASE64_STANDARD.decode(basic).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (id, secret) = pair.ok_or_else(|| Refusal::new("invalid_client_id"))?;
            return Ok((id.to_owned(), secret.to_owned()));
        }
        Ok((self.arguments.required("client_id")?, self.arguments.required("client_secret")?))
    }

    /// A code works once, for ten minutes, and for the address that it was sent to.
    fn code(&mut self, is_sign_in: bool) -> Result<Code, Refusal> {
        let code = self.arguments.required("code")?;
        let known = self.inner.world.codes.remove(&code).ok_or_else(|| Refusal::new("invalid_code"))?;
        if known.is_sign_in != is_sign_in {
            return Err(Refusal::new("invalid_code"));
        }
        if self.now > known.made_at + CODE_LIFE {
            return Err(Refusal::new("code_expired"));
        }
        if self.arguments.text("redirect_uri").as_ref() != Some(&known.redirect_uri) {
            return Err(Refusal::new("bad_redirect_uri"));
        }
        Ok(known)
    }

    fn access(&mut self) -> Answer {
        let code = self.code(false)?;
        Ok(self.granted(&code.team, &code.scopes, Some(&code.user)))
    }

    fn refresh(&mut self) -> Answer {
        let refresh = self.arguments.required("refresh_token")?;
        let now = self.now;
        let known = self.world().refresh_tokens.get_mut(&refresh);
        let known = known.filter(|known| known.used_at.is_none_or(|at| now < at + REFRESH_GRACE));
        let known = known.ok_or_else(|| Refusal::new("invalid_refresh_token"))?;
        known.used_at.get_or_insert(now);
        let RefreshToken { team, scopes, .. } = known.clone();
        let granted = self.granted(&team, &scopes, None);
        self.revoke_oldest(&team);
        Ok(granted)
    }

    /// Of a bot's tokens that end by themselves, only so many work at a time.
    fn revoke_oldest(&mut self, team: &str) {
        let now = self.now;
        let tokens = self.world().tokens.values_mut();
        let is_live = |token: &&mut Token| {
            let is_the_bots = token.team == team && token.person.is_none();
            is_the_bots && !token.is_revoked && token.expires_at.is_some_and(|at| now < at)
        };
        let mut live: Vec<_> = tokens.filter(is_live).collect();
        live.sort_by_key(|token| std::cmp::Reverse(token.number));
        for token in live.into_iter().skip(LIVE_TOKENS_MAX) {
            token.is_revoked = true;
        }
    }

    fn granted(&mut self, team: &str, scopes: &BTreeSet<String>, user: Option<&str>) -> Value {
        let now = self.now;
        let (access, refresh) = self.inner.grant(team, scopes, now);
        let team = &self.inner.world.teams[team];
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let mut answer = json!({
            "access_token": access,
            "token_type": "bot",
            "scope": scopes.join(","),
            "bot_user_id": team.bot_user_id,
            "app_id": APP_ID,
            "team": { "id": team.id, "name": team.name },
            "enterprise": null,
            "is_enterprise_install": false,
            "authed_user": { "id": user },
        });
        if let Some(refresh) = refresh {
            answer["refresh_token"] = json!(refresh);
            answer["expires_in"] = json!(TOKEN_LIFE.num_seconds());
        }
        answer
    }

    fn openid_token(&mut self) -> Answer {
        let code = self.code(true)?;
        let access = self.inner.secret("xoxp");
        let token = Token {
            number: self.inner.last_secret,
            team: code.team,
            person: Some(code.user),
            scopes: code.scopes,
            expires_at: None,
            is_revoked: false,
        };
        self.world().tokens.insert(access.clone(), token);
        Ok(json!({ "access_token": access, "token_type": "Bearer" }))
    }

    pub(in super::super) fn openid_user_info(&self, caller: &Caller) -> Answer {
        let person = caller.person.as_ref().ok_or_else(|| Refusal::new("not_allowed_token_type"))?;
        let user = &self.inner.world.users[person];
        let mut answer = json!({
            "sub": user.id,
            "https://slack.com/user_id": user.id,
            "https://slack.com/team_id": caller.team.id,
            "name": user.name,
        });
        if caller.scopes.contains("email") {
            answer["email"] = json!(user.email);
            answer["email_verified"] = json!(user.is_email_confirmed);
        }
        Ok(answer)
    }
}
