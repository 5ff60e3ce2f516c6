//! Versions as ETags, so that a lost update is a 412.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
};

use crate::{Error, Result};

/// The ETag header of a version.
pub(crate) fn etag(version: u32) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    HeaderMap::from_iter([(header::ETAG, value)])
}

/// The version that `If-Match` names. `None`: the header is absent, or `*`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IfMatch(pub(crate) Option<u32>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let Some(header) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = header.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        // What is no ETag of ours matches nothing. A compressed answer's tag comes back weak.
        let tag = text.trim_start_matches("W/").trim_matches('"');
        tag.parse().map(|version| Self(Some(version))).map_err(|_| Error::PreconditionFailed)
    }
}
