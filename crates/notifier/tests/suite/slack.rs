//! Deliveries to Slack: a real database, a Slack that keeps the published rules, and what it was asked.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    RunId,
    delivery::{Audience, Channel, DeliveryState},
    slack::SlackLinkedBy,
    task::{Notification, SlackChannel},
};
use notifier::{Notifier, Slack};
use serde_json::Value;
use slack::{App, Client};
use store::{Delivery, DeliveryProof, NewSlackInstallation, NotificationPreference, SlackTokenPair};
use testkit::{
    slack::{Call, FakeSlack, Fault, Message, Options},
    world::claim_deliveries,
};

use crate::world::{World, options_of};

/// A workspace with its Slack team, where its task's messages go to one channel.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) slack: FakeSlack,
    pub(crate) team: String,
    pub(crate) channel: String,
    notifier: Arc<Notifier>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let world = World::new().await;
        let mut options = Options { clock: Arc::new(world.database.time.clone()), ..Options::default() };
        change(&mut options);
        let slack = FakeSlack::start_with(options).await;
        let team = slack.add_team("Acme");
        let channel = slack.add_channel(&team, "growth", &[]);
        let notifier = notifier(&world, &slack);
        let scene = Self { world, slack, team, channel, notifier };
        // As if nobody had said when the token ends: that Slack refuses it is how it is known.
        scene.connect(None).await;
        scene
    }

    /// Connects the workspace with its team, with tokens that end after so long.
    pub(crate) async fn connect(&self, expires_in: Option<TimeDelta>) {
        self.connect_with(expires_in, &SCOPES).await;
    }

    /// As [`Scene::connect`], with these scopes.
    pub(crate) async fn connect_with(&self, expires_in: Option<TimeDelta>, scopes: &[&str]) {
        let (world, slack) = (&self.world, &self.slack);
        let (bot_token, refresh_token) = slack.install_with(&self.team, scopes);
        let installation = NewSlackInstallation {
            team_id: self.team.clone(),
            team_name: "Acme".into(),
            enterprise_id: None,
            app_id: "A00000001".to_owned(),
            bot_user_id: slack.bot_user(&self.team),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            tokens: SlackTokenPair { bot_token, refresh_token, expires_in },
            installed_by: world.creator,
        };
        world.store().slack_installation_put(&world.scope, &installation).await.expect("an installation");
    }

    pub(crate) fn to_channel(&self) -> Notification {
        let channel = SlackChannel { id: self.channel.clone(), name: "#growth".into() };
        Notification { slack_channels: vec![channel], ..Notification::default() }
    }

    /// Runs the task to an answer that goes to the channel.
    pub(crate) async fn run(&self) -> RunId {
        self.world.run(self.world.task(self.to_channel()).await).await
    }

    /// Delivers what is due. Whoever waits meanwhile steps the clock by it.
    pub(crate) async fn deliver(&self) -> u32 {
        self.notifier.run_once().await
    }

    /// Delivers until nothing is unfinished, and answers how it ended.
    pub(crate) async fn deliver_all(&self, run: RunId) -> Delivery {
        for _ in 0..200 {
            self.deliver().await;
            let delivery = self.delivery(run).await;
            if !matches!(
                delivery.state,
                DeliveryState::Pending | DeliveryState::Unknown | DeliveryState::Sending
            ) {
                return delivery;
            }
            self.world.database.time.step(TimeDelta::seconds(20));
        }
        panic!("it does not end: {:?}", self.delivery(run).await);
    }

    pub(crate) async fn delivery(&self, run: RunId) -> Delivery {
        let found = self.world.deliveries(run).await;
        found.into_iter().find(|delivery| delivery.channel != Channel::Email).expect("a delivery to Slack")
    }

    /// Where a delivery's message stands in Slack, as it is proven.
    async fn permalink(&self, delivery: &Delivery) -> Option<String> {
        self.proof(delivery).await.slack_permalink
    }

    /// All that is known of a delivery.
    pub(crate) async fn proof(&self, delivery: &Delivery) -> DeliveryProof {
        let proof = self.world.store().delivery_proof(&self.world.scope, delivery.id).await.expect("a look");
        proof.expect("a delivery")
    }

    /// Has people say so much in the channel within three minutes around the one message that is there.
    fn make_busy(&self, count: i64) {
        self.slack.change_channel(&self.channel, |channel| {
            let ours = channel.messages.pop().expect("a message");
            let micros: i64 = ours.ts.replace('.', "").parse().expect("a timestamp");
            for number in 0..count {
                // Never at the very same instant.
                let at = micros - 90_000_000 + 180_000_000 * number / count + 1;
                let ts = format!("{}.{:06}", at / 1_000_000, at % 1_000_000);
                let text = format!("message {number}");
                channel.messages.push(Message { ts, text, metadata: None, ..ours.clone() });
            }
            channel.messages.push(ours);
            channel.messages.sort_by(|one, other| one.ts.cmp(&other.ts));
        });
    }

    /// The messages of the channel that begin no reply.
    pub(crate) fn roots(&self) -> Vec<Message> {
        self.slack.messages(&self.channel).into_iter().filter(|message| message.thread_ts.is_none()).collect()
    }

    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        self.slack.calls().into_iter().filter(|call| call.method == method).collect()
    }
}

pub(crate) const SCOPES: [&str; 9] = [
    "chat:write",
    "channels:history",
    "channels:read",
    "files:read",
    "files:write",
    "groups:read",
    "im:history",
    "im:write",
    "users:read",
];

fn notifier(world: &World, slack: &FakeSlack) -> Arc<Notifier> {
    let mut options = options_of(world);
    options.slack = Some(reached(slack));
    Arc::new(Notifier::new(options))
}

/// How a notifier reaches a Slack.
pub(crate) fn reached(slack: &FakeSlack) -> Slack {
    let app = slack.app();
    let app = App { client_id: app.client_id, client_secret: app.client_secret.into() };
    Slack { client: Client::new(net::vendor_client(), slack.base_url()), app }
}

pub(crate) fn blocks(message: &Message, kind: &str) -> Vec<Value> {
    message.blocks.iter().filter(|block| block["type"] == kind).cloned().collect()
}

pub(crate) fn all_text(messages: &[Message]) -> String {
    messages.iter().map(|message| serde_json::to_string(&message.blocks).expect("JSON")).collect()
}

#[tokio::test]
async fn a_channel_gets_the_answer_with_its_chart_table_and_file_once() {
    let scene = Scene::new().await;
    let mut notification = scene.to_channel();
    notification.attach_csv = true;
    let task = scene.world.task(notification).await;
    let run = scene.world.run(task).await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::Full)));
    assert_eq!(delivery.attempts, 1);

    let messages = scene.slack.messages(&scene.channel);
    let [message, file] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(delivery.provider_id, Some(format!("{} {}", scene.channel, message.ts)));
    let link = format!("https://acme.slack.com/archives/{}/p{}", scene.channel, message.ts.replace('.', ""));
    assert_eq!(scene.permalink(&delivery).await, Some(link));
    assert_eq!(scene.calls("chat.getPermalink").len(), 1);
    assert_eq!(
        message.metadata.as_ref().expect("metadata")["event_payload"]["delivery_id"],
        delivery.id.to_string()
    );
    assert_eq!(blocks(message, "header")[0]["text"]["text"], "Airlines with the most flights");
    let picture = blocks(message, "image")[0]["slack_file"]["id"].as_str().expect("a file").to_owned();
    assert!(scene.slack.file(&picture).is_some());
    assert!(!blocks(message, "image")[0]["alt_text"].as_str().expect("a text").is_empty());
    assert_eq!(blocks(message, "table")[0]["rows"][1][0]["text"], "Airline 0");
    let buttons = blocks(message, "actions")[0]["elements"].as_array().expect("buttons").clone();
    let actions: Vec<_> =
        buttons.iter().map(|button| button["action_id"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, ["tidings_open"], "a message to everybody is nobody's to snooze or unsubscribe");
    assert_eq!(buttons[0]["value"], delivery.id.to_string());
    assert!(all_text(&messages).contains("Data as of"));
    // The file lies below the message.
    assert_eq!(file.thread_ts.as_deref(), Some(&*message.ts));
    let name = scene.slack.file(&file.files[0]).expect("a file").name;
    assert_eq!(std::path::Path::new(&name).extension(), Some("csv".as_ref()));
    // Replies continue the thread.
    let place = store::SlackPlace { channel_id: scene.channel.clone(), root_ts: message.ts.clone() };
    let thread = scene.world.store().slack_thread_find(&scene.world.scope, &place).await.expect("an answer");
    assert_eq!(thread.expect("a thread").delivery_id, Some(delivery.id));
    assert_eq!(scene.deliver().await, 0, "nothing is left to send");
}

/// Fails if a file that may be there is not looked at: it then lies below the message twice.
#[tokio::test]
async fn a_fault_at_any_step_of_an_upload_costs_time_and_nothing_else() {
    for (method, fault) in [
        ("files.getUploadURLExternal", Fault::Html { status: 502 }),
        ("files.getUploadURLExternal", Fault::AnswerDropped),
        ("upload", Fault::RequestDropped),
        ("upload", Fault::AnswerDropped),
        ("files.completeUploadExternal", Fault::InternalError),
        ("files.completeUploadExternal", Fault::AnswerDropped),
        ("files.completeUploadExternal", Fault::RequestDropped),
    ] {
        let scene = Scene::new().await;
        let mut notification = scene.to_channel();
        notification.attach_csv = true;
        let run = scene.world.run(scene.world.task(notification).await).await;
        // At the chart's step, and at the table's.
        scene.slack.script(method, [Some(fault), None, Some(fault)]);
        let delivery = scene.deliver_all(run).await;
        assert_eq!(delivery.state, DeliveryState::Sent, "{method} {fault:?}: {delivery:?}");
        let messages = scene.slack.messages(&scene.channel);
        assert_eq!(messages.len(), 2, "{method} {fault:?}: one message and one file below it");
        assert_eq!(blocks(&messages[0], "image").len(), 1, "{method} {fault:?}");
        let repeated = scene.calls("files.completeUploadExternal");
        assert!(
            repeated.iter().all(|call| call.outcome != "file_update_failed"),
            "{method} {fault:?}: {repeated:?}"
        );
    }
}

/// Fails without reconciliation: dropped answers make two messages; and where a failing status hides what its body says.
#[tokio::test]
async fn a_message_of_which_nobody_knows_is_looked_for_before_it_is_sent_again() {
    for fault in [
        Fault::AnswerDropped,
        Fault::RequestDropped,
        Fault::FatalErrorDone,
        Fault::FatalErrorAtStatus { status: 500 },
        Fault::FatalErrorUndone,
        Fault::InternalError,
    ] {
        let scene = Scene::new().await;
        let run = scene.run().await;
        scene.slack.script("chat.postMessage", [Some(fault)]);
        scene.deliver().await;
        assert_eq!(scene.delivery(run).await.state, DeliveryState::Unknown, "{fault:?}");
        let delivery = scene.deliver_all(run).await;
        assert_eq!(delivery.state, DeliveryState::Sent, "{fault:?}: {delivery:?}");
        assert_eq!(scene.roots().len(), 1, "{fault:?}");
        assert!(!scene.calls("conversations.history").is_empty(), "{fault:?}");
        let posts = scene.calls("chat.postMessage").len();
        assert_eq!(posts, if fault.is_done() { 1 } else { 2 }, "{fault:?}");
    }
}

/// Fails where each look begins anew: under a limit of one a minute it never comes further than the newest 15 messages, and ends
/// after a day as `outcome_unknown`.
#[tokio::test]
async fn a_lost_message_is_found_among_thousands_at_one_look_a_minute() {
    let scene = Scene::with(|options| options.app.is_history_limited = true).await;
    let run = scene.run().await;
    scene.slack.script("chat.postMessage", [Some(Fault::AnswerDropped)]);
    scene.deliver().await;
    scene.make_busy(3_000);
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 2), "{delivery:?}");
    assert_eq!(scene.calls("chat.postMessage").len(), 1, "it was there");
    let looks = scene.calls("conversations.history");
    assert!((2..=6).contains(&looks.len()), "near the time when it was posted: {} looks", looks.len());
    assert!(looks.iter().all(|look| look.told_to_wait_at.is_none()), "{looks:?}");
    assert!(scene.permalink(&delivery).await.is_some());
}

/// Fails where a search ends at the first page, or at the first stretch of time: it is posted without having been looked for.
#[tokio::test]
async fn a_message_that_is_not_among_hundreds_is_posted_once_all_were_seen() {
    let scene = Scene::new().await;
    let before = scene.run().await;
    scene.deliver_all(before).await;
    scene.world.database.time.step(TimeDelta::minutes(10));
    let run = scene.run().await;
    scene.slack.script("chat.postMessage", [Some(Fault::RequestDropped)]);
    scene.deliver().await;
    // What is there stands where the lost message would.
    let now = scene.world.database.time.now();
    let ts = format!("{}.{:06}", now.timestamp(), now.timestamp_subsec_micros());
    scene.slack.change_channel(&scene.channel, |channel| channel.messages[0].ts = ts);
    scene.make_busy(900);
    let delivery = scene.deliver_all(run).await;
    assert_eq!(delivery.state, DeliveryState::Sent, "{delivery:?}");
    assert_eq!(scene.calls("chat.postMessage").len(), 3);
    // A page of everything, and then each stretch: 200 messages a page.
    let looks = scene.calls("conversations.history").len();
    assert!((6..=12).contains(&looks), "{looks} looks");
}

#[tokio::test]
async fn a_message_arrives_though_slack_does_not_say_where_it_stands() {
    for fault in [Fault::InternalError, Fault::AnswerDropped, Fault::Limited { retry_after_seconds: 60 }] {
        let scene = Scene::new().await;
        let run = scene.run().await;
        scene.slack.script("chat.getPermalink", [Some(fault)]);
        let delivery = scene.deliver_all(run).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1), "{fault:?}");
        assert_eq!(scene.permalink(&delivery).await, None);
        assert_eq!(scene.roots().len(), 1);
    }
}

/// Fails without reconciliation: the second message is posted again.
#[tokio::test]
async fn a_notifier_that_dies_between_two_messages_leaves_the_rest_to_the_next() {
    let scene = Scene::new().await;
    let task = scene.world.task(scene.to_channel()).await;
    let run = scene.world.claim(task, None).await;
    let paragraphs: Vec<String> =
        (0..60).map(|number| format!("p{number}: {}", "word ".repeat(80))).collect();
    let run = scene.world.answer_with(&run, 3, 0, &paragraphs.join("\n\n")).await;
    // The second message arrives and its answer is lost with the notifier that waited for it.
    scene.slack.script("chat.postMessage", [None, Some(Fault::AnswerDropped), Some(Fault::RequestDropped)]);
    let delivery = scene.deliver_all(run).await;
    assert_eq!(delivery.state, DeliveryState::Sent);
    let messages = scene.slack.messages(&scene.channel);
    assert_eq!(scene.roots().len(), 1);
    let all = all_text(&messages);
    for number in 0..60 {
        assert_eq!(all.matches(&format!("p{number}:")).count(), 1, "paragraph {number}");
    }
    let parts: Vec<_> = messages.iter().filter_map(|message| message.metadata.as_ref()).collect();
    let numbers: Vec<_> = parts.iter().map(|metadata| metadata["event_payload"]["part"].as_u64()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).map(Some).collect::<Vec<_>>(), "each once, in order");
    assert!(numbers.len() >= 3);

    // The same by a death in earnest: begun, posted, and never heard of.
    let killed = scene.run().await;
    let store = scene.world.store();
    let claimed = claim_deliveries(store, "doomed", 1).await.pop().expect("the delivery");
    let lane = format!("channel {}", scene.channel);
    scene.world.database.time.step(TimeDelta::seconds(5));
    let (scope, lease) = (&claimed.scope, &claimed.lease);
    store.slack_lane_take(scope, lease, &lane).await.expect("a lane");
    store.delivery_attempt_start(scope, lease).await.expect("an attempt");
    store.slack_post_start(scope, lease, &lane, &scene.channel, 0).await.expect("a start");
    drop(claimed);
    assert_eq!(scene.deliver().await, 0, "its lease holds");
    scene.world.database.time.step(TimeDelta::seconds(61));
    assert_eq!(scene.deliver_all(killed).await.state, DeliveryState::Sent);
    assert_eq!(scene.roots().len(), 2);
}

/// Fails without the hold on the method's lane.
#[tokio::test]
async fn nothing_is_sent_before_slack_says_so() {
    let scene = Scene::new().await;
    let runs = [scene.run().await, scene.run().await, scene.run().await];
    scene.slack.script("chat.postMessage", [Some(Fault::Limited { retry_after_seconds: 30 })]);
    for run in runs {
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    }
    let calls = scene.slack.calls();
    assert!(calls.iter().any(|call| call.retry_after_seconds.is_some()), "one call was limited");
    let early: Vec<_> = calls.iter().filter(|call| call.told_to_wait_at.is_some()).collect();
    assert!(early.is_empty(), "{early:?}");
    assert_eq!(scene.roots().len(), 3);
}

/// Fails without the channel's lane: the fake answers 429 to a second message within a second.
#[tokio::test(flavor = "multi_thread")]
async fn two_notifiers_together_post_once_a_second_in_a_channel() {
    let scene = Scene::new().await;
    let mut runs = Vec::new();
    for _ in 0..8 {
        runs.push(scene.run().await);
    }
    let other = notifier(&scene.world, &scene.slack);
    // On a busy machine a delivery may miss its turn, and gets another.
    for _ in 0..400 {
        if scene.roots().len() == 8 {
            break;
        }
        tokio::join!(scene.deliver(), other.run_once());
        scene.world.database.time.step(TimeDelta::milliseconds(500));
    }
    for run in runs {
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    }
    assert_eq!(scene.roots().len(), 8);
    let posts = scene.calls("chat.postMessage");
    assert!(posts.iter().all(|call| call.outcome == "ok"), "{posts:?}");
    let apart = posts.windows(2).map(|pair| pair[1].at - pair[0].at).min();
    assert!(apart >= Some(TimeDelta::seconds(1)), "{apart:?}");
}

/// Fails without lanes: the backlog's rows are refused by Slack, or fill the claims.
#[tokio::test]
async fn a_backlog_in_one_channel_delays_no_mail() {
    let scene = Scene::new().await;
    let mut runs = Vec::new();
    for _ in 0..40 {
        runs.push(scene.run().await);
    }
    let mail = scene.world.task(scene.world.members(&["ada@example.com"]).await).await;
    let mail = scene.world.run(mail).await;
    let before = scene.world.database.time.now();
    scene.deliver().await;
    let (state, ..) = scene.world.fate(mail, "ada@example.com").await;
    assert_eq!(state, DeliveryState::Sent, "in the first round");
    let posts = scene.calls("chat.postMessage");
    assert!(posts.iter().all(|call| call.outcome == "ok"), "{posts:?}");
    let posted = posts.len();
    let elapsed = (scene.world.database.time.now() - before).num_seconds();
    assert!(posted as i64 <= elapsed + 1, "{posted} messages in {elapsed} seconds");
    // Nobody else is held up: whatever may not go yet is not claimed.
    let claimed = claim_deliveries(scene.world.store(), "look", 100).await;
    assert!(claimed.len() <= 2, "{} rows could be claimed", claimed.len());
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_and_a_dead_one_ends_the_installation() {
    let scene = Scene::with(|options| options.app.rotates_tokens = true).await;
    scene.world.database.time.step(TimeDelta::hours(13));
    let run = scene.run().await;
    assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    let refused = scene.slack.calls().into_iter().filter(|call| call.outcome == "token_expired").count();
    assert_eq!(refused, 1, "the first call alone used the old token");

    scene.slack.uninstall(&scene.team);
    let run = scene.run().await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!(
        (delivery.state, delivery.reason.as_deref()),
        (DeliveryState::Failed, Some("slack_not_connected"))
    );
    let installation =
        scene.world.store().slack_installation_get(&scene.world.scope).await.expect("an answer");
    assert!(installation.is_none(), "it has ended");
}

#[tokio::test]
async fn a_channel_that_takes_nothing_fails_with_what_to_do() {
    let scene = Scene::new().await;
    for (reason, change) in [
        ("slack_is_archived", (|channel| channel.is_archived = true) as fn(&mut testkit::slack::Channel)),
        ("slack_not_in_channel", |channel| channel.members.clear()),
        ("slack_restricted_action", |channel| channel.is_posting_restricted = true),
    ] {
        let channel = scene.slack.add_channel(&scene.team, "other", &[]);
        scene.slack.change_channel(&channel, change);
        let mut notification = scene.world.members(&[]).await;
        notification.slack_channels = vec![SlackChannel { id: channel, name: "#other".into() }];
        let run = scene.world.run(scene.world.task(notification).await).await;
        let delivery = scene.deliver_all(run).await;
        assert_eq!((delivery.state, delivery.reason.as_deref()), (DeliveryState::Failed, Some(reason)));
        assert_eq!(domain::destination::fault(reason), domain::destination::Fault::Certain);
        assert!(delivery.message.is_some_and(|message| message.ends_with('.')));
    }
}

#[tokio::test]
async fn a_channel_with_outsiders_gets_a_link_and_no_figure() {
    let scene = Scene::new().await;
    scene.slack.change_channel(&scene.channel, |channel| channel.is_ext_shared = true);
    let run = scene.run().await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!((delivery.state, delivery.audience), (DeliveryState::Sent, Some(Audience::LinkOnly)));
    let messages = scene.slack.messages(&scene.channel);
    let text = format!("{}{}", all_text(&messages), messages[0].text);
    assert!(text.contains("United led with"), "{text}");
    for hidden in ["58,665", "58665", "Airline 1"] {
        assert!(!text.contains(hidden), "{hidden} is shown");
    }
    assert!(scene.calls("files.getUploadURLExternal").is_empty(), "no picture leaves");
}

/// A picture that Slack has not looked at makes it refuse the whole message: the words go without it.
#[tokio::test]
async fn a_message_whose_form_is_refused_goes_in_a_plainer_one() {
    let scene = Scene::with(|options| options.file_processing = TimeDelta::hours(1)).await;
    let run = scene.run().await;
    assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    let messages = scene.slack.messages(&scene.channel);
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert!(blocks(message, "image").is_empty());
    assert!(all_text(&messages).contains("Chart:"), "it says what the picture shows");
}

#[tokio::test]
async fn a_person_gets_a_direct_message_once_their_account_is_linked() {
    let scene = Scene::new().await;
    let world = &scene.world;
    let ada = world.member("ada@example.com", domain::access::Role::Member).await;
    let preference =
        "UPDATE delivery SET channel = 'slack_dm' WHERE user_id IS NOT NULL AND state = 'pending'";
    let notification = Notification { user_ids: vec![ada], ..Notification::default() };
    let task = world.task(notification).await;
    let run = world.run(task).await;
    testkit::execute(&mut world.database.superuser().await, preference).await;
    let delivery = scene.deliver_all(run).await;
    assert_eq!(
        (delivery.state, delivery.reason.as_deref()),
        (DeliveryState::Failed, Some("slack_not_linked"))
    );

    let person = scene.slack.add_user(&scene.team, "ada", "ada@example.com");
    let linked =
        world.store().slack_user_link(&world.scope, ada, &scene.team, &person, SlackLinkedBy::SignIn).await;
    linked.expect("a link");
    for _ in 0..2 {
        let run = world.run(task).await;
        testkit::execute(&mut world.database.superuser().await, preference).await;
        assert_eq!(scene.deliver_all(run).await.state, DeliveryState::Sent);
    }
    assert_eq!(scene.calls("conversations.open").len(), 1, "its answer is kept");
    let messages = scene.slack.messages(&scene.slack.direct_message(&person));
    assert_eq!(messages.len(), 2);
    let buttons = blocks(&messages[0], "actions")[0]["elements"].as_array().expect("buttons").clone();
    assert_eq!(buttons.last().expect("a button")["action_id"], "tidings_unsubscribe");
}

/// Fails where a direct message asks for the quiet list alone: both repeats go out. The same where a snooze counts as nothing.
#[tokio::test]
async fn who_wants_no_message_or_rests_from_a_task_gets_no_direct_message() {
    let scene = Scene::new().await;
    let world = &scene.world;
    let store = world.store();
    let ada = world.member("ada@example.com", domain::access::Role::Member).await;
    let person = scene.slack.add_user(&scene.team, "ada", "ada@example.com");
    let linked = store.slack_user_link(&world.scope, ada, &scene.team, &person, SlackLinkedBy::SignIn).await;
    linked.expect("a link");
    let wish = async |slack_dm| {
        let wish = NotificationPreference { email: false, slack_dm, quiet_task_ids: vec![] };
        store.preference_put(&world.scope, ada, &wish).await.expect("a wish");
    };
    wish(true).await;
    let task = world.task(Notification { user_ids: vec![ada], ..Notification::default() }).await;
    let run = world.run(task).await;
    let first = scene.deliver_all(run).await;
    assert_eq!((first.channel, first.state), (Channel::SlackDm, DeliveryState::Sent));
    let repeated = async || {
        let id = store.delivery_send_again(&world.scope, first.id, world.creator).await.expect("queued");
        assert_eq!(scene.deliver().await, 1);
        let repeat = world.deliveries(run).await.into_iter().find(|one| one.id == id).expect("the repeat");
        (repeat.state, repeat.reason, repeat.attempts)
    };
    wish(false).await;
    assert_eq!(repeated().await, (DeliveryState::Suppressed, Some("not_wanted".to_owned()), 0));
    wish(true).await;
    store.task_snooze(&world.scope, task, ada, TimeDelta::days(7)).await.expect("a rest");
    assert_eq!(repeated().await, (DeliveryState::Suppressed, Some("unsubscribed".to_owned()), 0));
    assert_eq!(scene.slack.messages(&scene.slack.direct_message(&person)).len(), 1, "the first one");
}
