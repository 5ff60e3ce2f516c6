//! Starts the roles and stops them in order.

use std::{io::ErrorKind, net::TcpListener, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use api::{ApiOptions, ApiState, SlackOptions};
use chrono::TimeDelta;
use domain::{ThreadId, clock::SystemClock};
use metrics_exporter_prometheus::PrometheusHandle;
use rand::{SeedableRng as _, rngs::StdRng};
use scheduler::{Scheduler, SchedulerOptions};
use secrecy::ExposeSecret as _;
use store::{Events, Store};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use warehouse::Warehouse;

use crate::{
    config::Config,
    demo,
    environment::Environment,
    telemetry,
    wiring::{self, Own, Probe},
};

const SIGN_IN_LINK_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// How long the roles may take to hand back their work.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Which parts a process runs.
#[derive(Clone, Copy)]
pub(crate) struct Roles {
    api: bool,
    workers: bool,
    demo: bool,
}

impl Roles {
    /// `tidings up`.
    pub(crate) const ALL: Self = Self { api: true, workers: true, demo: true };
    /// `tidings serve`.
    pub(crate) const SERVE: Self = Self { api: true, workers: false, demo: false };
    /// `tidings work`.
    pub(crate) const WORK: Self = Self { api: false, workers: true, demo: false };
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(roles: Roles) -> anyhow::Result<()> {
    let config = Config::load()?;
    telemetry::start_logs(&config.log)?;
    // Before anything else opens: a second start must not touch what the first one runs on.
    let listener = if roles.api { Some(listen(&config)?) } else { None };
    let metrics = telemetry::start_metrics()?;
    let environment = Environment::open(config)?;
    // The runtime starts and ends while the private PostgreSQL runs, on the thread that started it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_roles(roles, &environment, listener, metrics))
}

fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let address = config.server.listen;
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!(
                "{address} is taken, perhaps by another Tidings; stop that, or set TIDINGS_LISTEN to another address"
            )
        }
        Err(error) => {
            return Err(error).with_context(|| format!("TIDINGS_LISTEN: cannot listen on {address}"));
        }
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn run_roles(
    roles: Roles,
    environment: &Environment,
    listener: Option<TcpListener>,
    metrics: PrometheusHandle,
) -> anyhow::Result<()> {
    let config = &environment.config;
    let (store, api_store) = match roles {
        // Each has connections of its own, so that neither waits for the other's.
        Roles { api: true, workers: true, .. } => environment.stores().await?,
        Roles { api: true, .. } => {
            let store = environment.api_store().await?;
            (store.clone(), store)
        }
        Roles { .. } => {
            let store = environment.store().await?;
            (store.clone(), store)
        }
    };
    let first_answer = if roles.demo { demo::prepare(&store, &config.data.dir).await? } else { None };
    let stopping = CancellationToken::new();
    let mut folders = config.data.files_allowed.clone();
    folders.push(demo::folder(&config.data.dir));
    let warehouse = wiring::warehouse(config, folders, &Own::of(environment).await?)?;
    let events = store.events(stopping.clone());
    let mut running = JoinSet::new();
    if roles.workers {
        let scheduler = Scheduler::new(
            store.clone(),
            SchedulerOptions { tick: config.scheduler.tick, ..SchedulerOptions::default() },
        );
        let agent = wiring::agent(config, &store, &warehouse)?;
        let notifier = wiring::notifier(config, &store, &events)?;
        let webhooks = wiring::webhooks(config, &store);
        if let Some(inbox) = wiring::slack_inbox(config, &store) {
            spawn(&mut running, "slack inbox", &stopping, async move |stopping| {
                inbox.run(stopping).await;
                Ok(())
            });
        }
        let heard = events.clone();
        spawn(&mut running, "scheduler", &stopping, async move |stopping| {
            scheduler.run(stopping).await;
            Ok(())
        });
        spawn(&mut running, "agent", &stopping, async move |stopping| {
            agent.run(&heard, stopping).await;
            Ok(())
        });
        spawn(&mut running, "notifier", &stopping, async move |stopping| notifier.run(stopping).await);
        spawn(&mut running, "webhooks", &stopping, async move |stopping| webhooks.run(stopping).await);
    }
    if let Some(listener) = listener {
        let state = api_state(config, &api_store, warehouse, events)?
            .with_metrics(metrics.clone())
            .with_stopping(stopping.clone());
        let listener = tokio::net::TcpListener::from_std(listener)?;
        spawn(&mut running, "api", &stopping, async move |stopping| {
            api::serve(listener, state, stopping).await;
            Ok(())
        });
        announce(config, &store, first_answer).await?;
    }
    spawn(&mut running, "metrics", &stopping, async move |stopping| {
        telemetry::keep_metrics_small(&metrics, stopping).await;
        Ok(())
    });
    let outcome = tokio::select! {
        signal = stop_signal() => signal,
        ended = running.join_next() => match ended {
            Some(Ok((role, Ok(())))) => Err(anyhow::anyhow!("the {role} stopped by itself")),
            Some(Ok((role, Err(error)))) => Err(error.context(format!("the {role} stopped"))),
            Some(Err(panic)) => Err(panic.into()),
            None => Ok(()),
        },
    };
    tracing::info!("stopping");
    stopping.cancel();
    let all_stopped = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIMEOUT, all_stopped).await.is_err() {
        tracing::warn!("some work was not handed back in time; its leases will run out");
    }
    api_store.close().await;
    store.close().await;
    outcome
}

/// Starts one role; it ends when `stopping` is cancelled.
fn spawn<F: Future<Output = anyhow::Result<()>> + Send + 'static>(
    running: &mut JoinSet<(&'static str, anyhow::Result<()>)>,
    role: &'static str,
    stopping: &CancellationToken,
    run: impl FnOnce(CancellationToken) -> F,
) {
    let run = run(stopping.clone());
    running.spawn(async move { (role, run.await) });
}

fn api_state(
    config: &Config,
    store: &Store,
    warehouse: Warehouse,
    events: Events,
) -> anyhow::Result<ApiState> {
    let mut options = ApiOptions::new(&config.server.public_url, config.data.dir.join("uploads"));
    options.requests_per_minute = config.server.requests_per_minute;
    options.runs_per_minute = config.server.runs_per_minute;
    options.load = config.server.load;
    options.has_outbox = config.mail.smtp_url.is_none();
    options.webhook_addresses.clone_from(&config.webhooks.allowed_addresses);
    options.model = wiring::model(config)?.name();
    options.reply_cost = wiring::prices(config).typical_reply(&options.model);
    options.fallback_model = wiring::fallback(config)?.map(|model| model.name());
    options.model_addresses.clone_from(&config.model.allowed_addresses);
    options.slack = config.slack.as_ref().zip(wiring::slack(config)).map(|(app, (client, credentials))| {
        SlackOptions { client, app: credentials, signing_secret: app.signing_secret.clone() }
    });
    #[expect(clippy::disallowed_methods, reason = "where the randomness of sessions and tokens comes from")]
    let random = StdRng::from_rng(&mut rand::rng());
    Ok(ApiState::new(store.clone(), warehouse, events, Arc::new(SystemClock), random, options)
        .with_model_probe(Arc::new(Probe::new(config))))
}

/// Prints where Tidings is, and a link that signs the demo user in once: on the first start, to the first answer.
async fn announce(config: &Config, store: &Store, first_answer: Option<ThreadId>) -> anyhow::Result<()> {
    let public_url = &config.server.public_url;
    println!("Tidings is at {public_url}");
    if let Some(user) = store.user_by_email(demo::USER_EMAIL).await? {
        let scope = demo::user_scope(store, user.id).await?;
        #[expect(clippy::disallowed_methods, reason = "where a link's randomness comes from")]
        let secret = store::secret::generate("", &mut rand::rng());
        store.sign_in_link_create(&scope, user.id, &secret, SIGN_IN_LINK_LIFETIME).await?;
        let next = first_answer.map(|thread| format!("?next=/threads/{thread}")).unwrap_or_default();
        println!("Sign in: {public_url}/sign-in{next}#token={}", secret.expose_secret());
    }
    Ok(())
}

async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
