//! Messages of which nobody knows whether they arrived, looked for in Slack.

use chrono::{DateTime, TimeDelta, Utc};
use domain::DeliveryId;
use slack::{History, PostedMessage};
use store::{DeliveryLease, FoundPost, SlackPost};

use super::{
    call::{Line, Method},
    outcome::Stop,
    post::METADATA_EVENT,
};

/// A request may be worked on for this long after it was written. Only then does a message that is not there count as lost.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(30);
/// How far Slack's clock may be from the database's, and how long a request may take to be worked on.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(90);
/// The most messages on a page.
const PAGE: u16 = 200;

/// Looks for the one message of a delivery that was begun and not heard of, if there is one. Afterwards it is known to be there,
/// or known not to be. `thread_ts` is the thread that it went to.
pub(super) async fn reconcile(
    line: &Line<'_>,
    lease: &DeliveryLease,
    posts: &[SlackPost],
    thread_ts: Option<&str>,
) -> Result<(), Stop> {
    let Some(open) = posts.iter().find(|post| post.ts.is_none()) else { return Ok(()) };
    if open.age < SETTLED_AFTER {
        return Err(Stop::Later(SETTLED_AFTER - open.age));
    }
    let mut history = History {
        channel: open.channel_id.clone(),
        oldest: Some(timestamp(open.started_at - CLOCKS_APART)),
        latest: Some(timestamp(open.started_at + CLOCKS_APART)),
        is_inclusive: true,
        limit: Some(PAGE),
        cursor: None,
    };
    loop {
        let wanted = &history;
        let page = match thread_ts {
            Some(thread_ts) => {
                line.call(Method::REPLIES, |client, token| async move {
                    client.conversations_replies(&token, thread_ts, wanted).await
                })
                .await?
            }
            None => {
                line.call(Method::HISTORY, |client, token| async move {
                    client.conversations_history(&token, wanted).await
                })
                .await?
            }
        };
        // Whatever else of ours is on the page needs no look of its own.
        let found: Vec<FoundPost> = page.items.iter().filter_map(found).collect();
        line.store.slack_posts_found(line.scope, &open.channel_id, &found).await?;
        let is_ours = |post: &FoundPost| post.delivery_id == lease.delivery_id && post.part == open.part;
        if found.iter().any(is_ours) {
            metrics::counter!("tidings_slack_reconciled_total", "found" => "yes").increment(1);
            return Ok(());
        }
        match page.next_cursor {
            Some(cursor) => history.cursor = Some(cursor),
            None => break,
        }
    }
    metrics::counter!("tidings_slack_reconciled_total", "found" => "no").increment(1);
    Ok(line.store.slack_post_missing(line.scope, lease, open.part).await?)
}

/// The delivery and part that a message says it is, if it is one of ours.
fn found(message: &PostedMessage) -> Option<FoundPost> {
    let metadata = message.metadata.as_ref().filter(|metadata| metadata.event_type == METADATA_EVENT)?;
    let delivery_id: DeliveryId = metadata.event_payload.get("delivery_id")?.as_str()?.parse().ok()?;
    let part = u32::try_from(metadata.event_payload.get("part")?.as_u64()?).ok()?;
    Some(FoundPost { delivery_id, part, ts: message.ts.clone() })
}

/// An instant as Slack writes it.
fn timestamp(instant: DateTime<Utc>) -> String {
    format!("{}.{:06}", instant.timestamp(), instant.timestamp_subsec_micros())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(metadata: &Value) -> PostedMessage {
        serde_json::from_value(json!({ "ts": "1772438400.000100", "metadata": metadata })).expect("a message")
    }

    #[test]
    fn only_messages_of_ours_are_found() {
        let id = "019aa1b2-0000-7000-8000-000000000001";
        let payload = json!({ "delivery_id": id, "part": 2 });
        let ours = message(&json!({ "event_type": METADATA_EVENT, "event_payload": payload }));
        let post = found(&ours).expect("found");
        assert_eq!((post.delivery_id.to_string().as_str(), post.part), (id, 2));
        assert_eq!(post.ts, "1772438400.000100");
        for other in [
            json!({ "event_type": "other", "event_payload": { "delivery_id": id, "part": 0 } }),
            json!({ "event_type": METADATA_EVENT, "event_payload": { "delivery_id": "x", "part": 0 } }),
            json!({ "event_type": METADATA_EVENT, "event_payload": {} }),
        ] {
            assert!(found(&message(&other)).is_none());
        }
    }

    #[test]
    fn instants_are_written_in_seconds_and_six_decimals() {
        let instant = "2026-03-02T08:00:00.000250Z".parse().expect("an instant");
        assert_eq!(timestamp(instant), "1772438400.000250");
    }
}
