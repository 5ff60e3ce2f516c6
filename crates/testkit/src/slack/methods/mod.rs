//! What each method does, by the part of Slack that it is about.

mod chat;
mod conversations;
mod files;
mod oauth;
mod users;
