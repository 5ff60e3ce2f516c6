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

impl Transport {
    /// Sends a mail; answers what the provider calls it.
    pub(crate) async fn send(
        &self,
        store: &Store,
        scope: &Scope,
        delivery_id: DeliveryId,
        email: Email,
    ) -> Result<String, Error> {
        match self {
            Self::Smtp(smtp) => Box::pin(smtp.send(&email)).await,
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
