//! HTTP: routes, extractors, errors, the OpenAPI document, live events, and the built page.
//!
//! [`router`] is everything that is served. A request passes, from the outside in: [`envelope`] (its id, its log line, its
//! time limit, the error body, panics, security headers), compression, [`overload`] (is there room), [`auth`] (who is it, may
//! they, how often), [`idempotency`], and the handler in [`routes`].

mod assets;
mod auth;
mod csv;
mod envelope;
mod error;
mod etag;
mod extract;
mod health;
mod idempotency;
mod model_probe;
mod openapi;
mod outbound;
mod overload;
mod page;
pub mod password;
mod rate;
mod reference;
mod routes;
mod server;
mod slack;
mod state;
mod unsubscribe;

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{Uri, header},
    middleware::{from_fn, from_fn_with_state},
    response::IntoResponse,
    routing::{get, post},
};
pub use error::{Code, Error, ErrorBody};
pub use model_probe::{ModelProbe, ProposedModel, Said};
pub use openapi::document_json;
pub use overload::LoadLimits;
pub use server::serve;
pub use slack::SlackOptions;
pub use state::{ApiOptions, ApiState};
use tower::{Layer, ServiceBuilder, util::MapRequestLayer};
use tower_http::compression::CompressionLayer;

/// What every handler answers.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The most bytes of a request's body, uploads apart.
pub(crate) const BODY_LIMIT_BYTES: usize = 2 << 20;

/// How long a request may take, uploads and live events apart.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// How long an upload may take.
const UPLOAD_TIME_LIMIT: Duration = Duration::from_mins(15);

/// Everything that is served.
pub fn router(state: ApiState) -> Router {
    let (routes, _) = openapi::with_document(routes::router());
    let (uploads, _) = openapi::with_document(routes::uploads::router());
    let document = openapi::document();
    let limited = routes.layer(from_fn(|request, next| envelope::limit_time(TIME_LIMIT, request, next)));
    let uploads = uploads
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(|request, next| envelope::limit_time(UPLOAD_TIME_LIMIT, request, next)));
    let api = limited
        .merge(uploads)
        .layer(from_fn_with_state(state.clone(), idempotency::replay))
        .layer(from_fn_with_state(state.clone(), auth::authenticate))
        .layer(from_fn_with_state(state.clone(), overload::shed))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES));
    let unsubscribing = Router::new()
        .route("/unsubscribe/{token}", get(unsubscribe::ask).post(unsubscribe::act))
        .layer(from_fn_with_state(state.clone(), overload::shed));
    let from_slack = Router::new()
        .route("/slack/events", post(slack::inbound::events))
        .route("/slack/interactions", post(slack::inbound::interactions))
        .merge(
            Router::new()
                .route("/slack/oauth/callback", get(slack::callback::callback))
                .layer(from_fn_with_state(state.clone(), auth::authenticate)),
        )
        .layer(from_fn(|request, next| envelope::limit_time(TIME_LIMIT, request, next)))
        .layer(from_fn_with_state(state.clone(), overload::shed))
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES));
    let pages = Router::new()
        .route(
            "/api/openapi.json",
            get({
                let json = document_json();
                async move || ([(header::CONTENT_TYPE, "application/json")], json)
            }),
        )
        .route(
            "/api/docs",
            get({
                let page = reference::render(&document);
                async move || axum::response::Html(page)
            }),
        )
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    let served = api
        .merge(unsubscribing)
        .merge(from_slack)
        .merge(pages)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .fallback(not_routed)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(state.clone(), envelope::enclose))
                .layer(CompressionLayer::new()),
        )
        .with_state(state);
    Router::new().fallback_service(MapRequestLayer::new(plural_path).layer(served))
}

/// Whether the page was built when this binary was, or, in a development build, is there now.
pub fn page_is_built() -> bool {
    assets::are_built()
}

/// What no route serves: a file of the page, the page itself for a path of its own, or nothing.
async fn not_routed(request: Request) -> axum::response::Response {
    if request.uri().path().starts_with("/api/") {
        return Error::NotFound("path").into_response();
    }
    assets::serve(&request)
}

/// Nouns under which published clients call, and the paths that serve them.
const SINGULAR: [(&str, &str); 4] = [
    ("/api/v1/user/", "/api/v1/users/"),
    ("/api/v1/group/", "/api/v1/groups/"),
    ("/api/v1/data-connection/", "/api/v1/data-connections/"),
    ("/api/v1/thread/", "/api/v1/threads/"),
];

/// Serves a path under its singular noun as that under the plural one.
fn plural_path<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    let path = request.uri().path();
    let plural = SINGULAR.iter().find_map(|(singular, plural)| {
        let bare = singular.trim_end_matches('/');
        if path == bare {
            return Some(plural.trim_end_matches('/').to_owned());
        }
        path.strip_prefix(singular).map(|rest| format!("{plural}{rest}"))
    });
    if let Some(plural) = plural {
        let path_and_query = match request.uri().query() {
            Some(query) => format!("{plural}?{query}"),
            None => plural,
        };
        if let Ok(path_and_query) = path_and_query.parse() {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path_and_query);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
    }
    request
}
