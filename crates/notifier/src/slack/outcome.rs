//! What ends an attempt to send something to Slack, and what that means for the delivery.

use chrono::TimeDelta;
use domain::{delivery::retry_delay, destination};
use rand::RngExt as _;
use slack::{Class, Error};
use store::DeliveryOutcome;

use crate::{deliver, gather};

/// How long a message of which nobody knows is left alone before it is looked for: a request that was written may be worked on
/// for a while yet.
const UNKNOWN_WAIT: TimeDelta = TimeDelta::seconds(60);

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
    Slack(#[from] Error),
    /// Nobody knows whether Slack did it, and readers may see it.
    #[error("nobody knows whether it arrived")]
    Unknown(#[source] Error),
    /// It is not our turn for so long.
    #[error("it is not our turn in Slack")]
    Later(TimeDelta),
    /// The token has run out, and Slack did not renew it this time.
    #[error("Slack's token was not renewed")]
    NotRenewed(#[source] Error),
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
        Stop::Unknown(error) => DeliveryOutcome::Unknown {
            after: retry_delay(attempt).max(UNKNOWN_WAIT),
            message: format!("Slack did not say whether it took the message: {error}."),
        },
        Stop::NotRenewed(error) => {
            let after = asked_wait(&error).unwrap_or_else(jittered);
            // Its words are for whoever runs the server, and are in the log.
            let message = "Slack did not renew the app's access. It is tried again.".to_owned();
            later(after, "slack_not_renewed", message)
        }
        Stop::Disconnected => failed("slack_not_connected", "Slack is not connected to this workspace."),
        Stop::Destination(code) => unreachable_place(code),
        Stop::Slack(error) => match error.class() {
            Class::Retry { after: Some(wait) } => {
                let wait = TimeDelta::from_std(wait).unwrap_or_default();
                later(wait, "slack_limited", format!("{error}."))
            }
            // What nobody sees may be tried again, whether it happened or not.
            Class::Retry { after: None } | Class::Unknown => {
                later(jittered(), "slack_unavailable", format!("{error}."))
            }
            Class::Destination => unreachable_place(error.code().unwrap_or("refused")),
            Class::Installation => installation(&error),
            Class::Ours => failed("slack_refused", &format!("{error}.")),
        },
    })
}

/// How long Slack wants us to wait, where it says so.
pub(super) fn asked_wait(error: &Error) -> Option<TimeDelta> {
    let Class::Retry { after } = error.class() else { return None };
    after.and_then(|after| TimeDelta::from_std(after).ok())
}

/// It does not arrive there: what is wrong, and what to do.
fn unreachable_place(code: &str) -> DeliveryOutcome {
    let reason = format!("slack_{code}");
    let (what, advice) = destination::words(&reason);
    failed(&reason, &format!("{what} {advice}"))
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
    fn what_may_have_arrived_is_left_alone_for_a_while() {
        let error = Error::Refused { method: "chat.postMessage", code: "fatal_error".into(), detail: None };
        let lost = judged(Stop::Unknown(error), 1);
        assert!(matches!(lost, DeliveryOutcome::Unknown { after, .. } if after == UNKNOWN_WAIT));
    }
}
