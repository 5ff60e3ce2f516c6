//! What is measured, part by part.

mod claims;
mod fan_out;
mod growth;
mod lateness;
mod queue;
mod run_now;
mod serving;
pub(crate) mod tasks;
mod tick;
mod waiting;

use crate::{
    Options, Part,
    drain::Crew,
    report::Row,
    server::{Database, Server},
};

/// A bench under way.
pub(crate) struct Bench<'a> {
    server: &'a Server,
    options: &'a Options,
    /// Of each size of [`crate::Size::tasks`], once it was needed.
    loaded: [Option<Database>; 3],
    /// The best one, once [`queue`] has found it.
    crew: Crew,
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
}

/// Positions in [`crate::Size::tasks`].
const SMALL: usize = 0;
const USUAL: usize = 1;
const LARGE: usize = 2;

impl<'a> Bench<'a> {
    pub(crate) fn new(server: &'a Server, options: &'a Options) -> Self {
        let crew = Crew { schedulers: 1, workers: 2, claim: 500, finishers: 1, group: 500 };
        Self { server, options, loaded: [None, None, None], crew, rows: vec![], notes: vec![] }
    }

    pub(crate) async fn measure(&mut self, part: Part) -> anyhow::Result<()> {
        match part {
            Part::Queue => queue::measure(self).await,
            Part::Growth => growth::measure(self).await,
            Part::Tick => tick::measure(self).await,
            Part::Lateness => lateness::measure(self).await,
            Part::Claims => claims::measure(self).await,
            Part::RunNow => run_now::measure(self).await,
            Part::Waiting => waiting::measure(self).await,
            Part::Tasks => tasks::measure(self).await,
            Part::Server => serving::measure(self).await,
            Part::FanOut => fan_out::measure(self).await,
        }
    }

    /// The database of a size, which parts may drain but leave with no task due.
    async fn database(&mut self, size: usize) -> anyhow::Result<Database> {
        if let Some(database) = &self.loaded[size] {
            return Ok(database.clone());
        }
        let tasks = self.options.size.tasks[size];
        eprintln!("loading {tasks} tasks");
        let database = self.server.load(&format!("tasks_{tasks}"), tasks).await?;
        self.loaded[size] = Some(database.clone());
        Ok(database)
    }

    /// A copy of the usual database, for a part to do with as it likes.
    async fn copy(&mut self, name: &str) -> anyhow::Result<Database> {
        let usual = self.database(USUAL).await?;
        self.server.create(name, Some(&usual)).await
    }

    fn tasks(&self, size: usize) -> u32 {
        self.options.size.tasks[size]
    }
}
