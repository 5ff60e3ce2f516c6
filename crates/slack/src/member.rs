//! Who is in a channel, and what each is to the team. A message is for all who are in a channel, so who may see it is asked of
//! every one of them: several calls for a large channel, and so kept for a few minutes. Slack shows whoever joins what was posted
//! before: one who joined a minute before a message sees no more than one who joins a minute after.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use crate::{Class, Client, Error, User};

/// How long the members of a channel are kept.
const CHANNEL_KEPT_FOR: TimeDelta = TimeDelta::minutes(3);
/// How long it is kept what a person is to the team.
const PERSON_KEPT_FOR: TimeDelta = TimeDelta::hours(1);
/// The most pages of a channel's members that are read: 5,000 people.
const MEMBER_PAGES_MAX: usize = 25;
/// The most pages of a team's people that are read: 20,000.
const PEOPLE_PAGES_MAX: usize = 100;
/// The most people who are asked after one by one.
const ASKED_SINGLY_MAX: usize = 20;

/// What somebody in a channel is to our team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// Of the team.
    Own,
    /// A guest of the team, or of another organisation.
    Outside,
    /// An app.
    App,
}

/// Somebody in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelMember {
    /// The user's id.
    pub id: String,
    /// What they are.
    pub kind: MemberKind,
}

/// A call that the reading of a channel's members is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberCall {
    /// What kind of channel it is.
    ConversationsInfo,
    /// A page of the ids of its members.
    ConversationsMembers,
    /// What one of them is.
    UsersInfo,
    /// A page of everybody in the team.
    UsersList,
}

impl MemberCall {
    /// The method.
    pub const fn method(self) -> &'static str {
        match self {
            Self::ConversationsInfo => "conversations.info",
            Self::ConversationsMembers => "conversations.members",
            Self::UsersInfo => "users.info",
            Self::UsersList => "users.list",
        }
    }

    /// How often a team allows it in a minute, by the tier that Slack publishes.
    pub const fn per_minute(self) -> u32 {
        match self {
            Self::UsersList => 20,
            Self::ConversationsInfo => 50,
            Self::ConversationsMembers | Self::UsersInfo => 100,
        }
    }
}

/// Who is in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelMembers {
    /// People, apps left out; `None` where there are more than are read.
    pub people: Option<Vec<ChannelMember>>,
    /// Whether people of another organisation are in it, or invited.
    pub is_shared_outside: bool,
}

/// What was read a moment ago, by team.
#[derive(Debug, Default)]
pub struct MemberCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    channels: HashMap<(String, String), (DateTime<Utc>, Arc<ChannelMembers>)>,
    people: HashMap<(String, String), (DateTime<Utc>, MemberKind)>,
    /// Where the reading of a team's people was broken off, as when Slack wanted fewer calls: it goes on from there.
    listed_to: HashMap<String, String>,
}

impl MemberCache {
    /// Who is in a channel of `team_id`, where that was read at most three minutes before `now`.
    pub fn kept_of(&self, team_id: &str, channel: &str, now: DateTime<Utc>) -> Option<Arc<ChannelMembers>> {
        let key = (team_id.to_owned(), channel.to_owned());
        self.kept_at(now).channels.get(&key).map(|(_, members)| Arc::clone(members))
    }

    /// Who is in a channel of `team_id`, as of at most three minutes before `now`. Each call is made once `turn` has let it:
    /// where it does not, the reading ends there, and what was learned of people by then is kept.
    pub async fn read<E: From<Error>, F: Future<Output = Result<(), E>>>(
        &self,
        client: &Client,
        token: &SecretString,
        team_id: &str,
        channel: &str,
        now: DateTime<Utc>,
        turn: impl Fn(MemberCall) -> F,
    ) -> Result<Arc<ChannelMembers>, E> {
        if let Some(members) = self.kept_of(team_id, channel, now) {
            return Ok(members);
        }
        turn(MemberCall::ConversationsInfo).await?;
        let about = client.conversations_info(token, channel).await?;
        let people = match member_ids(client, token, channel, &turn).await? {
            Some(ids) => Some(self.people(client, token, team_id, ids, now, &turn).await?),
            None => None,
        };
        let is_shared_outside = about.is_ext_shared || about.is_pending_ext_shared;
        let members = Arc::new(ChannelMembers { people, is_shared_outside });
        let key = (team_id.to_owned(), channel.to_owned());
        self.kept_at(now).channels.insert(key, (now, Arc::clone(&members)));
        Ok(members)
    }

    /// What each of them is, apps left out. Whoever the team's list does not name is of another one, and so is whoever Slack will
    /// not tell us of: a stranger of a shared channel, or somebody who has just gone. One of them must not keep us from the others.
    async fn people<E: From<Error>, F: Future<Output = Result<(), E>>>(
        &self,
        client: &Client,
        token: &SecretString,
        team_id: &str,
        ids: Vec<String>,
        now: DateTime<Utc>,
        turn: &impl Fn(MemberCall) -> F,
    ) -> Result<Vec<ChannelMember>, E> {
        if self.unknown(team_id, &ids).len() > ASKED_SINGLY_MAX {
            self.read_team(client, token, team_id, now, turn).await?;
        }
        for id in self.unknown(team_id, &ids).into_iter().take(ASKED_SINGLY_MAX) {
            turn(MemberCall::UsersInfo).await?;
            let kind = match client.users_info(token, &id).await {
                Ok(user) => kind(&user, team_id),
                Err(error) if hides_person(&error) => MemberKind::Outside,
                Err(error) => return Err(error.into()),
            };
            self.keep(team_id, id, kind, now);
        }
        let kept = self.kept();
        let kind_of = |id: &String| {
            let known = kept.people.get(&(team_id.to_owned(), id.clone()));
            known.map_or(MemberKind::Outside, |(_, kind)| *kind)
        };
        Ok(ids
            .into_iter()
            .map(|id| ChannelMember { kind: kind_of(&id), id })
            .filter(|member| member.kind != MemberKind::App)
            .collect())
    }

    async fn read_team<E: From<Error>, F: Future<Output = Result<(), E>>>(
        &self,
        client: &Client,
        token: &SecretString,
        team_id: &str,
        now: DateTime<Utc>,
        turn: &impl Fn(MemberCall) -> F,
    ) -> Result<(), E> {
        for _ in 0..PEOPLE_PAGES_MAX {
            // Before the cursor is taken: it stays for the next one where it is not our turn.
            turn(MemberCall::UsersList).await?;
            let cursor = self.kept().listed_to.remove(team_id);
            let page = match client.users_list(token, cursor.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    let is_over = !matches!(error.class(), Class::Retry { .. } | Class::Unknown);
                    if let Some(cursor) = cursor.filter(|_| !is_over) {
                        self.kept().listed_to.insert(team_id.to_owned(), cursor);
                    }
                    return Err(error.into());
                }
            };
            for user in page.items {
                let kind = kind(&user, team_id);
                self.keep(team_id, user.id, kind, now);
            }
            let Some(next) = page.next_cursor else { break };
            self.kept().listed_to.insert(team_id.to_owned(), next);
        }
        Ok(())
    }

    fn unknown(&self, team_id: &str, ids: &[String]) -> Vec<String> {
        let kept = self.kept();
        let is_known = |id: &String| kept.people.contains_key(&(team_id.to_owned(), id.clone()));
        ids.iter().filter(|id| !is_known(id)).cloned().collect()
    }

    fn keep(&self, team_id: &str, id: String, kind: MemberKind, now: DateTime<Utc>) {
        self.kept().people.insert((team_id.to_owned(), id), (now, kind));
    }

    /// What is kept, without what is too old by `now`.
    fn kept_at(&self, now: DateTime<Utc>) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept();
        kept.channels.retain(|_, (at, _)| now - *at < CHANNEL_KEPT_FOR);
        kept.people.retain(|_, (at, _)| now - *at < PERSON_KEPT_FOR);
        kept
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everybody in a channel, apps included; `None` where there are more than are read.
async fn member_ids<E: From<Error>, F: Future<Output = Result<(), E>>>(
    client: &Client,
    token: &SecretString,
    channel: &str,
    turn: &impl Fn(MemberCall) -> F,
) -> Result<Option<Vec<String>>, E> {
    let mut ids = Vec::new();
    let mut cursor = None;
    for _ in 0..MEMBER_PAGES_MAX {
        turn(MemberCall::ConversationsMembers).await?;
        let page = client.conversations_members(token, channel, cursor.as_deref()).await?;
        ids.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(Some(ids));
        }
    }
    Ok(None)
}

/// Whether Slack says of the person who was asked after, and of nothing else, that we are told nothing.
fn hides_person(error: &Error) -> bool {
    matches!(error.code(), Some("user_not_found" | "user_not_visible"))
}

/// A guest may belong to the team, and a member of another team may be no stranger: either is outside.
fn kind(user: &User, team_id: &str) -> MemberKind {
    if user.is_bot {
        return MemberKind::App;
    }
    let is_of_team = user.team_id.as_deref().is_none_or(|team| team == team_id);
    if !is_of_team || user.is_restricted || user.is_ultra_restricted || user.is_stranger {
        return MemberKind::Outside;
    }
    MemberKind::Own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(change: &serde_json::Value) -> User {
        let mut user = serde_json::json!({"id": "U1", "team_id": "T1"});
        user.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        serde_json::from_value(user).expect("a user")
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write it in place")]
    fn kind_of(change: serde_json::Value) -> MemberKind {
        kind(&user(&change), "T1")
    }

    #[test]
    fn guests_and_other_organisations_are_outside() {
        assert_eq!(kind_of(serde_json::json!({})), MemberKind::Own);
        assert_eq!(kind_of(serde_json::json!({"is_restricted": true})), MemberKind::Outside);
        assert_eq!(kind_of(serde_json::json!({"is_ultra_restricted": true})), MemberKind::Outside);
        assert_eq!(kind_of(serde_json::json!({"is_stranger": true})), MemberKind::Outside);
        assert_eq!(kind_of(serde_json::json!({"team_id": "T2"})), MemberKind::Outside);
        assert_eq!(kind_of(serde_json::json!({"is_bot": true})), MemberKind::App);
    }
}
