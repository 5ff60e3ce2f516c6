//! What one turn may use. Interactive, scheduled and evaluated turns all pass here, and nowhere else is a limit decided.

use std::{fmt, time::Duration};

use domain::{
    Credits,
    credit_cap::{self, CapStanding},
    provenance,
    run::{RunReason, Usage},
    step::StepBody,
};
use store::Clearance;
use warehouse::QueryLimits;

use crate::failure::Failure;

/// The most that one turn may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Model replies and tool calls, together.
    pub steps: u32,
    /// Tokens sent and received, together.
    pub tokens: u64,
    /// Time of work, over all attempts; time between attempts does not count.
    pub wall_time: Duration,
    /// The most tokens of one reply.
    pub reply_tokens: u32,
    /// What one query may cost.
    pub query: QueryLimits,
}

impl Default for Limits {
    /// 24 steps, 200,000 tokens, 10 minutes; for a query 2 minutes, 100,000 rows and 64 MiB.
    fn default() -> Self {
        Self {
            steps: 24,
            tokens: 200_000,
            wall_time: Duration::from_mins(10),
            reply_tokens: 8_192,
            query: QueryLimits::default(),
        }
    }
}

/// A limit that ended a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// On model replies and tool calls.
    Steps(u32),
    /// On tokens.
    Tokens(u64),
    /// On time.
    WallTime(Duration),
    /// On what the run costs.
    Credits(Credits),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "the limit of {steps} steps"),
            Self::Tokens(tokens) => write!(f, "the limit of {tokens} tokens"),
            Self::WallTime(time) if time.as_secs() >= 120 => {
                write!(f, "the limit of {} minutes", time.as_secs() / 60)
            }
            Self::WallTime(time) => write!(f, "the limit of {} seconds", time.as_secs()),
            Self::Credits(cap) => write!(f, "the cap of {cap} credits a run"),
        }
    }
}

/// Where a turn stands between its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is room.
    Room,
    /// Room for one more reply and the answer in it.
    LastCall,
    /// None.
    Exceeded(Limit),
}

/// How a turn may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// As it likes.
    Full,
    /// On a cheaper model, where there is one: a cap is near.
    Thrifty,
}

/// What a turn has used so far, gathered from its steps.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    limits: Limits,
    steps: u32,
    worked: Duration,
    last_tokens_in: u64,
    /// The most that the run may cost, by the lowest of the caps that hold for it.
    run_cap: Option<Credits>,
    last_credits: f64,
    usage: Usage,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            steps: 0,
            worked: Duration::ZERO,
            last_tokens_in: 0,
            run_cap: None,
            last_credits: 0.0,
            usage: Usage::default(),
        }
    }

    /// Holds the turn to the caps of a run.
    pub(crate) fn hold_to(&mut self, caps: &[CapStanding]) {
        self.run_cap = caps.iter().filter_map(|cap| cap.per_run).min();
    }

    /// Counts a step, also one of an earlier attempt.
    pub(crate) fn count(&mut self, body: &StepBody, elapsed: Duration) {
        self.worked += elapsed;
        match body {
            StepBody::Model { tokens_in, tokens_out, credits, .. } => {
                self.steps += 1;
                self.last_tokens_in = *tokens_in;
                self.usage.tokens_in += tokens_in;
                self.usage.tokens_out += tokens_out;
                self.usage.credits += credits;
                self.last_credits = *credits;
            }
            StepBody::Tool { .. } => self.steps += 1,
            StepBody::Notice { .. } => {}
        }
    }

    /// Counts the query that gave a stored result, and its rows. Those of a comparison were counted when they were queried.
    pub(crate) fn count_result(&mut self, sql: &str, rows: u64) {
        if provenance::is_comparison(sql) {
            return;
        }
        self.usage.queries += 1;
        self.usage.rows += rows;
    }

    pub(crate) const fn usage(&self) -> Usage {
        self.usage
    }

    pub(crate) const fn steps(&self) -> u32 {
        self.steps
    }

    /// Where the turn stands before its next model call. `working` is the time since the last step.
    pub(crate) fn standing(&self, working: Duration) -> Standing {
        let Limits { steps, tokens, wall_time, reply_tokens, .. } = self.limits;
        let used = self.usage.tokens_in + self.usage.tokens_out;
        if self.steps >= steps {
            return Standing::Exceeded(Limit::Steps(steps));
        }
        if used >= tokens {
            return Standing::Exceeded(Limit::Tokens(tokens));
        }
        if self.time_left(working).is_zero() {
            return Standing::Exceeded(Limit::WallTime(wall_time));
        }
        let spent = |more: f64| Credits::nearest(self.usage.credits + more);
        if let Some(cap) = self.run_cap.filter(|cap| spent(0.0) >= *cap) {
            return Standing::Exceeded(Limit::Credits(cap));
        }
        // Two more requests, each at least as long as the last, must fit; else the next is the last.
        let is_dear = self.run_cap.is_some_and(|cap| spent(2.0 * self.last_credits) >= cap);
        let next_two = 2 * (self.last_tokens_in + u64::from(reply_tokens) / 4);
        let worked = self.worked + working;
        if self.steps + 2 >= steps || used + next_two >= tokens || worked >= wall_time.mul_f64(0.9) || is_dear
        {
            return Standing::LastCall;
        }
        Standing::Room
    }

    /// How the turn may spend on its next reply, given what its workspace has left and how it stands against its caps; or why
    /// it may not.
    pub(crate) fn allowance(&self, clearance: &Clearance) -> Result<Allowance, Failure> {
        if !clearance.is_left {
            let reason = RunReason::BlockedByCredits;
            return Err(Failure::new(reason, reason.sentence()));
        }
        if let Some(reached) = clearance.caps.iter().find(|cap| cap.is_reached()) {
            return Err(Failure::new(RunReason::CapReached, reached.sentence()));
        }
        let spent = Credits::nearest(self.usage.credits);
        let is_near = clearance.caps.iter().any(CapStanding::is_near)
            || self.run_cap.is_some_and(|cap| credit_cap::is_near(spent, cap));
        Ok(if is_near { Allowance::Thrifty } else { Allowance::Full })
    }

    /// The limit that stands in the way of one more tool call. Neither tokens nor credits do: those of the reply that asked for
    /// it are paid.
    pub(crate) fn exceeded(&self, working: Duration) -> Option<Limit> {
        if self.steps >= self.limits.steps {
            return Some(Limit::Steps(self.limits.steps));
        }
        self.time_left(working).is_zero().then_some(Limit::WallTime(self.limits.wall_time))
    }

    pub(crate) fn time_left(&self, working: Duration) -> Duration {
        self.limits.wall_time.saturating_sub(self.worked + working)
    }

    /// What the next query may cost: no longer than the turn has left.
    pub(crate) fn query_limits(&self, working: Duration) -> QueryLimits {
        let timeout = self.limits.query.timeout.min(self.time_left(working)).max(Duration::from_secs(1));
        QueryLimits { timeout, ..self.limits.query }
    }
}

#[cfg(test)]
mod tests {
    use domain::step::ModelProvider;

    use super::*;

    fn model(tokens_in: u64) -> StepBody {
        StepBody::Model {
            model: "m".into(),
            provider: ModelProvider::Server,
            text: String::new(),
            tool_calls: vec![],
            tokens_in,
            tokens_out: 10,
            credits: 0.5,
        }
    }

    #[test]
    fn the_last_two_steps_are_for_the_answer() {
        let mut budget = Budget::new(Limits { steps: 4, ..Limits::default() });
        assert_eq!(budget.standing(Duration::ZERO), Standing::Room);
        budget.count(&model(1), Duration::ZERO);
        assert_eq!(budget.standing(Duration::ZERO), Standing::Room);
        budget.count(&model(1), Duration::ZERO);
        assert_eq!(budget.standing(Duration::ZERO), Standing::LastCall);
        budget.count(&model(1), Duration::ZERO);
        budget.count(&model(1), Duration::ZERO);
        assert_eq!(budget.standing(Duration::ZERO), Standing::Exceeded(Limit::Steps(4)));
        assert_eq!(budget.exceeded(Duration::ZERO), Some(Limit::Steps(4)));
        assert!((budget.usage().credits - 2.0).abs() < 1e-9);
    }

    fn cap(per_run: Option<i64>, per_month: Option<i64>, used: i64) -> CapStanding {
        let credits = |tenths: Option<i64>| tenths.map(|tenths| Credits::from_micros(tenths * 100_000));
        CapStanding {
            subject: domain::credit_cap::CapSubject::Task,
            per_run: credits(per_run),
            per_month: credits(per_month),
            used: Credits::from_micros(used * 100_000),
        }
    }

    #[test]
    fn the_lowest_cap_of_a_run_ends_it_and_leaves_room_for_an_answer() {
        let mut budget = Budget::new(Limits::default());
        budget.hold_to(&[cap(Some(50), None, 0), cap(Some(20), None, 0)]);
        let clearance = Clearance { is_left: true, caps: vec![] };
        budget.count(&model(1), Duration::ZERO);
        assert_eq!(budget.standing(Duration::ZERO), Standing::Room, "0.5 of 2, and two more are 1.5");
        budget.count(&model(1), Duration::ZERO);
        assert_eq!(budget.standing(Duration::ZERO), Standing::LastCall);
        assert_eq!(budget.allowance(&clearance).expect("room"), Allowance::Full);
        budget.count(&model(1), Duration::ZERO);
        budget.count(&model(1), Duration::ZERO);
        assert_eq!(budget.allowance(&clearance).expect("room"), Allowance::Thrifty);
        let limit = Limit::Credits(Credits::from_micros(2_000_000));
        assert_eq!(budget.standing(Duration::ZERO), Standing::Exceeded(limit));
        assert_eq!(limit.to_string(), "the cap of 2 credits a run");
        assert_eq!(budget.exceeded(Duration::ZERO), None, "what was paid for is run");
    }

    #[test]
    fn a_month_goes_from_full_to_thrifty_to_nothing() {
        let budget = Budget::new(Limits::default());
        let allowance = |used: i64| {
            let caps = vec![cap(None, Some(100), used), cap(None, None, 999)];
            budget.allowance(&Clearance { is_left: true, caps })
        };
        assert_eq!(allowance(79).expect("room"), Allowance::Full);
        assert_eq!(allowance(80).expect("room"), Allowance::Thrifty);
        assert_eq!(allowance(99).expect("room"), Allowance::Thrifty);
        assert!(matches!(allowance(100), Err(Failure::Failed { reason: RunReason::CapReached, .. })));
        let used_up = Clearance { is_left: false, caps: vec![] };
        let refused = budget.allowance(&used_up);
        assert!(matches!(refused, Err(Failure::Failed { reason: RunReason::BlockedByCredits, .. })));
    }

    #[test]
    fn tokens_and_time_end_a_turn_too() {
        let mut budget =
            Budget::new(Limits { tokens: 10_000, wall_time: Duration::from_secs(100), ..Limits::default() });
        budget.count(&model(3_000), Duration::from_secs(10));
        assert_eq!(budget.standing(Duration::ZERO), Standing::LastCall);
        budget.count(&model(7_000), Duration::ZERO);
        assert_eq!(budget.standing(Duration::ZERO), Standing::Exceeded(Limit::Tokens(10_000)));
        assert_eq!(budget.exceeded(Duration::ZERO), None);
        assert_eq!(budget.exceeded(Duration::from_secs(90)), Some(Limit::WallTime(Duration::from_secs(100))));
        assert_eq!(budget.query_limits(Duration::from_mins(1)).timeout, Duration::from_secs(30));
    }
}
