//! What changed since the last run of a task, as it is told.

use super::*;

/// A count, as a query answers it.
fn counted(result: &str, orders: i64) -> Value {
    json!({ "result": result, "columns": [{ "name": "orders", "type": "integer" }],
            "rowCount": 1, "rows": [[orders]], "truncated": null })
}

/// An earlier thread of a task that asked for last week's orders and showed a count of them.
fn earlier(question: &str, sql: &str) -> Value {
    json!({ "threadId": "t", "askedAt": "2026-11-16T08:00:00Z", "question": question, "headline": "", "body": "",
            "results": [{ "result": "0190a000-0000-7000-8000-000000000001", "sql": sql, "rowCount": 1,
                          "columns": [{ "name": "orders", "type": "integer" }], "rows": [[412]] }] })
}

fn compared(result: &str, before: i64, after: i64) -> Value {
    let outcome = if before == after { "same" } else { "changed" };
    json!({ "result": result, "rowCount": 1, "truncated": null,
            "counts": { "changed": i32::from(before != after), "added": 0, "gone": 0, "same": i32::from(before == after) },
            "columns": [{ "name": "outcome", "type": "text" }, { "name": "orders_before", "type": "integer" },
                        { "name": "orders_after", "type": "integer" }, { "name": "orders_change", "type": "integer" },
                        { "name": "orders_pct_change", "type": "float" }],
            "rows": [[outcome, before, after, after - before, 0.1]] })
}

#[test]
fn a_task_says_what_changed_since_last_time_and_what_was_restated() {
    let question = "How many orders were there last week?";
    let extent = json!({ "result": "r2", "columns": [{ "name": "earliest", "type": "date" }, { "name": "latest", "type": "date" }],
                         "rowCount": 1, "rows": [["2024-01-01", "2026-11-21"]], "truncated": null });
    let mut talk = Talk::new(question, vec![counted("r1", 450), extent, counted("r4", 431)]);
    talk.earlier = vec![
        earlier("Another question", "SELECT 1"),
        earlier(question, "SELECT count(*) AS orders FROM orders"),
    ];
    talk.comparisons = vec![compared("r3", 412, 450), compared("r5", 412, 431)];
    let (names, answer) = talk.play();
    assert_eq!(names.iter().filter(|name| *name == "compare_results").count(), 2, "{names:?}");
    let body = answer["body"].as_str().expect("a text");
    let moved = "On Monday it was {{r3[0].orders_before|number:0}}; now it is {{r3[0].orders_after|number:0}}, \
                 {{ratio(delta(r3[0].orders_after,r3[0].orders_before),r3[0].orders_before)|percent:1}} more.";
    assert!(body.contains(moved), "{body}");
    let restated =
        "Restated since: Monday's {{r5[0].orders_before|number:0}} is now {{r5[0].orders_after|number:0}}.";
    assert!(body.contains(restated), "{body}");
}

#[test]
fn what_did_not_change_is_said_to_be_the_same() {
    let question = "How many orders are there?";
    let mut talk = Talk::new(question, vec![counted("r1", 412)]);
    // The very same query: nothing can have been restated apart from what moved.
    talk.earlier = vec![earlier(question, "SELECT count(*) AS orders\nFROM orders")];
    talk.comparisons = vec![compared("r2", 412, 412)];
    let (_, answer) = talk.play();
    let body = answer["body"].as_str().expect("a text");
    assert!(body.contains("On Monday it was the same: {{r2[0].orders_before|number:0}}."), "{body}");
    assert!(!body.contains("Restated"), "{body}");
}

#[test]
fn a_period_that_was_still_open_is_not_said_to_be_restated() {
    // Of "this Monday" it is decided on the Monday when it was asked, not on the Sunday of this run.
    for when in ["today", "this month", "this Monday"] {
        let question = format!("How many orders were there {when}?");
        let extent = json!({ "result": "r2", "columns": [{ "name": "earliest", "type": "date" }, { "name": "latest", "type": "date" }],
                             "rowCount": 1, "rows": [["2024-01-01", "2026-11-22"]], "truncated": null });
        let mut talk = Talk::new(&question, vec![counted("r1", 450), extent]);
        talk.earlier = vec![earlier(&question, "SELECT count(*) AS orders FROM orders")];
        talk.comparisons = vec![compared("r3", 412, 450)];
        let (names, answer) = talk.play();
        assert_eq!(names.iter().filter(|name| *name == "compare_results").count(), 1, "{when}: {names:?}");
        let body = answer["body"].as_str().expect("a text");
        assert!(body.contains("On Monday it was") && !body.contains("Restated"), "{when}: {body}");
    }
}

#[test]
fn values_of_two_runs_are_written_with_the_same_decimals() {
    let question = "What is the average order amount?";
    let columns = json!([{ "name": "avg_amount", "type": "float" }]);
    let today =
        json!({ "result": "r1", "columns": columns, "rowCount": 1, "rows": [[412.0]], "truncated": null });
    let mut talk = Talk::new(question, vec![today]);
    let mut before = earlier(question, "SELECT avg(amount) AS avg_amount FROM orders");
    before["results"][0]["columns"] = columns;
    talk.earlier = vec![before];
    let column = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    talk.comparisons = vec![json!({
        "result": "r2", "rowCount": 1, "truncated": null,
        "counts": { "changed": 1, "added": 0, "gone": 0, "same": 0 },
        "columns": [column("outcome", "text"), column("avg_amount_before", "float"), column("avg_amount_after", "float")],
        "rows": [["changed", 411.25, 412.0]],
    })];
    let (_, answer) = talk.play();
    let body = answer["body"].as_str().expect("a text");
    let moved = "it was {{r2[0].avg_amount_before|number:2}}; now it is {{r2[0].avg_amount_after|number:2}}";
    assert!(body.contains(moved), "{body}");
}

/// A run of a question whose result has these columns, after one that showed the same, compared with these counts and rows; the
/// body of its answer.
fn told_since(question: &str, columns: [&str; 2], counts: &Value, rows: &Value) -> String {
    let [group, measure] = columns;
    let column = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let shown = json!([column(group, "text"), column(measure, "integer")]);
    let today = json!({ "result": "r1", "columns": shown, "rowCount": 2, "rows": [["Graz", 9], ["Lyon", 8]],
                        "truncated": null });
    let mut talk = Talk::new(question, vec![today]);
    let mut before = earlier(question, "SELECT 1");
    before["results"][0]["columns"] = shown;
    talk.earlier = vec![before];
    let (then, now) = (format!("{measure}_before"), format!("{measure}_after"));
    talk.comparisons = vec![json!({
        "result": "r2", "rowCount": 2, "truncated": null, "counts": counts, "rows": rows,
        "columns": [column("outcome", "text"), column(group, "text"), column(&then, "integer"), column(&now, "integer")],
    })];
    let (_, answer) = talk.play();
    answer["body"].as_str().expect("a text").to_owned()
}

#[test]
fn values_that_came_or_went_and_rows_beyond_those_shown_are_told_of() {
    let by_status = |counts: &Value, rows: &Value| {
        told_since("How many orders by status?", ["status", "orders"], counts, rows)
    };
    let body = by_status(
        &json!({ "changed": 60, "added": 3, "gone": 1, "same": 0 }),
        &json!([["changed", "Graz", null, 9], ["changed", "Lyon", 8, null]]),
    );
    for told in [
        "- {{r2[0].status|text}}: none then, {{r2[0].orders_after|number:0}} now\n",
        "- {{r2[1].status|text}}: {{r2[1].orders_before|number:0}} then, none now\n",
        "New since then: some that are not among the rows shown.",
        "No longer there since then: some that are not among the rows shown.",
    ] {
        assert!(body.contains(told), "{told} is not in {body}");
    }
    assert!(!body.contains("was the same"), "{body}");
    let body = by_status(
        &json!({ "changed": 0, "added": 0, "gone": 0, "same": 2 }),
        &json!([["same", "Graz", 9, 9], ["same", "Lyon", 8, 8]]),
    );
    assert!(body.contains("Monday's answer was the same, as far as it reached."), "{body}");
    // What left a ranking may be there still.
    let body = told_since(
        "Which 2 statuses have the most orders?",
        ["status", "orders"],
        &json!({ "changed": 0, "added": 1, "gone": 1, "same": 1 }),
        &json!([["added", "Graz", null, 9], ["gone", "Porto", 7, null]]),
    );
    assert!(body.contains("New since then: {{r2[0].status|text}}."), "{body}");
    assert!(body.contains("No longer among them since then: {{r2[1].status|text}}."), "{body}");
}
