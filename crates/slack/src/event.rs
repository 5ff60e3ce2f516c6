//! What Slack sends to us: events, as JSON, and interactions, as a form with JSON in it. Both are parsed only after
//! [`crate::signature::verify`].

use crate::Metadata;
use serde::Deserialize;

/// The header that counts the repetitions of a delivery: 1, 2 and 3.
pub const RETRY_NUMBER_HEADER: &str = "x-slack-retry-num";
/// The header that says why a delivery is repeated, such as `http_timeout`.
pub const RETRY_REASON_HEADER: &str = "x-slack-retry-reason";

/// The body of a request to the address for events.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Envelope {
    /// Slack asks whether the address is ours. The answer is the challenge.
    UrlVerification {
        /// What to answer.
        challenge: String,
    },
    /// Something happened.
    EventCallback(Box<EventCallback>),
    /// More events happened than Slack delivers in an hour.
    AppRateLimited {
        /// The workspace.
        team_id: String,
        /// When it began, in minutes since 1970.
        minute_rate_limited: i64,
    },
    /// A kind that was not made yet.
    #[serde(other)]
    Other,
}

/// Something that happened in a workspace.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EventCallback {
    /// The workspace where it happened.
    pub team_id: String,
    /// The app that is told.
    #[serde(default)]
    pub api_app_id: String,
    /// Unique, and the same on every repetition.
    pub event_id: String,
    /// When it happened, in seconds since 1970.
    pub event_time: i64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Something was said, changed or removed in a conversation that our bot is in.
    Message(MessageEvent),
    /// Our bot was mentioned in a channel. The same message also comes as [`Event::Message`], with another event id.
    AppMention(MessageEvent),
    /// The app was removed from the workspace.
    AppUninstalled,
    /// Tokens of the app ended.
    TokensRevoked {
        /// Whose.
        tokens: RevokedTokens,
    },
    /// Someone came into a channel.
    MemberJoinedChannel(Membership),
    /// Someone left a channel.
    MemberLeftChannel(Membership),
    /// A channel was closed.
    ChannelArchive {
        /// Its id.
        channel: String,
    },
    /// A private channel was closed.
    GroupArchive {
        /// Its id.
        channel: String,
    },
    /// A channel was opened again.
    ChannelUnarchive {
        /// Its id.
        channel: String,
    },
    /// A channel was removed.
    ChannelDeleted {
        /// Its id.
        channel: String,
    },
    /// A channel has another name.
    ChannelRename {
        /// The channel as it is now.
        channel: Renamed,
    },
    /// Something that we do not act on.
    #[serde(other)]
    Other,
}

/// Something that was said, or that changed what was said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MessageEvent {
    /// The conversation's id.
    pub channel: String,
    /// `channel`, `group`, `im` or `mpim`; absent on mentions.
    pub channel_type: Option<String>,
    /// Who said it.
    pub user: Option<String>,
    /// The workspace of who said it, which in a shared channel may be another.
    pub user_team: Option<String>,
    /// The bot that said it.
    pub bot_id: Option<String>,
    /// The app that said it.
    pub app_id: Option<String>,
    /// What it is, when it is nothing plainly said: `message_changed`, `bot_message`, `channel_join` and many more.
    pub subtype: Option<String>,
    /// What was said, with mentions as `<@U…>` and `&`, `<`, `>` escaped.
    #[serde(default)]
    pub text: String,
    /// The message's timestamp, which is its id in the conversation.
    pub ts: String,
    /// The first message of the thread that it answers.
    pub thread_ts: Option<String>,
    /// Whether clients hide it.
    #[serde(default)]
    pub hidden: bool,
    /// The files that came with it.
    #[serde(default)]
    pub files: Vec<crate::File>,
}

/// Tokens that ended, by the ids of their users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RevokedTokens {
    /// Tokens of people.
    #[serde(default)]
    pub oauth: Vec<String>,
    /// Tokens of bots.
    #[serde(default)]
    pub bot: Vec<String>,
}

/// Someone in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Membership {
    /// Who.
    pub user: String,
    /// Where.
    pub channel: String,
}

/// A channel's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Renamed {
    /// The channel's id.
    pub id: String,
    /// Its name now.
    pub name: String,
}

impl MessageEvent {
    /// Whether a person said something just now: no bot, our own included, no change, no removal, no notice of Slack's.
    pub fn is_from_person(&self) -> bool {
        let is_plain =
            matches!(self.subtype.as_deref(), None | Some("file_share" | "thread_broadcast" | "me_message"));
        is_plain && !self.hidden && self.bot_id.is_none() && self.user.is_some()
    }

    /// Whether it answers another message.
    pub fn is_reply(&self) -> bool {
        self.thread_ts.as_ref().is_some_and(|thread_ts| *thread_ts != self.ts)
    }
}

/// The body of a request to the address for interactions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Interaction {
    /// Someone pressed a button in a message.
    BlockActions(Box<BlockActions>),
    /// A kind that our messages do not have.
    #[serde(other)]
    Other,
}

/// Someone pressed a button.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BlockActions {
    /// Who.
    pub user: InteractionUser,
    /// The workspace.
    pub team: Option<Id>,
    /// The conversation.
    pub channel: Option<Id>,
    /// The message that holds the button.
    pub message: Option<InteractionMessage>,
    /// What was pressed; one, in a message.
    pub actions: Vec<Action>,
    /// Where an answer goes, for half an hour.
    pub response_url: Option<String>,
    /// Opens a dialogue, for three seconds.
    #[serde(default)]
    pub trigger_id: String,
}

/// Who pressed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InteractionUser {
    /// The user's id.
    pub id: String,
    /// The user's workspace.
    pub team_id: Option<String>,
}

/// Something that has an id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Id {
    /// The id.
    pub id: String,
}

/// The message that holds what was pressed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InteractionMessage {
    /// Its timestamp.
    pub ts: String,
    /// The thread that it belongs to.
    pub thread_ts: Option<String>,
    /// What we attached to it.
    pub metadata: Option<Metadata>,
}

/// What was pressed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Action {
    /// The button's id.
    pub action_id: String,
    /// What it carries.
    pub value: Option<String>,
    /// When, unique for the press.
    #[serde(default)]
    pub action_ts: String,
}

/// Reads an event's body.
pub fn parse_envelope(body: &[u8]) -> Result<Envelope, serde_json::Error> {
    serde_json::from_slice(body)
}

/// The JSON in an interaction's body, a form. `None` when there is no payload.
pub fn interaction_payload(body: &[u8]) -> Option<String> {
    let (_, payload) = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    Some(payload.into_owned())
}

/// Reads an interaction's body. `None` when there is no payload.
pub fn parse_interaction(body: &[u8]) -> Option<Result<Interaction, serde_json::Error>> {
    Some(serde_json::from_str(&interaction_payload(body)?))
}

/// The bare text of what was said: without the mention of our bot, and with `&`, `<`, `>` as they were typed.
pub fn spoken_text(text: &str, bot_user_id: &str) -> String {
    let without_mention = text.replace(&format!("<@{bot_user_id}>"), " ");
    let unescaped = without_mention.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    unescaped.trim().to_owned()
}
