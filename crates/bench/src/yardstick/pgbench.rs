//! The same statements as the store's, run by pgbench: what is left is the server's own time.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use tokio::process::Command;

use crate::{
    drain,
    load::{Batch, now, settle},
    server::{Database, execute},
};

/// Functions with gaps for the store's statements.
const FUNCTIONS: &str = include_str!("../../yardstick/same.sql");
/// Where the store's statements are kept, each as it is prepared.
const STATEMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.sqlx");
/// Each gap, and what only its statement says.
const GAPS: [(&str, &str); 13] = [
    ("alone", "pg_try_advisory_xact_lock(hashtextextended('tidings.due_start'"),
    ("due", "WHERE due_at <= $1 AND due_at >= $2 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED"),
    ("tasks", "AS due (workspace_id, task_id, date) JOIN task ON"),
    ("unfinished", "FROM unnest($1::uuid[], $2::uuid[]) AS due (workspace_id, task_id) JOIN run_queue ON"),
    ("turns", "WHERE pg_try_advisory_xact_lock(hashtextextended('tidings.run_claim '"),
    ("used_up", "GROUP BY workspace_id HAVING sum(amount_micro) <= 0"),
    ("rooms", "AS \"free!\" FROM workspace WHERE id = ANY ($1)"),
    (
        "runs",
        "ON CONFLICT ON CONSTRAINT run_occurrence_unique DO NOTHING RETURNING workspace_id, id ) INSERT",
    ),
    ("next", "UPDATE task_due SET due_at = next.due_at"),
    ("off", "DELETE FROM run_queue USING held"),
    ("ended", "UPDATE run SET status = ending.status, reason = ending.reason"),
    (
        "deliver",
        "AS given (workspace_id, task_id, run_id, thread_id, turn_no, user_id, attach_csv, is_test, mail_id",
    ),
    ("tell", "SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word"),
];
/// Occurrences and runs of one transaction.
const BATCH: u32 = 500;
/// Rounds of a client that no drain comes to: pgbench is ended when all is done. How many a client needs nobody can say, for
/// it finds nothing while another starts what is due.
const ROUNDS: u32 = 10_000_000;
/// Between two looks whether all is done. They cost the server next to nothing, and are not in the time that is measured.
const LOOK: Duration = Duration::from_millis(250);
/// No drain takes so long.
const PATIENCE: Duration = Duration::from_mins(5);
/// One round of a client: two transactions, and a pause as a worker's when nothing was started.
const SCRIPT: &str = "SELECT watermark, claimed, workspace_ids, run_ids, tokens FROM yardstick.due_start(:watermark::timestamptz, :batch::bigint) \\gset
SELECT yardstick.run_succeed_all(:workspace_ids::uuid[], :run_ids::uuid[], :tokens::uuid[]);
\\if :claimed = 0
\\sleep 5 ms
\\endif
";

/// Makes the functions in a database.
pub(crate) async fn prepare(connection: &mut PgConnection) -> anyhow::Result<()> {
    let answer = serde_json::to_string(&drain::answer())?.replace('\'', "''");
    execute(connection, &fill(FUNCTIONS, &statements(&GAPS)?)?.replace("{answer}", &answer)).await
}

/// Drains a batch with this many clients, and answers its runs per second: from the first claim's beginning to the last commit
/// of a message, by the server's clock. `folder` is for pgbench's script.
pub(crate) async fn drain(
    folder: &Path,
    database: &Database,
    batch: Batch,
    clients: u32,
) -> anyhow::Result<f64> {
    let mut connection = database.connect().await?;
    let due_at = now(&mut connection).await?;
    let date = batch.make_due(&mut connection, due_at, 0).await?;
    settle(&mut connection).await?;
    let programs = programs(&mut connection).await?;
    let script = folder.join("same.pgbench");
    fs::write(&script, SCRIPT)?;
    let mut running = Command::new(programs.join("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--define=watermark=1970-01-01"])
        .arg(format!("--define=batch={BATCH}"))
        .arg(format!("--client={clients}"))
        .arg(format!("--transactions={ROUNDS}"))
        .arg("--file")
        .arg(&script)
        .arg(&database.url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot run pgbench")?;
    let give_up = Instant::now() + PATIENCE;
    while !is_done(&mut connection, due_at).await? {
        if running.try_wait()?.is_some() {
            let output = running.wait_with_output().await?;
            bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        ensure!(Instant::now() < give_up, "pgbench is not done in time");
        tokio::time::sleep(LOOK).await;
    }
    running.kill().await?;
    drain::check(&mut connection, batch, date).await.context("the drain by pgbench")?;
    Ok(f64::from(batch.count) / seconds(&mut connection, date).await?)
}

/// Whether nothing is due any more, and no run has begun and not ended.
async fn is_done(connection: &mut PgConnection, due_at: DateTime<Utc>) -> anyhow::Result<bool> {
    let is_done = sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM task_due WHERE due_at <= $1) AND NOT EXISTS (SELECT FROM run_queue)",
    );
    Ok(is_done.bind(due_at).fetch_one(connection).await?)
}

/// Where the server's programs lie.
pub(super) async fn programs(connection: &mut PgConnection) -> anyhow::Result<PathBuf> {
    let folder: String = sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        .fetch_one(connection)
        .await?;
    Ok(folder.into())
}

/// From the first claim of the occurrences of a date to the last message about one.
async fn seconds(connection: &mut PgConnection, date: NaiveDate) -> anyhow::Result<f64> {
    let took = sqlx::query_scalar(
        "SELECT extract(epoch FROM max(pg_xact_commit_timestamp(delivery.xmin)) - min(run.created_at))::float8
         FROM run JOIN delivery ON delivery.workspace_id = run.workspace_id AND delivery.run_id = run.id
         WHERE run.occurrence_date = $1",
    );
    Ok(took.bind(date).fetch_one(connection).await?)
}

#[derive(Deserialize)]
struct Prepared {
    query: String,
}

/// The store's statement for each gap.
pub(super) fn statements(
    gaps: &[(&'static str, &'static str)],
) -> anyhow::Result<HashMap<&'static str, String>> {
    let mut found = HashMap::new();
    for entry in
        fs::read_dir(STATEMENTS).with_context(|| format!("the store's statements in {STATEMENTS}"))?
    {
        let prepared: Prepared = serde_json::from_slice(&fs::read(entry?.path())?)?;
        let plain = prepared.query.split_whitespace().collect::<Vec<_>>().join(" ");
        for (gap, _) in gaps.iter().filter(|(_, says)| plain.contains(says)) {
            ensure!(found.insert(*gap, prepared.query.clone()).is_none(), "two statements are like `{gap}`");
        }
    }
    for (gap, says) in gaps {
        ensure!(found.contains_key(gap), "the store has no statement `{gap}` any more: {says}");
    }
    Ok(found)
}

/// Puts statements into their gaps, and a gap's arguments in the place of parameters.
pub(super) fn fill(functions: &str, statements: &HashMap<&str, String>) -> anyhow::Result<String> {
    let mut filled = String::new();
    let mut rest = functions;
    while let Some((before, gap)) = rest.split_once('@') {
        filled.push_str(before);
        let (name, told) = gap.split_once('(').context("a gap has arguments")?;
        let Some(statement) = statements.get(name) else {
            // A word of a comment.
            filled.push('@');
            rest = gap;
            continue;
        };
        let (arguments, after) = arguments(told).with_context(|| format!("the arguments of `{name}`"))?;
        filled.push_str(&with_arguments(statement, &arguments).with_context(|| format!("`{name}`"))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Splits `a, f(b, c)) rest` into its arguments and the rest.
fn arguments(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' if depth == 0 => {
                found.push(text[start..at].trim());
                found.retain(|argument| !argument.is_empty());
                return Some((found, &text[at + 1..]));
            }
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// A statement with arguments for `$1`, `$2` and so on, all of which it must name and no other.
pub(super) fn with_arguments(statement: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut pieces = statement.split('$');
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    let mut named = vec![false; arguments.len()];
    for piece in pieces {
        let end = piece.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(piece.len());
        let number: usize = piece[..end].parse().context("a parameter's number")?;
        let argument = number.checked_sub(1).and_then(|index| arguments.get(index));
        filled.push_str(argument.with_context(|| format!("there is no argument {number}"))?);
        named[number - 1] = true;
        filled.push_str(&piece[end..]);
    }
    ensure!(named.iter().all(|is_named| *is_named), "it takes fewer than {} arguments", arguments.len());
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_is_filled_with_the_stores_own_statement() {
        let statements = statements(&GAPS).expect("the store's statements");
        let filled = fill(FUNCTIONS, &statements).expect("functions");
        for (gap, statement) in &statements {
            let head = statement.split('$').next().expect("a piece");
            assert!(filled.contains(head), "`{gap}` is not in the functions");
            assert!(!filled.contains(&format!("@{gap}(")), "`{gap}` is still open");
        }
    }

    #[test]
    fn arguments_take_the_place_of_parameters() {
        let statements = HashMap::from([("put", "SELECT $1, $12, $2::int".to_owned())]);
        let told = "@put(a, f(b, c[1]), 3, 4, 5, 6, 7, 8, 9, 10, 11, l);";
        assert!(fill(told, &statements).is_err(), "it has no $3");
        let statements = HashMap::from([("put", "SELECT $1, $2::int, $1".to_owned())]);
        assert_eq!(
            fill("x @put(a, f(b, c[1])); y", &statements).expect("filled"),
            "x SELECT a, f(b, c[1])::int, a; y"
        );
        assert!(fill("@put(a);", &statements).is_err(), "it needs $2");
        let statements = HashMap::from([("put", "SELECT 1".to_owned())]);
        assert_eq!(fill("@put();", &statements).expect("filled"), "SELECT 1;");
    }
}
