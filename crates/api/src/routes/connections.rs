//! Data connections (part B, and what the page needs beside it).

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use domain::{
    ConnectionId,
    access::ConnectionAccess,
    freshness::{FreshnessCheck, FreshnessLook},
    table::ColumnType,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Connection, ConnectionChange, ConnectionTest, Cursor, NewConnection, Page};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiState, Error, Result,
    auth::Caller,
    error::StoreResult,
    etag::{IfMatch, etag},
    extract::{Given, Json, Path, Query},
    page::{List, PageQuery},
    routes::target::{self, ConnectionDetails, ConnectionDetailsPatch, ConnectionDetailsRequest},
};

/// The longest name, in characters.
const NAME_MAX: usize = 200;
/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 10_000;
/// The most queries that a connection may let run at once.
const CONCURRENT_QUERIES_MAX: i64 = 100;
/// How many rows are read at once where all are needed.
const ROWS_AT_ONCE: u32 = 1_000;

/// A data source. Its ETag is its version. Secrets are never in it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataConnection {
    id: ConnectionId,
    name: String,
    /// `postgres` or `files`.
    #[serde(rename = "type")]
    engine: String,
    #[schema(required)]
    description: Option<String>,
    connection_details: ConnectionDetails,
    limits: ConnectionLimits,
    /// How the age of its data is known, for tasks that wait for fresh data. Null: it is not, or the caller may not query it.
    #[schema(required)]
    freshness: Option<FreshnessCheck>,
    /// Whether its data stays out of Slack: a question asked there is not answered there with it.
    sensitive: bool,
    /// What the caller may do with it.
    access: ConnectionAccess,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// How the latest test ended; null before the first.
    #[schema(required)]
    last_test: Option<LastTest>,
}

/// What a connection lets happen at once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionLimits {
    /// Queries at once, over all processes; others wait.
    concurrent_queries: u32,
}

/// Limits to set; absent ones stay, or are the defaults.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectionLimitsRequest {
    /// 1 to 100; 4 by default.
    #[schema(minimum = 1, maximum = 100)]
    concurrent_queries: Option<i64>,
}

/// How a test ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastTest {
    ok: bool,
    at: DateTime<Utc>,
    /// What was found: the server's version, or what is wrong and what to do.
    #[schema(required)]
    message: Option<String>,
    /// How many tables were found.
    #[schema(required)]
    tables: Option<u32>,
    /// How fresh the data was; null where nobody said how that is known, or nothing answered.
    #[schema(required)]
    freshness: Option<FreshnessLook>,
}

/// A connection to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataConnectionRequest {
    /// 1 to 100 characters.
    name: String,
    /// `postgres` or `files`.
    #[serde(rename = "type")]
    #[schema(example = "postgres")]
    engine: String,
    description: Option<String>,
    #[schema(value_type = ConnectionDetailsRequest)]
    connection_details: Value,
    limits: Option<ConnectionLimitsRequest>,
    /// How the age of its data is known. Tried out at once: a table or column that is not there is refused.
    #[serde(default)]
    freshness: Option<FreshnessCheck>,
}

/// Changes to a connection. What is absent stays, the password too.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataConnectionPatch {
    name: Option<String>,
    description: Option<String>,
    #[schema(value_type = Option<ConnectionDetailsPatch>)]
    connection_details: Option<Value>,
    limits: Option<ConnectionLimitsRequest>,
    /// How the age of its data is known. Null: no longer. Tried out at once.
    #[serde(default)]
    #[schema(value_type = Option<FreshnessCheck>)]
    freshness: Given<FreshnessCheck>,
    /// Whether its data stays out of Slack.
    sensitive: Option<bool>,
}

/// A connection that is not saved, to be tested.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataConnectionTest {
    /// `postgres` or `files`.
    #[serde(rename = "type")]
    #[schema(example = "postgres")]
    engine: String,
    #[schema(value_type = ConnectionDetailsRequest)]
    connection_details: Value,
    /// How the age of its data would be known, to be tried out as well.
    #[serde(default)]
    freshness: Option<FreshnessCheck>,
}

/// How a test of a connection went.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestOutcome {
    ok: bool,
    elapsed_ms: u64,
    /// How many tables were found.
    #[schema(required)]
    tables: Option<u32>,
    /// What was found: the server's version, or what is wrong and what to do.
    #[schema(required)]
    message: Option<String>,
    /// How fresh the data is; null where nobody said how that is known, or nothing answered.
    #[schema(required)]
    freshness: Option<FreshnessLook>,
}

/// What is in a connection.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Catalog {
    tables: Vec<CatalogTable>,
    /// What is missing and why: files that could not be read.
    problems: Vec<String>,
    read_at: DateTime<Utc>,
}

/// A table or view.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogTable {
    /// The name to write in SQL.
    table: String,
    #[schema(required)]
    comment: Option<String>,
    #[schema(required)]
    row_estimate: Option<u64>,
    columns: Vec<CatalogColumn>,
}

/// A column.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CatalogColumn {
    name: String,
    #[serde(rename = "type")]
    kind: ColumnType,
    /// The engine's own word.
    native_type: String,
    #[schema(required)]
    comment: Option<String>,
}

pub(crate) fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(data_connection_list, data_connection_create))
        .routes(routes!(data_connection_test_unsaved))
        .routes(routes!(data_connection_get, data_connection_update, data_connection_delete))
        .routes(routes!(data_connection_test))
        .routes(routes!(data_connection_catalog))
        .routes(routes!(workspace_connection_list))
}

/// The connections that the caller may see.
#[utoipa::path(get, path = "/data-connections", tag = "data", params(PageQuery),
    responses((status = 200, body = List<DataConnection>)))]
pub(crate) async fn data_connection_list(
    State(state): State<ApiState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<List<DataConnection>>> {
    let part = query.part()?;
    let connections = all_visible(&state, &caller).await?;
    Ok(axum::Json(part.cut(connections, false, |connection| Cursor {
        key: connection.name.to_lowercase(),
        id: connection.id.as_uuid(),
    })))
}

/// Make a connection. Its maker may manage it.
#[utoipa::path(post, path = "/data-connections", tag = "data", request_body = DataConnectionRequest,
    responses((status = 201, body = DataConnection, headers(("ETag" = String)))))]
pub(crate) async fn data_connection_create(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<DataConnectionRequest>,
) -> Result<impl IntoResponse> {
    require_creator(&caller)?;
    let name = check_name(&request.name)?;
    let description = check_description(request.description)?;
    let limits = check_limits(request.limits, json!({}))?;
    let target = target::read(&request.engine, &request.connection_details)?;
    check_freshness(request.freshness.as_ref())?;
    let test = target::try_out(&state, &target).await?;
    let test = target::with_look(&state, test, &target.spec, request.freshness.as_ref(), true).await?;
    let connection = NewConnection {
        name,
        engine: request.engine,
        description,
        details: target.details,
        secret: target.password,
        limits,
        freshness: request.freshness,
    };
    let made = state.store.connection_create(&caller.scope, caller.user_id, &connection).await;
    let mut made = made.or_refused("connection")?;
    state.store.connection_tested(&caller.scope, made.id, &test).await.or_refused("connection")?;
    made.last_test = Some(test);
    Ok((StatusCode::CREATED, etag(made.version), axum::Json(DataConnection::of(made))))
}

/// The answer to the creation of a connection, some time after it.
pub(crate) async fn created(state: &ApiState, caller: &Caller, id: ConnectionId) -> Result<Response> {
    let made = visible(state, caller, id).await?;
    Ok((StatusCode::CREATED, etag(made.version), axum::Json(DataConnection::of(made))).into_response())
}

/// Test a connection before it is saved.
#[utoipa::path(post, path = "/data-connections/test", tag = "data", request_body = DataConnectionTest,
    responses((status = 200, body = TestOutcome)))]
pub(crate) async fn data_connection_test_unsaved(
    State(state): State<ApiState>,
    caller: Caller,
    Json(request): Json<DataConnectionTest>,
) -> Result<axum::Json<TestOutcome>> {
    require_creator(&caller)?;
    let target = target::read(&request.engine, &request.connection_details)?;
    check_freshness(request.freshness.as_ref())?;
    let started_at = state.now();
    let test = target::try_out(&state, &target).await?;
    let test = target::with_look(&state, test, &target.spec, request.freshness.as_ref(), false).await?;
    Ok(axum::Json(TestOutcome::of(test, state.now() - started_at)))
}

/// One connection.
#[utoipa::path(get, path = "/data-connections/{id}", tag = "data", params(("id" = Uuid, Path)),
    responses((status = 200, body = DataConnection, headers(("ETag" = String)))))]
pub(crate) async fn data_connection_get(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<impl IntoResponse> {
    let connection = visible(&state, &caller, id).await?;
    Ok((etag(connection.version), axum::Json(DataConnection::of(connection))))
}

/// Change a connection. With `If-Match`, only if nobody changed it meanwhile.
#[utoipa::path(patch, path = "/data-connections/{id}", tag = "data", request_body = Option<DataConnectionPatch>,
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The ETag that was read.")),
    responses((status = 200, body = DataConnection, headers(("ETag" = String)))))]
pub(crate) async fn data_connection_update(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    IfMatch(expected): IfMatch,
    Json(patch): Json<DataConnectionPatch>,
) -> Result<impl IntoResponse> {
    let connection = managed(&state, &caller, id).await?;
    if expected.is_some_and(|expected| expected != connection.version) {
        return Err(Error::PreconditionFailed);
    }
    let mut change = ConnectionChange {
        name: patch.name.as_deref().map(check_name).transpose()?,
        description: patch.description.map(|text| check_description(Some(text))).transpose()?,
        limits: patch
            .limits
            .map(|limits| check_limits(Some(limits), connection.limits.clone()))
            .transpose()?,
        freshness: match patch.freshness {
            Given::Absent => None,
            Given::Null => Some(None),
            Given::Value(check) => Some(Some(check)),
        },
        sensitive: patch.sensitive,
        ..ConnectionChange::default()
    };
    let is_new_check = matches!(change.freshness, Some(Some(_)));
    let freshness = change.freshness.clone().unwrap_or_else(|| connection.freshness.clone());
    check_freshness(freshness.as_ref())?;
    let mut test = None;
    if let Some(details) = &patch.connection_details {
        let stored_password =
            state.store.connection_secret(&caller.scope, id).await.or_refused("connection")?;
        let target = target::changed(&connection, details, stored_password)?;
        let tried = target::try_out(&state, &target).await?;
        let tried = target::with_look(&state, tried, &target.spec, freshness.as_ref(), is_new_check).await?;
        test = Some(tried);
        change.details = Some(target.details);
        change.secret = target.password;
    } else if is_new_check {
        let spec = target::stored_spec(&state, &caller, &connection).await?;
        let tried = target::test_of(&state, state.warehouse.test(&spec).await);
        test = Some(target::with_look(&state, tried, &spec, freshness.as_ref(), true).await?);
    }
    // The version that was read: two changes at once do not mix.
    let version = Some(connection.version);
    state.store.connection_update(&caller.scope, id, &change, version).await.or_refused("connection")?;
    if let Some(test) = &test {
        state.store.connection_tested(&caller.scope, id, test).await.or_refused("connection")?;
    }
    let connection = visible(&state, &caller, id).await?;
    Ok((etag(connection.version), axum::Json(DataConnection::of(connection))))
}

/// Delete a connection. Tasks that use it are flagged.
#[utoipa::path(delete, path = "/data-connections/{id}", tag = "data",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Deleted.")))]
pub(crate) async fn data_connection_delete(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
    IfMatch(expected): IfMatch,
) -> Result<StatusCode> {
    let connection = managed(&state, &caller, id).await?;
    if expected.is_some_and(|expected| expected != connection.version) {
        return Err(Error::PreconditionFailed);
    }
    state.store.connection_delete(&caller.scope, id).await.or_refused("connection")?;
    if let Some(folder) = target::upload_folder(&connection, &state.options.uploads_folder)
        && let Err(error) = tokio::fs::remove_dir_all(&folder).await
    {
        tracing::warn!(connection_id = %id, %error, "the uploaded files of a deleted connection stay");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Test a connection.
#[utoipa::path(post, path = "/data-connections/{id}/test", tag = "data", params(("id" = Uuid, Path)),
    responses((status = 200, body = TestOutcome)))]
pub(crate) async fn data_connection_test(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<axum::Json<TestOutcome>> {
    let connection = queryable(&state, &caller, id).await?;
    let spec = target::stored_spec(&state, &caller, &connection).await?;
    let started_at = state.now();
    let outcome =
        target::admitted(&state, &caller, &connection, Box::pin(state.warehouse.test(&spec))).await?;
    let test = target::test_of(&state, outcome);
    let test = target::with_look(&state, test, &spec, connection.freshness.as_ref(), false).await?;
    state.store.connection_tested(&caller.scope, id, &test).await.or_refused("connection")?;
    Ok(axum::Json(TestOutcome::of(test, state.now() - started_at)))
}

/// The tables of a connection.
#[utoipa::path(get, path = "/data-connections/{id}/catalog", tag = "data", params(("id" = Uuid, Path)),
    responses((status = 200, body = Catalog)))]
pub(crate) async fn data_connection_catalog(
    State(state): State<ApiState>,
    caller: Caller,
    Path(id): Path<ConnectionId>,
) -> Result<axum::Json<Catalog>> {
    let connection = queryable(&state, &caller, id).await?;
    let spec = target::stored_spec(&state, &caller, &connection).await?;
    let catalog = match state.warehouse.known_catalog(&spec) {
        Some(known) => known,
        None => target::admitted(&state, &caller, &connection, Box::pin(state.warehouse.catalog(&spec)))
            .await?
            .map_err(target::refusal)?,
    };
    let tables = catalog.tables.iter().map(CatalogTable::of).collect();
    Ok(axum::Json(Catalog { tables, problems: catalog.problems.clone(), read_at: state.now() }))
}

/// All connections that the caller may see, as a bare array.
#[utoipa::path(get, path = "/workspace/connections", tag = "data",
    responses((status = 200, body = Vec<DataConnection>)))]
pub(crate) async fn workspace_connection_list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<axum::Json<Vec<DataConnection>>> {
    all_visible(&state, &caller).await.map(axum::Json)
}

async fn all_visible(state: &ApiState, caller: &Caller) -> Result<Vec<DataConnection>> {
    let mut connections = Vec::new();
    let mut page = Page::first(ROWS_AT_ONCE);
    loop {
        let found = state
            .store
            .connection_list(&caller.scope, caller.user_id, &page)
            .await
            .or_refused("connection")?;
        connections.extend(found.values.into_iter().map(DataConnection::of));
        let Some(next) = found.next else { return Ok(connections) };
        page = Page::after(ROWS_AT_ONCE, Some(next));
    }
}

/// A connection that is there and on which the caller may do anything at all.
async fn visible(state: &ApiState, caller: &Caller, id: ConnectionId) -> Result<Connection> {
    let connection = state.store.connection_get(&caller.scope, id, Some(caller.user_id)).await;
    connection
        .or_refused("connection")?
        .filter(|connection| connection.deleted_at.is_none() && connection.access.is_some())
        .ok_or(Error::NotFound("connection"))
}

/// As [`visible`], and the caller may query it.
async fn queryable(state: &ApiState, caller: &Caller, id: ConnectionId) -> Result<Connection> {
    let connection = visible(state, caller, id).await?;
    if connection.access >= Some(ConnectionAccess::Query) {
        return Ok(connection);
    }
    Err(Error::Forbidden("this needs the right to query the connection"))
}

/// As [`visible`], and the caller may manage it.
pub(crate) async fn managed(state: &ApiState, caller: &Caller, id: ConnectionId) -> Result<Connection> {
    let connection = visible(state, caller, id).await?;
    if connection.access >= Some(ConnectionAccess::Manage) {
        return Ok(connection);
    }
    Err(Error::Forbidden("this needs the right to manage the connection"))
}

/// Refuses callers whose role makes no connections.
pub(crate) fn require_creator(caller: &Caller) -> Result<()> {
    if caller.role.may_create_connections() {
        return Ok(());
    }
    Err(Error::Forbidden("making connections needs the role manager or admin"))
}

/// A name that can be stored and shown.
pub(crate) fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    let is_fine = (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if is_fine {
        return Ok(name.to_owned());
    }
    Err(Error::field("name", format!("must be one line of 1 to {NAME_MAX} characters")))
}

/// A description that can be stored and shown; an absent one is empty.
pub(crate) fn check_description(description: Option<String>) -> Result<String> {
    let description = description.unwrap_or_default().trim().to_owned();
    if description.chars().count() <= DESCRIPTION_MAX {
        return Ok(description);
    }
    Err(Error::field("description", format!("must have at most {DESCRIPTION_MAX} characters")))
}

/// Limits as they are stored: `stored` with what was asked for.
fn check_limits(limits: Option<ConnectionLimitsRequest>, mut stored: Value) -> Result<Value> {
    let Some(queries) = limits.and_then(|limits| limits.concurrent_queries) else { return Ok(stored) };
    if !(1..=CONCURRENT_QUERIES_MAX).contains(&queries) {
        let message = format!("must be a number from 1 to {CONCURRENT_QUERIES_MAX}");
        return Err(Error::field("limits.concurrentQueries", message));
    }
    stored["concurrentQueries"] = queries.into();
    Ok(stored)
}

/// Refuses a check that has no proper form.
fn check_freshness(check: Option<&FreshnessCheck>) -> Result<()> {
    Ok(check.map_or(Ok(()), |check| check.check("freshness"))?)
}

impl DataConnection {
    /// A connection with what its caller may see of it.
    pub(crate) fn of(connection: Connection) -> Self {
        // Only those who get a connection from the store with an access are shown it.
        let access = connection.access.unwrap_or(ConnectionAccess::ViewResults);
        let details = if access == ConnectionAccess::Manage {
            target::shown_details(&connection)
        } else {
            ConnectionDetails::default()
        };
        let may_query = access >= ConnectionAccess::Query;
        Self {
            id: connection.id,
            limits: ConnectionLimits { concurrent_queries: connection.concurrent_queries() },
            name: connection.name,
            engine: connection.engine,
            description: Some(connection.description).filter(|text| !text.is_empty()),
            connection_details: details,
            freshness: connection.freshness.filter(|_| may_query),
            sensitive: connection.sensitive,
            access,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
            last_test: connection.last_test.map(|test| LastTest {
                ok: test.ok,
                at: test.at,
                message: Some(test.message).filter(|text| !text.is_empty()),
                tables: test.tables,
                freshness: test.freshness.filter(|_| may_query),
            }),
        }
    }
}

impl TestOutcome {
    fn of(test: ConnectionTest, elapsed: chrono::TimeDelta) -> Self {
        Self {
            ok: test.ok,
            elapsed_ms: elapsed.num_milliseconds().unsigned_abs(),
            tables: test.tables,
            message: Some(test.message).filter(|text| !text.is_empty()),
            freshness: test.freshness,
        }
    }
}

impl CatalogTable {
    fn of(table: &warehouse::CatalogTable) -> Self {
        Self {
            table: table.table.clone(),
            comment: table.comment.clone(),
            row_estimate: table.row_estimate,
            columns: table.columns.iter().map(CatalogColumn::of).collect(),
        }
    }
}

impl CatalogColumn {
    fn of(column: &warehouse::CatalogColumn) -> Self {
        Self {
            name: column.name.clone(),
            kind: column.kind,
            native_type: column.native_type.clone(),
            comment: column.comment.clone(),
        }
    }
}
