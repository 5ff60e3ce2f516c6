//! Messages to a Slack that enforces the published limits: how near a channel comes to its one message a second, and that
//! nothing is refused for coming too early.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use notifier::{Notifier, NotifierOptions, Slack, Transport, email::Sender};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use store::{NewSlackInstallation, SlackTokenPair};
use testkit::slack::{FakeSlack, Options};
use tokio_util::sync::CancellationToken;

use super::{
    super::Bench,
    home::{Brings, Home},
};
use crate::{
    Part,
    report::{Goal, Row},
};

const PART: Part = Part::FanOut;
/// At a message a second in each, less than what the notifier allows itself in a workspace: 200 a minute, for Slack does not
/// publish how many it takes.
const CHANNELS: usize = 3;
/// All of a round must have come by so many times the time that the limit allows for.
const PATIENCE: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let messages = bench.options.size.channel_messages;
    let database = bench.server.create("fan_out_slack", None).await?;
    store::migrate(&database.url).await?;
    let home = Home::new(database.store(14, 6).await?, 1).await?;
    let slack = FakeSlack::start_with(Options::default()).await;
    let channels = install(&home, &slack).await?;
    let (mut rates, mut refusals) = (Vec::new(), Vec::new());
    for _ in 0..bench.options.size.rounds {
        let told: Vec<Value> = channels
            .iter()
            .map(|channel| json!({ "slackChannels": [{ "id": channel, "name": "#flights" }] }))
            .collect();
        let asked: Vec<&Value> = told.iter().cycle().take(CHANNELS * messages as usize).collect();
        home.ask(&asked, Brings::Table).await?;
        let round = deliver(&home, &slack, &channels, messages).await?;
        rates.push(round.per_second);
        refusals.push(round.refused as f64);
    }
    home.store.close().await;
    bench.server.remove(&database).await?;
    let row = Row::of(PART, "messages in a channel of Slack", "/s", &rates)?;
    bench.rows.push(row.with_goal(Goal::AtLeast(1.0)));
    let row = Row::of(PART, "messages that Slack refused as too early", "", &refusals)?;
    bench.rows.push(row.with_goal(Goal::AtMost(0.0)));
    bench.notes.push(format!(
        "fan-out: {messages} messages a time in each of {CHANNELS} channels of one Slack workspace"
    ));
    Ok(())
}

/// Connects the workspace with a Slack workspace. Answers the channels there.
async fn install(home: &Home, slack: &FakeSlack) -> anyhow::Result<Vec<String>> {
    let team = slack.add_team("Fan-out");
    let user = slack.add_user(&team, "reader", "reader-0@fan-out.test");
    let installation = NewSlackInstallation {
        team_id: team.clone(),
        team_name: "Fan-out".into(),
        enterprise_id: None,
        app_id: "A00000000".into(),
        bot_user_id: slack.bot_user(&team),
        scopes: vec![],
        tokens: SlackTokenPair { bot_token: slack.install(&team), refresh_token: None, expires_in: None },
        installed_by: home.creator,
    };
    home.store.slack_installation_put(&home.scope, &installation).await?;
    Ok((0..CHANNELS).map(|number| slack.add_channel(&team, &format!("flights-{number}"), &[&user])).collect())
}

struct Round {
    /// In the median channel, by Slack's own clock.
    per_second: f64,
    refused: usize,
}

/// Posts everything that waits: `messages` in each channel.
async fn deliver(
    home: &Home,
    slack: &FakeSlack,
    channels: &[String],
    messages: u32,
) -> anyhow::Result<Round> {
    let before: Vec<usize> = channels.iter().map(|channel| slack.messages(channel).len()).collect();
    let refused_before = refused(slack);
    let (stopping, notifier) = (CancellationToken::new(), notifier(home, slack)?);
    let running = tokio::spawn(notifier.run(stopping.clone()));
    let all_came = async {
        let has_come = |(channel, before): (&String, &usize)| {
            slack.messages(channel).len() >= before + messages as usize
        };
        while !channels.iter().zip(&before).all(has_come) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs((PATIENCE * messages).into()), all_came).await;
    stopping.cancel();
    running.await??;
    came.context("not all messages came in time")?;
    let mut rates = Vec::new();
    for (channel, before) in channels.iter().zip(before) {
        let posted = slack.messages(channel);
        let of_round = posted.get(before..).unwrap_or_default();
        ensure!(
            of_round.len() == messages as usize,
            "{} messages came in a channel that was sent {messages}",
            of_round.len()
        );
        let (first, last) = of_round.first().zip(of_round.last()).context("no message came")?;
        let seconds = last.ts.parse::<f64>()? - first.ts.parse::<f64>()?;
        rates.push(f64::from(messages - 1) / seconds);
    }
    rates.sort_by(f64::total_cmp);
    Ok(Round { per_second: rates[rates.len() / 2], refused: refused(slack) - refused_before })
}

fn refused(slack: &FakeSlack) -> usize {
    slack.call_count_of(|call| call.outcome == "ratelimited")
}

fn notifier(home: &Home, slack: &FakeSlack) -> anyhow::Result<Notifier> {
    let app = slack.app();
    let app = ::slack::App { client_id: app.client_id, client_secret: app.client_secret.into() };
    let url = "https://tidings.fan-out.test".to_owned();
    let from = Sender::parse("Tidings <tidings@mail.test>")?;
    let random = StdRng::seed_from_u64(1);
    let mut options = NotifierOptions::new(home.store.clone(), Transport::Outbox, url, from, random);
    options.slack = Some(Slack { client: ::slack::Client::new(net::vendor_client(), slack.base_url()), app });
    Ok(Notifier::new(options))
}
