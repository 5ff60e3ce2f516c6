//! People, as Slack knows them.

use secrecy::SecretString;
use serde::Deserialize;

use crate::{Client, Error, Page, call::Cursor};

/// What Slack says of a user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "Slack's own words for what a user is")]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The workspace that the user belongs to, which for someone of a shared channel is not ours.
    pub team_id: Option<String>,
    /// The user's short name.
    #[serde(default)]
    pub name: String,
    /// Whether the account was deactivated.
    #[serde(default)]
    pub deleted: bool,
    /// Whether it is a bot.
    #[serde(default)]
    pub is_bot: bool,
    /// Whether it is a guest, of one or several channels.
    #[serde(default)]
    pub is_restricted: bool,
    /// Whether it is a guest of one channel.
    #[serde(default)]
    pub is_ultra_restricted: bool,
    /// Whether it belongs to another organisation.
    #[serde(default)]
    pub is_stranger: bool,
    /// Whether Slack has seen the address confirmed. Absent where Slack does not say.
    pub is_email_confirmed: Option<bool>,
    /// The IANA zone that the user chose.
    pub tz: Option<String>,
    /// Names and address.
    #[serde(default)]
    pub profile: Profile,
}

/// Names and address of a [`User`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Profile {
    /// The full name.
    #[serde(default)]
    pub real_name: String,
    /// What the user wants to be called.
    #[serde(default)]
    pub display_name: String,
    /// The address, with the scope `users:read.email`.
    pub email: Option<String>,
}

#[derive(Deserialize)]
struct UserAnswer {
    user: User,
}

#[derive(Deserialize)]
struct UsersAnswer {
    members: Vec<User>,
    #[serde(default)]
    response_metadata: Cursor,
}

impl Client {
    /// What Slack says of one user.
    pub async fn users_info(&self, token: &SecretString, user: &str) -> Result<User, Error> {
        let answer: UserAnswer = self.call_form("users.info", token, &[("user", Some(user))]).await?;
        Ok(answer.user)
    }

    /// The active user with this address; `users_not_found` where there is none.
    pub async fn users_lookup_by_email(&self, token: &SecretString, email: &str) -> Result<User, Error> {
        let answer: UserAnswer =
            self.call_form("users.lookupByEmail", token, &[("email", Some(email))]).await?;
        Ok(answer.user)
    }

    /// A page of everyone, bots and deactivated accounts included.
    pub async fn users_list(&self, token: &SecretString, cursor: Option<&str>) -> Result<Page<User>, Error> {
        let form = [("limit", Some("200")), ("cursor", cursor)];
        let answer: UsersAnswer = self.call_form("users.list", token, &form).await?;
        Ok(Page { items: answer.members, next_cursor: answer.response_metadata.into_next() })
    }
}
