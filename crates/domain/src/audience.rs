//! How much of a message each recipient sees: decided from their rights on the data behind it and from policy, at each attempt
//! to send, and shown before a task is saved.
//!
//! A decision only ever takes away. Everybody starts from the whole message; each connection that the thread used may take
//! something from someone who may not view its results, and whatever takes the most wins. So more rights never show less,
//! and a tighter policy never shows more. No setting shows more than the default policy does.

use serde::{Deserialize, Serialize};

use crate::{
    access::ConnectionAccess,
    delivery::{Audience, Channel},
    id::ConnectionId,
    invalid::Invalid,
    words,
};

/// How many connections a reason names before it counts the rest.
const NAMED_MAX: usize = 3;

/// A workspace's policy: the most that those see who may not view the results of a connection that the thread used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AudiencePolicy {
    /// Members of the workspace, and colleagues in Slack. `full` unless tightened: the task's creator chose them.
    pub members: Audience,
    /// Guests, people outside, and channels that hold them. `link_only` unless tightened; never `full`.
    pub outsiders: Audience,
}

impl Default for AudiencePolicy {
    fn default() -> Self {
        Self { members: Audience::Full, outsiders: Audience::LinkOnly }
    }
}

impl AudiencePolicy {
    /// Refuses what would show more than the default.
    pub fn check(self) -> Result<(), Invalid> {
        refuse_full(Some(self.outsiders))
    }

    /// Whoever is outside sees no more than a member without rights.
    fn outsiders(self) -> Audience {
        self.outsiders.tighter(self.members)
    }
}

fn refuse_full(outsiders: Option<Audience>) -> Result<(), Invalid> {
    if outsiders == Some(Audience::Full) {
        return Err(Invalid::new("outsiders", "can only be tightened: `link_only` or `withheld`"));
    }
    Ok(())
}

/// What a connection adds to its workspace's policy. It can take away, never give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionAudience {
    /// The most for members who may not view its results. Null: as the workspace has it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub members: Option<Audience>,
    /// The most for guests and people outside. Null: as the workspace has it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub outsiders: Option<Audience>,
    /// Its results never go into Slack, and nobody without the right to view them is sent more than a link.
    pub is_sensitive: bool,
    /// Whether threads that used it may be shared. Where not, a message goes out all the same, and nobody but the creator
    /// opens the thread behind it.
    pub shares_credentials: bool,
}

impl Default for ConnectionAudience {
    fn default() -> Self {
        Self { members: None, outsiders: None, is_sensitive: false, shares_credentials: true }
    }
}

impl ConnectionAudience {
    /// Refuses what would show more than the default.
    pub fn check(self) -> Result<(), Invalid> {
        refuse_full(self.outsiders)
    }

    fn members(self, policy: AudiencePolicy) -> Audience {
        let of_connection = self.members.map_or(policy.members, |own| own.tighter(policy.members));
        if self.is_sensitive { of_connection.tighter(Audience::LinkOnly) } else { of_connection }
    }

    fn outsiders(self, policy: AudiencePolicy) -> Audience {
        let of_connection = self.outsiders.map_or(policy.outsiders, |own| own.tighter(policy.outsiders));
        of_connection.tighter(self.members(policy))
    }
}

words! {
    /// What somebody is to the thread's workspace.
    #[derive(PartialOrd, Ord)]
    Standing("standing") {
        /// The thread is theirs.
        Creator = "creator",
        /// A member who is no guest.
        Member = "member",
        /// In the same Slack workspace, and no member of Tidings' as far as is known.
        Colleague = "colleague",
        /// A member with the role of a guest.
        Guest = "guest",
        /// Neither: another organisation's people, guests in Slack, bare addresses.
        Outsider = "outsider",
        /// Deactivated, or no member any more.
        Gone = "gone",
    }
}

/// A connection that the thread used, or that a draft may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedConnection {
    /// Which.
    pub id: ConnectionId,
    /// Its name now.
    pub name: String,
    /// What it adds to the policy.
    pub rule: ConnectionAudience,
}

/// The data behind a message, and the workspace's policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataBehind {
    /// The workspace's policy.
    pub policy: AudiencePolicy,
    /// The connections used.
    pub connections: Vec<UsedConnection>,
}

/// Somebody who would see a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// What they are to the workspace.
    pub standing: Standing,
    /// Their right on each connection of the data behind, in its order; missing ones are none.
    pub access: Vec<Option<ConnectionAccess>>,
}

impl Viewer {
    /// Somebody without any right.
    pub const fn without_rights(standing: Standing) -> Self {
        Self { standing, access: Vec::new() }
    }

    fn access(&self, index: usize) -> Option<ConnectionAccess> {
        self.access.get(index).copied().flatten()
    }

    fn may_view(&self, index: usize) -> bool {
        // Rights to results are rights to view them, whichever it is; only members have any.
        self.standing == Standing::Creator || (self.is_member() && self.access(index).is_some())
    }

    const fn is_member(&self) -> bool {
        matches!(self.standing, Standing::Creator | Standing::Member | Standing::Guest)
    }
}

/// Whom a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient<'a> {
    /// One person, by the way named.
    Person {
        /// Who.
        viewer: &'a Viewer,
        /// `Email` or `SlackDm`.
        channel: Channel,
    },
    /// A Slack channel, by its members now, apps left out.
    SlackChannel {
        /// The members; `None` where they could not be read.
        viewers: Option<&'a [Viewer]>,
        /// Whether it is shared with another organisation, or an invitation to one is open.
        is_shared_outside: bool,
    },
}

/// How much a recipient sees, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How much.
    pub audience: Audience,
    /// Why: one sentence.
    pub reason: String,
    /// Whether the message's link opens the thread for its recipient; `None` for a channel, where it depends on who clicks.
    pub opens_thread: Option<bool>,
    /// What the decision rested on.
    pub record: AudienceRecord,
}

/// What a decision rested on, kept with the delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AudienceRecord {
    /// The workspace's policy.
    pub policy: AudiencePolicy,
    /// What the recipient is to the workspace; null for a channel.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub standing: Option<Standing>,
    /// Who was in the channel; null for a person.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub channel: Option<ChannelRecord>,
    /// The connections used.
    pub connections: Vec<ConnectionRecord>,
}

/// A connection as it was when a decision was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectionRecord {
    /// Which.
    pub id: ConnectionId,
    /// Its name.
    pub name: String,
    /// What the recipient might do with it; null: nothing, or the recipient is a channel.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub access: Option<ConnectionAccess>,
    /// How many people in the channel might view its results; null for a person.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub viewers: Option<u32>,
    /// What it added to the policy.
    pub rule: ConnectionAudience,
}

/// A channel's members when a decision was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelRecord {
    /// Whether the members could be read.
    pub is_known: bool,
    /// Whether it was shared with another organisation.
    pub is_shared_outside: bool,
    /// Members of the workspace, the creator among them.
    pub members: u32,
    /// Colleagues who are no members, or whose accounts are not linked.
    pub colleagues: u32,
    /// Members with the role of a guest.
    pub guests: u32,
    /// People outside, and guests in Slack.
    pub outsiders: u32,
}

impl ChannelRecord {
    /// How many people.
    pub const fn people(&self) -> u32 {
        self.members + self.colleagues + self.guests + self.outsiders
    }
}

/// How much one viewer sees, and because of which connections: by index, those that take away the most.
struct Limit {
    audience: Audience,
    of: Vec<usize>,
    why: Why,
}

/// What a limit comes from. Of limits that leave the same, the later one explains it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// They hold every right.
    Rights,
    /// The policy lets them see it although they lack a right.
    Chosen,
    /// The policy takes away what they have no right to view.
    Policy,
    /// It is sensitive, and this is Slack.
    Sensitive,
}

/// Decides how much `recipient` sees of a message that rests on `data`.
pub fn decide(data: &DataBehind, recipient: &Recipient<'_>) -> Decision {
    match recipient {
        Recipient::Person { viewer, channel } => decide_person(data, viewer, *channel),
        Recipient::SlackChannel { viewers, is_shared_outside } => {
            decide_channel(data, *viewers, *is_shared_outside)
        }
    }
}

fn decide_person(data: &DataBehind, viewer: &Viewer, channel: Channel) -> Decision {
    let limit = limit(data, viewer, channel != Channel::Email);
    let indexes = 0..data.connections.len();
    let may_view_all = viewer.is_member() && indexes.clone().all(|index| viewer.may_view(index));
    let are_all_shared = data.connections.iter().all(|used| used.rule.shares_credentials);
    Decision {
        audience: limit.audience,
        reason: person_reason(data, viewer, &limit),
        opens_thread: Some(viewer.standing == Standing::Creator || (may_view_all && are_all_shared)),
        record: AudienceRecord {
            policy: data.policy,
            standing: Some(viewer.standing),
            channel: None,
            connections: indexes
                .map(|index| data.connections[index].recorded(viewer.access(index), None))
                .collect(),
        },
    }
}

fn decide_channel(data: &DataBehind, viewers: Option<&[Viewer]>, is_shared_outside: bool) -> Decision {
    let known = viewers.unwrap_or_default();
    let mut channel =
        ChannelRecord { is_known: viewers.is_some(), is_shared_outside, ..ChannelRecord::default() };
    for viewer in known {
        match viewer.standing {
            Standing::Creator | Standing::Member => channel.members += 1,
            // Who was deactivated is still in the channel, and has no more rights than a colleague.
            Standing::Colleague | Standing::Gone => channel.colleagues += 1,
            Standing::Guest => channel.guests += 1,
            Standing::Outsider => channel.outsiders += 1,
        }
    }
    let outsider = Viewer::without_rights(Standing::Outsider);
    let in_doubt = (is_shared_outside || viewers.is_none()).then_some(&outsider);
    // Whoever joins later reads what stands there: it is no more than its creator is shown in Slack, even where nobody is.
    let mut tightest = limit(data, &Viewer::without_rights(Standing::Creator), true);
    let mut standing = Standing::Creator;
    for viewer in known.iter().chain(in_doubt) {
        let colleague = Viewer::without_rights(Standing::Colleague);
        let viewer = if viewer.standing == Standing::Gone { &colleague } else { viewer };
        let limit = limit(data, viewer, true);
        let explains_better = (limit.why, viewer.standing) > (tightest.why, standing);
        if limit.audience.is_tighter_than(tightest.audience)
            || (limit.audience == tightest.audience && explains_better)
        {
            (tightest, standing) = (limit, viewer.standing);
        }
    }
    let viewers_of = |index: usize| {
        known.iter().filter(|viewer| viewer.may_view(index)).count().try_into().unwrap_or(u32::MAX)
    };
    Decision {
        audience: tightest.audience,
        reason: channel_reason(data, &channel, &tightest, standing),
        opens_thread: None,
        record: AudienceRecord {
            policy: data.policy,
            standing: None,
            channel: Some(channel),
            connections: (0..data.connections.len())
                .map(|index| data.connections[index].recorded(None, Some(viewers_of(index))))
                .collect(),
        },
    }
}

/// The least that any connection leaves `viewer`.
fn limit(data: &DataBehind, viewer: &Viewer, is_slack: bool) -> Limit {
    let mut least = match viewer.standing {
        Standing::Gone => return Limit { audience: Audience::Withheld, of: Vec::new(), why: Why::Policy },
        // Whoever is outside holds no right on anything, whether or not the answer rests on a connection.
        Standing::Outsider => Limit { audience: data.policy.outsiders(), of: Vec::new(), why: Why::Policy },
        Standing::Creator | Standing::Member | Standing::Colleague | Standing::Guest => {
            Limit { audience: Audience::Full, of: Vec::new(), why: Why::Rights }
        }
    };
    for (index, used) in data.connections.iter().enumerate() {
        let (mut audience, mut why) = match viewer.standing {
            _ if viewer.may_view(index) => (Audience::Full, Why::Rights),
            Standing::Guest | Standing::Outsider => (used.rule.outsiders(data.policy), Why::Policy),
            _ => match used.rule.members(data.policy) {
                Audience::Full => (Audience::Full, Why::Chosen),
                tightened => (tightened, Why::Policy),
            },
        };
        if is_slack && used.rule.is_sensitive && Audience::LinkOnly.is_tighter_than(audience) {
            (audience, why) = (Audience::LinkOnly, Why::Sensitive);
        }
        if why == Why::Rights {
            continue;
        }
        if audience.is_tighter_than(least.audience) || least.why == Why::Rights {
            least = Limit { audience, of: vec![index], why };
        } else if audience == least.audience && why == least.why {
            least.of.push(index);
        }
    }
    least
}

fn person_reason(data: &DataBehind, viewer: &Viewer, limit: &Limit) -> String {
    let names = data.names(&limit.of);
    let shown = shown(limit.audience);
    match (viewer.standing, limit.why) {
        (Standing::Gone, _) => "Is deactivated, or no member of the workspace.".to_owned(),
        (_, Why::Sensitive) => format!("{names} is sensitive: what it answers never goes into Slack."),
        (Standing::Creator, _) => "The task is theirs.".to_owned(),
        (_, Why::Rights) if data.connections.is_empty() => {
            "A member of the workspace; no connection's data is in it.".to_owned()
        }
        (_, Why::Rights) => "May view the results of every connection used.".to_owned(),
        (_, Why::Chosen) => {
            format!(
                "A member whom the creator chose. May not view the results of {names}, and so cannot open the thread."
            )
        }
        (Standing::Outsider, _) => format!("Is outside of the workspace, where policy shows {shown}."),
        (Standing::Guest, _) => {
            format!("A guest who may not view the results of {names}, where policy shows guests {shown}.")
        }
        (_, Why::Policy) => {
            format!(
                "May not view the results of {names}, where policy shows those without that right {shown}."
            )
        }
    }
}

fn channel_reason(data: &DataBehind, channel: &ChannelRecord, limit: &Limit, standing: Standing) -> String {
    let shown = shown(limit.audience);
    let names = data.names(&limit.of);
    if limit.why == Why::Sensitive {
        return format!("{names} is sensitive: what it answers never goes into Slack.");
    }
    if limit.audience == Audience::Full {
        return match (channel.people(), limit.why) {
            (0, _) => "Nobody is in the channel but the app.".to_owned(),
            (people, Why::Chosen) => format!(
                "{} in the channel, all of them of this organisation; not all may view the results of {names}, and those \
                 cannot open the thread.",
                counted(people, "person", "people")
            ),
            (people, _) => format!(
                "{} in the channel, all of whom may view the results of every connection used.",
                counted(people, "person", "people")
            ),
        };
    }
    if standing < Standing::Guest {
        return format!(
            "Not everybody in the channel may view the results of {names}, where policy shows those {shown}."
        );
    }
    let mut holds = Vec::new();
    if channel.outsiders > 0 {
        holds.push(counted(channel.outsiders, "person from outside", "people from outside"));
    }
    if channel.guests > 0 {
        holds.push(counted(channel.guests, "guest", "guests"));
    }
    let mut facts = Vec::new();
    if !channel.is_known {
        facts.push("cannot be looked into".to_owned());
    }
    if channel.is_shared_outside {
        facts.push("is shared with another organisation".to_owned());
    }
    if !holds.is_empty() {
        facts.push(format!("holds {}", holds.join(" and ")));
    }
    format!("The channel {}, where policy shows {shown}.", facts.join(" and "))
}

const fn shown(audience: Audience) -> &'static str {
    match audience {
        Audience::Full => "all of it",
        Audience::LinkOnly => "a link only",
        Audience::Withheld => "nothing",
    }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl DataBehind {
    /// `Flights`, `Flights and Payroll`, `Flights, Payroll, Sales and 2 more`.
    fn names(&self, indexes: &[usize]) -> String {
        let mut names: Vec<String> =
            indexes.iter().take(NAMED_MAX).map(|index| self.connections[*index].name.clone()).collect();
        if indexes.len() > NAMED_MAX {
            names.push(format!("{} more", indexes.len() - NAMED_MAX));
        }
        match names.split_last() {
            None => "a connection".to_owned(),
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }
}

impl UsedConnection {
    fn recorded(&self, access: Option<ConnectionAccess>, viewers: Option<u32>) -> ConnectionRecord {
        ConnectionRecord { id: self.id, name: self.name.clone(), access, viewers, rule: self.rule }
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
