//! Buttons of our messages. "Open" is a link and asks nothing of us. "Snooze" and "unsubscribe" are for the recipient of a direct
//! message alone: a week without this task's messages, or no more of them. A message to a channel is everyone's, and stays.

use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::DeliveryId;
use slack::{
    Response,
    event::{Action, BlockActions, Interaction},
};
use store::{PressedDelivery, Scope, SlackMember};

use super::{Error, SlackInbox, Step, words};

/// How long a snooze is.
const SNOOZE: TimeDelta = TimeDelta::days(7);

impl SlackInbox {
    /// Somebody pressed a button.
    pub(super) async fn pressed(&self, scope: &Scope, interaction: &Interaction) -> Result<Step, Error> {
        let Interaction::BlockActions(pressed) = interaction else { return Ok(Step::Done("other")) };
        let known = |action: &&Action| matches!(&*action.action_id, "tidings_snooze" | "tidings_unsubscribe");
        let Some(action) = pressed.actions.iter().find(known) else { return Ok(Step::Done("no_action")) };
        let delivery_id: Option<DeliveryId> = action.value.as_deref().and_then(|value| value.parse().ok());
        let Some(delivery_id) = delivery_id else { return Ok(Step::Done("no_delivery")) };
        let Some(delivery) = self.store.pressed_delivery_get(scope, delivery_id).await? else {
            return Ok(Step::Done("no_delivery"));
        };
        let settings_url = format!("{}/settings", self.public_url);
        let Some(member) = self.store.slack_user_find(scope, &pressed.user.id).await? else {
            return self.answer(pressed, "not_linked", words::not_linked(&settings_url)).await;
        };
        if delivery.user_id != Some(member.user_id) {
            let url = match delivery.task_id {
                Some(task_id) => format!("{}/tasks/{task_id}", self.public_url),
                None => self.public_url.clone(),
            };
            return self.answer(pressed, "not_theirs", words::everyones(&url)).await;
        }
        if action.action_id == "tidings_snooze" {
            return self.snooze(scope, pressed, &delivery, &member).await;
        }
        if !self.store.unsubscribe(delivery.unsubscribe_token).await? {
            return Ok(Step::Done("no_task"));
        }
        let title = delivery.task_title.unwrap_or_default();
        self.answer(pressed, "unsubscribed", words::unsubscribed(&title, &settings_url)).await
    }

    async fn snooze(
        &self,
        scope: &Scope,
        pressed: &BlockActions,
        delivery: &PressedDelivery,
        member: &SlackMember,
    ) -> Result<Step, Error> {
        let Some(task_id) = delivery.task_id else { return Ok(Step::Done("no_task")) };
        let until = self.store.task_snooze(scope, task_id, member.user_id, SNOOZE).await?;
        let zone: Tz = member.timezone.parse().unwrap_or(Tz::UTC);
        let day = until.map(|until| until.with_timezone(&zone).format("%a %-d %b, %H:%M").to_string());
        let title = delivery.task_title.as_deref().unwrap_or_default();
        self.answer(pressed, "snoozed", words::snoozed(title, day.as_deref())).await
    }

    /// Says to whoever pressed what became of it. What was done stays done where that cannot be said.
    async fn answer(
        &self,
        pressed: &BlockActions,
        outcome: &'static str,
        text: String,
    ) -> Result<Step, Error> {
        let Some(response_url) = &pressed.response_url else { return Ok(Step::Done(outcome)) };
        let response = Response { text, blocks: Vec::new(), replaces_original: false };
        if let Err(error) = self.client.respond(response_url, &response).await {
            tracing::info!(%error, "whoever pressed a button could not be answered");
        }
        Ok(Step::Done(outcome))
    }
}
