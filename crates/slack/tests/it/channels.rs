//! Channels, people and direct messages.

use slack::{Class, Message};

use crate::Scene;

#[tokio::test]
async fn channels_are_listed_in_pages_with_what_decides_who_may_read() {
    let scene = Scene::new().await;
    for number in 0..250 {
        scene.slack.add_channel(&scene.team, &format!("room-{number}"), &[]);
    }
    let secret = scene.slack.add_channel(&scene.team, "board", &[]);
    scene.slack.change_channel(&secret, |channel| {
        channel.is_private = true;
        channel.members.clear();
    });
    let mut names = Vec::new();
    let mut cursor = None;
    loop {
        let page = scene.client.conversations_list(&scene.token, cursor.as_deref()).await.expect("a page");
        names.extend(page.items.into_iter().map(|channel| channel.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), 251, "all but the private one that our bot is not in");

    scene.slack.change_channel(&scene.channel, |channel| channel.is_ext_shared = true);
    let channel = scene.client.conversations_info(&scene.token, &scene.channel).await.expect("a channel");
    assert!(channel.is_member && channel.is_ext_shared && !channel.is_private);
    assert_eq!((channel.name.as_str(), channel.num_members), ("sales", Some(2)));
    let members =
        scene.client.conversations_members(&scene.token, &scene.channel, None).await.expect("members").items;
    assert!(members.contains(&scene.user) && members.contains(&scene.slack.bot_user(&scene.team)));
}

#[tokio::test]
async fn each_destination_that_cannot_be_written_to_says_why() {
    let scene = Scene::new().await;
    let channel = |name: &str| scene.slack.add_channel(&scene.team, name, &[]);
    let (left, archived, restricted) = (channel("left"), channel("archived"), channel("restricted"));
    scene.slack.change_channel(&left, |channel| channel.members.clear());
    scene.slack.change_channel(&archived, |channel| channel.is_archived = true);
    scene.slack.change_channel(&restricted, |channel| channel.is_posting_restricted = true);
    let elsewhere = scene.slack.add_team("Globex");
    let foreign = scene.slack.add_channel(&elsewhere, "foreign", &[]);
    let bot = scene.slack.bot_user(&scene.team);
    for (channel, code) in [
        (&*left, "not_in_channel"),
        (&*archived, "is_archived"),
        (&*restricted, "restricted_action"),
        (&*foreign, "channel_not_found"),
        ("C9999", "channel_not_found"),
        (&*bot, "cannot_dm_bot"),
    ] {
        let message = Message::text(channel, "hello");
        let error = scene.client.chat_post_message(&scene.token, &message).await.expect_err("refused");
        assert_eq!((error.code(), error.class()), (Some(code), Class::Destination));
    }
}

#[tokio::test]
async fn a_direct_message_is_opened_once() {
    let scene = Scene::new().await;
    let first = scene.client.conversations_open(&scene.token, &scene.user).await.expect("open");
    let again = scene.client.conversations_open(&scene.token, &scene.user).await.expect("open");
    assert_eq!(first, again);
    let posted = scene.client.chat_post_message(&scene.token, &Message::text(&first.id, "hello")).await;
    assert_eq!(posted.expect("posted").channel, first.id);
    let gone = scene.slack.add_user(&scene.team, "cy", "cy@acme.example");
    scene.slack.change_user(&gone, |user| user.deleted = true);
    for (user, code) in [
        (&*gone, "user_disabled"),
        ("U9999", "user_not_found"),
        (&scene.slack.bot_user(&scene.team), "cannot_dm_bot"),
    ] {
        let error = scene.client.conversations_open(&scene.token, user).await.expect_err("refused");
        assert_eq!((error.code(), error.class()), (Some(code), Class::Destination));
    }
}

#[tokio::test]
async fn people_are_found_by_id_and_by_address() {
    let scene = Scene::new().await;
    let by_id = scene.client.users_info(&scene.token, &scene.user).await.expect("a user");
    assert_eq!(by_id.profile.email.as_deref(), Some("ana@acme.example"));
    assert_eq!(by_id.is_email_confirmed, Some(true));
    let by_address = scene.client.users_lookup_by_email(&scene.token, "ANA@acme.example").await;
    assert_eq!(by_address.expect("a user"), by_id);
    let error =
        scene.client.users_lookup_by_email(&scene.token, "no@acme.example").await.expect_err("nobody");
    assert_eq!((error.code(), error.class()), (Some("users_not_found"), Class::Destination));
    scene.slack.change_user(&scene.user, |user| user.is_restricted = true);
    assert!(scene.client.users_info(&scene.token, &scene.user).await.expect("a user").is_restricted);
    let everyone = scene.client.users_list(&scene.token, None).await.expect("a page").items;
    assert_eq!(everyone.len(), 2);
}
