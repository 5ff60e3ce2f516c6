//! A task that was drafted in a conversation, for its writer to look over. Nothing of it is saved.

use serde::{Deserialize, Serialize};

use crate::{schedule::ScheduleSpec, task::Notification};

/// A task as it could be saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskDraft {
    /// What it is called.
    pub title: String,
    /// The question, with the data that it uses as mentions.
    pub prompt: String,
    /// When it fires.
    pub schedule: ScheduleSpec,
    /// `Every Monday, 09:00 to 11:00, Europe/Berlin`.
    pub schedule_in_words: String,
    /// Who is told: those of the people, groups and channels named that were found.
    pub notification: Notification,
    /// Their names.
    pub recipients: Vec<String>,
    /// Those that were not found, or not one alone.
    pub unresolved: Vec<UnresolvedRecipient>,
    /// What was assumed, or could not be had as it was asked for.
    pub notes: Vec<String>,
}

/// Somebody who was named as a recipient and could not be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnresolvedRecipient {
    /// As they were named.
    pub name: String,
    /// Why, as a sentence.
    pub why: String,
}
