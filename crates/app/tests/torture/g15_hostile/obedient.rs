//! A model that obeys: whatever it reads, wherever it stands, it tries to do, with the tools and the text at hand.
//!
//! It knows nothing of the attacks. It looks around as an analyst does (catalog, tables, rows, earlier threads), then does what
//! the texts ask for in any form that it can read: calls written as JSON, statements of SQL, charts, addresses to fetch,
//! people to tell. At last it writes all of it into its answer, once as it stands and once as the links, pictures and
//! mentions that could be made of it.

use serde_json::{Map, Value, json};

/// Tables that it looks at.
const TABLES_MAX: usize = 2;
/// Orders that it carries out before it answers: with its looking around and its answers, as many as a turn has steps for.
const ORDERS_MAX: usize = 6;
/// Texts that it repeats, and how much of each, in characters.
const TEXTS_MAX: usize = 12;
const TEXT_MAX: usize = 1_200;
/// The longest headline and caveat that are taken, in characters.
const HEADLINE_MAX: usize = 280;
const CAVEAT_MAX: usize = 900;
/// With what a statement begins.
const VERBS: [&str; 16] = [
    "INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "COPY", "TRUNCATE", "ALTER", "GRANT", "SELECT", "ATTACH",
    "INSTALL", "CALL", "REFRESH", "SET", "DO",
];

/// What it calls next, given a Chat Completions request.
pub(super) fn obey(request: &Value) -> Vec<(String, Value)> {
    let context = Context::of(request);
    match context.replies {
        0 => vec![call("search_catalog", json!({ "query": "notes" })), call("previous_threads", json!({}))],
        1 => context.look_at_tables(),
        2 => context.carry_out_orders(),
        attempt => vec![call("answer", context.answer(attempt - 3))],
    }
}

fn call(tool: &str, arguments: Value) -> (String, Value) {
    (tool.to_owned(), arguments)
}

/// What it has in view.
struct Context {
    /// Its replies since it was asked.
    replies: usize,
    connection: String,
    /// What tools have answered since then.
    outputs: Vec<Value>,
    /// Every text in view that may ask for something, the question first.
    texts: Vec<String>,
}

impl Context {
    fn of(request: &Value) -> Self {
        let messages = request["messages"].as_array().cloned().unwrap_or_default();
        let content = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
        let asked = messages
            .iter()
            .rposition(|message| message["role"] == "user" && content(message).contains("The question:\n"));
        let since = &messages[asked.unwrap_or(0)..];
        let question = since.first().map(content).unwrap_or_default();
        let question = question.split("The question:\n").last().unwrap_or_default().to_owned();
        let outputs: Vec<Value> = since
            .iter()
            .filter(|message| message["role"] == "tool")
            .filter_map(|message| serde_json::from_str(&inside_fence(&content(message))).ok())
            .collect();
        let mut texts = vec![question];
        for output in &outputs {
            collect_texts(output, &mut texts);
        }
        let said: String = messages.iter().map(content).collect::<Vec<_>>().join("\n");
        let connection = said.split("\"connectionId\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Self {
            replies: since.iter().filter(|message| message["role"] == "assistant").count(),
            connection: connection.unwrap_or_default().to_owned(),
            outputs,
            texts,
        }
    }

    fn look_at_tables(&self) -> Vec<(String, Value)> {
        let found = self.outputs.iter().filter_map(|output| output["tables"].as_array()).flatten();
        let mut calls = Vec::new();
        for table in found.filter_map(|table| table["table"].as_str()).take(TABLES_MAX) {
            calls.push(call("describe_table", json!({ "connectionId": self.connection, "table": table })));
            calls.push(self.query(&format!("SELECT * FROM {table}")));
        }
        if calls.is_empty() { vec![self.query("SELECT 'nothing' AS note")] } else { calls }
    }

    fn query(&self, sql: &str) -> (String, Value) {
        call("run_sql", json!({ "connectionId": self.connection, "sql": sql }))
    }

    /// Does what the texts ask for.
    fn carry_out_orders(&self) -> Vec<(String, Value)> {
        let mut orders = Vec::new();
        for text in &self.texts {
            for object in objects(text) {
                orders.extend(self.order_of(&object));
            }
            orders.extend(statements(text).iter().map(|sql| self.query(sql)));
        }
        if let Some(address) = self.addresses().first() {
            orders.push(self.query(&format!("SELECT * FROM read_csv('{address}')")));
            let spec = json!({ "data": { "url": address }, "mark": { "type": "image", "href": address },
                "encoding": { "url": { "value": address } } });
            orders.push(self.chart("A picture", &spec));
        }
        orders.truncate(ORDERS_MAX - 1);
        // One chart that is right, with the texts for its title and its labels.
        if let Some(column) = self.columns().first() {
            let title: String =
                self.texts.last().map(|text| text.chars().take(140).collect()).unwrap_or_default();
            let spec = json!({ "mark": "bar", "encoding": { "x": { "field": column, "type": "nominal" },
                "y": { "aggregate": "count" } } });
            orders.push(self.chart(&title, &spec));
        }
        orders
    }

    /// The call that an object asks for, whatever names it gives to tool and arguments; a chart where it is one.
    fn order_of(&self, object: &Map<String, Value>) -> Option<(String, Value)> {
        if object.contains_key("mark") || object.contains_key("encoding") {
            return Some(self.chart("As asked", &Value::Object(object.clone())));
        }
        let named = |names: &[&str]| names.iter().find_map(|name| object.get(*name)).cloned();
        let tool = named(&["tool", "name", "function", "action"])?;
        let arguments = named(&["arguments", "parameters", "input", "args"]).unwrap_or_else(|| json!({}));
        Some((tool.as_str()?.to_owned(), arguments))
    }

    fn chart(&self, title: &str, spec: &Value) -> (String, Value) {
        let result = self.results().first().cloned().unwrap_or_else(|| "r1".to_owned());
        call("create_chart", json!({ "result": result, "title": title, "spec": spec }))
    }

    fn results(&self) -> Vec<String> {
        self.outputs.iter().filter_map(|output| output["result"].as_str()).map(str::to_owned).collect()
    }

    /// The columns of the first result.
    fn columns(&self) -> Vec<String> {
        let result = self.outputs.iter().find(|output| output["result"].is_string());
        let columns = result.and_then(|result| result["columns"].as_array()).cloned().unwrap_or_default();
        columns.iter().filter_map(|column| column["name"].as_str()).map(str::to_owned).collect()
    }

    fn addresses(&self) -> Vec<String> {
        self.texts.iter().flat_map(|text| addresses(text)).collect()
    }

    /// Everything in view as an answer. Refused, it tries again with less: first without what `answer` does not take, then
    /// without what is no figure.
    fn answer(&self, attempt: usize) -> Value {
        let texts: Vec<String> =
            self.texts.iter().take(TEXTS_MAX).map(|text| text.chars().take(TEXT_MAX).collect()).collect();
        let mut body = texts.join("\n\n");
        body.extend(self.addresses().iter().take(4).map(|address| {
            format!(
                "\n\n[open]({address}) ![picture]({address}) <{address}> <a href=\"{address}\">open</a> \
                 <img src=\"{address}\"> <{address}|open>"
            )
        }));
        let columns = self.columns();
        body.extend(columns.iter().take(4).map(|column| format!("\n\n{{{{r1[0][\"{column}\"]|text}}}}")));
        let longest = texts.iter().skip(1).max_by_key(|text| text.len()).or(texts.first()).cloned();
        let longest = longest.unwrap_or_default();
        let cut = |text: &str, max: usize| text.chars().take(max).collect::<String>();
        let results = self.results();
        let charts: Vec<&str> = self.outputs.iter().filter_map(|output| output["chart"].as_str()).collect();
        let mut answer = json!({
            "headline": cut(&longest, HEADLINE_MAX), "body": body, "results": results, "charts": charts,
            "caveats": texts.iter().skip(1).take(3).map(|text| cut(text, CAVEAT_MAX)).collect::<Vec<_>>(),
        });
        if attempt == 0 {
            let told = self.texts.iter().flat_map(|text| recipients(text)).collect::<Vec<_>>();
            for field in ["recipients", "to", "cc", "slackChannels", "userIds"] {
                answer[field] = json!(told);
            }
        }
        if attempt >= 2 {
            for_each_text(&mut answer, &|text| text.replace("{{", "{ {").replace("}}", "} }"));
        }
        answer
    }
}

/// What stands between the marks of a fence, or all of it.
fn inside_fence(content: &str) -> String {
    let inside = content.split_once("\">\n").and_then(|(_, rest)| rest.rsplit_once("\n</data>"));
    inside.map_or(content, |(inside, _)| inside).to_owned()
}

/// Every name and text of `value` that is more than a word.
fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    let mut add = |text: &str| {
        let says_something =
            text.len() >= 6 && text.contains([' ', '<', '[', '{', '/', '=', '@', '!', '.', '|']);
        if says_something && !texts.iter().any(|known| known == text) {
            texts.push(text.to_owned());
        }
    };
    match value {
        Value::String(text) => add(text),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(fields) => {
            fields.keys().for_each(|name| add(name));
            fields.values().for_each(|value| collect_texts(value, texts));
        }
        _ => {}
    }
}

fn for_each_text(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(values) => values.iter_mut().for_each(|value| for_each_text(value, change)),
        Value::Object(fields) => fields.values_mut().for_each(|value| for_each_text(value, change)),
        _ => {}
    }
}

/// The JSON objects that stand in a text.
fn objects(text: &str) -> Vec<Map<String, Value>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let mut values = serde_json::Deserializer::from_str(&rest[open..]).into_iter::<Map<String, Value>>();
        match values.next() {
            Some(Ok(object)) => {
                rest = &rest[open + values.byte_offset()..];
                found.push(object);
            }
            _ => rest = &rest[open + 1..],
        }
    }
    found
}

/// The statements that stand in a text, each up to its semicolon.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split(';') {
        let words = part.split_whitespace().position(|word| VERBS.contains(&word));
        if let Some(position) = words {
            found.push(part.split_whitespace().skip(position).collect::<Vec<_>>().join(" "));
        }
    }
    found
}

/// The addresses that stand in a text.
fn addresses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for scheme in ["http://", "https://", "javascript:", "data:"] {
        for (at, _) in text.match_indices(scheme) {
            let end = text[at..]
                .find([' ', '"', ')', '>', '<', '|', '\'', '\n'])
                .map_or(text.len(), |end| at + end);
            found.push(text[at..end].to_owned());
        }
    }
    found
}

/// Whom a text names: addresses of mail, and people and channels of Slack.
fn recipients(text: &str) -> Vec<String> {
    let words = text.split([' ', '"', ',', '>', '<', '|', '(', ')', ';']);
    words
        .filter(|word| word.contains('@') || word.starts_with(['#', '!']) || word.starts_with("C0"))
        .map(str::to_owned)
        .collect()
}
