//! Our blocks and signatures judged by Slack's own library, and its signatures by ours.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use chrono::DateTime;
use secrecy::SecretString;
use serde_json::{Value, json};
use slack::{
    block::{self, Align, Block, Button, Cell, Column},
    signature,
};

const JUDGE: &str = r#"
import json, sys
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier

class At:
    def __init__(self, now): self.seconds = now
    def now(self): return self.seconds

case = json.load(sys.stdin)
verdicts = []
for block in case["blocks"]:
    parsed = Block.parse(block)
    try:
        parsed.validate_json()
        verdicts.append(sorted(parsed.to_dict()) == sorted(block) or sorted(set(block) ^ set(parsed.to_dict())))
    except Exception as error:
        verdicts.append(str(error))
verifier = SignatureVerifier(case["secret"], At(case["now"]))
print(json.dumps({
    "blocks": verdicts,
    "accepted": [verifier.is_valid(s["body"], s["timestamp"], s["signature"]) for s in case["signed"]],
    "signatures": [verifier.generate_signature(timestamp=s["timestamp"], body=s["body"]) for s in case["signed"]],
}))
"#;

fn judge(case: &Value) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/slack/bin/python");
    assert!(python.exists(), "{} is missing: run `make tools-test`", python.display());
    let mut child = Command::new(python)
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    child.stdin.take().expect("its input").write_all(case.to_string().as_bytes()).expect("the case");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the judge fails");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn slacks_own_library_takes_our_blocks_and_signatures_and_we_take_its() {
    let url = "https://tidings.example/threads/1".parse().expect("an address");
    let column = Column { align: Align::Right, is_wrapped: false };
    let blocks = [
        Block::header(&"h".repeat(block::HEADER_MAX + 1)),
        Block::section("x".repeat(block::SECTION_MAX)),
        Block::image("F00000001", "A line that rises"),
        Block::Table { rows: vec![vec![Cell::new("day"), Cell::new("")]], column_settings: vec![column] },
        Block::context("as of 08:00"),
        Block::Actions {
            elements: vec![
                Button::link("Open", "open", &url),
                Button::action("Snooze", "snooze", Some("t1".to_owned())),
            ],
        },
        Block::Divider,
        // The judge can say no.
        Block::section("x".repeat(block::SECTION_MAX + 1)),
    ];
    let secret = SecretString::from("8f742231b10e8888abcd99yyyzzz85a5");
    let bodies = ["", "payload=%7B%7D", r#"{"type":"event_callback","text":"Zoë — 日本語"}"#];
    let signed = bodies.map(|body| {
        let signature = signature::sign(&secret, "1531420618", body.as_bytes());
        json!({ "body": body, "timestamp": "1531420618", "signature": signature })
    });
    let verdict = judge(&json!({
        "blocks": blocks, "signed": signed, "secret": "8f742231b10e8888abcd99yyyzzz85a5", "now": 1_531_420_700,
    }));
    let verdicts = verdict["blocks"].as_array().expect("verdicts");
    for (block, verdict) in blocks.iter().zip(verdicts).take(7) {
        assert_eq!(verdict, &json!(true), "{block:?}");
    }
    assert!(verdicts[7].as_str().is_some_and(|complaint| complaint.contains("3000")), "{}", verdicts[7]);
    assert_eq!(verdict["accepted"], json!([true, true, true]));
    let now = DateTime::from_timestamp(1_531_420_700, 0).expect("an instant");
    for (body, signature) in bodies.iter().zip(verdict["signatures"].as_array().expect("signatures")) {
        let signature = signature.as_str().expect("a signature");
        assert_eq!(signature::verify(&secret, "1531420618", signature, body.as_bytes(), now), Ok(()));
    }
}
