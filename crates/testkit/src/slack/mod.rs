//! A Slack to test against: an HTTP server on loopback that enforces the published rules of the Web API and sends signed
//! events and interactions. It is written from Slack's documentation alone, shares no code with what is tested against it,
//! and is itself checked with Slack's own client library.
//!
//! It enforces tokens and scopes, membership, the limits on text and blocks, calls a minute by method and workspace with
//! `Retry-After`, one message a second in a channel, the three steps of an upload, who sees metadata, threads, reactions,
//! and OAuth with rotation. It misbehaves on demand ([`Fault`]), and keeps a log of every call and what came of it
//! ([`Call`]), which is on disk before the caller hears.
//!
//! It does not know: direct messages of several people, Enterprise Grid, message search, user groups, modals, files that
//! are remote, or an `id_token` at a sign-in.

mod call;
mod control;
mod courier;
mod fault;
mod limits;
mod log;
mod methods;
mod rules;
mod server;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock, clock::SystemClock};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::AbortHandle};
use url::Url;

pub use self::{
    control::Order,
    courier::{Attempt, Courier},
    fault::{Chaos, Fault},
    log::Call,
    world::{App, Channel, File, Message, User},
};
use self::{courier::Parcel, fault::Faults, limits::Limits, log::Log, world::World};

/// The scopes that our bot asks for, and with which [`FakeSlack::install`] installs it.
const BOT_SCOPES: [&str; 14] = [
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:write",
    "users:read",
    "users:read.email",
];

fn all_scopes() -> BTreeSet<String> {
    BOT_SCOPES.iter().map(|scope| (*scope).to_owned()).collect()
}

/// How the fake is set up.
#[derive(Clone)]
pub struct Options {
    /// What time it is: for limits, timestamps, signatures, the lives of tokens.
    pub clock: Arc<dyn Clock>,
    /// How many times shorter a minute of the limits, a second of a channel's, and the time between two attempts of an event
    /// are. `Retry-After` stays in whole seconds, which are kept to the letter.
    pub speed: i32,
    /// Where the log of calls is written, one JSON object a line.
    pub log: Option<PathBuf>,
    /// How long after the third step Slack looks at a file, until which no block may show it.
    pub file_processing: TimeDelta,
    /// The app.
    pub app: App,
    /// The port; any that is free where it is zero.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            speed: 1,
            log: None,
            file_processing: TimeDelta::zero(),
            app: App::default(),
            port: 0,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Options").field("speed", &self.speed).finish_non_exhaustive()
    }
}

/// What the server's requests share.
#[derive(Debug)]
struct Shared(Mutex<Inner>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Inner {
    options: Options,
    app: App,
    /// Where the server is, with a slash at the end.
    root_url: String,
    world: World,
    limits: Limits,
    faults: Faults,
    log: Log,
    parcels: mpsc::UnboundedSender<Parcel>,
    last_secret: u64,
    last_event: u64,
}

/// A running fake. It ends when this is dropped.
#[derive(Debug)]
pub struct FakeSlack {
    shared: Arc<Shared>,
    root_url: String,
    tasks: [AbortHandle; 2],
}

impl Drop for FakeSlack {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl FakeSlack {
    /// Starts one on this machine's clock, empty.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts one with a test's clock, empty.
    pub async fn start_at(clock: impl Clock + 'static) -> Self {
        Self::start_with(Options { clock: Arc::new(clock), ..Options::default() }).await
    }

    /// Starts one, empty.
    pub async fn start_with(options: Options) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let root_url = format!("http://127.0.0.1:{port}/");
        let (sender, parcels) = mpsc::unbounded_channel();
        let courier = Courier::new(&options.app.signing_secret, Arc::clone(&options.clock));
        let speed = options.speed.unsigned_abs().max(1);
        let delays = [Duration::ZERO, Duration::from_mins(1) / speed, Duration::from_mins(5) / speed];
        let inner = Inner {
            app: options.app.clone(),
            root_url: root_url.clone(),
            world: World::default(),
            limits: Limits::default(),
            faults: Faults::default(),
            log: Log::new(options.log.as_deref()),
            parcels: sender,
            last_secret: 0,
            last_event: 0,
            options,
        };
        let shared = Arc::new(Shared(Mutex::new(inner)));
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        let sender = tokio::spawn(courier::work(courier, parcels, delays));
        Self { shared, root_url, tasks: [server.abort_handle(), sender.abort_handle()] }
    }

    /// The address of its Web API, with a slash at the end.
    pub fn base_url(&self) -> Url {
        format!("{}api/", self.root_url).parse().expect("an address")
    }

    /// The app as it is set up.
    pub fn app(&self) -> App {
        self.shared.lock().app.clone()
    }

    /// Changes the app: where events go, whether tokens rotate.
    pub fn change_app(&self, change: impl FnOnce(&mut App)) {
        change(&mut self.shared.lock().app);
    }

    /// Carries out an order, as a fake that is a process of its own does.
    pub fn carry_out(&self, order: Order) -> Value {
        control::carry_out(&self.shared, order)
    }

    /// Adds a workspace with our bot in it, not yet installed. Answers its id.
    pub fn add_team(&self, name: &str) -> String {
        self.shared.lock().world.add_team(name)
    }

    /// The user id of our bot in a workspace.
    pub fn bot_user(&self, team: &str) -> String {
        self.shared.lock().world.teams[team].bot_user_id.clone()
    }

    /// Adds a person. Answers the id.
    pub fn add_user(&self, team: &str, name: &str, email: &str) -> String {
        self.shared.lock().world.add_user(team, name, Some(email))
    }

    /// Adds a public channel with these people, and our bot. Answers its id.
    pub fn add_channel(&self, team: &str, name: &str, members: &[&str]) -> String {
        let mut inner = self.shared.lock();
        let id = inner.world.add_channel(team, name, false);
        let bot = inner.world.teams[team].bot_user_id.clone();
        let channel = inner.world.channels.get_mut(&id).expect("the channel");
        channel.members.insert(bot);
        channel.members.extend(members.iter().map(|member| (*member).to_owned()));
        id
    }

    /// Changes a person.
    pub fn change_user(&self, user: &str, change: impl FnOnce(&mut User)) {
        change(self.shared.lock().world.users.get_mut(user).expect("a user"));
    }

    /// Changes a channel.
    pub fn change_channel(&self, channel: &str, change: impl FnOnce(&mut Channel)) {
        change(self.shared.lock().world.channels.get_mut(channel).expect("a channel"));
    }

    /// Installs the app with all scopes that our bot asks for. Answers the bot's token.
    pub fn install(&self, team: &str) -> SecretString {
        self.install_with(team, &BOT_SCOPES).0
    }

    /// Installs the app with some scopes. Answers the bot's token and, with rotation, the refresh token.
    pub fn install_with(&self, team: &str, scopes: &[&str]) -> (SecretString, Option<SecretString>) {
        let mut inner = self.shared.lock();
        let now = inner.now();
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let (access, refresh) = inner.grant(team, &scopes, now);
        (access.into(), refresh.map(SecretString::from))
    }

    /// Someone allows what an authorization page asks. Answers where the browser is sent.
    pub fn allow(&self, authorize_url: &Url, user: &str) -> Url {
        let mut inner = self.shared.lock();
        let is_sign_in = authorize_url.path().starts_with("/openid/");
        let authorization = inner.authorization(authorize_url.query().unwrap_or_default(), is_sign_in);
        let authorization = authorization.expect("a page that can be shown");
        let team = inner.world.users[user].team_id.clone();
        let now = inner.now();
        inner.allow(authorization, &team, user, now)
    }

    /// Someone removes the app from a workspace: its tokens end, and two events say so.
    pub fn uninstall(&self, team: &str) {
        self.shared.lock().uninstall(team);
    }

    /// A person says something, of which the app is told. Answers its timestamp.
    pub fn say(&self, channel: &str, user: &str, text: &str, thread_ts: Option<&str>) -> String {
        self.shared.lock().person_says(channel, user, text, thread_ts)
    }

    /// A person presses a button of a message, of which the app is told.
    pub fn press(&self, channel: &str, ts: &str, user: &str, action_id: &str) {
        self.shared.lock().press(channel, ts, user, action_id);
    }

    /// Tells the app of an event. Answers its id.
    pub fn emit(&self, team: &str, event: &Value) -> String {
        self.shared.lock().emit(team, event)
    }

    /// The body of an event as it would be sent, for tests that send it themselves with a [`Courier`].
    pub fn event_body(&self, team: &str, event: &Value) -> Vec<u8> {
        self.shared.lock().event_body(team, event).1
    }

    /// A courier that signs as this Slack.
    pub fn courier(&self) -> Courier {
        let inner = self.shared.lock();
        Courier::new(&inner.app.signing_secret, Arc::clone(&inner.options.clock))
    }

    /// The next calls of a method go as the script says, one after the other; `None` goes well. Bytes of files go by `upload`.
    pub fn script(&self, method: &str, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.shared.lock().faults.script(method, faults);
    }

    /// Faults by chance from now on, or none.
    pub fn misbehave(&self, chaos: Option<Chaos>) {
        self.shared.lock().faults.set_chaos(chaos);
    }

    /// The direct message of our bot with a person.
    pub fn direct_message(&self, user: &str) -> String {
        let mut inner = self.shared.lock();
        let team = inner.world.users[user].team_id.clone();
        inner.world.im(&team, user).0
    }

    /// What was said in a conversation, oldest first.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        let inner = self.shared.lock();
        inner.world.channels.get(channel).map(|channel| channel.messages.clone()).unwrap_or_default()
    }

    /// A file.
    pub fn file(&self, id: &str) -> Option<File> {
        self.shared.lock().world.files.get(id).cloned()
    }

    /// Somebody deletes a file.
    pub fn delete_file(&self, id: &str) {
        self.shared.lock().world.files.remove(id).expect("a file");
    }

    /// All calls so far, in the order in which they took effect.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().log.calls().to_vec()
    }

    /// How many calls there were so far.
    pub fn call_count(&self) -> usize {
        self.shared.lock().log.calls().len()
    }

    /// How many calls there were so far that are of a kind.
    pub fn call_count_of(&self, is_meant: impl Fn(&Call) -> bool) -> usize {
        self.shared.lock().log.calls().iter().filter(|call| is_meant(call)).count()
    }
}

impl Inner {
    fn now(&self) -> DateTime<Utc> {
        self.options.clock.now()
    }

    /// Something that nobody guesses by accident.
    fn secret(&mut self, kind: &str) -> String {
        self.last_secret += 1;
        format!("{kind}-{}-{:016x}", self.last_secret, self.last_secret.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Puts a message into a conversation, and tells the app where its bot is in it.
    fn say(&mut self, channel: &str, message: &Message) {
        let known = self.world.channels.get_mut(channel).expect("a channel");
        known.messages.push(message.clone());
        let team = known.team_id.clone();
        let channel_type = match (&known.im_user, known.is_private) {
            (Some(_), _) => "im",
            (None, true) => "group",
            (None, false) => "channel",
        };
        let bot = self.world.teams[&team].bot_user_id.clone();
        let known = &self.world.channels[channel];
        if !known.members.contains(&bot) {
            return;
        }
        let mut event = self.world.message_json(known, message, false);
        event["channel"] = json!(channel);
        event["channel_type"] = json!(channel_type);
        event["event_ts"] = json!(message.ts);
        let is_mention = channel_type != "im" && message.text.contains(&format!("<@{bot}>"));
        let mention = is_mention.then(|| {
            let mut mention = event.clone();
            mention["type"] = json!("app_mention");
            mention.as_object_mut().expect("an object").remove("channel_type");
            mention
        });
        self.emit(&team, &event);
        if let Some(mention) = mention {
            self.emit(&team, &mention);
        }
    }

    fn person_says(&mut self, channel: &str, user: &str, text: &str, thread_ts: Option<&str>) -> String {
        let now = self.now();
        let ts = self.world.next_ts(now);
        let message = Message {
            ts: ts.clone(),
            thread_ts: thread_ts.map(str::to_owned),
            user: user.to_owned(),
            bot_id: None,
            subtype: None,
            text: text.to_owned(),
            blocks: Vec::new(),
            metadata: None,
            files: Vec::new(),
            reactions: BTreeMap::new(),
            is_edited: false,
        };
        self.say(channel, &message);
        ts
    }

    /// An event with its envelope, and its id.
    fn event_body(&mut self, team: &str, event: &Value) -> (String, Vec<u8>) {
        self.last_event += 1;
        let event_id = format!("Ev{:08}", self.last_event);
        let bot = self.world.teams.get(team).map(|team| team.bot_user_id.clone());
        let envelope = json!({
            "token": "unused",
            "team_id": team,
            "api_app_id": world::APP_ID,
            "type": "event_callback",
            "event_id": event_id,
            "event_time": self.now().timestamp(),
            "authorizations": [{ "team_id": team, "user_id": bot, "is_bot": true }],
            "event": event,
        });
        (event_id, envelope.to_string().into_bytes())
    }

    fn emit(&mut self, team: &str, event: &Value) -> String {
        let (event_id, body) = self.event_body(team, event);
        if let Some(url) = self.app.events_url.clone() {
            let parcel = Parcel { url, content_type: "application/json", body, is_event: true };
            // Nobody receives while the fake ends.
            let _ = self.parcels.send(parcel);
        }
        event_id
    }

    fn press(&mut self, channel: &str, ts: &str, user: &str, action_id: &str) {
        let now = self.now();
        let message = self.world.message(channel, ts).expect("a message").clone();
        let buttons = message.blocks.iter().filter_map(|block| block["elements"].as_array()).flatten();
        let button = buttons.into_iter().find(|element| element["action_id"] == action_id);
        let mut action = button.expect("a button").clone();
        action["action_ts"] = json!(self.world.next_ts(now));
        let place = self.secret("response");
        let address =
            world::ResponseAddress { channel: channel.to_owned(), ts: ts.to_owned(), made_at: now, uses: 0 };
        self.world.responses.insert(place.clone(), address);
        let known = &self.world.channels[channel];
        let payload = json!({
            "type": "block_actions",
            "api_app_id": world::APP_ID,
            "team": { "id": known.team_id },
            "user": { "id": user, "team_id": known.team_id },
            "channel": { "id": channel, "name": known.name },
            "container": { "type": "message", "message_ts": ts, "channel_id": channel },
            "message": self.world.message_json(known, &message, true),
            "actions": [action],
            "response_url": format!("{}response/{place}", self.root_url),
            "trigger_id": format!("{}.trigger", self.last_secret),
        });
        let url = self.app.interactions_url.clone().expect("the app says where interactions go");
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish()
            .into_bytes();
        let parcel = Parcel { url, content_type: "application/x-www-form-urlencoded", body, is_event: false };
        let _ = self.parcels.send(parcel);
    }
}
