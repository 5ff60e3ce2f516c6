//! What an attempt's outcome means for the delivery.

use chrono::TimeDelta;
use domain::delivery::retry_delay;
use rand::RngExt as _;
use store::DeliveryOutcome;

use crate::transport::Error;

/// How long an unknown outcome is left alone, at least, before the mail is sent again.
///
/// An SMTP server cannot be asked whether it took a mail whose answer was lost. To drop the mail could lose it, which the
/// reader has no way to notice; to send it again could deliver it twice, which the reader's mail system notices: the second
/// one bears the same Message-ID, sender, date and text, byte for byte, and mail stores show such twins once. So it is sent
/// again, once the server that may still be working on the first one has had time to finish.
const UNKNOWN_WAIT: TimeDelta = TimeDelta::seconds(60);

/// Judges the end of attempt number `attempt` (from 1).
pub(crate) fn judge(
    result: Result<String, Error>,
    attempt: u32,
    random: &mut impl rand::Rng,
) -> DeliveryOutcome {
    match result {
        Ok(provider_id) => DeliveryOutcome::Sent { provider_id },
        Err(Error::Later { answer, .. }) => retry(attempt, "server_unavailable", answer, random),
        Err(Error::Deferred { answer, is_full: true }) => retry(attempt, "mailbox_full", answer, random),
        Err(Error::Deferred { answer, is_full: false }) => {
            retry(attempt, "mailbox_unavailable", answer, random)
        }
        Err(Error::Unknown { answer }) => {
            DeliveryOutcome::Unknown { after: retry_delay(attempt).max(UNKNOWN_WAIT), message: answer }
        }
        Err(Error::DeadAddress { .. }) => DeliveryOutcome::Suppressed { reason: "address_dead".to_owned() },
        Err(Error::Refused { answer, is_policy }) => {
            let reason = if is_policy { "refused_by_policy" } else { "refused" };
            DeliveryOutcome::Failed { reason: reason.to_owned(), message: answer }
        }
    }
}

fn retry(attempt: u32, reason: &str, answer: String, random: &mut impl rand::Rng) -> DeliveryOutcome {
    // Full jitter: what failed together does not come back together.
    let base = retry_delay(attempt).num_milliseconds();
    let after = TimeDelta::milliseconds(random.random_range(0..=base));
    DeliveryOutcome::Retry { after, reason: reason.to_owned(), message: answer }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn waits_grow_within_their_bases_and_are_spread() {
        let mut random = StdRng::seed_from_u64(7);
        for attempt in 1..12 {
            let waits: Vec<TimeDelta> = (0..200)
                .map(|_| {
                    let later = Error::Later { answer: "451 later".into(), is_ours: false };
                    match judge(Err(later), attempt, &mut random) {
                        DeliveryOutcome::Retry { after, .. } => after,
                        other => panic!("{other:?}"),
                    }
                })
                .collect();
            let base = retry_delay(attempt);
            assert!(waits.iter().all(|wait| (TimeDelta::zero()..=base).contains(wait)));
            assert!(waits.iter().min() < Some(&(base / 10)) && waits.iter().max() > Some(&(base * 9 / 10)));
        }
    }

    #[test]
    fn what_may_have_arrived_is_left_alone_for_a_while() {
        let mut random = StdRng::seed_from_u64(7);
        let mut unknown =
            |attempt| judge(Err(Error::Unknown { answer: String::new() }), attempt, &mut random);
        assert!(matches!(unknown(1), DeliveryOutcome::Unknown { after, .. } if after == UNKNOWN_WAIT));
        assert!(
            matches!(unknown(5), DeliveryOutcome::Unknown { after, .. } if after == TimeDelta::minutes(15))
        );
    }
}
