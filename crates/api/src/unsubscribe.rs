//! The page behind the unsubscribe link of a mail. Looking at it changes nothing, for mail scanners look; only POST acts,
//! also when a mail program sends it by itself (RFC 8058). The token in the link is all that it takes.

use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::{ApiState, Result, error::StoreResult, extract::Path, reference::escape};

const STYLE: &str = ":root { color-scheme: light dark } body { font: 16px/1.5 Inter, system-ui, sans-serif; max-width: 32rem; \
    margin: 20vh auto 0; padding: 0 1rem } button { font: inherit; padding: .5rem 1rem; cursor: pointer }";

/// Asks whether to unsubscribe.
pub(crate) async fn ask(State(state): State<ApiState>, Path(token): Path<String>) -> Result<Response> {
    let Ok(token) = token.parse::<Uuid>() else { return Ok(unknown()) };
    let found = state.store.unsubscription_get(token).await.or_refused("link")?;
    let Some(found) = found else { return Ok(unknown()) };
    let (title, email) = (escape(&found.task_title), escape(&found.email));
    if found.is_done {
        return Ok(done_page(&title, &email).into_response());
    }
    // Who has rest for a while may still want none for good.
    let standing = match found.until {
        Some(until) => {
            let zone: Tz = found.timezone.parse().unwrap_or(Tz::UTC);
            let until = until.with_timezone(&zone).format("%a %-d %b %Y, %H:%M");
            format!("{email} gets no messages of <b>{title}</b> until {until} ({zone}).")
        }
        None => format!("{email} gets the messages of <b>{title}</b>."),
    };
    let body = format!(
        "<h1>Unsubscribe?</h1><p>{standing}</p><form method=\"post\"><button>Unsubscribe</button></form>"
    );
    Ok(page("Unsubscribe", &body).into_response())
}

/// Unsubscribes. Doing it again changes nothing.
pub(crate) async fn act(State(state): State<ApiState>, Path(token): Path<String>) -> Result<Response> {
    let Ok(token) = token.parse::<Uuid>() else { return Ok(unknown()) };
    if !state.store.unsubscribe(token).await.or_refused("link")? {
        return Ok(unknown());
    }
    let found = state.store.unsubscription_get(token).await.or_refused("link")?;
    let Some(found) = found else { return Ok(unknown()) };
    Ok(done_page(&escape(&found.task_title), &escape(&found.email)).into_response())
}

fn done_page(title: &str, email: &str) -> Html<String> {
    let body = format!("<h1>Unsubscribed</h1><p>{email} gets no more messages of <b>{title}</b>.</p>");
    page("Unsubscribed", &body)
}

fn unknown() -> Response {
    let body = "<h1>This link leads nowhere</h1><p>Take the link from the latest message.</p>";
    (StatusCode::NOT_FOUND, page("Unsubscribe", body)).into_response()
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title} · Tidings</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    ))
}
