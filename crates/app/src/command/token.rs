//! `tidings token`.

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use clap::Subcommand;
use secrecy::ExposeSecret as _;
use store::{NewToken, PERSONAL_TOKEN_PREFIX, TokenKind};

use crate::environment::with_store;

#[derive(Subcommand)]
pub(crate) enum Token {
    /// Make a personal token and print it, alone; it is shown this once
    Create(Create),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The address of the user that the token acts as
    #[arg(long)]
    user: String,
    /// What the token is called
    #[arg(long)]
    name: String,
    /// How many days it works
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=366))]
    days: i64,
}

pub(crate) fn run(command: Token) -> anyhow::Result<()> {
    match command {
        Token::Create(arguments) => create(&arguments),
    }
}

fn create(arguments: &Create) -> anyhow::Result<()> {
    let name = arguments.name.trim();
    ensure!(
        !name.is_empty() && name.chars().count() <= 200,
        "--name: give the token a name of at most 200 characters"
    );
    #[expect(clippy::disallowed_methods, reason = "where a token's randomness comes from")]
    let secret = store::secret::generate(PERSONAL_TOKEN_PREFIX, &mut rand::rng());
    with_store(async |store| {
        let user = store.user_by_email(&arguments.user.trim().to_lowercase()).await?;
        let user = user.with_context(|| format!("--user: there is no user {}", arguments.user))?;
        let scope = store.user_scopes(user.id).await?.into_iter().next();
        let scope = scope
            .with_context(|| format!("--user: {} is no active member of a workspace", arguments.user))?;
        let token = NewToken {
            user_id: user.id,
            name: name.to_owned(),
            kind: TokenKind::Personal,
            scopes: Vec::new(),
            expires_at: Some(store.now().await? + TimeDelta::days(arguments.days)),
        };
        store.token_create(&scope, &token, &secret).await?;
        Ok(())
    })?;
    println!("{}", secret.expose_secret());
    Ok(())
}
