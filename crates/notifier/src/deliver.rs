//! One delivery, from claim to outcome.

use std::{future::Future, time::Duration};

use chrono::TimeDelta;
use domain::delivery::{Audience, Channel, DeliveryState};
use fail::fail_point;
use store::{ClaimedDelivery, DeliveryOutcome, DeliveryUser, NewAttempt, NewDecision, Unwanted};
use tokio::time::Instant;

use crate::{
    Notifier, audience,
    compose::{self, Composed, Composer, Reader},
    email::{self, Email, Letter},
    gather,
    held::{self, Pace},
    outcome::judge,
    room::Place,
    shared::Shared,
    transport,
};

/// How long a message that brings a file along waits for a place in the line for room.
const FILE_PATIENCE: Duration = Duration::from_secs(1);
/// For how long one that found none is put back.
const FILE_REST: TimeDelta = TimeDelta::seconds(5);
/// Between two tries to record an outcome.
const RECORD_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Why a delivery was put down without an outcome. Its lease runs out, and it is taken up again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database failed, or the lease was lost.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The same, for many deliveries at once.
    #[error(transparent)]
    Gathered(#[from] gather::Error),
    /// The lease could not be renewed in time.
    #[error("the lease could not be renewed")]
    LeaseLapsed,
    /// It was put back until its turn: nothing is wrong.
    #[error("it is not its turn")]
    PutOff,
}

/// What to do with a claimed delivery.
enum Plan {
    Send(Box<Ready>),
    /// Nothing: this is how it ends.
    End(DeliveryOutcome),
}

/// A mail, and what was decided for it: noted together with its attempt.
struct Ready {
    email: Email,
    decision: NewDecision,
}

/// What came of handing a mail over.
enum Handed {
    /// What the server said, or that it said nothing.
    Over(Result<String, transport::Error>),
    /// Nothing of it left: this is how it ends.
    Not(DeliveryOutcome),
}

impl Notifier {
    /// Brings one claimed delivery to an outcome, and answers its state.
    pub(crate) async fn deliver(&self, delivery: &ClaimedDelivery) -> Result<DeliveryState, Error> {
        fail_point!("notifier::delivery_claimed");
        if delivery.is_too_late {
            return Ok(self.store.delivery_give_up(&delivery.scope, &delivery.lease).await?);
        }
        if matches!(delivery.channel, Channel::SlackChannel | Channel::SlackDm) {
            return Box::pin(self.deliver_to_slack(delivery)).await;
        }
        let (scope, lease) = (&delivery.scope, &delivery.lease);
        let mut room = self.room_for_file(delivery).await?;
        let Ready { email, decision } = match self.plan(delivery).await? {
            Plan::Send(ready) => *ready,
            Plan::End(outcome) => return Ok(self.store.delivery_finish(scope, lease, &outcome).await?),
        };
        if let Some(room) = &mut room {
            // The mail, its copy on the way out, and the file that all of its answer's mails share; and what it takes to make
            // it once more.
            room.shrink_to(5 * email.source.len());
        }
        let recipient = email.to.to_string();
        // From before it was asked for: the answer may reach a process that has stood still since.
        let leased_at = Instant::now();
        let attempt = NewAttempt { lease: *lease, decision: Some(decision), is_of_rest: false };
        let attempt = self.attempts.ask(attempt).await?.ok_or(store::Error::LeaseLost)?;
        fail_point!("notifier::attempt_started");
        let sending = Box::pin(self.hand_over(delivery, email));
        let result = match self.while_held(delivery, leased_at, sending).await?? {
            Handed::Over(result) => result,
            Handed::Not(outcome) => return Ok(self.store.delivery_finish(scope, lease, &outcome).await?),
        };
        drop(room);
        fail_point!("notifier::mail_taken");
        tell_operator(delivery, &result);
        let dead = match &result {
            Err(transport::Error::DeadAddress { answer }) => Some(answer.clone()),
            _ => None,
        };
        let outcome = judge(result, attempt, &mut *self.random());
        let state = self.record(delivery, &outcome).await?;
        if let Some(answer) = dead {
            // Its place is paused by now and its creator told: where this comes to nothing, no address is shut in silence.
            if let Err(error) = self.store.mail_suppress(scope, &recipient, &answer).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a dead address could not be noted");
            }
        }
        fail_point!("notifier::outcome_recorded");
        Ok(state)
    }

    /// Hands a mail over once there is a place for it at the server. Attempts begin before that, many at once; so where the place
    /// is long in coming everything is asked again: somebody may have lost a right, or may not want it any more.
    async fn hand_over(&self, delivery: &ClaimedDelivery, mut email: Email) -> Result<Handed, Error> {
        let asked_at = Instant::now();
        let place = self.transport.place().await;
        if asked_at.elapsed() >= self.fresh_for {
            // Before another one is made: room was taken for one.
            drop(email);
            let ready = match self.plan(delivery).await? {
                Plan::Send(ready) => *ready,
                Plan::End(outcome) => return Ok(Handed::Not(outcome)),
            };
            let refusal = self.store.delivery_attempt_decide(&delivery.lease, &ready.decision).await?;
            if let Some(reason) = refusal {
                let reason = reason.as_str().to_owned();
                return Ok(Handed::Not(DeliveryOutcome::Withheld { reason }));
            }
            email = ready.email;
        }
        let sent = place.send(&self.store, &delivery.scope, delivery.lease.delivery_id, email);
        Ok(Handed::Over(sent.await))
    }

    /// Waits for room to make a message that brings a file along; none for others. The lease is renewed meanwhile. Only some may
    /// wait: where the line is long and does not move the delivery is put back, and others have its place.
    pub(crate) async fn room_for_file(&self, delivery: &ClaimedDelivery) -> Result<Option<Place>, Error> {
        if !delivery.attach_csv {
            return Ok(None);
        }
        let (scope, lease) = (&delivery.scope, &delivery.lease);
        let Ok(in_line) = tokio::time::timeout(FILE_PATIENCE, self.file_line.acquire()).await else {
            self.store.delivery_put_back(scope, lease, FILE_REST).await?;
            return Err(Error::PutOff);
        };
        let leased_at = Instant::now();
        self.store.delivery_heartbeat(scope, lease).await?;
        let room = self.while_held(delivery, leased_at, self.files.take()).await;
        drop(in_line);
        room
    }

    /// Records an attempt's outcome: see [`Notifier::record_by`].
    pub(crate) async fn record(
        &self,
        delivery: &ClaimedDelivery,
        outcome: &DeliveryOutcome,
    ) -> Result<DeliveryState, Error> {
        self.record_by(|| self.finish(delivery, outcome)).await
    }

    /// Has an attempt's outcome written, again and again while the lease may hold: a database that is out of reach for a moment
    /// must not turn a mail that was taken into one that nobody knows of, to be sent again.
    pub(crate) async fn record_by<F: Future<Output = Result<DeliveryState, Error>>>(
        &self,
        write: impl Fn() -> F,
    ) -> Result<DeliveryState, Error> {
        let given_up_at = Instant::now() + self.lease() * 2 / 3;
        loop {
            let error = match write().await {
                Ok(state) => return Ok(state),
                Err(error) => error,
            };
            let is_lost = matches!(error, Error::Store(store::Error::LeaseLost));
            if is_lost || Instant::now() >= given_up_at {
                return Err(error);
            }
            tokio::time::sleep(RECORD_AGAIN_AFTER).await;
        }
    }

    /// What went well is noted for many at once; of anything else there is more to write.
    async fn finish(
        &self,
        delivery: &ClaimedDelivery,
        outcome: &DeliveryOutcome,
    ) -> Result<DeliveryState, Error> {
        let DeliveryOutcome::Sent { provider_id } = outcome else {
            return Ok(self.store.delivery_finish(&delivery.scope, &delivery.lease, outcome).await?);
        };
        let was_held = self.sent.ask((delivery.lease, provider_id.clone())).await?;
        if was_held { Ok(DeliveryState::Sent) } else { Err(store::Error::LeaseLost.into()) }
    }

    fn lease(&self) -> Duration {
        self.store.delivery_lease().to_std().unwrap_or_default()
    }

    async fn plan(&self, delivery: &ClaimedDelivery) -> Result<Plan, Error> {
        match delivery.channel {
            Channel::Email | Channel::SlackChannel | Channel::SlackDm => {}
        }
        let Some(user) = &delivery.user else { return Ok(failed("no_recipient", "The recipient is gone.")) };
        if user.is_deactivated {
            audience::note_withheld(&self.store, delivery, "The recipient is deactivated.").await?;
            return Ok(Plan::End(DeliveryOutcome::Withheld { reason: "recipient_deactivated".to_owned() }));
        }
        let obstacles = self.obstacles.ask(delivery.lease).await?;
        if obstacles.is_outside_domains {
            audience::note_withheld(&self.store, delivery, "The workspace allows no mail to this domain.")
                .await?;
            return Ok(Plan::End(DeliveryOutcome::Withheld { reason: "domain_not_allowed".to_owned() }));
        }
        if obstacles.is_suppressed {
            return Ok(suppressed("address_suppressed"));
        }
        if let Some(unwanted) = obstacles.unwanted {
            return Ok(suppressed(unwanted.as_str()));
        }
        let shared = self.answers.of(delivery);
        let composed = match self.composer(delivery, &shared).compose(Reader::Person(user)).await {
            Ok(composed) => composed,
            Err(compose::Error::Gone(what)) => return Ok(failed("gone", what)),
            Err(compose::Error::Store(error)) => return Err(error.into()),
            Err(compose::Error::Gathered(error)) => return Err(error.into()),
        };
        let decision = composed.decision.as_ref();
        let is_withheld = decision.is_some_and(|decision| decision.audience == Audience::Withheld);
        let end = if is_withheld {
            Plan::End(DeliveryOutcome::Withheld { reason: "not_allowed".to_owned() })
        } else {
            match self.email(delivery, user, &composed, &shared) {
                Ok(email) => {
                    let content = audience::mark(&email.source, None);
                    let decision = audience::noted(decision, Some(content));
                    return Ok(Plan::Send(Box::new(Ready { email, decision })));
                }
                Err(error @ email::Error::Address(_)) => failed("invalid_address", &error.to_string()),
                Err(error @ email::Error::Build(_)) => failed("internal", &error.to_string()),
            }
        };
        audience::note(&self.store, delivery, decision, None).await?;
        Ok(end)
    }

    /// What composes a delivery's message.
    pub(crate) fn composer<'a>(&'a self, delivery: &'a ClaimedDelivery, shared: &'a Shared) -> Composer<'a> {
        Composer {
            store: &self.store,
            readers: &self.readers,
            public_url: &self.public_url,
            delivery,
            shared,
        }
    }

    fn email(
        &self,
        delivery: &ClaimedDelivery,
        user: &DeliveryUser,
        composed: &Composed,
        shared: &Shared,
    ) -> Result<Email, email::Error> {
        let letter = Letter {
            delivery_id: delivery.lease.delivery_id,
            conversation: &composed.conversation,
            from: &self.mail_from,
            to: &user.email,
            to_name: &user.name,
            // The same at every attempt, as all of a mail is.
            sent_at: delivery.created_at,
            message: &composed.message,
            attachment: composed.attachment.as_deref(),
        };
        letter.build_with(&shared.printed)
    }

    /// Why the recipient does not want a delivery, as things are now: any time may have gone by since it was queued.
    pub(crate) async fn unwanted(
        &self,
        delivery: &ClaimedDelivery,
    ) -> Result<Option<Unwanted>, gather::Error> {
        Ok(self.obstacles.ask(delivery.lease).await?.unwanted)
    }

    /// Awaits `work` on a delivery that was leased at `leased_at`, and renews its lease meanwhile: see [`held`].
    pub(crate) async fn while_held<T>(
        &self,
        delivery: &ClaimedDelivery,
        leased_at: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let renew = || self.store.delivery_heartbeat(&delivery.scope, &delivery.lease);
        Box::pin(held::while_renewed(Pace::of(self.lease()), leased_at, renew, work)).await
    }
}

/// What only whoever runs the server can mend goes to the log and the metrics, without the answer: it may hold an address.
fn tell_operator(delivery: &ClaimedDelivery, result: &Result<String, transport::Error>) {
    let problem = match result {
        Err(transport::Error::Later { is_ours: true, .. }) => "setup",
        Err(transport::Error::Refused { is_policy: true, .. }) => "policy",
        _ => return,
    };
    metrics::counter!("tidings_mail_refusals_total", "problem" => problem).increment(1);
    tracing::error!(delivery_id = %delivery.lease.delivery_id, problem, "the mail server refuses us, not the mail");
}

fn failed(reason: &str, message: &str) -> Plan {
    Plan::End(DeliveryOutcome::Failed { reason: reason.to_owned(), message: message.to_owned() })
}

fn suppressed(reason: &str) -> Plan {
    Plan::End(DeliveryOutcome::Suppressed { reason: reason.to_owned() })
}
