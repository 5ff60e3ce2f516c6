//! The HTTP side: reads a call, lets the rules and the faults have their say, writes the answer. A connection may also end
//! without one, which is why connections are served by hand.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::{any, get, post},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::{
    Fault, Inner, Shared,
    call::{self, Answer, Arguments, Refusal, Scene, Trace},
    control,
    limits::Refused,
    log::Call,
    rules::{self, Rule, Tier},
};

/// How large a request may be; files for Slack are smaller.
const BODY_MAX: usize = 64 << 20;

/// Put into an answer that is never to be written.
#[derive(Clone, Copy)]
struct Dropped;

/// What a call comes to: what is written, and how late.
struct Reply {
    response: Response,
    delay: Duration,
}

impl Reply {
    fn at_once(response: Response) -> Self {
        Self { response, delay: Duration::ZERO }
    }

    fn dropped() -> Self {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Dropped);
        Self::at_once(response)
    }
}

/// Serves connections until the listener's task ends.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new()
        .route("/api/{method}", any(api))
        .route("/upload/v1/{place}", post(upload))
        .route("/response/{place}", post(respond))
        .route("/oauth/v2/authorize", get(install_page).post(decide_install))
        .route("/openid/connect/authorize", get(sign_in_page).post(decide_sign_in))
        .route("/control", post(control::handle))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX))
        .with_state(shared);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let router = router.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let router = router.clone();
                async move {
                    let response: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
                    let response = response.unwrap_or_else(|never| match never {});
                    match response.extensions().get::<Dropped>() {
                        None => Ok(response),
                        Some(_) => Err(std::io::Error::other("dropped on demand")),
                    }
                }
            });
            // A connection that ends early is the caller's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A call of the Web API.
async fn api(
    State(shared): State<Arc<Shared>>,
    Path(method): Path<String>,
    verb: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = answer(&shared, &method, &verb, query.as_deref(), &headers, &body);
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    reply.response
}

fn answer(
    shared: &Shared,
    method: &str,
    verb: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Reply {
    let Some(rule) = rules::rule(method) else {
        return Reply::at_once(json_response(&Err(Refusal::new("unknown_method"))));
    };
    let mut arguments = Arguments::default();
    arguments.add_form(query.unwrap_or_default().as_bytes());
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header(header::CONTENT_TYPE).unwrap_or_default();
    if content_type.starts_with("application/x-www-form-urlencoded") && *verb == Method::POST {
        arguments.add_form(body);
    } else if content_type.starts_with("application/json") && rule.reads_json {
        arguments.add_json(body);
    }
    let authorization = header(header::AUTHORIZATION).map(str::to_owned);

    let mut inner = shared.lock();
    let now = inner.now();
    let mut scene = Scene { inner: &mut inner, now, arguments, trace: Trace::default() };
    scene.reply(method, rule, authorization.as_deref())
}

impl Scene<'_> {
    fn reply(&mut self, method: &str, rule: Rule, authorization: Option<&str>) -> Reply {
        let bearer = authorization.and_then(|header| header.strip_prefix("Bearer ")).map(str::to_owned);
        let token = bearer.or_else(|| self.arguments.text("token"));
        let caller = match rule.tier {
            Tier::None => None,
            _ => match call::caller(&self.inner.world, token.as_deref(), self.now) {
                Ok(caller) => Some(caller),
                Err(refusal) => {
                    self.record(method, None, &refusal.code, None, None);
                    return Reply::at_once(json_response(&Err(refusal)));
                }
            },
        };
        let team = caller.as_ref().map(|caller| caller.team.id.clone());
        // What is called before there is a token counts for the workspace that it is to be for.
        let limited_team = team.clone().or_else(|| self.team_of_grant()).unwrap_or_default();
        if let Err(refused) = self.admit(&limited_team, method, rule) {
            self.note_destination();
            self.record(method, team.as_deref(), "ratelimited", None, Some(refused));
            return Reply::at_once(limited_response(refused.retry_after_seconds));
        }
        let fault = self.inner.faults.next(method, team.as_deref());
        if let Some(fault) = fault.filter(|fault| !fault.is_done()) {
            return self.refuse_on_demand(method, team.as_deref(), &limited_team, fault);
        }
        let answer = match &caller {
            Some(caller) => self.act(method, rule, caller),
            None => self.act_as_app(method, authorization),
        };
        let outcome = answer.as_ref().map_or_else(|refusal| refusal.code.clone(), |_| "ok".to_owned());
        let limited = self.trace.limited;
        self.record(method, team.as_deref(), &outcome, fault, limited);
        if let Some(refused) = limited {
            return Reply::at_once(limited_response(refused.retry_after_seconds));
        }
        match fault {
            None => Reply::at_once(json_response(&answer)),
            Some(Fault::Slow { milliseconds }) => {
                Reply { response: json_response(&answer), delay: Duration::from_millis(milliseconds) }
            }
            Some(Fault::FatalErrorDone) => Reply::at_once(json_response(&Err(Refusal::new("fatal_error")))),
            Some(Fault::FatalErrorAtStatus { status }) => {
                let mut response = json_response(&Err(Refusal::new("fatal_error")));
                *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                Reply::at_once(response)
            }
            Some(_) => Reply::dropped(),
        }
    }

    /// Lets the call in by its method's tier. Under a speed-up the minute is shorter.
    fn admit(&mut self, team: &str, method: &str, rule: Rule) -> Result<(), Refused> {
        let is_history = matches!(method, "conversations.history" | "conversations.replies");
        let tier = if is_history && self.inner.app.is_history_limited { Tier::One } else { rule.tier };
        let window = chrono::TimeDelta::minutes(1) / self.inner.options.speed;
        let now = self.now;
        self.inner.limits.admit((team, method), now, tier.calls_per_minute(), window)
    }

    /// A fault that leaves the call undone. `limited_team` is whose calls of the method a limit is for.
    fn refuse_on_demand(
        &mut self,
        method: &str,
        team: Option<&str>,
        limited_team: &str,
        fault: Fault,
    ) -> Reply {
        self.note_destination();
        match fault {
            Fault::Limited { retry_after_seconds } => {
                let now = self.now;
                self.inner.limits.refuse((limited_team, method), now, retry_after_seconds);
                let refused = Refused { retry_after_seconds, told_at: None };
                self.record(method, team, "ratelimited", Some(fault), Some(refused));
                Reply::at_once(limited_response(retry_after_seconds))
            }
            Fault::Html { status } => {
                self.record(method, team, &format!("status_{status}"), Some(fault), None);
                Reply::at_once(html_response(status))
            }
            Fault::InternalError => {
                self.record(method, team, "internal_error", Some(fault), None);
                Reply::at_once(json_response(&Err(Refusal::new("internal_error"))))
            }
            Fault::InvalidBlocks => {
                self.record(method, team, "invalid_blocks", Some(fault), None);
                Reply::at_once(json_response(&Err(Refusal::new("invalid_blocks"))))
            }
            Fault::FatalErrorUndone => {
                self.record(method, team, "fatal_error", Some(fault), None);
                Reply::at_once(json_response(&Err(Refusal::new("fatal_error"))))
            }
            Fault::RequestDropped
            | Fault::FatalErrorDone
            | Fault::FatalErrorAtStatus { .. }
            | Fault::AnswerDropped
            | Fault::Slow { .. } => {
                self.record(method, team, "dropped", Some(fault), None);
                Reply::dropped()
            }
        }
    }

    /// For the log of a call that came to nothing: where it would have gone, and with what.
    fn note_destination(&mut self) {
        self.trace.channel = self.arguments.text("channel");
        self.trace.metadata = self.arguments.structure("metadata", "").ok().flatten();
    }

    fn record(
        &mut self,
        method: &str,
        team: Option<&str>,
        outcome: &str,
        fault: Option<Fault>,
        limited: Option<Refused>,
    ) {
        let trace = std::mem::take(&mut self.trace);
        let call = Call {
            at: self.now,
            method: method.to_owned(),
            team: team.map(str::to_owned),
            channel: trace.channel,
            outcome: outcome.to_owned(),
            ts: trace.ts,
            thread_ts: trace.thread_ts,
            metadata: trace.metadata,
            text: trace.text,
            fault,
            retry_after_seconds: limited.map(|refused| refused.retry_after_seconds),
            told_to_wait_at: limited.and_then(|refused| refused.told_at),
        };
        self.inner.log.record(call);
    }
}

/// The bytes of a file.
async fn upload(State(shared): State<Arc<Shared>>, Path(place): Path<String>, body: Bytes) -> Response {
    let reply = {
        let mut inner = shared.lock();
        let file = inner.world.uploads.get(&place).and_then(|id| inner.world.files.get(id));
        let team = file.map(|file| file.team_id.clone());
        let fault = inner.faults.next("upload", team.as_deref());
        let now = inner.now();
        let mut scene =
            Scene { inner: &mut inner, now, arguments: Arguments::default(), trace: Trace::default() };
        if let Some(fault) = fault.filter(|fault| !fault.is_done()) {
            scene.refuse_on_demand("upload", team.as_deref(), team.as_deref().unwrap_or_default(), fault)
        } else {
            let (status, text) = scene.inner.take_bytes(&place, &body);
            let outcome = if status == 200 { "ok".to_owned() } else { format!("status_{status}") };
            scene.trace.text = Some(text.clone());
            scene.record("upload", team.as_deref(), &outcome, fault, None);
            let status = StatusCode::from_u16(status).expect("a status");
            match fault {
                None => Reply::at_once((status, text).into_response()),
                Some(Fault::Slow { milliseconds }) => Reply {
                    response: (status, text).into_response(),
                    delay: Duration::from_millis(milliseconds),
                },
                Some(_) => Reply::dropped(),
            }
        }
    };
    tokio::time::sleep(reply.delay).await;
    reply.response
}

/// An answer to an interaction: five times, within half an hour.
async fn respond(State(shared): State<Arc<Shared>>, Path(place): Path<String>, body: Bytes) -> Response {
    let mut inner = shared.lock();
    let now = inner.now();
    let Some(address) = inner.world.responses.get_mut(&place) else {
        return (StatusCode::NOT_FOUND, "no such address").into_response();
    };
    if address.uses >= 5 || now > address.made_at + chrono::TimeDelta::minutes(30) {
        return (StatusCode::NOT_FOUND, "used_url").into_response();
    }
    address.uses += 1;
    let address = address.clone();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = answer["text"].as_str().unwrap_or_default().to_owned();
    if answer["replace_original"] == true
        && let Some(message) = inner.world.message_mut(&address.channel, &address.ts)
    {
        message.text.clone_from(&text);
        message.blocks = answer["blocks"].as_array().cloned().unwrap_or_default();
        message.is_edited = true;
    }
    let trace =
        Trace { channel: Some(address.channel), ts: Some(address.ts), text: Some(text), ..Trace::default() };
    let mut scene = Scene { inner: &mut inner, now, arguments: Arguments::default(), trace };
    scene.record("response_url", None, "ok", None, None);
    (StatusCode::OK, "ok").into_response()
}

async fn install_page(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    page(&shared.lock(), &query.unwrap_or_default(), false)
}

async fn sign_in_page(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    page(&shared.lock(), &query.unwrap_or_default(), true)
}

/// The page where someone allows or refuses: as plain as can be, for a browser that is led by a test.
fn page(inner: &Inner, query: &str, is_sign_in: bool) -> Response {
    let authorization = match inner.authorization(query, is_sign_in) {
        Ok(authorization) => authorization,
        Err(what) => return (StatusCode::BAD_REQUEST, Html(format!("<h1>{what}</h1>"))).into_response(),
    };
    let people = inner.world.users.values().filter(|user| !user.is_bot && !user.deleted);
    let choices: Vec<String> = people
        .map(|user| {
            let team = &inner.world.teams[&user.team_id].name;
            format!("<option value=\"{}\">{} of {team}</option>", user.id, user.name)
        })
        .collect();
    let choices = choices.concat();
    let scopes: Vec<&str> = authorization.scopes.iter().map(String::as_str).collect();
    Html(format!(
        "<!doctype html><html lang=\"en\"><title>Slack (a stand-in)</title>
<h1>Tidings asks for permission</h1><p>{}</p>
<form method=\"post\"><label>Who are you? <select name=\"user\">{choices}</select></label>
<button name=\"decision\" value=\"allow\">Allow</button>
<button name=\"decision\" value=\"cancel\">Cancel</button></form></html>",
        scopes.join(", ")
    ))
    .into_response()
}

async fn decide_install(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    decide(&mut shared.lock(), &query.unwrap_or_default(), &body, false)
}

async fn decide_sign_in(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    decide(&mut shared.lock(), &query.unwrap_or_default(), &body, true)
}

fn decide(inner: &mut Inner, query: &str, body: &[u8], is_sign_in: bool) -> Response {
    let authorization = match inner.authorization(query, is_sign_in) {
        Ok(authorization) => authorization,
        Err(what) => return (StatusCode::BAD_REQUEST, what).into_response(),
    };
    let mut form = Arguments::default();
    form.add_form(body);
    if form.text("decision").as_deref() != Some("allow") {
        let Ok(mut url) = authorization.redirect_uri.parse::<url::Url>() else {
            return (StatusCode::BAD_REQUEST, "bad_redirect_uri").into_response();
        };
        url.query_pairs_mut()
            .append_pair("error", "access_denied")
            .append_pair("state", &authorization.state);
        return Redirect::to(url.as_str()).into_response();
    }
    let user = form.text("user").and_then(|id| inner.world.users.get(&id)).cloned();
    let Some(user) = user else {
        return (StatusCode::BAD_REQUEST, "who are you?").into_response();
    };
    let now = inner.now();
    Redirect::to(inner.allow(authorization, &user.team_id, &user.id, now).as_str()).into_response()
}

fn json_response(answer: &Answer) -> Response {
    let body = match answer {
        Ok(Value::Object(fields)) => {
            let mut body = fields.clone();
            body.insert("ok".to_owned(), json!(true));
            Value::Object(body)
        }
        Ok(other) => unreachable!("an answer is an object: {other}"),
        Err(refusal) => {
            let mut body = refusal.extra.clone();
            body.insert("ok".to_owned(), json!(false));
            body.insert("error".to_owned(), json!(refusal.code));
            Value::Object(body)
        }
    };
    let content_type = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (StatusCode::OK, content_type, body.to_string()).into_response()
}

fn limited_response(seconds: u32) -> Response {
    let headers = [
        (header::RETRY_AFTER, seconds.to_string()),
        (header::CONTENT_TYPE, "application/json; charset=utf-8".to_owned()),
    ];
    let body = json!({ "ok": false, "error": "ratelimited" }).to_string();
    (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response()
}

fn html_response(status: u16) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Html("<!DOCTYPE html><html><title>Server Error</title><h1>Server Error!</h1></html>"))
        .into_response()
}
