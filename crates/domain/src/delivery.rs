//! Deliveries: one message to one recipient or channel.

use crate::words;

words! {
    /// By what way a message goes.
    Channel("delivery channel") {
        /// To a user's address.
        Email = "email",
        /// To a Slack channel.
        SlackChannel = "slack_channel",
        /// To a user in Slack.
        SlackDm = "slack_dm",
    }
}

impl Channel {
    /// Whose service it goes through. The function `delivery_way` in the database says the same.
    pub const fn way(self) -> Way {
        match self {
            Self::Email => Way::Mail,
            Self::SlackChannel | Self::SlackDm => Way::Slack,
        }
    }
}

words! {
    /// Through whose service a message goes. Each has its own queue, so that an outage of one delays nothing of the other.
    Way("delivery way") {
        /// The mail server's.
        Mail = "mail",
        /// Slack's.
        Slack = "slack",
    }
}

words! {
    /// What a message is about.
    DeliveryKind("delivery kind") {
        /// The answer of a run, to all its recipients.
        Answer = "answer",
        /// Nothing was sent for a week because the task's condition did not hold: to its creator and all its recipients.
        NoNews = "no_news",
        /// What came of a question asked in Slack: into the Slack thread that asked.
        Reply = "reply",
        /// A run failed: to the task's creator, once per streak of failures.
        Failure = "failure",
        /// After failures a run succeeded again: to the creator.
        Recovery = "recovery",
        /// An occurrence was skipped because the previous run was unfinished: to the creator.
        StillRunning = "still_running",
        /// An occurrence was skipped because its data was not fresh in time: to the creator, once per streak of them.
        StaleData = "stale_data",
        /// The task expires within a week: to the creator.
        Expiring = "expiring",
        /// The task has expired: to the creator.
        Expired = "expired",
        /// Any other word to a person about their task, as it is kept for the page.
        Notice = "notice",
        /// Slack is no longer connected, and no admin of ours did that: to the workspace's admins.
        SlackEnded = "slack_ended",
    }
}

words! {
    /// What stands between a member and a direct message in Slack.
    SlackObstacle("slack obstacle") {
        /// The workspace is not connected with a Slack team.
        NotConnected = "slack_not_connected",
        /// It is not known who they are there.
        NotLinked = "slack_not_linked",
    }
}

words! {
    /// Why a member is told by no way.
    Untold("reason why a member is not told") {
        /// They are deactivated.
        Deactivated = "deactivated",
        /// They want to be told neither by email nor in Slack.
        NotWanted = "not_wanted",
        /// A mail server said that their address does not exist.
        AddressDead = "address_dead",
        /// The workspace allows no mail to their address.
        DomainNotAllowed = "domain_not_allowed",
        /// Messages to them did not arrive, and are held back until somebody tries again.
        Paused = "paused",
    }
}

impl Untold {
    /// The reason as a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Deactivated => "Is deactivated, and is not told.",
            Self::NotWanted => "Wants to be told neither by email nor in Slack.",
            Self::AddressDead => {
                "Their mail server said that the address does not exist, so nothing is sent there."
            }
            Self::DomainNotAllowed => "The workspace allows no mail to their address.",
            Self::Paused => "Messages to them did not arrive, so none are sent until somebody tries again.",
        }
    }
}

/// What is known about reaching a member, whatever the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a person")]
pub struct Contact {
    /// Whether they want to be told by email.
    pub wants_email: bool,
    /// Whether they want to be told by a direct message in Slack.
    pub wants_slack: bool,
    /// What stands between them and Slack.
    pub slack_obstacle: Option<SlackObstacle>,
    /// Whether they may not be told any more.
    pub is_deactivated: bool,
    /// Whether a server said that their address does not exist.
    pub is_address_dead: bool,
    /// Whether the workspace allows no mail to their address.
    pub is_address_outside: bool,
    /// Whether mails to them are held back.
    pub is_email_paused: bool,
    /// Whether messages to them in Slack are held back.
    pub is_slack_paused: bool,
}

/// By what ways a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways {
    /// `Email`, `SlackDm`, both or none.
    pub channels: Vec<Channel>,
    /// Why it is by email although they prefer Slack.
    pub fallback: Option<SlackObstacle>,
    /// Why it is by none.
    pub untold: Option<Untold>,
}

impl Contact {
    /// By what ways they are told. When a run ends the same is decided for all its recipients in one statement of the store.
    pub fn ways(&self) -> Ways {
        let untold = |why| Ways { channels: Vec::new(), fallback: None, untold: Some(why) };
        if self.is_deactivated {
            return untold(Untold::Deactivated);
        }
        if !self.wants_email && !self.wants_slack {
            return untold(Untold::NotWanted);
        }
        let fallback = self.slack_obstacle.filter(|_| self.wants_slack);
        let goes_by_email = self.wants_email || fallback.is_some();
        let mut channels = Vec::new();
        if goes_by_email && !(self.is_address_dead || self.is_address_outside || self.is_email_paused) {
            channels.push(Channel::Email);
        }
        if self.wants_slack && fallback.is_none() && !self.is_slack_paused {
            channels.push(Channel::SlackDm);
        }
        if !channels.is_empty() {
            return Ways { channels, fallback, untold: None };
        }
        untold(match self {
            _ if goes_by_email && self.is_address_dead => Untold::AddressDead,
            _ if goes_by_email && self.is_address_outside => Untold::DomainNotAllowed,
            _ => Untold::Paused,
        })
    }
}

words! {
    /// Where a delivery stands. `pending`, `sending` and `unknown` are unfinished; the rest are final.
    DeliveryState("delivery state") {
        /// To be sent at its time.
        Pending = "pending",
        /// An attempt row is committed; bytes may have left.
        Sending = "sending",
        /// The provider took it; its id is stored.
        Sent = "sent",
        /// Given up; the reason says why.
        Failed = "failed",
        /// Nobody knows whether the last attempt arrived: to be reconciled before anything is sent again.
        Unknown = "unknown",
        /// The recipient may not see it.
        Withheld = "withheld",
        /// The recipient does not want it, or the address is dead.
        Suppressed = "suppressed",
    }
}

words! {
    /// How much of a message a recipient may see.
    Audience("audience") {
        /// All of it.
        Full = "full",
        /// Title, headline without figures, link.
        LinkOnly = "link_only",
        /// Nothing.
        Withheld = "withheld",
    }
}

impl Audience {
    /// The one of the two that shows less.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        if self.openness() <= other.openness() { self } else { other }
    }

    /// Whether this shows less than `other`.
    pub const fn is_tighter_than(self, other: Self) -> bool {
        self.openness() < other.openness()
    }

    const fn openness(self) -> u8 {
        match self {
            Self::Withheld => 0,
            Self::LinkOnly => 1,
            Self::Full => 2,
        }
    }
}

/// The base wait before attempt `attempt + 1`, given that attempt `attempt` (from 1) failed: 5 s, 30 s, 2 min, 5 min, 15 min,
/// 30 min, then 1 h each. The notifier draws a point in `0..=base` (full jitter). Nothing is tried after 24 hours.
pub const fn retry_delay(attempt: u32) -> chrono::Duration {
    match attempt {
        0 | 1 => chrono::Duration::seconds(5),
        2 => chrono::Duration::seconds(30),
        3 => chrono::Duration::minutes(2),
        4 => chrono::Duration::minutes(5),
        5 => chrono::Duration::minutes(15),
        6 => chrono::Duration::minutes(30),
        _ => chrono::Duration::hours(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_told_as_they_wish_and_by_mail_where_slack_does_not_reach_them() {
        let mail = Contact { wants_email: true, ..Contact::default() };
        let slack = Contact { wants_slack: true, ..Contact::default() };
        let unlinked = Contact { slack_obstacle: Some(SlackObstacle::NotLinked), ..slack };
        let by = |contact: Contact| contact.ways();
        let told =
            |channels: &[Channel], fallback| Ways { channels: channels.to_vec(), fallback, untold: None };
        assert_eq!(by(mail), told(&[Channel::Email], None));
        assert_eq!(by(slack), told(&[Channel::SlackDm], None));
        let both = Contact { wants_email: true, ..slack };
        assert_eq!(by(both), told(&[Channel::Email, Channel::SlackDm], None));
        assert_eq!(by(unlinked), told(&[Channel::Email], Some(SlackObstacle::NotLinked)));
        // Of no concern to who wants no message there.
        assert_eq!(by(Contact { wants_slack: false, wants_email: true, ..unlinked }), by(mail));
        assert_eq!(by(Contact { is_address_dead: true, ..both }), told(&[Channel::SlackDm], None));
        assert_eq!(by(Contact { is_slack_paused: true, ..both }), told(&[Channel::Email], None));
        for (contact, why) in [
            (Contact::default(), Untold::NotWanted),
            (Contact { is_deactivated: true, ..mail }, Untold::Deactivated),
            (Contact { is_address_dead: true, ..mail }, Untold::AddressDead),
            (Contact { is_address_dead: true, ..unlinked }, Untold::AddressDead),
            (Contact { is_address_outside: true, ..mail }, Untold::DomainNotAllowed),
            (Contact { is_email_paused: true, ..mail }, Untold::Paused),
            (Contact { is_slack_paused: true, ..slack }, Untold::Paused),
        ] {
            let ways = by(contact);
            assert_eq!((ways.channels, ways.untold), (vec![], Some(why)));
        }
    }
}
