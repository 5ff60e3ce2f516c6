//! What every command that touches the database opens first, in this order: settings, data folder, PostgreSQL, schema, key.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context, ensure};
use secrecy::{ExposeSecret, SecretString};
use store::{PrivatePostgres, PrivatePostgresOptions, Store, StoreOptions, Vault};

use crate::config::Config;

/// An open database. The private PostgreSQL, if this process started it, stops when this is dropped.
pub(crate) struct Environment {
    pub(crate) config: Config,
    pub(crate) database_url: SecretString,
    _postgres: Option<PrivatePostgres>,
}

impl Environment {
    /// Opens everything up to the database's address. Call it from the main thread (see [`PrivatePostgres`]).
    pub(crate) fn open(config: Config) -> anyhow::Result<Self> {
        let dir = &config.data.dir;
        fs::create_dir_all(dir)
            .with_context(|| format!("TIDINGS_DATA_DIR: the folder {} cannot be made", dir.display()))?;
        let (database_url, postgres) = if let Some(url) = &config.database.url {
            (url.clone(), None)
        } else {
            let postgres = PrivatePostgres::attach_or_start(dir, PrivatePostgresOptions::default())?;
            (SecretString::from(postgres.url("postgres")), Some(postgres))
        };
        Ok(Self { config, database_url, _postgres: postgres })
    }

    /// Brings the schema up to date.
    pub(crate) async fn migrate(&self) -> anyhow::Result<()> {
        store::migrate(self.database_url.expose_secret())
            .await
            .context("the database's schema cannot be brought up to date")
    }

    /// Connects, after bringing the schema up to date.
    pub(crate) async fn store(&self) -> anyhow::Result<Store> {
        self.migrate().await?;
        connect(self.store_options(self.config.database.max_connections)?).await
    }

    /// As [`Environment::store`], for the API: a request waits only briefly for a connection.
    pub(crate) async fn api_store(&self) -> anyhow::Result<Store> {
        self.migrate().await?;
        connect(self.api_options(self.config.database.max_connections)?).await
    }

    /// One store for workers and one for the API, each with half of the connections, so that neither starves the other.
    pub(crate) async fn stores(&self) -> anyhow::Result<(Store, Store)> {
        self.migrate().await?;
        let max_connections = self.config.database.max_connections;
        let of_api = max_connections / 2;
        let of_workers = self.store_options(max_connections - of_api)?;
        let mut of_api = self.api_options(of_api)?;
        // What a person starts in the one goes to the agent of the other directly.
        of_api.handover = of_workers.handover.clone();
        Ok((connect(of_workers).await?, connect(of_api).await?))
    }

    fn api_options(&self, max_connections: u32) -> anyhow::Result<StoreOptions> {
        let mut options = self.store_options(max_connections)?;
        options.connection_wait = self.config.database.request_wait;
        Ok(options)
    }

    fn store_options(&self, max_connections: u32) -> anyhow::Result<StoreOptions> {
        let vault = vault(&self.config.data.secret_key_file)?;
        let mut options = StoreOptions::new(self.database_url.expose_secret(), vault);
        // A third for the queues: claims are short, requests and turns are many.
        options.worker_connections = (max_connections / 3).max(2);
        options.app_connections = max_connections - options.worker_connections;
        options.spread = self.config.scheduler.spread;
        options.run_lease = self.config.scheduler.lease;
        options.delivery_lease = self.config.scheduler.lease;
        Ok(options)
    }
}

async fn connect(options: StoreOptions) -> anyhow::Result<Store> {
    Store::connect(options).await.context("the database cannot be reached")
}

/// Opens the database and runs one command on it.
pub(crate) fn with_store<T, F: Future<Output = anyhow::Result<T>>>(
    command: impl FnOnce(Store) -> F,
) -> anyhow::Result<T> {
    let environment = Environment::open(Config::load()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = environment.store().await?;
        let outcome = command(store.clone()).await;
        store.close().await;
        outcome
    })
}

/// Reads the key that seals stored secrets; makes it on the first start.
fn vault(file: &Path) -> anyhow::Result<Vault> {
    let made = || -> anyhow::Result<()> {
        let text = Vault::generate_key_file()?;
        let mut options = fs::OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(file) {
            Ok(mut created) => created.write_all(text.expose_secret().as_bytes()).map_err(Into::into),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.into()),
        }
    };
    made().with_context(|| format!("TIDINGS_SECRET_KEY_FILE: {} cannot be made", file.display()))?;
    let of_others = fs::metadata(file)?.permissions().mode() & 0o077;
    ensure!(
        of_others == 0,
        "{} can be read by others; make it readable by its owner only: chmod 600",
        file.display()
    );
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Vault::parse(&SecretString::from(text)).with_context(|| format!("{} is no key file", file.display()))
}
