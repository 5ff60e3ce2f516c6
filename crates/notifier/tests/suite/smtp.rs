//! Sending to a real SMTP server that someone else wrote, and reading what arrives with a parser that someone else wrote.

use std::{sync::Arc, time::Duration};

use crate::support::{SmtpServer, hostile_report, usual_report};
use domain::DeliveryId;
use notifier::{
    email::{CsvFile, Email, Letter, Sender},
    message::Message,
    transport::smtp::{Error, Patience, Smtp},
};
use secrecy::SecretString;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

fn letter(to: &str, message: &Message) -> Email {
    build(to, message, None)
}

fn build(to: &str, message: &Message, attachment: Option<&CsvFile>) -> Email {
    let from = Sender::parse("Tidings <tidings@mail.example>").expect("a sender");
    Letter {
        delivery_id: "019aa1b2-0000-7000-8000-00000000000a".parse::<DeliveryId>().expect("an id"),
        conversation: "task-019aa1b2-0000-7000-8000-00000000000b",
        from: &from,
        to,
        to_name: "Zoë \"The Reader\" <x@evil.example>\r\nBcc: victim@evil.example",
        sent_at: "2026-11-21T13:05:09Z".parse().expect("an instant"),
        message,
        attachment,
    }
    .build()
    .expect("a mail")
}

fn usual_mail(to: &str) -> Email {
    letter(to, &Message::full(usual_report()))
}

fn smtp(server: &SmtpServer) -> Smtp {
    Smtp::new(&server.url("", ""), Patience::default()).expect("an SMTP URL")
}

fn headers<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let all = mail["headers"].as_array().expect("headers");
    all.iter()
        .filter(|header| header[0].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name)))
        .map(|header| header[1].as_str().expect("a text"))
        .collect()
}

fn parts<'a>(mail: &'a Value, media_type: &str) -> Vec<&'a Value> {
    mail["parts"].as_array().expect("parts").iter().filter(|part| part["type"] == media_type).collect()
}

#[tokio::test]
async fn a_mail_arrives_whole_and_well_formed() {
    let server = SmtpServer::start(&[]);
    let csv = CsvFile { name: "Airlines".into(), bytes: b"airline,flights\r\nUnited,58665\r\n".to_vec() };
    let email = build("reader@example.com", &Message::full(usual_report()), Some(&csv));
    let answer = smtp(&server).send(&email).await.expect("the server takes it");
    assert!(answer.contains("queued as"), "{answer}");

    let accepted = server.event("accepted");
    let mail = &accepted["mail"];
    assert_eq!(accepted["sender"], "tidings@mail.example");
    assert_eq!(mail["defects"], serde_json::json!([]));
    assert_eq!(headers(mail, "Subject"), ["Airlines with the most flights – Sat 21 Nov 2026"]);
    assert_eq!(headers(mail, "From"), ["Tidings <tidings@mail.example>"]);
    assert_eq!(headers(mail, "Date"), ["Sat, 21 Nov 2026 13:05:09 +0000"]);
    assert_eq!(headers(mail, "Message-ID"), ["<019aa1b2-0000-7000-8000-00000000000a@mail.example>"]);
    let conversation = ["<task-019aa1b2-0000-7000-8000-00000000000b@mail.example>"];
    assert_eq!(headers(mail, "In-Reply-To"), conversation);
    assert_eq!(headers(mail, "References"), conversation);
    assert_eq!(
        headers(mail, "List-Unsubscribe"),
        ["<https://tidings.example.com/unsubscribe/AbCdEf0123456789>"]
    );
    assert_eq!(headers(mail, "List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"]);
    assert_eq!(headers(mail, "Auto-Submitted"), ["auto-generated"]);

    let types: Vec<_> =
        mail["parts"].as_array().expect("parts").iter().map(|part| part["type"].as_str()).collect();
    let expected = [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/csv",
    ];
    assert_eq!(types, expected.map(Some));
    let html = parts(mail, "text/html")[0]["text"].as_str().expect("a text");
    let png = parts(mail, "image/png")[0];
    let id = png["id"].as_str().expect("an id").trim_matches(['<', '>']);
    assert!(html.contains(&format!("src=\"cid:{id}\"")), "the page shows the picture that came along");
    assert_eq!(png["disposition"], "inline");
    assert!(parts(mail, "text/plain")[0]["text"].as_str().is_some_and(|text| text.contains("58,665")));
    let csv = parts(mail, "text/csv")[0];
    assert_eq!(
        (csv["fileName"].as_str(), csv["disposition"].as_str()),
        (Some("airlines.csv"), Some("attachment"))
    );
    assert!(csv["text"].as_str().is_some_and(|text| text.starts_with("airline,flights")));
    let source = mail["source"].as_str().expect("a text");
    assert!(source.lines().all(|line| line.len() <= 998), "a line is longer than RFC 5322 allows");
}

#[tokio::test]
async fn nothing_from_data_breaks_out_of_a_header() {
    let server = SmtpServer::start(&[]);
    let mut report = hostile_report();
    for title in [
        report.title.clone(),
        "=?utf-8?q?Hello=0d=0aBcc:_victim@evil.example?=".into(),
        "é".repeat(150),
        format!("{}\u{2028}\u{85}\nX-Injected: 1", "long ".repeat(29)),
        "\u{1f600} \r\n\r\n<html>".into(),
    ] {
        report.title.clone_from(&title);
        let csv = CsvFile { name: title.clone(), bytes: b"a\r\n".to_vec() };
        let email = build("reader@example.com", &Message::full(report.clone()), Some(&csv));
        smtp(&server).send(&email).await.expect("the server takes it");
        let accepted = server.event("accepted");
        assert_eq!(accepted["to"], "reader@example.com");
        let mail = &accepted["mail"];
        assert_eq!(mail["defects"], serde_json::json!([]), "{title:?}");
        let names: Vec<_> =
            mail["headers"].as_array().expect("headers").iter().map(|header| &header[0]).collect();
        let expected = [
            "Date",
            "From",
            "To",
            "Subject",
            "Message-ID",
            "In-Reply-To",
            "References",
            "Auto-Submitted",
            "X-Auto-Response-Suppress",
            "List-Unsubscribe",
            "List-Unsubscribe-Post",
            "MIME-Version",
            "Content-Type",
        ];
        assert_eq!(names, expected, "{title:?}");
        let subject = headers(mail, "Subject")[0];
        assert!(subject.ends_with("Sat 21 Nov 2026") && !subject.contains(['\r', '\n']), "{subject:?}");
        if title.starts_with("=?") {
            assert!(subject.contains("?utf-8?q?Hello"), "shown as it was typed, not decoded: {subject:?}");
        }
        let to = headers(mail, "To")[0];
        assert!(to.ends_with("<reader@example.com>") && to.matches("<reader@").count() == 1, "{to}");
        assert_eq!(parts(mail, "text/html").len(), 1);
    }
}

#[tokio::test]
async fn each_refusal_has_its_meaning() {
    let server = SmtpServer::start(&[]);
    let smtp = smtp(&server);
    let result = async |to: &str| smtp.send(&usual_mail(to)).await.expect_err("a refusal");
    assert!(
        matches!(result("later@example.com").await, Error::Later { is_ours: false, answer } if answer.contains("451"))
    );
    assert!(matches!(result("nobody@example.com").await, Error::DeadAddress { .. }));
    assert!(matches!(result("policy@example.com").await, Error::Refused { is_policy: true, .. }));
    assert!(matches!(result("plain550@example.com").await, Error::Refused { is_policy: false, .. }));
    assert!(
        matches!(result("refused@example.com").await, Error::Refused { is_policy: false, answer } if answer.contains("554"))
    );
    assert!(
        matches!(result("full@example.com").await, Error::Refused { is_policy: false, answer } if answer.contains("552"))
    );
    assert!(matches!(result("grey@example.com").await, Error::Deferred { is_full: false, .. }));
    assert!(matches!(result("brim@example.com").await, Error::Deferred { is_full: true, .. }));
    smtp.send(&usual_mail("grey@example.com")).await.expect("taken the second time");
    let connections = server.into_events().iter().filter(|event| event["event"] == "connected").count();
    assert_eq!(connections, 1, "a refusal leaves the connection usable");
}

/// What a server without pipelining answers one by one.
#[tokio::test]
async fn a_server_that_takes_commands_together_says_the_same() {
    let server = SmtpServer::start(&["--pipelining"]);
    let smtp = smtp(&server);
    smtp.send(&usual_mail("reader@example.com")).await.expect("taken");
    assert_eq!(server.event("accepted")["to"], "reader@example.com");
    let result = async |to: &str| smtp.send(&usual_mail(to)).await.expect_err("a refusal");
    assert!(
        matches!(result("later@example.com").await, Error::Later { answer, .. } if answer.contains("451"))
    );
    assert!(matches!(result("nobody@example.com").await, Error::DeadAddress { .. }));
    assert!(matches!(result("policy@example.com").await, Error::Refused { is_policy: true, .. }));
    assert!(
        matches!(result("full@example.com").await, Error::Refused { answer, .. } if answer.contains("552"))
    );
    assert!(matches!(result("drop@example.com").await, Error::Unknown { .. }));
    smtp.send(&usual_mail("drop@example.com")).await.expect("taken the second time");
    let events = server.into_events();
    let connections = events.iter().filter(|event| event["event"] == "connected").count();
    assert_eq!(connections, 1, "a refusal leaves the connection usable; what broke it was replaced");
    let accepted: Vec<_> = events.iter().filter(|event| event["event"] == "accepted").collect();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_costs_no_attempt() {
    let server = SmtpServer::start(&["--hangs-up"]);
    let smtp = smtp(&server);
    for _ in 0..3 {
        smtp.send(&usual_mail("reader@example.com")).await.expect("taken, on a new connection if need be");
    }
    let accepted = server.into_events().iter().filter(|event| event["event"] == "accepted").count();
    assert_eq!(accepted, 3, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_open_than_allowed() {
    let mut server = SmtpServer::start(&[]);
    let smtp = Arc::new(smtp(&server).with_connections(2));
    let mut sending = JoinSet::new();
    for _ in 0..6 {
        let smtp = Arc::clone(&smtp);
        sending.spawn(async move { smtp.send(&usual_mail("held@example.com")).await });
    }
    let mut events = Vec::new();
    while events.iter().filter(|event: &&Value| event["event"] == "held").count() < 2 {
        events.push(tokio::task::block_in_place(|| server.next_event()));
    }
    server.release();
    while let Some(sent) = sending.join_next().await {
        sent.expect("no panic").expect("taken");
    }
    events.extend(server.into_events());
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((count("connected"), count("accepted")), (2, 6));
}

#[tokio::test]
async fn answers_go_where_the_operator_says() {
    let from = Sender::parse("Tidings <tidings@mail.example>").expect("a sender");
    let from = from.with_reply_to("Data team <data@mail.example>").expect("an address");
    let message = Message::full(usual_report());
    let letter = Letter {
        delivery_id: "019aa1b2-0000-7000-8000-00000000000a".parse::<DeliveryId>().expect("an id"),
        conversation: "task-1",
        from: &from,
        to: "reader@example.com",
        to_name: "",
        sent_at: "2026-11-21T13:05:09Z".parse().expect("an instant"),
        message: &message,
        attachment: None,
    };
    let server = SmtpServer::start(&[]);
    smtp(&server).send(&letter.build().expect("a mail")).await.expect("taken");
    let accepted = server.event("accepted");
    assert_eq!(headers(&accepted["mail"], "Reply-To"), ["Data team <data@mail.example>"]);
    assert!(Sender::parse("x@y.example").expect("a sender").with_reply_to("nobody").is_err());
}

#[tokio::test]
async fn a_server_that_says_goodbye_is_connected_to_anew() {
    let server = SmtpServer::start(&[]);
    let smtp = smtp(&server);
    let error = smtp.send(&usual_mail("closing@example.com")).await.expect_err("421");
    assert!(matches!(error, Error::Later { is_ours: false, .. }), "{error:?}");
    smtp.send(&usual_mail("closing@example.com")).await.expect("taken the second time");
}

#[tokio::test]
async fn a_connection_lost_after_the_mail_leaves_its_fate_unknown() {
    for (to, was_accepted) in [("drop@example.com", false), ("lost@example.com", true)] {
        let server = SmtpServer::start(&[]);
        let smtp = self::smtp(&server);
        let email = usual_mail(to);
        let error = smtp.send(&email).await.expect_err("no answer");
        assert!(matches!(error, Error::Unknown { .. }), "{to}: {error:?}");
        smtp.send(&email).await.expect("the second attempt is taken");
        let mut accepted = server.into_events();
        accepted.retain(|event| event["event"] == "accepted");
        assert_eq!(accepted.len(), 1 + usize::from(was_accepted));
        for event in &accepted {
            assert_eq!(
                headers(&event["mail"], "Message-ID"),
                [email.message_id.as_str()],
                "what arrives twice is one mail"
            );
            assert_eq!(event["mail"]["source"], accepted[0]["mail"]["source"], "byte for byte");
        }
    }
}

#[tokio::test]
async fn a_server_that_never_answers_costs_a_bounded_time() {
    let mut server = SmtpServer::start(&[]);
    let patience = Patience { acceptance: Duration::from_millis(200), ..Patience::default() };
    let impatient = Smtp::new(&server.url("", ""), patience).expect("an SMTP URL");
    let error = impatient.send(&usual_mail("held@example.com")).await.expect_err("no answer in time");
    assert!(matches!(error, Error::Unknown { .. }), "{error:?}");
    server.release();
    smtp(&server).send(&usual_mail("held@example.com")).await.expect("taken once the server answers");
}

/// A mail that no connection holds whole while its server reads nothing.
fn large_mail() -> Email {
    let mut email = usual_mail("reader@example.com");
    email.source.extend_from_slice(&[b"x".repeat(62).as_slice(), b"\r\n"].concat().repeat(1 << 18));
    email
}

/// A server that takes one mail's commands and leaves its bytes to `take`.
async fn server_that<F: Future<Output = ()> + Send + 'static>(
    take: impl FnOnce(BufReader<TcpStream>) -> F + Send + 'static,
) -> SecretString {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = BufReader::new(stream);
        let mut answer = "220 ready\r\n";
        let mut command = String::new();
        loop {
            stream.write_all(answer.as_bytes()).await.expect("heard");
            if command.starts_with("DATA") {
                return take(stream).await;
            }
            command.clear();
            stream.read_line(&mut command).await.expect("a command");
            answer = if command.starts_with("DATA") { "354 go on\r\n" } else { "250 ready\r\n" };
        }
    });
    SecretString::from(format!("smtp://{address}"))
}

/// Fails where one limit holds for writing and for the answer: each of these was unknown, and came again as often as that may be.
#[tokio::test]
async fn a_mail_that_was_not_written_whole_was_certainly_not_taken() {
    let stuck = server_that(async |stream| {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let patience = Patience { megabyte: Duration::from_millis(10), ..Patience::default() };
    let smtp = Smtp::new(&stuck.await, patience).expect("an SMTP URL");
    let error = smtp.send(&large_mail()).await.expect_err("it reads nothing");
    assert!(matches!(error, Error::Later { is_ours: false, .. }), "{error:?}");

    let leaving = server_that(async |mut stream| {
        stream.read_exact(&mut [0; 1_000]).await.expect("the beginning of the mail");
    });
    let smtp = Smtp::new(&leaving.await, Patience::default()).expect("an SMTP URL");
    let error = smtp.send(&large_mail()).await.expect_err("it closed the connection");
    assert!(matches!(error, Error::Later { is_ours: false, .. }), "{error:?}");
}

#[tokio::test]
async fn a_mail_that_is_long_on_its_way_has_all_the_time_for_its_answer() {
    let slow = server_that(async |mut stream| {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let mut mail = Vec::new();
        while !mail.ends_with(b"\r\n.\r\n") {
            stream.read_buf(&mut mail).await.expect("more of it");
        }
        stream.write_all(b"250 queued as 1\r\n").await.expect("heard");
    });
    let patience = Patience { acceptance: Duration::from_secs(1), ..Patience::default() };
    let smtp = Smtp::new(&slow.await, patience).expect("an SMTP URL");
    let answer = smtp.send(&large_mail()).await.expect("taken");
    assert!(answer.contains("queued as"), "{answer}");
}

#[tokio::test]
async fn a_server_out_of_reach_is_tried_later() {
    let mut server = SmtpServer::start(&[]);
    let smtp = smtp(&server);
    smtp.send(&usual_mail("reader@example.com")).await.expect("taken");
    server.stop();
    let error = smtp.send(&usual_mail("reader@example.com")).await.expect_err("nobody listens");
    assert!(matches!(error, Error::Later { is_ours: false, .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_the_operators_and_shows_nowhere() {
    let server = SmtpServer::start(&["--auth"]);
    let right = Smtp::new(&server.url("tidings:p%40ss%20w%C3%B6rd@", "?tls=none"), Patience::default())
        .expect("a URL");
    right.send(&usual_mail("reader@example.com")).await.expect("taken");
    let wrong =
        Smtp::new(&server.url("tidings:canary-7351@", "?tls=none"), Patience::default()).expect("a URL");
    let error = wrong.send(&usual_mail("reader@example.com")).await.expect_err("535");
    assert!(matches!(error, Error::Later { is_ours: true, .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"));
    let anonymous = smtp(&server).send(&usual_mail("reader@example.com")).await.expect_err("530");
    assert!(matches!(anonymous, Error::Later { is_ours: true, .. }), "{anonymous:?}");
}

#[tokio::test]
async fn where_tls_is_required_nothing_is_sent_without_it() {
    let server = SmtpServer::start(&["--auth"]);
    for credentials in ["", "tidings:p%40ss%20w%C3%B6rd@"] {
        let smtp = Smtp::new(&server.url(credentials, "?tls=required"), Patience::default()).expect("a URL");
        let error = smtp.send(&usual_mail("reader@example.com")).await.expect_err("the server has no TLS");
        assert!(matches!(error, Error::Later { is_ours: true, .. }), "{error:?}");
    }
    assert!(server.into_events().iter().all(|event| event["event"] == "connected"));
}
