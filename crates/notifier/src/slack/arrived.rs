//! A message that is in Slack: written down as sent, with where it stands, and with what is missing of it where nothing more of
//! it is to go there.

use domain::delivery::{Audience, DeliveryState};
use fail::fail_point;
use store::{ClaimedDelivery, DeliveryOutcome, SlackPost, SlackSaid};

use super::{
    call::{Line, Method},
    outcome::Stop,
    parts::FILE_NOTE_PART,
    said::is_there,
    send::{opens_thread, stop_of},
    upload,
};
use crate::{Notifier, deliver::Error};

/// A delivery's first message, which is in Slack.
#[derive(Debug)]
pub(super) struct Arrived {
    /// The conversation.
    pub(super) channel: String,
    /// Slack's name for it there.
    pub(super) ts: String,
    /// Why there is no more of it, in a sentence; none where it is whole.
    pub(super) left_out: Option<String>,
}

impl Notifier {
    /// Writes down that a delivery is in Slack, and where it stands there.
    pub(super) async fn slack_arrived(
        &self,
        delivery: &ClaimedDelivery,
        line: &Line<'_>,
        arrived: &Arrived,
    ) -> Result<DeliveryState, Error> {
        let provider_id = format!("{} {}", arrived.channel, arrived.ts);
        let state = match &arrived.left_out {
            None => self.record(delivery, &DeliveryOutcome::Sent { provider_id }).await?,
            Some(why) => self.record_by(|| self.finish_in_part(delivery, &provider_id, why)).await?,
        };
        fail_point!("notifier::outcome_recorded");
        self.slack_note_permalink(delivery, line, arrived).await;
        Ok(state)
    }

    async fn finish_in_part(
        &self,
        delivery: &ClaimedDelivery,
        provider_id: &str,
        why: &str,
    ) -> Result<DeliveryState, Error> {
        let (scope, lease) = (&delivery.scope, &delivery.lease);
        Ok(self.store.slack_sent_in_part(scope, lease, provider_id, why).await?)
    }

    /// Leaves a delivery whose first message is there as it is: `why` says in a sentence why nothing more of it goes there.
    pub(super) async fn slack_leave_as_is(
        &self,
        delivery: &ClaimedDelivery,
        line: &Line<'_>,
        posts: &[SlackPost],
        said: &SlackSaid,
        why: &str,
    ) -> Result<Arrived, Stop> {
        let first = posts.iter().find(|post| post.part == 0).and_then(|post| Some((post, post.ts.clone()?)));
        let Some((SlackPost { channel_id, .. }, ts)) = first else {
            return Err(store::Error::NotFound.into());
        };
        if opens_thread(delivery) {
            // As after any look: whoever posted it may have died before that was written down.
            let id = delivery.lease.delivery_id;
            self.store.slack_thread_open(&delivery.scope, id, channel_id, &ts).await?;
        }
        let is_whole = self.is_whole_in_slack(delivery, line, posts, said).await?;
        let left_out = (!is_whole).then(|| format!("The rest was left out. {why}"));
        Ok(Arrived { channel: channel_id.clone(), ts, left_out })
    }

    /// Whether all of a delivery is there that its first message was the beginning of.
    async fn is_whole_in_slack(
        &self,
        delivery: &ClaimedDelivery,
        line: &Line<'_>,
        posts: &[SlackPost],
        said: &SlackSaid,
    ) -> Result<bool, Stop> {
        // That comes last of all.
        if is_there(posts, FILE_NOTE_PART as usize) {
            return Ok(true);
        }
        if (0..said.messages.len()).any(|number| !is_there(posts, number)) {
            return Ok(false);
        }
        let shared = self.answers.of(delivery);
        let brings_file = said.audience == Some(Audience::Full)
            && self.composer(delivery, &shared).brings_file().await.map_err(stop_of)?;
        Ok(!brings_file || upload::has_csv(line, delivery.lease.delivery_id).await?)
    }

    /// Asks Slack where a message stands, once, and notes it. It is there all the same where Slack does not say.
    async fn slack_note_permalink(&self, delivery: &ClaimedDelivery, line: &Line<'_>, arrived: &Arrived) {
        let Arrived { channel, ts, .. } = arrived;
        let asked = line
            .call(Method::PERMALINK, |client, token| async move {
                client.chat_get_permalink(&token, channel, ts).await
            })
            .await;
        let noted = match asked {
            Ok(permalink) if permalink.starts_with("https://") => {
                let id = delivery.lease.delivery_id;
                self.store.slack_permalink_note(&delivery.scope, id, &permalink).await.map_err(Stop::from)
            }
            Ok(_) => Ok(()),
            Err(stop) => Err(stop),
        };
        if let Err(error) = noted {
            tracing::debug!(%error, "where a message stands in Slack is not known");
        }
    }
}
