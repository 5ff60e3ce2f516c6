//! Caps: the most that work may cost, for a workspace, a person or a task.
//!
//! A run is held to the caps of its workspace, of whom it runs for, and of its task. What a month used is known after each
//! reply, so that a cap is overstepped by no more than the replies that were under way. From 80% on a cheaper model
//! answers, where there is one, and people are told; at the cap work stops.

use serde::{Deserialize, Serialize};

use crate::{Credits, invalid::Issues, words};

/// From this share of a cap on, in hundredths, it is near.
const NEAR_PERCENT: i64 = 80;

words! {
    /// Whose cap it is.
    CapSubject("cap subject") {
        /// All work of the workspace.
        Workspace = "workspace",
        /// What runs for one person: their tasks and their questions.
        User = "user",
        /// One task.
        Task = "task",
    }
}

/// The most that work may cost, in credits with at most six decimals. Absent or null: no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CreditCaps {
    /// One run, or one turn of a thread.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub per_run: Option<f64>,
    /// A month, by UTC.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub per_month: Option<f64>,
}

impl CreditCaps {
    /// Notes what is no cap. `path` is the field that holds them, empty for none.
    pub fn check(&self, path: &str, issues: &mut Issues) {
        for (name, cap) in [("perRun", self.per_run), ("perMonth", self.per_month)] {
            let is_cap = cap.is_none_or(|cap| cap > 0.0 && Credits::granted(cap).is_ok());
            let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            issues.require(
                is_cap,
                &field,
                "must be a number of credits above zero, with at most six decimals",
            );
        }
    }

    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        self.per_run.is_none() && self.per_month.is_none()
    }
}

/// A cap that holds for a run, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapStanding {
    /// Whose it is.
    pub subject: CapSubject,
    /// The most of one run.
    pub per_run: Option<Credits>,
    /// The most of a month.
    pub per_month: Option<Credits>,
    /// What this month has used.
    pub used: Credits,
}

impl CapStanding {
    /// Whether nothing more may be spent this month.
    pub fn is_reached(&self) -> bool {
        self.per_month.is_some_and(|cap| self.used >= cap)
    }

    /// Whether so much of the month's cap is used that spending goes down.
    pub fn is_near(&self) -> bool {
        self.per_month.is_some_and(|cap| is_near(self.used, cap))
    }

    /// Why work stops: `The cap of 20 credits a month for this task is reached.`
    pub fn sentence(&self) -> String {
        let cap = self.per_month.unwrap_or_default();
        let whose = match self.subject {
            CapSubject::Workspace => "the workspace",
            CapSubject::User => "you",
            CapSubject::Task => "this task",
        };
        format!("The cap of {cap} credits a month for {whose} is reached.")
    }
}

/// Whether `used` is at 80% of `cap` or above.
pub fn is_near(used: Credits, cap: Credits) -> bool {
    i128::from(used.as_micros()) * 100 >= i128::from(cap.as_micros()) * i128::from(NEAR_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(used: i64) -> CapStanding {
        let per_month = Some(Credits::from_micros(10_000_000));
        CapStanding { subject: CapSubject::Task, per_run: None, per_month, used: Credits::from_micros(used) }
    }

    #[test]
    fn a_cap_is_near_from_four_fifths_on_and_reached_at_its_end() {
        assert!(!standing(7_999_999).is_near());
        assert!(standing(8_000_000).is_near() && !standing(9_999_999).is_reached());
        assert!(standing(10_000_000).is_reached());
        assert_eq!(standing(0).sentence(), "The cap of 10 credits a month for this task is reached.");
        let uncapped = CapStanding { per_month: None, ..standing(i64::MAX) };
        assert!(!uncapped.is_near() && !uncapped.is_reached());
    }

    #[test]
    fn what_is_no_cap_is_told_at_its_field() {
        let mut issues = Issues::default();
        CreditCaps { per_run: Some(0.0), per_month: Some(-1.0) }.check("caps", &mut issues);
        CreditCaps { per_run: Some(0.000_000_1), per_month: None }.check("", &mut issues);
        CreditCaps { per_run: Some(0.5), per_month: Some(20.0) }.check("caps", &mut issues);
        let invalid = issues.into_result().expect_err("a refusal");
        let paths: Vec<_> = invalid.issues.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(paths, ["caps.perRun", "caps.perMonth", "perRun"]);
    }
}
