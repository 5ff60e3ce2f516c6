//! `tidings migrate`.

use crate::{config::Config, environment::Environment};

pub(crate) fn run() -> anyhow::Result<()> {
    let environment = Environment::open(Config::load()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(environment.migrate())
}
