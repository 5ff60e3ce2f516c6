//! Where a connection leads: its details as received, stored and shown, and trying them out.

use std::{
    borrow::Cow,
    path::{Component, Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use domain::freshness::{FreshnessCheck, FreshnessLook};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{Connection, ConnectionTest, SlotAnswer};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use warehouse::{ConnectionSpec, FilesSpec, QueryLimits, TestReport};

use crate::{ApiState, Error, Result, auth::Caller, error::StoreResult};

/// How long a person's request waits for other queries on the connection to end.
const SLOT_PATIENCE: Duration = Duration::from_secs(10);
const BUSY: Error = Error::Unavailable(Cow::Borrowed(
    "as many queries as the connection allows are running; try again in a moment",
));

/// Where the data is. One key, named as the type. Empty for callers who may not manage the connection.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct ConnectionDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    postgres: Option<PostgresDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<FilesDetails>,
}

/// A PostgreSQL server, or what speaks its protocol. The password is never shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct PostgresDetails {
    hostname: String,
    port: u16,
    database: String,
    username: String,
    /// `disable`, `prefer`, `require` or `verify_full`.
    tls: String,
}

/// Files in a folder.
#[derive(Serialize, ToSchema)]
pub(crate) struct FilesDetails {
    /// The folder; null where the files were uploaded.
    #[schema(required)]
    path: Option<String>,
}

/// One key, named as the type.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `warehouse` reads it, so that one place knows what is right"
)]
pub(crate) struct ConnectionDetailsRequest {
    postgres: Option<PostgresDetailsRequest>,
    files: Option<FilesDetailsRequest>,
}

/// A PostgreSQL server, or what speaks its protocol.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `warehouse` reads it, so that one place knows what is right"
)]
pub(crate) struct PostgresDetailsRequest {
    hostname: String,
    /// 5432 by default.
    #[schema(minimum = 1)]
    port: Option<u16>,
    database: String,
    username: String,
    /// Write-only.
    #[schema(format = Password, write_only)]
    password: Option<String>,
    /// `disable`, `prefer` (the default), `require` or `verify_full`.
    tls: Option<String>,
}

/// Files in a folder.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `warehouse` reads it, so that one place knows what is right"
)]
pub(crate) struct FilesDetailsRequest {
    /// A folder of CSV, gzipped CSV, Parquet and JSON files, under a folder that the operator allows.
    path: String,
}

/// Changes to where the data is.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `warehouse` reads it, so that one place knows what is right"
)]
pub(crate) struct ConnectionDetailsPatch {
    postgres: Option<PostgresDetailsPatch>,
    files: Option<FilesDetailsRequest>,
}

/// Changes to a PostgreSQL server's address and credentials. Another server needs the password again.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; `warehouse` reads it, so that one place knows what is right"
)]
pub(crate) struct PostgresDetailsPatch {
    hostname: Option<String>,
    #[schema(minimum = 1)]
    port: Option<u16>,
    database: Option<String>,
    username: Option<String>,
    /// Write-only.
    #[schema(format = Password, write_only)]
    password: Option<String>,
    tls: Option<String>,
}

/// Where a connection shall lead, checked for its form.
pub(crate) struct Target {
    pub(crate) spec: ConnectionSpec,
    /// As stored: without the password.
    pub(crate) details: Value,
    pub(crate) password: Option<SecretString>,
}

/// Reads the details of a new connection.
pub(crate) fn read(engine: &str, details: &Value) -> Result<Target> {
    let known: &[&str] = match engine {
        "postgres" => &["hostname", "port", "database", "username", "password", "tls"],
        // Not `upload`: which folder an upload lies in is ours to say.
        "files" => &["path"],
        _ => return Err(Error::field("type", "is not a known type: `postgres`, `files`")),
    };
    let mut fields = details[engine].clone();
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, _| known.contains(&name.as_str()));
    }
    let spec = ConnectionSpec::from_details(engine, &json!({ engine: fields }), None).map_err(refusal)?;
    Ok(Target::of(spec))
}

/// Reads changed details of a stored connection.
pub(crate) fn changed(
    connection: &Connection,
    details: &Value,
    stored_password: Option<SecretString>,
) -> Result<Target> {
    let engine = connection.engine.as_str();
    let stored = connection.details[engine].as_object().cloned().unwrap_or_default();
    if stored.contains_key("upload") {
        return Err(Error::field(
            "connectionDetails",
            "uploaded files stay as they are; upload anew instead",
        ));
    }
    let Some(changes) = details[engine].as_object() else {
        return Err(Error::field(
            format!("connectionDetails.{engine}"),
            "is needed: the type does not change",
        ));
    };
    let changes: Map<_, _> = changes.clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
    let is_elsewhere = ["hostname", "port"]
        .iter()
        .any(|name| changes.get(*name).is_some_and(|value| Some(value) != stored.get(*name)));
    // Whoever may change the address must not have the stored password sent to a server of theirs.
    if is_elsewhere && stored_password.is_some() && !changes.contains_key("password") {
        return Err(Error::field(
            "connectionDetails.postgres.password",
            "give the password again for another server",
        ));
    }
    let mut fields = stored;
    fields.extend(changes);
    if let Some(password) = stored_password {
        fields.entry("password").or_insert_with(|| Value::from(password.expose_secret()));
    }
    read(engine, &json!({ engine: fields }))
}

impl Target {
    fn of(spec: ConnectionSpec) -> Self {
        let (details, password) = match &spec {
            ConnectionSpec::Postgres(postgres) => (
                json!({"postgres": {
                    "hostname": postgres.hostname, "port": postgres.port, "database": postgres.database,
                    "username": postgres.username, "tls": postgres.tls,
                }}),
                Some(postgres.password.clone()).filter(|password| !password.expose_secret().is_empty()),
            ),
            ConnectionSpec::Files(FilesSpec::Folder(path)) => (json!({"files": {"path": path}}), None),
            ConnectionSpec::Files(FilesSpec::Upload(folder)) => (json!({"files": {"upload": folder}}), None),
        };
        Self { spec, details, password }
    }

    /// The folder of an upload, named within the uploads.
    pub(crate) fn upload(folder: &str) -> Self {
        Self::of(ConnectionSpec::Files(FilesSpec::Upload(PathBuf::from(folder))))
    }
}

/// How to reach a stored connection.
pub(crate) async fn stored_spec(
    state: &ApiState,
    caller: &Caller,
    connection: &Connection,
) -> Result<ConnectionSpec> {
    let password =
        state.store.connection_secret(&caller.scope, connection.id).await.or_refused("connection")?;
    ConnectionSpec::from_details(&connection.engine, &connection.details, password).map_err(refusal)
}

/// Tries a target out. What is not allowed is refused; a server that does not answer is a test that failed.
pub(crate) async fn try_out(state: &ApiState, target: &Target) -> Result<ConnectionTest> {
    match state.warehouse.test(&target.spec).await {
        Err(error @ (warehouse::Error::InvalidSpec { .. } | warehouse::Error::Refused { .. })) => {
            Err(refusal(error))
        }
        outcome => Ok(test_of(state, outcome)),
    }
}

/// Reads from a stored connection as one of the queries that may run on it at once.
pub(crate) async fn admitted<T>(
    state: &ApiState,
    caller: &Caller,
    connection: &Connection,
    read: Pin<Box<impl Future<Output = Result<T, warehouse::Error>>>>,
) -> Result<Result<T, warehouse::Error>> {
    let limit = connection.concurrent_queries();
    // Whoever asked and went away is dropped with the request, and leaves the line.
    let never = CancellationToken::new();
    let asked = state.store.connection_slot(&caller.scope, connection.id, limit, SLOT_PATIENCE, &never).await;
    let SlotAnswer::Taken(slot) = asked.or_refused("connection")? else { return Err(BUSY) };
    let outcome = tokio::select! {
        outcome = read => Ok(outcome),
        () = slot.lost() => Err(BUSY),
    };
    slot.give_back().await.or_refused("connection")?;
    outcome
}

/// A test as it is stored.
pub(crate) fn test_of(state: &ApiState, outcome: Result<TestReport, warehouse::Error>) -> ConnectionTest {
    match outcome {
        Ok(report) => ConnectionTest {
            ok: true,
            at: state.now(),
            message: report.message,
            tables: Some(u32::try_from(report.tables).unwrap_or(u32::MAX)),
            freshness: None,
        },
        Err(error) => {
            let hint = error.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
            let message = format!("{error}{hint}");
            ConnectionTest { ok: false, at: state.now(), message, tables: None, freshness: None }
        }
    }
}

/// How fresh a source is at this moment. A source that does not answer is a look that failed; so is a check that names what
/// is not there, unless it is about to be saved: then it is refused with its field.
pub(crate) async fn look(
    state: &ApiState,
    spec: &ConnectionSpec,
    check: &FreshnessCheck,
    is_new: bool,
) -> Result<FreshnessLook> {
    let now = state.store.now().await.or_refused("connection")?;
    let newest = state.warehouse.newest(spec, check, QueryLimits::default(), &CancellationToken::new()).await;
    let error = match newest {
        Ok(newest) => return Ok(check.look(newest, now)),
        Err(error) => error,
    };
    let hint = error.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
    let message = format!("{error}{}", hint.trim_end_matches('.'));
    match error {
        warehouse::Error::UnknownTable { .. } if is_new => Err(Error::field("freshness.table", message)),
        warehouse::Error::UnfitColumn { .. } if is_new => Err(Error::field("freshness.column", message)),
        _ => Ok(FreshnessLook { is_fresh: false, newest_at: None, message }),
    }
}

/// A test with a look at freshness where the source answered and its freshness can be known.
pub(crate) async fn with_look(
    state: &ApiState,
    mut test: ConnectionTest,
    spec: &ConnectionSpec,
    check: Option<&FreshnessCheck>,
    is_new: bool,
) -> Result<ConnectionTest> {
    if let Some(check) = check.filter(|_| test.ok) {
        test.freshness = Some(look(state, spec, check, is_new).await?);
    }
    Ok(test)
}

/// What a client is told when a data source refuses or fails.
pub(crate) fn refusal(error: warehouse::Error) -> Error {
    match error {
        warehouse::Error::InvalidSpec { path, message } => Error::field(path, message),
        warehouse::Error::Refused { reason, .. } => Error::field("connectionDetails", reason),
        other => Error::Unavailable(other.to_string().into()),
    }
}

/// Details as those who manage a connection see them.
pub(crate) fn shown_details(connection: &Connection) -> ConnectionDetails {
    let fields = &connection.details[&connection.engine];
    let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    match connection.engine.as_str() {
        "postgres" => ConnectionDetails {
            postgres: Some(PostgresDetails {
                hostname: text("hostname"),
                port: fields["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(5432),
                database: text("database"),
                username: text("username"),
                tls: fields["tls"].as_str().unwrap_or("prefer").to_owned(),
            }),
            files: None,
        },
        "files" => ConnectionDetails {
            postgres: None,
            files: Some(FilesDetails { path: fields["path"].as_str().map(str::to_owned) }),
        },
        _ => ConnectionDetails::default(),
    }
}

/// The folder of a connection's uploaded files, if they were uploaded.
pub(crate) fn upload_folder(connection: &Connection, uploads: &Path) -> Option<PathBuf> {
    let name = Path::new(connection.details["files"]["upload"].as_str()?);
    let is_one_name = matches!(name.components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
    is_one_name.then(|| uploads.join(name))
}
