//! The built page: embedded in release builds, read from disk in others.

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::{Embed, EmbeddedFile};

use crate::Error;

#[derive(Embed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Dist;

/// Said where the page was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tidings</title>\
    <h1>The page is not built yet</h1><p>The API is up. <code>make run</code> builds the page and starts everything; \
    <code>npm run build</code> in <code>web</code> builds the page alone.</p>\
    <p><a href=\"/api/docs\">API reference</a></p></html>";

/// Whether there is a page to serve.
pub(crate) fn are_built() -> bool {
    Dist::get("index.html").is_some()
}

/// A file of the page; for a path of the page's own, the page itself.
pub(crate) fn serve(request: &Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Error::NotFound("path").into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    if let Some(file) = Dist::get(path).filter(|_| !path.is_empty() && path != "index.html") {
        // Names under `assets/` carry a hash of the content.
        let caching =
            if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return answer(file, caching);
    }
    // A missing file is missing; a path without an extension is one that the page's own router knows.
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    if is_file && path != "index.html" {
        return Error::NotFound("file").into_response();
    }
    match Dist::get("index.html") {
        Some(index) => answer(index, "no-cache"),
        None => (StatusCode::OK, [(header::CACHE_CONTROL, "no-cache")], Html(NOT_BUILT)).into_response(),
    }
}

fn answer(file: EmbeddedFile, caching: &'static str) -> Response {
    let media_type = HeaderValue::from_str(file.metadata.mimetype())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let caching = HeaderValue::from_static(caching);
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, caching)], file.data).into_response()
}
