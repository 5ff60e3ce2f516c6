//! Who may do what.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A member's role in a workspace, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees what is shared with them, asks nothing.
    Guest,
    /// Reads, and asks where a connection is granted.
    Member,
    /// As a member, and explores results.
    Explorer,
    /// Builds tasks and projects.
    Editor,
    /// As an editor, and manages connections.
    Manager,
    /// Everything, people included.
    Admin,
}

impl Role {
    /// The word stored in the database and shown in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Explorer => "explorer",
            Self::Editor => "editor",
            Self::Manager => "manager",
            Self::Admin => "admin",
        }
    }

    /// May create tasks and ask questions in threads.
    pub fn may_ask(self) -> bool {
        self >= Self::Member
    }

    /// May create connections, which then are theirs to manage.
    pub fn may_create_connections(self) -> bool {
        self >= Self::Manager
    }

    /// May manage every connection, member and setting of the workspace.
    pub fn is_admin(self) -> bool {
        self == Self::Admin
    }
}

impl FromStr for Role {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Guest, Self::Member, Self::Explorer, Self::Editor, Self::Manager, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), of: "role" })
    }
}

/// What a grant on a connection allows. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConnectionAccess {
    /// Open threads and messages that used it.
    ViewResults,
    /// Let the agent query it.
    Query,
    /// Change it, and grant it to others.
    Manage,
}

impl ConnectionAccess {
    /// The word stored in the database and shown in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ViewResults => "view_results",
            Self::Query => "query",
            Self::Manage => "manage",
        }
    }
}

impl FromStr for ConnectionAccess {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::ViewResults, Self::Query, Self::Manage]
            .into_iter()
            .find(|access| access.as_str() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), of: "connection access" })
    }
}

/// A stored or received word that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {of}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What it should have been.
    pub of: &'static str,
}

/// Declares a closed set of words: an enum with `as_str`, `FromStr` and serde in snake_case.
///
/// A word is matched as a `tt`: utoipa does not see through the group that a `literal` is wrapped in, and would document
/// the variant's name instead.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $name:ident ($of:literal) { $($(#[$doc:meta])* $variant:ident = $word:tt),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The word stored in the database and shown in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::access::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::access::UnknownWord { word: word.to_owned(), of: $of }),
                }
            }
        }
    };
}
