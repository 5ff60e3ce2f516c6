//! Deliveries whose turn has not come, or comes too late: put back as they were, without an attempt, so that they occupy nobody
//! meanwhile; or given up.

use chrono::{DateTime, TimeDelta, Utc};
use domain::delivery::DeliveryState;

use crate::{
    DELIVERY_LIFETIME, DeliveryLease, DeliveryOutcome, Error, Result, Scope, Store, Tx, delivery::finish,
    error::one_row,
};

/// What is said of a delivery whose turn would come too late.
pub(crate) struct Late {
    /// A code.
    pub(crate) reason: &'static str,
    /// The reason in words.
    pub(crate) message: &'static str,
    /// In words, of one that may have been sent: nobody found out.
    pub(crate) unknown: &'static str,
}

impl Store {
    /// Puts a held delivery back until `after` has passed: there was no room to make its message. One that would be sent too
    /// late has failed, as `files_backlog`.
    pub async fn delivery_put_back(
        &self,
        scope: &Scope,
        lease: &DeliveryLease,
        after: TimeDelta,
    ) -> Result<()> {
        let late = Late {
            reason: "files_backlog",
            message: "For a day there was no room for the file that it brings along.",
            unknown: "For a day there was no room to find out whether it arrived.",
        };
        let mut tx = self.begin(scope).await?;
        let until = tx.now + after;
        put_back(&mut tx, lease, until, None, &late).await?;
        tx.commit().await
    }

    /// Gives up a held delivery that was queued too long ago to be tried: for the reason of its last attempt, as
    /// `outcome_unknown` where that may have arrived, and as `too_late` where nothing was tried.
    pub async fn delivery_give_up(&self, scope: &Scope, lease: &DeliveryLease) -> Result<DeliveryState> {
        let mut tx = self.begin(scope).await?;
        let held = sqlx::query!(
            "SELECT state, reason, message FROM delivery
             WHERE workspace_id = $1 AND id = $2 AND lease_token = $3 FOR UPDATE",
            tx.workspace_id(),
            lease.delivery_id.as_uuid(),
            lease.token
        )
        .fetch_optional(tx.db())
        .await?
        .ok_or(Error::LeaseLost)?;
        let (reason, message) = match held.reason {
            _ if held.state == DeliveryState::Unknown.as_str() => {
                ("outcome_unknown".to_owned(), "Within a day nobody found out whether it arrived.".to_owned())
            }
            Some(reason) => (reason, held.message.unwrap_or_default()),
            None => ("too_late".to_owned(), "Nothing was tried within a day.".to_owned()),
        };
        let state = finish(&mut tx, lease, &DeliveryOutcome::Failed { reason, message }).await?;
        tx.commit().await?;
        Ok(state)
    }
}

/// Lets go of a held delivery until `available_at`, with another turn in Slack if it has one. One that would be sent too late
/// has failed.
pub(crate) async fn put_back(
    tx: &mut Tx,
    lease: &DeliveryLease,
    available_at: DateTime<Utc>,
    slack_turn_at: Option<DateTime<Utc>>,
    late: &Late,
) -> Result<()> {
    let delivery = sqlx::query!(
        "SELECT created_at, state FROM delivery WHERE workspace_id = $1 AND id = $2 AND lease_token = $3 FOR UPDATE",
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        lease.token
    )
    .fetch_optional(tx.db())
    .await?
    .ok_or(Error::LeaseLost)?;
    if available_at >= delivery.created_at + DELIVERY_LIFETIME {
        let (reason, message) = if delivery.state == DeliveryState::Unknown.as_str() {
            ("outcome_unknown", late.unknown)
        } else {
            (late.reason, late.message)
        };
        let outcome = DeliveryOutcome::Failed { reason: reason.to_owned(), message: message.to_owned() };
        finish(tx, lease, &outcome).await?;
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE delivery SET available_at = $4, slack_turn_at = coalesce($5, slack_turn_at), lease_token = NULL,
             lease_until = NULL, worker = NULL
         WHERE workspace_id = $1 AND id = $2 AND lease_token = $3",
        tx.workspace_id(),
        lease.delivery_id.as_uuid(),
        lease.token,
        available_at,
        slack_turn_at
    )
    .execute(tx.db())
    .await?;
    one_row(&done, Error::LeaseLost)
}
