//! Scoring a model on questions whose answers are known, with no workspace and no server running.
//!
//! Each question runs as a turn of its own, in memory, through the same loop as any other. It is right when the reference
//! rows equal the rows of a result that the answer shows: see [`score`].

pub mod score;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{ConnectionId, run::Usage};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use warehouse::{ConnectionSpec, FilesSpec, PostgresSpec, TlsMode, Warehouse};

use crate::{
    journal::{Journal, MemoryJournal},
    limits::Limits,
    model::{ContextConnection, Model, TurnContext},
    price::Prices,
    turn::{self, Ended, Runtime, Signals},
};

/// Why an evaluation cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line of the questions is not as it should be.
    #[error("line {line} of the questions is not a question with its reference rows")]
    Question {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The connection's address cannot be read.
    #[error("`{0}` is no address of a PostgreSQL database: postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Address(String),
}

/// A question and the rows that answer it.
#[derive(Clone, Debug, Deserialize)]
pub struct Question {
    /// What is asked.
    pub question: String,
    /// A statement that answers it. Order counts only where it has LIMIT.
    pub reference_sql: String,
    /// How many rows answer it.
    pub row_count: usize,
    /// The rows, at most 200 of them.
    pub rows: Vec<Vec<Value>>,
}

/// How a question went.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What was asked.
    pub question: String,
    /// Whether a shown result has the reference rows.
    pub right: bool,
    /// The statement behind that result; where none has them, behind the first that was shown.
    pub sql: Option<String>,
    /// How many rows that result has.
    pub row_count: Option<u64>,
    /// Model replies and tool calls.
    pub steps: u32,
    /// Tokens sent and received.
    pub tokens: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Why it is not right; `null` where it is.
    pub why: Option<String>,
}

/// How all of them went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many were right.
    pub right: usize,
    /// How many were asked.
    pub total: usize,
}

/// What is evaluated, on what.
pub struct Evaluation {
    /// The door to the data.
    pub warehouse: Warehouse,
    /// Where the data is.
    pub connection: ConnectionSpec,
    /// What the connection is called.
    pub connection_name: String,
    /// Who answers.
    pub model: Arc<dyn Model>,
    /// What each turn may use.
    pub limits: Limits,
    /// The instant as of which is asked.
    pub now: DateTime<Utc>,
}

/// Reads questions, one JSON object a line.
pub fn questions(text: &str) -> Result<Vec<Question>, Error> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|source| Error::Question { line: at + 1, source })
        })
        .collect()
}

/// The connection that `files:FOLDER` or `postgres://…` stands for; none for anything else, which is a connection's name.
pub fn connection(target: &str) -> Result<Option<ConnectionSpec>, Error> {
    if let Some(folder) = target.strip_prefix("files:") {
        return Ok(Some(ConnectionSpec::Files(FilesSpec::Folder(folder.into()))));
    }
    if !target.starts_with("postgres://") && !target.starts_with("postgresql://") {
        return Ok(None);
    }
    let error = || Error::Address(without_password(target));
    let url = reqwest::Url::parse(target).map_err(|_| error())?;
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let option = |wanted: &str| {
        url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let tls = match option("sslmode").as_deref() {
        None | Some("prefer" | "allow") => TlsMode::Prefer,
        Some("disable") => TlsMode::Disable,
        Some("require") => TlsMode::Require,
        Some("verify-full" | "verify-ca") => TlsMode::VerifyFull,
        Some(_) => return Err(error()),
    };
    let spec = PostgresSpec {
        hostname: option("host")
            .or_else(|| url.host_str().map(decoded))
            .filter(|host| !host.is_empty())
            .ok_or_else(error)?,
        port: url.port().unwrap_or(5432),
        database: decoded(url.path().trim_start_matches('/')),
        username: decoded(url.username()),
        password: SecretString::from(decoded(url.password().unwrap_or_default())),
        tls,
    };
    if spec.database.is_empty() || spec.username.is_empty() {
        return Err(error());
    }
    Ok(Some(ConnectionSpec::Postgres(spec)))
}

/// The end of an address, where there is no password.
fn without_password(target: &str) -> String {
    match target.rsplit_once('@') {
        Some((_, place)) => format!("postgres://…@{place}"),
        None => target.to_owned(),
    }
}

impl Evaluation {
    /// Asks every question, one after the other, and tells of each as it is done.
    pub async fn run(&self, questions: &[Question], mut tell: impl FnMut(&Line)) -> Summary {
        let mut summary = Summary { right: 0, total: questions.len() };
        for question in questions {
            let line = self.ask(question).await;
            summary.right += usize::from(line.right);
            tell(&line);
        }
        summary
    }

    async fn ask(&self, question: &Question) -> Line {
        let connection_id = ConnectionId::new(self.now);
        let context = TurnContext {
            now: self.now,
            timezone: "UTC".to_owned(),
            is_task: true,
            condition: None,
            connections: vec![ContextConnection {
                id: connection_id,
                name: self.connection_name.clone(),
                engine: self.connection.engine().to_owned(),
                dialect: self.connection.dialect().as_str().to_owned(),
                is_named: true,
            }],
        };
        let memory =
            MemoryJournal::new(context, question.question.clone(), connection_id, self.connection.clone());
        let journal = Journal::Memory(Box::new(memory));
        let runtime = Runtime {
            warehouse: self.warehouse.clone(),
            charts: chart::Pool::new(1),
            model: Arc::clone(&self.model),
            cheaper: None,
            limits: self.limits,
            prices: Prices::default(),
        };
        let started = Instant::now();
        let ended = match journal.open().await {
            Ok(opening) => turn::run(&journal, &runtime, &Signals::default(), opening).await,
            Err(failure) => Err(failure),
        };
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut line = match ended {
            Ok(ended) => judge(&journal, question, &ended).await,
            Err(failure) => Line { why: Some(failure.to_string()), ..unanswered(question) },
        };
        line.ms = ms;
        line
    }
}

fn unanswered(question: &Question) -> Line {
    Line {
        question: question.question.clone(),
        right: false,
        sql: None,
        row_count: None,
        steps: 0,
        tokens: 0,
        ms: 0,
        why: None,
    }
}

async fn judge(journal: &Journal, question: &Question, ended: &Ended) -> Line {
    let Usage { tokens_in, tokens_out, .. } = ended.usage;
    let mut line = Line { steps: ended.steps, tokens: tokens_in + tokens_out, ..unanswered(question) };
    let Ok(opening) = journal.open().await else {
        line.why = Some("the turn could not be read back".to_owned());
        return line;
    };
    let headline = ended.answer.fill(&ended.answer.headline);
    let mut reasons = Vec::new();
    for shown in &ended.answer.results {
        let Some(result) = opening.results.iter().find(|result| result.id == shown.id) else { continue };
        let Ok(table) = journal.table(result).await else { continue };
        let verdict = score::compare(question, &table);
        let is_first = line.sql.is_none();
        if verdict.is_ok() || is_first {
            line.sql = Some(result.sql.clone());
            line.row_count = Some(result.row_count);
        }
        match verdict {
            Ok(()) => {
                line.right = true;
                return line;
            }
            Err(reason) => reasons.push(format!("{}: {reason}", shown.handle)),
        }
    }
    line.why = Some(if reasons.is_empty() {
        format!("the answer shows no result: {headline}")
    } else {
        format!("{} — {headline}", reasons.join("; "))
    });
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_apart() {
        assert!(connection("Warehouse").expect("a name").is_none());
        assert!(matches!(
            connection("files:data/flights").expect("a folder"),
            Some(ConnectionSpec::Files(FilesSpec::Folder(path))) if path == std::path::Path::new("data/flights")
        ));
        let Some(ConnectionSpec::Postgres(spec)) =
            connection("postgres://me:p%40ss@db.example:6543/sales?sslmode=require").expect("an address")
        else {
            panic!("a PostgreSQL database")
        };
        assert_eq!(
            (spec.hostname.as_str(), spec.port, spec.database.as_str()),
            ("db.example", 6543, "sales")
        );
        assert_eq!((spec.username.as_str(), spec.tls), ("me", TlsMode::Require));
        let error = connection("postgres://me:secret@host").expect_err("no database");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_broken_line_is_named() {
        assert!(questions("\n\n").expect("nothing").is_empty());
        assert_eq!(questions("{}").expect_err("no question").to_string().split(' ').nth(1), Some("1"));
    }
}
