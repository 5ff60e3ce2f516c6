//! Posting, changing, threads, reactions, and what Slack refuses.

use slack::{
    Class, History, Message,
    block::{self, Block, Button, Cell},
};

use crate::Scene;

#[tokio::test]
async fn a_message_is_found_again_by_what_it_carries() {
    let scene = Scene::new().await;
    let posted = scene.client.chat_post_message(&scene.token, &scene.message("d1")).await.expect("posted");
    assert_eq!(posted.channel, scene.channel);

    let history = History { channel: scene.channel.clone(), ..History::default() };
    let page = scene.client.conversations_history(&scene.token, &history).await.expect("a page");
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].ts, posted.ts);
    let metadata = page.items[0].metadata.as_ref().expect("the metadata that was attached");
    assert_eq!(metadata.event_payload["delivery_id"], "d1");
    assert_eq!(scene.slack.calls()[0].metadata.as_ref().expect("metadata")["event_type"], "tidings_delivery");
}

#[tokio::test]
async fn replies_stand_in_their_thread() {
    let scene = Scene::new().await;
    let first = scene.client.chat_post_message(&scene.token, &scene.message("d1")).await.expect("posted");
    scene.wait();
    let reply = Message { thread_ts: Some(first.ts.clone()), ..scene.message("d1/2") };
    let reply = scene.client.chat_post_message(&scene.token, &reply).await.expect("posted");

    let history = History { channel: scene.channel.clone(), ..History::default() };
    let page = scene.client.conversations_history(&scene.token, &history).await.expect("a page");
    let seen: Vec<&str> = page.items.iter().map(|message| &*message.ts).collect();
    assert_eq!(seen, [&*first.ts], "replies are not in the channel's own history");
    let thread =
        scene.client.conversations_replies(&scene.token, &first.ts, &history).await.expect("a thread");
    let seen: Vec<&str> = thread.items.iter().map(|message| &*message.ts).collect();
    assert_eq!(seen, [&*first.ts, &*reply.ts]);

    scene.wait();
    let lost = Message { thread_ts: Some("1.000000".to_owned()), ..scene.message("d1/3") };
    let error = scene.client.chat_post_message(&scene.token, &lost).await.expect_err("no such thread");
    assert_eq!(error.code(), Some("thread_not_found"));
}

#[tokio::test]
async fn history_is_read_in_pages_and_between_times() {
    let scene = Scene::new().await;
    let mut posted = Vec::new();
    for number in 0..5 {
        let message = scene.message(&format!("d{number}"));
        posted.push(scene.client.chat_post_message(&scene.token, &message).await.expect("posted").ts);
        scene.wait();
    }
    let mut seen = Vec::new();
    let mut history = History { channel: scene.channel.clone(), limit: Some(2), ..History::default() };
    loop {
        let page = scene.client.conversations_history(&scene.token, &history).await.expect("a page");
        seen.extend(page.items.into_iter().map(|message| message.ts));
        let Some(cursor) = page.next_cursor else { break };
        history.cursor = Some(cursor);
    }
    seen.reverse();
    assert_eq!(seen, posted);

    let since = History {
        channel: scene.channel.clone(),
        oldest: Some(posted[3].clone()),
        is_inclusive: true,
        ..History::default()
    };
    let page = scene.client.conversations_history(&scene.token, &since).await.expect("a page");
    assert_eq!(page.items.len(), 2);
}

#[tokio::test]
async fn a_message_is_changed_and_reacted_to() {
    let scene = Scene::new().await;
    let posted =
        scene.client.chat_post_message(&scene.token, &scene.message("before")).await.expect("posted");
    scene.client.chat_update(&scene.token, &posted.ts, &scene.message("after")).await.expect("changed");
    for _ in 0..2 {
        scene
            .client
            .reactions_add(&scene.token, &scene.channel, &posted.ts, "eyes")
            .await
            .expect("a second time counts as done");
    }
    let message = &scene.slack.messages(&scene.channel)[0];
    assert_eq!((message.text.as_str(), message.is_edited), ("after", true));
    assert!(message.reactions.contains_key("eyes"));
    for _ in 0..2 {
        scene
            .client
            .reactions_remove(&scene.token, &scene.channel, &posted.ts, "eyes")
            .await
            .expect("a second time counts as done");
    }
    assert!(scene.slack.messages(&scene.channel)[0].reactions.is_empty());
}

#[tokio::test]
async fn an_ephemeral_message_is_for_a_member_only_and_stays_nowhere() {
    let scene = Scene::new().await;
    let message = scene.message("only you see this");
    scene.client.chat_post_ephemeral(&scene.token, &scene.user, &message).await.expect("shown");
    assert!(scene.slack.messages(&scene.channel).is_empty());
    let outsider = scene.slack.add_user(&scene.team, "bo", "bo@acme.example");
    let error =
        scene.client.chat_post_ephemeral(&scene.token, &outsider, &message).await.expect_err("refused");
    assert_eq!((error.code(), error.class()), (Some("user_not_in_channel"), Class::Destination));
}

#[tokio::test]
async fn our_blocks_at_their_limits_are_taken_and_beyond_them_refused() {
    let scene = Scene::new().await;
    let url = "https://tidings.example/".parse().expect("an address");
    let cells = |row: usize| {
        (0..block::TABLE_COLUMNS_MAX).map(|column| Cell::new(format!("{row}.{column}"))).collect()
    };
    let table =
        |rows: usize| Block::Table { rows: (0..rows).map(cells).collect(), column_settings: Vec::new() };
    let section = |length: usize| Block::section("x".repeat(length));
    let taken = [
        vec![
            Block::header(&"h".repeat(400)),
            section(block::SECTION_MAX),
            Block::Divider,
            Block::context("c"),
        ],
        vec![Block::Divider; block::BLOCKS_MAX],
        vec![table(block::TABLE_ROWS_MAX)],
        vec![Block::Actions { elements: vec![Button::link(&"b".repeat(100), "open", &url)] }],
        vec![section(block::SECTION_MAX); block::BLOCKS_CHARACTERS_SAFE / block::SECTION_MAX],
    ];
    for blocks in taken {
        scene.wait();
        let message = Message { blocks, ..scene.message("d") };
        scene.client.chat_post_message(&scene.token, &message).await.expect("taken");
    }
    let refused = [
        (vec![section(block::SECTION_MAX + 1)], "invalid_blocks"),
        (vec![Block::Divider; block::BLOCKS_MAX + 1], "invalid_blocks"),
        (vec![table(block::TABLE_ROWS_MAX + 1)], "invalid_blocks"),
        (vec![table(1), table(1)], "invalid_blocks"),
        (vec![Block::image("F404", "A picture that is nowhere")], "invalid_blocks"),
        (vec![section(block::SECTION_MAX); 5], "msg_blocks_too_long"),
    ];
    for (blocks, code) in refused {
        scene.wait();
        let message = Message { blocks, ..scene.message("d") };
        let error = scene.client.chat_post_message(&scene.token, &message).await.expect_err("refused");
        assert_eq!((error.code(), error.class()), (Some(code), Class::Ours));
    }
    scene.wait();
    let long = scene.message(&"x".repeat(block::TEXT_MAX + 1));
    let error = scene.client.chat_post_message(&scene.token, &long).await.expect_err("refused");
    assert_eq!(error.code(), Some("msg_too_long"));
    let empty = Message::text(&scene.channel, "");
    let error = scene.client.chat_post_message(&scene.token, &empty).await.expect_err("refused");
    assert_eq!(error.code(), Some("no_text"));
}
