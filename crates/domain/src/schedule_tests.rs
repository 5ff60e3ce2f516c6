use super::*;

fn parse(json: &str) -> Result<Schedule, Invalid> {
    Schedule::parse(serde_json::from_str(json).expect("JSON of a schedule"), "schedule.")
}

fn issue_of(json: &str) -> (String, String) {
    let invalid = parse(json).expect_err("a refusal");
    (invalid.issues[0].path.clone(), invalid.issues[0].message.clone())
}

#[test]
fn a_refusal_names_its_field() {
    let cases = [
        (r#"{"cadence":"0 9 * * *","windowStart":"09:00","timezone":"UTC"}"#, "schedule.cadence"),
        (r#"{"cadence":"daily","windowStart":"09:30","timezone":"UTC"}"#, "schedule.windowStart"),
        (r#"{"cadence":"daily","windowStart":"9:00","timezone":"UTC"}"#, "schedule.windowStart"),
        (r#"{"cadence":"daily","windowStart":"24:00","timezone":"UTC"}"#, "schedule.windowStart"),
        (r#"{"cadence":"daily","windowStart":"+9:00","timezone":"UTC"}"#, "schedule.windowStart"),
        (r#"{"cadence":"daily","windowStart":"09:00","timezone":"Mars/Base"}"#, "schedule.timezone"),
        (r#"{"cadence":"weekly","weekdays":[],"windowStart":"09:00","timezone":"UTC"}"#, "schedule.weekdays"),
        (r#"{"cadence":"weekly","windowStart":"09:00","timezone":"UTC"}"#, "schedule.weekdays"),
        (
            r#"{"cadence":"weekly","weekdays":["mon","mon"],"windowStart":"09:00","timezone":"UTC"}"#,
            "schedule.weekdays[1]",
        ),
        (
            r#"{"cadence":"monthly","dayOfMonth":32,"windowStart":"09:00","timezone":"UTC"}"#,
            "schedule.dayOfMonth",
        ),
        (r#"{"cadence":"monthly","windowStart":"09:00","timezone":"UTC"}"#, "schedule.dayOfMonth"),
        (
            r#"{"cadence":"monthly","nthWeekday":{"n":5,"weekday":"fri"},"windowStart":"09:00","timezone":"UTC"}"#,
            "schedule.nthWeekday.n",
        ),
        (
            r#"{"cadence":"daily","dayOfMonth":1,"windowStart":"09:00","timezone":"UTC"}"#,
            "schedule.dayOfMonth",
        ),
    ];
    for (json, path) in cases {
        assert_eq!(issue_of(json).0, path, "{json}");
    }
}

#[test]
fn every_issue_is_told_at_once() {
    let invalid = parse(r#"{"cadence":"hourly","windowStart":"9","timezone":"x"}"#).expect_err("a refusal");
    assert_eq!(invalid.issues.len(), 3);
}

#[test]
fn a_window_in_a_gap_opens_at_its_end_and_lasts_two_hours() {
    // New York skips 02:00 to 03:00 on 8 March 2026.
    let schedule =
        parse(r#"{"cadence":"daily","windowStart":"02:00","timezone":"America/New_York"}"#).expect("valid");
    let window = schedule.window_of("2026-03-08".parse().expect("date")).expect("a window");
    assert_eq!(window.opens_at.to_rfc3339(), "2026-03-08T07:00:00+00:00");
    assert_eq!(window.closes_at - window.opens_at, WINDOW);
}

#[test]
fn a_date_that_the_zone_skipped_has_no_occurrence() {
    // Apia had no 30 December 2011.
    let schedule =
        parse(r#"{"cadence":"daily","windowStart":"09:00","timezone":"Pacific/Apia"}"#).expect("valid");
    assert_eq!(schedule.window_of("2011-12-30".parse().expect("date")), None);
}

#[test]
fn schedules_in_words() {
    let cases = [
        (r#"{"cadence":"daily","windowStart":"09:00","timezone":"UTC"}"#, "Every day, 09:00 to 11:00, UTC"),
        (
            r#"{"cadence":"weekly","weekdays":["thu","mon"],"windowStart":"23:00","timezone":"Europe/Berlin"}"#,
            "Every Monday and Thursday, 23:00 to 01:00, Europe/Berlin",
        ),
        (
            r#"{"cadence":"monthly","nthWeekday":{"n":-1,"weekday":"fri"},"windowStart":"00:00","timezone":"UTC"}"#,
            "On the last Friday of every month, 00:00 to 02:00, UTC",
        ),
    ];
    for (json, words) in cases {
        assert_eq!(parse(json).expect("valid").in_words(), words);
    }
}

#[test]
fn start_offsets_are_spread_evenly_and_stay_the_same() {
    // Ids as tasks get them that are made one a second, the random bits drawn from a fixed seed.
    let mut state = 7_u64;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(state).to_be_bytes()
    };
    let ids: Vec<TaskId> = (0..100_000)
        .map(|second| {
            let (first, rest) = (random(), random());
            let mut bits = [0; 10];
            bits[..8].copy_from_slice(&first);
            bits[8..].copy_from_slice(&rest[..2]);
            let millis = 1_700_000_000_000 + second * 1_000;
            uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid().into()
        })
        .collect();
    let mut per_minute = [0_u32; 90];
    for id in &ids {
        let offset = start_offset(*id, SPREAD);
        assert_eq!(offset, start_offset(*id, SPREAD));
        per_minute[offset.num_minutes() as usize] += 1;
    }
    let mean = 100_000.0 / 90.0;
    let busiest = f64::from(*per_minute.iter().max().expect("minutes"));
    assert!(busiest <= 1.15 * mean, "busiest minute {busiest}, mean {mean}");
    assert_eq!(start_offset(ids[0], TimeDelta::zero()), TimeDelta::zero());
}

#[test]
fn the_last_windows_are_the_first_ones_backwards() {
    for (json, until) in [
        (
            r#"{"cadence":"daily","windowStart":"00:00","timezone":"Pacific/Kiritimati"}"#,
            "2026-03-12T10:00:00Z",
        ),
        (
            r#"{"cadence":"daily","windowStart":"23:00","timezone":"Pacific/Honolulu"}"#,
            "2026-03-12T08:59:59Z",
        ),
        (
            r#"{"cadence":"monthly","dayOfMonth":31,"windowStart":"02:00","timezone":"Europe/Berlin"}"#,
            "2026-04-01T00:00:00Z",
        ),
    ] {
        let schedule = parse(json).expect("a schedule");
        let until: DateTime<Utc> = until.parse().expect("an instant");
        let mut last: Vec<Window> = schedule.windows_until(until).take(5).collect();
        last.reverse();
        // The same windows, found from before the oldest on; the next one opens later.
        let from = last[0].opens_at - TimeDelta::seconds(1);
        let found: Vec<Window> =
            schedule.windows_after(from).take_while(|window| window.opens_at <= until).collect();
        assert_eq!(last, found, "{json}");
    }
}
