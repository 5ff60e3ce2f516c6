//! Files in Slack that are refused, too large or gone, and what changes while they are on their way.

use chrono::TimeDelta;
use domain::{
    access::Role,
    delivery::{Audience, DeliveryState},
    slack::SlackLinkedBy,
    task::Notification,
};
use store::{Delivery, NotificationPreference};
use testkit::slack::Fault;

use crate::slack::{SCOPES, Scene, all_text, blocks};

/// Runs a task whose answers bring a CSV file along.
async fn delivered_with_csv(scene: &Scene, rows: i64, padding: usize) -> Delivery {
    let mut notification = scene.to_channel();
    notification.attach_csv = true;
    let run = scene.world.claim(scene.world.task(notification).await, None).await;
    let run = scene.world.answer(&run, rows, padding).await;
    scene.deliver_all(run).await
}

/// Fails where a refused file ends the delivery, or is left out without a word; and where what is said of it is said twice.
#[tokio::test]
async fn a_file_that_slack_refuses_is_said_to_be_missing_below_the_message() {
    for of_the_note in [None, Some(Fault::AnswerDropped), Some(Fault::RequestDropped)] {
        let scene = Scene::new().await;
        // The chart's bytes, and the table's.
        scene
            .slack
            .script("upload", [None, Some(Fault::Html { status: 413 }), Some(Fault::Html { status: 413 })]);
        scene.slack.script("chat.postMessage", [None, of_the_note]);
        let delivery = delivered_with_csv(&scene, 3, 0).await;
        assert_eq!(delivery.state, DeliveryState::Sent, "{of_the_note:?}: {delivery:?}");
        let messages = scene.slack.messages(&scene.channel);
        let [message, note] = &messages[..] else { panic!("{of_the_note:?}: {messages:?}") };
        assert_eq!(delivery.provider_id, Some(format!("{} {}", scene.channel, message.ts)));
        assert_eq!(note.thread_ts.as_deref(), Some(&*message.ts));
        assert!(
            note.text.contains("could not be attached") && note.text.contains("/threads/"),
            "{}",
            note.text
        );
        assert!(note.files.is_empty());
        let said = scene.proof(&delivery).await.content.expect("what it said");
        let last = said.as_array().and_then(|messages| messages.last()).expect("a message");
        assert_eq!(last["text"], *note.text, "{of_the_note:?}: the note is proven, too");
    }
}

/// Where even that cannot be said the message is there all the same, and is not sent again.
#[tokio::test]
async fn a_message_is_sent_though_nothing_can_be_said_of_its_file() {
    let scene = Scene::new().await;
    scene.slack.script("upload", [None, Some(Fault::Html { status: 413 })]);
    scene.slack.script("chat.postMessage", [None, Some(Fault::Html { status: 403 })]);
    let delivery = delivered_with_csv(&scene, 3, 0).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1), "{delivery:?}");
    assert_eq!(scene.slack.messages(&scene.channel).len(), 1);
}

#[tokio::test]
async fn a_table_too_large_for_a_file_is_a_link() {
    let scene = Scene::new().await;
    let delivery = delivered_with_csv(&scene, 2_500, 4_000).await;
    assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::Full)));
    let messages = scene.slack.messages(&scene.channel);
    assert!(messages.iter().all(|message| message.files.is_empty()));
    assert!(
        all_text(&messages).contains("too large to go along as a CSV file. Download it from the thread.")
    );
    let open = &blocks(&messages[0], "actions")[0]["elements"][0];
    assert!(open["url"].as_str().is_some_and(|url| url.contains("/threads/")), "{open}");
}

/// The files that the last message shows.
fn shown(scene: &Scene) -> Vec<String> {
    let message = scene.roots().pop().expect("a message");
    let images = blocks(&message, "image");
    let ids = images.iter().map(|image| image["slack_file"]["id"].as_str().expect("a file").to_owned());
    ids.collect()
}

/// Fails where what was uploaded once is believed to be there for ever, and where a message that meets a deleted chart goes
/// without it: the second round shows none.
#[tokio::test]
async fn a_chart_that_was_deleted_in_slack_is_uploaded_anew_for_the_same_message() {
    let scene = Scene::new().await;
    let task = scene.world.task(scene.to_channel()).await;
    let mut charts = Vec::new();
    for round in 0..3 {
        let run = scene.world.run(task).await;
        let delivery = scene.deliver_all(run).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1), "round {round}");
        charts.extend(shown(&scene));
        if round == 0 {
            scene.slack.delete_file(&charts[0]);
        }
    }
    let [first, second, third] = &charts[..] else { panic!("one in each message: {charts:?}") };
    assert!(second != first && third == second, "{charts:?}");
    assert_eq!(scene.roots().len(), 3);
}

/// Whatever goes wrong on the way to the new chart, there is one message, and it shows it. Fails where it is posted without, and
/// where what a dead attempt was told of the old chart is not kept for the next one.
#[tokio::test]
async fn a_deleted_chart_is_waited_for_where_it_cannot_be_uploaded_at_once() {
    for (method, fault) in [
        ("files.info", Fault::Html { status: 503 }),
        ("files.getUploadURLExternal", Fault::Limited { retry_after_seconds: 40 }),
        ("upload", Fault::RequestDropped),
        ("files.completeUploadExternal", Fault::AnswerDropped),
        ("chat.postMessage", Fault::AnswerDropped),
    ] {
        let scene = Scene::new().await;
        let task = scene.world.task(scene.to_channel()).await;
        let run = scene.world.run(task).await;
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
        let before = shown(&scene);
        scene.slack.delete_file(&before[0]);
        // The first post is the one that Slack refuses for its chart.
        scene
            .slack
            .script(method, (method == "chat.postMessage").then_some(None).into_iter().chain([Some(fault)]));
        let run = scene.world.run(task).await;
        let delivery = scene.deliver_all(run).await;
        assert_eq!((delivery.state, delivery.attempts > 1), (DeliveryState::Sent, true), "{method}");
        let after = shown(&scene);
        assert!(after.len() == 1 && after != before, "{method}: {after:?} after {before:?}");
        assert_eq!(scene.roots().len(), 2, "{method}");
    }
}

/// Fails where a refusal for something else is tried again and again, or ends the delivery because charts cannot be looked for.
#[tokio::test]
async fn a_message_that_is_refused_for_something_else_goes_without_its_chart() {
    for may_look in [true, false] {
        let scene = Scene::new().await;
        if !may_look {
            let scopes: Vec<_> = SCOPES.into_iter().filter(|scope| *scope != "files:read").collect();
            scene.connect_with(None, &scopes).await;
        }
        let task = scene.world.task(scene.to_channel()).await;
        let run = scene.world.run(task).await;
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
        scene.slack.script("chat.postMessage", [Some(Fault::Html { status: 400 })]);
        let posted = scene.calls("chat.postMessage").len();
        let run = scene.world.run(task).await;
        let delivery = scene.deliver_all(run).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1), "{may_look}");
        assert!(shown(&scene).is_empty(), "{may_look}");
        assert_eq!(scene.calls("chat.postMessage").len() - posted, 2, "{may_look}");
        assert_eq!(scene.calls("files.completeUploadExternal").len(), 1, "{may_look}");
    }
}

/// The notifier is about to note a chart's first call as something changes. Fails where that is asked before the charts alone: each
/// of these is sent in full.
#[tokio::test]
async fn what_changes_while_charts_are_on_their_way_counts() {
    for change in ["deleted", "deactivated", "unsubscribed", "sensitive"] {
        let scene = Scene::new().await;
        let (world, team) = (&scene.world, &scene.team);
        let (store, scope, database) = (world.store(), &world.scope, &world.database);
        let ada = world.member("ada@example.com", Role::Member).await;
        let person = scene.slack.add_user(team, "ada", "ada@example.com");
        store.slack_user_link(scope, ada, team, &person, SlackLinkedBy::SignIn).await.expect("a link");
        let wish = NotificationPreference { email: false, slack_dm: true, quiet_task_ids: vec![] };
        store.preference_put(scope, ada, &wish).await.expect("a wish");
        let task = world.task(Notification { user_ids: vec![ada], ..Notification::default() }).await;
        let run = world.run(task).await;
        let mut other = database.superuser().await;
        testkit::execute(&mut other, "BEGIN; LOCK TABLE slack_upload IN EXCLUSIVE MODE").await;
        let meanwhile = async {
            let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            while database.number(blocked).await == 0 {}
            match change {
                "deleted" => store.task_delete(scope, task).await.expect("deleted"),
                "deactivated" => store.member_deactivate(scope, ada).await.expect("deactivated"),
                "unsubscribed" => {
                    store.task_snooze(scope, task, ada, TimeDelta::days(7)).await.expect("a rest");
                }
                _ => {
                    let statement = "UPDATE connection SET sensitive = true";
                    testkit::execute(&mut database.superuser().await, statement).await;
                }
            }
            testkit::execute(&mut other, "COMMIT").await;
        };
        tokio::join!(scene.deliver(), meanwhile);
        let delivery = scene.deliver_all(run).await;
        let end = (delivery.state, delivery.reason.as_deref());
        let messages = scene.slack.messages(&scene.slack.direct_message(&person));
        if change == "sensitive" {
            assert_eq!((end, delivery.audience), ((DeliveryState::Sent, None), Some(Audience::LinkOnly)));
            let [message] = &messages[..] else { panic!("{messages:?}") };
            assert!(blocks(message, "image").is_empty() && !all_text(&messages).contains("58,665"));
            continue;
        }
        let expected = match change {
            "deleted" => (DeliveryState::Withheld, Some("task_deleted")),
            "deactivated" => (DeliveryState::Withheld, Some("not_allowed")),
            _ => (DeliveryState::Suppressed, Some("unsubscribed")),
        };
        assert_eq!(end, expected, "{change}");
        assert!(messages.is_empty(), "{change}: {messages:?}");
    }
}
