//! What messages look like in Slack, as golden files that Slack's own library finds valid.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use notifier::{
    message::Message,
    slack::layout::{Buttons, Form, Part, parts, plain_text},
};
use serde_json::{Value, json};

use crate::{
    render::check_golden,
    support::{hostile_report, project_root, usual_report},
};

fn shown(parts: &[Part]) -> Value {
    json!(parts.iter().map(|part| json!({ "text": part.text, "blocks": part.blocks })).collect::<Vec<_>>())
}

fn rendered(message: &Message, form: Form) -> Vec<Part> {
    let delivery_id = "019aa1b2-0000-7000-8000-000000000009".parse().expect("an id");
    let buttons = Buttons { delivery_id, has_snooze: true, has_unsubscribe: true };
    let files: Vec<_> = (1..=message.pictures.len()).map(|number| Some(format!("F000{number}"))).collect();
    parts(message, form, buttons, &files)
}

/// Asks Slack's own library whether it would take the blocks.
fn check_with_slacks_library(messages: &Value) {
    let python = project_root().join(".tools/slack/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slack_blocks.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect(".tools/slack is missing: run `make tools-test`");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(messages.to_string().as_bytes()).expect("the blocks are read");
    drop(input);
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

fn check(name: &str, parts: &[Part]) {
    let shown = shown(parts);
    let text = serde_json::to_string_pretty(&shown).expect("JSON");
    check_golden(&format!("{name}.slack.json"), &format!("{text}\n"));
    check_with_slacks_library(&shown);
}

#[test]
fn a_usual_message() {
    check("usual", &rendered(&Message::full(usual_report()), Form::Message));
}

#[test]
fn a_reply() {
    check("reply", &rendered(&Message::full(usual_report()), Form::Reply));
}

#[test]
fn a_link_only_message() {
    check("link_only", &rendered(&Message::link_only(usual_report()), Form::Message));
}

#[test]
fn a_message_of_stale_data_with_every_kind_of_text() {
    let mut report = usual_report();
    report.answer.stale =
        Some("Data as of Fri 20 Nov 2026, older than the 24 hours allowed for Flights.".into());
    report.answer.body = "# Heading\n\nText with *emphasis*, **weight**, ~~error~~ and `code {{f2}}`.  \nA new line.\n\n\
        1. First\n   - inner {{f1}}\n   - inner\n2. Second\n\n   With a paragraph.\n\n> Quoted\n>\n> > Twice\n\n---\n\n\
        | airline | flights |\n|---|--:|\n| United | {{f2}} |\n| *JetBlue* | {{f5}} |\n\n```\nselect 1\n  from t\n```\n"
        .into();
    check("every_kind", &rendered(&Message::full(report), Form::Message));
}

#[test]
fn nothing_from_data_calls_links_or_formats() {
    let mut report = hostile_report();
    report.answer.body.push_str(
        "\n\n<!channel> <!here|x> <@U0123> <#C0123> <https://evil.example|click> @everyone *bold* :tada:",
    );
    let message = Message::full(report);
    let parts = rendered(&message, Form::Message);
    check_with_slacks_library(&shown(&parts));
    for part in parts.iter().chain([&plain_text(&message)]) {
        let shown = json!({ "text": part.text, "blocks": part.blocks });
        let mut texts = Vec::new();
        collect_mrkdwn(&shown, &mut texts);
        texts.push(part.text.clone());
        for text in texts {
            // What opens a control sequence of Slack's is ours alone, and leads to Tidings.
            let sequences: Vec<&str> = text.split('<').skip(1).collect();
            assert!(sequences.iter().all(|rest| rest.starts_with("https://tidings.example.com/")), "{text}");
            assert!(!text.contains("https://evil.example") && !text.contains(":tada:"), "{text}");
        }
    }
}

fn collect_mrkdwn(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if fields.get("type") == Some(&json!("mrkdwn")) {
                texts.extend(fields["text"].as_str().map(str::to_owned));
            }
            fields.values().for_each(|value| collect_mrkdwn(value, texts));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_mrkdwn(value, texts)),
        _ => {}
    }
}
