//! The three steps of an upload.

use chrono::TimeDelta;
use slack::{Class, Client, Message, block::Block};
use store::SteppedClock;
use testkit::slack::{FakeSlack, Options};

use crate::Scene;

/// The first bytes of a PNG are enough to be taken for one.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and then some";

#[tokio::test]
async fn a_picture_is_uploaded_in_three_steps_and_shown_by_its_id() {
    let scene = Scene::new().await;
    let (client, token) = (&scene.client, &scene.token);
    let length = PNG.len() as u64;
    let upload = client
        .files_get_upload_url_external(token, "chart.png", length, Some("A line"))
        .await
        .expect("an address");
    assert!(!format!("{upload:?}").contains("upload/v1"), "whoever reads a log cannot write the file");
    let show = Message { blocks: vec![Block::image(&upload.file_id, "A line")], ..scene.message("d") };
    let early = client.chat_post_message(token, &show).await.expect_err("not completed");
    assert_eq!(early.code(), Some("invalid_blocks"));
    let missing = client.files_info(token, &upload.file_id).await.expect_err("not completed");
    assert_eq!(missing.code(), Some("file_not_found"));

    let wrong =
        client.upload(&upload, b"too short".to_vec()).await.expect_err("another length was announced");
    assert_eq!(wrong.class(), Class::Ours);
    client.upload(&upload, PNG.to_vec()).await.expect("taken");
    client.upload(&upload, PNG.to_vec()).await.expect_err("an address works once");
    client
        .files_complete_upload_external(token, &upload.file_id, "Chart", None, None)
        .await
        .expect("completed");
    let file = client.files_info(token, &upload.file_id).await.expect("a file");
    assert_eq!((file.mimetype.as_str(), file.size), ("image/png", length));
    scene.wait();
    client.chat_post_message(token, &show).await.expect("shown");
    let again = client.files_complete_upload_external(token, &upload.file_id, "Chart", None, None).await;
    again.expect_err("never twice");
}

#[tokio::test]
async fn a_picture_cannot_be_shown_before_slack_has_looked_at_it() {
    let time = SteppedClock::new("2026-03-02T08:00:00Z".parse().expect("an instant"));
    let options = Options {
        clock: std::sync::Arc::new(time.clone()),
        file_processing: TimeDelta::seconds(2),
        ..Options::default()
    };
    let slack = FakeSlack::start_with(options).await;
    let team = slack.add_team("Acme");
    let channel = slack.add_channel(&team, "sales", &[]);
    let token = slack.install(&team);
    let client = Client::new(net::vendor_client(), slack.base_url());
    let upload = client
        .files_get_upload_url_external(&token, "chart.png", PNG.len() as u64, None)
        .await
        .expect("an address");
    client.upload(&upload, PNG.to_vec()).await.expect("taken");
    client
        .files_complete_upload_external(&token, &upload.file_id, "Chart", None, None)
        .await
        .expect("completed");
    let show =
        Message { blocks: vec![Block::image(&upload.file_id, "A line")], ..Message::text(&channel, "d") };
    client.chat_post_message(&token, &show).await.expect_err("too early");
    assert_eq!(client.files_info(&token, &upload.file_id).await.expect("a file").mimetype, "");
    time.step(TimeDelta::seconds(2));
    assert_eq!(client.files_info(&token, &upload.file_id).await.expect("a file").mimetype, "image/png");
    client.chat_post_message(&token, &show).await.expect("shown");
}

#[tokio::test]
async fn a_file_with_a_channel_becomes_a_message_there() {
    let scene = Scene::new().await;
    let upload = scene
        .client
        .files_get_upload_url_external(&scene.token, "rows.csv", 4, None)
        .await
        .expect("an address");
    scene.client.upload(&upload, b"a,b\n".to_vec()).await.expect("taken");
    let channel = Some(&*scene.channel);
    scene
        .client
        .files_complete_upload_external(&scene.token, &upload.file_id, "Rows", channel, None)
        .await
        .expect("completed");
    assert_eq!(scene.slack.messages(&scene.channel)[0].files, [upload.file_id]);
}
