//! Everything PostgreSQL: all SQL, transactions, migrations, claims and leases.
//!
//! [`Store`] is the one concrete type; its methods are named `noun_verb` and lie in one file per aggregate. Every tenanted
//! method takes a [`Scope`] first and runs under row-level security for that workspace. What works across workspaces
//! (signing in, the queues) runs under a second role. Absent things are `None`, or [`Error::NotFound`] where they were to be
//! changed.

mod audience;
mod audience_batch;
mod audit;
mod backtest;
mod chart;
mod connection;
mod connection_read;
mod connection_slot;
mod credit;
mod credit_cap;
mod credit_summary;
mod credit_wait;
mod delivery;
mod delivery_batch;
mod delivery_claim;
mod delivery_obstacles;
mod delivery_proof;
mod delivery_put_back;
mod destination;
mod due;
mod due_change;
mod due_runs;
mod error;
mod event;
mod feedback;
mod glance;
mod grant;
mod group;
mod handover;
mod idempotency;
mod mail_policy;
mod notice;
mod occurrence;
mod outbox_mail;
pub mod page;
mod people;
mod places;
mod private_postgres;
mod recipient;
mod result;
mod run;
mod run_begin;
mod run_check;
mod run_claim;
mod run_end;
mod run_message;
mod run_queue;
mod run_start;
mod run_wait;
mod scope;
pub mod secret;
mod session;
mod sign_in;
mod slack_button;
mod slack_channel;
mod slack_event;
mod slack_installation;
mod slack_lane;
mod slack_oauth;
mod slack_post;
mod slack_thread;
mod slack_token;
mod slack_turn;
mod slack_user;
mod step;
mod task;
mod task_method;
mod task_oversight;
mod task_state;
mod thread;
mod thread_share;
mod time;
mod token;
mod transaction;
mod turn_open;
mod unfinished;
mod unsubscription;
pub mod vault;
mod verified_question;
mod webhook;
mod webhook_event;
mod webhook_queue;
mod workspace;
mod workspace_model;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use audience::{AudienceFacts, AudiencePerson, ChannelPerson};
pub use audience_batch::{MessageReader, ReaderFacts};
pub use backtest::{Backtest, BacktestOccurrence, BacktestRun};
pub use chart::*;
use chrono::{DateTime, TimeDelta, Utc};
pub use connection::*;
pub use connection_slot::*;
pub use credit::{CreditOverview, CreditPool, CreditUsage};
pub use credit_cap::{CapOf, Clearance, CreditCap, PastCost};
pub use credit_summary::{CreditDay, CreditPerson, CreditSummary, CreditTask};
pub use delivery::*;
pub use delivery_batch::NewAttempt;
use delivery_claim::DeliveryTurns;
pub use delivery_claim::{ClaimedDelivery, DeliveryUser};
pub use delivery_obstacles::{DeliveryObstacles, Unwanted};
pub use delivery_proof::*;
pub use destination::{Destination, DestinationsOf};
pub use due::DueClaim;
pub use error::{Conflict, Error, Result};
pub use event::{Event, Events};
pub use feedback::*;
pub use glance::{Backlog, Glance};
pub use grant::*;
pub use group::*;
pub use handover::{Handed, HandedRuns, Handover};
pub use idempotency::{Effect, Idempotency, IdempotencyHold};
pub use notice::PageNotice;
pub use outbox_mail::{NewOutboxMail, OutboxMail};
pub use page::{Cursor, Page, Paged};
pub use people::*;
pub use places::Places;
pub use private_postgres::{PrivatePostgres, PrivatePostgresOptions, postgres_binaries};
pub use recipient::*;
pub use result::*;
pub use run::*;
pub use run_check::{NewCheck, PastCheck, PastValues, TaskTerms};
use run_claim::ClaimMemory;
pub use run_claim::ClaimedRun;
pub use run_end::{AfterFailure, RunAnswer, RunFailure};
pub use run_queue::*;
pub use run_start::*;
pub use run_wait::AfterHold;
pub use scope::{Actor, Scope};
pub use session::*;
pub use sign_in::*;
pub use slack_button::*;
pub use slack_channel::*;
use slack_event::SlackEventTurns;
pub use slack_event::{
    ClaimedSlackEvent, NewSlackEvent, SLACK_EVENT_LEASE, SLACK_EVENT_REST, SlackEventLease, SlackEventPut,
    SlackOrder,
};
pub use slack_installation::*;
pub use slack_lane::{SLACK_ACCESS_METHOD, SLACK_CHANNEL_REST, SlackChannelCheck, SlackLaneTake, SlackRate};
pub use slack_oauth::*;
pub use slack_post::*;
pub use slack_thread::*;
pub use slack_token::*;
pub use slack_turn::*;
pub use slack_user::*;
use sqlx::{
    Connection as _,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};
pub use step::*;
pub use task::*;
pub use task_method::TaskMethod;
pub use task_oversight::TaskOversight;
pub use thread::*;
pub use thread_share::ThreadShare;
pub use time::{SteppedClock, Time};
pub use token::*;
pub(crate) use transaction::Tx;
pub use turn_open::TurnOpening;
pub use unsubscription::{QuietTask, Unsubscription};
pub use vault::Vault;
pub use verified_question::*;
pub use webhook::*;
pub use webhook_queue::{ClaimedWebhook, WebhookAnswer, WebhookLease};
pub use workspace::*;
pub use workspace_model::*;

/// How to reach the database, and what the store needs beside it.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// A PostgreSQL URL. Its user must be a member of the roles `tidings_app` and `tidings_worker`, as the migrating user is.
    pub url: String,
    /// The most connections for requests and agents.
    pub app_connections: u32,
    /// The most connections for signing in and the queues.
    pub worker_connections: u32,
    /// How long a statement waits for a free connection before it fails.
    pub connection_wait: Duration,
    /// The clock.
    pub time: Time,
    /// Seals the secrets of data sources.
    pub vault: Vault,
    /// Tasks start spread over this much of their window. [`domain::schedule::SPREAD`] but for tests.
    pub spread: TimeDelta,
    /// How long a claim or a heartbeat holds a run: after this, a worker that vanished loses it to another.
    pub run_lease: TimeDelta,
    /// The same for a delivery.
    pub delivery_lease: TimeDelta,
    /// Where runs are handed to a worker of this process; its stores share one.
    pub handover: Handover,
}

impl StoreOptions {
    /// The usual options for a database.
    pub fn new(url: impl Into<String>, vault: Vault) -> Self {
        Self {
            url: url.into(),
            app_connections: 8,
            worker_connections: 4,
            connection_wait: Duration::from_secs(30),
            time: Time::Database,
            vault,
            spread: domain::schedule::SPREAD,
            run_lease: TimeDelta::seconds(60),
            delivery_lease: TimeDelta::seconds(60),
            handover: Handover::default(),
        }
    }
}

/// The database of Tidings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    /// Connections as `tidings_app`, which sees one workspace at a time.
    app: PgPool,
    /// Connections as `tidings_worker`, which works the queues of all workspaces.
    worker: PgPool,
    time: Time,
    vault: Vault,
    spread: TimeDelta,
    run_lease: TimeDelta,
    delivery_lease: TimeDelta,
    memory: Arc<Memory>,
    handover: Handover,
}

/// What saves claims work, and may be lost.
#[derive(Debug, Default)]
struct Memory {
    claims: Mutex<ClaimMemory>,
    delivery_turns: Mutex<DeliveryTurns>,
    slack_event_turns: Mutex<SlackEventTurns>,
}

impl Store {
    /// Connects both pools. The schema must be there: see [`migrate`].
    pub async fn connect(options: StoreOptions) -> Result<Self> {
        let connect: PgConnectOptions = options.url.parse()?;
        // Nobody waits for ever for a process that was stopped in the middle of a transaction.
        let connect = connect
            .application_name("tidings")
            .options([("idle_in_transaction_session_timeout", "15s"), ("lock_timeout", "15s")])
            // Compiling a statement takes longer than running any of ours.
            .options([("jit", "off")]);
        // The queues are empty at one moment and long at the next, and plans outlive both: one that was made for an empty
        // table would go through all of a long one for every workspace. Everything the queues are asked has an index.
        let connect_worker = connect.clone().options([("enable_seqscan", "off")]);
        Ok(Self {
            app: pool(&connect, "SET ROLE tidings_app", options.app_connections, options.connection_wait)
                .await?,
            worker: pool(
                &connect_worker,
                "SET ROLE tidings_worker",
                options.worker_connections,
                options.connection_wait,
            )
            .await?,
            time: options.time,
            vault: options.vault,
            spread: options.spread,
            run_lease: options.run_lease,
            delivery_lease: options.delivery_lease,
            memory: Arc::default(),
            handover: options.handover,
        })
    }

    /// Returns when so much time has gone by, by the clock that due times are compared with.
    pub async fn wait(&self, length: TimeDelta) {
        self.time.wait(length).await;
    }

    /// The instant that due times and leases are compared with: the database's clock.
    pub async fn now(&self) -> Result<DateTime<Utc>> {
        let now = sqlx::query_scalar!(r#"SELECT instant($1) AS "now!""#, self.time.given());
        Ok(now.fetch_one(&self.worker).await?)
    }

    /// Over how much of a window tasks start.
    pub const fn spread(&self) -> TimeDelta {
        self.spread
    }

    /// How long a claim or a heartbeat holds a run.
    pub const fn run_lease(&self) -> TimeDelta {
        self.run_lease
    }

    /// How long a claim or a heartbeat holds a delivery.
    pub const fn delivery_lease(&self) -> TimeDelta {
        self.delivery_lease
    }

    fn claim_memory(&self) -> ClaimMemory {
        *self.memory.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim_memory_set(&self, memory: ClaimMemory) {
        *self.memory.claims.lock().unwrap_or_else(PoisonError::into_inner) = memory;
    }

    fn delivery_turns(&self) -> MutexGuard<'_, DeliveryTurns> {
        self.memory.delivery_turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slack_event_turns(&self) -> MutexGuard<'_, SlackEventTurns> {
        self.memory.slack_event_turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the connections in use to come back, and closes them.
    pub async fn close(&self) {
        self.app.close().await;
        self.worker.close().await;
    }
}

/// A connection that lay idle for longer is tried before it is used: its server may be gone.
const TRIED_AFTER: Duration = Duration::from_secs(1);

async fn pool(
    connect: &PgConnectOptions,
    set_role: &'static str,
    max_connections: u32,
    wait: Duration,
) -> Result<PgPool> {
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(wait)
        // Trying each one each time costs a round trip before every statement.
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > TRIED_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::query(set_role).execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(connect.clone())
        .await?;
    Ok(pool)
}

/// Brings the schema up to date. Several processes may do so at once: they take turns.
pub async fn migrate(url: &str) -> Result<()> {
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    sqlx::migrate!("../../migrations").run(&pool).await?;
    pool.close().await;
    Ok(())
}

/// Which PostgreSQL answers at a URL: its major version, and the version as it tells it (`15.13 (Debian 15.13-0+deb12u1)`).
pub async fn server_version(url: &str) -> Result<(u32, String)> {
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version') AS "text!",
               current_setting('server_version_num')::int / 10000 AS "major!""#
    )
    .fetch_one(&pool)
    .await?;
    pool.close().await;
    Ok((row.major.unsigned_abs(), row.text))
}

/// What the cluster at a URL calls itself, whatever name or tunnel it is reached by; `None` where the user may not ask.
pub async fn system_identifier(url: &str) -> Result<Option<String>> {
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    let answer = sqlx::query_scalar!(r#"SELECT system_identifier::text AS "id!" FROM pg_control_system()"#)
        .fetch_one(&pool)
        .await;
    pool.close().await;
    match answer {
        Ok(id) => Ok(Some(id)),
        Err(sqlx::Error::Database(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
