//! `tidings doctor`.

use std::{
    fs,
    net::{TcpListener, TcpStream, ToSocketAddrs},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{
    config::{Config, Fallback, Provider},
    wiring,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print a JSON array of checks
    #[arg(long)]
    json: bool,
}

/// One thing looked at.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    /// What was found, or what is wrong and what to do.
    message: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let checks = checks();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&checks)?);
    } else {
        for check in &checks {
            println!("{} {:<14} {}", if check.ok { "ok  " } else { "FAIL" }, check.name, check.message);
        }
    }
    let failed = checks.iter().filter(|check| !check.ok).count();
    ensure!(failed == 0, "{failed} of {} checks failed", checks.len());
    Ok(())
}

fn checks() -> Vec<Check> {
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => return vec![Check { name: "settings", ok: false, message: format!("{error:#}") }],
    };
    let mut checks = vec![Check { name: "settings", ok: true, message: "valid".to_owned() }];
    let mut check = |name, outcome: anyhow::Result<String>| {
        let (ok, message) = match outcome {
            Ok(message) => (true, message),
            Err(error) => (false, format!("{error:#}")),
        };
        checks.push(Check { name, ok, message });
    };
    check("data folder", data_folder(&config.data.dir));
    check("database", database(&config));
    check("address", address(&config));
    check("page", page());
    check("files", files(&config));
    check("mail", mail(&config));
    check("slack", slack(&config));
    check("model", model(&config));
    check("fallback model", fallback(&config));
    checks
}

fn data_folder(dir: &Path) -> anyhow::Result<String> {
    let try_out = || -> std::io::Result<()> {
        fs::create_dir_all(dir)?;
        let probe = dir.join(".doctor");
        fs::write(&probe, "")?;
        fs::remove_file(&probe)
    };
    try_out().with_context(|| {
        format!(
            "{} cannot be written; change its owner, or set TIDINGS_DATA_DIR to another folder",
            dir.display()
        )
    })?;
    Ok(format!("{} can be written", dir.display()))
}

fn database(config: &Config) -> anyhow::Result<String> {
    let Some(url) = &config.database.url else {
        let binaries = store::postgres_binaries()?;
        return Ok(format!("a private PostgreSQL will run from {}", binaries.display()));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let version = runtime
        .block_on(store::server_version(url.expose_secret()))
        .context("DATABASE_URL cannot be reached; check address, user and password")?;
    ensure!(version.0 >= 15, "PostgreSQL {} is too old: 15 or later is needed", version.1);
    Ok(format!("PostgreSQL {}", version.1))
}

fn address(config: &Config) -> anyhow::Result<String> {
    let address = config.server.listen;
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free; links begin with {}", config.server.public_url)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!(
                "{address} is taken: stop what listens there (perhaps Tidings itself), or set TIDINGS_LISTEN"
            )
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}; set TIDINGS_LISTEN")),
    }
}

fn page() -> anyhow::Result<String> {
    ensure!(api::page_is_built(), "the page is not built: run `make web` and build again");
    Ok("built".to_owned())
}

fn files(config: &Config) -> anyhow::Result<String> {
    for folder in &config.data.files_allowed {
        ensure!(folder.is_dir(), "TIDINGS_FILES_ALLOWED: {} is no folder", folder.display());
    }
    Ok(match config.data.files_allowed.len() {
        0 => "no folder is allowed; files can be uploaded (TIDINGS_FILES_ALLOWED)".to_owned(),
        count => format!("{count} allowed"),
    })
}

fn mail(config: &Config) -> anyhow::Result<String> {
    let Some(url) = &config.mail.smtp_url else {
        return Ok("kept in the Outbox, sent to nobody (TIDINGS_SMTP_URL)".to_owned());
    };
    // As it is connected to when mail is sent: the port follows from how the connection is encrypted.
    let smtp = wiring::smtp(&config.mail, url)?;
    let (host, port) = smtp.server();
    reach(host, port).context("the mail server of TIDINGS_SMTP_URL cannot be reached")?;
    Ok(format!("{host}:{port} answers"))
}

fn slack(config: &Config) -> anyhow::Result<String> {
    let Some(app) = &config.slack else {
        return Ok("no app is set up, so nobody can connect it (TIDINGS_SLACK_CLIENT_ID)".to_owned());
    };
    let (host, port) = host_and_port(app.base_url.as_str()).context("TIDINGS_SLACK_BASE_URL")?;
    reach(&host, port).context("Slack cannot be reached at TIDINGS_SLACK_BASE_URL")?;
    let public_url = &config.server.public_url;
    ensure!(
        public_url.starts_with("https://") || host != "slack.com",
        "Slack sends people and events to https addresses only: set TIDINGS_PUBLIC_URL, which is {public_url}"
    );
    Ok(format!("{host}:{port} answers; events are expected at {public_url}/slack/events"))
}

fn model(config: &Config) -> anyhow::Result<String> {
    // Reads the authority's certificates, where one is named.
    wiring::model(config)?;
    match &config.model.provider {
        Provider::Builtin => {
            Ok("the built-in analyst (TIDINGS_MODEL_BASE_URL or OPENAI_API_KEY for another)".to_owned())
        }
        Provider::OpenAi { base_url, name, .. } => {
            let reached = provider("TIDINGS_MODEL_BASE_URL", base_url.as_deref(), name)?;
            Ok(match &config.model.cheaper_name {
                Some(cheaper) => format!("{reached}; from 80% of a cap on credits on {cheaper}"),
                None => reached,
            })
        }
    }
}

fn fallback(config: &Config) -> anyhow::Result<String> {
    match &config.model.fallback {
        None => Ok("none: while the model is down nobody answers (TIDINGS_FALLBACK_NAME)".to_owned()),
        Some(Fallback { base_url, name, .. }) => {
            provider("TIDINGS_FALLBACK_BASE_URL", base_url.as_deref(), name)
        }
    }
}

fn provider(variable: &'static str, base_url: Option<&str>, name: &str) -> anyhow::Result<String> {
    let Some(base_url) = base_url else { return Ok(format!("{name} of OpenAI")) };
    let (host, port) = host_and_port(base_url).context(variable)?;
    reach(&host, port).with_context(|| format!("the server of {variable} cannot be reached"))?;
    Ok(format!("{name} at {host}:{port}"))
}

fn host_and_port(url: &str) -> anyhow::Result<(String, u16)> {
    let url = url::Url::parse(url)?;
    let host = url.host_str().context("names no host")?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().context("names no port")?;
    Ok((host, port))
}

fn reach(host: &str, port: u16) -> anyhow::Result<()> {
    let addresses: Vec<_> =
        (host, port).to_socket_addrs().with_context(|| format!("no address of {host}"))?.collect();
    for address in &addresses {
        if TcpStream::connect_timeout(address, CONNECT_TIMEOUT).is_ok() {
            return Ok(());
        }
    }
    bail!("{host}:{port} does not answer")
}
