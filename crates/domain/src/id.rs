//! Typed ids. Each is a UUID; new ones are version 7, so that they sort by time of creation.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = Uuid))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new version 7 id for an object created at `now`.
            pub fn new(now: DateTime<Utc>) -> Self {
                let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
                Self(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
            }

            /// The bare UUID, as the database stores it.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    )+};
}

id! {
    /// A tenant.
    WorkspaceId,
    /// A workspace's own model provider, as it was saved once: each change makes a new one.
    WorkspaceModelId,
    /// A person. The same person may be a member of several workspaces.
    UserId,
    /// A named set of members.
    GroupId,
    /// A signed-in browser.
    SessionId,
    /// An API token.
    TokenId,
    /// A data source.
    ConnectionId,
    /// A saved question.
    TaskId,
    /// One execution of a turn by the agent.
    RunId,
    /// One analysis: turns, steps, answers.
    ThreadId,
    /// The stored rows of one query.
    ResultId,
    /// A chart over one result.
    ChartId,
    /// One message to one recipient or channel.
    DeliveryId,
    /// One connecting of a workspace with a Slack team.
    SlackInstallationId,
    /// A line of a workspace's credit ledger.
    CreditEntryId,
    /// A place that messages do not reach.
    DestinationId,
    /// Word to a person about their task.
    NoticeId,
    /// An address that events are sent to.
    WebhookEndpointId,
    /// An event for one endpoint.
    WebhookMessageId,
    /// What an endpoint's messages are signed with.
    WebhookSecretId,
    /// What a reader thinks of an answer.
    FeedbackId,
    /// A question whose SQL was found right.
    VerifiedQuestionId,
    /// A task tried out on its last occurrences.
    BacktestId,
}
