//! Word to a task's creator about the task itself: what happened, and what to do about it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
pub use domain::notice::Event;
use domain::{notice::Words, run::RunReason};

use crate::{
    message::Message,
    render::{
        inert::{clip, inert, inert_line},
        markdown::{Block, Inline},
    },
};

/// What stands in the place of details that are left out.
const LEFT_OUT: &str =
    "What went wrong in detail may quote data that stays out of Slack. It is on the task's page.";

/// What a notice is about.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// What happened.
    pub event: Event,
    /// What there is to say beyond that.
    pub details: Details<'a>,
    /// The task's title.
    pub task_title: &'a str,
    /// When the task expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// Where to look.
    pub task_url: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The task's zone.
    pub zone: Tz,
}

impl Notice<'_> {
    /// The notice as a message.
    pub fn message(&self) -> Message {
        let title = clip(&inert_line(self.task_title), 150);
        let Words { headline, advice } = self.event.words(&title, self.expires_at, self.zone);
        let paragraph = |text: String| Block::Paragraph(vec![Inline::Text(text)]);
        let mut body = vec![paragraph(advice)];
        match self.details {
            Details::Told(words) if !is_said_anyway(self.event, words) => {
                body.push(Block::Quote(vec![paragraph(inert(&clip(words, 1_000)))]));
            }
            Details::LeftOut => body.push(paragraph(LEFT_OUT.to_owned())),
            Details::None | Details::Told(_) => {}
        }
        let local = self.at.with_timezone(&self.zone);
        Message {
            title,
            date: local.format("%a %-d %b %Y").to_string(),
            banner: None,
            headline: vec![Inline::Text(headline)],
            body,
            pictures: Vec::new(),
            pictures_left_out: 0,
            table: None,
            notes: Vec::new(),
            provenance: vec![format!("{} ({})", local.format("%a %-d %b %Y, %H:%M"), self.zone)],
            action: Some((self.label().to_owned(), self.task_url.clone())),
            because: "You get this because the task is yours.".to_owned(),
            unsubscribe_url: None,
        }
    }

    /// What the button says.
    const fn label(&self) -> &'static str {
        match self.event {
            Event::Expiring | Event::Expired => "Extend the task",
            Event::Failed(_) | Event::Recovered | Event::StillRunning(_) | Event::StaleData(_) => {
                "Open the task"
            }
        }
    }
}

/// What went wrong, in the words of whoever noticed.
#[derive(Clone, Copy, Debug)]
pub enum Details<'a> {
    /// Nobody said more than what happened.
    None,
    /// These words.
    Told(&'a str),
    /// Words that may quote data which the reader is not shown where they read this.
    LeftOut,
}

/// Whether `details` are in the advice about `event` already.
pub(crate) fn is_said_anyway(event: Event, details: &str) -> bool {
    details.trim().is_empty() || matches!(event, Event::Failed(reason) if reason.sentence() == details)
}

/// Word to an admin that Slack is no longer connected: `details` say which team, and why.
pub fn slack_ended(details: &str, public_url: &str, at: DateTime<Utc>) -> Message {
    let advice = "Until an admin connects it again, nothing goes into Slack: messages for channels and direct messages fail, and \
                  replies there are not heard. Email is not affected, and no task was changed.";
    let paragraph = |text: String| Block::Paragraph(vec![Inline::Text(text)]);
    Message {
        title: "Slack is disconnected".to_owned(),
        date: at.format("%a %-d %b %Y").to_string(),
        banner: None,
        headline: vec![Inline::Text("Slack is no longer connected to this workspace.".to_owned())],
        body: vec![paragraph(advice.to_owned()), Block::Quote(vec![paragraph(inert(&clip(details, 1_000)))])],
        pictures: Vec::new(),
        pictures_left_out: 0,
        table: None,
        notes: Vec::new(),
        provenance: vec![format!("{} (UTC)", at.format("%a %-d %b %Y, %H:%M"))],
        action: Some(("Open Slack’s page".to_owned(), format!("{public_url}/admin/slack"))),
        because: "You get this because you are an admin of the workspace.".to_owned(),
        unsubscribe_url: None,
    }
}

/// Why a question got no answer.
#[derive(Clone, Copy, Debug)]
pub struct Why<'a> {
    /// What ended its run.
    pub reason: RunReason,
    /// What went wrong, in the words of whoever noticed; none for readers whom it is nothing to.
    pub details: Option<&'a str>,
}

/// Word to someone who asked a question that got no answer. `why` is left out for those who are shown a link alone.
pub fn no_answer(title: &str, why: Option<Why<'_>>, thread_url: String, at: DateTime<Utc>) -> Message {
    let paragraph = |text: String| Block::Paragraph(vec![Inline::Text(text)]);
    let mut body = Vec::new();
    if let Some(Why { reason, details }) = why {
        let sentence = reason.sentence();
        body.push(paragraph([sentence, reason.advice()].join(" ").trim_end().to_owned()));
        if let Some(details) = details.filter(|details| *details != sentence && !details.trim().is_empty()) {
            body.push(Block::Quote(vec![paragraph(inert(&clip(details, 1_000)))]));
        }
    }
    Message {
        title: clip(&inert_line(title), 150),
        date: at.format("%a %-d %b %Y").to_string(),
        banner: None,
        headline: vec![Inline::Text("There is no answer to this.".to_owned())],
        body,
        pictures: Vec::new(),
        pictures_left_out: 0,
        table: None,
        notes: Vec::new(),
        provenance: vec![format!("{} (UTC)", at.format("%a %-d %b %Y, %H:%M"))],
        action: Some(("Open the thread".to_owned(), thread_url)),
        because: String::new(),
        unsubscribe_url: None,
    }
}

/// Word to someone who asked in Slack what was answered with data that stays out of it.
pub fn kept_out_of_slack(title: &str, thread_url: String, at: DateTime<Utc>) -> Message {
    let text = "It uses data that stays out of Slack.".to_owned();
    Message {
        title: clip(&inert_line(title), 150),
        date: at.format("%a %-d %b %Y").to_string(),
        banner: None,
        headline: vec![Inline::Text("The answer is in Tidings.".to_owned())],
        body: vec![Block::Paragraph(vec![Inline::Text(text)])],
        pictures: Vec::new(),
        pictures_left_out: 0,
        table: None,
        notes: Vec::new(),
        provenance: vec![format!("{} (UTC)", at.format("%a %-d %b %Y, %H:%M"))],
        action: Some(("Open the thread".to_owned(), thread_url)),
        because: String::new(),
        unsubscribe_url: None,
    }
}

/// Any other word to a person, as it is kept for the page.
#[derive(Clone, Debug)]
pub struct KeptNotice<'a> {
    /// What happened.
    pub headline: &'a str,
    /// What to do about it.
    pub advice: &'a str,
    /// What went wrong, in the words of whoever noticed.
    pub details: Option<&'a str>,
    /// What the button says, and where it leads.
    pub action: (&'static str, String),
    /// Why this person.
    pub because: &'static str,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The reader's zone.
    pub zone: Tz,
}

impl KeptNotice<'_> {
    /// The notice as a message.
    pub fn message(&self) -> Message {
        let headline = clip(&inert_line(self.headline), 300);
        let mut body = vec![Block::Paragraph(vec![Inline::Text(inert(self.advice))])];
        if let Some(details) = self.details.filter(|details| !details.trim().is_empty()) {
            body.push(Block::Quote(vec![Block::Paragraph(vec![Inline::Text(inert(&clip(details, 1_000)))])]));
        }
        let local = self.at.with_timezone(&self.zone);
        Message {
            title: headline.clone(),
            date: local.format("%a %-d %b %Y").to_string(),
            banner: None,
            headline: vec![Inline::Text(headline)],
            body,
            pictures: Vec::new(),
            pictures_left_out: 0,
            table: None,
            notes: Vec::new(),
            provenance: vec![format!("{} ({})", local.format("%a %-d %b %Y, %H:%M"), self.zone)],
            action: Some((self.action.0.to_owned(), self.action.1.clone())),
            because: self.because.to_owned(),
            unsubscribe_url: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::render::markdown::words;

    #[test]
    fn admins_read_which_team_is_gone_and_what_to_do() {
        let at = "2026-03-01T23:30:00Z".parse().expect("an instant");
        let told = slack_ended(
            "Slack team “Northwind”: The app was removed in Slack.",
            "https://tidings.example",
            at,
        );
        assert_eq!(words(&told.headline), "Slack is no longer connected to this workspace.");
        assert_eq!(told.body.len(), 2, "advice, and which team");
        let (_, address) = told.action.expect("a button");
        assert_eq!(address, "https://tidings.example/admin/slack");
    }

    fn notice(event: Event, details: &str) -> Message {
        Notice {
            event,
            details: Details::Told(details),
            task_title: "Weekly\r\nflights",
            expires_at: Some("2026-03-08T23:30:00Z".parse().expect("an instant")),
            task_url: "https://tidings.example/tasks/1".into(),
            at: "2026-03-01T23:30:00Z".parse().expect("an instant"),
            zone: chrono_tz::Europe::Paris,
        }
        .message()
    }

    #[test]
    fn a_notice_says_what_happened_when_and_why() {
        let failed = notice(Event::Failed(RunReason::ConnectionFailed), "timed out");
        assert_eq!(words(&failed.headline), "“Weekly flights” could not run.");
        assert_eq!(failed.body.len(), 2, "advice and details");
        assert!(failed.unsubscribe_url.is_none());
        let expiring = notice(Event::Expiring, "");
        assert_eq!(words(&expiring.headline), "“Weekly flights” expires on Monday, 9 March 2026.");
        let skipped = notice(Event::StillRunning(NaiveDate::from_ymd_opt(2026, 3, 2)), "");
        assert_eq!(words(&skipped.headline), "“Weekly flights” was skipped on Monday, 2 March 2026.");
        assert_eq!(skipped.body.len(), 1);
    }

    #[test]
    fn nothing_is_said_twice() {
        let sentence = RunReason::ConnectionFailed.sentence();
        assert_eq!(notice(Event::Failed(RunReason::ConnectionFailed), sentence).body.len(), 1);
    }
}
