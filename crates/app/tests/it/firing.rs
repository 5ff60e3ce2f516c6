//! A saved task fires by itself: the binary and its PostgreSQL run under libfaketime, ten seconds before a window opens.

use crate::support::Installation;
use chrono::{DurationRound, TimeDelta, Timelike, Utc};
use serde_json::json;

fn libfaketime() -> String {
    let candidates = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    candidates
        .into_iter()
        .map(|folder| format!("{folder}/faketime/libfaketime.so.1"))
        .find(|path| std::path::Path::new(path).exists())
        .expect("libfaketime is not installed: run `make tools-test`")
}

#[test]
fn a_saved_task_fires_in_its_window_without_run_now() {
    #[expect(clippy::disallowed_methods, reason = "the faked clock is an offset from the real one")]
    let now = Utc::now();
    // Never the coming hour: it may come while the task is made.
    let next_hour = now.duration_trunc(TimeDelta::hours(1)).expect("an hour") + TimeDelta::hours(2);
    let installation = Installation::new().with("TIDINGS_SPREAD_MINUTES", "0");
    let process = installation.up();
    let client = installation.client();
    let me = client.get("/me");
    let connections = client.get("/data-connections");
    let connection = &connections["values"][0]["id"];
    let task = client.post(
        "/tasks",
        &json!({
            "title": "On the hour",
            "prompt": "How many signups were there in total?",
            "context": {"connectionIds": [connection]},
            "schedule": {"cadence": "daily", "windowStart": format!("{:02}:00", next_hour.hour()), "timezone": "UTC"},
            "notification": {"userIds": [me["id"]]},
        }),
    );
    assert_eq!(
        task["nextRunAt"],
        json!(next_hour.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        "{task:#}"
    );
    assert!(process.terminate().success());

    #[expect(clippy::disallowed_methods, reason = "the faked clock is an offset from the real one")]
    let offset = (next_hour - TimeDelta::seconds(10) - Utc::now()).num_seconds();
    let installation = installation
        .with("LD_PRELOAD", libfaketime())
        .with("FAKETIME", format!("{offset:+}s"))
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut process = installation.up();

    let finished = process.wait_for_log("a scheduled run", |entry| {
        entry["message"] == "the turn ended"
            && entry["span"]["trigger"] == "schedule"
            && entry["span"]["task_id"] == task["id"]
    });
    let run_id = finished["span"]["run_id"].as_str().expect("a run");
    let run = client.get(&format!("/runs/{run_id}"));
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(run["late"], false);
    let started: chrono::DateTime<Utc> =
        serde_json::from_value(run["startedAt"].clone()).expect("an instant");
    assert!((next_hour..next_hour + TimeDelta::seconds(30)).contains(&started), "started at {started}");
    process.wait_for_delivery(run_id);

    let occurrences = client.get(&format!("/tasks/{}/occurrences", task["id"].as_str().expect("an id")));
    let ran: Vec<_> = occurrences["values"]
        .as_array()
        .expect("occurrences")
        .iter()
        .filter(|one| !one["runId"].is_null())
        .collect();
    assert_eq!(ran.len(), 1, "one run of one occurrence: {occurrences:#}");
}
