//! What ends an attempt to send something to Slack, and what that means for the delivery.

use chrono::TimeDelta;
use domain::delivery::retry_delay;
use rand::RngExt as _;
use slack::{Class, Error};
use store::DeliveryOutcome;

use crate::{deliver, gather};

/// How long a message of which nobody knows is left alone before it is looked for: a request that was written may be worked on
/// for a while yet.
const UNKNOWN_WAIT: TimeDelta = TimeDelta::seconds(60);
/// A Slack that never answers is not asked more often than this.
const UNKNOWN_ATTEMPTS_MAX: u32 = 12;

/// Why a delivery goes no further now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// The database failed, or the lease was lost: nothing is written down.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The same, for many deliveries at once.
    #[error(transparent)]
    Gathered(#[from] gather::Error),
    /// Slack did not do it.
    #[error(transparent)]
    Slack(Error),
    /// Nobody knows whether Slack did it, and readers may see it.
    #[error("nobody knows whether it arrived")]
    Unknown(#[source] Error),
    /// It is not our turn for so long.
    #[error("it is not our turn in Slack")]
    Later(TimeDelta),
    /// The workspace is not connected with Slack, or not any more; or no app is set up here.
    #[error("Slack is not connected")]
    Disconnected,
    /// It cannot arrive there: a code of Slack's, or one in its manner.
    #[error("the destination refuses messages: {0}")]
    Destination(&'static str),
    /// Something else that ends the delivery.
    #[error("it is at its end")]
    End(DeliveryOutcome),
}

/// Judges the end of attempt number `attempt` (from 1).
pub(super) fn judge(
    stop: Stop,
    attempt: u32,
    random: &mut impl rand::Rng,
) -> Result<DeliveryOutcome, deliver::Error> {
    let later = |after: TimeDelta, reason: &str, message: String| DeliveryOutcome::Retry {
        after,
        reason: reason.to_owned(),
        message,
    };
    // Full jitter: what failed together does not come back together.
    let mut jittered =
        || TimeDelta::milliseconds(random.random_range(0..=retry_delay(attempt).num_milliseconds()));
    Ok(match stop {
        Stop::Store(error) => return Err(error.into()),
        Stop::Gathered(error) => return Err(error.into()),
        Stop::End(outcome) => outcome,
        Stop::Later(wait) => later(wait, "slack_busy", "Slack allows no more calls for now.".to_owned()),
        Stop::Unknown(error) if attempt >= UNKNOWN_ATTEMPTS_MAX => {
            failed("outcome_unknown", &format!("Slack never said whether it took the message: {error}."))
        }
        Stop::Unknown(error) => DeliveryOutcome::Unknown {
            after: retry_delay(attempt).max(UNKNOWN_WAIT),
            message: format!("Slack did not say whether it took the message: {error}."),
        },
        Stop::Disconnected => failed("slack_not_connected", "Slack is not connected to this workspace."),
        Stop::Destination(code) => failed(&format!("slack_{code}"), destination_sentence(code)),
        Stop::Slack(error) => match error.class() {
            Class::Retry { after: Some(wait) } => {
                let wait = TimeDelta::from_std(wait).unwrap_or_default();
                later(wait, "slack_limited", format!("{error}."))
            }
            // What nobody sees may be tried again, whether it happened or not.
            Class::Retry { after: None } | Class::Unknown => {
                later(jittered(), "slack_unavailable", format!("{error}."))
            }
            Class::Destination => {
                let code = error.code().unwrap_or("refused");
                failed(&format!("slack_{code}"), destination_sentence(code))
            }
            Class::Installation => installation(&error),
            Class::Ours => failed("slack_refused", &format!("{error}.")),
        },
    })
}

fn installation(error: &Error) -> DeliveryOutcome {
    let code = error.code().unwrap_or("refused");
    let message = match error {
        Error::Refused { detail: Some(detail), .. } => {
            format!("The Slack app lacks a permission ({code}: {detail}). An admin can connect Slack again.")
        }
        _ => format!("The Slack app lacks a permission ({code}). An admin can connect Slack again."),
    };
    failed(&format!("slack_{code}"), &message)
}

pub(super) fn failed(reason: &str, message: &str) -> DeliveryOutcome {
    DeliveryOutcome::Failed { reason: reason.to_owned(), message: message.to_owned() }
}

/// Whether a reason is one of [`Class::Destination`].
pub(super) fn is_destination_fault(reason: &str) -> bool {
    let Some(code) = reason.strip_prefix("slack_") else { return false };
    let refusal = Error::Refused { method: "chat.postMessage", code: code.to_owned(), detail: None };
    refusal.class() == Class::Destination || code == "not_linked"
}

/// What is wrong with a destination, and what to do.
fn destination_sentence(code: &str) -> &'static str {
    match code {
        "not_in_channel" => "The Tidings app is not in the channel. Invite it there with /invite.",
        "is_archived" => "The channel is archived. Choose another one in the task.",
        "channel_not_found" => {
            "The channel is gone, or private without the Tidings app in it. Invite it, or choose another."
        }
        "not_linked" => "The recipient has not linked their Slack account. They can in Settings.",
        "user_not_found" | "users_not_found" | "user_not_visible" | "user_disabled" => {
            "The recipient's Slack account is gone or deactivated."
        }
        "cannot_dm_bot" => "The recipient's Slack account is a bot's.",
        "ekm_access_denied" => "The Slack workspace's key management lets nobody post for now.",
        _ => "Slack's own settings do not let the Tidings app post there.",
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn judged(stop: Stop, attempt: u32) -> DeliveryOutcome {
        judge(stop, attempt, &mut StdRng::seed_from_u64(7)).expect("no failing database")
    }

    fn refused(code: &str) -> Stop {
        Stop::Slack(Error::Refused { method: "chat.postMessage", code: code.into(), detail: None })
    }

    #[test]
    fn each_class_of_refusal_has_its_end() {
        let reason = |code| match judged(refused(code), 1) {
            DeliveryOutcome::Failed { reason, .. } => reason,
            other => panic!("{code}: {other:?}"),
        };
        assert_eq!(reason("is_archived"), "slack_is_archived");
        assert_eq!(reason("missing_scope"), "slack_missing_scope");
        assert_eq!(reason("invalid_arguments"), "slack_refused");
        assert!(matches!(judged(refused("internal_error"), 1), DeliveryOutcome::Retry { .. }));
        let limit = Error::RateLimited {
            method: "chat.postMessage",
            retry_after: Some(std::time::Duration::from_secs(17)),
        };
        let held = judged(Stop::Slack(limit), 1);
        assert!(matches!(held, DeliveryOutcome::Retry { after, .. } if after == TimeDelta::seconds(17)));
    }

    #[test]
    fn what_may_have_arrived_is_left_alone_and_not_looked_for_for_ever() {
        let lost = |attempt| {
            let error =
                Error::Refused { method: "chat.postMessage", code: "fatal_error".into(), detail: None };
            judged(Stop::Unknown(error), attempt)
        };
        assert!(matches!(lost(1), DeliveryOutcome::Unknown { after, .. } if after == UNKNOWN_WAIT));
        assert!(matches!(lost(12), DeliveryOutcome::Failed { reason, .. } if reason == "outcome_unknown"));
    }

    #[test]
    fn a_destination_fault_is_known_by_its_reason() {
        for reason in
            ["slack_is_archived", "slack_not_in_channel", "slack_restricted_action_x", "slack_not_linked"]
        {
            assert!(is_destination_fault(reason), "{reason}");
        }
        for reason in ["slack_refused", "slack_missing_scope", "slack_backlog", "is_archived", "slack_busy"] {
            assert!(!is_destination_fault(reason), "{reason}");
        }
    }
}
