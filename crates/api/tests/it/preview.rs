//! The preview of a schedule's windows equals the independent oracle's.

use serde_json::{Value, json};

use crate::harness::Api;

const VECTORS: &str = include_str!("../../../domain/tests/oracle/vectors.jsonl");

#[tokio::test]
async fn windows_equal_the_oracles() {
    let api = Api::new().await;
    let vectors: Vec<Value> =
        VECTORS.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect();
    let valid: Vec<_> = vectors.iter().filter(|vector| vector["windows"].is_array()).collect();
    for part in valid.chunks(1_000) {
        let items: Vec<_> = part
            .iter()
            .map(|vector| json!({"schedule": vector["schedule"], "after": vector["after"], "count": vector["count"]}))
            .collect();
        let answer = api.post("/schedules/preview", json!({"items": items})).await.expect(200);
        for (vector, preview) in part.iter().zip(answer["items"].as_array().expect("items")) {
            assert_eq!(preview["windows"], vector["windows"], "{vector}");
        }
    }
    let one = api
        .post("/schedules/preview", json!({"schedule": valid[0]["schedule"], "after": valid[0]["after"]}))
        .await;
    assert_eq!(one.expect(200)["windows"].as_array().expect("windows").len(), 5);
}

#[tokio::test]
async fn a_wrong_schedule_names_its_field() {
    let api = Api::new().await;
    let daily = json!({"cadence": "daily", "windowStart": "09:00", "timezone": "UTC"});
    for (change, path) in [
        (json!({"windowStart": "09:30"}), "schedule.windowStart"),
        (json!({"windowStart": 9}), "schedule.windowStart"),
        (json!({"timezone": "Mars/Olympus"}), "schedule.timezone"),
        (json!({"cadence": "0 9 * * *"}), "schedule.cadence"),
        (json!({"cadence": "weekly", "weekdays": []}), "schedule.weekdays"),
        (json!({"cadence": "monthly", "dayOfMonth": 32}), "schedule.dayOfMonth"),
        (json!({"cadence": "monthly", "dayOfMonth": 1e30}), "schedule.dayOfMonth"),
        (json!({"cadence": "monthly", "nthWeekday": {"n": 5, "weekday": "fri"}}), "schedule.nthWeekday.n"),
        (json!({"cron": "* * * * *"}), "schedule.cron"),
    ] {
        let mut schedule = daily.clone();
        schedule.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let answer = api.post("/schedules/preview", json!({"schedule": schedule})).await;
        assert_eq!(answer.issues(), [path], "{schedule}");
        let many = api
            .post("/schedules/preview", json!({"items": [{"schedule": daily}, {"schedule": schedule}]}))
            .await;
        assert_eq!(many.issues(), [format!("items[1].{path}")], "{schedule}");
    }
    for (body, path) in [
        (json!({}), "schedule"),
        (json!({"schedule": daily, "count": 51}), "count"),
        (json!({"schedule": daily, "count": 0}), "count"),
        (json!({"schedule": daily, "after": "yesterday"}), "after"),
        (json!({"schedule": daily, "after": "+262000-01-01T00:00:00Z"}), "after"),
        (json!({"schedule": daily, "extra": 1}), "extra"),
        (json!({"items": vec![json!({"schedule": daily}); 1_001]}), "items"),
    ] {
        assert_eq!(api.post("/schedules/preview", body.clone()).await.issues(), [path], "{body}");
    }
}
