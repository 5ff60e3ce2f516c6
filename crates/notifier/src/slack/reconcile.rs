//! Messages of which nobody knows whether they arrived, looked for in Slack.
//!
//! A message stands in its conversation at the time when Slack took it, which is not far from the time when its request left.
//! So one page of everything near that time is looked at, and in a quiet conversation that is all there is. In a busy one the
//! time is divided into stretches, the likeliest first, and each is read from one end to the other. How far a search has come is
//! kept with the message: where Slack allows one look a minute, it goes on there at the next.

use chrono::{DateTime, TimeDelta, Utc};
use domain::DeliveryId;
use slack::{History, Page, PostedMessage};
use store::{DeliveryLease, FoundPost, SlackPost, SlackSearch};

use super::{
    call::{Line, Method},
    outcome::Stop,
    post::METADATA_EVENT,
};

/// A request may be worked on for this long after it was written. Only then does a message that is not there count as lost.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(30);
/// The most messages on a page.
const PAGE: u16 = 200;

/// How far Slack's clock may be from the database's, and how long a request may take to be worked on, in milliseconds.
const FAR: i64 = 90_000;
/// The stretches that are looked through, in milliseconds from the time when the request left, both ends included: all of it,
/// and then, where that is more than a page, its parts by how likely the message is there. Most are taken within a second; a
/// call is given up after fifteen.
const WINDOWS: [(i64, i64); 7] =
    [(-FAR, FAR), (0, 1_500), (1_500, 5_000), (5_000, 20_000), (-5_000, 0), (20_000, FAR), (-FAR, -5_000)];

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
    let mut search = open.search.clone();
    while let Some(window) = WINDOWS.get(search.window as usize) {
        let page = look(line, open, thread_ts, *window, &search).await?;
        // Whatever else of ours is on the page needs no look of its own.
        let found: Vec<FoundPost> = page.items.iter().filter_map(found).collect();
        line.store.slack_posts_found(line.scope, &open.channel_id, &found).await?;
        let is_ours = |post: &FoundPost| post.delivery_id == lease.delivery_id && post.part == open.part;
        if found.iter().any(is_ours) {
            metrics::counter!("tidings_slack_reconciled_total", "found" => "yes").increment(1);
            return Ok(());
        }
        let Some(next) = after(&search, &page, thread_ts) else { break };
        if next == search {
            // Slack says that there is more and does not show it: what was not seen must not count as lost.
            return Err(Stop::Later(SETTLED_AFTER));
        }
        search = next;
        line.store.slack_post_searched(line.scope, lease, open.part, &search).await?;
    }
    metrics::counter!("tidings_slack_reconciled_total", "found" => "no").increment(1);
    Ok(line.store.slack_post_missing(line.scope, lease, open.part).await?)
}

/// One page of a stretch: of a conversation from its newest message to the oldest, of a thread the other way round.
async fn look(
    line: &Line<'_>,
    open: &SlackPost,
    thread_ts: Option<&str>,
    window: (i64, i64),
    search: &SlackSearch,
) -> Result<Page<PostedMessage>, Stop> {
    let at = |offset| timestamp(open.started_at + TimeDelta::milliseconds(offset));
    let (mut oldest, mut latest) = (at(window.0), at(window.1));
    if let Some(ts) = &search.ts {
        let end = if thread_ts.is_some() { &mut oldest } else { &mut latest };
        end.clone_from(ts);
    }
    let wanted = &History {
        channel: open.channel_id.clone(),
        oldest: Some(oldest),
        latest: Some(latest),
        is_inclusive: true,
        limit: Some(PAGE),
        cursor: None,
    };
    match thread_ts {
        Some(thread_ts) => {
            line.call(Method::REPLIES, |client, token| async move {
                client.conversations_replies(&token, thread_ts, wanted).await
            })
            .await
        }
        None => {
            line.call(Method::HISTORY, |client, token| async move {
                client.conversations_history(&token, wanted).await
            })
            .await
        }
    }
}

/// Where a search goes on after a page without what is looked for; none where everything was seen.
fn after(search: &SlackSearch, page: &Page<PostedMessage>, thread_ts: Option<&str>) -> Option<SlackSearch> {
    let is_whole = page.next_cursor.is_none();
    if search.window == 0 {
        return (!is_whole).then_some(SlackSearch { window: 1, ts: None });
    }
    // A thread's first message is on each of its pages, whatever the time.
    let last = page.items.iter().rev().map(|message| &message.ts).find(|ts| Some(ts.as_str()) != thread_ts);
    if is_whole {
        return Some(SlackSearch { window: search.window + 1, ts: None });
    }
    Some(SlackSearch { window: search.window, ts: last.or(search.ts.as_ref()).cloned() })
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

    fn page(names: &[&str], has_more: bool) -> Page<PostedMessage> {
        let items = names.iter().map(|ts| serde_json::from_value(json!({ "ts": ts })).expect("a message"));
        Page { items: items.collect(), next_cursor: has_more.then(|| "more".to_owned()) }
    }

    #[test]
    fn a_search_reads_each_stretch_to_its_end_and_then_the_next() {
        let at = |window, ts: Option<&str>| SlackSearch { window, ts: ts.map(str::to_owned) };
        let start = SlackSearch::default();
        assert_eq!(after(&start, &page(&["5", "4"], false), None), None, "all of it was seen at once");
        assert_eq!(after(&start, &page(&["5", "4"], true), None), Some(at(1, None)));
        assert_eq!(after(&at(1, None), &page(&["5", "4"], true), None), Some(at(1, Some("4"))));
        assert_eq!(after(&at(1, Some("4")), &page(&["4", "3"], false), None), Some(at(2, None)));
        // The first message of a thread is no progress, nor is the one that the page began at.
        assert_eq!(after(&at(2, None), &page(&["1", "7"], true), Some("1")), Some(at(2, Some("7"))));
        assert_eq!(after(&at(2, Some("7")), &page(&["1", "7"], true), Some("1")), Some(at(2, Some("7"))));
        assert_eq!(after(&at(2, Some("7")), &page(&["1", "7"], false), Some("1")), Some(at(3, None)));
    }

    #[test]
    fn the_stretches_leave_no_gap() {
        let mut parts = WINDOWS[1..].to_vec();
        parts.sort_unstable();
        assert_eq!((parts[0].0, parts[parts.len() - 1].1), WINDOWS[0]);
        assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0), "{parts:?}");
    }

    #[test]
    fn instants_are_written_in_seconds_and_six_decimals() {
        let instant = "2026-03-02T08:00:00.000250Z".parse().expect("an instant");
        assert_eq!(timestamp(instant), "1772438400.000250");
    }
}
