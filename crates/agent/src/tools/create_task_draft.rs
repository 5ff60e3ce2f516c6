//! `create_task_draft`: a task as it was talked about, for the person to look over and save.
//!
//! It saves nothing. Recipients are found by code among the workspace's people, groups and channels, and only under names that
//! stand in the person's own words: no text from a database names one.

use domain::{
    ConnectionId,
    credit_cap::CreditCaps,
    schedule::{NthWeekdaySpec, ScheduleSpec},
    step::ToolCall,
    task::{Context, Notification, SlackChannel, TITLE_MAX, TaskSpec, default_expiration, mentions},
    task_draft::{TaskDraft, UnresolvedRecipient},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{NamedRecipient, Recipient};

use super::{Desk, Outcome, Told, Trouble, arguments};

pub(super) const DESCRIPTION: &str = "Draft a task that asks a question again and again, when the person asks for that (\"run \
this every Monday\", \"send it to #growth\"). It saves nothing: the person reviews the draft and saves it. Then end the turn with \
`answer`, and say who was not found.";

/// The most recipients that are looked up.
const RECIPIENTS_MAX: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// What the task is called: the subject of its message, at most 150 characters.
    title: String,
    /// The question, complete in itself, as it is to be asked each time: "last week" stays "last week".
    prompt: String,
    /// How often.
    cadence: Cadence,
    /// For weekly: on which days; Monday when absent.
    #[serde(default)]
    weekdays: Vec<Day>,
    /// For monthly: 1 to 31, clamped to the month's end; 1 when absent.
    #[serde(default)]
    day_of_month: Option<i64>,
    /// For monthly, instead of dayOfMonth: the n-th weekday.
    #[serde(default)]
    nth_weekday: Option<NthDay>,
    /// The hour at which the two-hour delivery window opens, 0 to 23; 9 when absent, and for "in the morning".
    #[serde(default)]
    hour: Option<u8>,
    /// An IANA time zone; the person's own when absent.
    #[serde(default)]
    timezone: Option<String>,
    /// The connections that the question needs; those that this thread has queried when absent.
    #[serde(default)]
    connection_ids: Vec<String>,
    /// Who is told, each as the person named them: "me", "#growth", a name, an address, a group. "me" when absent.
    #[serde(default)]
    recipients: Vec<String>,
    /// What you assumed, or could not do as asked, each in a sentence.
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Cadence {
    Daily,
    Weekly,
    Monthly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    const fn word(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NthDay {
    /// 1 to 4, or -1 for the last.
    n: i64,
    weekday: Day,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    if desk.context.is_task {
        return Err(
            Told::new("not_interactive", "a task's own run drafts no tasks", "Answer the question.").into()
        );
    }
    let arguments: Arguments = arguments(call)?;
    let schedule = schedule(desk, &arguments)?;
    let prompt = with_mentions(desk, &arguments)?;
    let found = recipients(desk, &arguments.recipients).await?;
    let mut spec = TaskSpec {
        title: shortened(arguments.title.trim()),
        prompt,
        context: Context::default(),
        schedule,
        notification: found.notification,
        condition: None,
        freshness: None,
        expires_at: Some(default_expiration(desk.context.now)),
        caps: CreditCaps::default(),
    };
    let schedule = spec.check(desk.context.now, false).map_err(|invalid| {
        Told::new(
            "invalid_draft",
            format!("the task cannot be: {invalid}"),
            "Mend these fields and call it again.",
        )
    })?;
    let draft = TaskDraft {
        title: spec.title,
        prompt: spec.prompt,
        schedule_in_words: schedule.in_words(),
        schedule: spec.schedule,
        notification: spec.notification,
        recipients: found.names,
        unresolved: found.unresolved,
        notes: arguments.notes.into_iter().filter(|note| !note.trim().is_empty()).take(10).collect(),
    };
    Ok(Outcome::told(json!({ "saved": false, "draft": draft })))
}

fn schedule(desk: &Desk<'_>, arguments: &Arguments) -> Result<ScheduleSpec, Told> {
    let hour = arguments.hour.unwrap_or(9);
    let mut schedule = ScheduleSpec {
        cadence: String::new(),
        weekdays: None,
        day_of_month: None,
        nth_weekday: None,
        window_start: format!("{hour:02}:00"),
        timezone: arguments.timezone.clone().unwrap_or_else(|| desk.context.timezone.clone()),
    };
    let asked = !arguments.weekdays.is_empty();
    match arguments.cadence {
        Cadence::Daily => schedule.cadence = "daily".into(),
        Cadence::Weekly => {
            schedule.cadence = "weekly".into();
            let days = if asked { &arguments.weekdays[..] } else { &[Day::Mon] };
            schedule.weekdays = Some(days.iter().map(|day| day.word().to_owned()).collect());
        }
        Cadence::Monthly => {
            schedule.cadence = "monthly".into();
            match &arguments.nth_weekday {
                Some(NthDay { n, weekday }) => {
                    schedule.nth_weekday = Some(NthWeekdaySpec { n: *n, weekday: weekday.word().to_owned() });
                }
                None => schedule.day_of_month = Some(arguments.day_of_month.unwrap_or(1)),
            }
        }
    }
    if asked && arguments.cadence != Cadence::Weekly {
        let hint = "Use the cadence weekly with weekdays, or leave them out.";
        return Err(Told::new("invalid_draft", "weekdays go with the cadence weekly only", hint));
    }
    Ok(schedule)
}

/// The question with a mention of each connection that it needs.
fn with_mentions(desk: &Desk<'_>, arguments: &Arguments) -> Result<String, Told> {
    let mut prompt = arguments.prompt.trim().to_owned();
    // A mention that is not of an offered connection would be refused when the task is saved.
    let foreign = mentions(&prompt)
        .into_iter()
        .find(|mention| !desk.context.connections.iter().any(|known| mention.id == Some(known.id.as_uuid())));
    if let Some(mention) = foreign {
        return Err(unknown_connection(desk, &mention.label));
    }
    let mut wanted: Vec<ConnectionId> = Vec::new();
    for id in &arguments.connection_ids {
        let known = desk.context.connections.iter().find(|known| known.id.to_string() == *id);
        wanted.push(known.ok_or_else(|| unknown_connection(desk, id))?.id);
    }
    if wanted.is_empty() {
        wanted.extend(desk.results.iter().map(|result| result.connection_id));
        wanted.extend(desk.context.connections.iter().filter(|known| known.is_named).map(|known| known.id));
    }
    let mut seen = Vec::new();
    for id in wanted {
        let is_there = mentions(&prompt).iter().any(|mention| mention.id == Some(id.as_uuid()));
        let known = desk.context.connections.iter().find(|known| known.id == id);
        let Some(known) = known.filter(|_| !is_there && !seen.contains(&id)) else { continue };
        seen.push(id);
        let label = known.name.replace('[', "(").replace(']', ")");
        let mention = format!("@[{label}](connection:{id})");
        prompt = place(&prompt, &known.name, &mention);
    }
    Ok(prompt)
}

/// Puts a mention where the name stands, else at the question's end.
fn place(prompt: &str, name: &str, mention: &str) -> String {
    for written in [format!("@{name}"), name.to_owned()] {
        // A name inside a longer word is another word.
        if let Some((before, after)) = prompt.split_once(&written)
            && !before.ends_with(char::is_alphanumeric)
            && !after.starts_with(char::is_alphanumeric)
        {
            return format!("{before}{mention}{after}");
        }
    }
    let bare = prompt.trim_end_matches(['?', '.', '!', ' ']);
    let end = &prompt[bare.len()..];
    format!("{bare} in {mention}{}", end.trim())
}

fn unknown_connection(desk: &Desk<'_>, id: &str) -> Told {
    let known: Vec<_> =
        desk.context.connections.iter().map(|known| format!("{} ({})", known.id, known.name)).collect();
    Told::new(
        "unknown_connection",
        format!("there is no connection `{id}` for this question"),
        format!("Use some of: {}.", known.join(", ")),
    )
}

fn shortened(title: &str) -> String {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.chars().count() <= TITLE_MAX {
        return title;
    }
    let cut: String = title.chars().take(TITLE_MAX - 1).collect();
    format!("{}…", cut.trim_end())
}

/// Who is told, as far as they were found.
#[derive(Default)]
struct Found {
    notification: Notification,
    names: Vec<String>,
    unresolved: Vec<UnresolvedRecipient>,
}

async fn recipients(desk: &Desk<'_>, named: &[String]) -> Result<Found, Trouble> {
    let mut found = Found::default();
    let own = ["me".to_owned()];
    let named = if named.is_empty() { &own[..] } else { named };
    for name in named.iter().take(RECIPIENTS_MAX) {
        let name = name.trim();
        if !is_said(desk.prompt, name) {
            return Err(Told::new(
                "unasked_recipient",
                format!("the person did not name `{name}`"),
                "Recipients are those whom the person names in this question, spelled as there. Leave the others out.",
            )
            .into());
        }
        if let Some(channel) = name.strip_prefix('#') {
            find_channel(desk, &mut found, channel).await?;
        } else {
            find_person(desk, &mut found, name).await?;
        }
    }
    Ok(found)
}

/// Whether the person speaks of this recipient in the question itself: "all" does not speak of Al.
fn is_said(prompt: &str, name: &str) -> bool {
    let (prompt, name) = (prompt.to_lowercase(), name.to_lowercase());
    let stands_alone = |at: usize| {
        let (before, after) = (&prompt[..at], &prompt[at + name.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    };
    name == "me" || (!name.is_empty() && prompt.match_indices(&name).any(|(at, _)| stands_alone(at)))
}

async fn find_channel(desk: &Desk<'_>, found: &mut Found, name: &str) -> Result<(), Trouble> {
    match desk.journal.channel_named(name).await? {
        Some((id, name)) => {
            let name = format!("#{name}");
            if !found.notification.slack_channels.iter().any(|known| known.id == id) {
                found.names.push(name.clone());
                found.notification.slack_channels.push(SlackChannel { id, name });
            }
        }
        None => found.unresolved.push(UnresolvedRecipient {
            name: format!("#{name}"),
            why: "No Slack channel of this name is known here; the app may not be in it, or Slack is not connected.".into(),
        }),
    }
    Ok(())
}

async fn find_person(desk: &Desk<'_>, found: &mut Found, name: &str) -> Result<(), Trouble> {
    let mut known = desk.journal.recipients_named(name).await?;
    if known.is_empty() {
        // "the finance team" may be the group Finance.
        let bare = name.trim_start_matches("the ").trim_end_matches(" team").trim_end_matches(" group");
        if bare != name {
            known = desk.journal.recipients_named(bare).await?;
        }
    }
    let why = match known.as_slice() {
        [one] => {
            let is_new = match one.recipient {
                Recipient::User(id) => push_new(&mut found.notification.user_ids, id),
                Recipient::Group(id) => push_new(&mut found.notification.group_ids, id),
            };
            if is_new {
                found.names.push(one.name.clone());
            }
            return Ok(());
        }
        [] => "Nobody and no group of this name is in the workspace.".to_owned(),
        several => format!("Several go by this name: {}.", names(several)),
    };
    found.unresolved.push(UnresolvedRecipient { name: name.to_owned(), why });
    Ok(())
}

fn push_new<T: PartialEq>(ids: &mut Vec<T>, id: T) -> bool {
    if ids.contains(&id) {
        return false;
    }
    ids.push(id);
    true
}

fn names(recipients: &[NamedRecipient]) -> String {
    recipients.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_stands_where_its_name_does_or_at_the_end() {
        assert_eq!(place("Sales in Shop last week?", "Shop", "@[Shop](x)"), "Sales in @[Shop](x) last week?");
        assert_eq!(place("Sales in @Shop?", "Shop", "@[Shop](x)"), "Sales in @[Shop](x)?");
        assert_eq!(place("Shoppers last week?", "Shop", "@[Shop](x)"), "Shoppers last week in @[Shop](x)?");
        assert_eq!(place("Sales last week?", "Shop", "@[Shop](x)"), "Sales last week in @[Shop](x)?");
    }

    #[test]
    fn a_recipient_must_be_named_by_the_person() {
        assert!(is_said("Run this and send it to #Growth", "#growth"));
        assert!(is_said("Run this every Monday", "me"));
        assert!(!is_said("Run this every Monday", "mallory@example.com"));
        assert!(!is_said("Run this every Monday", ""));
        assert!(!is_said("Send all of it to #growth", "Al"));
    }
}
