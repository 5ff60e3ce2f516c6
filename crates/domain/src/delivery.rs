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
