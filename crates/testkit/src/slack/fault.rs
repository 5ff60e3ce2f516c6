//! What can go wrong on Slack's side, on demand.

use std::collections::{BTreeMap, VecDeque};

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", rename_all_fields = "camelCase")]
pub enum Fault {
    /// 429, and nothing done. Calls before the time is over are answered 429 too.
    Limited {
        /// What `Retry-After` says.
        retry_after_seconds: u32,
    },
    /// A server before Slack's own answers this status in HTML; nothing done.
    Html {
        /// The status.
        status: u16,
    },
    /// A refusal in Slack's words, such as `internal_error`; nothing done.
    InternalError,
    /// `invalid_blocks`; nothing done.
    InvalidBlocks,
    /// `fatal_error`, and it is done all the same.
    FatalErrorDone,
    /// `fatal_error` with this status, and it is done all the same.
    FatalErrorAtStatus {
        /// The status.
        status: u16,
    },
    /// `fatal_error`, and nothing done.
    FatalErrorUndone,
    /// Done, but the connection ends without an answer.
    AnswerDropped,
    /// The connection ends without an answer, and nothing is done.
    RequestDropped,
    /// Done at once, but answered late.
    Slow {
        /// How late.
        milliseconds: u64,
    },
}

impl Fault {
    /// Whether what was asked is done all the same.
    pub const fn is_done(self) -> bool {
        match self {
            Self::FatalErrorDone
            | Self::FatalErrorAtStatus { .. }
            | Self::AnswerDropped
            | Self::Slow { .. } => true,
            Self::Limited { .. }
            | Self::Html { .. }
            | Self::InternalError
            | Self::InvalidBlocks
            | Self::FatalErrorUndone
            | Self::RequestDropped => false,
        }
    }
}

/// Faults by chance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chaos {
    /// The same seed and the same calls give the same faults.
    pub seed: u64,
    /// The share of calls that are struck, 0 to 1.
    pub share: f64,
    /// One of these, each as likely.
    pub faults: Vec<Fault>,
    /// Only these methods; all where it is empty. Bytes of files go by `upload`.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Only calls of these workspaces; of all where it is empty.
    #[serde(default)]
    pub teams: Vec<String>,
}

/// What is to go wrong next.
#[derive(Debug, Default)]
pub(super) struct Faults {
    scripts: BTreeMap<String, VecDeque<Option<Fault>>>,
    chaos: Option<(Chaos, ChaCha8Rng)>,
}

impl Faults {
    /// The next calls of a method go as the script says, one after the other; `None` goes well.
    pub(super) fn script(&mut self, method: &str, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.scripts.entry(method.to_owned()).or_default().extend(faults);
    }

    pub(super) fn set_chaos(&mut self, chaos: Option<Chaos>) {
        self.chaos = chaos.map(|chaos| {
            let random = ChaCha8Rng::seed_from_u64(chaos.seed);
            (chaos, random)
        });
    }

    pub(super) fn next(&mut self, method: &str, team: Option<&str>) -> Option<Fault> {
        if let Some(next) = self.scripts.get_mut(method).and_then(VecDeque::pop_front) {
            return next;
        }
        let (chaos, random) = self.chaos.as_mut()?;
        let is_meant = |meant: &[String], this: Option<&str>| {
            meant.is_empty() || meant.iter().any(|meant| Some(meant.as_str()) == this)
        };
        if !is_meant(&chaos.methods, Some(method))
            || !is_meant(&chaos.teams, team)
            || chaos.faults.is_empty()
            || random.random::<f64>() >= chaos.share
        {
            return None;
        }
        let choice = random.next_u64() as usize % chaos.faults.len();
        Some(chaos.faults[choice])
    }
}
