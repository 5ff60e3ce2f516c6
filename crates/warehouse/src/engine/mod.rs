//! The engines, one module each.

pub(crate) mod files;
pub(crate) mod postgres;
