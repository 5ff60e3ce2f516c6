//! The binary `tidings`: configuration, telemetry, wiring and the operator's command line.

mod command;
mod config;
mod crash;
mod demo;
mod environment;
mod serve;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Save a question once; get a fresh, checked answer every day, week or month.
#[derive(Parser)]
#[command(name = "tidings", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything in one process, with a demo workspace and, unless DATABASE_URL is set, a private PostgreSQL
    Up,
    /// Start the API and the page only
    Serve,
    /// Start the scheduler, the agent and the notifier only
    Work,
    /// Bring the database's schema up to date
    Migrate,
    /// Check the environment and say what to do
    Doctor(command::doctor::Arguments),
    /// Print the OpenAPI document
    Openapi,
    /// Schedule arithmetic, with no database
    #[command(subcommand)]
    Schedule(command::schedule::Schedule),
    /// Score the agent on questions with reference answers, with no workspace and no server
    Eval(command::eval::Arguments),
    /// People
    #[command(subcommand)]
    User(command::user::User),
    /// API tokens
    #[command(subcommand)]
    Token(command::token::Token),
    /// What a workspace may spend
    #[command(subcommand)]
    Credits(command::credits::Credits),
    /// Measure, beside another queue, on a PostgreSQL of its own
    #[cfg(feature = "bench")]
    Bench(command::bench::Arguments),
    /// Run one query over files in a process that can be killed; started by the warehouse, not by people
    #[command(hide = true)]
    EngineWorker,
}

fn main() -> ExitCode {
    // Two rustls providers in one process would leave it with none by default: choose before anything connects.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("tidings: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    crash::arm()?;
    match command {
        Command::Up => serve::run(serve::Roles::ALL),
        Command::Serve => serve::run(serve::Roles::SERVE),
        Command::Work => serve::run(serve::Roles::WORK),
        Command::Migrate => command::migrate::run(),
        Command::Doctor(arguments) => command::doctor::run(&arguments),
        Command::Openapi => {
            command::openapi::run();
            Ok(())
        }
        Command::Schedule(command) => command::schedule::run(&command),
        Command::Eval(arguments) => command::eval::run(&arguments),
        Command::User(command) => command::user::run(command),
        Command::Token(command) => command::token::run(command),
        Command::Credits(command) => command::credits::run(&command),
        #[cfg(feature = "bench")]
        Command::Bench(arguments) => command::bench::run(arguments),
        Command::EngineWorker => warehouse::worker_main(),
    }
}
