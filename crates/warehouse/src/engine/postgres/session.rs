//! A fresh connection to a PostgreSQL server in a read-only transaction.

use std::{path::PathBuf, sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio_postgres::{
    CancelToken, Client, Config,
    config::SslMode,
    error::SqlState,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    stream::{Address, Meter, MeteredStream},
    tls,
};
use crate::{Error, PostgresSpec, TlsMode, WarehouseOptions};

/// How long a server has to answer a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a cancel request, and then the end of the statement, may take before the next try.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a server is asked to stop.
const CANCEL_ATTEMPTS: usize = 5;

/// A connection that is used for one purpose and then dropped.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) meter: Arc<Meter>,
    address: Address,
    connector: MakeRustlsConnect,
    hostname: String,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Connects, makes sure that it is none of ours, and opens a read-only transaction with a time limit.
    ///
    /// `bytes` is what the server may send in all.
    pub(super) async fn open(
        options: &WarehouseOptions,
        spec: &PostgresSpec,
        timeout: Duration,
        bytes: u64,
    ) -> Result<Self, Error> {
        let opening = async {
            let session = Self::connect(options, spec, bytes).await?;
            session.begin(timeout).await?;
            session.refuse_our_own(options).await?;
            Ok(session)
        };
        tokio::time::timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| {
            Err(Error::Unreachable { message: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()) })
        })
    }

    async fn connect(options: &WarehouseOptions, spec: &PostgresSpec, bytes: u64) -> Result<Self, Error> {
        let connector = tls::connector(spec.tls)?;
        let mut last_error = Error::Unreachable { message: "its name has no address".to_owned() };
        let mut config = Config::new();
        config
            .user(&spec.username)
            .password(spec.password.expose_secret())
            .dbname(&spec.database)
            .application_name("tidings")
            .ssl_mode(match spec.tls {
                TlsMode::Disable => SslMode::Disable,
                TlsMode::Prefer => SslMode::Prefer,
                TlsMode::Require | TlsMode::VerifyFull => SslMode::Require,
            });
        for address in addresses(options, spec).await? {
            let meter = Meter::new(bytes);
            let stream = match address.connect(Arc::clone(&meter)).await {
                Ok(stream) => stream,
                Err(error) => {
                    last_error = Error::Unreachable { message: error.to_string() };
                    continue;
                }
            };
            let connect = tls_connect(&connector, &spec.hostname)?;
            match config.connect_raw(stream, connect).await {
                Ok((client, connection)) => {
                    let task = tokio::spawn(async move {
                        // How it ends is told to those who wait for an answer.
                        drop(connection.await);
                    });
                    let hostname = spec.hostname.clone();
                    return Ok(Self { client, meter, address, connector, hostname, task });
                }
                Err(error) => last_error = connect_error(&error),
            }
        }
        Err(last_error)
    }

    async fn begin(&self, timeout: Duration) -> Result<(), Error> {
        // A fixed statement: the strings of the guard's grammar, UTC, and no side effects whatever the role may do.
        let begin = format!(
            "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
             SET LOCAL standard_conforming_strings = on;
             SET LOCAL statement_timeout = {};
             SET LOCAL lock_timeout = '5s';
             SET LOCAL idle_in_transaction_session_timeout = '5min';
             SET LOCAL TimeZone = 'UTC';
             SET LOCAL DateStyle = 'ISO, YMD';
             SET LOCAL IntervalStyle = 'postgres';",
            timeout.as_millis().clamp(1, 2_000_000_000)
        );
        self.client.batch_execute(&begin).await.map_err(|error| connect_error(&error))
    }

    /// Our own cluster is told by its system identifier, under whatever name and through whatever tunnel it was reached.
    async fn refuse_our_own(&self, options: &WarehouseOptions) -> Result<(), Error> {
        let ours: Vec<&str> =
            options.forbidden_databases.iter().filter_map(|each| each.system_identifier.as_deref()).collect();
        if ours.is_empty() {
            return Ok(());
        }
        // Behind a savepoint, for a server that only speaks PostgreSQL's protocol may not have the function: such a
        // server is not ours.
        self.client.batch_execute("SAVEPOINT identity").await.map_err(|error| connect_error(&error))?;
        let identity = self
            .client
            .query_one("SELECT system_identifier::text FROM pg_catalog.pg_control_system()", &[])
            .await;
        match identity {
            Ok(row) => {
                let identifier: String = row.get(0);
                if ours.contains(&identifier.as_str()) {
                    return Err(our_own());
                }
                Ok(())
            }
            Err(error) if error.as_db_error().is_some() => self
                .client
                .batch_execute("ROLLBACK TO SAVEPOINT identity")
                .await
                .map_err(|error| connect_error(&error)),
            Err(error) => Err(connect_error(&error)),
        }
    }

    /// Makes the server stop what it is doing and drops the connection, in the background: nobody waits for it.
    pub(super) fn cancel(self) {
        tokio::spawn(async move {
            // A cancel request that comes between two messages of a statement is lost, and a server that is at work does
            // not notice a dropped connection. So it is asked until it has time for the next command, or is gone.
            for _ in 0..CANCEL_ATTEMPTS {
                if tokio::time::timeout(CANCEL_TIMEOUT, self.request_cancel()).await.is_err() {
                    break;
                }
                let rolled_back = self.client.batch_execute("ROLLBACK");
                if tokio::time::timeout(CANCEL_TIMEOUT, rolled_back).await.is_ok() {
                    return;
                }
            }
            tracing::warn!(
                "a PostgreSQL server did not stop a statement when asked to; its own time limit will"
            );
        });
    }

    async fn request_cancel(&self) {
        let token: CancelToken = self.client.cancel_token();
        let Ok(connect) = tls_connect(&self.connector, &self.hostname) else { return };
        // Enough for a TLS handshake; a cancel request has no answer.
        let Ok(stream) = self.address.connect(Meter::new(1 << 20)).await else { return };
        drop(token.cancel_query_raw(stream, connect).await);
    }
}

fn tls_connect(
    connector: &MakeRustlsConnect,
    hostname: &str,
) -> Result<impl TlsConnect<MeteredStream, Stream: Send, Future: Send> + use<>, Error> {
    MakeTlsConnect::<MeteredStream>::make_tls_connect(&mut connector.clone(), hostname)
        .map_err(|error| Error::Unreachable { message: format!("TLS could not be set up: {error}") })
}

fn our_own() -> Error {
    Error::refused_with_hint(
        "this is the database in which Tidings keeps its own data",
        "Connect to another PostgreSQL server: analyses never run beside Tidings' own tables.",
    )
}

/// Where the server may be, without those addresses that are our own.
async fn addresses(options: &WarehouseOptions, spec: &PostgresSpec) -> Result<Vec<Address>, Error> {
    if spec.hostname.starts_with('/') || spec.hostname.starts_with('@') {
        if !options.unix_sockets_allowed {
            return Err(Error::invalid_spec(
                "connectionDetails.postgres.hostname",
                "must be a host name or address, not a socket's folder",
            ));
        }
        let folder = PathBuf::from(&spec.hostname);
        let ours = |hostname: &str| match (folder.canonicalize(), PathBuf::from(hostname).canonicalize()) {
            (Ok(folder), Ok(own)) => folder == own,
            _ => false,
        };
        if options.forbidden_databases.iter().any(|own| own.port == spec.port && ours(&own.hostname)) {
            return Err(our_own());
        }
        return Ok(vec![Address::Unix(folder.join(format!(".s.PGSQL.{}", spec.port)))]);
    }
    let found = tokio::net::lookup_host((spec.hostname.as_str(), spec.port))
        .await
        .map_err(|_| Error::Unreachable { message: "its host name is not known".to_owned() })?;
    let found: Vec<std::net::SocketAddr> = found.collect();
    for own in options.forbidden_databases.iter().filter(|own| own.port == spec.port) {
        if own.hostname.starts_with('/') {
            continue;
        }
        if own.hostname.eq_ignore_ascii_case(&spec.hostname) {
            return Err(our_own());
        }
        // A name that cannot be looked up now cannot be reached either; the system identifier is checked in any case.
        let Ok(theirs) = tokio::net::lookup_host((own.hostname.as_str(), own.port)).await else { continue };
        let theirs: Vec<std::net::SocketAddr> = theirs.collect();
        if found.iter().any(|address| theirs.contains(address)) {
            return Err(our_own());
        }
    }
    Ok(found.into_iter().map(Address::Tcp).collect())
}

/// Why there is no connection.
fn connect_error(error: &tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        return Error::Unreachable { message: reason };
    };
    let message = said.message().to_owned();
    match said.code() {
        &SqlState::INVALID_PASSWORD
        | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        | &SqlState::INSUFFICIENT_PRIVILEGE => Error::Authentication { message },
        &SqlState::INVALID_CATALOG_NAME => {
            Error::invalid_spec("connectionDetails.postgres.database", format!("is not there: {message}"))
        }
        _ => Error::Unreachable { message },
    }
}
