//! `search_catalog`: which tables, columns and past answers suit some words.

use std::sync::Arc;

use domain::step::ToolCall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use warehouse::{Catalog, CatalogTable};

use super::{Desk, Outcome, Told, Trouble, arguments};
use crate::{journal::Reachable, model::ContextConnection, verified};

pub(super) const DESCRIPTION: &str = "Find tables by words of the question, best match first, with their columns and \
the name to write in SQL; also answers that were given before, and first of all verified questions: SQL that people found \
right. Lists every table where there are few. Start here.";

/// Up to this many tables, all are listed.
const ALL_LISTED: usize = 40;
/// Of more, so many of the best.
const BEST_LISTED: usize = 20;
/// The most columns named for a table.
const COLUMNS_LISTED: usize = 100;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Arguments {
    /// Words of the question: things, measures, names.
    query: String,
    /// Look only in this connection.
    connection_id: Option<String>,
}

/// An answer of another thread that suits some words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PastAnswer {
    /// The thread.
    pub(crate) thread_id: domain::ThreadId,
    /// What was asked.
    pub(crate) question: String,
    /// What was found, figures filled in.
    pub(crate) headline: String,
    /// The statements behind it.
    pub(crate) sql: Vec<String>,
}

/// What people called and wrote about a table, and nothing that was read from it, not even how many rows it has: a search tells
/// of every connection, and none counts as read for that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FoundTable {
    connection_id: domain::ConnectionId,
    connection: String,
    dialect: String,
    table: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    columns: Vec<String>,
}

pub(super) async fn call(desk: &Desk<'_>, call: &ToolCall) -> Result<Outcome, Trouble> {
    let Arguments { query, connection_id } = arguments(call)?;
    let words = words(&query);
    let mut scored: Vec<(i64, FoundTable)> = Vec::new();
    let mut problems: Vec<String> = Vec::new();
    for (offered, reachable) in chosen(desk, connection_id.as_deref()).await? {
        let catalog = match catalog(desk, &reachable).await {
            Ok(catalog) => catalog,
            // One source of several that is down or busy does not stand in the way of the others.
            Err(trouble) => match trouble.of_source() {
                Some(told) if !offered.is_named && desk.context.connections.len() > 1 => {
                    problems.push(format!("{}: {told}", offered.name));
                    continue;
                }
                _ => return Err(trouble),
            },
        };
        add_tables(&mut scored, offered, &catalog, &words);
        if !catalog.problems.is_empty() {
            // Not what they are: an engine that cannot read a file may quote a row of it.
            problems.push(format!(
                "{}: {} problems, which its page tells of",
                offered.name,
                catalog.problems.len()
            ));
        }
    }
    let total = scored.len();
    // Stable, so that equally good tables keep the catalog's order.
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    if total > ALL_LISTED {
        scored.truncate(BEST_LISTED);
    }
    let tables: Vec<FoundTable> = scored.into_iter().map(|(_, table)| table).collect();
    let past_answers = desk.journal.past_answers(&query).await?;
    let verified = verified::find(desk, &query).await?;
    let mut output = json!({
        "verifiedQuestions": verified, "tables": tables, "pastAnswers": past_answers, "tablesInAll": total,
    });
    if let (Some(output), false) = (output.as_object_mut(), problems.is_empty()) {
        output.insert("problems".into(), json!(problems));
    }
    Ok(Outcome::told(output))
}

/// The catalog as it was read a moment ago, or read as a query of its own.
async fn catalog(desk: &Desk<'_>, reachable: &Reachable) -> Result<Arc<Catalog>, Trouble> {
    if let Some(known) = desk.warehouse.known_catalog(&reachable.spec) {
        return Ok(known);
    }
    let admission = desk.admit(reachable).await?;
    Ok(admission.run(Box::pin(desk.warehouse.catalog(&reachable.spec))).await??)
}

async fn chosen<'a>(
    desk: &'a Desk<'_>,
    connection_id: Option<&str>,
) -> Result<Vec<(&'a ContextConnection, Reachable)>, Trouble> {
    let mut chosen = Vec::new();
    for offered in &desk.context.connections {
        if connection_id.is_some_and(|id| id != offered.id.to_string()) {
            continue;
        }
        match desk.connection(&offered.id.to_string()).await {
            Ok(reachable) => chosen.push((offered, reachable)),
            Err(Trouble::Told(_)) if connection_id.is_none() => {}
            Err(trouble) => return Err(trouble),
        }
    }
    if chosen.is_empty() {
        let known: Vec<_> =
            desk.context.connections.iter().map(|known| format!("{} ({})", known.id, known.name)).collect();
        return Err(Told::new(
            "unknown_connection",
            "there is no such connection for this question",
            format!("Use one of: {}.", known.join(", ")),
        )
        .into());
    }
    Ok(chosen)
}

fn add_tables(
    scored: &mut Vec<(i64, FoundTable)>,
    offered: &ContextConnection,
    catalog: &Arc<Catalog>,
    words: &[String],
) {
    for table in &catalog.tables {
        scored.push((
            score(table, words),
            FoundTable {
                connection_id: offered.id,
                connection: offered.name.clone(),
                dialect: offered.dialect.clone(),
                table: table.table.clone(),
                comment: table.comment.clone(),
                columns: table
                    .columns
                    .iter()
                    .take(COLUMNS_LISTED)
                    .map(|column| column.name.clone())
                    .collect(),
            },
        ));
    }
}

/// The words of a text in lower case, without a plural's `s`.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(100)
        .map(|word| singular(&word.to_lowercase()))
        .collect()
}

fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    word.strip_suffix('s').filter(|stem| stem.len() > 2 && !stem.ends_with('s')).unwrap_or(word).to_owned()
}

/// A word in a table's name counts most, then in a column's name, then in a comment.
fn score(table: &CatalogTable, wanted: &[String]) -> i64 {
    let name = words(&table.table);
    let comment = words(table.comment.as_deref().unwrap_or_default());
    let columns: Vec<String> = table.columns.iter().flat_map(|column| words(&column.name)).collect();
    let column_comments: Vec<String> = table
        .columns
        .iter()
        .flat_map(|column| words(column.comment.as_deref().unwrap_or_default()))
        .collect();
    wanted
        .iter()
        .map(|word| {
            let weight = |words: &[String], weight: i64| if words.contains(word) { weight } else { 0 };
            weight(&name, 8) + weight(&columns, 4) + weight(&comment, 2) + weight(&column_comments, 1)
        })
        .sum()
}
