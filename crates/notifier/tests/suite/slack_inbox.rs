//! What came from Slack, worked on against a fake that keeps Slack's rules (`testkit::slack`): who starts a turn, who is told
//! what, and that nothing is done twice.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{
    UserId,
    access::Role,
    delivery::{DeliveryKind, DeliveryState},
    slack::{SlackEventKind, SlackLinkedBy},
    thread::ThreadSource,
};
use notifier::slack_inbox::{SlackInbox, SlackInboxOptions};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{
    DeliveryOutcome, NewQuestion, NewSlackEvent, NewSlackInstallation, SLACK_EVENT_LEASE, SLACK_EVENT_REST,
    SlackOrder, SlackPlace, SlackQuestion, SlackTokenPair, Store, ThreadRights,
};
use testkit::{
    World,
    slack::{FakeSlack, Fault, Message},
    world::claim_deliveries,
};

/// A connected workspace: its admin is `creator` in Slack, linked; `erin` is a member, linked; `stranger` is nobody here.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) fake: FakeSlack,
    pub(crate) inbox: SlackInbox,
    team: String,
    pub(crate) bot: String,
    pub(crate) creator: String,
    pub(crate) erin: String,
    pub(crate) stranger: String,
    pub(crate) channel: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with_rotation(false).await
    }

    pub(crate) async fn with_rotation(rotates: bool) -> Self {
        let world = World::new().await;
        let fake = FakeSlack::start_at(world.database.time.clone()).await;
        fake.change_app(|app| app.rotates_tokens = rotates);
        let team = fake.add_team("Northwind");
        let [creator, erin, stranger] = ["creator", "erin", "stranger"]
            .map(|name| fake.add_user(&team, name, &format!("{name}@acme.test")));
        let channel = fake.add_channel(&team, "growth", &[&creator, &erin, &stranger]);
        let (bot_token, refresh_token) = fake.install_with(&team, SCOPES);
        let bot = fake.bot_user(&team);
        let installation = NewSlackInstallation {
            team_id: team.clone(),
            team_name: "Northwind".into(),
            enterprise_id: None,
            app_id: "A00000001".to_owned(),
            bot_user_id: bot.clone(),
            scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            tokens: SlackTokenPair {
                bot_token,
                refresh_token,
                expires_in: rotates.then(|| TimeDelta::hours(12)),
            },
            installed_by: world.user,
        };
        world.store().slack_installation_put(&world.scope, &installation).await.expect("an installation");
        let stage = Self {
            inbox: inbox(world.store(), &fake),
            world,
            fake,
            team,
            bot,
            creator,
            erin,
            stranger,
            channel,
        };
        let erin = stage.world.member("erin", Role::Member).await;
        stage.link(stage.world.user, &stage.creator).await;
        stage.link(erin, &stage.erin).await;
        stage
    }

    pub(crate) fn store(&self) -> &Store {
        self.world.store()
    }

    pub(crate) async fn link(&self, user: UserId, slack_user: &str) {
        let by = SlackLinkedBy::SignIn;
        let linked = self.store().slack_user_link(&self.world.scope, user, &self.team, slack_user, by).await;
        linked.expect("a link");
    }

    /// Somebody says something; Slack tells of it by an event of this type. Answers the message's `ts`.
    pub(crate) async fn said(
        &self,
        kind: &str,
        channel: &str,
        user: &str,
        text: &str,
        thread_ts: Option<&str>,
    ) -> String {
        let ts = self.fake.say(channel, user, text, thread_ts);
        self.told_of(kind, channel, user, text, &ts, thread_ts).await;
        ts
    }

    async fn told_of(
        &self,
        kind: &str,
        channel: &str,
        user: &str,
        text: &str,
        ts: &str,
        thread_ts: Option<&str>,
    ) {
        let mut event = json!({"type": kind, "channel": channel, "user": user, "text": text, "ts": ts});
        if kind == "message" {
            event["channel_type"] = json!(if channel.starts_with('D') { "im" } else { "channel" });
        }
        if let Some(thread_ts) = thread_ts {
            event["thread_ts"] = json!(thread_ts);
        }
        let key = format!("{channel} {}", thread_ts.unwrap_or(ts));
        self.event(event, Some(SlackOrder { key: &key, ts })).await;
    }

    async fn event(&self, event: Value, order: Option<SlackOrder<'_>>) {
        let body = self.fake.event_body(&self.team, &event);
        let payload = String::from_utf8(body).expect("text");
        let envelope: Value = serde_json::from_str(&payload).expect("JSON");
        let new = NewSlackEvent {
            team_id: &self.team,
            event_id: envelope["event_id"].as_str().expect("an id"),
            kind: SlackEventKind::Event,
            payload: &payload,
            order,
        };
        self.store().slack_event_put(&new).await.expect("a write");
    }

    async fn pressed(&self, user: &str, action: &str, value: &str) {
        let payload = json!({"type": "block_actions", "team": {"id": self.team}, "user": {"id": user},
            "actions": [{"action_id": action, "value": value, "action_ts": "1"}]});
        let event = NewSlackEvent {
            team_id: &self.team,
            event_id: &format!("interaction {user} {action} {value}"),
            kind: SlackEventKind::Interaction,
            payload: &payload.to_string(),
            order: None,
        };
        self.store().slack_event_put(&event).await.expect("a write");
        self.inbox.run_once().await;
    }

    /// Works on all there is, once messages have rested.
    pub(crate) async fn work(&self) -> u32 {
        self.world.step(SLACK_EVENT_REST);
        self.inbox.run_once().await
    }

    /// The agent answers the one turn that waits, and the reply to it is posted.
    pub(crate) async fn answer(&self) {
        let run = self.world.claim_one().await;
        self.world.succeed(&run).await;
        self.post_replies().await;
        self.inbox.run_once().await;
    }

    pub(crate) async fn post_replies(&self) {
        for delivery in claim_deliveries(self.store(), "test", 10).await {
            assert_eq!(delivery.kind, DeliveryKind::Reply);
            self.store().delivery_attempt_start(&delivery.scope, &delivery.lease).await.expect("an attempt");
            let sent = DeliveryOutcome::Sent { provider_id: "1.0".into() };
            let state = self.store().delivery_finish(&delivery.scope, &delivery.lease, &sent).await;
            assert_eq!(state.expect("an end"), DeliveryState::Sent);
        }
    }

    fn message(&self, channel: &str, ts: &str) -> Message {
        self.fake.messages(channel).into_iter().find(|message| message.ts == ts).expect("the message")
    }

    pub(crate) fn reactions(&self, channel: &str, ts: &str) -> Vec<String> {
        self.message(channel, ts).reactions.into_keys().collect()
    }

    /// The notes that people got, in order.
    pub(crate) fn notes(&self) -> Vec<String> {
        let calls = self.fake.calls().into_iter();
        let told = calls.filter(|call| call.method == "chat.postEphemeral" && call.outcome == "ok");
        told.map(|call| call.text.unwrap_or_default()).collect()
    }

    pub(crate) async fn turns(&self) -> i64 {
        self.world.number("SELECT count(*) FROM turn").await
    }

    pub(crate) async fn outcomes(&self, outcome: &str) -> i64 {
        self.world.number(&format!("SELECT count(*) FROM slack_event WHERE outcome = '{outcome}'")).await
    }
}

const SCOPES: &[&str] = &[
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:write",
    "users:read",
    "users:read.email",
];

pub(crate) fn inbox(store: &Store, fake: &FakeSlack) -> SlackInbox {
    inbox_with(store, fake, slack::CALL_TIMEOUT)
}

/// As [`inbox`], with so much patience for each call.
pub(crate) fn inbox_with(store: &Store, fake: &FakeSlack, call_timeout: Duration) -> SlackInbox {
    let app = fake.app();
    let app = slack::App { client_id: app.client_id, client_secret: SecretString::from(app.client_secret) };
    let client = slack::Client::new(net::vendor_client(), fake.base_url()).with_call_timeout(call_timeout);
    SlackInbox::new(SlackInboxOptions::new(store.clone(), client, app, "https://tidings.test".into()))
}

#[tokio::test]
async fn a_mention_starts_a_thread_once_and_shows_how_it_goes() {
    let stage = Stage::new().await;
    let text = format!("<@{}> how many flights &amp; when?", stage.bot);
    let ts = stage.said("app_mention", &stage.channel, &stage.creator, &text, None).await;
    // The same message also comes as a message.
    stage.told_of("message", &stage.channel, &stage.creator, &text, &ts, None).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 1);
    let asked = "SELECT count(*) FROM turn WHERE prompt = 'how many flights & when?'";
    assert_eq!(stage.world.number(asked).await, 1);
    assert_eq!(stage.reactions(&stage.channel, &ts), ["eyes"]);
    let place = SlackPlace { channel_id: stage.channel.clone(), root_ts: ts.clone() };
    let thread =
        stage.store().slack_thread_find(&stage.world.scope, &place).await.expect("a look").expect("it");
    let erin =
        stage.store().slack_user_find(&stage.world.scope, &stage.erin).await.expect("a look").expect("erin");
    let rights = stage.store().thread_rights(&stage.world.scope, thread.thread_id, erin.user_id).await;
    assert_eq!(rights.expect("a look"), ThreadRights::Reader, "asked before all, read by all");

    let run = stage.world.claim_one().await;
    stage.world.succeed(&run).await;
    stage.inbox.run_once().await;
    assert_eq!(stage.reactions(&stage.channel, &ts), ["eyes"], "until the answer is posted");
    stage.post_replies().await;
    stage.world.step(TimeDelta::seconds(1));
    stage.inbox.run_once().await;
    assert_eq!(stage.reactions(&stage.channel, &ts), ["white_check_mark"]);
    assert!(stage.notes().is_empty());
}

#[tokio::test]
async fn a_direct_message_starts_a_thread_of_its_writers_alone() {
    let stage = Stage::new().await;
    let direct = stage.fake.direct_message(&stage.erin);
    let ts = stage.said("message", &direct, &stage.erin, "How many?", None).await;
    stage.work().await;
    assert_eq!(stage.reactions(&direct, &ts), ["eyes"]);
    let place = SlackPlace { channel_id: direct.clone(), root_ts: ts };
    let thread =
        stage.store().slack_thread_find(&stage.world.scope, &place).await.expect("a look").expect("it");
    let rights = stage.store().thread_rights(&stage.world.scope, thread.thread_id, stage.world.user).await;
    assert_eq!(rights.expect("a look"), ThreadRights::None);
    stage.answer().await;
    let reply = "SELECT count(*) FROM delivery WHERE kind = 'reply' AND channel = 'slack_dm'";
    assert_eq!(stage.world.number(reply).await, 1);
}

/// Fails without the look at the thread's creator (erin's reply starts a turn), and without the note's memory (she is told twice).
#[tokio::test]
async fn only_the_creators_replies_carry_a_thread_on_and_others_are_told_once() {
    let stage = Stage::new().await;
    let mention = format!("<@{}> how many?", stage.bot);
    let root = stage.said("app_mention", &stage.channel, &stage.creator, &mention, None).await;
    stage.work().await;
    stage.answer().await;
    for text in ["Interesting", "And why?"] {
        stage.said("message", &stage.channel, &stage.erin, text, Some(&root)).await;
    }
    stage.said("message", &stage.channel, &stage.stranger, "Hm", Some(&root)).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 1);
    let notes = stage.notes();
    assert_eq!(notes.len(), 2, "one each: {notes:?}");
    assert!(notes[0].contains("https://tidings.test/threads/"), "{notes:?}");
    assert!(notes[1].contains("https://tidings.test/settings"), "{notes:?}");

    let reply = stage.said("message", &stage.channel, &stage.creator, "And by month?", Some(&root)).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 2);
    assert_eq!(stage.reactions(&stage.channel, &reply), ["eyes"]);
    let others = stage.fake.say(&stage.channel, &stage.erin, "Lunch?", None);
    stage.said("message", &stage.channel, &stage.creator, "Yes", Some(&others)).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 2, "what people say below each other's messages is theirs");
    assert_eq!(stage.notes().len(), 2);
}

/// Fails where the place of a mention counts as ours: their thanks are a paid question, and colleagues are told off.
#[tokio::test]
async fn in_peoples_own_thread_only_what_calls_us_is_for_us() {
    let stage = Stage::new().await;
    let root = stage.fake.say(&stage.channel, &stage.erin, "The numbers look odd", None);
    let mention = |text: &str| format!("<@{}> {text}", stage.bot);
    stage.said("app_mention", &stage.channel, &stage.creator, &mention("how many?"), Some(&root)).await;
    stage.work().await;
    stage.answer().await;
    assert_eq!(stage.turns().await, 1);
    for (user, text) in [(&stage.creator, "Thanks"), (&stage.erin, "Hm"), (&stage.stranger, "Oh")] {
        stage.said("message", &stage.channel, user, text, Some(&root)).await;
    }
    stage.work().await;
    assert_eq!((stage.turns().await, stage.notes()), (1, Vec::new()));

    let (text, channel) = (mention("and by month?"), &stage.channel);
    let again = stage.said("message", channel, &stage.creator, &text, Some(&root)).await;
    stage.told_of("app_mention", channel, &stage.creator, &text, &again, Some(&root)).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 2, "it goes on where it was called again");
    let threads = "SELECT count(*) FROM thread";
    assert_eq!(stage.world.number(threads).await, 1);
}

/// Fails when a busy thread is not waited for, or waiting counts as failing: the second question is lost or comes first.
#[tokio::test]
async fn follow_ups_wait_for_the_turn_before_and_come_in_their_order() {
    let stage = Stage::new().await;
    let mention = format!("<@{}> first?", stage.bot);
    let root = stage.said("app_mention", &stage.channel, &stage.creator, &mention, None).await;
    stage.work().await;
    let second = stage.fake.say(&stage.channel, &stage.creator, "second?", Some(&root));
    let third = stage.fake.say(&stage.channel, &stage.creator, "third?", Some(&root));
    // Slack's deliveries overtake one another.
    stage.told_of("message", &stage.channel, &stage.creator, "third?", &third, Some(&root)).await;
    stage.told_of("message", &stage.channel, &stage.creator, "second?", &second, Some(&root)).await;
    for _ in 0..3 {
        stage.work().await;
        stage.world.step(TimeDelta::seconds(2));
    }
    assert_eq!(stage.turns().await, 1, "the first is still worked on");
    for turns in [2, 3] {
        stage.answer().await;
        stage.world.step(TimeDelta::seconds(2));
        stage.work().await;
        assert_eq!(stage.turns().await, turns);
    }
    let order =
        "SELECT count(*) FROM turn WHERE (turn_no, prompt) IN ((1, 'first?'), (2, 'second?'), (3, 'third?'))";
    assert_eq!(stage.world.number(order).await, 3);
}

#[tokio::test]
async fn who_is_not_linked_or_may_not_ask_is_told_how() {
    let stage = Stage::new().await;
    let mention = format!("<@{}> how many?", stage.bot);
    stage.said("app_mention", &stage.channel, &stage.stranger, &mention, None).await;
    let guest = stage.fake.add_user(&stage.team, "guest", "guest@acme.test");
    stage.fake.change_channel(&stage.channel, |channel| {
        channel.members.insert(guest.clone());
    });
    let guest_here = stage.world.member("guest", Role::Guest).await;
    stage.link(guest_here, &guest).await;
    stage.said("app_mention", &stage.channel, &guest, &mention, None).await;
    let direct = stage.fake.direct_message(&stage.stranger);
    stage.said("message", &direct, &stage.stranger, "Hello?", None).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 0);
    let notes = stage.notes();
    let count = |words: &str| notes.iter().filter(|note| note.contains(words)).count();
    assert_eq!(count("https://tidings.test/settings"), 2, "{notes:?}");
    assert_eq!(count("Your role"), 1, "{notes:?}");
    assert_eq!(stage.outcomes("not_linked").await, 2);
}

#[tokio::test]
async fn our_own_words_bots_changes_and_removals_start_nothing() {
    let stage = Stage::new().await;
    let direct = stage.fake.direct_message(&stage.creator);
    let said = |more: Value| {
        let mut event = json!({"type": "message", "channel": direct, "channel_type": "im", "user": stage.creator,
            "text": "How many?", "ts": "1700000000.000100"});
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        event
    };
    for nothing in [
        said(json!({"user": stage.bot})),
        said(json!({"bot_id": "B9"})),
        said(json!({"subtype": "bot_message"})),
        said(json!({"subtype": "message_changed"})),
        said(json!({"subtype": "message_deleted", "hidden": true})),
        said(json!({"text": "  "})),
    ] {
        stage.event(nothing, None).await;
    }
    stage.work().await;
    assert_eq!((stage.turns().await, stage.notes().len()), (0, 0));
}

/// The worker dies after the turn was made and before it could say so; the next one finds the turn and asks nothing again.
#[tokio::test]
async fn a_worker_that_dies_in_the_middle_is_resumed_and_asks_nothing_twice() {
    let stage = Stage::new().await;
    let direct = stage.fake.direct_message(&stage.creator);
    let ts = stage.said("message", &direct, &stage.creator, "How many?", None).await;
    stage.world.step(SLACK_EVENT_REST);
    let held = stage.store().slack_event_claim("dead", &[SlackEventKind::Event], 1).await.expect("a claim");
    assert_eq!(held.len(), 1);
    let asked = SlackQuestion {
        place: SlackPlace { channel_id: direct.clone(), root_ts: ts.clone() },
        message_ts: ts.clone(),
        slack_user_id: stage.creator.clone(),
        asker_id: stage.world.user,
        is_dm: true,
        question: NewQuestion {
            prompt: "How many?".into(),
            connection_ids: vec![],
            timezone: "UTC".into(),
            source: ThreadSource::Slack,
        },
    };
    stage.store().slack_ask(&stage.world.scope, None, &asked).await.expect("a turn");
    assert_eq!(stage.inbox.run_once().await, 0, "it is held");
    stage.world.step(SLACK_EVENT_LEASE);
    stage.inbox.run_once().await;
    assert_eq!((stage.turns().await, stage.outcomes("asked_before").await), (1, 1));
    assert_eq!(stage.reactions(&direct, &ts), ["eyes"]);
}

#[tokio::test]
async fn a_note_that_was_perhaps_seen_is_not_repeated_and_one_that_was_not_is() {
    let stage = Stage::new().await;
    let mention = format!("<@{}> how many?", stage.bot);
    stage.fake.script("chat.postEphemeral", [Some(Fault::AnswerDropped)]);
    stage.said("app_mention", &stage.channel, &stage.stranger, &mention, None).await;
    stage.work().await;
    assert_eq!((stage.notes().len(), stage.outcomes("perhaps_told").await), (1, 1));
    stage.fake.script("chat.postEphemeral", [Some(Fault::Limited { retry_after_seconds: 7 })]);
    stage.said("app_mention", &stage.channel, &stage.stranger, &mention, None).await;
    stage.work().await;
    assert_eq!(stage.notes().len(), 1);
    stage.world.step(TimeDelta::seconds(6));
    stage.inbox.run_once().await;
    assert_eq!(stage.notes().len(), 1, "not before Slack wants it");
    stage.world.step(TimeDelta::seconds(2));
    stage.inbox.run_once().await;
    assert_eq!(stage.notes().len(), 2);
}

#[tokio::test]
async fn data_that_stays_out_of_slack_is_not_talked_about_there() {
    let stage = Stage::new().await;
    let mention = format!("<@{}> first?", stage.bot);
    let root = stage.said("app_mention", &stage.channel, &stage.creator, &mention, None).await;
    stage.work().await;
    stage.answer().await;
    let connection = stage.world.connection;
    stage.world.execute(&format!("UPDATE connection SET sensitive = true WHERE id = '{connection}'")).await;
    stage.world.execute(&format!("UPDATE thread SET connection_ids = ARRAY['{connection}']::uuid[]")).await;
    stage.said("message", &stage.channel, &stage.creator, "And?", Some(&root)).await;
    stage.work().await;
    assert_eq!(stage.turns().await, 1);
    assert!(stage.notes()[0].contains("stays out of Slack"), "{:?}", stage.notes());
}

#[tokio::test]
async fn an_uninstalled_app_ends_the_installation_once_in_whatever_order_it_is_told() {
    for order in [["app_uninstalled", "tokens_revoked"], ["tokens_revoked", "app_uninstalled"]] {
        let stage = Stage::new().await;
        let revoked = |kind: &str| match kind {
            "tokens_revoked" => json!({"type": kind, "tokens": {"oauth": [], "bot": [stage.bot]}}),
            _ => json!({"type": kind}),
        };
        let people = json!({"type": "tokens_revoked", "tokens": {"oauth": [stage.erin], "bot": []}});
        stage.event(people, None).await;
        stage.inbox.run_once().await;
        let live = stage.store().slack_installation_get(&stage.world.scope).await.expect("a read");
        assert!(live.is_some(), "the token of one who signed in is not the app's");
        for kind in [order[0], order[1], order[0], order[1]] {
            stage.event(revoked(kind), None).await;
        }
        stage.inbox.run_once().await;
        let ended =
            stage.store().slack_installation_last(&stage.world.scope).await.expect("a read").expect("one");
        assert!(ended.end_reason.is_some() && !ended.is_active());
        let told = "SELECT count(*) FROM delivery WHERE kind = 'slack_ended'";
        assert_eq!(stage.world.number(told).await, 1, "one admin, told once");
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_a_refused_one_ends_the_installation() {
    let stage = Stage::with_rotation(true).await;
    let direct = stage.fake.direct_message(&stage.creator);
    stage.world.step(TimeDelta::hours(10));
    let ts = stage.said("message", &direct, &stage.creator, "How many?", None).await;
    stage.work().await;
    assert_eq!(stage.reactions(&direct, &ts), ["eyes"], "with a fresh token");
    let renewed = stage.fake.calls().iter().filter(|call| call.method == "oauth.v2.access").count();
    assert_eq!(renewed, 1);
    stage.fake.uninstall(&stage.team);
    stage.said("message", &direct, &stage.erin, "And now?", None).await;
    stage.work().await;
    assert!(stage.store().slack_installation_get(&stage.world.scope).await.expect("a read").is_none());
}

#[tokio::test]
async fn a_recipient_has_a_weeks_rest_or_no_more_and_a_channel_is_nobodys_alone() {
    let stage = Stage::new().await;
    let erin =
        stage.store().slack_user_find(&stage.world.scope, &stage.erin).await.expect("a look").expect("erin");
    let task = stage.world.task(|spec| spec.notification.user_ids = vec![erin.user_id]).await;
    stage.store().task_run(&stage.world.scope, task.id, None).await.expect("a run");
    let run = stage.world.claim_one().await;
    stage.world.succeed(&run).await;
    let told = stage.store().delivery_list(&stage.world.scope, run.lease.run_id).await.expect("deliveries");
    let delivery = told[0].id.to_string();
    let quiet = "SELECT count(*) FROM task_unsubscription";

    stage.pressed(&stage.creator, "tidings_snooze", &delivery).await;
    stage.pressed(&stage.stranger, "tidings_unsubscribe", &delivery).await;
    assert_eq!(stage.world.number(quiet).await, 0, "only who got it decides");
    assert_eq!((stage.outcomes("not_theirs").await, stage.outcomes("not_linked").await), (1, 1));
    stage.pressed(&stage.erin, "tidings_snooze", &delivery).await;
    assert_eq!(stage.world.number(quiet).await, 1);
    stage.world.step(TimeDelta::days(7));
    stage.inbox.run_once().await;
    assert_eq!(stage.world.number(quiet).await, 0, "a week later");
    stage.pressed(&stage.erin, "tidings_unsubscribe", &delivery).await;
    stage.world.step(TimeDelta::days(30));
    stage.inbox.run_once().await;
    assert_eq!(stage.world.number(quiet).await, 1, "for good");
}

#[tokio::test]
async fn all_channels_are_listed_in_the_background_and_one_is_looked_at_when_it_changes() {
    let stage = Stage::new().await;
    for number in 0..250 {
        stage.fake.add_channel(&stage.team, &format!("room-{number}"), &[]);
    }
    stage.inbox.run_once().await;
    let (known, _) = stage.store().slack_channel_counts(&stage.world.scope).await.expect("counts");
    assert_eq!(known, 251);
    let pages =
        |stage: &Stage| stage.fake.calls().iter().filter(|call| call.method == "conversations.list").count();
    assert_eq!(pages(&stage), 2, "a page holds 200");
    stage.inbox.run_once().await;
    assert_eq!(pages(&stage), 2, "fresh for an hour");
    stage.fake.change_channel(&stage.channel, |channel| channel.is_archived = true);
    stage.event(json!({"type": "channel_archive", "channel": stage.channel}), None).await;
    stage.inbox.run_once().await;
    let seen = stage.store().slack_channel_get(&stage.world.scope, &stage.channel).await.expect("a read");
    assert!(seen.expect("the channel").is_archived);
}

/// Two workers at once over many conversations: each message asks once.
#[tokio::test]
async fn several_workers_share_an_inbox() {
    let stage = Stage::new().await;
    let direct = stage.fake.direct_message(&stage.creator);
    for number in 0..20 {
        stage.said("message", &direct, &stage.creator, &format!("Question {number}?"), None).await;
    }
    stage.world.step(SLACK_EVENT_REST);
    let workers = (0..3).map(|_| {
        let inbox = Arc::new(inbox(stage.store(), &stage.fake));
        tokio::spawn(async move { inbox.run_once().await })
    });
    let mut worked = 0;
    for worker in workers.collect::<Vec<_>>() {
        worked += worker.await.expect("no panic");
    }
    assert_eq!((worked, stage.turns().await), (20, 20));
}
