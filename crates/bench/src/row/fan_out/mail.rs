//! Mails to a server's acceptance: one answer to many readers, and many answers to one reader each. One notifier with the pools
//! of a process as it comes, and its usual number of connections to the mail server.

use std::{sync::Arc, time::Instant};

use anyhow::ensure;
use notifier::{
    Notifier, NotifierOptions, Transport, email::Sender, transport::Smtp, transport::smtp::Patience,
};
use rand::{SeedableRng as _, rngs::StdRng};
use secrecy::SecretString;

use super::{
    super::Bench,
    home::{Brings, Home},
};
use crate::{
    Part,
    load::settle,
    report::{Goal, Row},
    server::Database,
    sink::Sink,
    statistics,
};

const PART: Part = Part::FanOut;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (mails, answers) = (bench.options.size.mails, bench.options.size.answers);
    let database = bench.server.create("fan_out", None).await?;
    store::migrate(&database.url).await?;
    let mut connection = database.connect().await?;
    let mut home = Home::new(database.store(14, 6).await?, mails).await?;
    let sink = Sink::start()?;
    let (mut to_many, mut of_many, mut size) = (Vec::new(), Vec::new(), 0);
    // The first round opens connections, prepares statements and lets the database learn how full its tables are.
    for round in 0..=bench.options.size.rounds {
        home.ask(&[&home.all], Brings::TableAndChart).await?;
        settle(&mut connection).await?;
        let (per_second, bytes) = home.deliver(&sink, mails).await?;
        home.ask(&vec![&home.one; answers as usize], Brings::TableAndChart).await?;
        settle(&mut connection).await?;
        let (of_many_per_second, _) = home.deliver(&sink, answers).await?;
        if round > 0 {
            to_many.push(per_second);
            of_many.push(of_many_per_second);
            size = bytes / u64::from(mails);
        }
    }
    let statements = home.count(&sink, &database, mails).await?;
    home.store.close().await;
    bench.server.remove(&database).await?;
    let goal = Goal::AtLeast(1_000.0);
    bench.rows.push(Row::of(PART, "mails of one answer to many readers", "/s", &to_many)?.with_goal(goal));
    bench.rows.push(Row::of(PART, "statements for each of these", "", &[statements])?);
    bench.rows.push(Row::of(PART, "mails of as many answers", "/s", &of_many)?);
    bench.notes.push(format!(
        "fan-out: {mails} mails of one answer a time and {answers} of as many, of {} kB each, a chart and a table in them",
        size / 1_000
    ));
    Ok(())
}

impl Home {
    /// Sends one answer to all readers, untimed. Answers how many statements the database was asked for each mail.
    async fn count(&mut self, sink: &Sink, database: &Database, mails: u32) -> anyhow::Result<f64> {
        let mut connection = database.connect().await?;
        statistics::switch_on(&mut connection, database).await?;
        // Only those of new connections are counted.
        self.store.close().await;
        self.store = database.store(14, 6).await?;
        self.ask(&[&self.all], Brings::TableAndChart).await?;
        statistics::cost_since(&mut connection).await?;
        self.deliver(sink, mails).await?;
        let cost = statistics::cost_since(&mut connection).await?;
        statistics::switch_off(&mut connection, database).await?;
        Ok(cost.statements as f64 / f64::from(mails))
    }

    /// Sends everything that waits. Answers how many a second until the last one's outcome was recorded, and their bytes.
    async fn deliver(&self, sink: &Sink, mails: u32) -> anyhow::Result<(f64, u64)> {
        let smtp = Smtp::new(&SecretString::from(sink.url()), Patience::default())?;
        let from = Sender::parse("Tidings <tidings@mail.test>")?;
        let url = "https://tidings.fan-out.test".to_owned();
        let random = StdRng::seed_from_u64(1);
        let options = NotifierOptions::new(self.store.clone(), Transport::Smtp(smtp), url, from, random);
        let notifier = Arc::new(Notifier::new(options));
        let started = Instant::now();
        let tried = notifier.run_once().await;
        let seconds = started.elapsed().as_secs_f64();
        let (came, again, bytes) = sink.take();
        ensure!(
            tried == mails && came == mails as usize && again == 0,
            "of {mails} mails {tried} were tried, {came} came, and {again} of them more than once"
        );
        Ok((f64::from(mails) / seconds, bytes))
    }
}
