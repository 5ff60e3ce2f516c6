//! One message: noted as begun, posted, and noted as there.

use chrono::TimeDelta;
use domain::DeliveryId;
use fail::fail_point;
use serde_json::json;
use slack::{Class, Message, Metadata};
use store::{DeliveryLease, DeliveryOutcome, SlackPostEnd, SlackPostStart};

use super::{call::Line, layout::Part, outcome::Stop};

/// What our messages' metadata is called.
pub(super) const METADATA_EVENT: &str = "tidings_delivery";

/// The longest that a message waits here for its conversation to have rested; for a longer wait the delivery is put back.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);
/// How often it is looked whether the conversation has rested.
const LOOK_AGAIN_AFTER: TimeDelta = TimeDelta::milliseconds(200);

/// Where the messages of a delivery go.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    pub(super) lease: &'a DeliveryLease,
    /// The conversation's lane.
    pub(super) lane: &'a str,
    /// The conversation's id.
    pub(super) channel: &'a str,
}

/// Posts one part of a delivery below `thread_ts`, if given, and answers Slack's name for it.
pub(super) async fn post(
    line: &Line<'_>,
    target: &Target<'_>,
    part: u32,
    content: &Part,
    thread_ts: Option<&str>,
    opens_thread: bool,
) -> Result<String, Stop> {
    begin(line, target, part).await?;
    fail_point!("notifier::slack_post_begun");
    let message = &message(target.lease.delivery_id, target.channel, part, content, thread_ts);
    let posted =
        line.with_token(|client, token| async move { client.chat_post_message(&token, message).await }).await;
    fail_point!("notifier::slack_posted");
    let end = match &posted {
        Ok(posted) => SlackPostEnd::Posted { ts: posted.ts.clone(), opens_thread },
        Err(Stop::Slack(error)) if error.class() == Class::Unknown => SlackPostEnd::Unknown,
        Err(Stop::Slack(error)) => SlackPostEnd::NotPosted { hold: error.hold().map(|(_, wait)| wait) },
        Err(_) => SlackPostEnd::NotPosted { hold: None },
    };
    line.store.slack_post_end(line.scope, target.lease, target.lane, target.channel, part, &end).await?;
    fail_point!("notifier::slack_post_ended");
    match posted {
        Ok(posted) => Ok(posted.ts),
        Err(Stop::Slack(error)) if error.class() == Class::Unknown => Err(Stop::Unknown(error)),
        Err(stop) => Err(stop),
    }
}

/// Notes a message as begun, once its conversation and its workspace have rested.
async fn begin(line: &Line<'_>, target: &Target<'_>, part: u32) -> Result<(), Stop> {
    let mut waited = TimeDelta::zero();
    loop {
        let start = line.store.slack_post_start(line.scope, target.lease, target.lane, target.channel, part);
        let wait = match start.await? {
            SlackPostStart::Begun => return Ok(()),
            SlackPostStart::Wait(wait) => wait,
            SlackPostStart::Refused(reason) => {
                let reason = reason.as_str().to_owned();
                return Err(Stop::End(DeliveryOutcome::Withheld { reason }));
            }
        };
        if wait > PATIENCE || waited >= PATIENCE {
            return Err(Stop::Later(wait));
        }
        let step = wait.min(LOOK_AGAIN_AFTER);
        line.store.wait(step).await;
        waited += step;
    }
}

fn message(
    delivery_id: DeliveryId,
    channel: &str,
    part: u32,
    content: &Part,
    thread_ts: Option<&str>,
) -> Message {
    Message {
        channel: channel.to_owned(),
        text: content.text.clone(),
        blocks: content.blocks.clone(),
        thread_ts: thread_ts.map(str::to_owned),
        metadata: Some(Metadata {
            event_type: METADATA_EVENT.to_owned(),
            event_payload: json!({ "delivery_id": delivery_id, "part": part }),
        }),
        is_mrkdwn: true,
    }
}
