//! Messages: posting, changing, reacting, answering an interaction.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::{Client, Error, block::Block, call::Nothing};

/// The host of the addresses that interactions name for an answer.
const RESPONSE_HOST: &str = "hooks.slack.com";

/// A message to post. Unfurling and the parsing of names and addresses in its text are off, always.
#[derive(Debug, Clone)]
pub struct Message {
    /// The channel's id, or the id of a direct message's conversation.
    pub channel: String,
    /// What notifications and screen readers say; the whole message where there are no blocks. In `mrkdwn`, escaped.
    pub text: String,
    /// What is shown, at most [`crate::block::BLOCKS_MAX`].
    pub blocks: Vec<Block>,
    /// The message that this one answers.
    pub thread_ts: Option<String>,
    /// What our own later reads find the message by.
    pub metadata: Option<Metadata>,
    /// Whether the marks of `mrkdwn` in `text` mean anything.
    pub is_mrkdwn: bool,
}

/// What a message carries unseen. Only reads that ask for it show it, and only to the app that wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The kind of payload.
    pub event_type: String,
    /// Anything, as a JSON object.
    pub event_payload: Value,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Posted {
    /// The conversation's id.
    pub channel: String,
    /// The message's timestamp, which is its id there.
    pub ts: String,
}

/// An answer to a button or a menu, to the address that the interaction named. It works five times within half an hour.
#[derive(Debug, Clone)]
pub struct Response {
    /// What is said.
    pub text: String,
    /// What is shown.
    pub blocks: Vec<Block>,
    /// Whether the message that held the button is replaced. Otherwise only its user sees a new one.
    pub replaces_original: bool,
}

impl Message {
    /// A message of text alone.
    pub fn text(channel: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            text: text.into(),
            blocks: Vec::new(),
            thread_ts: None,
            metadata: None,
            is_mrkdwn: true,
        }
    }

    /// The request's body, as Slack reads it.
    pub fn to_json(&self) -> Value {
        let mut body = json!({
            "channel": self.channel,
            "text": self.text,
            "mrkdwn": self.is_mrkdwn,
            "parse": "none",
            "link_names": false,
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if !self.blocks.is_empty() {
            body["blocks"] = json!(self.blocks);
        }
        if let Some(thread_ts) = &self.thread_ts {
            body["thread_ts"] = json!(thread_ts);
        }
        if let Some(metadata) = &self.metadata {
            body["metadata"] = json!(metadata);
        }
        body
    }
}

impl Client {
    /// Posts a message.
    pub async fn chat_post_message(&self, token: &SecretString, message: &Message) -> Result<Posted, Error> {
        self.call_json("chat.postMessage", token, &message.to_json()).await
    }

    /// The address at which a message is read in Slack, for those who may see it there.
    pub async fn chat_get_permalink(
        &self,
        token: &SecretString,
        channel: &str,
        ts: &str,
    ) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Answer {
            permalink: String,
        }
        let form = [("channel", Some(channel)), ("message_ts", Some(ts))];
        let answer: Answer = self.call_form("chat.getPermalink", token, &form).await?;
        Ok(answer.permalink)
    }

    /// Shows a message to one member of the channel until that member's client is restarted. Answers its timestamp, by
    /// which nothing can be found.
    pub async fn chat_post_ephemeral(
        &self,
        token: &SecretString,
        user: &str,
        message: &Message,
    ) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Answer {
            message_ts: String,
        }
        let mut body = message.to_json();
        body["user"] = json!(user);
        let answer: Answer = self.call_json("chat.postEphemeral", token, &body).await?;
        Ok(answer.message_ts)
    }

    /// Replaces the message `ts` of the message's channel, one of our own.
    pub async fn chat_update(
        &self,
        token: &SecretString,
        ts: &str,
        message: &Message,
    ) -> Result<Posted, Error> {
        let mut body = message.to_json();
        body["ts"] = json!(ts);
        // Without it Slack keeps the blocks of before.
        body["blocks"] = json!(message.blocks);
        self.call_json("chat.update", token, &body).await
    }

    /// Puts an emoji (`eyes`, without colons) on a message. One that is already there counts as done.
    pub async fn reactions_add(
        &self,
        token: &SecretString,
        channel: &str,
        ts: &str,
        name: &str,
    ) -> Result<(), Error> {
        self.react("reactions.add", "already_reacted", token, &Posted::at(channel, ts), name).await
    }

    /// Takes our emoji off a message. One that is not there counts as done.
    pub async fn reactions_remove(
        &self,
        token: &SecretString,
        channel: &str,
        ts: &str,
        name: &str,
    ) -> Result<(), Error> {
        self.react("reactions.remove", "no_reaction", token, &Posted::at(channel, ts), name).await
    }

    async fn react(
        &self,
        method: &'static str,
        already_so: &str,
        token: &SecretString,
        at: &Posted,
        name: &str,
    ) -> Result<(), Error> {
        let form = [("channel", Some(&*at.channel)), ("timestamp", Some(&*at.ts)), ("name", Some(name))];
        match self.call_form::<Nothing>(method, token, &form).await {
            Err(error) if error.code() == Some(already_so) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Answers an interaction at the address that it named, which must be Slack's.
    pub async fn respond(&self, response_url: &str, response: &Response) -> Result<(), Error> {
        let response_url = Url::parse(response_url).map_err(|_| Error::ForeignAddress)?;
        let is_slacks = response_url.scheme() == "https" && response_url.host_str() == Some(RESPONSE_HOST);
        if !is_slacks && response_url.origin() != self.base_url.origin() {
            return Err(Error::ForeignAddress);
        }
        let mut body = json!({
            "text": response.text,
            "replace_original": response.replaces_original,
            "response_type": "ephemeral",
        });
        if !response.blocks.is_empty() {
            body["blocks"] = json!(response.blocks);
        }
        let request = self.http.post(response_url).json(&body);
        let (status, _) = self.exchange("response_url", request, self.call_timeout).await?;
        if !status.is_success() {
            return Err(Error::Status { method: "response_url", status: status.as_u16() });
        }
        Ok(())
    }
}

impl Posted {
    fn at(channel: &str, ts: &str) -> Self {
        Self { channel: channel.to_owned(), ts: ts.to_owned() }
    }
}
