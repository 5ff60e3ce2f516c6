//! Questions and replies: who may ask, in which thread, and who is told why not.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ThreadId, slack::SlackNote, task::PROMPT_MAX, thread::ThreadSource};
use slack::{Class, Message, event::MessageEvent};
use store::{Conflict, NewQuestion, Scope, SlackMember, SlackPlace, SlackQuestion, SlackThread, SlackToken};

use super::{CALL_PATIENCE, Error, SlackInbox, Step, sign::Sign, words};
use crate::slack::call::Method;

/// How often it is looked whether a thread is free for the next question.
const BUSY_WAIT: TimeDelta = TimeDelta::seconds(2);

/// Something that a person said.
struct Said<'a> {
    scope: &'a Scope,
    token: &'a SlackToken,
    message: &'a MessageEvent,
    /// Their id in Slack.
    user: &'a str,
    place: &'a SlackPlace,
    is_direct: bool,
    /// When work on it began.
    began_at: DateTime<Utc>,
}

impl SlackInbox {
    /// A person said something, to us or below a message. The same message may come twice, as a mention and as a message.
    pub(super) async fn heard(
        &self,
        scope: &Scope,
        message: &MessageEvent,
        is_mention: bool,
        began_at: DateTime<Utc>,
    ) -> Result<Step, Error> {
        let Some(user) = message.user.as_deref().filter(|_| message.is_from_person()) else {
            return Ok(Step::Done("not_a_person"));
        };
        let Some(token) = self.token(scope, None).await? else { return Ok(Step::Done("not_connected")) };
        if user == token.bot_user_id {
            return Ok(Step::Done("own_message"));
        }
        if let Some(turn) = self.store.slack_turn_find(scope, &message.channel, &message.ts).await? {
            // Only the sign of it may be missing.
            let sign = turn.is_under_way().then(|| sign_for(scope, &token, message, began_at));
            return Ok(
                sign.map_or(Step::Done("asked_before"), |sign| Step::Shown("asked_before", Box::new(sign)))
            );
        }
        let root_ts = message.thread_ts.clone().unwrap_or_else(|| message.ts.clone());
        let place = SlackPlace { channel_id: message.channel.clone(), root_ts };
        let is_direct = message.channel_type.as_deref() == Some("im") || message.channel.starts_with('D');
        let said = Said { scope, token: &token, message, user, place: &place, is_direct, began_at };
        let thread = self.store.slack_thread_find(scope, &place).await?;
        // Where people talk with one another, only who calls us speaks to us, and nobody else is told anything.
        let is_peoples = thread.as_ref().is_none_or(|thread| thread.is_among_people);
        if is_peoples && !is_mention && !is_direct {
            return Ok(Step::Done("others_talk"));
        }
        let Some(member) = self.store.slack_user_find(scope, user).await? else {
            // It may be the very one who asked.
            let url = format!("{}/settings", self.public_url);
            return self.tell(&said, SlackNote::NotLinked, words::not_linked(&url)).await;
        };
        match thread {
            Some(thread) if thread.creator_id == member.user_id => {
                self.follow_up(&said, &thread, &member).await
            }
            Some(thread) => {
                let url = format!("{}/threads/{}", self.public_url, thread.thread_id);
                self.tell(&said, SlackNote::NotCreator, words::not_creator(&url)).await
            }
            None => self.ask(&said, None, &member).await,
        }
    }

    async fn follow_up(
        &self,
        said: &Said<'_>,
        thread: &SlackThread,
        member: &SlackMember,
    ) -> Result<Step, Error> {
        if self.store.thread_is_sensitive(said.scope, thread.thread_id).await? {
            let url = format!("{}/threads/{}", self.public_url, thread.thread_id);
            return self.tell(said, SlackNote::Sensitive, words::sensitive(&url)).await;
        }
        self.ask(said, Some(thread.thread_id), member).await
    }

    /// Starts a turn, in a thread that there is or in a new one.
    async fn ask(
        &self,
        said: &Said<'_>,
        thread_id: Option<ThreadId>,
        member: &SlackMember,
    ) -> Result<Step, Error> {
        if !member.role.may_ask() {
            return self.tell(said, SlackNote::NotAllowed, words::NOT_ALLOWED.to_owned()).await;
        }
        let prompt = slack::event::spoken_text(&said.message.text, &said.token.bot_user_id);
        if prompt.trim().is_empty() {
            return Ok(Step::Done("nothing_asked"));
        }
        if prompt.chars().count() > PROMPT_MAX {
            return self.tell(said, SlackNote::NotAllowed, words::TOO_LONG.to_owned()).await;
        }
        let asked = SlackQuestion {
            place: said.place.clone(),
            message_ts: said.message.ts.clone(),
            slack_user_id: said.user.to_owned(),
            asker_id: member.user_id,
            is_dm: said.is_direct,
            question: NewQuestion {
                prompt: prompt.trim().to_owned(),
                connection_ids: Vec::new(),
                timezone: member.timezone.clone(),
                source: ThreadSource::Slack,
            },
        };
        match self.store.slack_ask(said.scope, thread_id, &asked).await {
            Ok((thread_id, turn_no)) => {
                tracing::info!(%thread_id, turn_no, "asked in Slack");
                let sign = sign_for(said.scope, said.token, said.message, said.began_at);
                Ok(Step::Shown("asked", Box::new(sign)))
            }
            // What was said before it is still worked on; or another message has just made the thread.
            Err(store::Error::Conflict(Conflict::ThreadBusy | Conflict::Duplicate)) => {
                Ok(Step::Wait(BUSY_WAIT))
            }
            Err(store::Error::Conflict(Conflict::CreatorDeactivated) | store::Error::NotFound) => {
                Ok(Step::Done("not_allowed"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells somebody something that only they see, once in a thread.
    async fn tell(&self, said: &Said<'_>, note: SlackNote, text: String) -> Result<Step, Error> {
        let (scope, place) = (said.scope, said.place);
        if !self.store.slack_note_take(scope, place, said.user, note).await? {
            return Ok(Step::Done("told_before"));
        }
        let mut message = Message::text(&place.channel_id, text);
        message.thread_ts = said.message.is_reply().then(|| place.root_ts.clone());
        let telling = self.client.chat_post_ephemeral(&said.token.bot_token, said.user, &message);
        let error = match self.call(scope, Method::EPHEMERAL, CALL_PATIENCE, telling).await {
            Ok(_) => return Ok(Step::Done(note.as_str())),
            Err(Error::Slack(error)) => error,
            Err(error) => {
                self.store.slack_note_give_back(scope, place, said.user, note).await?;
                return Err(error);
            }
        };
        match error.class() {
            // Perhaps they have seen it: better once too few than twice.
            Class::Unknown => Ok(Step::Done("perhaps_told")),
            Class::Destination | Class::Ours => {
                tracing::info!(code = error.code(), "a note could not be posted");
                Ok(Step::Done("not_told"))
            }
            Class::Retry { .. } | Class::Installation => {
                self.store.slack_note_give_back(scope, place, said.user, note).await?;
                if error.code() == Some("token_expired") {
                    self.token(scope, Some(&said.token.bot_token)).await?;
                }
                Err(error.into())
            }
        }
    }
}

/// The sign that we work on what a message asks.
fn sign_for(scope: &Scope, token: &SlackToken, message: &MessageEvent, good_at: DateTime<Utc>) -> Sign {
    Sign {
        scope: *scope,
        token: token.clone(),
        good_at,
        channel_id: message.channel.clone(),
        message_ts: message.ts.clone(),
    }
}
