//! `Idempotency-Key`: a request that comes twice acts once, also where the server that acted died before it could answer.
//! What it did is known by then (see [`store::Idempotency`]), and is told again by [`retell`].

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use store::{Effect, Idempotency, IdempotencyHold};

use crate::{
    ApiState, BODY_LIMIT_BYTES, Error, Result,
    auth::Caller,
    error::{Failure, StoreResult},
    extract::body_error,
    routes::{connections, credits, deliveries, groups, tasks, threads},
};

const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is one that was given before.
const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How often and how long to wait for the first of several equal requests to be answered: 5 s in all.
const LOOKS: u32 = 50;
/// How many of them are spent on the answer of a request that has acted, before it is told again from what it did.
const LOOKS_FOR_ANSWER: u32 = 10;
/// See [`LOOKS`].
const LOOK_AFTER: std::time::Duration = std::time::Duration::from_millis(100);

/// Its answer holds a secret, which is never kept: who comes again is told that the token was made, and not which it is.
const TOKENS_PATH: &str = "/api/v1/tokens";
/// The same of a webhook.
const WEBHOOKS_PATH: &str = "/api/v1/webhooks";

/// Operations that take a key, with their paths: every POST that creates or runs.
const OPERATIONS: [(&str, &str); 12] = [
    ("token_create", TOKENS_PATH),
    ("group_create", "/api/v1/groups"),
    ("data_connection_create", "/api/v1/data-connections"),
    ("data_connection_upload", "/api/v1/data-connections/upload"),
    ("credit_grant", "/api/v1/credits"),
    ("task_create", "/api/v1/tasks"),
    ("task_duplicate", "/api/v1/tasks/{id}/duplicate"),
    ("task_run", "/api/v1/tasks/{id}/run"),
    ("delivery_send_again", "/api/v1/deliveries/{id}/send-again"),
    ("thread_create", "/api/v1/threads"),
    ("thread_follow_up", "/api/v1/threads/{id}/followup"),
    ("webhook_create", WEBHOOKS_PATH),
];

/// Whether an operation takes a key.
pub(crate) fn takes_key(operation_id: &str) -> bool {
    OPERATIONS.iter().any(|(id, _)| *id == operation_id)
}

/// Answers a request that came before as it was answered then.
pub(crate) async fn replay(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let path = path_of(&request);
    let applies = request.method() == Method::POST && OPERATIONS.iter().any(|(_, served)| *served == path);
    let key = request.headers().get(KEY_HEADER).cloned();
    let caller = request.extensions().get::<Caller>().cloned();
    let (true, Some(key), Some(caller)) = (applies, key, caller) else { return next.run(request).await };
    match act_once(&state, &caller, &key, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn act_once(
    state: &ApiState,
    caller: &Caller,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response> {
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    let key = key.ok_or_else(|| {
        Error::BadRequest("`Idempotency-Key` must have 1 to 255 visible characters".to_owned())
    })?;
    let (hash, mut request) = identify(request, state).await?;
    let mut looks_for_answer = 0;
    for _ in 0..LOOKS {
        let begun = state.store.idempotency_begin(&caller.scope, caller.user_id, key, &hash).await;
        match begun.or_refused("user")? {
            Idempotency::Act(hold) => {
                request.extensions_mut().insert(caller.clone().acting_for(hold));
                let is_secret = tells_secret(path_of(&request));
                return act(state, caller, hold, is_secret, next.run(request).await).await;
            }
            Idempotency::Repeat { status, body } => return Ok(repeated(status, body)),
            Idempotency::Done(effect) => {
                looks_for_answer += 1;
                if tells_secret(path_of(&request)) || looks_for_answer > LOOKS_FOR_ANSWER {
                    return retell(state, caller, path_of(&request), &effect).await.map(marked);
                }
                tokio::time::sleep(LOOK_AFTER).await;
            }
            Idempotency::OtherRequest => {
                return Err(Error::Conflict {
                    reason: "idempotency_key_reused",
                    message: "the Idempotency-Key was used for another request".to_owned(),
                });
            }
            Idempotency::InProgress => tokio::time::sleep(LOOK_AFTER).await,
        }
    }
    Err(Error::Conflict {
        reason: "still_in_progress",
        message: "the first request with this Idempotency-Key is still being worked on".to_owned(),
    })
}

/// The answer to a request that acted and whose answer was lost, made again from what it did.
async fn retell(state: &ApiState, caller: &Caller, path: &str, effect: &Effect) -> Result<Response> {
    let id = effect.subject_id;
    match effect.action.as_str() {
        "task.create" if path.ends_with("/duplicate") => tasks::duplicated(state, caller, id.into()).await,
        "task.create" => tasks::created(state, caller, id.into()).await,
        "task.run" => tasks::started(state, caller, &effect.details).await,
        "delivery.send_again" => Ok(deliveries::queued(id.into()).into_response()),
        "thread.ask" => threads::asked(state, caller, id.into()).await,
        "thread.followup" => Ok(threads::continued(state, id.into()).into_response()),
        "group.create" => groups::created(state, caller, id.into()).await,
        "connection.create" => connections::created(state, caller, id.into()).await,
        "credits.grant" => Ok(credits::granted(state, caller).await?.into_response()),
        "token.create" => Err(Error::Conflict {
            reason: "token_already_made",
            message: "the first request with this Idempotency-Key made the token and showed its secret, which is not \
                      kept; if it was lost, revoke the token and make another with a new key"
                .to_owned(),
        }),
        "webhook.create" => Err(Error::Conflict {
            reason: "webhook_already_made",
            message: "the first request with this Idempotency-Key made the webhook and showed its secret, which is not \
                      kept; if it was lost, change over to a new one"
                .to_owned(),
        }),
        other => Err(Error::internal(anyhow::anyhow!("no request with a key does {other}"))),
    }
}

fn tells_secret(path: &str) -> bool {
    matches!(path, TOKENS_PATH | WEBHOOKS_PATH)
}

fn path_of(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str)
}

/// The hash of method, path and body. Of an upload its length stands for the body: the parts are cut at marks that a client
/// draws anew each time.
async fn identify(request: Request, state: &ApiState) -> Result<(Vec<u8>, Request)> {
    let mut hash = Sha256::new();
    hash.update(request.method().as_str());
    hash.update([0]);
    hash.update(request.uri().path());
    hash.update([0]);
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media_type.is_some_and(|text| text.starts_with("multipart/")) {
        if let Some(length) = request.headers().get(header::CONTENT_LENGTH) {
            hash.update(length);
        }
        return Ok((hash.finalize().to_vec(), request));
    }
    let (parts, body) = request.into_parts();
    let copy = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(copy, state).await.map_err(|rejection| body_error(&rejection))?;
    hash.update(&body);
    Ok((hash.finalize().to_vec(), Request::from_parts(parts, Body::from(body))))
}

/// Remembers what was answered. A failure of ours is not remembered: the request may be tried again.
async fn act(
    state: &ApiState,
    caller: &Caller,
    hold: IdempotencyHold,
    is_secret: bool,
    response: Response,
) -> Result<Response> {
    let status = response.status();
    let is_final =
        status.is_success() || (status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS);
    // A refusal's body carries the request's own id and is written further out; it changed nothing and may come again.
    if !is_final || response.extensions().get::<Failure>().is_some() {
        state.store.idempotency_forget(&caller.scope, hold).await.or_refused("user")?;
        return Ok(response);
    }
    if is_secret {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, BODY_LIMIT_BYTES).await.map_err(Error::internal)?;
    let remembered = state.store.idempotency_answer(&caller.scope, hold, status.as_u16(), &body).await;
    if let Err(error) = remembered {
        // It has acted, and that is known: who asks again is told from what it did.
        tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "the answer could not be kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn repeated(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    marked((status, [media_type], body).into_response())
}

/// Says that an answer is not the first one.
fn marked(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED_HEADER, HeaderValue::from_static("true"));
    response
}
