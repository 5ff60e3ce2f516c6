//! The places that messages go to, and what a failure says about one.

use crate::slack;

/// So many messages in a row that were given up for a reason that lies with the place, and it is paused.
pub const FAULTS_MAX: u32 = 3;

/// What a failure says about the place that the message was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing sent there will arrive until somebody mends it.
    Certain,
    /// The place refused this message; it may take the next.
    Likely,
    /// It lies elsewhere: with the message, with us, or with what stands between.
    None,
}

/// What the reason of a failed delivery says about its place. Slack's own codes bear its name in front.
pub fn fault(reason: &str) -> Fault {
    match reason {
        "address_dead" | "invalid_address" => Fault::Certain,
        "refused" | "mailbox_full" | "mailbox_unavailable" | "outcome_unknown" => Fault::Likely,
        _ if is_slacks(reason, slack::is_thread_fault) => Fault::None,
        _ if is_slacks(reason, slack::is_destination_fault) => Fault::Certain,
        _ => Fault::None,
    }
}

/// Whether Slack gave the reason, by a code that means this.
fn is_slacks(reason: &str, means_this: fn(&str) -> bool) -> bool {
    reason.strip_prefix("slack_").is_some_and(means_this)
}

/// A reason in words: what happened, and what to do about it.
pub fn words(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "address_dead" => (
            "The mail server says that the address does not exist.",
            "Have the address corrected, or take the person off.",
        ),
        "invalid_address" => ("The address is none that mail can be sent to.", "Have the address corrected."),
        "refused" => (
            "The mail server refused the message.",
            "Ask whoever looks after the mailbox why; its answer is on the run's page.",
        ),
        "mailbox_full" => ("The mailbox is full.", "Its owner must make room."),
        "mailbox_unavailable" => (
            "For a day the mail server took nothing for this mailbox.",
            "Ask whoever looks after the mailbox why; the server's answer is on the run's page.",
        ),
        "refused_by_policy" => (
            "The mail server refuses what this server sends.",
            "Whoever runs this server can mend it; they find it in the log.",
        ),
        "server_unavailable" => (
            "For a day the mail server put the message off or could not be reached.",
            "There is nothing to do unless this goes on.",
        ),
        "files_backlog" => (
            "More files were to be sent in a day than there was room for.",
            "Leave the CSV file out where it is not needed, or have it sent to fewer people.",
        ),
        "too_late" => (
            "It could not be sent within a day, and is not sent any more.",
            "Have it sent again from its page if it is still wanted.",
        ),
        "outcome_unknown" => {
            ("Whether it arrived could not be found out.", "Ask the recipient before you send it again.")
        }
        "slack_is_archived" => {
            ("The channel is archived.", "Take it out of the archive, or choose another one in the task.")
        }
        "slack_not_in_channel" => (
            "The app was removed from the channel.",
            "Invite it there again with /invite, or choose another channel in the task.",
        ),
        "slack_channel_not_found" => (
            "Slack knows no such channel, or the app may not see it.",
            "Invite the app there, or choose another channel in the task.",
        ),
        "slack_user_not_found"
        | "slack_users_not_found"
        | "slack_user_not_visible"
        | "slack_user_disabled" => {
            ("Slack does not know the person any more.", "They can link their account again in the settings.")
        }
        "slack_cannot_dm_bot" => {
            ("The linked Slack account is a bot's.", "Link a person's account in the settings.")
        }
        "slack_not_linked" => (
            "The person has not linked their Slack account.",
            "Further messages go by email. They can link it in the settings.",
        ),
        "slack_not_connected"
        | "slack_account_inactive"
        | "slack_token_revoked"
        | "slack_invalid_auth"
        | "slack_not_authed" => {
            ("Slack is not connected to this workspace.", "An admin can connect it again.")
        }
        _ if is_slacks(reason, slack::is_thread_fault) => (
            "The channel, or an admin in it, allows no replies there.",
            "Ask in a new message, or choose another channel: long answers go on in replies.",
        ),
        "slack_not_renewed" => (
            "Slack did not renew the app's access for a day.",
            "Whoever runs this server finds the reason in the log.",
        ),
        _ if reason.starts_with("slack_restricted_action") => (
            "The channel lets only some people post.",
            "Ask its owner to let the app post, or choose another one.",
        ),
        "slack_ekm_access_denied" => (
            "The Slack workspace's key management lets nobody post for now.",
            "Whoever looks after it can say when it does.",
        ),
        _ if is_slacks(reason, slack::is_destination_fault) => (
            "Slack's own settings do not let the app post there.",
            "Ask whoever looks after the Slack workspace, or choose another place.",
        ),
        _ => ("It could not be delivered.", "The run's page shows what was answered."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_but_the_place_can_mend_is_its_fault() {
        for reason in [
            "slack_is_archived",
            "slack_not_in_channel",
            "slack_restricted_action",
            "slack_restricted_action_read_only_channel",
            "slack_restricted_action_thread_only_channel",
            "slack_slack_connect_file_link_sharing_blocked",
            "slack_posting_to_channel_denied",
            "address_dead",
        ] {
            assert_eq!(fault(reason), Fault::Certain, "{reason}");
        }
        for reason in ["refused", "mailbox_full", "mailbox_unavailable"] {
            assert_eq!(fault(reason), Fault::Likely, "{reason}");
        }
        // An outage of ours or of the server between must not pause every address.
        for reason in [
            "server_unavailable",
            "refused_by_policy",
            "slack_not_connected",
            "slack_token_revoked",
            "slack_unavailable",
            "slack_not_renewed",
            "slack_refused",
            "slack_missing_scope",
            "slack_backlog",
            "files_backlog",
            "too_late",
            // The channel takes messages, only no replies.
            "slack_restricted_action_thread_locked",
            "slack_restricted_action_non_threadable_channel",
            "slack_thread_locked",
            // Further messages go by email.
            "slack_not_linked",
            "is_archived",
            "internal",
        ] {
            assert_eq!(fault(reason), Fault::None, "{reason}");
        }
    }
}
