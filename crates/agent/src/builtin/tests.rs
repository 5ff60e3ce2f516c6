//! Questions to SQL over a small shop and a clinic, without a database: what is read, for both dialects.

use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::step::ToolCall;
use serde_json::{Value, json};

use super::{
    catalog::{Catalog, Dialect, TableInfo},
    clarify, links,
    mention::Scores,
    probe,
    reader::{Question, Reading},
    sql, turn, understand,
};
use crate::model::{ContextConnection, Message, ModelReply, ToolSpec, TurnContext};

fn column(name: &str, kind: &str, distinct: u32, samples: &Value) -> Value {
    json!({ "name": name, "type": kind, "nativeType": kind, "nullable": false, "primaryKey": false,
            "distinctEstimate": distinct, "samples": samples })
}

fn shop() -> Vec<Value> {
    vec![
        json!({ "table": "customers", "rowEstimate": 500, "columns": [
            column("customer_id", "integer", 500, &json!([1, 2, 3])),
            column("name", "text", 500, &json!(["Ada Byron", "Carl Gauss"])),
            column("city", "text", 30, &json!(["Graz", "Lyon", "Porto"])),
            column("is_active", "boolean", 2, &json!([true, false])),
            column("signed_up_on", "date", 300, &json!(["2025-01-03"])),
        ]}),
        json!({ "table": "\"Order Items\"", "rowEstimate": 9000, "columns": [
            column("order_id", "integer", 4000, &json!([1, 2])),
            column("product_id", "integer", 40, &json!([1, 2])),
            column("qty", "integer", 9, &json!([1, 2])),
        ]}),
        json!({ "table": "orders", "rowEstimate": 4000, "columns": [
            column("order_id", "integer", 4000, &json!([1, 2])),
            column("customer_id", "integer", 480, &json!([1, 2])),
            column("ordered_at", "timestamp_tz", 3990, &json!(["2025-01-03T10:00:00Z"])),
            column("status", "text", 3, &json!(["paid", "refunded", "open"])),
            column("amount", "decimal", 900, &json!(["10.50"])),
        ]}),
        json!({ "table": "products", "rowEstimate": 40, "columns": [
            column("product_id", "integer", 40, &json!([1, 2])),
            column("title", "text", 40, &json!(["Teapot", "Kettle"])),
            column("category", "text", 4, &json!(["Kitchen", "Garden"])),
            column("unit_price", "float", 25, &json!([9.5])),
        ]}),
    ]
}

fn clinic() -> Vec<Value> {
    vec![
        json!({ "table": "patients", "rowEstimate": 900, "columns": [
            column("patient_no", "integer", 900, &json!([1, 2])),
            column("sex", "text", 2, &json!(["female", "male"])),
            column("birth_year", "integer", 80, &json!([1950])),
            column("blood_pressure", "float", 300, &json!([120.5])),
            column("dept", "text", 6, &json!(["Cardiology", "Surgery"])),
        ]}),
        json!({ "table": "visits", "rowEstimate": 5000, "columns": [
            column("visit_no", "integer", 5000, &json!([1, 2])),
            column("patient_no", "integer", 880, &json!([1, 2])),
            column("doctor", "text", 12, &json!(["Dr House", "Dr Grey"])),
            column("visited_on", "date", 700, &json!(["2025-02-03"])),
            column("length_minutes", "integer", 90, &json!([15])),
        ]}),
    ]
}

fn catalog(tables: &[Value], dialect: Dialect) -> Catalog {
    let tables = tables.iter().map(|table| TableInfo::read(table).expect("a table")).collect();
    Catalog { connection_id: "c".into(), dialect, tables }
}

fn read(catalog: &Catalog, text: &str) -> Option<Reading> {
    let today = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day");
    let question = Question::new(text, today);
    let scores = Scores::new(catalog, &question.tokens, &|at| question.may_name(at));
    let values = probe::sampled_values(catalog, &probe::spans(&question, &scores, catalog));
    let (links, _) = links::find(catalog, &Vec::new());
    understand::understand(catalog, &question, &links, &values)
}

fn sql_of(catalog: &Catalog, text: &str) -> String {
    let Some(reading) = read(catalog, text) else { return "nothing".into() };
    if let Some(word) = reading.unknown {
        return format!("unknown: {word}");
    }
    let statement = sql::statements(catalog, &reading.plan, Tz::Europe__Vienna).swap_remove(0);
    statement.sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_shop_is_read() {
    let catalog = catalog(&shop(), Dialect::DuckDb);
    for (question, expected) in [
        ("How many orders are there?", "SELECT count(*) AS orders FROM orders"),
        (
            "How many active customers do we have?",
            "SELECT count(*) AS customers FROM customers WHERE is_active",
        ),
        (
            "How many refunded orders are there?",
            "SELECT count(*) AS orders FROM orders WHERE status = 'refunded'",
        ),
        ("What is the average order amount?", "SELECT avg(amount) AS avg_amount FROM orders"),
        (
            "Top 3 cities by revenue",
            "SELECT customers.city AS city, sum(orders.amount) AS total_amount FROM orders JOIN customers ON \
             customers.customer_id = orders.customer_id GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 3",
        ),
        (
            "Which customer placed the most orders?",
            "SELECT customers.name AS customer, count(*) AS orders FROM orders JOIN customers ON customers.customer_id = \
             orders.customer_id GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 1",
        ),
        (
            "total quantity by category",
            "SELECT products.category AS category, sum(order_items.qty) AS total_qty FROM \"Order Items\" AS order_items JOIN \
             products ON products.product_id = order_items.product_id GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1",
        ),
        (
            "What is the most expensive product?",
            "SELECT title, unit_price FROM products ORDER BY unit_price DESC NULLS LAST, 1 LIMIT 1",
        ),
        (
            "How many customers have no orders?",
            "SELECT count(*) AS customers FROM customers WHERE NOT EXISTS (SELECT 1 FROM orders AS related WHERE \
             related.customer_id = customers.customer_id)",
        ),
        (
            "How many customers have at least 5 orders?",
            "SELECT count(*) AS customers FROM ( SELECT customer_id, count(*) AS orders FROM orders GROUP BY 1 HAVING \
             count(*) >= 5 ) AS found",
        ),
        (
            "What share of orders was refunded?",
            "SELECT avg(CASE WHEN status = 'refunded' THEN 1.0 ELSE 0.0 END) AS share, count(*) FILTER (WHERE status = \
             'refunded') AS matching_orders, count(*) AS orders FROM orders",
        ),
        (
            "share of orders by status",
            "SELECT status, count(*) AS orders, 1.0 * count(*) / nullif(sum(count(*)) OVER (), 0) AS share FROM orders GROUP \
             BY 1 ORDER BY 2 DESC NULLS LAST, 1",
        ),
        (
            "customers in Graz or Lyon",
            "SELECT count(*) AS customers FROM customers WHERE city IN ('Graz', 'Lyon')",
        ),
        (
            "average number of orders per customer",
            "SELECT avg(piece) AS avg_orders_per_customer FROM ( SELECT customer_id, count(*) AS piece FROM orders GROUP BY 1 \
             ) AS pieces",
        ),
        ("How many purple customers are there?", "unknown: purple"),
        ("Why is the sky blue?", "nothing"),
        ("", "nothing"),
    ] {
        assert_eq!(sql_of(&catalog, question), expected, "{question}");
    }
}

#[test]
fn a_clinic_is_read() {
    let catalog = catalog(&clinic(), Dialect::Postgres);
    for (question, expected) in [
        (
            "How many patients are there in each department?",
            "SELECT dept, count(*) AS patients FROM patients GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1",
        ),
        (
            "median blood pressure of female patients by department",
            "SELECT dept, percentile_cont(0.5) WITHIN GROUP (ORDER BY blood_pressure) AS median_blood_pressure FROM patients \
             WHERE sex = 'female' GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1",
        ),
        (
            "Which doctors have an average visit length above 30 minutes?",
            "SELECT doctor, avg(length_minutes) AS avg_length_minutes FROM visits GROUP BY 1 HAVING avg(length_minutes) > 30 \
             ORDER BY 2 DESC NULLS LAST, 1",
        ),
        (
            "How many visits did Dr House have in March 2025?",
            "SELECT count(*) AS visits FROM visits WHERE doctor = 'Dr House' AND (visited_on >= DATE '2025-03-01' AND \
             visited_on < DATE '2025-04-01')",
        ),
        (
            "Number of visits per month since 2025",
            "SELECT CAST(date_trunc('month', visited_on) AS date) AS month, count(*) AS visits FROM visits WHERE (visited_on \
             >= DATE '2025-01-01') GROUP BY 1 ORDER BY 1",
        ),
        (
            "visits by weekday",
            "SELECT CAST(EXTRACT(isodow FROM visited_on) AS integer) AS weekday_number, to_char(visited_on, 'FMDay') AS \
             weekday, count(*) AS visits FROM visits GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        (
            "Who is the oldest patient?",
            "SELECT patient_no, birth_year FROM patients ORDER BY birth_year ASC NULLS LAST, 1 LIMIT 1",
        ),
        (
            "How many visits were longer than 45 minutes?",
            "SELECT count(*) AS visits FROM visits WHERE length_minutes > 45",
        ),
        (
            "Compare the number of visits of Dr House and Dr Grey",
            "SELECT doctor, count(*) AS visits FROM visits WHERE doctor IN ('Dr House', 'Dr Grey') GROUP BY 1 ORDER BY 2 DESC \
             NULLS LAST, 1",
        ),
    ] {
        assert_eq!(sql_of(&catalog, question), expected, "{question}");
    }
}

#[test]
fn dialects_differ_where_they_must() {
    let question = "visits by weekday";
    assert!(
        sql_of(&catalog(&clinic(), Dialect::Postgres), question).contains("to_char(visited_on, 'FMDay')")
    );
    assert!(sql_of(&catalog(&clinic(), Dialect::DuckDb), question).contains("dayname(visited_on)"));
}

#[test]
fn days_are_those_of_the_turns_zone() {
    let catalog = catalog(&shop(), Dialect::Postgres);
    assert_eq!(
        sql_of(&catalog, "revenue per day last week"),
        "SELECT CAST((ordered_at AT TIME ZONE 'Europe/Vienna') AS date) AS day, sum(amount) AS total_amount FROM orders WHERE \
         (ordered_at >= TIMESTAMPTZ '2026-11-08 23:00:00+00' AND ordered_at < TIMESTAMPTZ '2026-11-15 23:00:00+00') GROUP BY \
         1 ORDER BY 1"
    );
}

#[test]
fn what_was_guessed_is_said() {
    let catalog = catalog(&clinic(), Dialect::DuckDb);
    let reading = read(&catalog, "blood pressure by department").expect("a reading");
    assert!(
        reading.assumptions.iter().any(|said| said.contains("took its average")),
        "{:?}",
        reading.assumptions
    );
}

/// A turn's messages so far, answered from the shop: results of queries are given.
struct Talk {
    messages: Vec<Message>,
    results: Vec<Value>,
    /// What `previous_threads` tells of.
    earlier: Vec<Value>,
    /// What `compare_results` answers, one after the other.
    comparisons: Vec<Value>,
    /// The tables of its connection.
    tables: Vec<Value>,
}

impl Talk {
    fn new(question: &str, results: Vec<Value>) -> Self {
        let now = "2026-11-22T08:00:00Z".parse().expect("an instant");
        let connection = ContextConnection {
            id: domain::ConnectionId::new(now),
            name: "Shop".into(),
            engine: "files".into(),
            dialect: "duckdb".into(),
            is_named: true,
        };
        let context = TurnContext {
            now,
            timezone: "UTC".into(),
            is_task: true,
            condition: None,
            connections: vec![connection],
        };
        let messages = vec![Message::Context(context), Message::User { text: question.into() }];
        Self { messages, results, earlier: vec![], comparisons: vec![], tables: shop() }
    }

    fn reply(&self) -> ModelReply {
        turn::reply(&self.messages, &[])
    }

    /// Runs tools until the analyst answers; the names of the tools and the arguments of the answer.
    fn play(&mut self) -> (Vec<String>, Value) {
        let mut names = Vec::new();
        for _ in 0..12 {
            let reply = self.reply();
            assert_eq!(reply, self.reply(), "the same conversation gets the same reply");
            let calls = reply.tool_calls.clone();
            self.messages.push(Message::Assistant { text: reply.text, tool_calls: reply.tool_calls });
            for call in calls {
                names.push(call.name.clone());
                if call.name == "answer" {
                    return (names, call.arguments);
                }
                let output = self.output(&call.name, &call.arguments);
                self.messages.push(Message::Tool { call_id: call.id, name: call.name, output });
            }
        }
        panic!("no answer after {names:?}")
    }

    fn output(&mut self, tool: &str, arguments: &Value) -> Value {
        let Message::Context(context) = &self.messages[0] else { panic!("a context") };
        let id = context.connections[0].id;
        match tool {
            "search_catalog" => {
                let tables: Vec<Value> = self
                    .tables
                    .iter()
                    .map(|table| {
                        let columns = table["columns"].as_array().expect("columns");
                        let names: Vec<&Value> = columns.iter().map(|column| &column["name"]).collect();
                        json!({ "connectionId": id, "connection": "Shop", "dialect": "duckdb",
                                "table": table["table"], "columns": names })
                    })
                    .collect();
                json!({ "tables": tables, "pastAnswers": [] })
            }
            "describe_table" => {
                let described = self.tables.iter().find(|table| table["table"] == arguments["table"]);
                described.expect("a table").clone()
            }
            "run_sql" => self.results.remove(0),
            "create_chart" => json!({ "chart": "c1", "alt": "bars" }),
            "previous_threads" => json!({ "threads": self.earlier }),
            "compare_results" => self.comparisons.remove(0),
            other => panic!("{other}"),
        }
    }
}

fn by_status(result: &str) -> Value {
    json!({ "result": result, "columns": [{ "name": "status", "type": "text" }, { "name": "orders", "type": "integer" }],
            "rowCount": 3, "rows": [["paid", 3000], ["open", 800], ["refunded", 200]], "truncated": null })
}

#[test]
fn a_turn_searches_describes_queries_draws_and_answers() {
    let mut talk = Talk::new("How many orders by status, from Shop?", vec![by_status("r1")]);
    let (names, answer) = talk.play();
    let steps: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(
        steps,
        [
            "search_catalog",
            "describe_table",
            "describe_table",
            "describe_table",
            "describe_table",
            "run_sql",
            "previous_threads",
            "create_chart",
            "answer"
        ]
    );
    assert_eq!(
        answer["headline"],
        "{{r1[0].status|text}} had the most orders, of {{count(r1)|number:0}} statuses: {{r1[0].orders|number:0}}."
    );
    assert_eq!((&answer["results"], &answer["charts"]), (&json!(["r1"]), &json!(["c1"])));
}

#[test]
fn a_condition_gets_its_result_and_column_named() {
    for (condition, check) in [
        (
            json!({"kind": "threshold", "comparison": "below", "value": 3}),
            json!({"result": "r1", "column": "orders"}),
        ),
        (json!({"kind": "anomaly", "column": "orders"}), json!({"result": "r1", "column": "orders"})),
        (json!({"kind": "changed"}), json!({"result": "r1", "column": null})),
        // What is not there is not named: the loop's rule decides, and says so.
        (json!({"kind": "anomaly", "column": "revenue"}), Value::Null),
    ] {
        let mut talk = Talk::new("How many orders by status?", vec![by_status("r1")]);
        let Message::Context(context) = &mut talk.messages[0] else { panic!("a context") };
        context.condition = serde_json::from_value(condition.clone()).ok();
        let (_, answer) = talk.play();
        assert_eq!(answer["check"], check, "{condition}");
    }
    let (_, answer) = Talk::new("How many orders by status?", vec![by_status("r1")]).play();
    assert_eq!(answer.get("check"), None, "without a condition there is nothing to check");
}

#[test]
fn an_answer_that_is_sent_back_is_said_more_plainly() {
    let mut talk = Talk::new("How many orders by status?", vec![by_status("r1")]);
    let (_, first) = talk.play();
    assert_ne!(first["body"], "");
    let output = json!({ "error": { "code": "figures", "message": "no", "hint": "mend" } });
    let Some(Message::Assistant { tool_calls, .. }) = talk.messages.last() else { panic!("an answer") };
    let call_id = tool_calls[0].id.clone();
    talk.messages.push(Message::Tool { call_id, name: "answer".into(), output });
    let (_, second) = talk.play();
    assert_eq!(second["body"], "");
    assert_eq!(second["headline"], first["headline"]);
}

#[test]
fn the_last_step_is_an_answer_whatever_is_missing() {
    let talk = Talk::new("How many orders by status?", vec![]);
    let answer = ToolSpec { name: "answer", description: "", parameters: json!({}) };
    let reply = turn::reply(&talk.messages, &[answer]);
    assert_eq!(reply.tool_calls.len(), 1);
    assert_eq!(reply.tool_calls[0].name, "answer");
}

#[test]
fn a_failed_query_is_told() {
    let failed =
        json!({ "error": { "code": "timeout", "message": "it took too long", "hint": "ask for less" } });
    let (_, answer) = Talk::new("How many orders by status?", vec![failed]).play();
    assert!(answer["body"].as_str().expect("a text").contains("it took too long"), "{answer}");
}

#[test]
fn a_question_that_goes_on_takes_up_the_last() {
    let mut talk = Talk::new("How many orders are there?", vec![by_status("r1"), by_status("r2")]);
    talk.play();
    talk.messages.push(Message::User { text: "And by status?".into() });
    talk.play();
    let queries: Vec<&Value> = talk
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::Assistant { tool_calls, .. } => Some(tool_calls),
            _ => None,
        })
        .flatten()
        .filter(|call| call.name == "run_sql")
        .map(|call| &call.arguments["sql"])
        .collect();
    assert!(
        queries[1].as_str().expect("sql").starts_with("SELECT status, count(*) AS orders"),
        "{queries:?}"
    );
}

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

/// Patients with two columns that "pressure" fits alike.
fn ward() -> Vec<Value> {
    let column =
        |name: &str, kind: &str| json!({ "name": name, "type": kind, "samples": [], "distinctEstimate": 50 });
    vec![json!({ "table": "patients", "rowEstimate": 300, "columns": [
        column("patient_no", "integer"), column("ward", "text"),
        column("systolic_pressure", "float"), column("diastolic_pressure", "float")] })]
}

#[test]
fn words_that_fit_two_columns_are_asked_about_and_the_choice_is_unambiguous() {
    let catalog = catalog(&ward(), Dialect::DuckDb);
    let text = "What is the average pressure by ward?";
    let today = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a day");
    let question = Question::new(text, today);
    let reading = read(&catalog, text).expect("a reading");
    assert!(
        reading.assumptions.iter().any(|said| said.contains("could also be")),
        "{:?}",
        reading.assumptions
    );
    let back = clarify::ask(&question, &reading).expect("a question back");
    assert_eq!(back.headline, "Which “pressure” do you mean?");
    assert_eq!(
        back.choices,
        ["What is the average systolic pressure by ward?", "What is the average diastolic pressure by ward?"]
    );
    for choice in &back.choices {
        let reading = read(&catalog, choice).expect("a reading");
        assert!(reading.doubts.is_empty(), "{choice}: {:?}", reading.doubts);
    }
}

#[test]
fn a_choice_that_was_made_is_not_asked_about_again() {
    let text = "What is the average pressure by ward?";
    let results = json!({ "result": "r1", "columns": [{ "name": "ward", "type": "text" },
                          { "name": "avg_systolic_pressure", "type": "float" }],
                          "rowCount": 2, "rows": [["North", 131.5], ["South", 120.25]], "truncated": null });
    // Either turn looks first for values that the question spells.
    let none = json!({ "error": { "code": "timeout", "message": "it took too long" } });
    let mut talk = Talk::new(text, vec![none.clone(), none, results]);
    talk.tables = ward();
    let Message::Context(context) = &mut talk.messages[0] else { panic!("a context") };
    context.is_task = false;
    let (_, back) = talk.play();
    assert_eq!(back["headline"], "Which “pressure” do you mean?");

    // However it comes that a choice is as open as the question was: asked again, it would go round for ever.
    let arguments = json!({ "headline": "Which?", "choices": [text, "How many wards are there?"] });
    let call = ToolCall { id: "b9".into(), name: "answer".into(), arguments };
    talk.messages.push(Message::Assistant { text: String::new(), tool_calls: vec![call] });
    talk.messages.push(Message::User { text: text.into() });
    let (_, answer) = talk.play();
    assert!(answer.get("choices").is_none_or(|choices| *choices == json!([])), "{answer}");
    assert_eq!(answer["results"], json!(["r1"]));
    let caveats = answer["caveats"].to_string();
    assert!(caveats.contains("I took “pressure” to mean `systolic_pressure`"), "{answer}");
}

#[test]
fn rows_without_a_date_happened_when_what_they_belong_to_did() {
    let catalog = catalog(&shop(), Dialect::DuckDb);
    let sql = sql_of(&catalog, "total quantity by category in 2025");
    assert!(sql.contains("ordered_at >= ") && sql.contains("JOIN orders"), "{sql}");
}
