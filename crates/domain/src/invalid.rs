//! What is wrong with an input, field by field.

use serde::{Deserialize, Serialize};

/// One thing wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Issue {
    /// The field, dotted: `schedule.windowStart`, `notification.userIds[2]`.
    pub path: String,
    /// What is wrong and what would be right, as a sentence.
    pub message: String,
}

/// An input that was refused. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(.issues))]
pub struct Invalid {
    /// Everything found wrong, in the order of the fields.
    pub issues: Vec<Issue>,
}

impl Invalid {
    /// A refusal for one field.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { issues: vec![Issue { path: path.into(), message: message.into() }] }
    }
}

fn summary(issues: &[Issue]) -> String {
    issues.iter().map(|issue| format!("{}: {}", issue.path, issue.message)).collect::<Vec<_>>().join("; ")
}

/// Collects issues so that a caller learns of all of them at once.
#[derive(Debug, Default)]
pub struct Issues(Vec<Issue>);

impl Issues {
    /// Notes one issue.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Issue { path: path.into(), message: message.into() });
    }

    /// Notes `message` unless `holds`.
    pub fn require(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.add(path, message);
        }
    }

    /// Refuses when anything was noted.
    pub fn into_result(self) -> Result<(), Invalid> {
        if self.0.is_empty() { Ok(()) } else { Err(Invalid { issues: self.0 }) }
    }
}
