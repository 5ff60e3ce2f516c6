//! Every case of the independent oracle (`tests/oracle/README.md`) must agree.

use chrono::{DateTime, Utc};
use domain::schedule::{Schedule, ScheduleSpec, Window};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    schedule: ScheduleSpec,
    after: DateTime<Utc>,
    windows: Vec<Window>,
}

#[test]
fn windows_equal_the_oracle() {
    let cases = include_str!("oracle/vectors.jsonl").lines();
    let mut checked = 0;
    for (number, line) in cases.enumerate() {
        let case: Case = serde_json::from_str(line).expect("a case of the oracle");
        let schedule = Schedule::parse(case.schedule, "schedule.").expect("a valid schedule");
        let windows: Vec<_> = schedule.windows_after(case.after).take(case.windows.len()).collect();
        assert_eq!(windows, case.windows, "line {}: {line}", number + 1);
        checked += 1;
    }
    assert_eq!(checked, 3002);
}
