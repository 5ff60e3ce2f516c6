//! What things are and what is allowed, with no I/O and no async.
//!
//! Every other crate depends on this one; this one depends on nothing of ours. Types that the HTTP API shows as they
//! are serialise in camelCase; the feature `openapi` derives their schemas.

pub mod access;
pub mod answer;
pub mod audience;
pub mod check;
pub mod clock;
pub mod condition;
pub mod credit_cap;
pub mod credits;
pub mod delivery;
pub mod destination;
pub mod feedback;
pub mod freshness;
pub mod id;
pub mod invalid;
pub mod notice;
pub mod provenance;
pub mod question;
pub mod run;
pub mod schedule;
pub mod slack;
pub mod step;
pub mod table;
pub mod task;
pub mod task_draft;
pub mod thread;
pub mod webhook;
pub mod workspace;

pub use clock::Clock;
pub use credits::Credits;
pub use id::{
    BacktestId, ChartId, ConnectionId, CreditEntryId, DeliveryId, DestinationId, FeedbackId, GroupId,
    NoticeId, ResultId, RunId, SessionId, SlackInstallationId, TaskId, ThreadId, TokenId, UserId,
    VerifiedQuestionId, WebhookEndpointId, WebhookMessageId, WebhookSecretId, WorkspaceId, WorkspaceModelId,
};
pub use invalid::{Invalid, Issue};
