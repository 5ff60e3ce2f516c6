//! The client against a Slack that enforces the published rules.

mod channels;
mod files;
mod inbound;
mod installation;
mod messages;
mod slack_sdk;
mod trouble;

use secrecy::SecretString;
use slack::{Client, Message, Metadata};
use store::SteppedClock;
use testkit::slack::FakeSlack;

/// A Slack with one workspace, where our bot is installed and sits in one channel with one person.
pub(crate) struct Scene {
    pub(crate) slack: FakeSlack,
    pub(crate) time: SteppedClock,
    pub(crate) client: Client,
    pub(crate) team: String,
    pub(crate) user: String,
    pub(crate) channel: String,
    pub(crate) token: SecretString,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let time = SteppedClock::new("2026-03-02T08:00:00Z".parse().expect("an instant"));
        let slack = FakeSlack::start_at(time.clone()).await;
        let team = slack.add_team("Acme");
        let user = slack.add_user(&team, "ana", "ana@acme.example");
        let channel = slack.add_channel(&team, "sales", &[&user]);
        let token = slack.install(&team);
        let client = Client::new(net::vendor_client(), slack.base_url());
        Self { slack, time, client, team, user, channel, token }
    }

    /// A message to the channel that carries a delivery's id.
    pub(crate) fn message(&self, text: &str) -> Message {
        let metadata = Metadata {
            event_type: "tidings_delivery".to_owned(),
            event_payload: serde_json::json!({ "delivery_id": text }),
        };
        Message { metadata: Some(metadata), ..Message::text(&self.channel, text) }
    }

    /// Enough time for the next message in the channel.
    pub(crate) fn wait(&self) {
        self.time.step(chrono::TimeDelta::seconds(1));
    }
}
