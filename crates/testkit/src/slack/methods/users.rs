//! `users.*` and `auth.*`.

use serde_json::{Value, json};

use super::super::{
    call::{Answer, Caller, Refusal, Scene},
    world::{User, World},
};

impl Scene<'_> {
    pub(in super::super) fn auth_test(caller: &Caller) -> Value {
        json!({
            "url": format!("https://{}.slack.example/", caller.team.id.to_lowercase()),
            "team": caller.team.name,
            "user": "tidings",
            "team_id": caller.team.id,
            "user_id": caller.team.bot_user_id,
            "bot_id": caller.team.bot_id,
            "is_enterprise_install": false,
        })
    }

    /// Ends a token. With the bot's last one the app is gone from the workspace.
    pub(in super::super) fn auth_revoke(&mut self, caller: &Caller) -> Value {
        if self.arguments.is_true("test") {
            return json!({ "revoked": false });
        }
        if caller.person.is_none() {
            self.inner.uninstall(&caller.team.id);
        }
        self.world().tokens.entry(caller.token.clone()).and_modify(|token| token.is_revoked = true);
        json!({ "revoked": true })
    }

    pub(in super::super) fn users_info(&mut self, caller: &Caller) -> Answer {
        let id = self.arguments.required("user")?;
        let user = self.inner.world.users.get(&id).filter(|user| user.team_id == caller.team.id);
        let user = user.ok_or_else(|| Refusal::new("user_not_found"))?;
        Ok(json!({ "user": World::user_json(user, sees_email(caller)) }))
    }

    pub(in super::super) fn users_list(&mut self, caller: &Caller) -> Answer {
        let users = self.inner.world.users.values().filter(|user| user.team_id == caller.team.id);
        let users: Vec<Value> = users.map(|user| World::user_json(user, sees_email(caller))).collect();
        let (page, next) = self.page(&users, 200, 1_000)?;
        Ok(json!({ "members": page, "response_metadata": next }))
    }

    pub(in super::super) fn users_lookup_by_email(&mut self, caller: &Caller) -> Answer {
        let email = self.arguments.required("email")?;
        let is_meant = |user: &&User| {
            user.team_id == caller.team.id
                && !user.deleted
                && user.email.as_ref().is_some_and(|address| address.eq_ignore_ascii_case(&email))
        };
        let user = self.inner.world.users.values().find(is_meant);
        let user = user.ok_or_else(|| Refusal::new("users_not_found"))?;
        Ok(json!({ "user": World::user_json(user, true) }))
    }
}

fn sees_email(caller: &Caller) -> bool {
    caller.scopes.contains("users:read.email")
}
