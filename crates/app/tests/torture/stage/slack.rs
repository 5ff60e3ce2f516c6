//! A Slack on a stage: it enforces the published rules, its clock is PostgreSQL's, and its log is what readers saw.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use domain::slack::SlackLinkedBy;
use serde_json::json;
use store::{NewSlackInstallation, SlackTokenPair, Store};
use testkit::slack::{Call, Courier, FakeSlack, Options};

use super::{
    Stage,
    clock::FakedClock,
    population::{self, Home},
    words,
};
use crate::checker::{Origin, Question, Told};

/// A running Slack. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SlackServer {
    pub(crate) fake: Arc<FakeSlack>,
    clock: FakedClock,
}

/// A workspace of ours and its counterpart in Slack.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) home: Home,
    pub(crate) team: String,
    /// The admin's account there, linked.
    pub(crate) user: String,
    pub(crate) channels: Vec<String>,
}

impl SlackServer {
    /// Starts one on the stage, with its log on disk, and tells all processes that start from now on where it is. It shows
    /// PostgreSQL's time: reconciliation looks in Slack at the times of our rows.
    pub(crate) fn start(stage: &mut Stage) -> Self {
        let clock = stage.postgres.clock.clone();
        let options = Options {
            clock: Arc::new(clock.clone()),
            log: Some(stage.folder().join("slack.jsonl")),
            ..Options::default()
        };
        let fake = stage.block_on(FakeSlack::start_with(options));
        let app = fake.app();
        // The processes must be able to open the tokens that the row puts into the store.
        let key_file = stage.folder().join("secret-key");
        fs::write(&key_file, population::KEY).expect("a key file");
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("its permissions");
        for (name, value) in [
            ("TIDINGS_SECRET_KEY_FILE", key_file.display().to_string()),
            ("TIDINGS_SLACK_BASE_URL", fake.base_url().to_string()),
            ("TIDINGS_SLACK_CLIENT_ID", app.client_id),
            ("TIDINGS_SLACK_CLIENT_SECRET", app.client_secret),
            ("TIDINGS_SLACK_SIGNING_SECRET", app.signing_secret),
        ] {
            stage.variables.push((name.to_owned(), value));
        }
        let slack = Self { fake: Arc::new(fake), clock };
        stage.slack = Some(slack.clone());
        slack
    }

    /// A courier that signs as this Slack, at its time.
    pub(crate) fn courier(&self) -> Courier {
        self.fake.courier()
    }

    /// Makes `count` workspaces, each connected with a Slack of `channels` channels. Their names begin at number `first`.
    pub(crate) fn places(&self, stage: &Stage, first: usize, count: usize, channels: usize) -> Vec<Place> {
        stage.block_on(async {
            let store = stage.store().await;
            let mut places = Vec::new();
            for number in first..first + count {
                let home = population::home(&store, number, &population::no_data()).await;
                places.push(self.connect(&store, home, channels).await);
            }
            store.close().await;
            places
        })
    }

    /// Connects a workspace with a Slack of its own, of `channels` channels.
    pub(crate) async fn connect(&self, store: &Store, home: Home, channels: usize) -> Place {
        let team = self.fake.add_team(&home.name);
        let user = self.fake.add_user(&team, "reader", &home.address);
        let channels = (0..channels)
            .map(|channel| self.fake.add_channel(&team, &format!("room-{}", words(channel)), &[&user]))
            .collect();
        let installation = NewSlackInstallation {
            team_id: team.clone(),
            team_name: home.name.clone(),
            enterprise_id: None,
            app_id: "A00000000".to_owned(),
            bot_user_id: self.fake.bot_user(&team),
            scopes: Vec::new(),
            tokens: SlackTokenPair {
                bot_token: self.fake.install(&team),
                refresh_token: None,
                expires_in: None,
            },
            installed_by: home.admin,
        };
        store.slack_installation_put(&home.scope, &installation).await.expect("connected");
        let by = SlackLinkedBy::Email;
        store.slack_user_link(&home.scope, home.admin, &team, &user, by).await.expect("linked");
        Place { home, team, user, channels }
    }

    /// Makes tasks that come due at `opens_at` and are told in the channels of `places` in turn. Answers their questions, whose
    /// words begin with `prefix`.
    pub(crate) fn tasks(
        stage: &Stage,
        places: &[Place],
        count: usize,
        prefix: &str,
        opens_at: DateTime<Utc>,
    ) -> Vec<Question> {
        stage.block_on(async {
            let store = stage.store().await;
            let mut questions = Vec::new();
            for number in 0..count {
                let place = &places[number % places.len()];
                let channel = &place.channels[(number / places.len()) % place.channels.len()];
                let word = format!("{prefix}{}", words(number));
                let question = Question { word, places: vec![channel.clone()] };
                population::task(&store, &place.home, &question, opens_at).await;
                questions.push(question);
            }
            store.close().await;
            questions
        })
    }

    /// How many calls there were so far, but for signs on messages, which come when there is room, and lists of channels, which
    /// come for ever.
    pub(crate) fn effects(&self) -> usize {
        self.fake.call_count_of(|call| {
            !call.method.starts_with("reactions.") && call.method != "conversations.list"
        })
    }

    /// How many messages were posted so far.
    pub(crate) fn posts(&self) -> usize {
        self.fake.call_count_of(|call| call.method == "chat.postMessage" && call.outcome == "ok")
    }

    /// The messages that were posted so far, as its log has them.
    pub(crate) fn told(&self) -> Vec<Told> {
        let told = |call: Call| Told {
            at: self.clock.moment(call.at),
            place: call.channel.unwrap_or_default(),
            id: call.ts.unwrap_or_default(),
            text: call.text.unwrap_or_default(),
        };
        self.calls("chat.postMessage").into_iter().filter(|call| call.outcome == "ok").map(told).collect()
    }

    /// The calls of a method that were done or refused, in order.
    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        self.fake.calls().into_iter().filter(|call| call.method == method).collect()
    }

    /// How many messages stand in Slack for each question, by its word.
    pub(crate) fn answers(&self, places: &[Place]) -> HashMap<String, usize> {
        let mut answers = HashMap::new();
        for channel in places.iter().flat_map(|place| &place.channels) {
            for message in self.fake.messages(channel) {
                let shown = format!("{} {}", message.text, json!(message.blocks));
                if let Some(origin) = Origin::of(&shown) {
                    *answers.entry(origin.question).or_default() += 1;
                }
            }
        }
        answers
    }

    /// How many calls went wrong on demand, by how.
    pub(crate) fn faults(&self) -> BTreeMap<String, usize> {
        let mut faults = BTreeMap::new();
        for fault in self.fake.calls().into_iter().filter_map(|call| call.fault) {
            let kind = json!(fault)["kind"].as_str().unwrap_or_default().to_owned();
            *faults.entry(kind).or_default() += 1;
        }
        faults
    }
}

/// The next whole hour but one, by PostgreSQL's clock: what comes due then is made before.
pub(crate) fn next_window(now: DateTime<Utc>) -> DateTime<Utc> {
    let hour = now.with_minute(0).and_then(|now| now.with_second(0)).and_then(|now| now.with_nanosecond(0));
    hour.expect("a whole hour") + TimeDelta::hours(2)
}
