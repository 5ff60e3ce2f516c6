//! What a workspace's admins set for how its tasks run.

use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, Issues};

/// The longest grace period, in seconds: a week.
pub const GRACE_SECONDS_MAX: u32 = 604_800;
/// The most runs that a workspace may be allowed at once.
pub const CONCURRENT_RUNS_MAX: u32 = 10_000;

/// How a workspace's tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceSettings {
    /// The grace period: how long after its window's close an occurrence still runs, late, in seconds. Six hours unless
    /// changed, a week at most; with 0 nothing runs late.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 604_800, example = 21_600))]
    pub grace_seconds: u32,
    /// The most runs under way at once, of tasks and of threads; what is more waits. 20 unless changed.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10_000, example = 20))]
    pub max_concurrent_runs: u32,
    /// Whether tasks may be saved without an expiration. They may not unless changed.
    pub may_never_expire: bool,
}

impl WorkspaceSettings {
    /// Refuses what is out of bounds.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut issues = Issues::default();
        issues.require(
            self.grace_seconds <= GRACE_SECONDS_MAX,
            "graceSeconds",
            &format!("must be at most {GRACE_SECONDS_MAX}, a week"),
        );
        issues.require(
            (1..=CONCURRENT_RUNS_MAX).contains(&self.max_concurrent_runs),
            "maxConcurrentRuns",
            &format!("must be from 1 to {CONCURRENT_RUNS_MAX}"),
        );
        issues.into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn settings(grace_seconds: u32, max_concurrent_runs: u32) -> WorkspaceSettings {
        WorkspaceSettings { grace_seconds, max_concurrent_runs, may_never_expire: false }
    }

    #[test]
    fn what_is_out_of_bounds_is_told_at_its_field() {
        for (grace, runs) in [(0, 1), (21_600, 20), (604_800, 10_000)] {
            settings(grace, runs).check().expect("within the bounds");
        }
        for (grace, runs, fields) in [
            (604_801, 1, vec!["graceSeconds"]),
            (0, 0, vec!["maxConcurrentRuns"]),
            (0, 10_001, vec!["maxConcurrentRuns"]),
            (u32::MAX, u32::MAX, vec!["graceSeconds", "maxConcurrentRuns"]),
        ] {
            let invalid = settings(grace, runs).check().expect_err("a refusal");
            let told: Vec<_> = invalid.issues.iter().map(|issue| issue.path.as_str()).collect();
            assert_eq!(told, fields);
        }
    }
}
