//! What Slack sends: verified on its raw bytes, and understood.

use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use slack::{
    Message, Response,
    block::{Block, Button},
    event::{self, Envelope, Event, Interaction},
    signature::{self, Refusal},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use crate::Scene;

/// A request as it came: its headers in lower case, and its body.
type Received = (Vec<(String, String)>, Vec<u8>);

/// Takes requests by hand, so that what is verified is what came over the wire. Answers each with a status of `statuses`.
async fn receiver(statuses: Vec<u16>) -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/slack", listener.local_addr().expect("an address"));
    let (sender, requests) = mpsc::unbounded_channel();
    let statuses = Arc::new(Mutex::new(statuses.into_iter()));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (sender, statuses) = (sender.clone(), Arc::clone(&statuses));
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                loop {
                    let mut some = [0; 4_096];
                    let read = stream.read(&mut some).await.expect("bytes");
                    bytes.extend_from_slice(&some[..read]);
                    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                    let headers: Vec<(String, String)> = head
                        .lines()
                        .filter_map(|line| line.split_once(": "))
                        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                        .collect();
                    let length: usize = header(&headers, "content-length").parse().expect("a length");
                    if bytes.len() < end + 4 + length {
                        continue;
                    }
                    let _ = sender.send((headers, bytes[end + 4..].to_vec()));
                    break;
                }
                let status = statuses.lock().expect("no panic").next().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.expect("an answer");
            });
        }
    });
    (url, requests)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn verified(scene: &Scene, request: &Received) -> Result<(), Refusal> {
    let (headers, body) = request;
    signature::verify(
        &SecretString::from(scene.slack.app().signing_secret),
        header(headers, signature::TIMESTAMP_HEADER),
        header(headers, signature::SIGNATURE_HEADER),
        body,
        scene.time.now(),
    )
}

fn event_of(body: &[u8]) -> event::EventCallback {
    match event::parse_envelope(body).expect("an envelope") {
        Envelope::EventCallback(callback) => *callback,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn what_people_say_arrives_signed_and_what_we_say_is_told_apart() {
    let scene = Scene::new().await;
    let (url, mut requests) = receiver(Vec::new()).await;
    scene.slack.change_app(|app| app.events_url = Some(url));
    let ts = scene.slack.say(&scene.channel, &scene.user, "why &lt;that&gt;?", None);
    let request = requests.recv().await.expect("an event");
    assert_eq!(verified(&scene, &request), Ok(()));
    let callback = event_of(&request.1);
    assert_eq!(callback.team_id, scene.team);
    let Event::Message(message) = callback.event else { unreachable!("a message") };
    assert!(message.is_from_person() && !message.is_reply());
    assert_eq!((&message.ts, message.channel_type.as_deref()), (&ts, Some("channel")));

    scene.client.chat_post_message(&scene.token, &scene.message("d")).await.expect("posted");
    let Event::Message(ours) = event_of(&requests.recv().await.expect("an event").1).event else {
        unreachable!("a message")
    };
    assert!(!ours.is_from_person(), "a bot answers no bot, itself included");
}

#[tokio::test]
async fn a_mention_comes_as_two_events_with_ids_of_their_own() {
    let scene = Scene::new().await;
    let (url, mut requests) = receiver(Vec::new()).await;
    scene.slack.change_app(|app| app.events_url = Some(url));
    let bot = scene.slack.bot_user(&scene.team);
    scene.slack.say(&scene.channel, &scene.user, &format!("<@{bot}> how many &amp; why?"), None);
    let mut events = Vec::new();
    for _ in 0..2 {
        events.push(event_of(&requests.recv().await.expect("an event").1));
    }
    assert_ne!(events[0].event_id, events[1].event_id);
    let mention = events.into_iter().find_map(|callback| match callback.event {
        Event::AppMention(mention) => Some(mention),
        _ => None,
    });
    let mention = mention.expect("a mention");
    assert_eq!(event::spoken_text(&mention.text, &bot), "how many & why?");
}

#[tokio::test]
async fn an_event_that_was_not_taken_comes_again_under_the_same_id() {
    let scene = Scene::new().await;
    let (url, mut requests) = receiver(vec![500]).await;
    scene.slack.change_app(|app| app.events_url = Some(url));
    scene.slack.say(&scene.channel, &scene.user, "hello", None);
    let first = requests.recv().await.expect("an event");
    let second = requests.recv().await.expect("the same event");
    assert_eq!(event_of(&first.1).event_id, event_of(&second.1).event_id);
    assert_eq!(header(&first.0, event::RETRY_NUMBER_HEADER), "");
    assert_eq!(header(&second.0, event::RETRY_NUMBER_HEADER), "1");
    assert_eq!(header(&second.0, event::RETRY_REASON_HEADER), "http_error");
}

#[tokio::test]
async fn the_end_of_an_installation_is_told_twice() {
    let scene = Scene::new().await;
    let (url, mut requests) = receiver(Vec::new()).await;
    scene.slack.change_app(|app| app.events_url = Some(url));
    scene.slack.uninstall(&scene.team);
    let mut events = Vec::new();
    for _ in 0..2 {
        events.push(event_of(&requests.recv().await.expect("an event").1).event);
    }
    assert!(events.contains(&Event::AppUninstalled));
    let bots = events.into_iter().find_map(|event| match event {
        Event::TokensRevoked { tokens } => Some(tokens.bot),
        _ => None,
    });
    assert_eq!(bots.expect("tokens"), [scene.slack.bot_user(&scene.team)]);
}

#[tokio::test]
async fn a_button_is_pressed_and_answered_where_it_says() {
    let scene = Scene::new().await;
    let (url, mut requests) = receiver(Vec::new()).await;
    scene.slack.change_app(|app| app.interactions_url = Some(url));
    let button = Button::action("Snooze", "snooze", Some("task-1".to_owned()));
    let message = Message { blocks: vec![Block::Actions { elements: vec![button] }], ..scene.message("d1") };
    let posted = scene.client.chat_post_message(&scene.token, &message).await.expect("posted");
    scene.slack.press(&scene.channel, &posted.ts, &scene.user, "snooze");
    let request = requests.recv().await.expect("an interaction");
    assert_eq!(verified(&scene, &request), Ok(()));
    let interaction = event::parse_interaction(&request.1).expect("a payload").expect("JSON");
    let Interaction::BlockActions(pressed) = interaction else { unreachable!("a button") };
    assert_eq!((&pressed.user.id, pressed.actions[0].value.as_deref()), (&scene.user, Some("task-1")));
    let metadata = pressed.message.expect("a message").metadata.expect("metadata");
    assert_eq!(metadata.event_payload["delivery_id"], "d1");

    let response =
        Response { text: "Snoozed until Monday".to_owned(), blocks: Vec::new(), replaces_original: true };
    let address = pressed.response_url.expect("an address");
    scene.client.respond(&address, &response).await.expect("answered");
    assert_eq!(scene.slack.messages(&scene.channel)[0].text, "Snoozed until Monday");
    for foreign in ["https://slack.example.org/x", "http://hooks.slack.com/x", "not an address"] {
        let error = scene.client.respond(foreign, &response).await.expect_err("not Slack's");
        assert!(matches!(error, slack::Error::ForeignAddress));
    }
}

#[test]
fn envelopes_of_other_kinds_are_read_too() {
    let challenge = event::parse_envelope(br#"{"type":"url_verification","token":"t","challenge":"c1"}"#);
    assert_eq!(challenge.expect("JSON"), Envelope::UrlVerification { challenge: "c1".to_owned() });
    let new_kind = event::parse_envelope(br#"{"type":"something_new","x":1}"#);
    assert_eq!(new_kind.expect("JSON"), Envelope::Other);
    let new_event = event_of(
        br#"{"type":"event_callback","team_id":"T1","event_id":"Ev1","event_time":1,"event":{"type":"emoji_changed"}}"#,
    );
    assert_eq!(new_event.event, Event::Other);
    let changed = event_of(
        br#"{"type":"event_callback","team_id":"T1","event_id":"Ev2","event_time":1,"event":{"type":"message",
            "subtype":"message_changed","channel":"C1","ts":"2.0","hidden":true,"message":{"ts":"1.0"}}}"#,
    );
    let Event::Message(changed) = changed.event else { unreachable!("a message") };
    assert!(!changed.is_from_person());
}
