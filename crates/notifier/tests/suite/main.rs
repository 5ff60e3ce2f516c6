//! The notifier's tests: what messages look like, and how they travel.

mod browser;
mod delivery;
mod render;
mod slack_inbox;
mod smtp;
mod support;
mod tls;
mod world;
