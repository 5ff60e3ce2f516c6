//! What the fake knows: workspaces, people, channels, what was said, files, tokens.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The id of the one app there is.
pub(super) const APP_ID: &str = "A00000000";

/// The operator's Slack app.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    /// Its public id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// What requests to it are signed with.
    pub signing_secret: String,
    /// Whether its tokens end after twelve hours.
    pub rotates_tokens: bool,
    /// Whether `conversations.history` and `.replies` are limited to one call a minute and 15 messages, as they are for new
    /// apps outside Slack's directory.
    pub is_history_limited: bool,
    /// Where events go. Without it nothing is sent by itself.
    pub events_url: Option<String>,
    /// Where interactions go.
    pub interactions_url: Option<String>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            client_id: "1000.2000".to_owned(),
            client_secret: "fake-client-secret".to_owned(),
            signing_secret: "fake-signing-secret".to_owned(),
            rotates_tokens: false,
            is_history_limited: false,
            events_url: None,
            interactions_url: None,
        }
    }
}

/// A workspace.
#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) bot_user_id: String,
    pub(super) bot_id: String,
}

/// A person or a bot.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "Slack's own words for what a user is")]
pub struct User {
    /// Its id.
    pub id: String,
    /// Its workspace.
    pub team_id: String,
    /// Its short name.
    pub name: String,
    /// Its address.
    pub email: Option<String>,
    /// Whether the address was confirmed.
    pub is_email_confirmed: bool,
    /// Whether the account was deactivated.
    pub deleted: bool,
    /// Whether it is a bot.
    pub is_bot: bool,
    /// Whether it is a guest.
    pub is_restricted: bool,
    /// Whether it is a guest of one channel.
    pub is_ultra_restricted: bool,
    /// Whether it belongs to another organisation, and is here by a shared channel.
    pub is_stranger: bool,
}

/// A conversation.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "Slack's own words for what a conversation is")]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// Its workspace.
    pub team_id: String,
    /// Its name.
    pub name: String,
    /// Whether only members see it.
    pub is_private: bool,
    /// The person of a direct message with our bot.
    pub im_user: Option<String>,
    /// Whether it was closed.
    pub is_archived: bool,
    /// Whether people of another organisation are in it.
    pub is_ext_shared: bool,
    /// Whether another organisation is invited.
    pub is_pending_ext_shared: bool,
    /// Whether only administrators may post.
    pub is_posting_restricted: bool,
    /// Who is in it.
    pub members: BTreeSet<String>,
    /// What was said, oldest first.
    pub messages: Vec<Message>,
}

/// Something that was said.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// Its timestamp, which is its id in the channel.
    pub ts: String,
    /// The thread that it belongs to.
    pub thread_ts: Option<String>,
    /// Who said it.
    pub user: String,
    /// The bot that said it.
    pub bot_id: Option<String>,
    /// What it is, when it is nothing plainly said.
    pub subtype: Option<String>,
    /// What was said.
    pub text: String,
    /// Its blocks.
    pub blocks: Vec<Value>,
    /// What the app attached.
    pub metadata: Option<Value>,
    /// The files shared with it.
    pub files: Vec<String>,
    /// Emoji to who put them there.
    pub reactions: BTreeMap<String, BTreeSet<String>>,
    /// Whether it was changed.
    pub is_edited: bool,
}

/// A token that was given out.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Later ones have higher numbers.
    pub(super) number: u64,
    pub(super) team: String,
    /// The person who signed in; none for the bot's token.
    pub(super) person: Option<String>,
    pub(super) scopes: BTreeSet<String>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) is_revoked: bool,
}

/// What the next pair of an installation is got for.
#[derive(Clone, Debug)]
pub(super) struct RefreshToken {
    pub(super) team: String,
    pub(super) scopes: BTreeSet<String>,
    /// When it was first used: for a short while yet it works again.
    pub(super) used_at: Option<DateTime<Utc>>,
}

/// A code of an authorization that was allowed.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) team: String,
    pub(super) user: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) redirect_uri: String,
    pub(super) made_at: DateTime<Utc>,
    pub(super) is_sign_in: bool,
}

/// How long a code works.
pub(super) const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);
/// How long a token lives where tokens are rotated.
pub(super) const TOKEN_LIFE: TimeDelta = TimeDelta::hours(12);

/// How long a refresh token works on once it was used. Slack speaks of "a short grace period".
pub(super) const REFRESH_GRACE: TimeDelta = TimeDelta::seconds(30);
/// How many of an installation's tokens work at a time where they are rotated: of more, the oldest is revoked.
pub(super) const LIVE_TOKENS_MAX: usize = 2;

/// A file, from its first step on.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// Its id.
    pub id: String,
    /// Its workspace.
    pub team_id: String,
    /// Its name.
    pub name: String,
    /// What it is called where it is shown.
    pub title: String,
    /// The length that was announced.
    pub length: u64,
    /// Its bytes, once they came.
    #[serde(skip)]
    pub bytes: Option<Vec<u8>>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// Where it was shared.
    pub channels: BTreeSet<String>,
}

impl File {
    /// What kind of file the first bytes tell.
    pub(super) fn mimetype(&self) -> &'static str {
        match self.bytes.as_deref() {
            Some([0x89, b'P', b'N', b'G', ..]) => "image/png",
            Some([0xff, 0xd8, ..]) => "image/jpeg",
            Some([b'G', b'I', b'F', ..]) => "image/gif",
            _ => "text/plain",
        }
    }
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) teams: BTreeMap<String, Team>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) files: BTreeMap<String, File>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) refresh_tokens: BTreeMap<String, RefreshToken>,
    pub(super) codes: BTreeMap<String, Code>,
    /// The last part of an upload's address to its file.
    pub(super) uploads: BTreeMap<String, String>,
    /// The last part of an interaction's address to the message that it is about, and how often it was used.
    pub(super) responses: BTreeMap<String, ResponseAddress>,
    last_number: u64,
    last_micros: i64,
}

/// Where an interaction may be answered.
#[derive(Clone, Debug)]
pub(super) struct ResponseAddress {
    pub(super) channel: String,
    pub(super) ts: String,
    pub(super) made_at: DateTime<Utc>,
    pub(super) uses: u32,
}

impl World {
    /// The next id of a kind, as long as Slack's: `C00000001`.
    pub(super) fn next_id(&mut self, kind: &str) -> String {
        self.last_number += 1;
        format!("{kind}{:08}", self.last_number)
    }

    /// The timestamp of something that is said now: no two are the same.
    pub(super) fn next_ts(&mut self, now: DateTime<Utc>) -> String {
        self.last_micros = now.timestamp_micros().max(self.last_micros + 1);
        format!("{}.{:06}", self.last_micros / 1_000_000, self.last_micros % 1_000_000)
    }

    pub(super) fn add_team(&mut self, name: &str) -> String {
        let id = self.next_id("T");
        let bot_user_id = self.add_user(&id, "tidings", None);
        self.users.get_mut(&bot_user_id).expect("the bot").is_bot = true;
        let bot_id = self.next_id("B");
        let team = Team { id: id.clone(), name: name.to_owned(), bot_user_id, bot_id };
        self.teams.insert(id.clone(), team);
        id
    }

    pub(super) fn add_user(&mut self, team: &str, name: &str, email: Option<&str>) -> String {
        let id = self.next_id("U");
        let user = User {
            id: id.clone(),
            team_id: team.to_owned(),
            name: name.to_owned(),
            email: email.map(str::to_owned),
            is_email_confirmed: true,
            deleted: false,
            is_bot: false,
            is_restricted: false,
            is_ultra_restricted: false,
            is_stranger: false,
        };
        self.users.insert(id.clone(), user);
        id
    }

    pub(super) fn add_channel(&mut self, team: &str, name: &str, is_private: bool) -> String {
        let id = self.next_id(if is_private { "G" } else { "C" });
        self.insert_channel(&id, team, name, is_private, None);
        id
    }

    /// The direct message of our bot with a person, opened where it is not.
    pub(super) fn im(&mut self, team: &str, user: &str) -> (String, bool) {
        let open = self.channels.values().find(|channel| channel.im_user.as_deref() == Some(user));
        if let Some(open) = open {
            return (open.id.clone(), true);
        }
        let id = self.next_id("D");
        self.insert_channel(&id, team, "", true, Some(user));
        let bot = self.teams[team].bot_user_id.clone();
        let channel = self.channels.get_mut(&id).expect("the conversation");
        channel.members.extend([bot, user.to_owned()]);
        (id, false)
    }

    fn insert_channel(&mut self, id: &str, team: &str, name: &str, is_private: bool, im_user: Option<&str>) {
        let channel = Channel {
            id: id.to_owned(),
            team_id: team.to_owned(),
            name: name.to_owned(),
            is_private,
            im_user: im_user.map(str::to_owned),
            is_archived: false,
            is_ext_shared: false,
            is_pending_ext_shared: false,
            is_posting_restricted: false,
            members: BTreeSet::new(),
            messages: Vec::new(),
        };
        self.channels.insert(id.to_owned(), channel);
    }

    pub(super) fn message(&self, channel: &str, ts: &str) -> Option<&Message> {
        self.channels.get(channel)?.messages.iter().find(|message| message.ts == ts)
    }

    pub(super) fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        self.channels.get_mut(channel)?.messages.iter_mut().find(|message| message.ts == ts)
    }

    /// A message as the Web API shows it.
    pub(super) fn message_json(&self, channel: &Channel, message: &Message, with_metadata: bool) -> Value {
        let mut shown = json!({
            "type": "message",
            "ts": message.ts,
            "user": message.user,
            "text": message.text,
            "team": channel.team_id,
        });
        let replies = channel
            .messages
            .iter()
            .filter(|reply| reply.ts != message.ts && reply.thread_ts.as_deref() == Some(&*message.ts));
        let reply_count = replies.count();
        if reply_count > 0 {
            shown["reply_count"] = json!(reply_count);
            shown["thread_ts"] = json!(message.ts);
        }
        if let Some(thread_ts) = &message.thread_ts {
            shown["thread_ts"] = json!(thread_ts);
        }
        if let Some(bot_id) = &message.bot_id {
            shown["bot_id"] = json!(bot_id);
            shown["app_id"] = json!(APP_ID);
        }
        if let Some(subtype) = &message.subtype {
            shown["subtype"] = json!(subtype);
        }
        if !message.blocks.is_empty() {
            shown["blocks"] = json!(message.blocks);
        }
        if !message.files.is_empty() {
            let files = message.files.iter().filter_map(|id| self.files.get(id));
            shown["files"] = files.map(|file| self.file_json(file, true)).collect();
        }
        if !message.reactions.is_empty() {
            let reactions = message.reactions.iter();
            shown["reactions"] = reactions
                .map(|(name, users)| json!({ "name": name, "users": users, "count": users.len() }))
                .collect();
        }
        if message.is_edited {
            shown["edited"] = json!({ "user": message.user, "ts": message.ts });
        }
        if with_metadata && let Some(metadata) = &message.metadata {
            shown["metadata"] = metadata.clone();
        }
        shown
    }

    /// A file as the Web API shows it. Its type is empty until Slack has looked at its bytes.
    pub(super) fn file_json(&self, file: &File, is_processed: bool) -> Value {
        let bot = &self.teams[&file.team_id].bot_user_id;
        json!({
            "id": file.id,
            "name": file.name,
            "title": file.title,
            "mimetype": if is_processed { file.mimetype() } else { "" },
            "filetype": if is_processed { file.mimetype().rsplit('/').next().unwrap_or_default() } else { "" },
            "size": file.length,
            "user": bot,
            "is_external": false,
            "channels": file.channels,
        })
    }

    /// A conversation as the Web API shows it to our bot.
    pub(super) fn channel_json(&self, channel: &Channel) -> Value {
        let bot = &self.teams[&channel.team_id].bot_user_id;
        if let Some(user) = &channel.im_user {
            return json!({ "id": channel.id, "user": user, "is_im": true, "is_archived": channel.is_archived });
        }
        json!({
            "id": channel.id,
            "name": channel.name,
            "is_channel": !channel.is_private,
            "is_group": false,
            "is_im": false,
            "is_private": channel.is_private,
            "is_archived": channel.is_archived,
            "is_member": channel.members.contains(bot),
            "is_shared": channel.is_ext_shared,
            "is_ext_shared": channel.is_ext_shared,
            "is_org_shared": false,
            "is_pending_ext_shared": channel.is_pending_ext_shared,
            "num_members": channel.members.len(),
        })
    }

    /// A user as the Web API shows it. The address needs a scope of its own.
    pub(super) fn user_json(user: &User, with_email: bool) -> Value {
        let mut profile = json!({ "real_name": user.name, "display_name": user.name });
        if with_email && let Some(email) = &user.email {
            profile["email"] = json!(email);
        }
        json!({
            "id": user.id,
            "team_id": user.team_id,
            "name": user.name,
            "deleted": user.deleted,
            "is_bot": user.is_bot,
            "is_restricted": user.is_restricted,
            "is_ultra_restricted": user.is_ultra_restricted,
            "is_stranger": user.is_stranger,
            "is_email_confirmed": user.is_email_confirmed,
            "tz": "Europe/Berlin",
            "profile": profile,
        })
    }
}
