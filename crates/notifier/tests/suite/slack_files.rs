//! Files in Slack that are refused, too large or gone.

use domain::delivery::{Audience, DeliveryState};
use store::Delivery;
use testkit::slack::Fault;

use crate::slack::{Scene, all_text, blocks};

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

/// Fails where what was uploaded once is believed to be there for ever: no later message shows the chart.
#[tokio::test]
async fn a_chart_that_was_deleted_in_slack_is_uploaded_anew() {
    let scene = Scene::new().await;
    let task = scene.world.task(scene.to_channel()).await;
    let mut shown = Vec::new();
    for round in 0..4 {
        let run = scene.world.run(task).await;
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent, "round {round}");
        let message = scene.roots().pop().expect("a message");
        let picture = blocks(&message, "image").first().map(|image| image["slack_file"]["id"].clone());
        let picture = picture.and_then(|id| id.as_str().map(str::to_owned));
        if round == 0 {
            scene.slack.delete_file(picture.as_deref().expect("a chart"));
        }
        shown.push(picture);
    }
    assert!(shown[2].is_some() && shown[2] != shown[0], "{shown:?}");
    assert_eq!(shown[3], shown[2], "and that one is shown by all that follow");
}
