//! The demo workspace: an invented company's data, and three tasks over it, one of which has run.

mod data;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    ConnectionId, TaskId, ThreadId, UserId,
    access::Role,
    credit_cap::CreditCaps,
    schedule::ScheduleSpec,
    task::{Context as TaskContext, Notification, TaskSpec, default_expiration},
};
use serde_json::json;
use store::{NewConnection, NewUser, Scope, Store};

/// Who the demo workspace belongs to.
pub(crate) const USER_EMAIL: &str = "demo@tidings.local";
const WORKSPACE_NAME: &str = "Lumen Desk";
const WORKSPACE_SLUG: &str = "lumen-desk";
const CONNECTION_NAME: &str = "Lumen Desk sales";

/// Where the demo's files are.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("demo")
}

/// Makes the demo workspace on the first start of an empty installation, and brings its data up to yesterday on every start.
/// Answers the thread in which the first task's answer is being made, on the first start.
pub(crate) async fn prepare(store: &Store, data_dir: &Path) -> anyhow::Result<Option<ThreadId>> {
    let folder = folder(data_dir);
    let now = store.now().await?;
    let is_first_start = store.workspace_list().await?.is_empty();
    if !is_first_start && !folder.exists() {
        // The demo was removed, or never was.
        return Ok(None);
    }
    write_data(&folder, now.date_naive()).context("the demo company's data cannot be written")?;
    if !is_first_start {
        return Ok(None);
    }
    seed(store, &folder, now).await.context("the demo workspace cannot be made").map(Some)
}

/// Writes the files if they do not reach up to yesterday yet. The date of the first start is kept, so that history stays.
fn write_data(folder: &Path, today: NaiveDate) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let dates = folder.join(".dates");
    let written: Vec<NaiveDate> =
        fs::read_to_string(&dates).unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect();
    let (first_start, last_written) = match written.as_slice() {
        [first_start, last_written] => (*first_start, Some(*last_written)),
        _ => (today, None),
    };
    if last_written.is_some_and(|written| written >= today) {
        return Ok(());
    }
    let rows = data::write(folder, today, data::first_day(first_start), data::last_full_week(first_start))?;
    fs::write(&dates, format!("{first_start}\n{today}\n"))?;
    tracing::info!(rows, folder = %folder.display(), "demo data written");
    Ok(())
}

async fn seed(store: &Store, folder: &Path, now: DateTime<Utc>) -> anyhow::Result<ThreadId> {
    let operator = store.workspace_create(WORKSPACE_NAME, WORKSPACE_SLUG).await?;
    let user = NewUser {
        email: USER_EMAIL.to_owned(),
        name: "Demo".to_owned(),
        password_hash: None,
        timezone: "UTC".to_owned(),
    };
    let user_id = store.user_create(&user).await?;
    store.member_add(&operator, user_id, Role::Admin).await?;
    let scope = user_scope(store, user_id).await?;
    let connection = NewConnection {
        name: CONNECTION_NAME.to_owned(),
        engine: "files".to_owned(),
        description: "Sign-ups and orders of Lumen Desk's four products. Amounts are in US dollars."
            .to_owned(),
        details: json!({"files": {"path": folder}}),
        secret: None,
        limits: json!({}),
        freshness: None,
    };
    let connection = store.connection_create(&scope, user_id, &connection).await?.id;
    let [weekly, daily, monthly] = tasks(connection, user_id, now);
    for task in [monthly, daily] {
        create(store, &scope, user_id, task, now).await?;
    }
    // The first screen shows an answer: one task runs at once.
    let weekly = create(store, &scope, user_id, weekly, now).await?;
    Ok(store.task_run(&scope, weekly, None).await?.thread_id)
}

async fn create(
    store: &Store,
    scope: &Scope,
    user_id: UserId,
    mut task: TaskSpec,
    now: DateTime<Utc>,
) -> anyhow::Result<TaskId> {
    let schedule = task.check(now, false)?;
    Ok(store.task_create(scope, user_id, &task, &schedule).await?.id)
}

fn tasks(connection: ConnectionId, user_id: UserId, now: DateTime<Utc>) -> [TaskSpec; 3] {
    let mention = format!("@[{CONNECTION_NAME}](connection:{connection})");
    let schedule = |cadence: &str, weekdays: Option<&[&str]>, day_of_month: Option<i64>| ScheduleSpec {
        cadence: cadence.to_owned(),
        weekdays: weekdays.map(|days| days.iter().map(|day| (*day).to_owned()).collect()),
        day_of_month,
        nth_weekday: None,
        window_start: "08:00".to_owned(),
        timezone: "UTC".to_owned(),
    };
    let task = |title: &str, prompt: String, schedule: ScheduleSpec| TaskSpec {
        title: title.to_owned(),
        prompt,
        context: TaskContext { connection_ids: vec![connection], ..TaskContext::default() },
        schedule,
        notification: Notification { user_ids: vec![user_id], ..Notification::default() },
        condition: None,
        freshness: None,
        caps: CreditCaps::default(),
        expires_at: Some(default_expiration(now)),
    };
    [
        task(
            "Weekly revenue by product",
            format!("How did revenue develop last week compared with the week before, by product? {mention}"),
            schedule("weekly", Some(&["mon"]), None),
        ),
        task(
            "Daily sign-ups",
            format!("Sign-ups per day over the last 30 days by product, from {mention}"),
            schedule("daily", None, None),
        ),
        task(
            "Monthly best-sellers",
            format!("Which products had the most orders last month? {mention}"),
            schedule("monthly", None, Some(1)),
        ),
    ]
}

/// The demo user's own scope.
pub(crate) async fn user_scope(store: &Store, user_id: UserId) -> anyhow::Result<Scope> {
    store
        .user_scopes(user_id)
        .await?
        .into_iter()
        .next()
        .context("the user is no active member of a workspace")
}
