//! What a mail server's answer means, and what it means that there is none.

use lettre::transport::smtp;

use crate::render::inert::{clip, inert_line};

/// The longest answer of a server that is kept, in characters.
const ANSWER_MAX: usize = 300;

/// Why a mail was not sent, by what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Try again later: the server was out of reach, or said so (4xx) of itself.
    #[error("the mail server could not take the mail now: {answer}")]
    Later {
        /// What the server said, or what went wrong.
        answer: String,
        /// Whether it is for the operator to mend (a refused password), not for time.
        is_ours: bool,
    },
    /// Try again later: the server takes nothing for this recipient now (4.1.x, 4.2.x). It may take what is for others.
    #[error("the mailbox takes no mail now: {answer}")]
    Deferred {
        /// What the server said.
        answer: String,
        /// Whether it is full.
        is_full: bool,
    },
    /// Nobody reads at this address (5.1.x): nothing is to be sent to it again.
    #[error("the address does not exist: {answer}")]
    DeadAddress {
        /// What the server said.
        answer: String,
    },
    /// The server refuses this mail for good.
    #[error("the mail was refused: {answer}")]
    Refused {
        /// What the server said.
        answer: String,
        /// Whether it is a matter of policy (5.7.x), which the operator should hear of.
        is_policy: bool,
    },
    /// The connection broke between the end of the mail and the server's answer to it: it may have been taken or not.
    #[error("the connection was lost before the mail server answered: {answer}")]
    Unknown {
        /// What went wrong.
        answer: String,
    },
}

/// Where in the dialogue an error happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Sender,
    Recipient,
    Data,
    /// The mail is being written.
    Content,
    /// Its end is, or may be.
    End,
}

/// An error, and what it means for the connection.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) error: Error,
    /// Nothing more can be said on the connection.
    pub(super) is_broken: bool,
}

impl Failure {
    pub(super) const fn kept(step: Step, error: Error) -> Self {
        Self { step, error, is_broken: false }
    }

    /// Whether the connection failed and not the mail, before anything of the mail went out.
    pub(super) fn is_connections(&self) -> bool {
        self.is_broken
            && !matches!(self.step, Step::Content | Step::End)
            && matches!(self.error, Error::Later { is_ours: false, .. })
    }
}

pub(super) fn timed_out(step: Step) -> Failure {
    let error = match step {
        Step::End => Error::Unknown { answer: "the server did not answer in time".to_owned() },
        Step::Content => {
            Error::Later { answer: "the server did not take in the mail in time".to_owned(), is_ours: false }
        }
        _ => Error::Later { answer: "the server did not answer in time".to_owned(), is_ours: false },
    };
    Failure { step, error, is_broken: true }
}

pub(super) fn classify(step: Step, error: &smtp::Error) -> Failure {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let Some(code) = error.status() else {
        let answer = shown(&format!("{error} {said}"));
        let error = match step {
            Step::End => Error::Unknown { answer },
            // Not the network's doing: no TLS where it is required, no way to sign in.
            Step::Greeting if error.is_client() || error.is_tls() => Error::Later { answer, is_ours: true },
            _ => Error::Later { answer, is_ours: false },
        };
        return Failure { step, error, is_broken: true };
    };
    let code = u16::from(code);
    // 421: the server says goodbye, and closes.
    Failure { step, error: refusal(step, code, &said), is_broken: code == 421 }
}

/// What a server's refusal means.
fn refusal(step: Step, code: u16, said: &str) -> Error {
    let answer = shown(&format!("{code} {said}"));
    if code < 500 {
        return put_off(step, code, said, answer);
    }
    // Before a mail is named, and where the server wants a password, a refusal is of us, not of the mail.
    if step == Step::Greeting || matches!(code, 530 | 535) {
        return Error::Later { answer, is_ours: true };
    }
    match enhanced_status(said) {
        // 5.1.7 and 5.1.8 are about the sender's address, as is everything said before the recipient is named.
        Some((5, 1, 7 | 8) | (5, 7, _)) => Error::Refused { answer, is_policy: true },
        Some((5, 1, _)) if step != Step::Sender => Error::DeadAddress { answer },
        _ => Error::Refused { answer, is_policy: step == Step::Sender },
    }
}

/// What "not now" is about: the server, unless what it says is about the recipient. An outage of a server, and its policy, must
/// not be taken for a fault of all who are behind it.
fn put_off(step: Step, code: u16, said: &str, answer: String) -> Error {
    // Whatever its words are, it says goodbye; and nobody is named before the recipient.
    if code == 421 || matches!(step, Step::Greeting | Step::Sender) {
        return Error::Later { answer, is_ours: false };
    }
    match enhanced_status(said) {
        Some((4, 2, 2)) => Error::Deferred { answer, is_full: true },
        // 4.1.7 and 4.1.8 are about the sender's address.
        Some((4, 1, 0..=6 | 9..) | (4, 2, _)) => Error::Deferred { answer, is_full: false },
        // By RFC 5321 alone 450 is about a mailbox, and 452 about room: as an answer to a recipient, about theirs.
        None if step == Step::Recipient && matches!(code, 450 | 452) => {
            Error::Deferred { answer, is_full: code == 452 }
        }
        _ => Error::Later { answer, is_ours: false },
    }
}

/// `5.1.1` at the start of a server's answer (RFC 3463).
fn enhanced_status(answer: &str) -> Option<(u16, u16, u16)> {
    let mut numbers = answer.split_whitespace().next()?.split('.').map(|number| number.parse().ok());
    let status = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(status)
}

pub(super) fn shown(answer: &str) -> String {
    clip(&inert_line(answer), ANSWER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes_are_read_from_the_start_of_an_answer() {
        assert_eq!(enhanced_status("5.1.1 no such user"), Some((5, 1, 1)));
        assert_eq!(enhanced_status("user 5.1.1"), None);
        assert_eq!(enhanced_status("1.2.3.4 is blocked"), None);
        assert_eq!(enhanced_status(""), None);
    }

    /// Who a "not now" is held against: the recipient and whether they are full, or the server.
    #[test]
    fn not_now_is_held_against_a_recipient_only_where_it_is_about_them() {
        let held_against = |step, code, said| match refusal(step, code, said) {
            Error::Deferred { is_full: true, .. } => "full",
            Error::Deferred { is_full: false, .. } => "recipient",
            Error::Later { is_ours: false, .. } => "server",
            other => panic!("{other:?}"),
        };
        for (step, code, said, whom) in [
            (Step::Recipient, 452, "4.2.2 mailbox full", "full"),
            (Step::Recipient, 452, "mailbox full", "full"),
            (Step::End, 452, "4.2.2 over quota", "full"),
            (Step::Recipient, 450, "4.2.0 greylisted", "recipient"),
            (Step::Recipient, 450, "mailbox busy", "recipient"),
            (Step::Recipient, 450, "4.1.1 unverified address", "recipient"),
            (Step::End, 451, "4.2.1 not now", "recipient"),
            (Step::Recipient, 450, "4.1.8 the sender's domain is not found", "server"),
            (Step::Recipient, 451, "4.3.0 queue file write error", "server"),
            (Step::Recipient, 451, "local error in processing", "server"),
            (Step::Recipient, 452, "4.3.1 insufficient system storage", "server"),
            (Step::Recipient, 450, "4.7.1 too much mail from you", "server"),
            (Step::Recipient, 421, "4.2.1 closing", "server"),
            (Step::Sender, 450, "4.2.0 not now", "server"),
            (Step::End, 452, "insufficient system storage", "server"),
        ] {
            assert_eq!(held_against(step, code, said), whom, "{step:?} {code} {said}");
        }
    }
}
