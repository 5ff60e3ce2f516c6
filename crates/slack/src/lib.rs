//! Slack, as Tidings speaks to it: the Web API's calls, the signatures and envelopes of what Slack sends to us, and the
//! blocks that a message is made of.
//!
//! [`Client`] makes one HTTP request per call and never repeats one: `chat.postMessage` has no idempotency key, so only
//! the caller, who keeps a row about each attempt, can tell whether a second request is safe. What a caller may do after
//! a failure is [`Error::class`].
//!
//! Ids (`C…` channels, `U…` users, `T…` teams, `F…` files) and message timestamps (`1503435956.000247`, unique in a
//! channel, ordered as text) are plain strings: Slack calls them opaque.

pub mod block;
mod call;
mod chat;
mod conversation;
mod error;
pub mod event;
mod file;
mod member;
mod oauth;
mod renewal;
pub mod signature;
mod user;

use std::time::Duration;

use url::Url;

pub use chat::{Message, Metadata, Posted, Response};
pub use conversation::{Channel, Conversation, History, PostedMessage};
pub use error::{Class, Error};
pub use file::{File, Upload};
pub use member::{ChannelMember, ChannelMembers, MemberCache, MemberCall, MemberKind};
pub use oauth::{App, Grant, Identity, OpenIdUser};
pub use renewal::renew;
pub use user::User;

/// The Web API of Slack itself.
pub const DEFAULT_BASE_URL: &str = "https://slack.com/api/";

/// How long a call may take from its start to the end of its answer. Slack's own answers come within a second or three.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the bytes of one file may take.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_mins(2);

/// Slack's Web API at one address. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: Url,
    call_timeout: Duration,
}

impl Client {
    /// A client of the Web API below `base_url`, which ends with a slash ([`DEFAULT_BASE_URL`]).
    pub fn new(http: reqwest::Client, base_url: Url) -> Self {
        Self { http, base_url, call_timeout: CALL_TIMEOUT }
    }

    /// The same client with another limit on the time of a call. Reaching it leaves the outcome unknown.
    #[must_use]
    pub fn with_call_timeout(mut self, call_timeout: Duration) -> Self {
        self.call_timeout = call_timeout;
        self
    }
}

/// One page of a list, and what to ask for to see the next.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in Slack's order.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last.
    pub next_cursor: Option<String>,
}
