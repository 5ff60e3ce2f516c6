//! `tidings eval`.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use domain::{Clock as _, access::Role, clock::SystemClock};
use store::{MemberFilter, Page, Store};
use warehouse::{ConnectionSpec, FilesSpec};

use crate::{
    config::Config,
    environment::Environment,
    telemetry,
    wiring::{self, Own},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Questions with reference rows, one JSON object a line
    questions: PathBuf,
    /// A connection's name, or `files:FOLDER` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
    #[arg(long)]
    connection: String,
    /// Fail unless at least this many are right
    #[arg(long)]
    at_least: Option<usize>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load()?;
    telemetry::start_logs(&config.log)?;
    let text = std::fs::read_to_string(&arguments.questions)
        .with_context(|| format!("{} cannot be read", arguments.questions.display()))?;
    let questions = agent::eval::questions(&text)?;
    let mut target = agent::eval::connection(&arguments.connection).context("--connection")?;
    let mut folders = config.data.files_allowed.clone();
    if let Some(ConnectionSpec::Files(FilesSpec::Folder(folder))) = &mut target {
        *folder = folder.canonicalize().with_context(|| format!("--connection: {}", folder.display()))?;
        // Whoever runs this command may read the folder anyway.
        folders.push(folder.clone());
    }
    // A connection by name lies in the database; one made on the spot needs none.
    let environment = if target.is_none() { Some(Environment::open(config)?) } else { None };
    let config = match &environment {
        Some(environment) => &environment.config,
        None => &Config::load()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let summary = runtime.block_on(async {
        let own = match &environment {
            Some(environment) => Own::of(environment).await?,
            None => Own::default(),
        };
        let connection = match (target, &environment) {
            (Some(connection), _) => connection,
            (None, Some(environment)) => stored(&environment.store().await?, &arguments.connection).await?,
            (None, None) => anyhow::bail!("--connection: there is no connection `{}`", arguments.connection),
        };
        let evaluation = agent::eval::Evaluation {
            warehouse: wiring::warehouse(config, folders, &own)?,
            connection,
            connection_name: "Evaluation".to_owned(),
            model: wiring::model(config)?,
            limits: agent::Limits::default(),
            now: SystemClock.now(),
        };
        let mut outcome = Ok(());
        let summary = evaluation
            .run(&questions, |line| match serde_json::to_string(line) {
                Ok(line) => println!("{line}"),
                Err(error) => outcome = Err(error),
            })
            .await;
        outcome?;
        anyhow::Ok(summary)
    })?;
    println!("{}", serde_json::to_string(&summary)?);
    if let Some(at_least) = arguments.at_least {
        ensure!(
            summary.right >= at_least,
            "{} of {} are right, fewer than {at_least}",
            summary.right,
            summary.total
        );
    }
    Ok(())
}

/// A workspace's connection by its name, whichever workspace has it.
async fn stored(store: &Store, name: &str) -> anyhow::Result<ConnectionSpec> {
    for workspace in store.workspace_list().await? {
        let scope = store.scope_for_operator(workspace.id).await?;
        let members = store.member_list(&scope, &MemberFilter::default(), &Page::first(500)).await?.values;
        for admin in members.iter().filter(|member| member.role == Role::Admin) {
            let connections = store.connection_list(&scope, admin.id, &Page::first(1000)).await?.values;
            if let Some(connection) = connections.iter().find(|connection| connection.name == name) {
                let secret = store.connection_secret(&scope, connection.id).await?;
                return Ok(ConnectionSpec::from_details(&connection.engine, &connection.details, secret)?);
            }
        }
    }
    anyhow::bail!(
        "--connection: there is no connection `{name}`, and it is neither files:FOLDER nor postgres://…"
    )
}
