//! Extractors that refuse with the one error body and name the field.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
};
use domain::Invalid;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use crate::{BODY_LIMIT_BYTES, Error, Result};

/// A JSON body. An absent one is an empty object. Whether unknown fields are refused is up to the type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// The parameters of a query string. Unknown ones are ignored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// The variable parts of a path. What is no id names nothing: 404.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let media_type =
            request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        let media_type =
            media_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_lowercase());
        let is_json = media_type.is_none_or(|text| text == "application/json" || text.ends_with("+json"));
        let body = Bytes::from_request(request, state).await.map_err(|rejection| body_error(&rejection))?;
        if body.is_empty() {
            return read(Value::Object(serde_json::Map::new()), "").map(Self);
        }
        if !is_json {
            return Err(Error::UnsupportedMediaType("send the body as `Content-Type: application/json`"));
        }
        let value = serde_json::from_slice(&body).map_err(|error| {
            Error::BadRequest(format!(
                "the body is not JSON (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        read(value, "").map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
                .await
                .map_err(|_| Error::BadRequest("the query string cannot be read".to_owned()))?;
        if let Some((name, _)) =
            pairs.iter().find(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err(Error::field(name.replace('\0', ""), "must not contain the NUL character"));
        }
        let deserializer = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        deserializer.map(|axum::extract::Query(query)| Self(query)).map_err(|rejection| {
            let message = rejection.to_string();
            let path = pairs.iter().map(|(name, _)| name).find(|name| message.contains(name.as_str()));
            let path = path.cloned().unwrap_or_else(|| "query".to_owned());
            let said = message.rsplit(": ").next().unwrap_or_default();
            Error::field(path, format!("cannot be read: {said}"))
        })
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(path)| Self(path)).map_err(|_| Error::NotFound("thing"))
    }
}

/// Reads a value as `T`; an issue's path starts with `prefix`.
pub(crate) fn read<T: DeserializeOwned>(value: Value, prefix: &str) -> Result<T> {
    // Serde would read a list as a struct's fields in order.
    if !value.is_object() {
        return Err(Error::field("body", "must be a JSON object"));
    }
    if let Some(path) = path_of_nul(&value) {
        return Err(Error::field(format!("{prefix}{path}"), "must not contain the NUL character"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let message = error.into_inner().to_string();
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let (path, message) = match missing {
            Some(field) if path.is_empty() => (field.to_owned(), "is needed".to_owned()),
            Some(field) => (format!("{path}.{field}"), "is needed".to_owned()),
            None => (with_unknown_field(path, &message), message),
        };
        let path =
            if path.is_empty() && prefix.is_empty() { "body".to_owned() } else { format!("{prefix}{path}") };
        Error::Invalid(Invalid::new(path.trim_end_matches('.').to_owned(), message))
    })
}

/// A type that is read by way of another (`condition`) tells of a field that it does not have in its message alone.
fn with_unknown_field(path: String, message: &str) -> String {
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    match unknown {
        Some(field) if path.rsplit('.').next() != Some(field) => join(&path, field),
        _ => path,
    }
}

/// Where the value holds a text with a NUL character, which PostgreSQL cannot store.
fn path_of_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .find_map(|(index, value)| path_of_nul(value).map(|rest| join(&format!("[{index}]"), &rest))),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if name.contains('\0') {
                return Some(name.replace('\0', ""));
            }
            path_of_nul(value).map(|rest| join(name, &rest))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn join(name: &str, rest: &str) -> String {
    if rest.is_empty() || rest.starts_with('[') { format!("{name}{rest}") } else { format!("{name}.{rest}") }
}

pub(crate) fn body_error(rejection: &BytesRejection) -> Error {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Error::TooLarge { limit_bytes: BODY_LIMIT_BYTES };
    }
    Error::BadRequest("the body could not be read to its end".to_owned())
}

/// A field that may be left out, be null, or hold a value: three different wishes. Needs `#[serde(default)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Given<T> {
    /// Left out.
    #[default]
    Absent,
    /// Null.
    Null,
    /// A value.
    Value(T),
}

impl<T> Given<T> {
    /// What was given; where nothing was, `otherwise`.
    pub(crate) fn or_else(self, otherwise: impl FnOnce() -> Option<T>) -> Option<T> {
        match self {
            Self::Absent => otherwise(),
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// For `#[serde(deserialize_with)]`: a field that must be there and may be null.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only its shape matters")]
        inner_list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only its shape matters")]
        count: u8,
    }

    #[test]
    fn every_refusal_names_its_field() {
        for (value, path) in [
            (json!({}), "innerList"),
            (json!({"innerList": 3}), "innerList"),
            (json!({"innerList": [{"count": 1}, {}]}), "innerList[1].count"),
            (json!({"innerList": [{"count": 999}]}), "innerList[0].count"),
            (json!({"innerList": [{"count": 1, "extra": 2}]}), "innerList[0].extra"),
            (json!({"innerList": [], "wrong": "a"}), "wrong"),
            (json!({"innerList": ["a", ["b\0"]]}), "innerList[1][0]"),
            (json!([[]]), "body"),
            (json!("text"), "body"),
        ] {
            let Err(Error::Invalid(invalid)) = read::<Outer>(value.clone(), "") else {
                panic!("{value} was taken")
            };
            assert_eq!(invalid.issues[0].path, path, "{value}: {invalid}");
        }
    }
}
