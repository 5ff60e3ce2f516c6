//! Questions to SQL over a small shop and a clinic, without a database: what is read, for both dialects.

mod asking_back;
mod changes;

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

#[test]
fn rows_without_a_date_happened_when_what_they_belong_to_did() {
    let catalog = catalog(&shop(), Dialect::DuckDb);
    let sql = sql_of(&catalog, "total quantity by category in 2025");
    assert!(sql.contains("ordered_at >= ") && sql.contains("JOIN orders"), "{sql}");
}
