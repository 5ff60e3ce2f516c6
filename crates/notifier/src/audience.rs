//! How much a delivery's recipient sees, decided from the rights of this moment, and written down with what it rested on.

use domain::{
    UserId,
    audience::{self, Decision, Standing, Viewer},
    delivery::{Audience, Channel},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::{ClaimedDelivery, ContentMark, NewDecision, Scope, Store, Thread};

/// What is noted where nobody's rights were in question.
const OWN_TASK: &str = "Word to the task's creator about their own task.";

/// Whom a message goes to.
#[derive(Clone, Debug)]
pub(crate) enum Recipient {
    /// A member, by the way named.
    Person { user_id: UserId, channel: Channel },
    /// A Slack channel.
    SlackChannel(ChannelPeople),
}

/// A Slack channel's members, apps left out.
#[derive(Clone, Debug)]
pub(crate) struct ChannelPeople {
    /// The members; `None` where they could not be read.
    pub(crate) people: Option<Vec<ChannelPerson>>,
    /// Whether it is shared with another organisation, or an invitation to one is open.
    pub(crate) is_shared_outside: bool,
}

/// Somebody in a Slack channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelPerson {
    /// A linked member.
    Member(UserId),
    /// Of this organisation, and not linked.
    Colleague,
    /// Of another organisation, or a guest in Slack.
    Outsider,
}

/// Decides how much of what rests on `thread`'s data `recipient` sees now.
pub(crate) async fn decide(
    store: &Store,
    scope: &Scope,
    thread: &Thread,
    recipient: &Recipient,
) -> Result<Decision, store::Error> {
    let used = store.thread_connections_used(scope, thread.id).await?;
    match recipient {
        Recipient::Person { user_id, channel } => {
            let facts = store.audience_facts(scope, thread.creator_id, &used, &[*user_id]).await?;
            let viewer = facts.viewer(*user_id);
            let to = audience::Recipient::Person { viewer: &viewer, channel: *channel };
            Ok(audience::decide(&facts.data, &to))
        }
        Recipient::SlackChannel(channel) => {
            let people = channel.people.as_deref().unwrap_or_default();
            let members: Vec<UserId> = people
                .iter()
                .filter_map(|person| match person {
                    ChannelPerson::Member(user_id) => Some(*user_id),
                    ChannelPerson::Colleague | ChannelPerson::Outsider => None,
                })
                .collect();
            let facts = store.audience_facts(scope, thread.creator_id, &used, &members).await?;
            let viewers: Vec<Viewer> = people
                .iter()
                .map(|person| match person {
                    ChannelPerson::Member(user_id) => facts.viewer(*user_id),
                    ChannelPerson::Colleague => Viewer::without_rights(Standing::Colleague),
                    ChannelPerson::Outsider => Viewer::without_rights(Standing::Outsider),
                })
                .collect();
            let to = audience::Recipient::SlackChannel {
                viewers: channel.people.as_ref().map(|_| viewers.as_slice()),
                is_shared_outside: channel.is_shared_outside,
            };
            Ok(audience::decide(&facts.data, &to))
        }
    }
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
