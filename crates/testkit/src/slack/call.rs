//! One call: its arguments, whose it is, and what it is answered.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    Inner,
    rules::{self, Rule},
    world::{App, Channel, Team, World},
};

/// A call's arguments, however they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments(BTreeMap<String, Value>);

impl Arguments {
    /// Adds what a form or a query holds.
    pub(super) fn add_form(&mut self, form: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(form) {
            self.0.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }

    /// Adds what a JSON body holds. Anything but an object is left out.
    pub(super) fn add_json(&mut self, body: &[u8]) {
        if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
            self.0.extend(fields);
        }
    }

    /// A text, or a number or truth value as text. An empty one counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = match self.0.get(name)? {
            Value::String(text) => text.clone(),
            Value::Null => return None,
            other => other.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        self.text(name).ok_or_else(|| {
            Refusal::new("invalid_arguments").with(
                "response_metadata",
                json!({ "messages": [format!("[ERROR] missing required field: {name}")] }),
            )
        })
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("true" | "1"))
    }

    /// An object or array: as such in JSON, as text that is JSON in a form.
    pub(super) fn structure(&self, name: &str, refusal: &str) -> Result<Option<Value>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => {
                serde_json::from_str(text).map(Some).map_err(|_| Refusal::new(refusal))
            }
            Some(other) => Ok(Some(other.clone())),
        }
    }

    /// How many items are wanted on a page.
    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        match self.text("limit").map(|limit| limit.parse::<usize>()) {
            None | Some(Ok(0)) => Ok(default),
            Some(Ok(limit)) if limit <= max => Ok(limit),
            Some(_) => Err(Refusal::new("invalid_limit")),
        }
    }

    /// Where the page begins.
    pub(super) fn start(&self) -> Result<usize, Refusal> {
        match self.text("cursor") {
            None => Ok(0),
            Some(cursor) => cursor
                .strip_prefix("page:")
                .and_then(|position| position.parse().ok())
                .ok_or_else(|| Refusal::new("invalid_cursor")),
        }
    }
}

/// `ok: false`, with Slack's word for the reason.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) extra: Map<String, Value>,
}

impl Refusal {
    pub(super) fn new(code: &str) -> Self {
        Self { code: code.to_owned(), extra: Map::new() }
    }

    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.extra.insert(name.to_owned(), value);
        self
    }
}

/// What a method answers, beside `ok`.
pub(super) type Answer = Result<Value, Refusal>;

/// Whose call it is.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) team: Team,
    pub(super) token: String,
    pub(super) person: Option<String>,
    pub(super) scopes: BTreeSet<String>,
}

impl Caller {
    pub(super) fn needs(&self, scope: &str) -> Result<(), Refusal> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        let provided: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        Err(Refusal::new("missing_scope")
            .with("needed", json!(scope))
            .with("provided", json!(provided.join(","))))
    }
}

/// What a call did, for the log.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) channel: Option<String>,
    pub(super) ts: Option<String>,
    pub(super) thread_ts: Option<String>,
    pub(super) metadata: Option<Value>,
    pub(super) text: Option<String>,
    /// Set where the channel itself is limited.
    pub(super) limited: Option<super::limits::Refused>,
}

/// A call while it is worked on.
pub(super) struct Scene<'a> {
    pub(super) inner: &'a mut Inner,
    pub(super) now: DateTime<Utc>,
    pub(super) arguments: Arguments,
    pub(super) trace: Trace,
}

/// Whose token it is, or why it is nobody's.
pub(super) fn caller(world: &World, token: Option<&str>, now: DateTime<Utc>) -> Result<Caller, Refusal> {
    let token = token.ok_or_else(|| Refusal::new("not_authed"))?;
    let known = world.tokens.get(token).ok_or_else(|| Refusal::new("invalid_auth"))?;
    if known.is_revoked {
        return Err(Refusal::new("token_revoked"));
    }
    if known.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::new("token_expired"));
    }
    Ok(Caller {
        team: world.teams[&known.team].clone(),
        token: token.to_owned(),
        person: known.person.clone(),
        scopes: known.scopes.clone(),
    })
}

impl Scene<'_> {
    /// Does what a method does.
    pub(super) fn act(&mut self, method: &str, rule: Rule, caller: &Caller) -> Answer {
        if let Some(scope) = rule.scope {
            caller.needs(scope)?;
        }
        match method {
            "auth.test" => Ok(Self::auth_test(caller)),
            "auth.revoke" => Ok(self.auth_revoke(caller)),
            "chat.postMessage" => self.chat_post_message(caller),
            "chat.getPermalink" => self.chat_get_permalink(caller),
            "chat.postEphemeral" => self.chat_post_ephemeral(caller),
            "chat.update" => self.chat_update(caller),
            "conversations.info" => self.conversations_info(caller),
            "conversations.list" => self.conversations_list(caller),
            "conversations.members" => self.conversations_members(caller),
            "conversations.open" => self.conversations_open(caller),
            "conversations.history" => self.conversations_history(caller),
            "conversations.replies" => self.conversations_replies(caller),
            "files.getUploadURLExternal" => self.files_get_upload_url(caller),
            "files.completeUploadExternal" => self.files_complete_upload(caller),
            "files.info" => self.files_info(caller),
            "reactions.add" => self.reactions_add(caller),
            "reactions.remove" => self.reactions_remove(caller),
            "users.info" => self.users_info(caller),
            "users.list" => self.users_list(caller),
            "users.lookupByEmail" => self.users_lookup_by_email(caller),
            "openid.connect.userInfo" => self.openid_user_info(caller),
            other => unreachable!("{other} has a rule and no body"),
        }
    }

    pub(super) fn world(&mut self) -> &mut World {
        &mut self.inner.world
    }

    pub(super) fn app(&self) -> &App {
        &self.inner.app
    }

    /// A conversation that our bot can see: of its workspace, public or its own.
    pub(super) fn visible_channel(&mut self, caller: &Caller, name: &str) -> Result<Channel, Refusal> {
        let id = self.arguments.required(name)?;
        self.trace.channel = Some(id.clone());
        let channel = self.inner.world.channels.get(&id);
        let channel = channel.filter(|channel| channel.team_id == caller.team.id);
        let is_visible =
            |channel: &&Channel| !channel.is_private || channel.members.contains(&caller.team.bot_user_id);
        channel.filter(is_visible).cloned().ok_or_else(|| Refusal::new("channel_not_found"))
    }

    /// The same, where the kind of conversation decides which scope is needed.
    pub(super) fn readable_channel(&mut self, caller: &Caller, what: &str) -> Result<Channel, Refusal> {
        let channel = self.visible_channel(caller, "channel")?;
        let scope = rules::conversation_scope(channel.im_user.is_some(), channel.is_private, what);
        caller.needs(&scope)?;
        Ok(channel)
    }

    /// One page of a list, and the cursor of the next.
    pub(super) fn page<T: Clone>(
        &self,
        items: &[T],
        default: usize,
        max: usize,
    ) -> Result<(Vec<T>, Value), Refusal> {
        let start = self.arguments.start()?;
        let limit = self.arguments.limit(default, max)?;
        let page: Vec<T> = items.iter().skip(start).take(limit).cloned().collect();
        let end = start + page.len();
        let next = if end < items.len() { format!("page:{end}") } else { String::new() };
        Ok((page, json!({ "next_cursor": next })))
    }
}
