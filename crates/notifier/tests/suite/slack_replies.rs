//! What is said below a question that was asked in Slack, and what may be said below a message of ours.

use domain::{
    ThreadId,
    answer::{Answer, ShownResult},
    audience::AudiencePolicy,
    delivery::{Audience, DeliveryKind, DeliveryState},
    run::{RunReason, Usage},
    slack::{SlackEventKind, SlackLinkedBy},
    thread::ThreadSource,
};
use serde_json::json;
use store::{
    ClaimedRun, Delivery, NewQuestion, NewSlackEvent, Places, SLACK_EVENT_REST, SlackOrder, SlackPlace,
    SlackQuestion,
};

use crate::{
    slack::{SCOPES, Scene, all_text},
    slack_inbox::{Stage, inbox},
};

/// The task's creator asks something in a conversation, and a worker takes it up. Answers the `ts` of what was said, too.
pub(crate) async fn ask(scene: &Scene, channel: &str, asker: &str, is_dm: bool) -> (String, ClaimedRun) {
    ask_below(scene, channel, asker, is_dm, None).await
}

/// As [`ask`]; below a message that is about a thread, where one is named.
async fn ask_below(
    scene: &Scene,
    channel: &str,
    asker: &str,
    is_dm: bool,
    below: Option<(ThreadId, &str)>,
) -> (String, ClaimedRun) {
    let (store, scope) = (scene.world.store(), &scene.world.scope);
    let (thread_id, root_ts) = below.unzip();
    let ts = scene.slack.say(channel, asker, "how many?", root_ts);
    let asked = SlackQuestion {
        place: SlackPlace { channel_id: channel.to_owned(), root_ts: root_ts.unwrap_or(&ts).to_owned() },
        message_ts: ts.clone(),
        slack_user_id: asker.to_owned(),
        asker_id: scene.world.creator,
        is_dm,
        question: NewQuestion {
            prompt: "how many?".into(),
            connection_ids: vec![],
            timezone: "UTC".into(),
            source: ThreadSource::Slack,
        },
    };
    store.slack_ask(scope, thread_id, &asked).await.expect("a turn");
    (ts, claim(scene).await)
}

/// Links the task's creator with somebody in Slack.
async fn link(scene: &Scene, person: &str) {
    let (world, by) = (&scene.world, SlackLinkedBy::SignIn);
    let linked = world.store().slack_user_link(&world.scope, world.creator, &scene.team, person, by).await;
    linked.expect("a link");
}

async fn claim(scene: &Scene) -> ClaimedRun {
    let claimed = scene.world.store().run_claim("a worker", &Places::unshared(1)).await;
    claimed.expect("a claim").pop().expect("the run")
}

/// Has the inbox work on what Slack tells.
pub(crate) async fn told(scene: &Scene, kind: SlackEventKind, payload: &str, order: Option<SlackOrder<'_>>) {
    let store = scene.world.store();
    let event = NewSlackEvent { team_id: &scene.team, event_id: "Ev1", kind, payload, order };
    store.slack_event_put(&event).await.expect("a write");
    scene.world.database.time.step(SLACK_EVENT_REST);
    inbox(store, &scene.slack).run_once().await;
}

/// A question fails in a conversation: the reply, and all that is said below the question.
async fn fails(scene: &Scene, channel: &str, asker: &str, is_dm: bool) -> (Delivery, String) {
    let (_, run) = ask(scene, channel, asker, is_dm).await;
    let words = "password authentication failed for the user of payroll";
    scene.world.fail(&run, RunReason::AccessLost, words).await;
    let delivery = scene.deliver_all(run.lease.run_id).await;
    let below: Vec<_> = scene.slack.messages(channel).into_iter().skip(1).collect();
    let texts: Vec<_> = below.iter().map(|message| message.text.clone()).collect();
    (delivery, format!("{}{}", all_text(&below), texts.concat()))
}

/// Fails where a failure is told past the look at who is there, or in the error's words.
#[tokio::test]
async fn of_a_question_that_failed_a_channel_reads_no_more_than_it_would_of_an_answer() {
    let withheld = AudiencePolicy { outsiders: Audience::Withheld, ..AudiencePolicy::default() };
    for (is_shared, policy, audience) in [
        (false, AudiencePolicy::default(), Audience::Full),
        (true, AudiencePolicy::default(), Audience::LinkOnly),
        (true, withheld, Audience::Withheld),
    ] {
        let scene = Scene::new().await;
        let (store, scope) = (scene.world.store(), &scene.world.scope);
        let asker = scene.slack.add_user(&scene.team, "creator", "creator@example.com");
        scene.slack.change_channel(&scene.channel, |channel| {
            channel.members.insert(asker.clone());
            channel.is_ext_shared = is_shared;
        });
        store.audience_policy_put(scope, &policy).await.expect("a policy");
        let (delivery, said) = fails(&scene, &scene.channel, &asker, false).await;
        assert_eq!((delivery.kind, delivery.audience), (DeliveryKind::Reply, Some(audience)));
        assert!(!said.contains("password") && !said.contains("payroll"), "{said}");
        assert_eq!(said.contains("You may no longer query"), audience == Audience::Full, "{said}");
        let attempt = scene.proof(&delivery).await.attempts.pop().expect("an attempt");
        assert!(attempt.decision.expect("a decision").record.is_some(), "what it rested on is kept");
        if audience == Audience::Withheld {
            assert_eq!((delivery.state, said.as_str()), (DeliveryState::Withheld, ""));
            assert_eq!(delivery.reason.as_deref(), Some("not_allowed"));
        } else {
            assert_eq!(delivery.state, DeliveryState::Sent);
            assert!(said.contains("There is no answer to this") && said.contains("/threads/"), "{said}");
        }
    }
}

#[tokio::test]
async fn who_asked_in_a_direct_message_reads_there_what_went_wrong() {
    let scene = Scene::new().await;
    let asker = scene.slack.add_user(&scene.team, "creator", "creator@example.com");
    link(&scene, &asker).await;
    let direct = scene.slack.direct_message(&asker);
    let (delivery, said) = fails(&scene, &direct, &asker, true).await;
    assert_eq!(delivery.state, DeliveryState::Sent, "{delivery:?}");
    assert!(said.contains("password authentication failed"), "{said}");
}

/// Fails where an answer goes to the conversation whatever has become of who asked there.
#[tokio::test]
async fn an_answer_in_a_direct_message_is_for_who_asked_while_that_is_the_member() {
    for (is_linked, is_another) in [(true, false), (true, true), (false, false)] {
        let scene = Scene::new().await;
        let (store, scope) = (scene.world.store(), &scene.world.scope);
        let asker = scene.slack.add_user(&scene.team, "creator", "creator@example.com");
        link(&scene, &asker).await;
        let direct = scene.slack.direct_message(&asker);
        let (_, run) = ask(&scene, &direct, &asker, true).await;
        let run = scene.world.answer(&run, 3, 0).await;
        if is_another {
            let another = scene.slack.add_user(&scene.team, "another", "another@example.com");
            link(&scene, &another).await;
        }
        if !is_linked {
            assert!(store.slack_user_unlink(scope, scene.world.creator).await.expect("an end"));
        }
        let delivery = scene.deliver_all(run).await;
        let below = scene.slack.messages(&direct).len() - 1;
        let end = (delivery.state, delivery.reason.as_deref());
        if is_linked && !is_another {
            assert_eq!((end, below), ((DeliveryState::Sent, None), 1));
        } else {
            let failed = (DeliveryState::Failed, Some("slack_not_linked"));
            assert_eq!((end, below), (failed, 0), "{is_linked} {is_another}");
            assert!(scene.calls("chat.postMessage").is_empty(), "nor anywhere else");
        }
    }
}

/// Fails where only the turn's own results are looked at: the table is not there, and its data seems to be of today.
#[tokio::test]
async fn an_answer_from_what_an_earlier_turn_read_shows_it_and_says_when_that_was() {
    let scene = Scene::new().await;
    let (store, scope) = (scene.world.store(), &scene.world.scope);
    let asker = scene.slack.add_user(&scene.team, "creator", "creator@example.com");
    scene.slack.change_channel(&scene.channel, |channel| {
        channel.members.insert(asker.clone());
    });
    let (root, first) = ask(&scene, &scene.channel, &asker, false).await;
    let run = scene.world.answer(&first, 3, 0).await;
    scene.deliver_all(run).await;
    scene.world.database.time.step(chrono::TimeDelta::days(1));
    let below = Some((first.thread_id, root.as_str()));
    let (_, second) = ask_below(&scene, &scene.channel, &asker, false, below).await;
    let read = store.result_list(scope, first.thread_id).await.expect("results").remove(0);
    let answer = Answer {
        headline: "United led, as was found before.".into(),
        results: vec![ShownResult { id: read.id, handle: read.handle }],
        ..Answer::default()
    };
    store.run_succeed(&second.scope, &second.lease, &answer, &Usage::default()).await.expect("an end");
    assert_eq!(scene.deliver_all(second.lease.run_id).await.state, DeliveryState::Sent);
    let reply = scene.slack.messages(&scene.channel).pop().expect("a reply");
    let said = all_text(&[reply]);
    assert!(said.contains("United led, as was found before") && said.contains("Airline 0"), "{said}");
    assert!(said.contains("Data as of Mon 2 Mar 2026"), "{said}");
    assert!(said.contains("creator asked this in Slack"), "it is of no task that sends it here: {said}");
}

/// Fails where only an answer opens a thread: the reply is other people's talk, and nobody answers it.
#[tokio::test]
async fn a_reply_below_the_weekly_word_of_no_news_is_answered() {
    let scene = Scene::new().await;
    let scopes: Vec<_> = SCOPES.into_iter().chain(["app_mentions:read", "reactions:write"]).collect();
    scene.connect_with(None, &scopes).await;
    let (world, slack, team) = (&scene.world, &scene.slack, &scene.team);
    let creator = slack.add_user(team, "creator", "creator@example.com");
    slack.change_channel(&scene.channel, |channel| {
        channel.members.insert(creator.clone());
    });
    link(&scene, &creator).await;
    world.quiet_week(world.task(scene.to_channel()).await).await;
    for _ in 0..20 {
        scene.deliver().await;
        world.database.time.step(chrono::TimeDelta::seconds(5));
    }
    let roots = scene.roots();
    let [word] = &roots[..] else { panic!("{roots:?}") };
    assert!(word.text.contains("No news from"), "{}", word.text);

    let text = "And by month?";
    let ts = slack.say(&scene.channel, &creator, text, Some(&word.ts));
    let event = json!({"type": "message", "channel": scene.channel, "channel_type": "channel", "user": creator,
        "text": text, "ts": ts, "thread_ts": word.ts});
    let payload = String::from_utf8(slack.event_body(team, &event)).expect("text");
    let key = format!("{} {}", scene.channel, word.ts);
    told(&scene, SlackEventKind::Event, &payload, Some(SlackOrder { key: &key, ts: &ts })).await;
    let run = claim(&scene).await;
    let run = world.answer(&run, 3, 0).await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.kind, delivery.state), (DeliveryKind::Reply, DeliveryState::Sent));
    let reply = slack.messages(&scene.channel).pop().expect("a reply");
    assert_eq!(reply.thread_ts.as_deref(), Some(&*word.ts));
}

/// Fails where whoever is not known to be the creator is taken for another: they are told that the thread is not theirs.
#[tokio::test]
async fn a_creator_who_is_not_linked_is_told_to_link_their_account() {
    let stage = Stage::new().await;
    let mention = format!("<@{}> how many?", stage.bot);
    let root = stage.said("app_mention", &stage.channel, &stage.creator, &mention, None).await;
    stage.work().await;
    stage.answer().await;
    let scope = &stage.world.scope;
    assert!(stage.store().slack_user_unlink(scope, stage.world.user).await.expect("an end"));
    stage.said("message", &stage.channel, &stage.creator, "And by month?", Some(&root)).await;
    stage.work().await;
    let notes = stage.notes();
    let [note] = &notes[..] else { panic!("one: {notes:?}") };
    assert!(note.contains("https://tidings.test/settings"), "{note}");
    assert_eq!((stage.turns().await, stage.outcomes("not_linked").await), (1, 1));
    stage.link(stage.world.user, &stage.creator).await;
    stage.said("message", &stage.channel, &stage.creator, "By month?", Some(&root)).await;
    stage.work().await;
    assert_eq!((stage.turns().await, stage.notes().len()), (2, 1));
}
