//! Slack's installation, people, channels and inbox.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use chrono::TimeDelta;
use domain::{
    ThreadId, UserId,
    access::Role,
    delivery::{Channel, DeliveryKind, DeliveryState},
    run::RunReason,
    slack::{SlackEnd, SlackEventKind, SlackLinkedBy, SlackNote, SlackOauthPurpose},
    thread::{ThreadSource, TurnStatus},
};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    ClaimedSlackEvent, Conflict, Error, NewQuestion, NewSlackEvent, NewSlackInstallation,
    SLACK_ACCESS_METHOD, SLACK_EVENT_LEASE, SLACK_EVENT_REST, Scope, SlackChannel, SlackEventPut,
    SlackNotRenewed, SlackOrder, SlackPlace, SlackQuestion, SlackToken, SlackTokenError, SlackTokenPair,
    ThreadRights,
};
use testkit::{
    World,
    world::{self, claim_deliveries},
};

fn pair(token: &str) -> SlackTokenPair {
    SlackTokenPair {
        bot_token: SecretString::from(token),
        refresh_token: Some(SecretString::from(format!("refresh {token}"))),
        expires_in: Some(TimeDelta::hours(12)),
    }
}

fn installation(team_id: &str, by: UserId) -> NewSlackInstallation {
    NewSlackInstallation {
        team_id: team_id.into(),
        team_name: "Northwind".into(),
        enterprise_id: None,
        app_id: "A1".into(),
        bot_user_id: "UBOT".into(),
        scopes: vec!["chat:write".into()],
        tokens: pair("xoxb-1"),
        installed_by: by,
    }
}

async fn connected() -> World {
    let world = World::new().await;
    let installed = world.store().slack_installation_put(&world.scope, &installation("T1", world.user)).await;
    installed.expect("an installation");
    world
}

async fn token(world: &World) -> SlackToken {
    world.store().slack_token(&world.scope).await.expect("a read").expect("a token")
}

fn channel(id: &str, name: &str) -> SlackChannel {
    SlackChannel {
        id: id.into(),
        name: name.into(),
        is_private: false,
        is_archived: false,
        is_member: false,
        is_ext_shared: false,
        has_guests: None,
        refreshed_at: world::at("2026-01-01T00:00:00Z"),
    }
}

async fn put(world: &World, id: &str, order: Option<(&str, &str)>) -> SlackEventPut {
    let event = NewSlackEvent {
        team_id: "T1",
        event_id: id,
        kind: SlackEventKind::Event,
        payload: r#"{"text":"\u0000"}"#,
        order: order.map(|(key, ts)| SlackOrder { key, ts }),
    };
    world.store().slack_event_put(&event).await.expect("a write")
}

async fn claim(world: &World) -> Vec<ClaimedSlackEvent> {
    let kinds = [SlackEventKind::Event, SlackEventKind::TurnEnded];
    world.store().slack_event_claim("test", &kinds, 100).await.expect("a claim")
}

async fn claimed_ids(world: &World) -> Vec<String> {
    claim(world).await.into_iter().map(|event| event.lease.event_id).collect()
}

fn asked(world: &World, ts: &str, is_dm: bool) -> SlackQuestion {
    SlackQuestion {
        place: SlackPlace { channel_id: "C1".into(), root_ts: "1.000001".into() },
        message_ts: ts.into(),
        slack_user_id: "U1".into(),
        asker_id: world.user,
        is_dm,
        question: NewQuestion {
            prompt: "How many orders?".into(),
            connection_ids: Vec::new(),
            timezone: "Europe/Paris".into(),
            source: ThreadSource::Slack,
        },
    }
}

/// Fails without `slack_installation_team_unique` (two workspaces would share a team), and without the look at the live team.
#[tokio::test]
async fn a_team_belongs_to_one_workspace_and_a_workspace_to_one_team() {
    let world = connected().await;
    let store = world.store();
    let (other, other_user) = world::workspace(store, "beta").await;
    let taken = store.slack_installation_put(&other, &installation("T1", other_user)).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::SlackTeamTaken))), "{taken:?}");
    let second = store.slack_installation_put(&world.scope, &installation("T2", world.user)).await;
    assert!(matches!(second, Err(Error::Conflict(Conflict::SlackOtherTeam))), "{second:?}");
    assert!(store.slack_installation_get(&other).await.expect("a read").is_none());
    assert!(store.slack_token(&other).await.expect("a read").is_none(), "another workspace's token");

    let first = store.slack_installation_get(&world.scope).await.expect("a read").expect("an installation");
    let again = store.slack_installation_put(&world.scope, &installation("T1", world.user)).await;
    let again = again.expect("the same team again");
    assert_ne!(again, first.id, "connected anew");
    assert_eq!(world.number("SELECT count(*) FROM slack_installation WHERE secret IS NOT NULL").await, 1);

    assert!(store.slack_installation_end(&world.scope, SlackEnd::Disconnected, None).await.expect("an end"));
    store.slack_installation_put(&other, &installation("T1", other_user)).await.expect("free by now");
}

#[tokio::test]
async fn an_end_is_told_once_to_every_admin_and_a_late_word_of_it_ends_nothing() {
    let world = connected().await;
    let store = world.store();
    world.member("second", Role::Admin).await;
    let gone = world.member("gone", Role::Admin).await;
    store.member_deactivate(&world.scope, gone).await.expect("a deactivation");
    world.member("member", Role::Member).await;
    let now = store.now().await.expect("the time");

    let late =
        store.slack_installation_end(&world.scope, SlackEnd::Uninstalled, Some(now - TimeDelta::hours(1)));
    assert!(!late.await.expect("a look"), "that was about an earlier connection");
    for reason in [SlackEnd::TokensRevoked, SlackEnd::Uninstalled, SlackEnd::Uninstalled] {
        let ended = store.slack_installation_end(&world.scope, reason, Some(now + TimeDelta::seconds(1)));
        assert_eq!(ended.await.expect("an end"), reason == SlackEnd::TokensRevoked, "{reason:?}");
    }
    let told = claim_deliveries(store, "test", 10).await;
    let mut labels: Vec<_> = told.iter().map(|told| told.label.as_str()).collect();
    labels.sort_unstable();
    assert_eq!(labels.len(), 2, "each active admin, once: {labels:?}");
    assert!(told.iter().all(|told| told.kind == DeliveryKind::SlackEnded && told.channel == Channel::Email));
    assert!(told[0].details.as_deref().is_some_and(|details| details.contains("Northwind")));
    let attempt = store.delivery_attempt_start(&told[0].scope, &told[0].lease).await;
    assert_eq!(attempt.expect("it can be sent"), 1);

    let ended = store.slack_installation_last(&world.scope).await.expect("a read").expect("its record");
    assert_eq!(ended.end_reason, Some(SlackEnd::TokensRevoked));
    assert!(store.slack_token(&world.scope).await.expect("a read").is_none());
    assert_eq!(world.number("SELECT count(*) FROM slack_installation WHERE secret IS NOT NULL").await, 0);
}

/// Fails when the installation's row is read without its lock, or not read again under it: more than one renews.
#[tokio::test]
async fn of_many_that_want_a_fresh_token_one_renews() {
    let world = connected().await;
    assert!(!token(&world).await.is_due);
    world.step(TimeDelta::hours(9));
    assert!(!token(&world).await.is_due, "before 80% of its life");
    world.step(TimeDelta::hours(1));
    assert!(token(&world).await.is_due);
    let renewals = Arc::new(AtomicU32::new(0));
    let wanting = (0..20).map(|_| {
        let (store, scope, renewals) = (world.store().clone(), world.scope, Arc::clone(&renewals));
        tokio::spawn(async move {
            let renew = |refresh: SecretString| async move {
                assert_eq!(refresh.expose_secret(), "refresh xoxb-1");
                renewals.fetch_add(1, Ordering::SeqCst);
                Ok::<_, SlackNotRenewed<Error>>(pair("xoxb-2"))
            };
            let token = store.slack_token_fresh(&scope, None, renew).await.expect("a token").expect("one");
            token.bot_token.expose_secret().to_owned()
        })
    });
    let mut seen = BTreeSet::new();
    for wanting in wanting.collect::<Vec<_>>() {
        seen.insert(wanting.await.expect("no panic"));
    }
    assert_eq!(seen, BTreeSet::from(["xoxb-2".to_owned()]));
    assert_eq!(renewals.load(Ordering::SeqCst), 1);

    let refused = SecretString::from("xoxb-1");
    let renew =
        async |_| -> Result<SlackTokenPair, SlackNotRenewed<Error>> { panic!("another one has done so") };
    let token = world.store().slack_token_fresh(&world.scope, Some(&refused), renew).await;
    assert_eq!(token.expect("a token").expect("one").bot_token.expose_secret(), "xoxb-2");
    let current = SecretString::from("xoxb-2");
    let refuse = async |_| Err(not_renewed(None));
    let failed = world.store().slack_token_fresh(&world.scope, Some(&current), refuse);
    assert!(matches!(failed.await, Err(store::SlackTokenError::Renewal { .. })));
    assert_eq!(self::token(&world).await.bot_token.expose_secret(), "xoxb-2", "a failure changes nothing");
}

/// Fails where a renewal that comes to nothing takes the token in hand with it, or where everybody tries it again at once.
#[tokio::test]
async fn a_token_that_was_not_renewed_goes_on_for_as_long_as_it_lives() {
    let world = connected().await;
    let fails = async |_| Err(not_renewed(None));
    let unasked =
        async |_| -> Result<SlackTokenPair, SlackNotRenewed<Error>> { panic!("it is asked too often") };
    world.step(TimeDelta::hours(10));
    let token = world.store().slack_token_fresh(&world.scope, None, fails).await.expect("a token");
    assert_eq!(token.expect("one").bot_token.expose_secret(), "xoxb-1");
    world.step(TimeDelta::seconds(59));
    world.store().slack_token_fresh(&world.scope, None, unasked).await.expect("a token").expect("one");
    world.step(TimeDelta::seconds(1));
    let token = world.store().slack_token_fresh(&world.scope, None, fails).await.expect("a token");
    assert!(token.is_some(), "it is tried again, and goes on");
    world.step(TimeDelta::hours(2));
    let over = world.store().slack_token_fresh(&world.scope, None, fails).await;
    assert!(matches!(over, Err(store::SlackTokenError::Renewal { .. })), "{over:?}");
}

/// What is said of a renewal that came to nothing.
const fn not_renewed(hold: Option<TimeDelta>) -> SlackNotRenewed<Error> {
    SlackNotRenewed { error: Error::NotFound, hold }
}

/// Fails where the hold is not written down, or goes with the transaction of whoever got no token: each of them asks.
#[tokio::test]
async fn where_slack_limits_renewals_nobody_asks_for_one_before_its_time() {
    let world = connected().await;
    let hold = TimeDelta::minutes(5);
    // Its token is at its end: whoever needs one has to ask.
    world.step(TimeDelta::hours(13));
    let asked = Arc::new(AtomicU32::new(0));
    let wanting = (0..10).map(|_| {
        let (store, scope, asked) = (world.store().clone(), world.scope, Arc::clone(&asked));
        tokio::spawn(async move {
            let limited = |_| async move {
                asked.fetch_add(1, Ordering::SeqCst);
                Err(not_renewed(Some(hold)))
            };
            store.slack_token_fresh(&scope, None, limited).await.expect_err("no token")
        })
    });
    let mut held = 0;
    for wanting in wanting.collect::<Vec<_>>() {
        match wanting.await.expect("no panic") {
            SlackTokenError::Renewal { .. } => {}
            SlackTokenError::Held(wait) => {
                // From when Slack said so, which was a moment after the transaction's instant.
                assert!(wait >= hold, "{wait}");
                held += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((asked.load(Ordering::SeqCst), held), (1, 9));
    world.step(hold - TimeDelta::seconds(1));
    let refused = SecretString::from("xoxb-1");
    let unasked =
        async |_| -> Result<SlackTokenPair, SlackNotRenewed<Error>> { panic!("it is asked too early") };
    let early = world.store().slack_token_fresh(&world.scope, Some(&refused), unasked).await;
    assert!(matches!(early, Err(SlackTokenError::Held(_))), "{early:?}");
    // With the time that the call itself took, however slow the machine.
    world.step(TimeDelta::minutes(5));
    let renew = async |_| Ok::<_, SlackNotRenewed<Error>>(pair("xoxb-2"));
    let renewed = world.store().slack_token_fresh(&world.scope, None, renew).await.expect("a token");
    assert_eq!(renewed.expect("one").bot_token.expose_secret(), "xoxb-2");
}

/// Fails where the token in hand is tried to be renewed each minute whatever Slack said, or where a hold costs it its life.
#[tokio::test]
async fn a_token_that_is_good_goes_on_while_slack_limits_renewals() {
    let world = connected().await;
    world.step(TimeDelta::hours(10));
    let limited = async |_| Err(not_renewed(Some(TimeDelta::minutes(5))));
    let unasked =
        async |_| -> Result<SlackTokenPair, SlackNotRenewed<Error>> { panic!("it is asked too early") };
    let token = world.store().slack_token_fresh(&world.scope, None, limited).await.expect("a token");
    assert_eq!(token.expect("one").bot_token.expose_secret(), "xoxb-1");
    world.step(TimeDelta::seconds(299));
    let token = world.store().slack_token_fresh(&world.scope, None, unasked).await.expect("a token");
    assert_eq!(token.expect("one").bot_token.expose_secret(), "xoxb-1");
    // Told to whoever connected the workspace anew, the hold is for those who renew as well.
    world.step(TimeDelta::minutes(5));
    let hold = world.store().slack_method_hold(&world.scope, SLACK_ACCESS_METHOD, TimeDelta::minutes(5));
    hold.await.expect("held");
    let token = world.store().slack_token_fresh(&world.scope, None, unasked).await.expect("a token");
    assert_eq!(token.expect("one").bot_token.expose_secret(), "xoxb-1");
}

#[tokio::test]
async fn consent_is_good_once_for_ten_minutes_in_the_session_that_began_it() {
    let world = connected().await;
    let store = world.store();
    let (other, _) = world::workspace(store, "beta").await;
    let session = async |secret: &str| {
        let session = store.session_create(&world.scope, world.user, &SecretString::from(secret)).await;
        session.expect("a session")
    };
    let (mine, elsewhere) = (session("one").await, session("two").await);
    let state = SecretString::from("state");
    let begin = async || {
        let begun =
            store.slack_oauth_begin(&world.scope, mine, world.user, SlackOauthPurpose::Install, &state);
        begun.await.expect("a beginning");
    };
    let finish = async |scope: &Scope, session| {
        store.slack_oauth_finish(scope, session, &state).await.expect("a look")
    };
    begin().await;
    assert_eq!(finish(&world.scope, elsewhere).await, None, "another session");
    assert_eq!(finish(&other, mine).await, None, "another workspace");
    assert_eq!(finish(&world.scope, mine).await, Some(SlackOauthPurpose::Install));
    assert_eq!(finish(&world.scope, mine).await, None, "twice");
    begin().await;
    world.step(TimeDelta::minutes(10));
    assert_eq!(finish(&world.scope, mine).await, None, "too late");
}

#[tokio::test]
async fn a_slack_user_is_one_active_member_of_the_connected_team() {
    let world = connected().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let link = async |user, slack_user: &str, by| {
        store.slack_user_link(&world.scope, user, "T1", slack_user, by).await
    };
    let found = async |slack_user: &str| {
        let member = store.slack_user_find(&world.scope, slack_user).await.expect("a look");
        member.map(|member| member.user_id)
    };
    link(world.user, "U1", SlackLinkedBy::Email).await.expect("a link");
    assert_eq!(found("U1").await, Some(world.user));
    let taken = link(erin, "U1", SlackLinkedBy::Email).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::SlackUserTaken))), "{taken:?}");
    link(erin, "U1", SlackLinkedBy::SignIn).await.expect("who signs in is sure to be them");
    assert_eq!(found("U1").await, Some(erin));
    let taken = link(world.user, "U1", SlackLinkedBy::SignIn).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::SlackUserTaken))), "{taken:?}");
    let elsewhere = store.slack_user_link(&world.scope, world.user, "T2", "U2", SlackLinkedBy::SignIn).await;
    assert!(matches!(elsewhere, Err(Error::NotFound)), "not the connected team: {elsewhere:?}");

    store.member_deactivate(&world.scope, erin).await.expect("a deactivation");
    assert_eq!(found("U1").await, None);
    link(world.user, "U1", SlackLinkedBy::Email).await.expect("nobody active has it");
    let (other, _) = world::workspace(store, "beta").await;
    assert_eq!(store.slack_user_find(&other, "U1").await.expect("a look"), None);
    store.slack_installation_end(&world.scope, SlackEnd::Disconnected, None).await.expect("an end");
    assert_eq!(found("U1").await, None, "links rest while nothing is connected");
    store.slack_installation_put(&world.scope, &installation("T1", world.user)).await.expect("again");
    assert_eq!(found("U1").await, Some(world.user), "and hold again");
    assert!(store.slack_user_unlink(&world.scope, world.user).await.expect("an end"));
    assert!(!store.slack_user_unlink(&world.scope, world.user).await.expect("no end"));
}

#[tokio::test]
async fn channels_are_found_by_name_and_those_not_seen_again_are_gone() {
    let world = connected().await;
    let store = world.store();
    let (scope, began_at) = store.slack_channels_claim().await.expect("a claim").expect("a list to read");
    assert!(store.slack_channels_claim().await.expect("a look").is_none(), "somebody reads it");
    let secret = SlackChannel { is_private: true, ..channel("C4", "growth-secret") };
    let archived = SlackChannel { is_archived: true, ..channel("C5", "growth-2019") };
    let joined = SlackChannel { is_private: true, is_member: true, ..channel("C3", "growth-board") };
    let seen = [
        channel("C1", "sales_growth"),
        channel("C2", "Growth"),
        joined,
        secret,
        archived,
        channel("C6", "x"),
    ];
    store.slack_channel_put(&scope, &seen).await.expect("a write");
    let search = async |text: &str| {
        let found = store.slack_channel_search(&world.scope, text, 10).await.expect("a search");
        found.into_iter().map(|channel| channel.id).collect::<Vec<_>>()
    };
    assert_eq!(search("#growth").await, ["C2", "C3", "C1"]);
    assert_eq!(search("s_g").await, ["C1"], "an underscore is one");
    assert_eq!(store.slack_channel_counts(&world.scope).await.expect("counts"), (4, 1));

    store.slack_channels_listed(&scope, began_at).await.expect("a note");
    assert!(store.slack_channels_claim().await.expect("a look").is_none(), "fresh");
    world.step(TimeDelta::hours(1));
    let (scope, began_at) = store.slack_channels_claim().await.expect("a claim").expect("due");
    let guests = SlackChannel { has_guests: Some(true), ..channel("C2", "Growth") };
    store.slack_channel_put(&scope, &[guests]).await.expect("a write");
    store.slack_channel_put(&scope, &[channel("C2", "growth")]).await.expect("a write");
    store.slack_channels_listed(&scope, began_at).await.expect("a note");
    assert_eq!(search("").await, ["C2"]);
    let kept = store.slack_channel_get(&world.scope, "C2").await.expect("a read").expect("the channel");
    assert_eq!((kept.name.as_str(), kept.has_guests), ("growth", Some(true)));
    let (other, _) = world::workspace(store, "beta").await;
    assert!(store.slack_channel_search(&other, "", 10).await.expect("a search").is_empty());
}

#[tokio::test]
async fn an_event_is_worked_on_once_however_often_it_comes() {
    let world = connected().await;
    let store = world.store();
    assert_eq!(put(&world, "E1", None).await, SlackEventPut::Stored);
    for _ in 0..3 {
        assert_eq!(put(&world, "E1", None).await, SlackEventPut::Ignored);
    }
    let elsewhere = NewSlackEvent {
        team_id: "T9",
        event_id: "E2",
        kind: SlackEventKind::Event,
        payload: "{}",
        order: None,
    };
    assert_eq!(
        store.slack_event_put(&elsewhere).await.expect("a look"),
        SlackEventPut::Ignored,
        "nobody's team"
    );
    let [event] = &claim(&world).await[..] else { panic!("one event") };
    assert_eq!(event.payload["text"], "\0");
    assert!(claim(&world).await.is_empty(), "it is held");

    world.step(SLACK_EVENT_LEASE);
    let [again] = &claim(&world).await[..] else { panic!("its worker is taken for dead") };
    let stale = store.slack_event_done(&event.scope, &event.lease, "late").await;
    assert!(matches!(stale, Err(Error::LeaseLost)), "{stale:?}");
    store.slack_event_again(&again.scope, &again.lease, TimeDelta::minutes(1), true).await.expect("put back");
    assert!(claim(&world).await.is_empty(), "not yet");
    world.step(TimeDelta::minutes(1));
    let [last] = &claim(&world).await[..] else { panic!("due again") };
    assert_eq!(last.attempts, 1);
    store.slack_event_done(&last.scope, &last.lease, "done").await.expect("an end");
    assert_eq!(put(&world, "E1", None).await, SlackEventPut::Ignored, "also after it is done");
    assert_eq!(world.number("SELECT count(*) FROM slack_event WHERE payload IS NOT NULL").await, 0);
    assert_eq!(store.slack_event_purge().await.expect("a purge"), 0);
    world.step(TimeDelta::days(4));
    assert_eq!(store.slack_event_purge().await.expect("a purge"), 1);
}

/// Fails without either half of the claim's `NOT EXISTS`: a later event is handed out beside an earlier one.
#[tokio::test]
async fn events_of_a_conversation_come_one_at_a_time_by_their_time() {
    let world = connected().await;
    let store = world.store();
    put(&world, "E3", Some(("C1:1", "12.000003"))).await;
    put(&world, "E2", Some(("C1:1", "9.000002"))).await;
    put(&world, "E9", Some(("C2:1", "1.000001"))).await;
    assert!(claim(&world).await.is_empty(), "they rest for what was overtaken");
    put(&world, "E1", Some(("C1:1", "9.000001"))).await;
    world.step(SLACK_EVENT_REST);
    let first = claim(&world).await;
    let ids: BTreeSet<_> = first.iter().map(|event| event.lease.event_id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from(["E1", "E9"]), "one of each conversation");
    assert!(claim(&world).await.is_empty());
    let event = first.iter().find(|event| event.lease.event_id == "E1").expect("the first");
    store
        .slack_event_again(&event.scope, &event.lease, TimeDelta::seconds(2), false)
        .await
        .expect("put back");
    assert!(claim(&world).await.is_empty(), "what comes after waits with it");
    world.step(TimeDelta::seconds(2));
    let [event] = &claim(&world).await[..] else { panic!("the first again") };
    assert_eq!((event.lease.event_id.as_str(), event.attempts), ("E1", 0));
    put(&world, "E0", Some(("C1:1", "8.000000"))).await;
    world.step(SLACK_EVENT_REST);
    assert!(claim(&world).await.is_empty(), "a later one is being worked on");
    store.slack_event_done(&event.scope, &event.lease, "done").await.expect("an end");
    for expected in ["E0", "E2", "E3"] {
        let [event] = &claim(&world).await[..] else { panic!("one at a time") };
        assert_eq!(event.lease.event_id, expected);
        store.slack_event_done(&event.scope, &event.lease, "done").await.expect("an end");
    }
    assert_eq!(claimed_ids(&world).await, Vec::<String>::new());
}

/// Fails where the oldest come first over all workspaces: a question waits for all that was said elsewhere before it.
#[tokio::test]
async fn workspaces_take_turns_in_the_inbox() {
    let world = connected().await;
    let store = world.store();
    let (other, user) = world::workspace(store, "beta").await;
    store.slack_installation_put(&other, &installation("T2", user)).await.expect("an installation");
    for number in 0..5 {
        put(&world, &format!("E{number}"), None).await;
    }
    world.step(TimeDelta::seconds(1));
    let (kind, payload) = (SlackEventKind::Event, "{}");
    let late = NewSlackEvent { team_id: "T2", event_id: "Late", kind, payload, order: None };
    store.slack_event_put(&late).await.expect("a write");
    let mut claimed = Vec::new();
    for _ in 0..2 {
        let events = store.slack_event_claim("test", &[kind], 1).await.expect("a claim");
        claimed.extend(events.into_iter().map(|event| event.lease.event_id));
    }
    assert_eq!(claimed.len(), 2);
    assert!(claimed.contains(&"Late".to_owned()), "{claimed:?}");
    assert_eq!(claim(&world).await.len(), 4, "the others' turn comes");
}

#[tokio::test]
async fn a_message_asks_once_and_its_answer_is_a_reply_made_with_the_turns_end() {
    let world = connected().await;
    let store = world.store();
    let (thread, turn_no) =
        store.slack_ask(&world.scope, None, &asked(&world, "1.000001", false)).await.expect("asked");
    let again = store.slack_ask(&world.scope, None, &asked(&world, "1.000001", false)).await;
    assert_eq!(again.expect("the same"), (thread, turn_no));
    let busy = store.slack_ask(&world.scope, Some(thread), &asked(&world, "2.000001", false)).await;
    assert!(matches!(busy, Err(Error::Conflict(Conflict::ThreadBusy))), "{busy:?}");
    assert_eq!(world.number("SELECT count(*) FROM turn").await, 1);
    assert!(claim_deliveries(store, "test", 10).await.is_empty(), "nothing before the end");

    let run = world.claim_one().await;
    world.succeed(&run).await;
    let told = claim_deliveries(store, "test", 10).await;
    let [reply] = &told[..] else { panic!("one reply: {told:?}") };
    assert_eq!((reply.kind, reply.channel), (DeliveryKind::Reply, Channel::SlackChannel));
    assert_eq!(reply.slack_channel_id.as_deref(), Some("C1"));
    assert_eq!(reply.slack_thread_ts.as_deref(), Some("1.000001"));
    assert_eq!((reply.thread_id, reply.turn_no, &reply.details), (Some(thread), Some(1), &None));
    let [ended] = &claim(&world).await[..] else { panic!("word of the end") };
    assert_eq!(ended.kind, SlackEventKind::TurnEnded);
    assert_eq!(ended.payload["turnNo"], 1);
    assert_eq!(ended.payload["threadId"], thread.to_string());

    let place = SlackPlace { channel_id: "C1".into(), root_ts: "1.000001".into() };
    let found = store.slack_thread_find(&world.scope, &place).await.expect("a look").expect("the thread");
    assert_eq!((found.thread_id, found.creator_id, found.source), (thread, world.user, ThreadSource::Slack));
    let turn = store.slack_turn_get(&world.scope, thread, 1).await.expect("a read").expect("the turn");
    assert_eq!((turn.status, turn.reply_state), (TurnStatus::Answered, Some(DeliveryState::Pending)));
    let follow_up = store.slack_ask(&world.scope, Some(thread), &asked(&world, "2.000001", false)).await;
    assert_eq!(follow_up.expect("asked"), (thread, 2));
    let run = world.claim_one().await;
    let (scope, lease, usage) = (&run.scope, &run.lease, &domain::run::Usage::default());
    store.run_fail(scope, lease, RunReason::ConnectionFailed, "it timed out", usage).await.expect("an end");
    let told = claim_deliveries(store, "test", 10).await;
    assert_eq!(told[0].details.as_deref(), Some("it timed out"), "a failure is told there, too");
    // Sent again, it goes to the same place, and what shows the turn's end looks at the first one.
    let sent = store::DeliveryOutcome::Sent { provider_id: "C1 3.000001".into() };
    store.delivery_attempt_start(&reply.scope, &reply.lease).await.expect("an attempt");
    store.delivery_finish(&reply.scope, &reply.lease, &sent).await.expect("an end");
    store.delivery_send_again(&world.scope, reply.lease.delivery_id, world.user).await.expect("queued");
    let again = claim_deliveries(store, "test", 10).await.remove(0);
    assert_eq!((again.kind, &again.slack_channel_id), (DeliveryKind::Reply, &reply.slack_channel_id));
    assert_eq!(again.slack_thread_ts, reply.slack_thread_ts);
    let turn = store.slack_turn_get(&world.scope, thread, 1).await.expect("a read").expect("the turn");
    assert_eq!(turn.reply_state, Some(DeliveryState::Sent));
    let (other, _) = world::workspace(store, "beta").await;
    assert_eq!(store.slack_thread_find(&other, &place).await.expect("a look"), None);
}

#[tokio::test]
async fn a_channels_thread_is_the_workspaces_a_direct_ones_its_askers_alone() {
    let world = connected().await;
    let store = world.store();
    let erin = world.member("erin", Role::Member).await;
    let rights =
        async |thread: ThreadId| store.thread_rights(&world.scope, thread, erin).await.expect("a look");
    let (shared, _) =
        store.slack_ask(&world.scope, None, &asked(&world, "1.000001", false)).await.expect("asked");
    assert_eq!(rights(shared).await, ThreadRights::Reader);
    let mut direct = asked(&world, "5.000001", true);
    direct.place = SlackPlace { channel_id: "D1".into(), root_ts: "5.000001".into() };
    let (own, _) = store.slack_ask(&world.scope, None, &direct).await.expect("asked");
    assert_eq!(rights(own).await, ThreadRights::None);
    let mut foreign = asked(&world, "6.000001", false);
    foreign.asker_id = erin;
    let refused = store.slack_ask(&world.scope, Some(shared), &foreign).await;
    assert!(matches!(refused, Err(Error::NotFound)), "only its creator prompts: {refused:?}");
}

#[tokio::test]
async fn each_is_told_each_thing_once_in_a_thread() {
    let world = connected().await;
    let store = world.store();
    let place = SlackPlace { channel_id: "C1".into(), root_ts: "1.0".into() };
    let take = async |user: &str, note| {
        store.slack_note_take(&world.scope, &place, user, note).await.expect("a look")
    };
    assert!(take("U1", SlackNote::NotCreator).await);
    assert!(!take("U1", SlackNote::NotCreator).await);
    assert!(take("U2", SlackNote::NotCreator).await);
    assert!(take("U1", SlackNote::NotLinked).await);
    store.slack_note_give_back(&world.scope, &place, "U1", SlackNote::NotCreator).await.expect("given back");
    assert!(take("U1", SlackNote::NotCreator).await, "nothing was said");
}
