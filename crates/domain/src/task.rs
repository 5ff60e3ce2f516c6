//! Tasks: saved questions.

use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    condition::Condition,
    credit_cap::CreditCaps,
    freshness::FreshnessGate,
    id::{ConnectionId, GroupId, UserId},
    invalid::{Invalid, Issues},
    schedule::{Schedule, ScheduleSpec},
    words,
};

/// The longest title, in characters.
pub const TITLE_MAX: usize = 150;
/// The longest prompt, in characters.
pub const PROMPT_MAX: usize = 20_000;
/// The most recipients of one task, users and groups and channels together.
pub const RECIPIENTS_MAX: usize = 100;

words! {
    /// Whether a task fires.
    TaskStatus("task status") {
        /// It fires.
        Active = "active",
        /// Its creator paused it.
        Paused = "paused",
        /// Its expiration has passed.
        Expired = "expired",
        /// Its creator was deactivated, or it was cancelled; for good.
        Cancelled = "cancelled",
    }
}

words! {
    /// What a mention or an entry of a context refers to.
    ContextKind("context kind") {
        /// A data source.
        Connection = "connection",
        /// Metrics over a connection.
        SemanticModel = "semantic_model",
        /// An analysis kept as cells.
        Project = "project",
    }
}

/// What a task or thread may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Context {
    /// Data sources. Mentions in the prompt are added to these when the task is saved.
    pub connection_ids: Vec<ConnectionId>,
    /// Semantic models. None exist yet.
    pub semantic_model_ids: Vec<uuid::Uuid>,
    /// Projects. None exist yet.
    pub project_ids: Vec<uuid::Uuid>,
}

/// A Slack channel, by id; the name is what it was called when the task was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlackChannel {
    /// `C0123456789`.
    pub id: String,
    /// `#growth`.
    pub name: String,
}

/// Who is told, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Notification {
    /// Channels.
    pub slack_channels: Vec<SlackChannel>,
    /// Members, each by email or Slack as they prefer.
    pub user_ids: Vec<UserId>,
    /// Groups, expanded when a run delivers.
    pub group_ids: Vec<GroupId>,
    /// Whether the first shown result goes along as CSV.
    pub attach_csv: bool,
}

/// A task as its creator writes it, before it is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskSpec {
    /// What it is called.
    pub title: String,
    /// The question. A mention is written `@[label](connection:ID)`.
    pub prompt: String,
    /// What it may use.
    #[serde(default)]
    pub context: Context,
    /// When it fires.
    pub schedule: ScheduleSpec,
    /// Who is told.
    #[serde(default)]
    pub notification: Notification,
    /// When its answer is sent. Absent or null: always.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// Whether it waits for fresh data. Absent or null: it does not.
    #[serde(default)]
    pub freshness: Option<FreshnessGate>,
    /// The most that its runs may cost. Absent: no caps of its own.
    #[serde(default)]
    pub caps: CreditCaps,
    /// When it stops firing. Absent in a request: six months ahead. `null`: never, where the workspace allows it.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The default expiration: six months ahead.
pub fn default_expiration(now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_add_months(Months::new(6)).unwrap_or(now)
}

impl TaskSpec {
    /// Checks everything that needs no look-up, adds mentions to the context, and answers the schedule.
    pub fn check(&mut self, now: DateTime<Utc>, may_never_expire: bool) -> Result<Schedule, Invalid> {
        let mut issues = Issues::default();
        self.title = self.title.trim().to_owned();
        issues.require(!self.title.is_empty(), "title", "give the task a title");
        issues.require(
            self.title.chars().count() <= TITLE_MAX,
            "title",
            &format!("must have at most {TITLE_MAX} characters"),
        );
        issues.require(
            !self.title.chars().any(char::is_control),
            "title",
            "must be one line of text without control characters",
        );
        issues.require(!self.prompt.trim().is_empty(), "prompt", "write the question that the task asks");
        issues.require(
            self.prompt.chars().count() <= PROMPT_MAX,
            "prompt",
            &format!("must have at most {PROMPT_MAX} characters"),
        );
        issues.require(!self.prompt.contains('\0'), "prompt", "must not contain the NUL character");
        let recipients = &self.notification;
        issues.require(
            recipients.slack_channels.len() + recipients.user_ids.len() + recipients.group_ids.len()
                <= RECIPIENTS_MAX,
            "notification",
            &format!("at most {RECIPIENTS_MAX} recipients in all"),
        );
        match self.expires_at {
            None => issues.require(
                may_never_expire,
                "expiresAt",
                "this workspace does not allow tasks that never expire; give an instant",
            ),
            Some(instant) => issues.require(instant > now, "expiresAt", "must be in the future"),
        }
        for mention in mentions(&self.prompt) {
            match (mention.kind, mention.id) {
                (Some(ContextKind::Connection), Some(id)) => {
                    let id = ConnectionId::from(id);
                    if !self.context.connection_ids.contains(&id) {
                        self.context.connection_ids.push(id);
                    }
                }
                (Some(ContextKind::SemanticModel | ContextKind::Project), Some(_)) => {}
                _ => issues.add("prompt", format!("the mention `{}` has no valid id", mention.label)),
            }
        }
        issues.require(
            self.context.semantic_model_ids.is_empty(),
            "context.semanticModelIds",
            "there are no semantic models in this workspace",
        );
        issues.require(
            self.context.project_ids.is_empty(),
            "context.projectIds",
            "there are no projects in this workspace",
        );
        if let Some(condition) = &self.condition {
            condition.check("condition", &mut issues);
        }
        self.caps.check("caps", &mut issues);
        if let Some(gate) = &mut self.freshness {
            check_gate(gate, &self.context, &mut issues);
        }
        dedup(&mut self.context.connection_ids);
        dedup(&mut self.notification.user_ids);
        dedup(&mut self.notification.group_ids);
        match (Schedule::parse(self.schedule.clone(), "schedule."), issues.into_result()) {
            (Ok(schedule), Ok(())) => Ok(schedule),
            (Err(invalid), Ok(())) | (Ok(_), Err(invalid)) => Err(invalid),
            (Err(of_schedule), Err(mut invalid)) => {
                invalid.issues.extend(of_schedule.issues);
                Err(invalid)
            }
        }
    }
}

/// Notes connections of a gate that are not the task's own, and a list that names none.
fn check_gate(gate: &mut FreshnessGate, context: &Context, issues: &mut Issues) {
    let Some(ids) = &mut gate.connection_ids else { return };
    dedup(ids);
    issues.require(
        !ids.is_empty(),
        "freshness.connectionIds",
        "name a connection, or leave it out for all that the task may use",
    );
    for (index, id) in ids.iter().enumerate() {
        issues.require(
            context.connection_ids.contains(id),
            &format!("freshness.connectionIds[{index}]"),
            "must be one of the task's connections",
        );
    }
}

fn dedup<T: PartialEq + Copy>(values: &mut Vec<T>) {
    let mut seen: Vec<T> = Vec::with_capacity(values.len());
    values.retain(|value| {
        let is_new = !seen.contains(value);
        seen.push(*value);
        is_new
    });
}

/// A mention inside a prompt: `@[label](kind:id)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// What the writer sees.
    pub label: String,
    /// What is meant, if the word is known.
    pub kind: Option<ContextKind>,
    /// Which one, if it is a UUID.
    pub id: Option<uuid::Uuid>,
}

/// The mentions of a prompt, in order.
pub fn mentions(prompt: &str) -> Vec<Mention> {
    pieces(prompt)
        .into_iter()
        .filter_map(|piece| match piece {
            PromptPiece::Text(_) => None,
            PromptPiece::Mention(mention) => Some(mention),
        })
        .collect()
}

/// A prompt with each mention replaced by its label, as a reader or a model sees it.
pub fn plain_prompt(prompt: &str) -> String {
    pieces(prompt)
        .into_iter()
        .map(|piece| match piece {
            PromptPiece::Text(text) => text.to_owned(),
            PromptPiece::Mention(mention) => mention.label,
        })
        .collect()
}

enum PromptPiece<'a> {
    Text(&'a str),
    Mention(Mention),
}

fn pieces(prompt: &str) -> Vec<PromptPiece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = prompt;
    let mut searched = 0;
    while let Some(open) = rest[searched..].find("@[").map(|found| searched + found) {
        let Some((mention, length)) = mention_at(&rest[open..]) else {
            searched = open + 2;
            continue;
        };
        pieces.push(PromptPiece::Text(&rest[..open]));
        pieces.push(PromptPiece::Mention(mention));
        rest = &rest[open + length..];
        searched = 0;
    }
    pieces.push(PromptPiece::Text(rest));
    pieces
}

/// The mention that `text` starts with, and its length in bytes.
fn mention_at(text: &str) -> Option<(Mention, usize)> {
    let label_end = text.find("](")?;
    let label = &text[2..label_end];
    let target_length = text[label_end + 2..].find(')')?;
    let target = &text[label_end + 2..label_end + 2 + target_length];
    let (kind, id) = target.split_once(':')?;
    if label.contains('\n') || label.contains('[') {
        return None;
    }
    let mention = Mention { label: label.to_owned(), kind: kind.parse().ok(), id: id.parse().ok() };
    Some((mention, label_end + 2 + target_length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TaskSpec {
        serde_json::from_str(
            r#"{"title":" Flights ","prompt":"How many in @[NYC](connection:019396f0-0000-7000-8000-000000000001)?",
                "schedule":{"cadence":"daily","windowStart":"09:00","timezone":"UTC"},"expiresAt":"2027-01-01T00:00:00Z"}"#,
        )
        .expect("a task")
    }

    fn now() -> DateTime<Utc> {
        "2026-06-01T00:00:00Z".parse().expect("instant")
    }

    #[test]
    fn a_mention_joins_the_context_once() {
        let mut task = spec();
        task.check(now(), false).expect("valid");
        task.check(now(), false).expect("valid");
        assert_eq!(task.context.connection_ids.len(), 1);
        assert_eq!(task.title, "Flights");
        assert_eq!(plain_prompt(&task.prompt), "How many in NYC?");
    }

    #[test]
    fn everything_wrong_is_told_with_its_field() {
        let mut task = spec();
        task.title = "  ".into();
        task.prompt = "@[x](connection:nope)".into();
        task.schedule.window_start = "09:15".into();
        task.expires_at = Some(now());
        let invalid = task.check(now(), false).expect_err("a refusal");
        let paths: Vec<_> = invalid.issues.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(paths, ["title", "expiresAt", "prompt", "schedule.windowStart"]);
    }

    #[test]
    fn condition_and_gate_are_checked_with_the_rest() {
        let mut task = spec();
        task.condition =
            serde_json::from_str(r#"{"kind":"percent_change","direction":"up","percent":-1}"#).ok();
        task.freshness = serde_json::from_str(
            r#"{"connectionIds":["019396f0-0000-7000-8000-000000000002"],"policy":"skip"}"#,
        )
        .ok();
        let invalid = task.check(now(), false).expect_err("a refusal");
        let paths: Vec<_> = invalid.issues.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(paths, ["condition.percent", "freshness.connectionIds[0]"]);
        // A mention counts as the task's own.
        task.condition = None;
        task.freshness = serde_json::from_str(
            r#"{"connectionIds":["019396f0-0000-7000-8000-000000000001"],"policy":"skip"}"#,
        )
        .ok();
        task.check(now(), false).expect("valid");
        task.freshness = serde_json::from_str(r#"{"connectionIds":[],"policy":"send_stale"}"#).ok();
        let invalid = task.check(now(), false).expect_err("a refusal");
        assert_eq!(invalid.issues[0].path, "freshness.connectionIds");
    }

    #[test]
    fn brackets_that_are_no_mention_are_text() {
        for text in ["@[", "@[a](b", "@[a] (b:c)", "mail@[host]", "@[a](b)"] {
            assert_eq!(plain_prompt(text), text);
        }
    }
}
