//! The right to act as our app in a workspace's Slack team, and how it is renewed.
//!
//! A token that rotates lives for twelve hours and is renewed at 80% of that. Of many that want a fresh one, one renews, under a
//! lock on the installation's row, and stores the new pair before anybody uses it; the others wait for the lock and read that.
//! Where Slack does not renew it, the token in hand goes on for as long as Slack said that it lives, and the next try waits.
//! Where Slack named a time for that, nobody tries before it, whatever became of the token: it is kept with the holds of other
//! methods, written down by whoever was told before the next one gets the lock.

use std::{future::Future, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::SlackInstallationId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    Error, Result, SLACK_ACCESS_METHOD, Scope, Store, Tx, Vault,
    error::one_row,
    slack_lane::{hold_method, method_held},
    vault::{self, Sealed},
};

/// The longest that whoever renews may take: the row is locked meanwhile, and a transaction that idles longer is cut.
pub const SLACK_RENEWAL_PATIENCE: Duration = Duration::from_secs(13);

/// Between two tries to renew a token that is good for a while yet.
const RENEWAL_REST: TimeDelta = TimeDelta::minutes(1);

/// A token as Slack gives it out.
#[derive(Clone, Debug)]
pub struct SlackTokenPair {
    /// `xoxb-…` or `xoxe.xoxb-…`.
    pub bot_token: SecretString,
    /// What a new one is had for; `None` where the app does not rotate its tokens.
    pub refresh_token: Option<SecretString>,
    /// How long the token is good for from now on.
    pub expires_in: Option<TimeDelta>,
}

impl SlackTokenPair {
    pub(crate) fn expires_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.expires_in.map(|life| now + life)
    }

    /// At 80% of its life.
    pub(crate) fn refresh_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.refresh_token.as_ref().and(self.expires_in).map(|life| now + life * 4 / 5)
    }
}

/// The right to act as our app in the workspace's team.
#[derive(Clone, Debug)]
pub struct SlackToken {
    /// The connection that it belongs to.
    pub installation_id: SlackInstallationId,
    /// `T…`.
    pub team_id: String,
    /// `U…`: our app as a user of the team.
    pub bot_user_id: String,
    /// The token.
    pub bot_token: SecretString,
    /// Whether it is to be renewed before use.
    pub is_due: bool,
    /// Whether it is good by the time that Slack named for it, or Slack named none.
    pub is_live: bool,
    /// When it was read: a connection that was made later has another.
    pub read_at: DateTime<Utc>,
}

/// A locked installation, whose token this caller alone renews. Dropped, it lets go and changes nothing.
pub struct SlackTokenLock {
    tx: Tx,
    /// Not later than the instant of its transaction.
    began_at: Instant,
    scope: Scope,
    vault: Vault,
    token: SlackToken,
    /// Whether Slack has just refused it.
    is_refused: bool,
    refresh_token: SecretString,
}

/// What came of wanting to renew.
pub enum SlackRenewal {
    /// Renew now, within [`SLACK_RENEWAL_PATIENCE`], and store what came of it.
    Locked(Box<SlackTokenLock>),
    /// Somebody else has done so, or it is not due.
    Fresh(SlackToken),
    /// Slack is not connected any more.
    Ended,
}

/// Why there is no new pair, as whoever asked Slack for it tells.
#[derive(Debug)]
pub struct SlackNotRenewed<E> {
    /// What Slack said.
    pub error: E,
    /// For how long Slack wants no call of [`SLACK_ACCESS_METHOD`], where it said so.
    pub hold: Option<TimeDelta>,
}

/// Why there is no fresh token.
#[derive(Debug, thiserror::Error)]
pub enum SlackTokenError<E> {
    /// The database failed.
    #[error("the token of Slack could not be read or stored")]
    Store(#[from] Error),
    /// Slack did not renew it, and the one in hand is at its end.
    #[error("the token of Slack could not be renewed")]
    Renewal {
        /// What Slack said.
        #[source]
        error: E,
        /// When the token was read that was to be renewed.
        read_at: DateTime<Utc>,
    },
    /// Slack wants nobody to ask for one before so long, and the one in hand is at its end. Slack was not asked.
    #[error("Slack wants its token to be renewed later")]
    Held(TimeDelta),
    /// Slack did not answer in time.
    #[error("Slack took too long to renew its token")]
    Slow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    bot_token: String,
    refresh_token: Option<String>,
}

pub(crate) fn seal(
    vault: &Vault,
    scope: &Scope,
    id: SlackInstallationId,
    pair: &SlackTokenPair,
) -> Result<Sealed> {
    let secret = Secret {
        bot_token: pair.bot_token.expose_secret().to_owned(),
        refresh_token: pair.refresh_token.as_ref().map(|token| token.expose_secret().to_owned()),
    };
    let text = serde_json::to_string(&secret).expect("texts serialise to JSON");
    Ok(vault.seal(scope.workspace_id(), id.as_uuid(), &SecretString::from(text))?)
}

struct TokenRow {
    id: Uuid,
    team_id: String,
    bot_user_id: String,
    secret: Vec<u8>,
    secret_key_id: String,
    is_due: bool,
    is_live: bool,
}

impl TokenRow {
    fn open(
        self,
        vault: &Vault,
        scope: &Scope,
        read_at: DateTime<Utc>,
    ) -> Result<(SlackToken, Option<SecretString>)> {
        let sealed = Sealed { key_id: self.secret_key_id, bytes: self.secret };
        let text = vault.open(scope.workspace_id(), self.id, &sealed)?;
        let forged = |_| vault::Error::Forged { key_id: sealed.key_id.clone() };
        let secret: Secret = serde_json::from_str(text.expose_secret()).map_err(forged)?;
        let token = SlackToken {
            installation_id: self.id.into(),
            team_id: self.team_id,
            bot_user_id: self.bot_user_id,
            bot_token: SecretString::from(secret.bot_token),
            is_due: self.is_due,
            is_live: self.is_live,
            read_at,
        };
        Ok((token, secret.refresh_token.map(SecretString::from)))
    }
}

impl Store {
    /// The token of the workspace's live connection, as it is; `None` where Slack is not connected.
    pub async fn slack_token(&self, scope: &Scope) -> Result<Option<SlackToken>> {
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            TokenRow,
            r#"SELECT id, team_id, bot_user_id, secret AS "secret!", secret_key_id AS "secret_key_id!",
                   coalesce(token_refresh_at <= $2, false) AS "is_due!", coalesce(token_expires_at > $2, true) AS "is_live!"
               FROM slack_installation WHERE workspace_id = $1 AND state = 'active'"#,
            tx.workspace_id(),
            tx.now
        )
        .fetch_optional(tx.db())
        .await?;
        row.map(|row| Ok(row.open(&self.vault, scope, tx.now)?.0)).transpose()
    }

    /// Locks the installation to renew its token, and reads it again: whoever had the lock before may have renewed it. `seen` is a
    /// token that Slack has just refused as expired, which is due whatever its time.
    pub async fn slack_token_lock_for_refresh(
        &self,
        scope: &Scope,
        seen: Option<&SecretString>,
    ) -> Result<SlackRenewal> {
        let began_at = Instant::now();
        let mut tx = self.begin(scope).await?;
        let row = sqlx::query_as!(
            TokenRow,
            r#"SELECT id, team_id, bot_user_id, secret AS "secret!", secret_key_id AS "secret_key_id!",
                   coalesce(token_refresh_at <= $2, false) AS "is_due!", coalesce(token_expires_at > $2, true) AS "is_live!"
               FROM slack_installation WHERE workspace_id = $1 AND state = 'active' FOR UPDATE"#,
            tx.workspace_id(),
            tx.now
        )
        .fetch_optional(tx.db())
        .await?;
        let Some(row) = row else { return Ok(SlackRenewal::Ended) };
        let (token, refresh_token) = row.open(&self.vault, scope, tx.now)?;
        let is_refused = seen.is_some_and(|seen| seen.expose_secret() == token.bot_token.expose_secret());
        let Some(refresh_token) = refresh_token.filter(|_| token.is_due || is_refused) else {
            return Ok(SlackRenewal::Fresh(token));
        };
        Ok(SlackRenewal::Locked(Box::new(SlackTokenLock {
            tx,
            began_at,
            scope: *scope,
            vault: self.vault.clone(),
            token,
            is_refused,
            refresh_token,
        })))
    }

    /// A token that is good for use, renewed through `renew` where that is due or `seen` was refused as expired. `renew` gets the
    /// refresh token. Where nothing comes of it, the token in hand is answered while it lives. `None` where Slack is not connected.
    pub async fn slack_token_fresh<E, F>(
        &self,
        scope: &Scope,
        seen: Option<&SecretString>,
        renew: impl FnOnce(SecretString) -> F,
    ) -> Result<Option<SlackToken>, SlackTokenError<E>>
    where
        E: std::error::Error + 'static,
        F: Future<Output = Result<SlackTokenPair, SlackNotRenewed<E>>>,
    {
        if seen.is_none() {
            match self.slack_token(scope).await? {
                None => return Ok(None),
                Some(token) if !token.is_due => return Ok(Some(token)),
                Some(_) => {}
            }
        }
        let mut lock = match self.slack_token_lock_for_refresh(scope, seen).await? {
            SlackRenewal::Ended => return Ok(None),
            SlackRenewal::Fresh(token) => return Ok(Some(token)),
            SlackRenewal::Locked(lock) => lock,
        };
        let is_spent = lock.is_refused || !lock.token.is_live;
        if let Some(wait) = method_held(&mut lock.tx, SLACK_ACCESS_METHOD).await? {
            return if is_spent {
                Err(SlackTokenError::Held(wait))
            } else {
                Ok(Some(lock.rest(wait).await?))
            };
        }
        let renewed = tokio::time::timeout(SLACK_RENEWAL_PATIENCE, renew(lock.refresh_token().clone()));
        let (failure, hold) = match renewed.await {
            Ok(Ok(pair)) => return Ok(Some(lock.store(&pair).await?)),
            Ok(Err(SlackNotRenewed { error, hold })) => {
                (SlackTokenError::Renewal { error, read_at: lock.token.read_at }, hold)
            }
            Err(_) => (SlackTokenError::Slow, None),
        };
        if let Some(wait) = hold {
            lock.hold(wait).await?;
        }
        if is_spent {
            lock.tx.commit().await?;
            return Err(failure);
        }
        tracing::warn!(
            workspace_id = %scope.workspace_id(),
            error = &failure as &dyn std::error::Error,
            "Slack's token was not renewed; the one in hand goes on"
        );
        drop(failure);
        Ok(Some(lock.rest(hold.unwrap_or_default()).await?))
    }
}

impl SlackTokenLock {
    /// What a new pair is had for.
    pub const fn refresh_token(&self) -> &SecretString {
        &self.refresh_token
    }

    /// Stores the new pair and lets go. The token may be used from here on.
    pub async fn store(mut self, pair: &SlackTokenPair) -> Result<SlackToken> {
        let sealed = seal(&self.vault, &self.scope, self.token.installation_id, pair)?;
        let done = sqlx::query!(
            "UPDATE slack_installation SET secret = $3, secret_key_id = $4, token_expires_at = $5, token_refresh_at = $6,
                 updated_at = $7
             WHERE workspace_id = $1 AND id = $2 AND state = 'active'",
            self.tx.workspace_id(),
            self.token.installation_id.as_uuid(),
            sealed.bytes,
            sealed.key_id,
            pair.expires_at(self.tx.now),
            pair.refresh_at(self.tx.now),
            self.tx.now
        )
        .execute(self.tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        self.tx.commit().await?;
        Ok(SlackToken { bot_token: pair.bot_token.clone(), is_due: false, is_live: true, ..self.token })
    }

    /// Has nobody ask for a token before `wait` has passed from now on, once that is committed.
    async fn hold(&mut self, wait: TimeDelta) -> Result<()> {
        // Slack counts from its answer, and the transaction is as old as the wait for the lock and for that answer.
        let since = TimeDelta::from_std(self.began_at.elapsed()).unwrap_or_default();
        hold_method(&mut self.tx, SLACK_ACCESS_METHOD, wait + since).await
    }

    /// Lets go of a token that was not renewed, and has it tried again in a while, of `at_least` so long. Answers it as it is.
    async fn rest(mut self, at_least: TimeDelta) -> Result<SlackToken> {
        let done = sqlx::query!(
            "UPDATE slack_installation SET token_refresh_at = $3 WHERE workspace_id = $1 AND id = $2",
            self.tx.workspace_id(),
            self.token.installation_id.as_uuid(),
            self.tx.now + RENEWAL_REST.max(at_least)
        )
        .execute(self.tx.db())
        .await?;
        one_row(&done, Error::NotFound)?;
        self.tx.commit().await?;
        Ok(self.token)
    }
}
