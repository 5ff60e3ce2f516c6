//! The ways a mail leaves.

pub mod smtp;

use domain::DeliveryId;
pub use smtp::{Error, Smtp};
use store::{NewOutboxMail, Scope, Store};

use crate::email::Email;

/// A way out.
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub enum Transport {
    /// By a mail server.
    Smtp(Smtp),
    /// The dev transport: mails are kept in the database exactly as they would be sent, and shown under "Outbox".
    Outbox,
}

/// A place at a way out: whoever has it can hand a mail over at once.
pub(crate) enum Place<'a> {
    /// At a mail server.
    Smtp(smtp::Place<'a>),
    /// The database has room for all.
    Outbox,
}

impl Transport {
    /// Waits for a place.
    pub(crate) async fn place(&self) -> Place<'_> {
        match self {
            Self::Smtp(smtp) => Place::Smtp(smtp.place().await),
            Self::Outbox => Place::Outbox,
        }
    }
}

impl Place<'_> {
    /// Sends a mail; answers what the provider calls it.
    pub(crate) async fn send(
        self,
        store: &Store,
        scope: &Scope,
        delivery_id: DeliveryId,
        email: Email,
    ) -> Result<String, Error> {
        match self {
            Self::Smtp(place) => Box::pin(place.send(&email)).await,
            Self::Outbox => {
                let recipient = email.to.to_string().to_lowercase();
                let mail = NewOutboxMail {
                    id: delivery_id,
                    sender: email.from.to_string(),
                    recipient,
                    subject: email.subject,
                    source: email.source,
                };
                // Kept once per delivery however often it is tried, so that a failure here is never in doubt.
                match store.outbox_mail_keep(scope, &mail).await {
                    Ok(()) => Ok(email.message_id),
                    Err(error) => {
                        tracing::warn!(%delivery_id, error = &error as &dyn std::error::Error, "the outbox is out of reach");
                        Err(Error::Later { answer: "the outbox is out of reach".to_owned(), is_ours: true })
                    }
                }
            }
        }
    }
}
