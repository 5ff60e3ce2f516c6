//! How much a delivery's recipient sees, decided from the rights of this moment, and written down with what it rested on.

use domain::{
    ConnectionId, UserId,
    audience::{self, Decision},
    delivery::{Audience, Channel},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use slack::{ChannelMember, ChannelMembers, MemberKind};
use store::{
    ChannelPerson, ClaimedDelivery, ContentMark, MessageReader, NewDecision, ReaderFacts, Scope, Store,
    Thread,
};

use crate::gather::{self, Gather};

/// What decides how much people see, looked up for many of them at once.
pub(crate) type Readers = Gather<MessageReader, ReaderFacts>;

/// What is noted where nobody's rights were in question.
const OWN_TASK: &str = "Word to the task's creator about their own task.";

/// Decides how much of what rests on `thread`'s data a member sees now, by the way named.
pub(crate) async fn of_person(
    readers: &Readers,
    scope: &Scope,
    thread: &Thread,
    user_id: UserId,
    channel: Channel,
) -> Result<Decision, gather::Error> {
    let reader =
        MessageReader { scope: *scope, thread_id: thread.id, creator_id: thread.creator_id, user_id };
    let ReaderFacts { data, viewer } = readers.ask(reader).await?;
    Ok(audience::decide(&data, &audience::Recipient::Person { viewer: &viewer, channel }))
}

/// As [`of_person`], of what rests on these connections: of more than one thread, or of what a run says that has none.
pub(crate) async fn of_person_over(
    store: &Store,
    scope: &Scope,
    creator_id: UserId,
    used: &[ConnectionId],
    user_id: UserId,
    channel: Channel,
) -> Result<Decision, store::Error> {
    let facts = store.audience_facts(scope, creator_id, used, &[user_id]).await?;
    let viewer = facts.viewer(user_id);
    Ok(audience::decide(&facts.data, &audience::Recipient::Person { viewer: &viewer, channel }))
}

/// Who is in a Slack channel, apps left out.
#[derive(Clone, Debug)]
pub(crate) struct ChannelPeople {
    /// The people; `None` where they could not be read.
    pub(crate) people: Option<Vec<ChannelPerson>>,
    /// Whether another organisation is in it, or invited.
    pub(crate) is_shared_outside: bool,
}

impl ChannelPeople {
    /// As Slack told, and as was found otherwise.
    pub(crate) fn of(members: &ChannelMembers, is_shared_outside: bool) -> Self {
        let person = |member: &ChannelMember| ChannelPerson {
            slack_user_id: member.id.clone(),
            is_outside: member.kind != MemberKind::Own,
        };
        Self {
            people: members.people.as_ref().map(|people| people.iter().map(person).collect()),
            is_shared_outside: is_shared_outside || members.is_shared_outside,
        }
    }
}

/// Decides how much of what rests on these connections a Slack channel sees now, by who is in it.
pub(crate) async fn of_slack_channel(
    store: &Store,
    scope: &Scope,
    creator_id: UserId,
    used: &[ConnectionId],
    there: &ChannelPeople,
) -> Result<Decision, store::Error> {
    let known = there.people.as_deref().unwrap_or_default();
    let (data, viewers) = store.audience_of_channel(scope, creator_id, used, known).await?;
    let to = audience::Recipient::SlackChannel {
        viewers: there.people.as_ref().map(|_| viewers.as_slice()),
        is_shared_outside: there.is_shared_outside,
    };
    Ok(audience::decide(&data, &to))
}

/// Writes down that a recipient is sent nothing, whatever their rights are, and why.
pub(crate) async fn note_withheld(
    store: &Store,
    delivery: &ClaimedDelivery,
    reason: &str,
) -> Result<(), store::Error> {
    let decision =
        NewDecision { audience: Audience::Withheld, reason: reason.to_owned(), record: None, content: None };
    store.delivery_decide(&delivery.scope, &delivery.lease, &decision).await
}

/// Writes a decision down for the attempt that comes next, and which bytes were made of it. `None`: nobody's rights were in
/// question.
pub(crate) async fn note(
    store: &Store,
    delivery: &ClaimedDelivery,
    decision: Option<&Decision>,
    content: Option<ContentMark>,
) -> Result<(), store::Error> {
    store.delivery_decide(&delivery.scope, &delivery.lease, &noted(decision, content)).await
}

/// A decision as it is written down.
pub(crate) fn noted(decision: Option<&Decision>, content: Option<ContentMark>) -> NewDecision {
    NewDecision {
        audience: decision.map_or(Audience::Full, |decision| decision.audience),
        reason: decision.map_or_else(|| OWN_TASK.to_owned(), |decision| decision.reason.clone()),
        record: decision.map(|decision| decision.record.clone()),
        content,
    }
}

/// Names bytes by their hash; `kept` is what is kept of them with the delivery.
pub(crate) fn mark(bytes: &[u8], kept: Option<Value>) -> ContentMark {
    ContentMark { sha256: Sha256::digest(bytes).into(), bytes: bytes.len(), kept }
}
