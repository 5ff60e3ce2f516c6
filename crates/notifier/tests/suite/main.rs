//! The notifier's tests: what messages look like, and how they travel.

mod audience;
mod browser;
mod delivery;
mod files;
mod notices;
mod render;
mod slack;
mod slack_arrived;
mod slack_blocks;
mod slack_files;
mod slack_inbox;
mod slack_people;
mod slack_replies;
mod slack_signs;
mod slack_token;
mod smtp;
mod statements;
mod support;
mod tls;
mod waiting;
mod ways;
mod webhooks;
mod world;
