//! What can go wrong with a call, and what the caller may do then.

use std::time::Duration;

use chrono::TimeDelta;
use domain::slack::{is_destination_fault, is_thread_fault};

/// How long nothing is called where Slack limits us and does not say for how long.
const UNNAMED_HOLD: TimeDelta = TimeDelta::seconds(30);

/// A call that did not succeed, or of which nobody knows whether it did.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Slack wants fewer calls of this method, or fewer messages in this channel.
    #[error("Slack limits {method}")]
    RateLimited {
        /// The method that was called.
        method: &'static str,
        /// How long Slack wants us to wait, when it says so.
        retry_after: Option<Duration>,
    },
    /// Slack read the request and refused it.
    #[error("Slack refused {method}: {code}")]
    Refused {
        /// The method that was called.
        method: &'static str,
        /// Slack's word for the reason, such as `not_in_channel`.
        code: String,
        /// What Slack adds: the scope that is needed, or which block is invalid.
        detail: Option<String>,
    },
    /// An HTTP status without an answer of the Web API.
    #[error("status {status} for {method}")]
    Status {
        /// The method that was called.
        method: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The connection failed before the request was written.
    #[error("no connection for {method}")]
    NotSent {
        /// The method that was called.
        method: &'static str,
        /// Why.
        source: reqwest::Error,
    },
    /// The time ran out or the connection was lost after the request may have been written.
    #[error("the answer to {method} was lost")]
    Lost {
        /// The method that was called.
        method: &'static str,
        /// Why.
        source: reqwest::Error,
    },
    /// An answer that says success, as far as one can tell, but is not the one that was documented.
    #[error("the answer to {method} is not readable")]
    Unreadable {
        /// The method that was called.
        method: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// An interaction named an address to answer to that is not Slack's.
    #[error("the address to respond to is not Slack's")]
    ForeignAddress,
}

/// What a caller may do after an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing happened: the same request may be sent again, no earlier than `after` when Slack named a time.
    Retry {
        /// How long Slack wants us to wait.
        after: Option<Duration>,
    },
    /// It may or may not have happened: find out before anything is sent again.
    Unknown,
    /// This channel or user cannot be written to until someone changes something in Slack.
    Destination,
    /// The installation is at its end, or lacks a permission.
    Installation,
    /// We asked for something that Slack cannot do: our mistake.
    Ours,
}

impl Error {
    /// What the caller may do.
    pub fn class(&self) -> Class {
        match self {
            Self::RateLimited { retry_after, .. } => Class::Retry { after: *retry_after },
            Self::Refused { code, .. } => class_of_code(code),
            Self::Status { status, .. } => class_of_status(*status),
            Self::NotSent { .. } => Class::Retry { after: None },
            Self::Lost { .. } | Self::Unreadable { .. } => Class::Unknown,
            Self::ForeignAddress => Class::Ours,
        }
    }

    /// The method that nobody is to call for a while, and for how long, where Slack wants fewer calls of it. A call that is made
    /// of several may be limited at any of them.
    pub fn hold(&self) -> Option<(&'static str, TimeDelta)> {
        let Self::RateLimited { method, retry_after } = self else { return None };
        let named = retry_after.and_then(|wait| TimeDelta::from_std(wait).ok());
        Some((*method, named.unwrap_or(UNNAMED_HOLD)))
    }

    /// Slack's word for the reason, when it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the app's access to the team is over, and not only this one thing not allowed.
    pub fn ends_access(&self) -> bool {
        matches!(
            self.code(),
            Some(
                "account_inactive"
                    | "invalid_auth"
                    | "invalid_refresh_token"
                    | "not_authed"
                    | "token_revoked"
            )
        )
    }

    /// Whether it is our app that Slack does not know by its id or secret: only whoever runs the server can mend that.
    pub fn is_about_our_app(&self) -> bool {
        matches!(self.code(), Some("bad_client_secret" | "invalid_client_id"))
    }

    /// A transport's failure. Only one that happened while connecting is known to have written nothing.
    pub(crate) fn of_transport(method: &'static str, error: reqwest::Error) -> Self {
        // The address of an upload lets anyone write to it, so no error repeats it.
        let source = error.without_url();
        if source.is_connect() || source.is_builder() {
            return Self::NotSent { method, source };
        }
        Self::Lost { method, source }
    }
}

fn class_of_status(status: u16) -> Class {
    match status {
        // A gateway gave up waiting for Slack's servers, which may yet have done what was asked.
        504 => Class::Unknown,
        408 | 429 | 500.. => Class::Retry { after: None },
        _ => Class::Ours,
    }
}

/// Whether a refusal says of itself, in Slack's documentation, that "some aspect of the operation" may have succeeded.
pub(crate) fn may_be_done(code: &str) -> bool {
    matches!(code, "fatal_error" | "internal_error")
}

/// Slack's codes, by what they mean for a delivery. A code that is not listed is taken for our mistake, so that someone
/// looks at it.
fn class_of_code(code: &str) -> Class {
    match code {
        code if may_be_done(code) => Class::Unknown,
        "rate_limited" | "ratelimited" | "request_timeout" | "service_unavailable" | "team_added_to_org" => {
            Class::Retry { after: None }
        }
        code if is_destination_fault(code) || is_thread_fault(code) => Class::Destination,
        "access_denied"
        | "account_inactive"
        | "enterprise_is_restricted"
        | "invalid_auth"
        | "invalid_refresh_token"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "not_authed"
        | "org_login_required"
        | "team_access_not_granted"
        | "token_expired"
        | "token_revoked"
        | "two_factor_setup_required" => Class::Installation,
        _ => Class::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_documented_code_has_its_class() {
        for code in ["request_timeout", "service_unavailable", "team_added_to_org", "ratelimited"] {
            assert_eq!(class_of_code(code), Class::Retry { after: None }, "{code}");
        }
        for code in ["fatal_error", "internal_error"] {
            assert_eq!(class_of_code(code), Class::Unknown, "{code}");
        }
        for code in [
            "not_in_channel",
            "is_archived",
            "channel_not_found",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_non_threadable_channel",
            "restricted_action_thread_locked",
            "ekm_access_denied",
            "user_not_found",
            "cannot_dm_bot",
        ] {
            assert_eq!(class_of_code(code), Class::Destination, "{code}");
        }
        for code in [
            "invalid_auth",
            "not_authed",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "missing_scope",
            "no_permission",
        ] {
            assert_eq!(class_of_code(code), Class::Installation, "{code}");
        }
        for code in ["msg_too_long", "no_text", "invalid_blocks", "invalid_arguments", "a_new_code"] {
            assert_eq!(class_of_code(code), Class::Ours, "{code}");
        }
    }

    #[test]
    fn a_status_alone_is_retried_unless_a_gateway_gave_up() {
        for status in [408, 429, 500, 502, 503] {
            assert_eq!(class_of_status(status), Class::Retry { after: None }, "{status}");
        }
        assert_eq!(class_of_status(504), Class::Unknown);
        for status in [302, 400, 403, 413] {
            assert_eq!(class_of_status(status), Class::Ours, "{status}");
        }
    }
}
