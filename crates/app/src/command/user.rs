//! `tidings user`.

use std::io::Read as _;

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use domain::access::Role;
use secrecy::SecretString;
use serde::Serialize;
use store::{Conflict, Error, NewUser, Scope, Store};

use crate::environment::with_store;

#[derive(Subcommand)]
pub(crate) enum User {
    /// Make a user and a member of a workspace
    Create(Create),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The address, which is also the name to sign in with
    #[arg(long)]
    email: String,
    /// As shown; the address's first part when absent
    #[arg(long)]
    name: Option<String>,
    /// guest, member, explorer, editor, manager or admin
    #[arg(long, default_value = "member")]
    role: Role,
    /// The workspace's slug; may be absent where there is one workspace
    #[arg(long)]
    workspace: Option<String>,
    /// An IANA time zone
    #[arg(long, default_value = "UTC")]
    timezone: String,
    /// Read the password from standard input; without it the user signs in by link only
    #[arg(long)]
    password_stdin: bool,
    /// Print the user as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Created {
    id: domain::UserId,
    email: String,
    name: String,
    role: Role,
}

pub(crate) fn run(command: User) -> anyhow::Result<()> {
    match command {
        User::Create(arguments) => create(arguments),
    }
}

fn create(arguments: Create) -> anyhow::Result<()> {
    let email = arguments.email.trim().to_lowercase();
    let is_address = email.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
    ensure!(is_address && !email.contains(char::is_whitespace), "--email: `{email}` is not an address");
    ensure!(
        arguments.timezone.parse::<chrono_tz::Tz>().is_ok(),
        "--timezone: `{}` is not an IANA time zone",
        arguments.timezone
    );
    let password_hash = if arguments.password_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("--password-stdin")?;
        let password = SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned());
        #[expect(clippy::disallowed_methods, reason = "where a password's salt comes from")]
        let mut random = rand::rng();
        Some(api::password::hash(&password, &mut random)?)
    } else {
        None
    };
    let name = arguments.name.unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
    let user =
        NewUser { email: email.clone(), name: name.clone(), password_hash, timezone: arguments.timezone };
    let role = arguments.role;
    let id = with_store(async |store| {
        let scope = workspace_scope(&store, arguments.workspace.as_deref()).await?;
        let id = match store.user_create(&user).await {
            Ok(id) => id,
            Err(Error::Conflict(Conflict::EmailTaken)) => bail!("--email: {email} is taken"),
            Err(error) => return Err(error.into()),
        };
        store.member_add(&scope, id, role).await?;
        Ok(id)
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string(&Created { id, email: user.email, name, role })?);
    } else {
        println!("{} is {} now", user.email, role.as_str());
    }
    Ok(())
}

/// The workspace of a slug, or the only one.
pub(crate) async fn workspace_scope(store: &Store, slug: Option<&str>) -> anyhow::Result<Scope> {
    let workspaces = store.workspace_list().await?;
    let workspace = match slug {
        Some(slug) => workspaces.iter().find(|workspace| workspace.slug == slug),
        None if workspaces.len() > 1 => {
            let slugs: Vec<_> = workspaces.iter().map(|workspace| workspace.slug.as_str()).collect();
            bail!("--workspace: there are several, name one of {}", slugs.join(", "))
        }
        None => workspaces.first(),
    };
    let workspace =
        workspace.context("--workspace: there is no such workspace; `tidings up` makes the first")?;
    Ok(store.scope_for_operator(workspace.id).await?)
}
