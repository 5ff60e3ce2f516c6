//! The command line, as operators and programs use it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::support::Installation;
use serde_json::{Value, json};

fn preview(input: &str) -> std::process::Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .args(["schedule", "preview"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("standard input");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    // A refused line ends the command before all of the input is read.
    let _ = writer.join();
    output
}

#[test]
fn schedule_preview_equals_the_oracle() {
    let vectors = include_str!("../../../domain/tests/oracle/vectors.jsonl");
    let output = preview(vectors);
    assert!(output.status.success());
    let ours = String::from_utf8(output.stdout).expect("UTF-8");
    let mut compared = 0;
    for (expected, ours) in vectors.lines().zip(ours.lines()) {
        let expected: Value = serde_json::from_str(expected).expect("JSON");
        let ours: Value = serde_json::from_str(ours).expect("JSON");
        assert_eq!(ours, json!({"windows": expected["windows"]}));
        compared += 1;
    }
    assert_eq!(compared, 3002);
}

#[test]
fn schedule_preview_names_the_line_and_the_field() {
    let output =
        preview("{\"schedule\":{\"cadence\":\"daily\",\"windowStart\":\"09:30\",\"timezone\":\"UTC\"}}\n");
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(error.contains("line 1") && error.contains("schedule.windowStart"), "{error}");
}

#[test]
fn a_second_start_on_a_taken_port_says_so_and_data_survives_a_restart() {
    let installation = Installation::new();
    let process = installation.up();
    let second = installation.command(["up"]).output().expect("the binary runs");
    assert!(!second.status.success());
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains("is taken"), "{error}");

    let client = installation.client();
    let tasks = client.get("/tasks");
    assert_eq!(tasks["values"].as_array().expect("tasks").len(), 3, "three ready tasks: {tasks:#}");
    assert!(process.terminate().success());

    let _process = installation.up();
    assert_eq!(client.get("/tasks")["values"].as_array().expect("tasks").len(), 3, "seeded once");
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let installation = Installation::new();
    let checks: Value = serde_json::from_str(&installation.output(&["doctor", "--json"])).expect("JSON");
    assert!(checks.as_array().expect("checks").iter().all(|check| check["ok"] == true), "{checks:#}");

    let broken = Installation::new().with("TIDINGS_SMTP_URL", "smtp://127.0.0.1:1");
    let output = broken.command(["doctor"]).output().expect("the binary runs");
    assert!(!output.status.success());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("FAIL mail"), "{text}");

    // The port that mail is sent to: with a password the connection is encrypted by STARTTLS.
    let broken = Installation::new().with("TIDINGS_SMTP_URL", "smtp://tidings:secret@127.0.0.1");
    let output = broken.command(["doctor"]).output().expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("127.0.0.1:587 does not answer") && !text.contains("secret"), "{text}");
}

#[test]
fn credits_are_granted_beside_a_running_server() {
    let installation = Installation::new();
    let _process = installation.up();
    let show = || -> Value {
        serde_json::from_str(&installation.output(&["credits", "show", "--json"])).expect("JSON")
    };
    assert_eq!(show()["unlimited"], true, "the demo workspace works as it did");
    let text = installation.output(&["credits", "grant", "--amount", "2.5", "--note", "a try"]);
    assert!(text.starts_with("2.5 of 2.5 granted credits are left"), "{text}");
    installation.output(&["credits", "grant", "--workspace", "lumen-desk", "--amount", "-0.000001"]);
    let told = installation.client().get("/credits");
    assert_eq!(told, show());
    assert_eq!(told["balance"], json!(2.499_999), "{told:#}");
    for amount in ["0", "much", "1.2345678"] {
        let refused = installation.command(["credits", "grant", "--amount", amount]).output();
        assert!(!refused.expect("the binary runs").status.success(), "{amount}");
    }
}

#[test]
fn a_user_and_a_token_are_made_beside_a_running_server() {
    let installation = Installation::new();
    let _process = installation.up();
    let made: Value = serde_json::from_str(&installation.output(&[
        "user",
        "create",
        "--email",
        "Ada@Lumen-Desk.example",
        "--name",
        "Ada",
        "--role",
        "editor",
        "--json",
    ]))
    .expect("JSON");
    assert_eq!(made["email"], "ada@lumen-desk.example");
    let token = installation.output(&["token", "create", "--user", "ada@lumen-desk.example", "--name", "ci"]);
    assert!(token.starts_with("tdgp_") && token.len() >= 48, "{token}");
    let again =
        installation.command(["token", "create", "--user", "nobody@example.com", "--name", "x"]).output();
    assert!(!again.expect("the binary runs").status.success());
}
