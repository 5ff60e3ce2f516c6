//! Slack: how a workspace and its members are tied to it, and what comes from there.

use crate::words;

words! {
    /// Why a workspace is no longer connected with its Slack team.
    SlackEnd("slack end reason") {
        /// The app was removed in Slack.
        Uninstalled = "uninstalled",
        /// Its tokens were revoked in Slack.
        TokensRevoked = "tokens_revoked",
        /// An admin of ours disconnected it.
        Disconnected = "disconnected",
        /// Slack refuses its token, or would not renew it.
        TokenRefused = "token_refused",
        /// It was connected anew.
        Replaced = "replaced",
    }
}

impl SlackEnd {
    /// The reason as a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Uninstalled => "The app was removed in Slack.",
            Self::TokensRevoked => "The app's access was revoked in Slack.",
            Self::Disconnected => "An admin disconnected Slack here.",
            Self::TokenRefused => "Slack no longer accepts the app's access.",
            Self::Replaced => "Slack was connected anew.",
        }
    }
}

words! {
    /// How it is known which Slack user a member is.
    SlackLinkedBy("slack link") {
        /// They signed in with Slack.
        SignIn = "sign_in",
        /// Their address is verified here and in Slack.
        Email = "email",
    }
}

words! {
    /// What waits in the inbox.
    SlackEventKind("slack event kind") {
        /// Something happened in Slack.
        Event = "event",
        /// Somebody pressed a button of a message of ours.
        Interaction = "interaction",
        /// A turn that was asked in Slack has ended: our own word.
        TurnEnded = "turn_ended",
    }
}

words! {
    /// What somebody is told in passing, once in a thread.
    SlackNote("slack note") {
        /// Only the thread's creator may carry it on.
        NotCreator = "not_creator",
        /// Nobody here is known to be them.
        NotLinked = "not_linked",
        /// They may not ask.
        NotAllowed = "not_allowed",
        /// The thread's data is not for Slack.
        Sensitive = "sensitive",
    }
}

words! {
    /// What somebody went to Slack's consent page for.
    SlackOauthPurpose("slack consent") {
        /// To connect the workspace.
        Install = "install",
        /// To say who they are.
        Link = "link",
    }
}

/// Whether a code of Slack's says that a thread takes no replies. Its channel may well take messages.
pub fn is_thread_fault(code: &str) -> bool {
    matches!(
        code,
        "restricted_action_non_threadable_channel" | "restricted_action_thread_locked" | "thread_locked"
    )
}

/// Whether a code of Slack's says that a conversation or a person cannot be written to until someone changes something in Slack.
pub fn is_destination_fault(code: &str) -> bool {
    matches!(
        code,
        "cannot_dm_bot"
            | "channel_is_limited_access"
            | "channel_not_found"
            | "ekm_access_denied"
            | "is_archived"
            | "message_limit_exceeded"
            | "messages_tab_disabled"
            | "not_in_channel"
            | "posting_to_channel_denied"
            | "user_disabled"
            | "user_not_found"
            | "user_not_in_channel"
            | "user_not_visible"
            | "users_not_found"
    ) || code.starts_with("restricted_action") && !is_thread_fault(code)
        || code.starts_with("slack_connect_")
}
