//! Charts as a caller sees them: one binary for all tests, since each would link the whole engine.

mod charts;
mod gallery;
mod palette;
mod refusals;
mod samples;
