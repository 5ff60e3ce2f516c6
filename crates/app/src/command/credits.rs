//! `tidings credits`.

use anyhow::ensure;
use clap::Subcommand;
use domain::Credits as Amount;
use serde_json::json;
use store::{CreditOverview, Scope, Store};

use crate::{command::user::workspace_scope, environment::with_store};

#[derive(Subcommand)]
pub(crate) enum Credits {
    /// Give a workspace credits; the first grant limits one that was unlimited. Runs that wait for credits start at once
    Grant(Grant),
    /// Show what a workspace has left and used
    Show(Show),
}

#[derive(clap::Args)]
pub(crate) struct Grant {
    /// The workspace's slug; may be absent where there is one workspace
    #[arg(long)]
    workspace: Option<String>,
    /// How many, with at most six decimals; below zero, so many are taken back
    #[arg(long, allow_negative_numbers = true)]
    amount: Amount,
    /// What for
    #[arg(long, default_value = "")]
    note: String,
    /// Print how the workspace stands as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// The workspace's slug; may be absent where there is one workspace
    #[arg(long)]
    workspace: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Credits) -> anyhow::Result<()> {
    match command {
        Credits::Grant(arguments) => grant(arguments),
        Credits::Show(arguments) => show(arguments),
    }
}

fn grant(arguments: &Grant) -> anyhow::Result<()> {
    let note = arguments.note.trim();
    ensure!(note.chars().count() <= 500, "--note: at most 500 characters");
    with_store(async |store| {
        let scope = workspace_scope(&store, arguments.workspace.as_deref()).await?;
        store.credit_grant(&scope, arguments.amount, note).await?;
        print(&store, &scope, arguments.json).await
    })
}

fn show(arguments: &Show) -> anyhow::Result<()> {
    with_store(async |store| {
        let scope = workspace_scope(&store, arguments.workspace.as_deref()).await?;
        print(&store, &scope, arguments.json).await
    })
}

async fn print(store: &Store, scope: &Scope, as_json: bool) -> anyhow::Result<()> {
    let CreditOverview { pool, used_this_month, waiting_runs } = store.credit_overview(scope).await?;
    if as_json {
        let told = json!({
            "unlimited": pool.is_none(),
            "balance": pool.map(|pool| pool.balance.as_f64()),
            "granted": pool.map(|pool| pool.granted.as_f64()),
            "usedThisMonth": used_this_month.as_f64(),
            "waitingRuns": waiting_runs,
        });
        println!("{told}");
        return Ok(());
    }
    match pool {
        Some(pool) => println!("{} of {} granted credits are left", pool.balance, pool.granted),
        None => println!("unlimited: no credits were ever granted"),
    }
    println!("{used_this_month} used this month, {waiting_runs} runs wait for credits");
    Ok(())
}
