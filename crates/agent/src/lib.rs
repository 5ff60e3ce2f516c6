//! One turn of a thread: model client, tool loop, prompts, budget, figures, the built-in analyst.
//!
//! [`Agent`] claims runs and executes their turns; [`eval`] runs turns in memory and scores them. Both pass the same loop
//! (`turn`), which asks a [`model::Model`] and runs the `tools` that it calls, within [`limits`], and ends in an answer whose
//! [`figures`] are checked against the stored results.

mod admission;
pub mod builtin;
mod comparison;
mod condition;
mod conversation;
mod endings;
pub mod eval;
mod failure;
pub mod figures;
mod gate;
mod held;
mod journal;
pub mod limits;
mod method;
pub mod model;
mod months;
pub mod openai;
pub mod price;
mod prompt;
pub mod provider;
mod rows;
#[cfg(any(test, feature = "test-support"))]
pub mod scripted;
mod tools;
mod turn;
mod verified;
mod worker;

pub use builtin::Analyst;
pub use endings::Endings;
pub use limits::Limits;
pub use worker::{Agent, AgentOptions};
