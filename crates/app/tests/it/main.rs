//! Tests of the whole system: the real binary, its own PostgreSQL, real files and databases beside it.

mod commands;
mod directions;
mod firing;
mod journey;
mod support;
