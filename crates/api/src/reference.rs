//! The rendered reference: one HTML document made from the OpenAPI document, with no script and nothing from elsewhere.

use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = "
:root { color-scheme: light dark; --line: light-dark(#ddd, #444); --soft: light-dark(#666, #aaa); }
body { font: 15px/1.5 Inter, system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 6rem; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
details { border-bottom: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; } summary b { display: inline-block; width: 4.5rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; border-top: 1px solid var(--line); }
p { margin: .5rem 0; } .soft { color: var(--soft); } a { color: inherit; }
";

/// The reference of a document.
pub(crate) fn render(document: &Value) -> String {
    let mut html = String::new();
    let title = escape(text(&document["info"]["title"]));
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{title} API</title><style>{STYLE}</style></head><body><h1>{title} \
         API</h1>{}<p>As a document: <a href=\"/api/openapi.json\">/api/openapi.json</a> (OpenAPI {}).</p>",
        prose(&document["info"]["description"]),
        escape(text(&document["openapi"])),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _ = write!(html, "<h2 id=\"{0}\">{0}</h2>{1}", escape(name), prose(&tag["description"]));
        for (path, operations) in entries(&document["paths"]) {
            for (method, operation) in entries(operations) {
                let belongs =
                    operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == name));
                if belongs {
                    render_operation(&mut html, path, method, operation);
                }
            }
        }
    }
    html.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        render_schema(&mut html, name, schema);
    }
    html.push_str("</body></html>");
    html
}

fn render_operation(html: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        html,
        "<details id=\"{}\"><summary><b>{}</b> <code>{}</code> <span class=\"soft\">{}</span></summary>{}",
        escape(text(&operation["operationId"])),
        escape(&method.to_uppercase()),
        escape(path),
        escape(text(&operation["summary"])),
        prose(&operation["description"]),
    );
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>Parameter<th>In<th>Type<th>Meaning");
        for parameter in parameters {
            let _ = write!(
                html,
                "<tr><td><code>{}</code><td>{}<td>{}<td>{}",
                escape(text(&parameter["name"])),
                escape(text(&parameter["in"])),
                type_of(&parameter["schema"]),
                escape(text(&parameter["description"])),
            );
        }
        html.push_str("</table>");
    }
    for (media_type, content) in entries(&operation["requestBody"]["content"]) {
        let _ = write!(
            html,
            "<p>Body: {} <span class=\"soft\">{}</span></p>",
            type_of(&content["schema"]),
            escape(media_type)
        );
    }
    html.push_str("<table><tr><th>Status<th>Body<th>Meaning");
    for (status, response) in entries(&operation["responses"]) {
        let bodies: Vec<_> = entries(&response["content"])
            .map(|(media_type, content)| match media_type {
                "application/json" => type_of(&content["schema"]),
                other => escape(other),
            })
            .collect();
        let _ = write!(
            html,
            "<tr><td>{}<td>{}<td>{}",
            escape(status),
            bodies.join(", "),
            escape(text(&response["description"]))
        );
    }
    html.push_str("</table></details>");
}

fn render_schema(html: &mut String, name: &str, schema: &Value) {
    let _ = write!(
        html,
        "<details id=\"schema-{0}\"><summary><code>{0}</code> <span class=\"soft\">{1}</span></summary>",
        escape(name),
        escape(text(&schema["description"])),
    );
    let variants =
        ["oneOf", "allOf"].into_iter().flat_map(|word| schema[word].as_array().into_iter().flatten());
    let parts: Vec<_> = std::iter::once(schema).chain(variants).collect();
    for part in parts {
        if part["properties"].is_object() {
            html.push_str("<table><tr><th>Field<th>Type<th>Meaning");
            for (field, schema) in entries(&part["properties"]) {
                let is_required =
                    part["required"].as_array().is_some_and(|names| names.iter().any(|name| name == field));
                let _ = write!(
                    html,
                    "<tr><td><code>{}</code>{}<td>{}<td>{}",
                    escape(field),
                    if is_required { "" } else { " <span class=\"soft\">optional</span>" },
                    type_of(schema),
                    escape(text(&schema["description"])),
                );
            }
            html.push_str("</table>");
        } else {
            let _ = write!(html, "<p>{} {}</p>", type_of(part), escape(text(&part["description"])));
        }
    }
    html.push_str("</details>");
}

/// A schema in a few words, with links to named ones.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(name));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> =
            words.iter().map(|word| format!("<code>{}</code>", escape(&word.to_string()))).collect();
        return words.join(" | ");
    }
    for composition in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[composition].as_array() {
            let parts: Vec<_> = parts.iter().map(type_of).collect();
            return parts.join(if composition == "allOf" { " &amp; " } else { " | " });
        }
    }
    match &schema["type"] {
        Value::String(word) if word == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(word) => match schema["format"].as_str() {
            Some(format) => format!("{} ({})", escape(word), escape(format)),
            None => escape(word),
        },
        Value::Array(words) => words.iter().map(|word| escape(text(word))).collect::<Vec<_>>().join(" | "),
        _ => "any".to_owned(),
    }
}

fn prose(value: &Value) -> String {
    let mut html = String::new();
    for paragraph in text(value).split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let _ = write!(html, "<p>{}</p>", escape(paragraph));
    }
    html
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text as HTML, also inside a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
