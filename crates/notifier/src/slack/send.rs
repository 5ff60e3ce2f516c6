//! One delivery to Slack, from claim to outcome.

use chrono::TimeDelta;
use domain::delivery::{Audience, Channel, DeliveryKind, DeliveryState};
use fail::fail_point;
use rand::RngExt as _;
use slack::Class;
use store::{ClaimedDelivery, DeliveryOutcome, SlackChannelCheck, SlackLaneTake, SlackPost, SlackSaid};
use tokio::time::Instant;

use super::{
    arrived::Arrived,
    call::{Line, Method},
    layout::{self, Buttons, Form, Part},
    outcome::{Stop, asked_wait, failed, judge},
    parts::{FILE_NOTE_PART, attach, forms, post_or_plainer, post_with_pictures},
    post::Target,
    reconcile::reconcile,
    said::{Said, is_there, replies},
    upload,
};
use crate::{
    Notifier,
    audience::{self, ChannelPeople},
    compose::{self, Composed, Reader},
    deliver::Error,
    message::Message,
    room,
};

/// How long it takes at most until Slack is asked again what it could not say before anything was sent, in seconds.
const ASK_AGAIN_WITHIN: i64 = 60;

/// A delivery's place in its conversation's lane, and what it needs there.
struct Place<'a> {
    line: Line<'a>,
    lane: String,
    /// The Slack user, where it goes to one person.
    person: Option<String>,
    checked: Option<SlackChannelCheck>,
    /// What of it is in Slack already.
    posts: Vec<SlackPost>,
    /// What it said there; none where its first message is not there.
    said: Option<SlackSaid>,
}

/// Whether a delivery may go now.
enum Placed<'a> {
    /// It has its place.
    Held(Place<'a>),
    /// It was put back until its turn.
    PutOff,
    /// It is in Slack, and no more of it is to go there.
    There(Line<'a>, Arrived),
}

/// What is to be done for a delivery that has its place.
enum Next {
    /// Post what is missing of it.
    Post(Box<Draft>),
    /// Nothing: what is there is all that goes there.
    Leave(Arrived),
}

/// What a delivery is to say.
struct Draft {
    composed: Composed,
    /// Its messages, without pictures.
    parts: Vec<Part>,
    said: Said,
    /// Slack's ids of its charts' files; none before they are there, nor once they were shown.
    files: Vec<Option<String>>,
}

impl Notifier {
    /// Brings one claimed delivery to an outcome, and answers its state; or puts it back until its turn.
    pub(crate) async fn deliver_to_slack(&self, delivery: &ClaimedDelivery) -> Result<DeliveryState, Error> {
        let (scope, lease) = (&delivery.scope, &delivery.lease);
        // Before its turn: nobody waits in a conversation for what waits for room.
        let mut room = self.room_for_file(delivery).await?;
        let leased_at = Instant::now();
        self.store.delivery_heartbeat(scope, lease).await?;
        let place = match self.while_held(delivery, leased_at, Box::pin(self.slack_place(delivery))).await? {
            Ok(Placed::Held(place)) => place,
            Ok(Placed::PutOff) => return Err(Error::PutOff),
            Ok(Placed::There(line, arrived)) => return self.slack_arrived(delivery, &line, &arrived).await,
            Err(stop) => return self.slack_not_begun(delivery, stop).await,
        };
        fail_point!("notifier::slack_lane_taken");
        let leased_at = Instant::now();
        let started = if place.said.is_some() {
            // What is there is not withheld, whatever has changed since it was looked at.
            self.store.delivery_rest_start(scope, lease).await
        } else {
            self.store.delivery_attempt_start(scope, lease).await
        };
        let attempt = match started {
            Ok(attempt) => attempt,
            Err(error) => {
                self.store.slack_lane_leave(scope, lease, &place.lane).await?;
                return Err(error.into());
            }
        };
        fail_point!("notifier::attempt_started");
        let sending = Box::pin(self.slack_send(delivery, &place, room.as_mut()));
        let result = self.while_held(delivery, leased_at, sending).await?;
        drop(room);
        fail_point!("notifier::slack_sent");
        self.store.slack_lane_leave(scope, lease, &place.lane).await?;
        let stop = match result {
            Ok(arrived) => return self.slack_arrived(delivery, &place.line, &arrived).await,
            Err(stop) => stop,
        };
        let outcome = judge(stop, attempt, &mut *self.random())?;
        let state = self.record(delivery, &outcome).await?;
        fail_point!("notifier::outcome_recorded");
        Ok(state)
    }

    /// What becomes of a delivery of which nothing was sent now: it is put back, as it was, or ends.
    async fn slack_not_begun(&self, delivery: &ClaimedDelivery, stop: Stop) -> Result<DeliveryState, Error> {
        let (scope, lease) = (&delivery.scope, &delivery.lease);
        let in_a_while = || TimeDelta::seconds(self.random().random_range(5..=ASK_AGAIN_WITHIN));
        if let Stop::NotRenewed(error) = &stop {
            // Whatever Slack says of it: as long as the access is not over, the message may go yet.
            let wait = asked_wait(error).unwrap_or_else(in_a_while);
            self.store.slack_await_token(scope, lease, wait).await?;
            return Err(Error::PutOff);
        }
        let later = match &stop {
            Stop::Later(wait) => Some(*wait),
            Stop::Slack(error) => match error.class() {
                Class::Retry { .. } | Class::Unknown => Some(asked_wait(error).unwrap_or_else(in_a_while)),
                Class::Destination | Class::Installation | Class::Ours => None,
            },
            _ => None,
        };
        if let Some(wait) = later {
            self.store.slack_put_off(scope, lease, wait).await?;
            return Err(Error::PutOff);
        }
        let mut outcome = judge(stop, delivery.attempts + 1, &mut *self.random())?;
        if let DeliveryOutcome::Failed { reason, message } = &mut outcome {
            let posts = self.store.slack_post_list(scope, lease.delivery_id).await?;
            if posts.iter().any(|post| post.ts.is_none()) {
                // It may stand there, whatever keeps us from looking.
                "outcome_unknown".clone_into(reason);
                *message = format!("Whether it arrived could not be looked up in Slack. {message}");
            }
        }
        self.record(delivery, &outcome).await
    }

    /// Looks whether a delivery may go now: whether it is in Slack already, whether its recipient wants it, and whether it is its
    /// turn. Sends nothing.
    async fn slack_place<'a>(&'a self, delivery: &'a ClaimedDelivery) -> Result<Placed<'a>, Stop> {
        let (scope, lease) = (&delivery.scope, &delivery.lease);
        let mut posts = self.store.slack_post_list(scope, lease.delivery_id).await?;
        let may_be_there = !posts.is_empty();
        if !may_be_there {
            self.slack_refuse(delivery).await?;
        }
        let slack = self.slack.as_ref().ok_or(Stop::Disconnected)?;
        let line = Line::open(&self.store, slack, scope).await?;
        if posts.iter().any(|post| post.ts.is_none()) {
            let root = root(delivery, &posts);
            reconcile(&line, lease, &posts, root.as_deref()).await?;
            fail_point!("notifier::slack_reconciled");
            posts = self.store.slack_post_list(scope, lease.delivery_id).await?;
        }
        let person = self.slack_person(delivery).await?;
        let is_unlinked = delivery.channel == Channel::SlackDm && person.is_none();
        let said = if is_there(&posts, 0) {
            let said = self.store.slack_said(scope, lease.delivery_id).await?;
            let why = match self.slack_end_of(delivery, &said).await? {
                None if is_unlinked => Some("The recipient's Slack account is not linked any more."),
                why => why,
            };
            if let Some(why) = why {
                let arrived = self.slack_leave_as_is(delivery, &line, &posts, &said, why).await?;
                return Ok(Placed::There(line, arrived));
            }
            Some(said)
        } else {
            if may_be_there {
                self.slack_refuse(delivery).await?;
            }
            None
        };
        let lane = match (&person, &delivery.slack_channel_id) {
            (Some(person), _) => format!("person {person}"),
            (None, Some(channel)) if !is_unlinked => format!("channel {channel}"),
            (None, _) => return Err(Stop::Destination("not_linked")),
        };
        Ok(match self.store.slack_lane_take(scope, lease, &lane).await? {
            SlackLaneTake::Held { checked } => {
                Placed::Held(Place { line, lane, person, checked, posts, said })
            }
            SlackLaneTake::PutOff => Placed::PutOff,
        })
    }

    /// The Slack user whom a direct message is for: the recipient, as they are linked now. A reply is for nobody but the one who asked
    /// there, whoever the recipient is linked with by now.
    async fn slack_person(&self, delivery: &ClaimedDelivery) -> Result<Option<String>, Stop> {
        let scope = &delivery.scope;
        let recipient = delivery.user.as_ref().filter(|_| delivery.channel == Channel::SlackDm);
        let Some(user) = recipient else { return Ok(None) };
        let linked = self.store.slack_user_get(scope, user.id).await?.map(|linked| linked.slack_user_id);
        if delivery.kind != DeliveryKind::Reply {
            return Ok(linked);
        }
        let Some((thread_id, turn_no)) = delivery.thread_id.zip(delivery.turn_no) else { return Ok(None) };
        let asked = self.store.slack_turn_get(scope, thread_id, turn_no).await?;
        Ok(linked.filter(|linked| asked.is_some_and(|asked| asked.slack_user_id == *linked)))
    }

    /// How a delivery ends that is not to be sent: to someone who was deactivated, or wants no more of it.
    async fn slack_refusal(&self, delivery: &ClaimedDelivery) -> Result<Option<DeliveryOutcome>, Stop> {
        if delivery.channel != Channel::SlackDm {
            return Ok(None);
        }
        let Some(user) = &delivery.user else {
            return Ok(Some(failed("no_recipient", "The recipient is gone.")));
        };
        if user.is_deactivated {
            return Ok(Some(DeliveryOutcome::Withheld { reason: "recipient_deactivated".to_owned() }));
        }
        if let Some(unwanted) = self.unwanted(delivery).await? {
            return Ok(Some(DeliveryOutcome::Suppressed { reason: unwanted.as_str().to_owned() }));
        }
        Ok(None)
    }

    /// Ends what is not to be sent, and is not there.
    async fn slack_refuse(&self, delivery: &ClaimedDelivery) -> Result<(), Stop> {
        let Some(outcome) = self.slack_refusal(delivery).await? else { return Ok(()) };
        if matches!(outcome, DeliveryOutcome::Withheld { .. }) {
            audience::note_withheld(&self.store, delivery, "The recipient is deactivated.").await?;
        }
        Err(Stop::End(outcome))
    }

    /// Why no more is to be sent of a delivery whose first message is there, in a sentence.
    async fn slack_end_of(
        &self,
        delivery: &ClaimedDelivery,
        said: &SlackSaid,
    ) -> Result<Option<&'static str>, Stop> {
        Ok(match self.slack_refusal(delivery).await? {
            Some(DeliveryOutcome::Suppressed { .. }) => {
                Some("The recipient wants no more of the task's messages.")
            }
            Some(DeliveryOutcome::Withheld { .. }) => Some("The recipient is deactivated."),
            Some(_) => Some("The recipient is gone."),
            None if said.is_task_deleted => Some("The task was deleted."),
            None if said.is_author_deactivated => Some("Its author is deactivated."),
            None => None,
        })
    }

    /// Sends what is missing of a delivery that holds its lane.
    async fn slack_send(
        &self,
        delivery: &ClaimedDelivery,
        place: &Place<'_>,
        room: Option<&mut room::Place>,
    ) -> Result<Arrived, Stop> {
        let channel = self.slack_channel(delivery, place).await?;
        let check = self.slack_check(delivery, place, &channel).await?;
        let mut draft = match self.slack_draft(delivery, place, &channel, check).await? {
            Next::Post(draft) => draft,
            Next::Leave(arrived) => return Ok(arrived),
        };
        let file = draft.composed.attachment.clone();
        if let Some(room) = room {
            // The file that all of its answer's messages share, and its copy on the way out.
            room.shrink_to(file.as_ref().map_or(0, |file| 2 * file.bytes.len()));
        }
        let target = Target { lease: &delivery.lease, lane: &place.lane, channel: &channel };
        let root = self.slack_post_parts(delivery, place, &target, &mut draft).await?;
        if let Some(file) = &file {
            let below = delivery.slack_thread_ts.as_deref().unwrap_or(&root);
            let note = layout::file_left_out(&draft.composed.message);
            if attach(&place.line, &place.posts, &target, file, &note, below).await? {
                draft.said.put(&place.line, &delivery.lease, FILE_NOTE_PART, &note).await?;
            }
        }
        Ok(Arrived { channel, ts: root, left_out: None })
    }

    /// The conversation that a delivery goes to.
    async fn slack_channel(&self, delivery: &ClaimedDelivery, place: &Place<'_>) -> Result<String, Stop> {
        if let Some(channel) = &delivery.slack_channel_id {
            return Ok(channel.clone());
        }
        let Some(person) = &place.person else { return Err(Stop::Destination("not_linked")) };
        let line = &place.line;
        if let Some(channel) = self.store.slack_dm_get(&delivery.scope, &line.team_id, person).await? {
            return Ok(channel);
        }
        let opened =
            line.call(Method::OPEN, |client, token| async move {
                client.conversations_open(&token, person).await
            })
            .await?;
        self.store.slack_dm_remember(&delivery.scope, &line.team_id, person, &opened.id).await?;
        Ok(opened.id)
    }

    /// Looks whether messages may be posted in a channel, unless that was done a moment ago.
    async fn slack_check(
        &self,
        delivery: &ClaimedDelivery,
        place: &Place<'_>,
        channel: &str,
    ) -> Result<SlackChannelCheck, Stop> {
        if delivery.channel == Channel::SlackDm {
            return Ok(SlackChannelCheck { is_shared: false });
        }
        if let Some(checked) = place.checked {
            return Ok(checked);
        }
        let found = place
            .line
            .call(
                Method::INFO,
                |client, token| async move { client.conversations_info(&token, channel).await },
            )
            .await?;
        if found.is_archived {
            return Err(Stop::Destination("is_archived"));
        }
        if !found.is_member {
            return Err(Stop::Destination("not_in_channel"));
        }
        let check = SlackChannelCheck { is_shared: found.is_ext_shared || found.is_pending_ext_shared };
        self.store.slack_channel_checked(&delivery.scope, &place.lane, Some(check)).await?;
        Ok(check)
    }

    /// What a delivery says, with its charts in Slack. To bring them there takes minutes at worst, and so it is asked once more after
    /// that whether the message is wanted, and how much of it its readers may see.
    async fn slack_draft(
        &self,
        delivery: &ClaimedDelivery,
        place: &Place<'_>,
        channel: &str,
        check: SlackChannelCheck,
    ) -> Result<Next, Stop> {
        // Held on to, for what is composed twice is read once.
        let _shared = self.answers.of(delivery);
        let mut draft = match self.slack_compose(delivery, place, channel, check).await? {
            // The message that shows them is there.
            Next::Post(draft) if place.said.is_none() => draft,
            next => return Ok(next),
        };
        let charts = upload::pictures(&place.line, &draft.composed.message.pictures).await?;
        if charts.took_calls {
            self.slack_refuse(delivery).await?;
            draft = match self.slack_compose(delivery, place, channel, check).await? {
                Next::Post(draft) => draft,
                leave @ Next::Leave(_) => return Ok(leave),
            };
        }
        draft.files = charts.files;
        // Readers who may see less now see none.
        draft.files.truncate(draft.composed.message.pictures.len());
        Ok(Next::Post(draft))
    }

    /// What a delivery says, and to whom; noted with the delivery. Of one whose first message is there that decision stands by
    /// which it was posted: where another one is made now, nothing more of it goes there.
    async fn slack_compose(
        &self,
        delivery: &ClaimedDelivery,
        place: &Place<'_>,
        channel: &str,
        check: SlackChannelCheck,
    ) -> Result<Next, Stop> {
        let there;
        let reader = match &delivery.user {
            Some(user) if delivery.channel == Channel::SlackDm => Reader::Person(user),
            _ => {
                there = self.slack_people(place, channel, check).await?;
                Reader::Channel(&there)
            }
        };
        let shared = self.answers.of(delivery);
        let composed = self.composer(delivery, &shared).compose(reader).await.map_err(stop_of)?;
        let decision = composed.decision.as_ref();
        let allowed = decision.map_or(Audience::Full, |decision| decision.audience);
        if let Some(said) = place.said.as_ref().filter(|said| said.audience != Some(allowed)) {
            let decided = audience::noted(decision, None);
            self.store.delivery_decide_rest(&delivery.scope, &delivery.lease, &decided).await?;
            let left =
                self.slack_leave_as_is(delivery, &place.line, &place.posts, said, &decided.reason).await?;
            return Ok(Next::Leave(left));
        }
        if allowed == Audience::Withheld {
            audience::note(&self.store, delivery, decision, None).await?;
            return Err(Stop::End(DeliveryOutcome::Withheld { reason: "not_allowed".to_owned() }));
        }
        let message = &composed.message;
        let mut parts = layout::parts(message, form(delivery), buttons(delivery, message), &[]);
        let kept = place.said.as_ref().map_or(&[][..], |said| said.messages.as_slice());
        if let Some(replies) = replies(kept, &place.posts) {
            // Cut anew, as after a change of the title above it, it may go on elsewhere than the first message ends.
            parts.truncate(1);
            parts.extend(replies);
        }
        let said = Said::of(&parts, kept, &place.posts);
        audience::note(&self.store, delivery, decision, Some(said.mark())).await?;
        Ok(Next::Post(Box::new(Draft { composed, parts, said, files: Vec::new() })))
    }

    /// Who is in a channel now. What Slack will not tell us is not known, and counts as if there were people from outside; what
    /// it will tell later is waited for.
    async fn slack_people(
        &self,
        place: &Place<'_>,
        channel: &str,
        check: SlackChannelCheck,
    ) -> Result<ChannelPeople, Stop> {
        match place.line.read_members(&self.slack_members, channel).await {
            Ok(read) => Ok(ChannelPeople::of(&read, check.is_shared)),
            Err(Stop::Slack(error)) if matches!(error.class(), Class::Installation | Class::Ours) => {
                tracing::warn!(%error, "who is in a channel could not be read");
                Ok(ChannelPeople { people: None, is_shared_outside: check.is_shared })
            }
            Err(stop) => Err(stop),
        }
    }

    /// Posts the parts of a message that are not there yet, in order. Answers Slack's name for the first.
    async fn slack_post_parts(
        &self,
        delivery: &ClaimedDelivery,
        place: &Place<'_>,
        target: &Target<'_>,
        draft: &mut Draft,
    ) -> Result<String, Stop> {
        let Draft { composed, parts, said, files } = draft;
        let message = &composed.message;
        let line = &place.line;
        let form = form(delivery);
        let buttons = buttons(delivery, message);
        let opens_thread = opens_thread(delivery);
        let posted_ts =
            |part: u32| place.posts.iter().find(|post| post.part == part).and_then(|post| post.ts.clone());
        let root = if let Some(ts) = posted_ts(0) {
            if opens_thread {
                let id = target.lease.delivery_id;
                self.store.slack_thread_open(&delivery.scope, id, target.channel, &ts).await?;
            }
            ts
        } else {
            let below = delivery.slack_thread_ts.as_deref();
            let drawn =
                |files: &[Option<String>]| layout::parts(message, form, buttons, files).swap_remove(0);
            let files = std::mem::take(files);
            let posted =
                post_with_pictures(line, target, &message.pictures, files, drawn, below, opens_thread)
                    .await?;
            if let Some(ts) = posted {
                ts
            } else {
                let tries = vec![layout::plain_text(message), parts[0].clone()];
                post_or_plainer(line, target, 0, tries, below, opens_thread, said).await?
            }
        };
        let below = delivery.slack_thread_ts.as_deref().unwrap_or(&root);
        for (number, part) in (1..).zip(parts.iter().skip(1)) {
            if posted_ts(number).is_none() {
                post_or_plainer(line, target, number, forms(part), Some(below), false, said).await?;
            }
        }
        Ok(root)
    }
}

/// The message that a delivery's next part goes below.
fn root(delivery: &ClaimedDelivery, posts: &[SlackPost]) -> Option<String> {
    delivery
        .slack_thread_ts
        .clone()
        .or_else(|| posts.iter().find(|post| post.part == 0).and_then(|post| post.ts.clone()))
}

const fn form(delivery: &ClaimedDelivery) -> Form {
    if matches!(delivery.kind, DeliveryKind::Reply) { Form::Reply } else { Form::Message }
}

/// Whether what is said below a delivery's message carries its thread on.
pub(super) const fn opens_thread(delivery: &ClaimedDelivery) -> bool {
    matches!(delivery.kind, DeliveryKind::Answer | DeliveryKind::NoNews) && delivery.thread_id.is_some()
}

/// What becomes of a delivery that says nothing.
pub(super) fn stop_of(error: compose::Error) -> Stop {
    match error {
        compose::Error::Gone(what) => Stop::End(failed("gone", what)),
        compose::Error::Store(error) => error.into(),
        compose::Error::Gathered(error) => error.into(),
    }
}

fn buttons(delivery: &ClaimedDelivery, message: &Message) -> Buttons {
    // What goes to a channel is everybody's: no one of them can have rest from it.
    let is_direct = delivery.channel == Channel::SlackDm;
    let is_of_task =
        delivery.task_id.is_some() && matches!(delivery.kind, DeliveryKind::Answer | DeliveryKind::NoNews);
    Buttons {
        delivery_id: delivery.lease.delivery_id,
        has_snooze: is_direct && is_of_task,
        has_unsubscribe: is_direct && message.unsubscribe_url.is_some(),
    }
}
