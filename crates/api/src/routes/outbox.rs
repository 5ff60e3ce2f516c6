//! The Outbox: mails as the dev transport kept them.

use axum::{extract::State, http::header, response::IntoResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use domain::{DeliveryId, RunId, TaskId, ThreadId};
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders};
use serde::Serialize;
use store::OutboxMail;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    extract::{Path, Query},
    page::{ForwardQuery, List},
};

/// What a mail may do in the page's frame: show itself. Links open elsewhere.
const MAIL_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; \
    sandbox allow-popups allow-popups-to-escape-sandbox";

/// A mail in the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailSummary {
    #[schema(value_type = Uuid)]
    id: DeliveryId,
    to: String,
    subject: String,
    created_at: DateTime<Utc>,
    #[schema(required)]
    task_id: Option<TaskId>,
    #[schema(required)]
    task_title: Option<String>,
    #[schema(required)]
    run_id: Option<RunId>,
    #[schema(required)]
    thread_id: Option<ThreadId>,
}

/// A mail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    #[serde(flatten)]
    summary: MailSummary,
    from: String,
    headers: Vec<MailHeader>,
    /// The plain-text part.
    text: String,
    /// The HTML part as a document for a sandboxed frame; null where there is none.
    #[schema(required)]
    html_url: Option<String>,
    attachments: Vec<MailAttachment>,
    /// Whether the caller may look into its delivery: who had it sent, and admins.
    has_proof: bool,
}

/// A header, decoded.
#[derive(Serialize, ToSchema)]
pub(crate) struct MailHeader {
    name: String,
    value: String,
}

/// An attached file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MailAttachment {
    filename: String,
    content_type: String,
    size_bytes: usize,
    url: String,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(mail_list))
        .routes(routes!(mail_get))
        .routes(routes!(mail_html))
        .routes(routes!(mail_part))
        .routes(routes!(mail_source))
}

/// Mails to the caller and about the caller's tasks and threads, newest first.
#[utoipa::path(get, path = "/outbox", tag = "outbox", params(ForwardQuery),
    responses((status = 200, body = List<MailSummary>)))]
pub(crate) async fn mail_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<ForwardQuery>,
) -> Result<axum::Json<List<MailSummary>>> {
    let page = query.page()?;
    let mails =
        state.store.outbox_mail_list(&caller.scope, caller.user_id, &page).await.or_refused("mail")?;
    Ok(axum::Json(List::of(mails, MailSummary::from)))
}

/// One mail.
#[utoipa::path(get, path = "/outbox/{id}", tag = "outbox", params(("id" = Uuid, Path)),
    responses((status = 200, body = Mail)))]
pub(crate) async fn mail_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<DeliveryId>,
) -> Result<axum::Json<Mail>> {
    let (mail, source) = visible(&state, &caller, id).await?;
    let message = parse(&source)?;
    let headers = message.headers().iter().zip(message.headers_raw()).map(|(header, (name, raw))| {
        // Encoded words are told as what they say; all else as it stands.
        let decoded = header.value.as_text().filter(|_| raw.contains("=?"));
        MailHeader { name: name.to_owned(), value: unfold(decoded.unwrap_or(raw)) }
    });
    let attachments =
        message.attachments().filter(|part| part.content_id().is_none()).map(|part| MailAttachment {
            filename: part.attachment_name().unwrap_or("attachment").to_owned(),
            content_type: media_type(part),
            size_bytes: part.contents().len(),
            url: format!(
                "/api/v1/outbox/{id}/parts/{}",
                escape_segment(part.attachment_name().unwrap_or("attachment"))
            ),
        });
    Ok(axum::Json(Mail {
        from: mail.sender.clone(),
        summary: MailSummary::from(mail),
        headers: headers.collect(),
        text: message.body_text(0).unwrap_or_default().into_owned(),
        html_url: has_html(&message).then(|| format!("/api/v1/outbox/{id}/html")),
        attachments: attachments.collect(),
        has_proof: caller.role.is_admin() || is_creator(&state, &caller, id).await?,
    }))
}

/// The HTML part with its pictures in it, for a sandboxed frame.
#[utoipa::path(get, path = "/outbox/{id}/html", tag = "outbox", params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn mail_html(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<DeliveryId>,
) -> Result<impl IntoResponse> {
    let (_, source) = visible(&state, &caller, id).await?;
    let message = parse(&source)?;
    if !has_html(&message) {
        return Err(Error::NotFound("part"));
    }
    let mut html = message.body_html(0).unwrap_or_default().into_owned();
    // A sandboxed document is of no origin and gets no cookie: its pictures come with it.
    for part in &message.parts {
        let Some(cid) = part.content_id() else { continue };
        let picture = format!("data:{};base64,{}", media_type(part), STANDARD.encode(part.contents()));
        html = html.replace(&format!("cid:{cid}"), &picture);
    }
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, MAIL_POLICY)];
    Ok((headers, html))
}

/// A picture or an attached file, by its Content-ID or file name.
#[utoipa::path(get, path = "/outbox/{id}/parts/{cid}", tag = "outbox",
    params(("id" = Uuid, Path), ("cid" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = String)))]
pub(crate) async fn mail_part(
    State(state): State<ApiState>,
    caller: Caller,
    Path((id, cid)): Path<(DeliveryId, String)>,
) -> Result<impl IntoResponse> {
    let (_, source) = visible(&state, &caller, id).await?;
    let message = parse(&source)?;
    let part = message
        .parts
        .iter()
        .find(|part| part.content_id() == Some(cid.as_str()) || part.attachment_name() == Some(cid.as_str()))
        .ok_or(Error::NotFound("part"))?;
    let media_type = media_type(part);
    // Only pictures are shown; whatever else it is, the browser saves it.
    let (shown_type, disposition) = match media_type.as_str() {
        "image/png" | "image/jpeg" | "image/gif" => (media_type.as_str(), "inline"),
        _ => ("application/octet-stream", "attachment"),
    };
    let headers = [
        (header::CONTENT_TYPE, shown_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition.to_owned()),
        (header::CONTENT_SECURITY_POLICY, MAIL_POLICY.to_owned()),
    ];
    Ok((headers, part.contents().to_vec()))
}

/// The mail exactly as it would be sent.
#[utoipa::path(get, path = "/outbox/{id}/source", tag = "outbox", params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "message/rfc822", body = String)))]
pub(crate) async fn mail_source(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<DeliveryId>,
) -> Result<impl IntoResponse> {
    let (_, source) = visible(&state, &caller, id).await?;
    let disposition = format!("inline; filename=\"{id}.eml\"");
    Ok((
        [(header::CONTENT_TYPE, "message/rfc822".to_owned()), (header::CONTENT_DISPOSITION, disposition)],
        source,
    ))
}

/// A mail to the caller, or that the caller had sent. What is in others' is not for admins either.
async fn visible(state: &ApiState, caller: &Caller, id: DeliveryId) -> Result<(OutboxMail, Vec<u8>)> {
    let found = state.store.outbox_mail_get(&caller.scope, caller.user_id, id).await.or_refused("mail")?;
    found.ok_or(Error::NotFound("mail"))
}

/// Whether a delivery is about a task or thread of the caller's.
async fn is_creator(state: &ApiState, caller: &Caller, id: DeliveryId) -> Result<bool> {
    let creator = state.store.delivery_creator(&caller.scope, id).await.or_refused("delivery")?;
    Ok(creator == Some(caller.user_id))
}

fn parse(source: &[u8]) -> Result<Message<'_>> {
    MessageParser::default()
        .parse(source)
        .ok_or_else(|| Error::internal(anyhow::anyhow!("a kept mail is unreadable")))
}

fn has_html(message: &Message<'_>) -> bool {
    message.parts.iter().any(|part| part.is_content_type("text", "html"))
}

fn media_type(part: &MessagePart<'_>) -> String {
    match part.content_type() {
        Some(kind) => format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_lowercase(),
        None => "application/octet-stream".to_owned(),
    }
}

/// A header's value as one line.
fn unfold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text as one segment of a path.
fn escape_segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

impl From<OutboxMail> for MailSummary {
    fn from(mail: OutboxMail) -> Self {
        Self {
            id: mail.id,
            to: mail.recipient,
            subject: mail.subject,
            created_at: mail.created_at,
            task_id: mail.task_id,
            task_title: mail.task_title,
            run_id: mail.run_id,
            thread_id: mail.thread_id,
        }
    }
}
