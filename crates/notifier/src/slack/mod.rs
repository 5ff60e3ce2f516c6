//! Deliveries to Slack: what they look like there, how fast they go, and how each arrives once.
//!
//! `chat.postMessage` has no idempotency key. So each message is noted as begun before its request leaves, carries the
//! delivery's id unseen, and is looked for in Slack before it is sent again, wherever nobody knows whether it arrived
//! ([`store::SlackPost`]). A delivery whose answer is long is several messages: what is there already is never posted again.

mod arrived;
pub(crate) mod call;
pub mod layout;
mod mrkdwn;
mod outcome;
mod parts;
mod post;
mod reconcile;
mod said;
mod send;
pub(crate) mod token;
mod upload;

use slack::{App, Client};

/// How Slack is reached.
#[derive(Clone, Debug)]
pub struct Slack {
    /// Its Web API.
    pub client: Client,
    /// The operator's app, by which tokens are renewed.
    pub app: App,
}
