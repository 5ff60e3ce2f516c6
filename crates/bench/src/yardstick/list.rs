//! The statements behind a list of tasks, run by pgbench.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, ensure};
use sqlx::PgConnection;
use tokio::process::Command;

use super::pgbench::{fill, programs, statements, with_arguments};
use crate::{
    row::tasks::{ROWS, SESSIONS},
    server::{Database, execute},
};

/// A function with a gap for the statement that finds out who asks.
const FUNCTION: &str = include_str!("../../yardstick/session.sql");
const GAPS: [(&str, &str); 2] = [
    ("session", "FROM session JOIN member ON member.workspace_id = session.workspace_id"),
    ("list", "WHERE task.workspace_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR creator_id = $2)"),
];

/// Makes the function in a database.
pub(crate) async fn prepare(connection: &mut PgConnection) -> anyhow::Result<()> {
    execute(connection, &fill(FUNCTION, &statements(&GAPS)?)?).await
}

/// Asks with so many clients for some seconds, and answers the lists per second. Like the server, it finds out who asks as one
/// who may see all sessions, and reads the tasks in a transaction that sees one workspace.
pub(crate) async fn ask(
    folder: &Path,
    database: &Database,
    clients: u32,
    seconds: u32,
) -> anyhow::Result<f64> {
    let script = folder.join("list.pgbench");
    fs::write(&script, text()?)?;
    let mut connection = database.connect().await?;
    let output = Command::new(programs(&mut connection).await?.join("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared"])
        .arg(format!("--client={clients}"))
        .arg("--jobs=2")
        .arg(format!("--time={seconds}"))
        .arg("--file")
        .arg(&script)
        .arg(&database.url)
        .env("PGOPTIONS", "-c role=tidings_app -c jit=off")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench tells no tps")?;
    Ok(line.split(' ').next().unwrap_or_default().parse()?)
}

/// One round of a client.
fn text() -> anyhow::Result<String> {
    let statements = statements(&GAPS)?;
    let rows = (ROWS + 1).to_string();
    let arguments =
        [":workspace_id", ":user_id", "NULL", "NULL", "'created_at'", "NULL", "NULL", rows.as_str()];
    let list = with_arguments(&statements["list"], &arguments)?;
    // What pgbench would take for variables of its own.
    let list = list.replace("HH24:MI:SS", "HH24' || chr(58) || 'MI' || chr(58) || 'SS");
    Ok(format!(
        "\\set session random(0, {SESSIONS} - 1)
SELECT workspace_id, user_id FROM yardstick.session(:session) \\gset
BEGIN;
SELECT set_config('tidings.workspace_id', :workspace_id, true), instant(NULL);
{};
ROLLBACK;
",
        list.split_whitespace().collect::<Vec<_>>().join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_holds_the_stores_own_statement() {
        let text = text().expect("a script");
        assert!(text.contains("JOIN task_overview"), "{text}");
        assert!(text.contains("WHERE task.workspace_id = :workspace_id"), "{text}");
        assert!(!text.contains('$'), "{text}");
    }
}
