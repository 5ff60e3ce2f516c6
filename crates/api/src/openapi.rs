//! The OpenAPI document: generated from the routes, committed beside this crate, compared with it by a test.

use std::collections::BTreeSet;

use domain::webhook::{WebhookDelivery, WebhookEvent, WebhookRun, WebhookTask, WebhookTest};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{ApiState, error::ErrorBody, routes, routes::events};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidings",
        description = "Saved questions over a workspace's data, answered on a schedule. Lists are `{values, pagination}` \
            with opaque cursors. Every failure has the same body, `Error`; every answer has the header `X-Request-Id`, \
            equal to the failure's `traceId`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ErrorBody, events::DeltaEvent, events::AnswerEvent, events::StatusEvent, WebhookRun, WebhookDelivery,
        WebhookTask, WebhookTest)),
    security(("token" = []), ("session" = [])),
    tags(
        (name = "session", description = "Signing in and out."),
        (name = "me", description = "One's own account."),
        (name = "tokens", description = "API tokens."),
        (name = "people", description = "Users and groups."),
        (name = "workspace", description = "Credits: what is left, and who used how much."),
        (name = "data", description = "Data connections."),
        (name = "tasks", description = "Saved questions, their schedules and occurrences."),
        (name = "runs", description = "Executions and their deliveries."),
        (name = "threads", description = "Analyses by the agent."),
        (name = "destinations", description = "Places that messages do not reach."),
        (name = "webhooks", description = "Addresses that are told of runs, deliveries and tasks."),
        (name = "slack", description = "Connecting Slack, its channels, and one's own account there."),
        (name = "outbox", description = "Mails that the dev transport kept."),
    ),
)]
struct Document;

/// Properties of answers that are left out where they do not apply; every other property is always there.
const SOMETIMES_ABSENT: [(&str, &str); 4] = [
    ("CurrentUser", "token"),
    ("Thread", "error"),
    ("ConnectionDetails", "postgres"),
    ("ConnectionDetails", "files"),
];

/// The routes under `/api/v1`, and their document.
pub(crate) fn with_document(routes: OpenApiRouter<ApiState>) -> (axum::Router<ApiState>, Value) {
    let (router, document) =
        OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", routes).split_for_parts();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    complete(&mut document);
    (router, document)
}

/// The document of all routes under `/api/v1`.
pub(crate) fn document() -> Value {
    with_document(routes::router().merge(routes::uploads::router())).1
}

/// The document as it is committed and served: JSON with a line break at its end.
pub fn document_json() -> String {
    format!("{:#}\n", document())
}

/// Adds what is the same for all operations and schemas, and what the derived schemas cannot say.
fn complete(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "An API token: `tdgp_...` or `tdgw_...`."},
        "session": {"type": "apiKey", "in": "cookie", "name": crate::auth::SESSION_COOKIE,
            "description": "The page's session. Requests that change state must come from the same origin."},
    });
    name_list_items(document);
    require_what_is_always_answered(document);
    document["webhooks"] = webhooks();
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for path in paths.values_mut().filter_map(Value::as_object_mut) {
        for (method, operation) in path {
            complete_operation(method, operation);
        }
    }
}

/// What is sent to webhooks: see docs/webhooks.md.
fn webhooks() -> Value {
    let mut described = Map::new();
    for (event, data, summary) in [
        (
            WebhookEvent::RunFinished,
            "WebhookRun",
            "A task's run ended with an answer, whether it was sent or there was no news.",
        ),
        (WebhookEvent::RunFailed, "WebhookRun", "A task's run ended without an answer."),
        (WebhookEvent::RunSkipped, "WebhookRun", "An occurrence of a task was skipped on purpose."),
        (WebhookEvent::RunMissed, "WebhookRun", "An occurrence of a task was missed: it never started."),
        (WebhookEvent::DeliveryFailed, "WebhookDelivery", "A message was given up."),
        (WebhookEvent::TaskPaused, "WebhookTask", "A task was paused."),
        (WebhookEvent::TaskExpired, "WebhookTask", "A task expired."),
        (WebhookEvent::Test, "WebhookTest", "An admin asked for a test."),
    ] {
        let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
        let body = json!({
            "type": "object",
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": {"type": "string", "const": event},
                "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
                "data": {"$ref": format!("#/components/schemas/{data}")},
            },
        });
        described.insert(
            event.as_str().to_owned(),
            json!({"post": {
                "summary": summary,
                "tags": ["webhooks"],
                "parameters": [
                    header("webhook-id", "The event's id, the same however often it is tried."),
                    header("webhook-timestamp", "When this attempt was made, in seconds since 1970."),
                    header("webhook-signature", "One signature for each secret in use: `v1,` and base64, separated by spaces."),
                ],
                "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
                "responses": {"2XX": {"description": "Taken. Anything else is tried again; 410 switches the webhook off."}},
            }}),
        );
    }
    described.into()
}

/// Generic lists carry their items inline; the items have names of their own.
fn name_list_items(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas {
        if let Some(item) = name.strip_prefix("List_") {
            schema["properties"]["values"]["items"] = json!({"$ref": format!("#/components/schemas/{item}")});
        }
    }
}

/// In schemas that only answers use, every property is there, null or not.
fn require_what_is_always_answered(document: &mut Value) {
    let mut received = BTreeSet::new();
    for operation in
        document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object)
    {
        for operation in operation.values() {
            note_references(&operation["requestBody"], document, &mut received);
            note_references(&operation["parameters"], document, &mut received);
        }
    }
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas.iter_mut().filter(|(name, _)| !received.contains(*name)) {
        require_all_properties(name, schema);
    }
}

fn require_all_properties(name: &str, schema: &mut Value) {
    if let Some(properties) = schema["properties"].as_object() {
        let required: Vec<_> = properties
            .keys()
            .filter(|property| !SOMETIMES_ABSENT.contains(&(name, property.as_str())))
            .cloned()
            .collect();
        schema["required"] = json!(required);
    }
    for composition in ["oneOf", "allOf"] {
        for part in schema[composition].as_array_mut().into_iter().flatten() {
            require_all_properties(name, part);
        }
    }
    if let Some(object) = schema.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
}

/// Notes the names of all schemas that `node` refers to, also through others.
fn note_references(node: &Value, document: &Value, noted: &mut BTreeSet<String>) {
    match node {
        Value::Object(object) => {
            let referred =
                object.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
            if let Some(name) = referred
                && noted.insert(name.to_owned())
            {
                note_references(&document["components"]["schemas"][name], document, noted);
            }
            object.values().for_each(|value| note_references(value, document, noted));
        }
        Value::Array(values) => values.iter().for_each(|value| note_references(value, document, noted)),
        _ => {}
    }
}

fn complete_operation(method: &str, operation: &mut Value) {
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        // An absent parameter is absent, not the text `null`.
        if let Some(types) = parameter["schema"]["type"].as_array() {
            let word = types.iter().find(|word| *word != "null").cloned();
            parameter["schema"]["type"] = word.unwrap_or_default();
        }
        if let Some(choices) = parameter["schema"]["oneOf"].as_array() {
            let choice = choices.iter().find(|choice| choice["type"] != "null").cloned();
            parameter["schema"] = choice.unwrap_or_default();
        }
    }
    let is_public = operation["security"] == json!([{}]);
    let has_body = operation["requestBody"].is_object();
    let names_a_thing =
        operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "path"));
    let has_parameters = operation["parameters"].is_array();
    let mut failures = vec![(401, "Nobody is signed in."), (429, "Too many requests; see `Retry-After`.")];
    failures.extend([(500, "A defect."), (503, "A part is down or busy; try again.")]);
    if !is_public {
        failures.push((403, "Not allowed to the caller."));
    }
    if names_a_thing {
        failures.push((404, "There is no such thing, or none that the caller may see."));
    }
    let takes_key = crate::idempotency::takes_key(operation["operationId"].as_str().unwrap_or_default());
    if has_body || takes_key {
        failures.push((400, "The body or a header cannot be read."));
    }
    if has_body {
        failures.push((413, "The body is too long."));
        failures.push((415, "The body is of another media type."));
    }
    if has_body || has_parameters {
        failures.push((422, "Fields are wrong; see `issues`."));
    }
    if method == "post" || method == "patch" || method == "delete" || method == "put" {
        failures.push((
            409,
            "The thing is in another state, or the Idempotency-Key was used for another request.",
        ));
    }
    let takes_version = operation["parameters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["in"] == "header" && one["name"] == "If-Match"));
    if takes_version {
        failures.push((412, "It was changed by someone else meanwhile."));
    }
    for (status, description) in failures {
        operation["responses"][status.to_string()] = json!({
            "description": description,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        });
    }
    for response in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if !response["description"].is_string() {
            response["description"] = json!("Done.");
        }
    }
    if takes_key {
        let parameter = json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Up to 255 characters. The same key and request within 24 hours gets the first answer again.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        });
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(parameter),
            None => operation["parameters"] = json!([parameter]),
        }
    }
    if let Some(object) = operation.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
}
