//! A question's whole journey through the real binary, over the API alone: real files, a real PostgreSQL beside Tidings' own,
//! stored mail.

use crate::support::{Client, Installation, Process, flights::FlightsServer};
use serde_json::{Value, json};

fn flights_folder() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/nycflights13");
    std::fs::canonicalize(folder).expect("the flights").to_str().expect("UTF-8").to_owned()
}

fn task_on(connection: &Value, me: &Value) -> Value {
    let (id, name) =
        (connection["id"].as_str().expect("an id"), connection["name"].as_str().expect("a name"));
    json!({
        "title": "Busiest airlines",
        "prompt": format!("Which 5 airlines had the most flights? @[{name}](connection:{id})"),
        "schedule": {"cadence": "daily", "windowStart": "09:00", "timezone": "America/New_York"},
        "notification": {"userIds": [me["id"]]},
    })
}

/// Runs a task now and answers the finished run.
fn run_now(client: &Client, process: &mut Process, task: &Value) -> Value {
    let started = client.post(&format!("/tasks/{}/run", task["id"].as_str().expect("an id")), &json!({}));
    let run_id = started["runId"].as_str().expect("a run id");
    process.wait_for_run(run_id);
    process.wait_for_delivery(run_id);
    client.get(&format!("/runs/{run_id}"))
}

/// The answer of a run's thread must name the busiest airline first, each figure linked to its cell.
fn assert_busiest_airlines(client: &Client, run: &Value) {
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let thread_id = run["threadId"].as_str().expect("a thread");
    let page = client.get(&format!("/threads/{thread_id}/steps"));
    let answer = &page["turns"][0]["answer"];
    let figures = answer["figures"].as_array().expect("figures");
    let flights =
        figures.iter().find(|figure| figure["text"] == "58,665").unwrap_or_else(|| panic!("{answer:#}"));
    let cell = &flights["cells"][0];
    assert_eq!(cell["row"], 0);
    assert_eq!(cell["value"], 58_665);
    assert!(figures.iter().all(|figure| figure["checked"] == true), "{answer:#}");

    let result_id = cell["resultId"].as_str().expect("a result");
    let result = client.get(&format!("/threads/{thread_id}/results/{result_id}"));
    assert_eq!(result["rows"].as_array().expect("rows").len(), 5);
    let column = cell["column"].as_str().expect("a column");
    let columns = result["columns"].as_array().expect("columns");
    let index = columns.iter().position(|found| found["name"] == column).expect("the column");
    assert_eq!(result["rows"][0][index], 58_665);
    let has_airline =
        result["rows"][0].as_array().expect("a row").iter().any(|cell| cell == "United Air Lines Inc.");
    assert!(has_airline, "{result:#}");

    let chart_id = answer["charts"][0]["id"].as_str().expect("a chart");
    let png = client.bytes(&format!("/threads/{thread_id}/charts/{chart_id}.png"));
    assert!(png.starts_with(b"\x89PNG"), "a picture");
}

/// The mail of a run, as it lies in the Outbox: its source, unfolded.
fn mail_of(client: &Client, run: &Value) -> String {
    let outbox = client.get("/outbox");
    let mails: Vec<_> = outbox["values"]
        .as_array()
        .expect("mails")
        .iter()
        .filter(|mail| mail["runId"] == run["id"])
        .collect();
    assert_eq!(mails.len(), 1, "one mail of the run: {outbox:#}");
    let source = client.bytes(&format!("/outbox/{}/source", mails[0]["id"].as_str().expect("an id")));
    String::from_utf8_lossy(&source).into_owned()
}

#[test]
fn a_question_over_files_is_answered_with_a_chart_and_mailed() {
    let installation = Installation::new().with("TIDINGS_FILES_ALLOWED", flights_folder());
    let mut process = installation.up();
    let client = installation.client();
    let me = client.get("/me");
    let connection = client.post(
        "/data-connections",
        &json!({"name": "Flights", "type": "files", "connectionDetails": {"files": {"path": flights_folder()}}}),
    );
    let task = client.post("/tasks", &task_on(&connection, &me));
    assert_eq!(task["status"], "active");
    let run = run_now(&client, &mut process, &task);
    assert_busiest_airlines(&client, &run);

    let mail = mail_of(&client, &run);
    for part in
        ["Message-ID: <", "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "image/png", "Content-ID: <"]
    {
        assert!(mail.contains(part), "{part} in\n{mail}");
    }
    assert!(process.terminate().success());
}

#[test]
fn the_same_question_over_postgres_has_the_same_answer() {
    let flights = FlightsServer::start(&flights_folder());
    let installation = Installation::new();
    let mut process = installation.up();
    let client = installation.client();
    let me = client.get("/me");
    let connection = client.post(
        "/data-connections",
        &json!({"name": "Flights in PostgreSQL", "type": "postgres", "connectionDetails": {"postgres": {
            "hostname": "127.0.0.1", "port": flights.port, "database": "flights", "username": "reader", "password": "reader-secret",
        }}}),
    );
    assert!(!connection.to_string().contains("reader-secret"), "a password is write-only: {connection}");
    let task = client.post("/tasks", &task_on(&connection, &me));
    let run = run_now(&client, &mut process, &task);
    assert_busiest_airlines(&client, &run);
    mail_of(&client, &run);
}

#[test]
fn killed_in_the_middle_of_a_run_it_goes_on_and_mails_once() {
    let installation = Installation::new()
        .with("TIDINGS_FILES_ALLOWED", flights_folder())
        .with("TIDINGS_LOG", "info,agent=debug");
    let mut process = installation.up();
    let client = installation.client();
    let me = client.get("/me");
    let connection = client.post(
        "/data-connections",
        &json!({"name": "Flights", "type": "files", "connectionDetails": {"files": {"path": flights_folder()}}}),
    );
    let task = client.post("/tasks", &task_on(&connection, &me));
    let started = client.post(&format!("/tasks/{}/run", task["id"].as_str().expect("an id")), &json!({}));
    let run_id = started["runId"].as_str().expect("a run id").to_owned();
    // The second step is a tool's result: the answer is still to come.
    process.wait_for_log("a step", |entry| {
        entry["message"] == "step recorded"
            && entry["span"]["run_id"] == *run_id
            && entry["seq"].as_u64() >= Some(2)
    });
    process.kill();

    let mut process = installation.up();
    let (_, half_way) = client.send("GET", &format!("/runs/{run_id}"), None);
    assert_ne!(half_way["status"], "succeeded", "it was killed in the middle");
    // The dead process's lease has to run out first: a minute.
    assert_eq!(process.wait_for_run(&run_id), "answered");
    process.wait_for_delivery(&run_id);
    let run = client.get(&format!("/runs/{run_id}"));
    assert_busiest_airlines(&client, &run);
    mail_of(&client, &run);

    let page = client.get(&format!("/threads/{}/steps", run["threadId"].as_str().expect("a thread")));
    let steps = page["steps"].as_array().expect("steps");
    let seqs: Vec<_> = steps.iter().map(|step| step["seq"].as_u64().expect("a number")).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    let mut calls: Vec<_> = steps.iter().filter_map(|step| step["body"]["callId"].as_str()).collect();
    let finished = calls.len();
    calls.sort_unstable();
    calls.dedup();
    assert_eq!(calls.len(), finished, "no tool call that had finished was run again");
}
