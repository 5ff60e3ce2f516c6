//! Word to people about their tasks: what happened, and what to do about it.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::{
    credit_cap::{CapStanding, CapSubject},
    delivery::Channel,
    destination,
    run::RunReason,
    words,
};

words! {
    /// What a notice is about.
    NoticeKind("notice kind") {
        /// A run failed, the first time in a row.
        Failure = "failure",
        /// After failures a run went well.
        Recovery = "recovery",
        /// An occurrence was skipped because the run before it was unfinished.
        StillRunning = "still_running",
        /// An occurrence was skipped because its data was not fresh, the first time in a row.
        StaleData = "stale_data",
        /// The task expires within a week.
        Expiring = "expiring",
        /// The task has expired.
        Expired = "expired",
        /// A message was given up, the first one in a row to that place.
        DeliveryFailure = "delivery_failure",
        /// After failures a message arrived.
        DeliveryRecovery = "delivery_recovery",
        /// Messages to a place are held back until somebody mends it.
        DestinationPaused = "destination_paused",
        /// A group that the task names is gone, or nobody is in it.
        GroupWithoutMembers = "group_without_members",
        /// A webhook is sent nothing more. To admins.
        WebhookOff = "webhook_off",
        /// Slack is no longer connected. To admins.
        SlackEnded = "slack_ended",
        /// 80% of a cap on credits is used. To the person whose it is, or to admins.
        CapNear = "cap_near",
        /// A cap on credits is reached, and work stops. To the person whose it is, or to admins.
        CapReached = "cap_reached",
    }
}

/// What happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A run, or its delivery to somebody, failed, the first time in a row.
    Failed(RunReason),
    /// The first run after a failure went well.
    Recovered,
    /// The occurrence of this day was skipped because the run before it had not finished.
    StillRunning(Option<NaiveDate>),
    /// The occurrence of this day was skipped because its data was not fresh in time, the first time in a row.
    StaleData(Option<NaiveDate>),
    /// It will expire within a week.
    Expiring,
    /// It has expired and fires no more.
    Expired,
}

/// A notice in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What happened, in a sentence.
    pub headline: String,
    /// What to do about it.
    pub advice: String,
}

impl Event {
    /// The event of the task `title` in words, with days as they are in `zone`.
    pub fn words(self, title: &str, expires_at: Option<DateTime<Utc>>, zone: Tz) -> Words {
        let on = |day: Option<NaiveDate>| {
            day.map_or_else(|| "once".to_owned(), |day| day.format("on %A, %-d %B %Y").to_string())
        };
        match self {
            Self::Failed(reason) => {
                let what = match reason {
                    RunReason::DeliveryFailed => "did not reach everybody",
                    _ => "could not run",
                };
                let body =
                    [reason.sentence(), reason.advice(), "You will hear of this task again once it works."];
                Words {
                    headline: format!("“{title}” {what}."),
                    advice: body.join(" ").replace("  ", " "),
                }
            }
            Self::Recovered => Words {
                headline: format!("“{title}” works again."),
                // Whether there was a message, and whether it arrives, is not known yet.
                advice: "Its last run went well.".to_owned(),
            },
            Self::StillRunning(day) => Words {
                headline: format!("“{title}” was skipped {}.", on(day)),
                advice: "Its run before had not finished when the next one was due. If this happens often, ask for less \
                         in one task, or run it less often."
                    .to_owned(),
            },
            Self::StaleData(day) => Words {
                headline: format!("“{title}” was skipped {}.", on(day)),
                advice: "Its data was not fresh at the last moment, and it is set to be skipped then. Look at what loads the \
                         data. Further days in a row are not told."
                    .to_owned(),
            },
            Self::Expiring => {
                let day =
                    expires_at.map(|at| at.with_timezone(&zone).format("on %A, %-d %B %Y").to_string());
                Words {
                    headline: format!("“{title}” expires {}.", day.as_deref().unwrap_or("soon")),
                    advice: "After that it runs no more. Give it a later date if it is still of use."
                        .to_owned(),
                }
            }
            Self::Expired => Words {
                headline: format!("“{title}” has expired."),
                advice: "It runs no more. Give it a later date if it is still of use; nothing of it is lost."
                    .to_owned(),
            },
        }
    }
}

/// What becomes of the messages to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// One was given up, the first in a row, for this reason.
    Failed(&'a str),
    /// They are held back from now on, for this reason.
    Paused(&'a str),
    /// One arrived again.
    Recovered,
}

impl Reach<'_> {
    /// In words, of the task `title` and the place `label` on `channel`.
    pub fn words(self, title: &str, channel: Channel, label: &str) -> Words {
        let place = match channel {
            Channel::Email => label.to_owned(),
            Channel::SlackDm | Channel::SlackChannel => format!("{label} in Slack"),
        };
        match self {
            Self::Failed(reason) => {
                let (what, advice) = destination::words(reason);
                Words {
                    headline: format!("“{title}” did not reach {place}."),
                    advice: format!(
                        "{what} {advice} The task goes on; you will hear of this again once a message arrives there."
                    ),
                }
            }
            Self::Paused(reason) => {
                let (what, advice) = destination::words(reason);
                Words {
                    headline: format!("Nothing more is sent to {place}."),
                    advice: format!(
                        "{what} {advice} “{title}” and its other recipients go on. When it is mended, choose “Try again” on \
                         the task's page or in the settings."
                    ),
                }
            }
            Self::Recovered => Words {
                headline: format!("“{title}” reaches {place} again."),
                advice: "There is nothing to do.".to_owned(),
            },
        }
    }
}

/// A group that the task `title` names reaches nobody: it was deleted where `group` is none, or nobody is in it.
pub fn group_words(title: &str, group: Option<&str>) -> Words {
    match group {
        Some(name) => Words {
            headline: format!("“{title}” went to nobody in “{name}”: the group is empty."),
            advice: "Add people to the group, or choose other recipients in the task.".to_owned(),
        },
        None => Words {
            headline: format!("“{title}” names a group that was deleted."),
            advice: "Choose other recipients in the task.".to_owned(),
        },
    }
}

/// Slack is no longer connected, and no admin of ours did that.
pub fn slack_words() -> Words {
    Words {
        headline: "Slack is no longer connected to this workspace.".to_owned(),
        advice: "Until an admin connects it again, nothing goes into Slack, and replies there are not heard."
            .to_owned(),
    }
}

/// A webhook to `host` that is sent nothing more: because it said that it is gone, or answered nothing well for days.
pub fn webhook_words(host: &str, is_gone: bool) -> Words {
    Words {
        headline: format!("The webhook to {host} was switched off."),
        advice: if is_gone {
            "It answered that it is gone (410). Delete it, or mend it and switch it on again.".to_owned()
        } else {
            "It answered nothing well for five days. Mend it and switch it on again; what was given up can be sent again \
             one by one."
                .to_owned()
        },
    }
}

/// A cap that is near or reached; `task` is the title of the task whose it is.
pub fn cap_words(standing: &CapStanding, task: Option<&str>) -> Words {
    let cap = standing.per_month.unwrap_or_default();
    let whose = match (standing.subject, task) {
        (CapSubject::Workspace, _) => "the workspace".to_owned(),
        (CapSubject::User, _) => "you".to_owned(),
        (CapSubject::Task, title) => title.map_or_else(|| "a task".to_owned(), |title| format!("“{title}”")),
    };
    let raise = match standing.subject {
        CapSubject::Workspace => "An admin can raise it on the page “Caps”.",
        CapSubject::User => "An admin can raise it.",
        CapSubject::Task => "You can raise it in the task.",
    };
    if standing.is_reached() {
        return Words {
            headline: format!("The cap of {cap} credits a month for {whose} is reached."),
            advice: format!("No model is asked for more before the month ends. {raise}"),
        };
    }
    Words {
        headline: format!("80% of the {cap} credits a month for {whose} are used."),
        advice: format!(
            "Work goes on, by a cheaper model where one is set up, and stops at the cap. {raise}"
        ),
    }
}
