//! Messages from the outbox to their acceptance, and the record of it: mails, and messages in Slack.

mod home;
mod mail;
mod slack;

use super::Bench;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    mail::measure(bench).await?;
    slack::measure(bench).await
}
