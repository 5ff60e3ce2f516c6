//! Channels and direct messages: who is in them, and what was said there.

use secrecy::SecretString;
use serde::Deserialize;

use crate::{Client, Error, Metadata, Page, call::Cursor};

/// Items on a page. Slack advises at most 200.
const PAGE_SIZE: &str = "200";

/// What Slack says of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "Slack's own words for what a conversation is")]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// Its name without `#`. Direct messages have none.
    #[serde(default)]
    pub name: String,
    /// The other side of a direct message.
    pub user: Option<String>,
    /// Whether only its members see it.
    #[serde(default)]
    pub is_private: bool,
    /// Whether it is a direct message with one person.
    #[serde(default)]
    pub is_im: bool,
    /// Whether it was closed for good.
    #[serde(default)]
    pub is_archived: bool,
    /// Whether our bot may post there.
    #[serde(default)]
    pub is_member: bool,
    /// Whether people of another organisation are in it (Slack Connect).
    #[serde(default)]
    pub is_ext_shared: bool,
    /// Whether an invitation of another organisation is open.
    #[serde(default)]
    pub is_pending_ext_shared: bool,
    /// Whether other workspaces of the same organisation are in it.
    #[serde(default)]
    pub is_org_shared: bool,
    /// How many people are in it, where Slack was asked for it.
    pub num_members: Option<u32>,
}

/// Which messages to read: those of one conversation, newest first, or of one thread in it, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The conversation's id.
    pub channel: String,
    /// Only what was said after this timestamp.
    pub oldest: Option<String>,
    /// Only what was said before this timestamp.
    pub latest: Option<String>,
    /// Whether messages at `oldest` and `latest` themselves are wanted.
    pub is_inclusive: bool,
    /// How many at most on a page; at most 999. Some apps are given 15 whatever they ask for.
    pub limit: Option<u16>,
    /// The page to read.
    pub cursor: Option<String>,
}

/// A message that was read back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PostedMessage {
    /// Its timestamp, which is its id in the channel.
    pub ts: String,
    /// Its text.
    #[serde(default)]
    pub text: String,
    /// The thread that it belongs to: its own timestamp where it is the first with replies.
    pub thread_ts: Option<String>,
    /// The person or bot user who wrote it.
    pub user: Option<String>,
    /// The bot that wrote it.
    pub bot_id: Option<String>,
    /// The app that wrote it.
    pub app_id: Option<String>,
    /// What it is, when it is no plain message of a person.
    pub subtype: Option<String>,
    /// What our app attached. Absent on messages of others.
    pub metadata: Option<Metadata>,
    /// The files that were shared with it.
    #[serde(default)]
    pub files: Vec<crate::File>,
}

/// A direct message that stands open.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Conversation {
    /// Its id, which messages are posted to.
    pub id: String,
}

#[derive(Deserialize)]
struct ChannelAnswer<T> {
    channel: T,
}

#[derive(Deserialize)]
struct ChannelsAnswer {
    channels: Vec<Channel>,
    #[serde(default)]
    response_metadata: Cursor,
}

#[derive(Deserialize)]
struct MembersAnswer {
    members: Vec<String>,
    #[serde(default)]
    response_metadata: Cursor,
}

#[derive(Deserialize)]
struct MessagesAnswer {
    messages: Vec<PostedMessage>,
    #[serde(default)]
    response_metadata: Cursor,
}

impl Client {
    /// What Slack says of one conversation, with the number of its members.
    pub async fn conversations_info(&self, token: &SecretString, channel: &str) -> Result<Channel, Error> {
        let form = [("channel", Some(channel)), ("include_num_members", Some("true"))];
        let answer: ChannelAnswer<_> = self.call_form("conversations.info", token, &form).await?;
        Ok(answer.channel)
    }

    /// A page of the channels, public and private, that our bot can see and that are not archived.
    pub async fn conversations_list(
        &self,
        token: &SecretString,
        cursor: Option<&str>,
    ) -> Result<Page<Channel>, Error> {
        let form = [
            ("types", Some("public_channel,private_channel")),
            ("exclude_archived", Some("true")),
            ("limit", Some(PAGE_SIZE)),
            ("cursor", cursor),
        ];
        let answer: ChannelsAnswer = self.call_form("conversations.list", token, &form).await?;
        Ok(Page { items: answer.channels, next_cursor: answer.response_metadata.into_next() })
    }

    /// A page of the ids of those who are in a conversation, bots included.
    pub async fn conversations_members(
        &self,
        token: &SecretString,
        channel: &str,
        cursor: Option<&str>,
    ) -> Result<Page<String>, Error> {
        let form = [("channel", Some(channel)), ("limit", Some(PAGE_SIZE)), ("cursor", cursor)];
        let answer: MembersAnswer = self.call_form("conversations.members", token, &form).await?;
        Ok(Page { items: answer.members, next_cursor: answer.response_metadata.into_next() })
    }

    /// Opens the direct message with a user, or finds the one that stands.
    pub async fn conversations_open(&self, token: &SecretString, user: &str) -> Result<Conversation, Error> {
        let answer: ChannelAnswer<_> =
            self.call_form("conversations.open", token, &[("users", Some(user))]).await?;
        Ok(answer.channel)
    }

    /// A page of what was said in a conversation, newest first, without the replies in threads. Slack may limit it to one
    /// call a minute.
    pub async fn conversations_history(
        &self,
        token: &SecretString,
        history: &History,
    ) -> Result<Page<PostedMessage>, Error> {
        self.messages("conversations.history", token, None, history).await
    }

    /// A page of a thread, its first message included, oldest first. Slack may limit it to one call a minute.
    pub async fn conversations_replies(
        &self,
        token: &SecretString,
        thread_ts: &str,
        history: &History,
    ) -> Result<Page<PostedMessage>, Error> {
        self.messages("conversations.replies", token, Some(thread_ts), history).await
    }

    async fn messages(
        &self,
        method: &'static str,
        token: &SecretString,
        thread_ts: Option<&str>,
        history: &History,
    ) -> Result<Page<PostedMessage>, Error> {
        let limit = history.limit.map(|limit| limit.to_string());
        let form = [
            ("channel", Some(&*history.channel)),
            ("ts", thread_ts),
            ("oldest", history.oldest.as_deref()),
            ("latest", history.latest.as_deref()),
            ("inclusive", history.is_inclusive.then_some("true")),
            ("limit", limit.as_deref()),
            ("cursor", history.cursor.as_deref()),
            ("include_all_metadata", Some("true")),
        ];
        let answer: MessagesAnswer = self.call_form(method, token, &form).await?;
        Ok(Page { items: answer.messages, next_cursor: answer.response_metadata.into_next() })
    }
}
