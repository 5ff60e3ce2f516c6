//! What Slack sends: events, and buttons that were pressed. Each request is checked over its raw bytes, put into the inbox by an
//! id that is the same however often it is sent, and answered; the work is done later, by a worker.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use domain::slack::SlackEventKind;
use sha2::{Digest as _, Sha256};
use slack::{
    event::{Envelope, Event, Interaction, MessageEvent},
    signature,
};
use store::{NewSlackEvent, SlackEventPut, SlackOrder};

use crate::{ApiState, Error, Result, error::StoreResult};

/// Whoever sends what Slack did not sign is told nothing about why.
const NOT_SIGNED: Error = Error::Unauthorized("the request is not signed by Slack");

/// `POST /slack/events`.
pub(crate) async fn events(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    verify(&state, &headers, &body)?;
    let envelope = match slack::event::parse_envelope(&body) {
        Ok(envelope) => envelope,
        Err(error) => return Ok(unreadable("event", &error)),
    };
    let callback = match envelope {
        Envelope::UrlVerification { challenge } => return Ok(challenge.into_response()),
        Envelope::EventCallback(callback) => callback,
        Envelope::AppRateLimited { team_id, .. } => {
            tracing::warn!(team_id, "Slack holds back events of a team that has too many");
            return Ok(StatusCode::OK.into_response());
        }
        Envelope::Other => return Ok(StatusCode::OK.into_response()),
    };
    if !is_wanted(&callback.event) {
        return Ok(StatusCode::OK.into_response());
    }
    let Ok(payload) = std::str::from_utf8(&body) else { return Err(NOT_SIGNED) };
    let place = match &callback.event {
        Event::Message(message) | Event::AppMention(message) => {
            let root = message.thread_ts.as_ref().unwrap_or(&message.ts);
            Some((format!("{} {root}", message.channel), message.ts.clone()))
        }
        _ => None,
    };
    let event = NewSlackEvent {
        team_id: &callback.team_id,
        event_id: &callback.event_id,
        kind: SlackEventKind::Event,
        payload,
        order: place.as_ref().map(|(key, ts)| SlackOrder { key, ts }),
    };
    keep(&state, &event).await
}

/// `POST /slack/interactions`.
pub(crate) async fn interactions(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    verify(&state, &headers, &body)?;
    let payload = slack::event::interaction_payload(&body);
    let Some(payload) = payload else { return Err(Error::BadRequest("there is no payload".to_owned())) };
    let pressed = match serde_json::from_str(&payload) {
        Ok(Interaction::BlockActions(pressed)) => pressed,
        Ok(Interaction::Other) => return Ok(StatusCode::OK.into_response()),
        Err(error) => return Ok(unreadable("interaction", &error)),
    };
    // A button that opens an address has done so already.
    let is_wanted = pressed
        .actions
        .iter()
        .any(|action| matches!(action.action_id.as_str(), "tidings_snooze" | "tidings_unsubscribe"));
    let team_id = pressed.team.as_ref().map(|team| &team.id).or(pressed.user.team_id.as_ref());
    let (true, Some(team_id)) = (is_wanted, team_id) else { return Ok(StatusCode::OK.into_response()) };
    // Interactions have no ids of their own, but a press sent twice is the same to the byte.
    let event_id = format!("interaction {}", hex(&Sha256::digest(&body)));
    let event = NewSlackEvent {
        team_id,
        event_id: &event_id,
        kind: SlackEventKind::Interaction,
        payload: &payload,
        order: None,
    };
    keep(&state, &event).await
}

fn verify(state: &ApiState, headers: &HeaderMap, body: &[u8]) -> Result<()> {
    let Some(options) = &state.options.slack else { return Err(Error::NotFound("path")) };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (timestamp, signed) = (header(signature::TIMESTAMP_HEADER), header(signature::SIGNATURE_HEADER));
    signature::verify(&options.signing_secret, timestamp, signed, body, state.now()).map_err(|refusal| {
        metrics::counter!("tidings_slack_refused_total").increment(1);
        tracing::warn!(%refusal, "a request to Slack's address was refused");
        NOT_SIGNED
    })
}

/// What a worker would do something about. A team's chatter is most of what comes, and not worth a row.
fn is_wanted(event: &Event) -> bool {
    match event {
        Event::Message(message) => {
            let is_direct = message.channel_type.as_deref() == Some("im");
            is_question(message) && (is_direct || message.is_reply())
        }
        Event::AppMention(message) => is_question(message),
        Event::Other => false,
        _ => true,
    }
}

/// Whether a person says something, at a place and time that can be told.
fn is_question(message: &MessageEvent) -> bool {
    let is_ts = |ts: &str| {
        let digits =
            |text: &str| (1..=16).contains(&text.len()) && text.bytes().all(|one| one.is_ascii_digit());
        ts.split_once('.').is_some_and(|(seconds, fraction)| digits(seconds) && digits(fraction))
    };
    message.is_from_person() && is_ts(&message.ts) && message.thread_ts.as_deref().is_none_or(is_ts)
}

/// Puts it into the inbox, and answers only then: what is not stored, Slack sends again.
async fn keep(state: &ApiState, event: &NewSlackEvent<'_>) -> Result<Response> {
    let put = state.store.slack_event_put(event).await.or_refused("event")?;
    let outcome = match put {
        SlackEventPut::Stored => "stored",
        SlackEventPut::Ignored => "ignored",
    };
    let labels = [("kind", event.kind.as_str()), ("outcome", outcome)];
    metrics::counter!("tidings_slack_events_total", &labels).increment(1);
    Ok(StatusCode::OK.into_response())
}

/// Signed by Slack, and of a shape that we do not know: sent again it would be no better.
fn unreadable(what: &str, error: &serde_json::Error) -> Response {
    let (line, column) = (error.line(), error.column());
    tracing::error!(line, column, "an {what} of Slack's cannot be read");
    StatusCode::OK.into_response()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn wanted(event: Value) -> bool {
        is_wanted(&serde_json::from_value(event).expect("an event"))
    }

    #[test]
    fn chatter_bots_changes_and_removals_are_not_kept() {
        let said = |more: Value| {
            let mut event = json!({"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1",
                "text": "hi", "ts": "1700000000.000100"});
            event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            wanted(event)
        };
        assert!(!said(json!({})), "said in a channel to nobody");
        assert!(said(json!({"thread_ts": "1600000000.000100"})), "a reply");
        assert!(said(json!({"channel_type": "im"})), "said to us");
        assert!(said(json!({"type": "app_mention"})));
        for nothing in [
            json!({"bot_id": "B1"}),
            json!({"subtype": "message_changed"}),
            json!({"subtype": "message_deleted", "hidden": true}),
            json!({"subtype": "channel_join"}),
            json!({"ts": "now"}),
            json!({"thread_ts": "1;2"}),
        ] {
            let mut direct = nothing.clone();
            direct["channel_type"] = json!("im");
            assert!(!said(direct.clone()), "{direct}");
            direct["type"] = json!("app_mention");
            assert!(!said(direct.clone()), "{direct}");
        }
        assert!(wanted(json!({"type": "app_uninstalled"})));
        assert!(!wanted(json!({"type": "team_join"})));
    }
}
