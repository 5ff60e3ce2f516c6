//! The fake Slack as a process of its own, for the browser's walk and for anyone who wants to look at Tidings with a Slack:
//! `fake-slack [--port N] [--log FILE] [--speed N]`. Prints its address as JSON in one line, takes orders as JSON on
//! `POST /control`, and ends when its input is closed.

use std::{io::Read as _, path::PathBuf};

use serde_json::json;
use testkit::slack::{FakeSlack, Options};

fn main() {
    let options = read_options(std::env::args().skip(1));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let slack = runtime.block_on(FakeSlack::start_with(options));
    let app = slack.app();
    let listening = json!({
        "baseUrl": slack.base_url().as_str(),
        "clientId": app.client_id,
        "clientSecret": app.client_secret,
        "signingSecret": app.signing_secret,
    });
    println!("{listening}");
    // Whoever started it may be killed: its end closes our input.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn read_options(mut arguments: impl Iterator<Item = String>) -> Options {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--port" => options.port = value.parse().expect("a port"),
            "--log" => options.log = Some(PathBuf::from(value)),
            "--speed" => options.speed = value.parse().expect("how many times faster"),
            _ => panic!("unknown option {name}: --port, --log, --speed"),
        }
    }
    options
}
