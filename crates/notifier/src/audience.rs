//! How much a delivery's recipient sees, decided from the rights of this moment, and written down with what it rested on.

use domain::{
    UserId,
    audience::{self, Decision},
    delivery::{Audience, Channel},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::{ChannelPerson, ClaimedDelivery, ContentMark, NewDecision, Scope, Store, Thread};

/// What is noted where nobody's rights were in question.
const OWN_TASK: &str = "Word to the task's creator about their own task.";

/// Decides how much of what rests on `thread`'s data a member sees now, by the way named.
pub(crate) async fn of_person(
    store: &Store,
    scope: &Scope,
    thread: &Thread,
    user_id: UserId,
    channel: Channel,
) -> Result<Decision, store::Error> {
    let used = store.thread_connections_used(scope, thread.id).await?;
    let facts = store.audience_facts(scope, thread.creator_id, &used, &[user_id]).await?;
    let viewer = facts.viewer(user_id);
    Ok(audience::decide(&facts.data, &audience::Recipient::Person { viewer: &viewer, channel }))
}

/// Decides how much of it a Slack channel sees now, by who is in it, apps left out; `None` where that could not be read.
/// `is_shared_outside`: another organisation is in it, or invited.
pub(crate) async fn of_slack_channel(
    store: &Store,
    scope: &Scope,
    thread: &Thread,
    people: Option<&[ChannelPerson]>,
    is_shared_outside: bool,
) -> Result<Decision, store::Error> {
    let used = store.thread_connections_used(scope, thread.id).await?;
    let known = people.unwrap_or_default();
    let (data, viewers) = store.audience_of_channel(scope, thread.creator_id, &used, known).await?;
    let viewers = people.map(|_| viewers.as_slice());
    Ok(audience::decide(&data, &audience::Recipient::SlackChannel { viewers, is_shared_outside }))
}

/// Writes a decision down for the attempt that comes next, and which bytes were made of it. `None`: nobody's rights were in
/// question.
pub(crate) async fn note(
    store: &Store,
    delivery: &ClaimedDelivery,
    decision: Option<&Decision>,
    content: Option<&ContentMark>,
) -> Result<(), store::Error> {
    let noted = NewDecision {
        audience: decision.map_or(Audience::Full, |decision| decision.audience),
        reason: decision.map_or(OWN_TASK, |decision| &decision.reason),
        record: decision.map(|decision| &decision.record),
        content,
    };
    store.delivery_decide(&delivery.scope, &delivery.lease, &noted).await
}

/// Names bytes by their hash; `kept` is what is kept of them with the delivery.
pub(crate) fn mark(bytes: &[u8], kept: Option<Value>) -> ContentMark {
    ContentMark { sha256: Sha256::digest(bytes).into(), bytes: bytes.len(), kept }
}
