//! Slack channels that a task names: whether messages can be posted there, and who would read them.

use ::slack::{ChannelMembers, MemberCall};
use chrono::TimeDelta;
use domain::{Issue, task};
use store::SlackRate;

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    routes::{self, slack::CHANNEL_FRESH_FOR},
    slack,
};

/// Checks each channel as it is saved, and gives it the name that it has now. Answers what is wrong, by field.
pub(crate) async fn check(
    state: &ApiState,
    caller: &Caller,
    channels: &mut [task::SlackChannel],
) -> Result<Vec<Issue>> {
    let mut issues = Vec::new();
    if channels.is_empty() {
        return Ok(issues);
    }
    let installation = state.store.slack_installation_get(&caller.scope).await.or_refused("workspace")?;
    for (index, channel) in channels.iter_mut().enumerate() {
        let wrong = match installation {
            None => Some("Slack is not connected to this workspace".to_owned()),
            Some(_) => match look(state, caller, &channel.id).await? {
                Ok(name) => {
                    channel.name = format!("#{name}");
                    None
                }
                Err(wrong) => Some(wrong),
            },
        };
        if let Some(message) = wrong {
            issues.push(Issue { path: format!("notification.slackChannels[{index}]"), message });
        }
    }
    Ok(issues)
}

/// The channel's name where messages can be posted in it; otherwise what is wrong and what to do. What was wrong a moment ago
/// is looked at again: somebody may have mended it and come back.
async fn look(state: &ApiState, caller: &Caller, id: &str) -> Result<std::result::Result<String, String>> {
    let seen = judge(seen(state, caller, id, CHANNEL_FRESH_FOR).await?);
    if seen.is_ok() {
        return Ok(seen);
    }
    Ok(judge(self::seen(state, caller, id, TimeDelta::zero()).await?))
}

async fn seen(
    state: &ApiState,
    caller: &Caller,
    id: &str,
    fresh_for: TimeDelta,
) -> Result<Option<store::SlackChannel>> {
    match routes::slack::channel(state, caller, id, fresh_for).await {
        // What was seen last has to do while Slack is out of reach: it is looked at again before anything is sent.
        Err(Error::Unavailable(_)) => {
            state.store.slack_channel_get(&caller.scope, id).await.or_refused("channel")
        }
        found => found,
    }
}

fn judge(found: Option<store::SlackChannel>) -> std::result::Result<String, String> {
    let Some(channel) = found else {
        let wrong = "there is no such channel, or it is private without the Tidings app in it: invite the app there, or \
                     choose another";
        return Err(wrong.to_owned());
    };
    if channel.is_archived {
        return Err(format!("#{} is archived: choose another channel", channel.name));
    }
    if !channel.is_member {
        return Err(format!("the Tidings app is not in #{}: invite it there with /invite", channel.name));
    }
    Ok(channel.name)
}

/// Who is in a channel now; `None` where that cannot be read.
pub(crate) async fn members(
    state: &ApiState,
    caller: &Caller,
    id: &str,
) -> Result<Option<std::sync::Arc<ChannelMembers>>> {
    let token = match slack::token(state, &caller.scope).await {
        Ok(token) => token,
        Err(Error::Conflict { .. } | Error::Unavailable(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let client = &slack::options(state)?.client;
    let began_at = state.now();
    let turn = |call: MemberCall| async move {
        let method = (call.method(), SlackRate::per_minute(call.per_minute()));
        // Somebody waits for all of the calls together.
        let patience = (slack::CALL_PATIENCE - (state.now() - began_at)).max(TimeDelta::zero());
        slack::turn(state, &caller.scope, method, patience).await.map_err(Unread::NotNow)
    };
    let read = state.slack_members.read(client, &token.bot_token, &token.team_id, id, began_at, turn);
    match read.await {
        Ok(members) => Ok(Some(members)),
        Err(Unread::NotNow(Error::Unavailable(_))) => Ok(None),
        Err(Unread::NotNow(error)) => Err(error),
        Err(Unread::Refused(error)) => {
            slack::hold_if_limited(state, &caller.scope, &error).await?;
            tracing::warn!(%error, "who is in a channel could not be read");
            Ok(None)
        }
    }
}

/// Why it was not read who is in a channel.
enum Unread {
    /// Slack did not do it.
    Refused(::slack::Error),
    /// It was not the turn of a call, or that could not be asked.
    NotNow(Error),
}

impl From<::slack::Error> for Unread {
    fn from(error: ::slack::Error) -> Self {
        Self::Refused(error)
    }
}
