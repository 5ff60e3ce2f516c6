//! What a client is told when a request fails: one body everywhere, never the text of a database or of a source error.

use std::{borrow::Cow, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{Invalid, Issue};
use serde::{Deserialize, Serialize};
use store::Conflict;
use utoipa::ToSchema;

/// When to come back to what is busy or away.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// Nobody is signed in, or the token is unknown, expired or revoked.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing, or the caller may not see it.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The method is not served on this path.
    #[error("this path does not serve the method")]
    MethodNotAllowed,
    /// The thing is in another state than the request needs.
    #[error("{message}")]
    Conflict {
        /// A code.
        reason: &'static str,
        /// A sentence.
        message: String,
    },
    /// `If-Match` names another version than the current one.
    #[error("it was changed by someone else meanwhile; read it again and repeat your change")]
    PreconditionFailed,
    /// The body is longer than is read.
    #[error("the body has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The body is of another media type than the route reads.
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// Fields are wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Too many requests.
    #[error("too many requests; try again in {} s", whole_seconds(*.retry_after))]
    RateLimited {
        /// When to come back.
        retry_after: Duration,
    },
    /// A part that the request needs is down or busy.
    #[error("{0}")]
    Unavailable(Cow<'static, str>),
    /// A defect of ours, or of something that we depend on. The client learns nothing but the request's id.
    #[error("an internal error")]
    Internal(#[source] anyhow::Error),
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The request cannot be read.
    BadRequest,
    /// Sign in first.
    Unauthorized,
    /// Not allowed to the caller.
    Forbidden,
    /// No such thing, or none that the caller may see.
    NotFound,
    /// The thing's state, or its version, is another.
    Conflict,
    /// Fields are wrong.
    Unprocessable,
    /// Too many requests.
    RateLimited,
    /// Down or busy; try again.
    Unavailable,
    /// A defect; the log has the details under the trace id.
    InternalServerError,
}

/// The body of every failure.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub struct ErrorBody {
    /// A code in `snake_case`, finer than `code`.
    pub reason: String,
    /// What more there is to say, or the empty string.
    pub details: String,
    /// The request's id, equal to the header `X-Request-Id`.
    pub trace_id: String,
    /// A sentence for people.
    pub message: String,
    /// The kind of failure.
    pub code: Code,
    /// What is wrong with which field.
    pub issues: Vec<Issue>,
}

/// Handed from a failed handler to the layer that knows the request's id and writes the body.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) code: Code,
    pub(crate) issues: Vec<Issue>,
}

impl Error {
    /// A refusal for one field.
    pub fn field(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Invalid::new(path, message))
    }

    /// A defect, kept for the log.
    pub fn internal(source: impl Into<anyhow::Error>) -> Self {
        Self::Internal(source.into())
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn code(&self) -> Code {
        match self {
            Self::BadRequest(_)
            | Self::MethodNotAllowed
            | Self::TooLarge { .. }
            | Self::UnsupportedMediaType(_) => Code::BadRequest,
            Self::Unauthorized(_) => Code::Unauthorized,
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::Conflict { .. } | Self::PreconditionFailed => Code::Conflict,
            Self::Invalid(_) => Code::Unprocessable,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Internal(_) => Code::InternalServerError,
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict { reason, .. } => reason,
            Self::PreconditionFailed => "version_changed",
            Self::TooLarge { .. } => "body_too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::Invalid(_) => "invalid_fields",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

/// Turns what the store says into what a client is told.
pub(crate) trait StoreResult<T> {
    /// Fails as the store does; `what` names the thing that was looked for, such as `task`.
    fn or_refused(self, what: &'static str) -> Result<T, Error>;
}

impl<T> StoreResult<T> for store::Result<T> {
    fn or_refused(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| match error {
            store::Error::NotFound => Error::NotFound(what),
            store::Error::Invalid(invalid) => Error::Invalid(invalid),
            store::Error::Conflict(Conflict::VersionMismatch) => Error::PreconditionFailed,
            store::Error::Conflict(conflict) => {
                Error::Conflict { reason: conflict_reason(conflict), message: conflict.to_string() }
            }
            error if error.is_passing() => {
                tracing::warn!(
                    error = format!("{:#}", anyhow::Error::new(error)),
                    "the database is busy or away"
                );
                Error::Unavailable("the database is busy; try again".into())
            }
            defect @ (store::Error::LeaseLost
            | store::Error::RunStopped(_)
            | store::Error::Unreadable { .. }
            | store::Error::Vault(_)
            | store::Error::Database(_)
            | store::Error::Migrate(_)) => Error::internal(defect),
        })
    }
}

const fn conflict_reason(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::ConnectionNameTaken | Conflict::GroupNameTaken | Conflict::SlugTaken => "name_taken",
        Conflict::EmailTaken => "email_taken",
        Conflict::AlreadyMember => "already_member",
        Conflict::ThreadBusy => "thread_busy",
        Conflict::VersionMismatch => "version_changed",
        Conflict::TaskCancelled => "task_cancelled",
        Conflict::TaskExpired => "task_expired",
        Conflict::RunFinished => "run_finished",
        Conflict::BacktestUnderWay => "backtest_under_way",
        Conflict::CreatorDeactivated => "creator_deactivated",
        Conflict::DeliveryUnfinished | Conflict::DeliveryRepeatUnfinished => "delivery_unfinished",
        Conflict::DeliveryOutdated => "delivery_outdated",
        Conflict::DeliverySubjectGone => "delivery_subject_gone",
        Conflict::RequestReplaced => "request_replaced",
        Conflict::WebhookOff => "webhook_off",
        Conflict::WebhookBusy => "webhook_busy",
        Conflict::SlackTeamTaken => "slack_team_taken",
        Conflict::SlackOtherTeam => "slack_other_team",
        Conflict::SlackUserTaken => "slack_user_taken",
        Conflict::Duplicate => "duplicate",
    }
}

/// Whole seconds, rounded up, at least one: a client that waits them is not refused again.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        if let Self::Internal(source) = &self {
            // Once, with its chain; the layer `trace` puts the request's id on the line.
            tracing::error!(error = format!("{source:#}"), "request failed");
        }
        let message = match &self {
            Self::Internal(_) => {
                "something went wrong on our side; quote the trace id when you report it".to_owned()
            }
            other => other.to_string(),
        };
        let failure = Failure {
            reason: self.reason().to_owned(),
            message,
            code: self.code(),
            issues: match &self {
                Self::Invalid(invalid) => invalid.issues.clone(),
                _ => Vec::new(),
            },
        };
        let mut response = status.into_response();
        match &self {
            Self::Unavailable(_) => {
                let wait = whole_seconds(BUSY_WAIT).into();
                response.headers_mut().insert(header::RETRY_AFTER, wait);
            }
            Self::RateLimited { retry_after } => {
                response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(*retry_after).into());
            }
            Self::Unauthorized(_) => {
                let scheme = HeaderValue::from_static("Bearer realm=\"tidings\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            _ => {}
        }
        response.extensions_mut().insert(failure);
        response
    }
}

impl Failure {
    /// The body for a request.
    pub(crate) fn into_body(self, trace_id: String) -> Json<ErrorBody> {
        Json(ErrorBody {
            reason: self.reason,
            details: String::new(),
            trace_id,
            message: self.message,
            code: self.code,
            issues: self.issues,
        })
    }
}
