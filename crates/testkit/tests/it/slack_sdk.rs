//! Slack's own client library drives the fake, which runs as the process that others start.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// Each check of `drive_slack.py` prints its name; the first that fails ends it with its reason.
#[test]
fn slacks_own_library_gets_along_with_the_fake() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".tools/slack/bin/python");
    assert!(python.exists(), "{} is missing: run `make tools-test`", python.display());
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("calls.jsonl");
    let mut fake = Command::new(env!("CARGO_BIN_EXE_fake-slack"))
        .arg("--log")
        .arg(&log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the fake starts");
    let mut first_line = String::new();
    BufReader::new(fake.stdout.take().expect("its output"))
        .read_line(&mut first_line)
        .expect("its first line");
    let listening: Value = serde_json::from_str(&first_line).expect("its address as JSON");
    let output = Command::new(python)
        .arg(root.join("crates/testkit/tests/drive_slack.py"))
        .arg(listening["baseUrl"].as_str().expect("an address"))
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("Python runs");
    // Killed, not asked to end: what was done is in the log all the same.
    fake.kill().expect("killed");
    fake.wait().expect("gone");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert!(said.lines().count() >= 12, "each check says that it was made:\n{said}");
    let calls = std::fs::read_to_string(&log).expect("the log");
    let posts = calls.lines().filter(|line| line.contains("\"chat.postMessage\"")).count();
    assert!(posts >= 4, "{posts} posts are in the log");
}
