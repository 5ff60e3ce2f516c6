//! Calls of the Web API in one workspace: at the pace that Slack allows, with a token that is good.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use slack::{ChannelMembers, Client, Error, MemberCache, MemberCall};
use store::{Scope, SlackRate, SlackToken, Store};
use tokio::sync::Mutex;

use super::{Slack, outcome::Stop, token};

/// The longest that a call waits for its turn here; for a longer wait the delivery is put back.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);

/// What is called, and how often a workspace may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    pub(crate) rate: SlackRate,
}

/// Slack's second tier.
const TIER_2: SlackRate = SlackRate::per_minute(20);
/// Slack's third tier.
const TIER_3: SlackRate = SlackRate::per_minute(50);
/// Slack's fourth tier.
const TIER_4: SlackRate = SlackRate::per_minute(100);

impl Method {
    /// Slack allows hundreds a minute; ours are no more than our messages.
    pub(super) const PERMALINK: Self = Self { name: "chat.getPermalink", rate: SlackRate::per_minute(300) };
    pub(crate) const INFO: Self = Self { name: "conversations.info", rate: TIER_3 };
    pub(crate) const LIST: Self = Self { name: "conversations.list", rate: TIER_2 };
    pub(crate) const EPHEMERAL: Self = Self { name: "chat.postEphemeral", rate: TIER_4 };
    pub(super) const OPEN: Self = Self { name: "conversations.open", rate: TIER_3 };
    /// Some apps may call it once a minute: Slack says so when it is called too early, and that is kept to.
    pub(super) const HISTORY: Self = Self { name: "conversations.history", rate: TIER_3 };
    pub(super) const REPLIES: Self = Self { name: "conversations.replies", rate: TIER_3 };
    pub(super) const UPLOAD_URL: Self = Self { name: "files.getUploadURLExternal", rate: TIER_4 };
    pub(super) const UPLOAD_DONE: Self = Self { name: "files.completeUploadExternal", rate: TIER_4 };
    pub(super) const FILE_INFO: Self = Self { name: "files.info", rate: TIER_4 };
    pub(crate) const REACTION_ADD: Self = Self { name: "reactions.add", rate: TIER_3 };
    pub(crate) const REACTION_REMOVE: Self = Self { name: "reactions.remove", rate: TIER_2 };

    /// One of the calls that the reading of a channel's members is made of.
    const fn about_members(call: MemberCall) -> Self {
        Self { name: call.method(), rate: SlackRate::per_minute(call.per_minute()) }
    }
}

/// A workspace's line to Slack.
pub(super) struct Line<'a> {
    pub(super) store: &'a Store,
    pub(super) slack: &'a Slack,
    pub(super) scope: &'a Scope,
    token: Mutex<SlackToken>,
    /// The Slack workspace at its other end.
    pub(super) team_id: String,
}

impl<'a> Line<'a> {
    /// A line with a token that is good now.
    pub(super) async fn open(store: &'a Store, slack: &'a Slack, scope: &'a Scope) -> Result<Self, Stop> {
        let token = token::token(store, slack, scope).await?;
        let team_id = token.team_id.clone();
        Ok(Self { store, slack, scope, token: Mutex::new(token), team_id })
    }

    /// Makes a call when it is its turn.
    pub(super) async fn call<T, F: Future<Output = Result<T, Error>>>(
        &self,
        method: Method,
        call: impl Fn(Client, SecretString) -> F,
    ) -> Result<T, Stop> {
        self.turn(method).await?;
        let result = self.with_token(call).await;
        self.hold_if_limited(&result).await?;
        result
    }

    /// Reads who is in a channel, which is several calls of several methods, when it is the turn of each.
    pub(super) async fn read_members(
        &self,
        members: &MemberCache,
        channel: &str,
    ) -> Result<Arc<ChannelMembers>, Stop> {
        let now = self.store.now().await?;
        let turn = |call| self.turn(Method::about_members(call));
        let result = self
            .with_token(|client, token| async move {
                members.read(&client, &token, &self.team_id, channel, now, turn).await
            })
            .await;
        self.hold_if_limited(&result).await?;
        result
    }

    async fn hold_if_limited<T>(&self, result: &Result<T, Stop>) -> Result<(), Stop> {
        if let Err(Stop::Slack(error)) = result {
            hold_if_limited(self.store, self.scope, error).await?;
        }
        Ok(())
    }

    /// Waits for the turn of a call, if it is near.
    async fn turn(&self, method: Method) -> Result<(), Stop> {
        match self.store.slack_call_take(self.scope, method.name, method.rate, PATIENCE).await? {
            Err(wait) => Err(Stop::Later(wait)),
            Ok(wait) => {
                self.store.wait(wait).await;
                Ok(())
            }
        }
    }

    /// Makes a call at once, and once more with another token where Slack refuses the one at hand: a refusal means that nothing
    /// happened.
    pub(super) async fn with_token<T, E: Into<Stop>, F: Future<Output = Result<T, E>>>(
        &self,
        call: impl Fn(Client, SecretString) -> F,
    ) -> Result<T, Stop> {
        let mut token = self.token.lock().await;
        let stop = match call(self.slack.client.clone(), token.bot_token.clone()).await {
            Ok(done) => return Ok(done),
            Err(stop) => stop.into(),
        };
        let may_do_with_another = matches!(&stop, Stop::Slack(error) if is_about_the_token(error));
        if !may_do_with_another {
            return Err(stop);
        }
        *token = token::renewed(self.store, self.slack, self.scope, &token).await?;
        call(self.slack.client.clone(), token.bot_token.clone()).await.map_err(Into::into)
    }
}

/// Has nobody call the method of which Slack wants fewer calls, where that is what `error` says.
pub(crate) async fn hold_if_limited(store: &Store, scope: &Scope, error: &Error) -> store::Result<()> {
    match error.hold() {
        Some((method, wait)) => store.slack_method_hold(scope, method, wait).await,
        None => Ok(()),
    }
}

/// Whether another token may be taken where this one is refused; what lacks a permission lacks it with any token.
fn is_about_the_token(error: &Error) -> bool {
    matches!(
        error.code(),
        Some("invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired")
    )
}

#[cfg(test)]
mod tests {
    use slack::App;
    use store::{NewSlackInstallation, SlackTokenPair};
    use testkit::{
        World,
        slack::{FakeSlack, Fault},
    };

    use super::*;

    /// A workspace that is connected with a Slack of its own.
    async fn connected(world: &World, fake: &FakeSlack, team: &str) -> Slack {
        let installation = NewSlackInstallation {
            team_id: team.to_owned(),
            team_name: "Northwind".into(),
            enterprise_id: None,
            app_id: "A1".into(),
            bot_user_id: fake.bot_user(team),
            scopes: vec!["users:read".into()],
            tokens: SlackTokenPair { bot_token: fake.install(team), refresh_token: None, expires_in: None },
            installed_by: world.user,
        };
        world.store().slack_installation_put(&world.scope, &installation).await.expect("an installation");
        let app = fake.app();
        let app = App { client_id: app.client_id, client_secret: app.client_secret.into() };
        Slack { client: Client::new(net::vendor_client(), fake.base_url()), app }
    }

    /// Fails where the calls of a reading are made without places of their own: Slack refuses the last of each method's. Our app
    /// is in the channel, too, and is asked after like anybody.
    #[tokio::test]
    async fn people_are_asked_after_no_faster_than_slack_allows() {
        for (people, reads, method, calls) in [(21, 25, "users.list", 25), (9, 12, "users.info", 120)] {
            let world = World::new().await;
            let fake = FakeSlack::start_at(world.database.time.clone()).await;
            let team = fake.add_team("Northwind");
            let ids: Vec<_> = (0..people)
                .map(|number| fake.add_user(&team, &format!("p{number}"), "p@acme.test"))
                .collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            let channel = fake.add_channel(&team, "growth", &ids);
            let slack = connected(&world, &fake, &team).await;
            let line = Line::open(world.store(), &slack, &world.scope).await.expect("a line");
            for _ in 0..reads {
                // Nobody is known to it, as to a notifier that has just started.
                let read = line.read_members(&MemberCache::default(), &channel).await.expect("who is there");
                assert_eq!(read.people.as_ref().map(Vec::len), Some(people), "{method}");
            }
            let asked = fake.calls();
            assert_eq!(asked.iter().filter(|call| call.method == method).count(), calls, "{method}");
            let refused: Vec<_> = asked.iter().filter(|call| call.outcome != "ok").collect();
            assert!(refused.is_empty(), "{method}: {refused:?}");
        }
    }

    /// Fails where a hold is heeded for the method that is called first alone, or by those who need nothing of what is held.
    #[tokio::test]
    async fn a_hold_on_asking_after_people_is_for_those_who_must_ask() {
        let world = World::new().await;
        let fake = FakeSlack::start_at(world.database.time.clone()).await;
        let team = fake.add_team("Northwind");
        let ana = fake.add_user(&team, "ana", "ana@acme.test");
        let finn = fake.add_user(&team, "finn", "finn@acme.test");
        let small = fake.add_channel(&team, "small", &[&ana]);
        let other = fake.add_channel(&team, "other", &[&ana]);
        let large = fake.add_channel(&team, "large", &[&ana, &finn]);
        let slack = connected(&world, &fake, &team).await;
        let line = Line::open(world.store(), &slack, &world.scope).await.expect("a line");
        let members = MemberCache::default();
        line.read_members(&members, &small).await.expect("who is there");
        fake.script("users.info", [Some(Fault::Limited { retry_after_seconds: 60 })]);
        line.read_members(&members, &large).await.expect_err("limited");
        let stop = line.read_members(&members, &large).await.expect_err("held");
        assert!(matches!(stop, Stop::Later(wait) if wait > TimeDelta::seconds(50)), "{stop:?}");
        line.read_members(&members, &other).await.expect("all of them are known");
        world.step(TimeDelta::minutes(1));
        line.read_members(&members, &large).await.expect("who is there");
        let early = fake.calls().iter().any(|call| call.told_to_wait_at.is_some());
        assert!(!early, "nobody asked before Slack wanted it");
    }
}
